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
    /// That of the last attempt's answer.
    pub(super) answer: Option<u64>,
    /// Whether it was asked for; before that, only answers about operations name a key pair.
    pub(super) is_asked: bool,
    /// Which operations its attempts can have begun.
    pub(super) ours: Ours,
}

impl OpenRow {
    pub(super) fn new(verdict: Verdict) -> Self {
        Self { state: Row::new(verdict), entries: Vec::new(), answer: None, is_asked: false, ours: Ours::default() }
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
