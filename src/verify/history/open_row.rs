//! A row that is on its way, while a journal is verified: between its first attempt or reading and its outcome.

use super::super::legal::Row;
use super::ours::Ours;
use crate::record::event::{Event, Source};
use crate::record::plan::Verdict;

#[derive(Debug)]
pub(super) struct OpenRow {
    pub(super) state: Row,
    /// Numbers of its entries after the intent, ascending.
    pub(super) entries: Vec<u64>,
    /// Numbers of answers that came after their runner had lost the row, ascending: what is said of a row later may rest on
    /// them, but no outcome does.
    pub(super) late: Vec<u64>,
    /// That of the last attempt's answer.
    pub(super) answer: Option<u64>,
    /// Whether it was asked for; before that, only answers about operations name a key pair.
    pub(super) is_asked: bool,
    /// Which operations its attempts can have begun.
    pub(super) ours: Ours,
}

impl OpenRow {
    /// Of which only the intent is recorded.
    pub(super) fn new(verdict: Verdict) -> Self {
        Self {
            state: Row::new(verdict),
            entries: Vec::new(),
            late: Vec::new(),
            answer: None,
            is_asked: false,
            ours: Ours::default(),
        }
    }

    /// The numbers of all its entries after the intent, ascending.
    pub(super) fn into_entries(self) -> Vec<u64> {
        let mut all = self.entries;
        all.extend(self.late);
        all.sort_unstable();
        all
    }
}

/// Whether an operation was looked for, perhaps that of another run.
pub(super) fn looks_for_operations(event: &Event) -> bool {
    match event {
        Event::OperationPolled(_) => true,
        Event::Observed(seen) => seen.source == Source::GetOperationsForResource,
        _ => false,
    }
}
