//! What became of each row of a run, as a file. Streams: a million rows take no more memory than a thousand.
//!
//! ```text
//!   journal ──► source: one state of a run ──► pages of rows, filtered ──► sink: text, Parquet, SQLite, xlsx
//! ```

mod database;
mod exported;
mod pages;
mod parquet;
mod quiet;
mod row_filter;
mod sheet;
mod sink;
mod source;
mod text;
mod workbook;

pub use database::database;
pub use exported::{Exported, Row, Stopped};
pub use pages::export;
pub use parquet::parquet;
pub use row_filter::RowFilter;
pub use sink::{Done, ExportError, Sink};
pub use source::Source;
pub use text::{csv, json, jsonl};
pub use workbook::workbook;
