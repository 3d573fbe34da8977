//! Writes the entries of one session: the journal and the clock together.

use std::sync::Arc;

use jiff::Timestamp;

use super::error::JournalError;
use super::head::Stamp;
use super::writer::Journal;
use crate::domain::Clock;
use crate::record::{Draft, Event};

/// Writes the entries of the session. Clones write to the same journal.
#[derive(Debug, Clone)]
pub struct Scribe {
    /// Where the entries go.
    pub journal: Journal,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Scribe {
    /// The time. It is not the time of any entry: the store stamps those.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Writes what happened to the run as a whole, and returns once it is durable.
    ///
    /// # Errors
    /// If the journal cannot be written; it is then unknown whether the entry is there.
    pub async fn write(&self, event: Event) -> Result<(), JournalError> {
        self.journal.append(vec![Draft::of(event)]).await.map(drop)
    }

    /// Writes what happened to one of its rows, all of it or nothing, and returns once it is durable.
    ///
    /// # Errors
    /// If the journal cannot be written; it is then unknown whether the entries are there.
    pub async fn write_of_row(&self, row: u64, events: Vec<Event>) -> Result<Vec<Stamp>, JournalError> {
        self.journal.append(events.into_iter().map(|event| Draft::of_row(row, event)).collect()).await
    }
}
