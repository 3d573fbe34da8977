//! The audit: what a reviewer asks of a journal. It reads only, and needs neither the lock nor a healthy system.
//!
//! ```text
//!   journal ──► verify   is it what was written?     ──► Report
//!           ──► story    what happened to this row?
//!           ──► facts    what is this run?
//!           ──► export   what became of each row?
//!           ──► runs     which run is meant?
//! ```
//!
//! Nothing here prints or writes, and nothing here knows the network or the command line.

mod canonical;
mod cell;
mod conclude;
mod export;
mod facts;
mod gist;
mod history;
mod legal;
mod outside;
mod plan_root;
mod report;
pub mod runs;
mod scan;
mod sequence;
mod shape;
mod statement;
mod story;
mod tasks;
mod verify;
mod words;

pub use cell::{cell_json, cell_text, csv_cell, json_escaped, json_object, json_text};
pub use export::{ExportError, ExportFormat, export};
pub use facts::{NotDeleted, RunFacts, facts};
pub use gist::{gist, kind};
pub use plan_root::plan_root;
pub use report::{CheckpointFacts, Finding, Report, Verdict};
pub use sequence::Sequence;
pub use statement::{StatementError, single_query};
pub use story::{Chapter, RowError, Story, rows, story};
pub use verify::{Options, verify};
