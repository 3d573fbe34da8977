//! The audit: what a reviewer asks of a journal. It reads only, and needs neither the lock nor a healthy system.
//!
//! ```text
//!   journal ──► verify   is it what was written?     ──► Report
//!           ──► story    what happened to this row?
//!           ──► export   what became of each row?
//!           ──► runs     which run is meant?
//! ```
//!
//! Nothing here prints or writes, and nothing here knows the network or the command line.

mod canonical;
mod history;
mod legal;
mod report;
mod scan;
mod verify;

pub use report::{CheckpointFacts, Finding, Report, Verdict};
pub use verify::{Options, verify};
