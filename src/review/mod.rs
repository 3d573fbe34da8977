//! What happened? Answers a reviewer's questions from the entries. It reads only, and needs neither the lock nor a
//! healthy system.
//!
//! ```text
//!   journal ──► story    what happened to this row?
//!           ──► facts    what is this run?
//!           ──► export   what became of each row?
//!           ──► report   the same, as a page for people
//!           ──► runs     which run is meant?
//!           ──► prove    a file that shows one row, without the journal
//!           ──► still_using  which key pairs it deleted, and what was noted of instances
//!           ──► questions  what do reviewers ask?
//!           ──► reconcile ◄── trail   do CloudTrail's records say the same?
//! ```
//!
//! Nothing here prints or writes, and nothing here knows the network or the command line.

mod as_text;
pub mod controlled;
mod export;
mod facts;
mod gaps;
mod leases;
mod lifted;
mod look_for;
mod milestones;
mod one_line;
mod prove;
mod place;
pub mod questions;
pub mod reconcile;
pub mod report;
pub mod runs;
mod statement;
mod still_using;
mod story;
mod suggested;
mod tokens;
pub mod trail;
mod views;

pub use as_text::{cell_json, cell_text, csv_cell, json_escaped, json_object, json_text};
pub use export::{
    Done, ExportError, Exported, Row, RowFilter, Sink, Source, Stopped, csv, database, export, json, jsonl, parquet,
    workbook,
};
pub use facts::{NotDeleted, Resolved, RunFacts, confirmed_how, facts};
pub use lifted::Override;
pub use look_for::{AttemptWindow, Finding, LookFor, Looking};
pub use one_line::one_line;
pub use place::refused_at;
pub use prove::{ProveError, Proved, Under, prove_consistency, prove_row};
pub use statement::{StatementError, single_query};
pub use still_using::{
    BY_NAME, DeletedPair, Doubt, TO_DO, deleted_or_gone, deleted_pairs, noted_at, pairs_in_use, same_key_pair,
};
pub use story::{Chapter, OfRow, RowError, Story, rows, story};
pub use suggested::{Given, Suggested};
pub use views::{View, views};
