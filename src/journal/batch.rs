//! What one transaction takes: entries that are numbered, stamped, sealed and hashed, one after the other, and who waits
//! for them to be durable.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;

use super::checkpoint::{Checkpoint, base64};
use super::event::{CheckpointMade, Event, PREVIOUS};
use super::merkle::Frontier;
use super::writer::Stamp;
use super::{Draft, Entry, JournalError, Sealed};
use crate::domain::{Clock, RunId, micros};

/// How many entries one transaction takes at most: one full chunk of the largest statement. More would only make
/// the first of them wait longer.
const MAX_BATCH: usize = 256;

/// A checkpoint is made at the latest after this many entries…
const CHECKPOINT_ENTRIES: u64 = 1_000;

/// …or this long after the last one, once something was written.
const CHECKPOINT_AGE: SignedDuration = SignedDuration::from_secs(60);

/// Where the answer to an append goes.
pub(super) type Ack<T> = oneshot::Sender<Result<T, JournalError>>;

/// Entries on their way to one transaction.
#[derive(Default)]
pub(super) struct Batch {
    /// Those that are sealed.
    pub(super) entries: Vec<(Entry, Sealed)>,
    /// What the first of them names, where that is a checkpoint: handed on once it is durable.
    pub(super) checkpoint: Option<Checkpoint>,
    /// What the callers are told of each entry that they asked for.
    stamps: Vec<Stamp>,
    /// Who waits, and for how many of those.
    acks: Vec<(usize, Ack<Vec<Stamp>>)>,
    /// What of the last append is not sealed yet.
    drafts: std::vec::IntoIter<Draft>,
}

impl Batch {
    /// Whether nobody waits for it.
    pub(super) fn is_empty(&self) -> bool {
        self.acks.is_empty()
    }

    /// Whether another append may join those that are in it.
    pub(super) fn has_room(&self) -> bool {
        self.stamps.len() + self.drafts.len() < MAX_BATCH
    }

    /// Takes up an append, whose entries stay together. All that was taken up before must be sealed.
    pub(super) fn take(&mut self, drafts: Vec<Draft>, ack: Ack<Vec<Stamp>>) {
        self.acks.push((drafts.len(), ack));
        self.drafts = drafts.into_iter();
    }

    /// Tells everyone who waits how it went.
    pub(super) fn answer(self, result: &Result<(), JournalError>) {
        let mut stamps = self.stamps.into_iter();
        for (count, ack) in self.acks {
            let own = result.as_ref().map(|()| stamps.by_ref().take(count).collect()).map_err(Clone::clone);
            // Whoever does not wait any more need not know.
            let _ = ack.send(own);
        }
    }
}

/// Makes entries of drafts, and knows when a checkpoint is due.
pub(super) struct Sealer {
    /// The head after everything that is sealed, durable or not.
    pub(super) head: Frontier,
    id: Arc<str>,
    clock: Arc<dyn Clock>,
    /// How many entries of this session the last checkpoint does not cover.
    uncovered: u64,
    last_checkpoint: Timestamp,
}

impl Sealer {
    pub(super) fn new(head: Frontier, id: Arc<str>, clock: Arc<dyn Clock>) -> Self {
        let last_checkpoint = clock.now();
        Self { head, id, clock, uncovered: 0, last_checkpoint }
    }

    /// Seals the next draft of `batch`, preceded by a checkpoint where one is due. Says whether there was one.
    pub(super) fn advance(&mut self, batch: &mut Batch) -> Result<bool, JournalError> {
        let Some(draft) = batch.drafts.next() else { return Ok(false) };
        if batch.entries.is_empty() && self.is_due() {
            self.checkpoint(None, batch)?;
        }
        let stamp = self.seal(draft, batch)?;
        batch.stamps.push(stamp);
        Ok(true)
    }

    fn is_due(&self) -> bool {
        let age = self.clock.now().duration_since(self.last_checkpoint);
        self.uncovered >= CHECKPOINT_ENTRIES || (self.has_uncovered() && age >= CHECKPOINT_AGE)
    }

    /// Whether there are entries of this session that the last checkpoint does not cover.
    pub(super) fn has_uncovered(&self) -> bool {
        self.uncovered > 0
    }

    /// Begins `batch` with a checkpoint of everything before it. That covers neither its own entry nor those that come with
    /// it.
    pub(super) fn checkpoint(&mut self, run: Option<RunId>, batch: &mut Batch) -> Result<(), JournalError> {
        let checkpoint = self.head();
        let made = CheckpointMade { size: checkpoint.size, root: base64(&checkpoint.root) };
        self.uncovered = 0;
        self.last_checkpoint = self.clock.now();
        self.seal(Draft { run, row: None, event: Event::CheckpointMade(made) }, batch)?;
        batch.checkpoint = Some(checkpoint);
        Ok(())
    }

    /// Everything that is sealed, as a checkpoint.
    pub(super) fn head(&self) -> Checkpoint {
        Checkpoint { journal_id: self.id.to_string(), size: self.head.size(), root: self.head.root() }
    }

    /// Numbers, stamps, seals and hashes an entry.
    pub(super) fn seal(&mut self, draft: Draft, batch: &mut Batch) -> Result<Stamp, JournalError> {
        let Draft { run, row, mut event } = draft;
        let seq = self.head.size();
        if let Event::RowSettled(settled) = &mut event {
            let previous = seq.saturating_sub(1);
            settled.rests_on.iter_mut().filter(|seq| **seq == PREVIOUS).for_each(|seq| *seq = previous);
        }
        let entry = Entry { seq, at: micros(self.clock.now()), run, row, event };
        let sealed = entry.seal().map_err(JournalError::entry)?;
        self.head.push(sealed.leaf);
        self.uncovered += 1;
        let stamp = Stamp { seq, at: entry.at, leaf: sealed.leaf };
        batch.entries.push((entry, sealed));
        Ok(stamp)
    }
}
