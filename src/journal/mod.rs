//! The journal: the append-only record from which everything else follows.
//!
//! ```text
//!   append(drafts) ──► writer task ──► store, in one transaction: lock and learn the head, compare, number, stamp and seal,
//!                        │             write entries, projections and head, commit ──► stamps (after fsync)
//!                        └── checkpoints, every 1,000 entries or 60 s, at seals and ends
//! ```
//!
//! What is acknowledged survives kill -9 and power loss (I2). A journal that cannot be written stops the run (I9): after
//! the first error nothing more is written, and every later call gets that error. This room does not know the network.

pub mod changes;
mod commands;
pub mod copy;
mod error;
mod forgetful;
mod head;
pub mod heads;
mod holder;
mod inbox;
mod late;
mod location;
mod lock;
mod meter;
pub mod open;
pub mod postgres;
pub mod project;
pub mod projections;
mod query;
mod reader;
mod records;
mod roster;
mod run_state;
mod scribe;
mod sealed;
mod server;
mod snapshot;
pub mod sqlite;
pub mod stage;
mod store;
pub mod sums;
mod table_file;
pub mod value;
mod writer;

pub use error::{Blame, JournalError};
pub use forgetful::Forgetful;
pub use head::{Appended, Batch, Cadence, Head, LastCheckpoint, Stamp, TreeHead, checkpoint_draft};
pub use holder::Holder;
pub use inbox::{Asked, Inbox, Replies, Reply};
pub use location::Location;
pub use lock::Lock;
pub use meter::{COMMIT_BOUNDS, Meter, Metered};
pub use postgres::{Address, is_address};
pub use query::{Cell, EntryFilter, Matching, Reservation, ReviewRow, Visitor};
pub use reader::{AttemptTimes, JournalReader, ReadPast, ReadReview, ReadRows, ReadRuns, Reader, Reading, RunReader};
pub use records::{
    AttemptRecord, IntentPage, OpenAttempt, PendingRow, RunAbout, RunRecord, StoryEntry, TargetRecord, UnclearRow,
};
pub use roster::{Claim, Claiming, Roster, Slots, Want};
pub use run_state::RunState;
pub use scribe::Scribe;
pub use sealed::{ARCHIVE, is_sealed};
pub use server::ServerTrouble;
pub use snapshot::{
    Difference, EntryPage, PROJECTIONS, Replay, SUMMED, SchemaDifference, Snapshot, StoredHead, WrongMark,
};
pub use store::{EntryStore, Import, OnUnrecorded};
pub use table_file::{ColumnKind, TableFile};
pub use writer::{Journal, Occasion, OnCheckpoint, WriterOptions};
