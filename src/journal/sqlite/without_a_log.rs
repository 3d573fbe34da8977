//! A connection to a file that only this process writes, and that nobody reads until it is whole: no log, no sync, no lock to wait for.

use std::path::Path;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};

use super::open::named;
use crate::journal::JournalError;

/// Connects to the empty file at `path`, which exists.
pub(super) async fn connect_without_a_log(path: &Path) -> Result<SqliteConnection, JournalError> {
    SqliteConnectOptions::new()
        .filename(named(path))
        .journal_mode(SqliteJournalMode::Off)
        .synchronous(SqliteSynchronous::Off)
        .pragma("cache_size", "-8192")
        .pragma("locking_mode", "EXCLUSIVE")
        .disable_statement_logging()
        .connect()
        .await
        .map_err(JournalError::sql)
}
