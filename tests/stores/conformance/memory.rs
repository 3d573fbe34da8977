//! A naive store in memory, against whose answers those of the others are held. It keeps the entries, and answers each question by
//! going through all of them. Of what is pure it shares only [`Head::seal`], and deliberately not the projection: a mistake there
//! would make both answers wrong in the same way.

mod attempts;
mod matching;
mod history;
mod reader;
mod snapshot;
pub(crate) mod tables;
mod unclear;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keybatch::domain::Clock;
use keybatch::journal::{
    Appended, Batch, Cadence, EntryStore, Head, Import, JournalError, LastCheckpoint, Reader, Snapshot, TreeHead,
};
use keybatch::record::merkle::Frontier;
use keybatch::record::{Draft, Entry, Event, Sealed};

use self::history::History;
use self::reader::MemoryReader;
use self::snapshot::MemorySnapshot;

/// What outlives a session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Kept>>);

/// What is durable.
#[derive(Debug, Clone, Default)]
struct Kept {
    entries: Vec<(Entry, Sealed)>,
    tree: Frontier,
}

impl Kept {
    fn history(&self) -> History {
        let mut history = History::default();
        self.entries.iter().for_each(|(entry, _)| history.take(entry).unwrap());
        history
    }

    fn checkpoint(&self) -> Option<LastCheckpoint> {
        self.entries.iter().rev().find_map(|(entry, _)| match &entry.event {
            Event::CheckpointMade(made) => Some(LastCheckpoint { size: made.size, at: entry.at }),
            _ => None,
        })
    }
}

impl Memory {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn store(&self, clock: Arc<dyn Clock>) -> MemoryStore {
        MemoryStore { memory: self.clone(), clock, left: None, is_lost: false }
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader::new(MemoryReader(self.clone()))
    }

    pub(crate) fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(MemorySnapshot::new(self.clone()))
    }
}

/// A session's hold on it.
#[derive(Debug)]
pub(crate) struct MemoryStore {
    memory: Memory,
    clock: Arc<dyn Clock>,
    left: Option<Head>,
    /// Whether an append failed.
    is_lost: bool,
}

impl MemoryStore {
    fn usable(&self) -> Result<(), JournalError> {
        if self.is_lost { Err(JournalError::Closed) } else { Ok(()) }
    }
}

impl MemoryStore {
    fn write(&mut self, batch: Batch) -> Result<Appended, JournalError> {
        let mut kept = self.memory.kept();
        let mut history = kept.history();
        for (entry, _) in &batch.entries {
            history.take(entry).map_err(|reason| JournalError::Illegal { seq: entry.seq, reason })?;
        }
        kept.entries.extend(batch.entries);
        kept.tree = batch.head.tree().clone();
        drop(kept);
        (self.left, self.is_lost) = (Some(batch.head), false);
        Ok(batch.appended)
    }

    /// The head that this session left, unless another one wrote.
    async fn take_left(&mut self) -> Result<Head, JournalError> {
        self.usable()?;
        if self.left.is_none() {
            self.head().await?;
        }
        let left = self.left.take().unwrap();
        self.is_lost = true;
        let kept = self.memory.kept();
        if (kept.tree.size(), kept.tree.root()) != (left.mark().size, left.mark().root) {
            return Err(JournalError::HeadMoved { size: left.mark().size });
        }
        Ok(left)
    }
}

impl Import for MemoryStore {
    async fn import(&mut self, entries: Vec<(Entry, Sealed)>) -> Result<TreeHead, JournalError> {
        let left = self.take_left().await?;
        self.write(left.follow(entries)?).map(|appended| appended.head)
    }
}

impl EntryStore for MemoryStore {
    async fn head(&mut self) -> Result<Head, JournalError> {
        self.usable()?;
        let kept = self.memory.kept();
        let last = kept.entries.last().map(|(entry, _)| entry.at);
        let head = Head::new(kept.tree.clone(), last, kept.checkpoint(), self.clock.now());
        self.left = Some(head.clone());
        Ok(head)
    }

    async fn journal_id(&mut self) -> Result<Option<String>, JournalError> {
        self.usable()?;
        Ok(journal_id(&self.memory.kept()))
    }

    async fn append(&mut self, drafts: Vec<Draft>, cadence: Option<Cadence>) -> Result<Appended, JournalError> {
        let left = self.take_left().await?;
        let batch = left.seal(drafts, cadence, || self.clock.now())?;
        self.write(batch)
    }

    async fn consolidate(&mut self) -> Result<(), JournalError> {
        self.usable()
    }

    async fn close(self) -> Result<(), JournalError> {
        Ok(())
    }
}

fn entry(kept: &Kept, seq: u64) -> Entry {
    kept.entries[usize::try_from(seq).unwrap()].0.clone()
}

fn journal_id(kept: &Kept) -> Option<String> {
    kept.entries.iter().find_map(|(entry, _)| match &entry.event {
        Event::JournalCreated(created) => Some(created.journal_id.clone()),
        _ => None,
    })
}
