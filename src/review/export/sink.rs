//! Where exported rows go, and what can go wrong there.

use std::future::Future;
use std::io;
use std::pin::Pin;

use super::exported::{Exported, Row};
use super::source::Source;
use crate::journal::JournalError;

/// An export that did not complete.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// What was read cannot be written.
    #[error("the export cannot be written")]
    Write(#[source] io::Error),
    /// A cell is longer than the format permits.
    #[error("the column {column:?} of row {row} has more than {most} characters, the most that a cell of xlsx holds")]
    TooLong {
        /// The row.
        row: u64,
        /// The column's name.
        column: String,
        /// The most characters.
        most: usize,
    },
    /// There are more columns than the format permits.
    #[error("the export has {columns} columns; {format} holds {most} at most")]
    TooWide {
        /// How many there are.
        columns: usize,
        /// How many there may be.
        most: usize,
        /// The format.
        format: &'static str,
    },
}

/// What a sink does, once it is done.
pub type Done<'a> = Pin<Box<dyn Future<Output = Result<(), ExportError>> + Send + 'a>>;

/// Takes the rows of an export, page by page.
pub trait Sink: Send {
    /// Before the first row.
    fn begin<'a>(&'a mut self, source: &'a Source) -> Done<'a>;

    /// The next rows.
    fn page<'a>(&'a mut self, source: &'a Source, rows: &'a [Row]) -> Done<'a>;

    /// After the last row. Where the journal stopped, the rows so far are all that there are.
    fn end<'a>(&'a mut self, source: &'a Source, exported: &'a mut Exported) -> Done<'a>;
}

/// What was done at once.
pub(super) fn done<'a>(result: Result<(), ExportError>) -> Done<'a> {
    Box::pin(std::future::ready(result))
}
