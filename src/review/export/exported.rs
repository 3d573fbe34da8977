//! Rows on their way, and what became of them.

use std::collections::BTreeMap;

use crate::journal::{Cell, JournalError, ReviewRow};

/// What was exported.
#[derive(Debug, Default)]
pub struct Exported {
    /// How many rows.
    pub rows: u64,
    /// How many of them have each outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// How many sheets they take, where the format has sheets.
    pub sheets: usize,
    /// Why there are no more, if the journal cannot be read to the run's end.
    pub stopped: Option<Stopped>,
}

/// Where a journal cannot be read on.
#[derive(Debug, Clone)]
pub struct Stopped {
    /// The last row that was read; 0 if none was.
    pub after: u64,
    /// Why.
    pub error: JournalError,
}

/// A row of the run, and as the sheet has it.
#[derive(Debug)]
pub struct Row {
    pub(super) review: ReviewRow,
    pub(super) cells: Vec<Cell>,
}
