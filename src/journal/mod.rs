//! The journal: the append-only record that everything else is a function of.
//!
//! ```text
//!   append(drafts) ──► writer task ──► one transaction: entries, leaves, head, projections ──► ack
//!                        │ seq, time, canonical body, leaf hash                    (after fsync)
//!                        └── checkpoints, every 1,000 entries or 60 s, at seals and ends
//! ```
//!
//! What is acknowledged survives kill -9 and power loss (I2). A journal that cannot be written stops the run (I9): after
//! the first error nothing more is written, and every later call gets that error. This room knows no network.

mod error;
pub mod heads;
mod holder;
mod lock;
mod run_state;
mod scribe;
pub mod sqlite;
mod writer;

use std::future::Future;

use crate::domain::Target;
use crate::record::merkle::Frontier;
use crate::record::{Entry, Sealed};

pub use error::JournalError;
pub use holder::Holder;
pub use lock::Lock;
pub use run_state::RunState;
pub use scribe::Scribe;
pub use writer::{Journal, OnCheckpoint, Stamp, WriterOptions};

/// A place where entries are kept. Implemented for SQLite; PostgreSQL is to follow, so nothing here may assume either.
pub trait EntryStore: Send + 'static {
    /// The head as stored; an empty frontier for a new journal.
    fn head(&mut self) -> impl Future<Output = Result<Frontier, JournalError>> + Send;

    /// The id in the journal's first entry; `None` for a new journal.
    fn journal_id(&mut self) -> impl Future<Output = Result<Option<String>, JournalError>> + Send;

    /// Adds `batch`, its projections and the move of the head from `from` to `to`, all or nothing, and returns after
    /// it is durable.
    ///
    /// After an error it is *unknown* whether the batch is there; the store must not be used again.
    fn commit(
        &mut self,
        batch: Vec<(Entry, Sealed)>,
        from: &Frontier,
        to: &Frontier,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Moves everything that is durable to where a plain copy of the journal has it.
    fn consolidate(&mut self) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Closes in order, and says whether that worked.
    fn close(self) -> impl Future<Output = Result<(), JournalError>> + Send;
}

/// What a run needs to read of its own rows while it works them off.
pub trait RunReader: Send + Sync + 'static {
    /// The next rows of a target without an outcome, in order, after row `after`; with `touched_only`, those of which
    /// a request may have left.
    fn pending(
        &self,
        run_no: i64,
        target_no: i64,
        after: u64,
        limit: u32,
        touched_only: bool,
    ) -> impl Future<Output = Result<Vec<PendingRow>, JournalError>> + Send;

    /// The entries by which rollbacks of the journal were accepted, in order.
    fn rollbacks(&self) -> impl Future<Output = Result<Vec<Entry>, JournalError>> + Send;

    /// All entries of one row, in order.
    fn row_entries(&self, run_no: i64, row: u64) -> impl Future<Output = Result<Vec<Entry>, JournalError>> + Send;
}

/// A row without an outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingRow {
    /// Its number in the manifest.
    pub row: u64,
    /// Its intent.
    pub intent: Entry,
    /// Whether it has other entries than its intent.
    pub touched: bool,
}

/// A target of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRecord {
    /// Its number in this journal.
    pub target_no: i64,
    /// Account and region.
    pub target: Target,
}
