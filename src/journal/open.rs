//! Opens journals: the one place outside of a store that knows which database keeps them.

use std::path::Path;
use std::sync::Arc;

use super::error::JournalError;
use super::postgres::{Address, PostgresReader, PostgresSnapshot};
use super::reader::Reader;
use super::snapshot::Snapshot;
use super::sqlite::stage::SqliteStage;
use super::sqlite::{self, SqliteReader, SqliteStore, SqliteTableFile};
use super::stage::Stage;
use super::table_file::TableFile;
use crate::domain::Clock;

pub use super::sqlite::{
    Leftovers, MOST_COLUMNS, archive, archive_path, log_in_use, read_through, shared_file_system, version,
};

/// What [`store`] opens. Code that has to name the type uses this name, which does not depend on the database.
pub type Store = SqliteStore;

/// Opens or creates the journal at `path` for writing. The caller holds its lock. Entries get their time from `clock`.
///
/// # Errors
/// If it cannot be used.
pub async fn store(path: &Path, clock: Arc<dyn Clock>) -> Result<Store, JournalError> {
    SqliteStore::open(path, clock).await
}

/// Opens the journal at `path` for reading.
///
/// # Errors
/// If there is no file, or it is not a journal.
pub async fn reader(path: &Path) -> Result<Reader, JournalError> {
    SqliteReader::open(path).await.map(Reader::new)
}

/// As [`reader`], also if the journal is of a later version: what this keybatch does not know is not shown.
/// [`reservations`](super::ReadReview::reservations) says so.
///
/// # Errors
/// As [`reader`].
pub async fn any_reader(path: &Path) -> Result<Reader, JournalError> {
    SqliteReader::open_any(path).await.map(Reader::new)
}

/// Makes an empty scratch database in `directory`, under a name that nobody else uses.
///
/// # Errors
/// If the directory cannot be written.
pub async fn stage(directory: &Path, name: &str) -> Result<Stage, JournalError> {
    SqliteStage::create(directory, name).await.map(Stage::new)
}

/// Begins a database file of typed tables in the empty file at `path`.
///
/// # Errors
/// If it cannot be written.
pub async fn table_file(path: &Path) -> Result<Box<dyn TableFile>, JournalError> {
    Ok(Box::new(SqliteTableFile::begin(path).await?))
}

/// Opens the journal at `path` for `verify`.
///
/// # Errors
/// If there is no file, or it is not a journal; `Database` if it is damaged.
pub async fn snapshot(path: &Path) -> Result<Box<dyn Snapshot>, JournalError> {
    let snapshot = sqlite::Snapshot::open(path).await?;
    Ok(Box::new(snapshot))
}

/// Opens the journal in PostgreSQL at `address` for reading.
///
/// # Errors
/// If the server cannot be used, or there is no journal.
pub async fn postgres_reader(address: &Address) -> Result<Reader, JournalError> {
    PostgresReader::open(address).await.map(Reader::new)
}

/// As [`postgres_reader`], also if the journal is of a later version: what this keybatch does not know is not shown.
///
/// # Errors
/// As [`postgres_reader`].
pub async fn any_postgres_reader(address: &Address) -> Result<Reader, JournalError> {
    PostgresReader::open_any(address).await.map(Reader::new)
}

/// Opens the journal in PostgreSQL at `address` for `verify`. What is rebuilt of it goes to a scratch database of SQLite's.
///
/// # Errors
/// If the server cannot be used, or there is no journal.
pub async fn postgres_snapshot(address: &Address) -> Result<Box<dyn Snapshot>, JournalError> {
    Ok(Box::new(PostgresSnapshot::open(address, sqlite::scratch).await?))
}
