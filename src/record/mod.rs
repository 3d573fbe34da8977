//! Everything that is stored or handed out, as values: events, entries, their canonical bytes, the tree over them, checkpoints,
//! signatures and approvals.
//!
//! ```text
//!   Draft (event, run, row) ──seal──► Entry ──canonical JSON──► Sealed (body, leaf) ──► Frontier (size, root) ──► Checkpoint
//! ```
//!
//! Nothing here waits, reads a clock or touches a file.

pub mod anchored;
pub mod approval;
mod canonical;
pub mod checkpoint;
pub mod control_used;
mod entry;
pub mod event;
pub mod lease;
pub mod merkle;
pub mod plan;
pub mod proof;
pub mod ssh;
mod stop_reason;

pub use canonical::MAX_INTEGER;
#[cfg(test)]
pub(crate) use entry::tests::values as any_json;
pub use entry::{Draft, ENTRY_VERSION, Entry, EntryError, Sealed};
pub use event::Event;
pub use stop_reason::{StopReason, TargetStopReason};
