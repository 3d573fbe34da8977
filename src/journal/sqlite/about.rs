//! What a summary says about a run beside its counts.

use sqlx::sqlite::SqliteRow;

use super::column::{get, unsigned};
use super::read::SqliteReader;
use super::sql;
use crate::journal::{JournalError, RunAbout};

impl SqliteReader {
    /// What a summary says about the run.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn about(&self, run_no: i64) -> Result<RunAbout, JournalError> {
        let about = |row: &SqliteRow| {
            Ok(RunAbout {
                manifest: get(row, 0)?,
                operator: get(row, 1)?,
                ticket: get(row, 2)?,
                started_at: get(row, 3)?,
                finished_at: get(row, 4)?,
                closed_ms: unsigned(row, 5)?,
            })
        };
        self.one(sqlx::query(sql::ABOUT_RUN).bind(run_no), about).await
    }
}
