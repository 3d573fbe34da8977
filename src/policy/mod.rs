//! The rules that a plan must keep. Guards look at one row and at what is known of its key pair; they only read, and only make
//! notes, from which the row's verdict follows. Pure: no clock, no database, no network.
//!
//! ```text
//!   policy.toml ──► parse ──► Rules ──► Limits ──┬──► finding::findings ──► what refuses the whole plan
//!                                                ▼
//!   StagedRow, Facts ──────────────────► guard::notes ──► notes ──► guard::verdict ──► delete | skip | absent
//! ```

pub mod by_rule;
mod column;
mod explain;
mod fault;
pub mod finding;
mod fingerprint;
mod glob;
pub mod guard;
pub mod in_use;
pub mod limits;
mod parse;
mod read;
pub mod recreated;
mod rule;
mod rules;
mod staged;

pub use explain::{Explained, explain};
pub use fault::{Fault, FaultKind};
pub use glob::Glob;
pub use parse::{MOST_BYTES, keys, parse};
pub use rule::Rule;
pub use rules::{Liftable, Rules};
pub use staged::{Before, StagedRow};
