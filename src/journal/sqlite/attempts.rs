//! The attempts of a run, each with its entries and what became of its row.

use sqlx::sqlite::SqliteRow;

use super::column::{get, number, unsigned};
use super::read::SqliteReader;
use crate::domain::Target;
use crate::journal::{AttemptRecord, JournalError};

/// A page of attempts.
pub(super) const ATTEMPTS_OF: &str = "SELECT a.row_no, a.attempt, t.account_id, t.region, i.key_pair_name, s.body, f.body, \
     iif(i.outcome IN ('gone', 'in_doubt'), coalesce(z.outcome, i.outcome), i.outcome), \
     iif(i.outcome IN ('gone', 'in_doubt'), coalesce(z.evidence, i.evidence), i.evidence), \
     NOT EXISTS (SELECT 1 FROM attempt AS l WHERE l.run_no = a.run_no AND l.row_no = a.row_no AND l.attempt <> a.attempt) \
     FROM attempt AS a CROSS JOIN intent AS i ON i.run_no = a.run_no AND i.row_no = a.row_no \
     CROSS JOIN target AS t ON t.target_no = i.target_no CROSS JOIN entry AS s ON s.seq = a.started_seq \
     LEFT JOIN entry AS f ON f.seq = a.finished_seq LEFT JOIN resolution AS z ON z.run_no = a.run_no AND z.row_no = a.row_no \
     WHERE a.run_no = ?1 AND (a.row_no, a.attempt) > (?2, ?3) ORDER BY a.row_no, a.attempt LIMIT ?4 + 0";

impl SqliteReader {
    /// At most `limit` attempts of a run, in the order of its rows, after this attempt of this row.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn attempts_of(
        &self,
        run_no: i64,
        after: (u64, u32),
        limit: u32,
    ) -> Result<Vec<AttemptRecord>, JournalError> {
        let query = sqlx::query(ATTEMPTS_OF).bind(run_no).bind(number(after.0)).bind(after.1).bind(limit);
        let record = |row: &SqliteRow| {
            let outcome: Option<String> = get(row, 7)?;
            Ok(AttemptRecord {
                row: unsigned(row, 0)?,
                attempt: u32::try_from(unsigned(row, 1)?).unwrap_or(u32::MAX),
                is_only: get(row, 9)?,
                target: Target { account: get(row, 2)?, region: get(row, 3)? },
                name: get(row, 4)?,
                started: get(row, 5)?,
                finished: get(row, 6)?,
                outcome: outcome.zip(get(row, 8)?),
            })
        };
        self.all(query, record).await
    }
}
