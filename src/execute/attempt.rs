//! What is known of one attempt, and of the readings after it: the parts of a [`RowState`](super::row::RowState).

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{ApiError, AttemptTime, Class};
use crate::record::event::Found;

/// What an error said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// In one line, for people.
    pub text: String,
    /// The names that the service gave the error: the modelled type, the code.
    pub names: Vec<String>,
}

impl From<&ApiError> for Said {
    fn from(error: &ApiError) -> Self {
        let names = [&error.text.error_type, &error.text.code].into_iter().flatten().cloned().collect();
        Self { text: error.summary(), names }
    }
}

/// When an attempt was under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// When its start was written down.
    pub from: Timestamp,
    /// When its answer was written down; `None` if there was none to rely on. Counted from its start it then ends when
    /// the attempt is dead, although its request may have left a little later: it is better not to claim an operation
    /// of ours than to claim another's.
    pub to: Option<Timestamp>,
    /// When the attempt is dead, counted from its start; `None` where its time was not recorded. Before `from`, no operation is
    /// claimed by it.
    pub dead_at: Option<Timestamp>,
}

/// An attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// From when its time is counted: when its entry was written or, once its answer shows that, when its request was
    /// sent. The disk may have taken long in between.
    pub started_at: Timestamp,
    /// Number of that entry.
    pub started_seq: u64,
    /// The time that it has; `None` where that was not recorded.
    pub time: Option<AttemptTime>,
    /// The answer; `None` while the attempt is open, and always if the process died.
    pub answer: Option<Answer>,
}

impl Attempt {
    /// When its request was signed, at the latest: as it left, and a grace later, for the clocks may differ. Where its start
    /// is all that is known, it may have left as late as its start may take to become durable.
    pub(super) fn signed_at(&self) -> Timestamp {
        let time = self.time.unwrap_or(AttemptTime::DEFAULT);
        let late = if self.answer.is_none() { time.start_limit() } else { Duration::ZERO };
        self.started_at.saturating_add(late + time.grace()).unwrap_or(Timestamp::MAX)
    }
}

/// What came back for an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What it means.
    pub class: Class,
    /// When it was written down.
    pub at: Timestamp,
    /// Number of its entry.
    pub seq: u64,
    /// The operation in it.
    pub operation_id: Option<String>,
    /// One line for people.
    pub summary: Option<Said>,
    /// Whether an earlier session received it: what stopped that session may not stop this one.
    pub earlier_session: bool,
}

/// What a reading showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// What was found.
    pub found: Found,
    /// When.
    pub at: Timestamp,
    /// Number of its entry.
    pub seq: u64,
    /// The operation that was found.
    pub operation_id: Option<String>,
    /// One line for people, where the service refused.
    pub summary: Option<Said>,
    /// Whether there was no answer because no connection could be made, as the HTTP client itself says.
    pub unconnected: bool,
}

/// What a poll showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poll {
    /// What the operation's state means.
    pub class: Class,
    /// Whether the history named the operation, and not our answer: then it is not known who began it.
    pub from_history: bool,
    /// Number of its entry.
    pub seq: u64,
    /// One line for people, where the service refused.
    pub summary: Option<Said>,
}

/// What another run of the journal asked for, where nothing shows how that ended. Of one request, its operation says more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftOpen {
    /// A request. The service may have accepted it as an operation, which only the history can show.
    Request,
    /// The operation with this id, which had not ended when that run last asked.
    Operation(String),
}

/// Something that is repeated within a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tries {
    /// When it began; `None` before the first.
    pub since: Option<Timestamp>,
    /// How often it was done.
    pub count: u32,
}

impl Tries {
    pub(super) fn add(&mut self, at: Timestamp) {
        self.since.get_or_insert(at);
        self.count += 1;
    }
}
