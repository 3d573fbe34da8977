//! The projections, rebuilt from the entries alone by the code that made them first, in a scratch database that nobody else sees.
//! `verify` compares the two.
//!
//! At first, the rows of the large tables are only added up. If their sums differ from those of the journal's tables, a second pass
//! rebuilds the rows to find the one that differs.

use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use super::apply::{apply, apply_small, write_rows};
use super::migrations::migrator;
use super::open::named;
use super::sql;
use crate::journal::JournalError;
use crate::journal::changes::Changes;
use crate::journal::project::Projector;
use crate::journal::sums::Sums;
use crate::record::Entry;

/// A scratch database with the schema of a journal, without entries.
#[derive(Debug)]
pub struct Replay {
    connection: SqliteConnection,
    projector: Projector,
    sums: Sums,
    path: PathBuf,
}

impl Replay {
    /// Creates an empty one in `directory`, under a name that nobody else uses. The file has its name only until
    /// [`hide`](Self::hide).
    ///
    /// # Errors
    /// If the directory cannot be written.
    pub async fn create(directory: &Path, name: &str) -> Result<Self, JournalError> {
        let path = directory.join(format!(".{name}.replay"));
        let mut connection = SqliteConnectOptions::new()
            .filename(named(&path))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Off)
            .synchronous(SqliteSynchronous::Off)
            .foreign_keys(false)
            .pragma("cache_size", "-8192")
            .disable_statement_logging()
            .connect()
            .await
            .map_err(JournalError::sql)?;
        migrator().run_direct(None, &mut connection, false).await.map_err(JournalError::sql)?;
        Ok(Self { connection, projector: Projector::default(), sums: Sums::default(), path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file's name, once everybody has opened it, so that nothing stays behind whatever happens. From here on,
    /// nobody reads it before [`finish`](Self::finish).
    ///
    /// # Errors
    /// If that fails.
    pub async fn hide(&mut self) -> Result<(), JournalError> {
        std::fs::remove_file(&self.path).map_err(JournalError::sql)?;
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut self.connection).await.map_err(JournalError::sql)?;
        Ok(())
    }

    /// Takes the next entries: rebuilds the small tables, and adds up the rows of the large ones.
    ///
    /// # Errors
    /// If they do not fit the entries before them.
    pub async fn project(&mut self, entries: &[Entry]) -> Result<(), JournalError> {
        let mut changes = self.changes(entries)?;
        self.sums.take(&mut changes);
        apply_small(&mut self.connection, changes.small).await
    }

    /// To be called if the sums differ: takes all entries again, from the first on, and rebuilds the large tables, too. Runs and
    /// targets keep their numbers.
    ///
    /// # Errors
    /// As before.
    pub async fn project_rows(&mut self, entries: &[Entry]) -> Result<(), JournalError> {
        let mut changes = self.changes(entries)?;
        changes.small.clear();
        let whole = changes.take_whole_attempts();
        // The intents of these attempts may be among these changes: no foreign key is enforced here.
        write_rows(&mut self.connection, sql::INSERT_WHOLE_ATTEMPT, whole).await?;
        apply(&mut self.connection, changes).await
    }

    /// What the rows of the large tables add up to.
    pub(super) fn sums(&self) -> &Sums {
        &self.sums
    }

    fn changes<'a>(&mut self, entries: &'a [Entry]) -> Result<Changes<'a>, JournalError> {
        let mut changes = Changes::default();
        for entry in entries {
            self.projector.project(entry, &mut changes)?;
        }
        Ok(changes)
    }

    /// Ends the replay, after the last entry.
    ///
    /// # Errors
    /// If the disk is full.
    pub async fn finish(mut self) -> Result<(), JournalError> {
        sqlx::query("COMMIT").execute(&mut self.connection).await.map_err(JournalError::sql)?;
        self.connection.close().await.map_err(JournalError::sql)
    }
}
