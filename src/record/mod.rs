//! Everything that is stored or handed out, as values: events, entries, their canonical bytes, the tree over them, checkpoints.
//!
//! ```text
//!   Draft (event, run, row) ──seal──► Entry ──canonical JSON──► Sealed (body, leaf) ──► Frontier (size, root) ──► Checkpoint
//! ```
//!
//! Nothing here waits, reads a clock or touches a file.

mod canonical;
pub mod checkpoint;
mod entry;
pub mod event;
pub mod merkle;
pub mod plan;
mod stop_reason;

pub use canonical::MAX_INTEGER;
#[cfg(test)]
pub(crate) use entry::tests::values as any_json;
pub use entry::{Draft, ENTRY_VERSION, Entry, EntryError, Sealed};
pub use event::Event;
pub use stop_reason::{StopReason, TargetStopReason};
