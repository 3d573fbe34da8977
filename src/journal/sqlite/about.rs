//! What a summary says about a run beside its counts.

use super::column::{get, unsigned};
use super::read::SqliteReader;

use super::sql;
use crate::journal::JournalError;

/// Whose run it is, of what, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunAbout {
    /// The manifest's name as given.
    pub manifest: Option<String>,
    /// Who began it.
    pub operator: String,
    /// The operator's ticket.
    pub ticket: Option<String>,
    /// When its first session was opened (RFC 3339).
    pub started_at: String,
    /// When it was finished or abandoned (RFC 3339).
    pub finished_at: Option<String>,
    /// How long its sessions took that ended in order, in milliseconds.
    pub closed_ms: u64,
}

impl SqliteReader {
    /// What a summary says about the run.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub async fn about(&self, run_no: i64) -> Result<RunAbout, JournalError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query(sql::ABOUT_RUN).bind(run_no);
        let row = query.fetch_one(&mut *connection).await.map_err(JournalError::sql)?;
        Ok(RunAbout {
            manifest: get(&row, 0)?,
            operator: get(&row, 1)?,
            ticket: get(&row, 2)?,
            started_at: get(&row, 3)?,
            finished_at: get(&row, 4)?,
            closed_ms: unsigned(&row, 5)?,
        })
    }
}
