//! A store that keeps nothing. A plan that is only written to a file has no journal, but its readings are numbered like those of a
//! journal.

use jiff::Timestamp;

use super::head::{Appended, Cadence, Head, Stamp, TreeHead};
use super::{EntryStore, JournalError};
use crate::record::Draft;
use crate::record::merkle::{Frontier, Hash};

/// A store that keeps nothing: it numbers entries, and neither seals nor stores them.
#[derive(Debug)]
pub struct Forgetful {
    size: u64,
    at: Timestamp,
}

/// The hash of everything that was never sealed.
const NO_HASH: Hash = [0; 32];

impl Forgetful {
    /// Whose entries have the time `at`.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self { size: 0, at }
    }

    fn mark(&self) -> TreeHead {
        TreeHead { size: self.size, root: NO_HASH }
    }
}

impl EntryStore for Forgetful {
    async fn head(&mut self) -> Result<Head, JournalError> {
        Ok(Head::new(Frontier::default(), None, None, self.at))
    }

    async fn journal_id(&mut self) -> Result<Option<String>, JournalError> {
        Ok(None)
    }

    async fn append(&mut self, drafts: Vec<Draft>, _: Option<Cadence>) -> Result<Appended, JournalError> {
        let first = self.size;
        self.size += drafts.len() as u64;
        let stamps = (first..self.size).map(|seq| Stamp { seq, at: self.at, leaf: NO_HASH }).collect();
        Ok(Appended { stamps, checkpoint: None, head: self.mark() })
    }

    async fn consolidate(&mut self) -> Result<(), JournalError> {
        Ok(())
    }

    async fn close(self) -> Result<(), JournalError> {
        Ok(())
    }
}
