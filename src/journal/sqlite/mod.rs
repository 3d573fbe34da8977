//! The journal in SQLite. Only this room and [`stage`] mention sqlx; nothing outside may assume SQLite.

mod open;
mod project;
mod read;
mod sql;
pub mod stage;
mod store;

pub use open::open_reader;
pub use read::{RunRecord, SqliteReader, StoredEntry, StoryEntry};
pub use store::SqliteStore;
