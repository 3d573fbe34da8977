//! The journal in SQLite. Only this room and [`stage`] mention sqlx; nothing outside may assume SQLite.

mod about;
mod audit;
mod column;
mod disk;
mod migrations;
mod open;
mod past;
mod place;
mod project;
mod read;
mod records;
mod replay;
mod review;
mod schema;
mod sql;
pub mod stage;
mod store;
mod sums;
mod tables;

pub use about::RunAbout;
pub use audit::{Page, Snapshot, StoredHead, WrongMark};
pub use disk::read_through;
pub use open::{is_of_the_machine, open_reader};
pub use place::{log_in_use, shared_file_system};
pub use read::SqliteReader;
pub use records::{IntentPage, OpenAttempt, RunRecord, StoredEntry, StoryEntry};
pub use replay::{PROJECTIONS, Replay};
pub use review::{Cell, EntryFilter, ReviewRow, Visitor};
pub use schema::SchemaDifference;
pub use store::SqliteStore;
pub use sums::SUMMED;

use super::JournalError;

/// SQLite's codes for a disk without room: for the database or its log, and for the shared memory beside it.
const FULL: [&str; 2] = ["13", "4874"];

/// Whether it was for want of room on the disk.
#[must_use]
pub fn is_full(error: &JournalError) -> bool {
    let JournalError::Database { source } = error else { return false };
    let database = source.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
    database.and_then(|error| error.code()).is_some_and(|code| FULL.contains(&&*code))
}

/// The version of SQLite that is built in.
#[must_use]
pub fn version() -> String {
    libsqlite3_sys::SQLITE_VERSION.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
