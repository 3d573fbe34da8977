//! The writing side: one transaction for a batch of entries, their projections and the head.

use std::path::Path;
use std::sync::Arc;

use sqlx::Sqlite;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};

use super::column::get;
use super::open::{close_writer, copy_log, open_writer};
use super::project::{Changes, Projector, Single, Value};
use super::sql;
use crate::domain::{Clock, parse_time};
use crate::journal::{Appended, Cadence, EntryStore, Head, JournalError, TreeHead};
use crate::record::merkle::Frontier;
use crate::record::{Draft, Sealed};

/// A journal in SQLite, open for writing. It owns the only connection that writes.
#[derive(Debug)]
pub struct SqliteStore {
    connection: SqliteConnection,
    projector: Projector,
    clock: Arc<dyn Clock>,
    /// Where this session left the head; none before it was learnt.
    left: Option<Head>,
}

impl SqliteStore {
    /// Opens or creates the journal at `path`. The caller holds the lock. Entries get their time from `clock`.
    ///
    /// # Errors
    /// Where the file cannot be used: not a journal, from a newer keybatch, on a network file system, not writable.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, JournalError> {
        let mut connection = open_writer(path).await?;
        let row = sqlx::query(sql::LAST_TARGET).fetch_one(&mut connection).await.map_err(JournalError::sql)?;
        Ok(Self { connection, projector: Projector::after(get(&row, 0)?), clock, left: None })
    }

    /// Loads what the projector needs about a run of an earlier session.
    async fn learn(&mut self, run: u64) -> Result<(), JournalError> {
        let run_no = i64::try_from(run).unwrap_or(i64::MAX);
        let found = sqlx::query(sql::RUN_ENDPOINT)
            .bind(run_no)
            .fetch_optional(&mut self.connection)
            .await
            .map_err(JournalError::sql)?;
        let Some(row) = found else { return Ok(()) };
        let endpoint = get(&row, 0)?;
        let rows = sqlx::query(sql::TARGETS_OF_RUN)
            .bind(run_no)
            .fetch_all(&mut self.connection)
            .await
            .map_err(JournalError::sql)?;
        let targets = rows.iter().map(|row| Ok((get(row, 1)?, get(row, 2)?, get(row, 0)?)));
        let targets = targets.collect::<Result<Vec<_>, JournalError>>()?;
        self.projector.know(run, endpoint, targets);
        Ok(())
    }

    /// Begins a transaction, learns the head under its lock, and compares it with what this session left: one round trip. If it
    /// is not there, another process wrote, and this one must stop.
    ///
    /// From here on an error leaves the transaction open. The connection is not used again, and what it did goes with it.
    async fn lock(&mut self, left: TreeHead) -> Result<(), JournalError> {
        let found =
            sqlx::query(sql::LOCK_HEAD).fetch_optional(&mut self.connection).await.map_err(JournalError::sql)?;
        let is_left = match &found {
            None => left.size == 0,
            Some(row) => get::<i64>(row, 0)? == number(left.size) && get::<&[u8]>(row, 1)? == left.root,
        };
        if is_left { Ok(()) } else { Err(JournalError::HeadMoved { size: left.size }) }
    }

    /// Moves the head and commits.
    async fn commit(&mut self, from: TreeHead, to: &Head) -> Result<(), JournalError> {
        let statement = if from.size == 0 { sql::INSERT_HEAD } else { sql::MOVE_HEAD };
        let TreeHead { size, root } = to.mark();
        let query = sqlx::query(statement).bind(number(size)).bind(root.to_vec()).bind(to.tree().to_bytes());
        query.execute(&mut self.connection).await.map(drop).map_err(JournalError::sql)
    }
}

impl EntryStore for SqliteStore {
    async fn head(&mut self) -> Result<Head, JournalError> {
        let found = sqlx::query(sql::HEAD).fetch_optional(&mut self.connection).await.map_err(JournalError::sql)?;
        let tree = found.as_ref().map_or_else(|| Ok(Frontier::default()), frontier)?;
        let found =
            sqlx::query(sql::LAST_TIME).fetch_optional(&mut self.connection).await.map_err(JournalError::sql)?;
        let last: Option<String> = found.map(|row| get(&row, 0)).transpose()?.flatten();
        // One writer: what earlier sessions wrote was covered at their ends, or is with the first checkpoint of this one.
        let covered = tree.size();
        let head = Head::new(tree, last.as_deref().and_then(parse_time), covered, self.clock.now());
        self.left = Some(head.clone());
        Ok(head)
    }

    async fn journal_id(&mut self) -> Result<Option<String>, JournalError> {
        let found =
            sqlx::query(sql::JOURNAL_ID).fetch_optional(&mut self.connection).await.map_err(JournalError::sql)?;
        found.map(|row| get(&row, 0)).transpose()
    }

    async fn append(&mut self, drafts: Vec<Draft>, cadence: Option<Cadence>) -> Result<Appended, JournalError> {
        let left = match self.left.take() {
            Some(left) => left,
            None => self.head().await?,
        };
        self.lock(left.mark()).await?;
        let batch = left.seal(drafts, cadence, || self.clock.now())?;
        let mut changes = Changes::default();
        for (entry, _) in &batch.entries {
            if let Some(run) = entry.run
                && !self.projector.knows(run)
            {
                self.learn(run).await?;
            }
            self.projector.project(entry, &mut changes)?;
        }
        let entries = batch.entries.into_iter().map(|(_, sealed)| sealed).collect();
        insert_entries(&mut self.connection, entries).await?;
        apply(&mut self.connection, changes).await?;
        self.commit(left.mark(), &batch.head).await?;
        self.left = Some(batch.head);
        Ok(batch.appended)
    }

    async fn consolidate(&mut self) -> Result<(), JournalError> {
        copy_log(&mut self.connection).await
    }

    async fn close(self) -> Result<(), JournalError> {
        close_writer(self.connection).await
    }
}

/// Writes the changes of a batch, in an order in which each row's parents come first.
pub(super) async fn apply(connection: &mut SqliteConnection, mut changes: Changes) -> Result<(), JournalError> {
    apply_single(connection, std::mem::take(&mut changes.single)).await?;
    write_rows(connection, sql::INSERT_INTENT, changes.intents).await?;
    write_rows(connection, sql::INSERT_ATTEMPT, changes.attempts).await?;
    write_rows(connection, sql::FINISH_ATTEMPT, changes.finished).await?;
    write_rows(connection, sql::INSERT_ROW_ENTRY, changes.row_entries).await?;
    write_rows(connection, sql::SETTLE_INTENT, changes.settled).await
}

/// Runs the statements of single rows.
pub(super) async fn apply_single(
    connection: &mut SqliteConnection,
    statements: Vec<Single>,
) -> Result<(), JournalError> {
    for (statement, values) in statements {
        let query = values.into_iter().fold(sqlx::query(statement), bind);
        query.execute(&mut *connection).await.map_err(JournalError::sql)?;
    }
    Ok(())
}

async fn insert_entries(connection: &mut SqliteConnection, entries: Vec<Sealed>) -> Result<(), JournalError> {
    let mut entries = entries.into_iter();
    while entries.len() > 0 {
        let chunk = sql::chunk(entries.len());
        let rows = entries.len().min(sql::CHUNKS[chunk]);
        let query = entries.by_ref().take(rows).fold(sqlx::query(sql::INSERT_ENTRY[chunk]), |query, sealed| {
            bind(query, sealed.seq.into()).bind(sealed.body).bind(sealed.leaf.to_vec())
        });
        let query = bind_nulls(query, 3 * (sql::CHUNKS[chunk] - rows));
        let done = query.execute(&mut *connection).await.map_err(JournalError::sql)?;
        if done.rows_affected() != rows as u64 {
            return Err(JournalError::damaged("not every entry was taken"));
        }
    }
    Ok(())
}

/// For the places of a statement that is larger than what is left.
fn bind_nulls(query: Query<'_, Sqlite, SqliteArguments>, count: usize) -> Query<'_, Sqlite, SqliteArguments> {
    (0..count).fold(query, |query, _| query.bind(None::<i64>))
}

/// Writes `rows` with the fewest statements, and checks that each of them changed exactly one row.
pub(super) async fn write_rows<const N: usize>(
    connection: &mut SqliteConnection,
    statements: sql::Sized,
    rows: Vec<[Value; N]>,
) -> Result<(), JournalError> {
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        let chunk = sql::chunk(rows.len());
        let count = rows.len().min(sql::CHUNKS[chunk]);
        let query = rows.by_ref().take(count).flatten().fold(sqlx::query(statements[chunk]), bind);
        let query = bind_nulls(query, N * (sql::CHUNKS[chunk] - count));
        let done = query.execute(&mut *connection).await.map_err(JournalError::sql)?;
        if done.rows_affected() != count as u64 {
            return Err(JournalError::damaged("an entry does not fit what is recorded of its row"));
        }
    }
    Ok(())
}

/// The tree that a row of the head says.
fn frontier(row: &SqliteRow) -> Result<Frontier, JournalError> {
    let size: i64 = get(row, 0)?;
    let (root, bytes): (Vec<u8>, Vec<u8>) = (get(row, 1)?, get(row, 2)?);
    let size = u64::try_from(size).map_err(|_| JournalError::damaged("the head's size is negative"))?;
    let frontier = Frontier::from_bytes(size, &bytes).map_err(|error| JournalError::damaged(error.to_string()))?;
    if frontier.root().as_slice() != root {
        return Err(JournalError::damaged("the head's root does not belong to its frontier"));
    }
    Ok(frontier)
}

fn number(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn bind(query: Query<'_, Sqlite, SqliteArguments>, value: Value) -> Query<'_, Sqlite, SqliteArguments> {
    match value {
        Value::Null => query.bind(None::<i64>),
        Value::Int(number) => query.bind(number),
        Value::Text(text) => query.bind(text),
        Value::Word(word) => query.bind(word),
    }
}
