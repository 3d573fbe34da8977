//! A connection on which every call ends: with an answer, or when its time is up. The driver itself waits without end.

use std::time::Duration;

use sqlx::postgres::{PgConnection, PgRow, Postgres};
use sqlx::{AssertSqlSafe, ColumnIndex, Connection as _, Decode, Row as _, Type};

use super::address::Address;
use super::trouble::{failed, is_to_be_repeated, leaves_the_connection, of};
use crate::journal::{JournalError, ServerTrouble};

/// How long an answer is waited for. Longer than the server waits for a lock, and than a replica takes that is well.
pub(super) const ANSWER: Duration = Duration::from_secs(60);

/// How often a call is repeated that was rolled back for the sake of another one.
const TRIES: u32 = 10;

/// The longest wait before such a repetition, in milliseconds, times the number of tries before.
const PAUSE_MS: u64 = 20;

/// A connection, as long as it can be trusted.
#[derive(Debug)]
pub(super) struct Link {
    connection: Option<PgConnection>,
    address: Address,
}

impl Link {
    pub(super) fn new(connection: PgConnection, address: Address) -> Self {
        Self { connection: Some(connection), address }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Whether it can be used.
    pub(super) fn is_alive(&self) -> bool {
        self.connection.is_some()
    }

    /// Runs a statement that is a transaction by itself, again where it gave way to another one.
    pub(super) async fn ask(&mut self, statement: &str) -> Result<Vec<PgRow>, JournalError> {
        self.ask_within(ANSWER, statement).await
    }

    /// As [`Link::ask`], with a limit of its own.
    pub(super) async fn ask_within(&mut self, limit: Duration, statement: &str) -> Result<Vec<PgRow>, JournalError> {
        for tried in 1.. {
            match self.try_once(limit, statement).await? {
                Err(error) if tried < TRIES && is_to_be_repeated(&error) => {
                    let pause = fastrand::u64(1..=PAUSE_MS * u64::from(tried));
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
                answer => return answer.map_err(|error| failed(&self.address, error)),
            }
        }
        Err(JournalError::Closed)
    }

    /// Runs statements that are part of a transaction.
    pub(super) async fn ask_once(&mut self, statements: &str) -> Result<Vec<PgRow>, JournalError> {
        self.try_once(ANSWER, statements).await?.map_err(|error| failed(&self.address, error))
    }

    /// The outer error: there is no connection, or there was no answer.
    async fn try_once(
        &mut self,
        limit: Duration,
        statement: &str,
    ) -> Result<Result<Vec<PgRow>, sqlx::Error>, JournalError> {
        // It comes back only if it is known in which state it is. What is dropped in the middle of a call, is not.
        let mut connection = self.connection.take().ok_or(JournalError::Closed)?;
        let query = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()));
        let Ok(answer) = tokio::time::timeout(limit, query.fetch_all(&mut connection)).await else {
            return Err(of(&self.address, ServerTrouble::Silent { seconds: limit.as_secs() }));
        };
        if answer.as_ref().err().is_none_or(leaves_the_connection) {
            self.connection = Some(connection);
        }
        Ok(answer)
    }

    /// The driver's own connection, for whoever keeps time by other means.
    pub(super) fn into_connection(self) -> Option<PgConnection> {
        self.connection
    }

    /// Ends it in order.
    pub(super) async fn close(mut self) {
        if let Some(connection) = self.connection.take() {
            let _too_late_to_matter = tokio::time::timeout(Duration::from_secs(2), connection.close()).await;
        }
    }
}

/// A value of a row.
pub(super) fn get<'r, T>(row: &'r PgRow, column: impl ColumnIndex<PgRow>) -> Result<T, JournalError>
where
    T: Decode<'r, Postgres> + Type<Postgres>,
{
    row.try_get(column).map_err(|error| JournalError::damaged(format!("a value is not what it should be: {error}")))
}

/// A number of a row that cannot be negative.
pub(super) fn unsigned(row: &PgRow, column: impl ColumnIndex<PgRow>) -> Result<u64, JournalError> {
    let number: i64 = get(row, column)?;
    u64::try_from(number).map_err(|_| JournalError::damaged(format!("{number} is negative")))
}

/// The only row of an answer.
pub(super) fn only(rows: &[PgRow]) -> Result<&PgRow, JournalError> {
    match rows {
        [row] => Ok(row),
        _ => Err(JournalError::damaged(format!("an answer has {} rows instead of one", rows.len()))),
    }
}
