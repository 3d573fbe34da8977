//! A database file of typed tables, written once: what an export as SQLite consists of. It is no journal.

use super::query::Cell;
use super::reader::Reading;

/// What the values of a column are. Any of them may be absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// A time, as text in RFC 3339.
    Time,
}

/// A database file that is being written. Nothing in it counts before [`close`](Self::close) has returned.
pub trait TableFile: Send {
    /// Makes an empty table. With a `key`, that column (a whole number) identifies its rows.
    fn table<'a>(
        &'a mut self,
        name: &'a str,
        columns: &'a [(String, ColumnKind)],
        key: Option<usize>,
    ) -> Reading<'a, ()>;

    /// Adds rows to a table that was made with so many columns.
    fn insert<'a>(&'a mut self, name: &'a str, rows: &'a [Vec<Cell>]) -> Reading<'a, ()>;

    /// Ends the file. The caller makes it durable.
    fn close(self: Box<Self>) -> Reading<'static, ()>;
}
