//! The journal in SQLite. Beside PostgreSQL's, only this room mentions sqlx; nothing outside may assume SQLite.

mod about;
mod apply;
mod archive;
mod attempts;
mod audit;
mod code;
mod column;
mod disk;
mod migrations;
mod open;
mod past;
mod place;
mod read;
mod reader;
mod rebuilt;
mod replay;
mod review;
mod schema;
mod snapshot;
mod sql;
pub mod stage;
mod store;
mod table_file;
mod tables;
mod tidy;
mod value;
mod without_a_log;

pub use archive::{archive, archive_path, leave_log};
pub use audit::Snapshot;
pub use disk::read_through;
pub use open::open_reader;
pub use place::{log_in_use, shared_file_system};
pub use read::SqliteReader;
pub use rebuilt::scratch;
pub use replay::Replay;
pub use store::SqliteStore;
pub use table_file::{MOST_COLUMNS, SqliteTableFile};
pub use tidy::Leftovers;

/// The version of SQLite that is built in.
#[must_use]
pub fn version() -> String {
    libsqlite3_sys::SQLITE_VERSION.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
