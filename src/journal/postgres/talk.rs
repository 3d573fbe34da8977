//! A connection that only reads. Every call on it ends: with an answer, or when its time is up. The driver itself would wait for ever.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection as _};

use super::address::Address;
use super::ask::{Ask, PATIENCE};
use super::connect::{Purpose, connect};
use super::trouble::{code, failed, of};
use crate::journal::{JournalError, ServerTrouble};

/// What makes everything that follows show one state of the journal, and lets nothing be written. The state is that of the first
/// query, after which nothing can make the transaction one that writes.
///
/// Names without a schema are PostgreSQL's own from here on, whatever the role or the database says.
const HOLD: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; \
     SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), version FROM keybatch.schema";

/// Where a journal is, and how to get there.
#[derive(Debug, Clone)]
pub(super) struct Way {
    address: Arc<Address>,
    purpose: Purpose,
}

impl Way {
    pub(super) fn new(address: &Address, purpose: Purpose) -> Self {
        Self { address: Arc::new(address.clone()), purpose }
    }

    /// How long a server that was lost is waited for.
    pub(super) fn patience(&self) -> Duration {
        self.address.patience()
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<Talk, JournalError> {
        let (link, _) = connect(&self.address, self.purpose).await?;
        let connection = link.into_connection().ok_or(JournalError::Closed)?;
        Ok(Talk { connection, address: Arc::clone(&self.address) })
    }
}

/// A connection. After an error it is to be dropped, unless the error is a [`refusal`](Failed::refusal).
#[derive(Debug)]
pub(super) struct Talk {
    connection: PgConnection,
    address: Arc<Address>,
}

impl Talk {
    /// The rows of an answer.
    pub(super) async fn rows(&mut self, ask: &Ask) -> Result<Vec<PgRow>, Failed> {
        within(ask.patience(), sqlx::raw_sql(AssertSqlSafe(ask.text())).fetch_all(&mut self.connection)).await
    }

    /// Runs a statement whose answer does not matter.
    pub(super) async fn run(&mut self, statement: &'static str) -> Result<(), Failed> {
        within(PATIENCE, sqlx::raw_sql(statement).execute(&mut self.connection)).await.map(drop)
    }

    /// Begins a transaction that shows one state of the journal.
    pub(super) async fn hold(&mut self) -> Result<(), Failed> {
        self.run(HOLD).await
    }

    /// The driver's own connection.
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Ends it in order.
    pub(super) async fn close(self) {
        if within(PATIENCE, self.connection.close()).await.is_err() {
            tracing::debug!("a connection for reading was not closed in order");
        }
    }

    /// What is wrong if a question got no answer.
    pub(super) fn error(&self, what: Failed) -> JournalError {
        match what {
            Failed::Told(error) => failed(&self.address, error),
            Failed::Silent(patience) => of(&self.address, ServerTrouble::Silent { seconds: patience.as_secs() }),
        }
    }
}

/// A question that got no answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// The driver's error.
    Told(sqlx::Error),
    /// Nothing came in time.
    Silent(Duration),
}

impl Failed {
    /// Whether the connection was lost, as far as that shows.
    pub(super) fn is_lost(&self) -> bool {
        let Self::Told(error) = self else { return false };
        match code(error) {
            // The server ends connections, or ended this one while nothing was asked.
            Some(code) => code.starts_with("08") || code.starts_with("57P") || matches!(&*code, "25P03" | "25P04"),
            None => matches!(error, sqlx::Error::Io(_) | sqlx::Error::Protocol(_)),
        }
    }

    /// The database's own words, if it has something against the statement: then the connection is sound. Also whether the disk may be
    /// unreadable instead.
    pub(super) fn refusal(&self) -> Option<(String, bool)> {
        let Self::Told(error) = self else { return None };
        let code = code(error)?;
        let is_of_the_server = ["08", "53", "57P", "58", "25P", "XX000"].iter().any(|class| code.starts_with(class));
        let words = error.as_database_error()?.message().to_owned();
        (!is_of_the_server).then(|| (words, code.starts_with("XX")))
    }
}

/// The driver's answer, if it comes in time.
pub(super) async fn within<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Failed> {
    match tokio::time::timeout(patience, answer).await {
        Ok(answer) => answer.map_err(Failed::Told),
        Err(_) => Err(Failed::Silent(patience)),
    }
}
