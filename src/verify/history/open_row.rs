//! A row that is on its way, while a journal is verified: between its first attempt or reading and its outcome.

use jiff::Timestamp;

use super::super::legal::Row;
use crate::record::event::Verdict;

#[derive(Debug)]
pub(super) struct OpenRow {
    pub(super) state: Row,
    /// Numbers of its entries after the intent, ascending.
    pub(super) entries: Vec<u64>,
    /// That of the last attempt's answer.
    pub(super) answer: Option<u64>,
    /// Whether it was asked for; no answer names a key pair before.
    pub(super) is_asked: bool,
    /// When it was asked for first.
    pub(super) asked_at: Option<Timestamp>,
    /// Whether the last attempt's answer had an operation.
    pub(super) named_one: bool,
}

impl OpenRow {
    pub(super) fn new(verdict: Verdict) -> Self {
        Self {
            state: Row::new(verdict),
            entries: Vec::new(),
            answer: None,
            is_asked: false,
            asked_at: None,
            named_one: false,
        }
    }

    /// It was, or may have been, asked for at `at`. A clock that was set back makes a later moment the earliest.
    pub(super) fn asked(&mut self, at: Timestamp) {
        self.asked_at = Some(self.asked_at.map_or(at, |before| before.min(at)));
    }
}
