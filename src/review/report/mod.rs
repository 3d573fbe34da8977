//! A report on one run: for people who were not there, as a page, as Markdown, as text, and as JSON for programs.
//!
//! ```text
//!   views, entries ──► collect ──► Report ──► markdown, text, json
//!                  └─► rows ─────► spool ──┴─► html
//! ```
//!
//! Every number comes from the views that reviewers query. Rows stream: what a report holds in memory is bounded.

mod ask;
mod charts;
mod collect;
mod doubtful;
mod doubts;
mod facts;
mod html;
mod in_use;
mod json;
mod later;
mod markdown;
mod noted;
mod page;
mod rows;
mod safe;
mod sections;
mod sent;
mod sentences;
mod text;
mod traffic;
mod words;

pub use collect::collect;
pub use facts::{Report, Verification};
pub use html::html;
pub use json::json;
pub use markdown::{markdown, of_session};
pub use rows::{Limits, RowBlocks, rows};
pub use text::text;
