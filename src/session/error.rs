//! Why a session ended without what it was asked for, and what had left this machine by then.

use std::error::Error;
use std::fmt;

pub use super::lost::{KnownHead, LostEntries};
pub use super::refusal::{Outside, Refusal};
use super::summary::Summary;
use super::unresolvable::Unresolvable;
use crate::domain::RunId;
use crate::journal::JournalError;
use crate::review::RowError;
use crate::review::runs::RunError;

/// What had left this machine when an error ended the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Nothing.
    Nothing,
    /// Requests that only read.
    Reads,
    /// Requests to delete, too.
    Deletes,
}

/// Why a session ended without what it was asked for.
#[derive(Debug)]
pub struct SessionError {
    /// What happened.
    pub why: Box<Refusal>,
    /// What had left this machine by then; `None` where it is not known yet.
    pub sent: Option<Sent>,
    /// The run that it is about, where the journal has one.
    pub run: Option<RunId>,
    /// What there is to say about the run beside the error.
    pub summary: Option<Box<Summary>>,
    /// Why the end of the run could not be recorded, where it could not be.
    pub unrecorded: Option<JournalError>,
}

impl SessionError {
    /// An error of which nothing more is known.
    pub(super) fn new(why: Refusal) -> Self {
        Self { why: Box::new(why), sent: None, run: None, summary: None, unrecorded: None }
    }

    /// From outside.
    pub(super) fn outside(error: Outside) -> Self {
        Self::new(Refusal::Outside(error))
    }

    /// Says what was sent until then, unless that is known already.
    #[must_use]
    pub(super) fn sent(self, sent: Sent) -> Self {
        Self { sent: self.sent.or(Some(sent)), ..self }
    }

    /// Says which run it is about, unless that is known already.
    #[must_use]
    pub(super) fn of_run(self, run: RunId) -> Self {
        Self { run: self.run.or(Some(run)), ..self }
    }

    /// Adds what there is to say about the run.
    #[must_use]
    pub(super) fn with(self, summary: Summary) -> Self {
        let run = self.run.or_else(|| summary.run.as_deref().and_then(|run| run.parse().ok()));
        Self { run, summary: Some(Box::new(summary)), ..self }
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl Error for SessionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.why.source()
    }
}

impl From<JournalError> for SessionError {
    fn from(error: JournalError) -> Self {
        Self::new(Refusal::Journal(error))
    }
}

impl From<Unresolvable> for SessionError {
    fn from(error: Unresolvable) -> Self {
        Self::new(match error {
            Unresolvable::NoSuchRow(RowError::Journal(error)) => Refusal::Journal(error),
            error => Refusal::Unresolvable(error),
        })
    }
}

impl From<RunError> for SessionError {
    fn from(error: RunError) -> Self {
        Self::new(match error {
            RunError::Journal(error) => Refusal::Journal(error),
            error => Refusal::NoSuchRun(error),
        })
    }
}
