//! The journal: the append-only record that everything else is a function of.
//!
//! ```text
//!   append(drafts) ──► writer task ──► store, in one transaction: lock and learn the head, compare, number, stamp and seal,
//!                        │             write entries, projections and head, commit ──► stamps (after fsync)
//!                        └── checkpoints, every 1,000 entries or 60 s, at seals and ends
//! ```
//!
//! What is acknowledged survives kill -9 and power loss (I2). A journal that cannot be written stops the run (I9): after
//! the first error nothing more is written, and every later call gets that error. This room knows no network.

mod error;
mod head;
pub mod heads;
mod holder;
mod lock;
mod run_state;
mod scribe;
pub mod sqlite;
mod store;
mod writer;

use std::future::Future;

use crate::domain::Target;
use crate::record::Entry;

pub use error::JournalError;
pub use head::{Appended, Batch, Cadence, Head, Stamp, TreeHead, checkpoint_draft};
pub use holder::Holder;
pub use lock::Lock;
pub use run_state::RunState;
pub use scribe::Scribe;
pub use store::EntryStore;
pub use writer::{Journal, OnCheckpoint, WriterOptions};

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
