//! The reading side: what a resumed run and a reviewer need. Needs no lock and changes nothing.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, Row as _};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use super::column::{get, unsigned};
use super::open::open_reader;
use super::sql;
use crate::domain::{OutcomeCounts, RunId, Target, time_text};
use crate::journal::{
    IntentPage, JournalError, OpenAttempt, PendingRow, RunRecord, RunState, StoredEntry, StoryEntry, TargetRecord,
};
use crate::record::Entry;
use crate::record::merkle::Hash;

/// A journal open for reading; clones share the connection.
#[derive(Debug, Clone)]
pub struct SqliteReader {
    path: Arc<Path>,
    /// None after [`SqliteReader::release`].
    connection: Arc<Mutex<Option<SqliteConnection>>>,
}

impl SqliteReader {
    /// Opens the journal at `path` read-only.
    ///
    /// # Errors
    /// Where no file is there, or the file is no journal.
    pub async fn open(path: &Path) -> Result<Self, JournalError> {
        let connection = open_reader(path).await?;
        Ok(Self { path: path.into(), connection: Arc::new(Mutex::new(Some(connection))) })
    }

    /// Lets go of the file until something is read again. Only the last connection to a journal removes its write-ahead
    /// log, and only one that may write: so a writer's own reader lets go before the writer closes.
    pub async fn release(&self) {
        if let Some(connection) = self.connection.lock().await.take()
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "a connection for reading was not closed in order");
        }
    }

    /// All runs, the oldest first.
    ///
    /// # Errors
    /// Where the database fails; so for every method here.
    pub async fn runs(&self) -> Result<Vec<RunRecord>, JournalError> {
        let mut connection = self.connection().await?;
        let rows = sqlx::query(sql::RUNS).fetch_all(&mut *connection).await.map_err(JournalError::sql)?;
        rows.iter().map(run_record).collect()
    }

    /// How many rows of a run ended how.
    pub async fn counts(&self, run: &RunRecord) -> Result<OutcomeCounts, JournalError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query(sql::RUN_COUNTS).bind(run.run_no);
        let row = query.fetch_one(&mut *connection).await.map_err(JournalError::sql)?;
        let mut counts = OutcomeCounts {
            deleted: unsigned(&row, 0)?,
            gone: unsigned(&row, 1)?,
            absent: unsigned(&row, 2)?,
            skipped: unsigned(&row, 3)?,
            failed: unsigned(&row, 4)?,
            in_doubt: unsigned(&row, 5)?,
            unsettled: unsigned(&row, 6)?,
            not_attempted: 0,
        };
        // Rows of a plan that was never completed have no intent, and were not attempted either.
        counts.not_attempted = run.rows.saturating_sub(counts.total());
        Ok(counts)
    }

    /// DeleteKeyPair requests of a run that may have left, and how many of them were throttled.
    pub async fn attempts(&self, run_no: i64) -> Result<(u64, u64), JournalError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query(sql::RUN_ATTEMPTS).bind(run_no);
        let row = query.fetch_one(&mut *connection).await.map_err(JournalError::sql)?;
        Ok((unsigned(&row, 0)?, unsigned(&row, 1)?))
    }

    /// The targets of a run.
    pub async fn targets(&self, run_no: i64) -> Result<Vec<TargetRecord>, JournalError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query(sql::TARGETS_OF_RUN).bind(run_no);
        let rows = query.fetch_all(&mut *connection).await.map_err(JournalError::sql)?;
        let record = |row| {
            Ok(TargetRecord { target_no: get(row, 0)?, target: Target { account: get(row, 1)?, region: get(row, 2)? } })
        };
        rows.iter().map(record).collect()
    }

    /// How many rows of each target have no outcome yet.
    pub async fn pending_counts(&self, run_no: i64) -> Result<Vec<(i64, u64)>, JournalError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query(sql::PENDING_COUNT).bind(run_no);
        let rows = query.fetch_all(&mut *connection).await.map_err(JournalError::sql)?;
        rows.iter().map(|row| Ok((get(row, 0)?, unsigned(row, 1)?))).collect()
    }

    /// The first key pairs of a target that are to be deleted: of the rows without an outcome, or of those with one.
    pub async fn names_to_delete(
        &self,
        run_no: i64,
        target_no: i64,
        settled: bool,
        limit: u32,
    ) -> Result<Vec<String>, JournalError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query(sql::NAMES_TO_DELETE).bind(run_no).bind(target_no).bind(settled).bind(limit);
        let rows = query.fetch_all(&mut *connection).await.map_err(JournalError::sql)?;
        rows.iter().map(|row| get(row, 0)).collect()
    }

    /// The last attempts on rows of other runs than `run` against this service of which nothing told what became of them.
    /// Runs that ended before `since` have none that matter.
    pub async fn open_attempts(
        &self,
        run: RunId,
        endpoint: &str,
        account: &str,
        since: Timestamp,
    ) -> Result<Vec<OpenAttempt>, JournalError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query(sql::OPEN_ATTEMPTS).bind(run.to_string());
        let query = query.bind(endpoint.to_owned()).bind(account.to_owned()).bind(time_text(since));
        let rows = query.fetch_all(&mut *connection).await.map_err(JournalError::sql)?;
        let parse = |body: String| Entry::parse(&body).map_err(JournalError::entry);
        let attempt = |row| {
            let started = parse(get(row, 3)?)?;
            let finished = get::<Option<String>>(row, 4)?.map(parse).transpose()?;
            let session = get::<Option<String>>(row, 5)?.map(parse).transpose()?;
            let time = session.and_then(|entry| entry.event.attempt_time());
            let (run, region, key_pair_name) = (get(row, 0)?, get(row, 1)?, get(row, 2)?);
            Ok(OpenAttempt { run, region, key_pair_name, started, finished, time })
        };
        rows.iter().map(attempt).collect()
    }

    /// All entries of one row, in order.
    pub async fn story(&self, run_no: i64, row: u64) -> Result<Vec<StoryEntry>, JournalError> {
        let row = i64::try_from(row).unwrap_or(i64::MAX);
        let query = sqlx::query(sql::STORY).bind(run_no).bind(row);
        let mut connection = self.connection().await?;
        let rows = query.fetch_all(&mut *connection).await.map_err(JournalError::sql)?;
        rows.iter().map(|row| Ok(StoryEntry { seq: unsigned(row, 0)?, body: get(row, 1)? })).collect()
    }

    /// The names of the next rows of a run after row `after`: the last of these rows, and a JSON array of (region, name,
    /// number of the intent). None where there are no more.
    pub async fn past_names(&self, run_no: i64, after: i64, limit: u32) -> Result<Option<(i64, String)>, JournalError> {
        let query = sqlx::query(sql::PAST_NAMES).bind(run_no).bind(after).bind(limit);
        let mut connection = self.connection().await?;
        let row = query.fetch_one(&mut *connection).await.map_err(JournalError::sql)?;
        get::<Option<i64>>(&row, 0)?.map(|last| Ok((last, get(&row, 1)?))).transpose()
    }

    /// What the intents with these numbers (a JSON array), all of one run, rest on: a JSON array of (region, name, identity
    /// or null where no key pair was there, when the run began).
    pub async fn past_seen(&self, run_no: i64, intents: &str) -> Result<String, JournalError> {
        let query = sqlx::query(sql::PAST_SEEN).bind(intents.to_owned()).bind(run_no);
        let mut connection = self.connection().await?;
        let row = query.fetch_one(&mut *connection).await.map_err(JournalError::sql)?;
        get(&row, 0)
    }

    /// The entries that belong to a run as a whole, in order.
    pub async fn milestones(&self, run_no: i64) -> Result<Vec<StoryEntry>, JournalError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query(sql::MILESTONES).bind(run_no);
        let rows = query.fetch_all(&mut *connection).await.map_err(JournalError::sql)?;
        rows.iter().map(|row| Ok(StoryEntry { seq: unsigned(row, 0)?, body: get(row, 1)? })).collect()
    }

    /// The rows of a run that name this key pair.
    pub async fn rows_of_name(&self, run_no: i64, name: &str) -> Result<Vec<u64>, JournalError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query(sql::ROWS_OF_NAME).bind(run_no).bind(name.to_owned());
        let rows = query.fetch_all(&mut *connection).await.map_err(JournalError::sql)?;
        rows.iter().map(|row| unsigned(row, 0)).collect()
    }

    /// One entry.
    pub async fn entry(&self, seq: u64) -> Result<Entry, JournalError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query(sql::BODY).bind(i64::try_from(seq).unwrap_or(i64::MAX));
        let found = query.fetch_optional(&mut *connection).await.map_err(JournalError::sql)?;
        let row = found.ok_or_else(|| JournalError::damaged(format!("entry {seq} is missing")))?;
        Entry::parse(&get::<String>(&row, 0)?).map_err(JournalError::entry)
    }

    /// Entries as stored, from `seq` on.
    pub async fn entries_from(&self, seq: u64, limit: u32) -> Result<Vec<StoredEntry>, JournalError> {
        let query = sqlx::query(sql::ENTRIES_FROM).bind(i64::try_from(seq).unwrap_or(i64::MAX)).bind(limit);
        let mut connection = self.connection().await?;
        let rows = query.fetch_all(&mut *connection).await.map_err(JournalError::sql)?;
        let record = |row: &sqlx::sqlite::SqliteRow| {
            let body = row.try_get_unchecked::<Vec<u8>, _>(1).map_err(JournalError::sql)?;
            let leaf = row.try_get_unchecked::<Vec<u8>, _>(2).map_err(JournalError::sql)?;
            Ok(StoredEntry { seq: unsigned(row, 0)?, body, leaf })
        };
        rows.iter().map(record).collect()
    }

    /// The rate that this target was last believed to permit, and whether throttling began there.
    pub async fn rate(&self, endpoint: &str, target: &Target) -> Result<Option<(String, bool)>, JournalError> {
        let query =
            sqlx::query(sql::RATE).bind(endpoint.to_owned()).bind(target.account.clone()).bind(target.region.clone());
        let mut connection = self.connection().await?;
        let found = query.fetch_optional(&mut *connection).await.map_err(JournalError::sql)?;
        found.map(|row| Ok((get(&row, 0)?, get::<i64>(&row, 1)? != 0))).transpose()
    }

    /// The intents of a run in the order of its rows, after row `after`: `limit` at most, none where there are no more.
    pub async fn intents(&self, run_no: i64, after: u64, limit: u32) -> Result<Option<IntentPage>, JournalError> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let query = sqlx::query(sql::INTENT_PAGE).bind(run_no).bind(after).bind(limit);
        let mut connection = self.connection().await?;
        let row = query.fetch_one(&mut *connection).await.map_err(JournalError::sql)?;
        let Some(last) = get::<Option<i64>>(&row, 0)? else { return Ok(None) };
        let last = u64::try_from(last).map_err(|_| JournalError::damaged(format!("row {last} is negative")))?;
        let lengths: String = get(&row, 1)?;
        let lengths = lengths.split(' ').map(|length| length.parse().unwrap_or(usize::MAX)).collect();
        let bodies = row.try_get_unchecked::<Vec<u8>, _>(2).map_err(JournalError::sql)?;
        Ok(Some(IntentPage::new(last, lengths, bodies)))
    }

    /// Rows of a run that were skipped only because they repeat another row exactly.
    pub async fn superfluous(&self, run_no: i64) -> Result<u64, JournalError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query(sql::SUPERFLUOUS).bind(run_no);
        let row = query.fetch_one(&mut *connection).await.map_err(JournalError::sql)?;
        unsigned(&row, 0)
    }

    /// The journal's id.
    pub async fn journal_id(&self) -> Result<Option<String>, JournalError> {
        let mut connection = self.connection().await?;
        let found = sqlx::query(sql::JOURNAL_ID).fetch_optional(&mut *connection).await.map_err(JournalError::sql)?;
        found.map(|row| get(&row, 0)).transpose()
    }

    /// Size and root (base64) of the head as stored.
    pub async fn head(&self) -> Result<(u64, String), JournalError> {
        let mut connection = self.connection().await?;
        let row = sqlx::query(sql::HEAD).fetch_one(&mut *connection).await.map_err(JournalError::sql)?;
        let root: Vec<u8> = get(&row, 1)?;
        let root = Hash::try_from(root).map_err(|_| JournalError::damaged("the head's root is not 32 bytes long"))?;
        Ok((unsigned(&row, 0)?, crate::record::checkpoint::base64(&root)))
    }

    /// The connection itself, for the audit's own statements.
    pub(crate) async fn connection(&self) -> Result<MappedMutexGuard<'_, SqliteConnection>, JournalError> {
        let mut connection = self.connection.lock().await;
        if connection.is_none() {
            *connection = Some(open_reader(&self.path).await?);
        }
        MutexGuard::try_map(connection, Option::as_mut).map_err(|_| JournalError::Closed)
    }
}

impl SqliteReader {
    /// The next rows of a target without an outcome: see [`RunReader::pending`](crate::journal::RunReader::pending).
    ///
    /// # Errors
    /// Where the database fails, or an intent cannot be read.
    pub async fn pending(
        &self,
        run_no: i64,
        target_no: i64,
        after: u64,
        limit: u32,
        touched_only: bool,
    ) -> Result<Vec<PendingRow>, JournalError> {
        let statement = if touched_only { sql::TOUCHED } else { sql::PENDING };
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let query = sqlx::query(statement).bind(run_no).bind(after).bind(target_no).bind(limit);
        let mut connection = self.connection().await?;
        let rows = query.fetch_all(&mut *connection).await.map_err(JournalError::sql)?;
        let record = |row| {
            let body: String = get(row, 2)?;
            let intent = Entry::parse(&body).map_err(JournalError::entry)?;
            Ok(PendingRow { row: unsigned(row, 0)?, intent, touched: get::<i64>(row, 3)? != 0 })
        };
        rows.iter().map(record).collect()
    }
}

fn run_record(row: &sqlx::sqlite::SqliteRow) -> Result<RunRecord, JournalError> {
    let id: String = get(row, 1)?;
    let run = id.parse().map_err(|_| JournalError::damaged(format!("{id:?} is no run id")))?;
    let seq = |index| get::<Option<i64>>(row, index).map(|seq| seq.and_then(|seq| u64::try_from(seq).ok()));
    Ok(RunRecord {
        run_no: get(row, 0)?,
        run,
        state: RunState::from(get::<&str>(row, 2)?),
        stopped_by: get(row, 3)?,
        manifest_sha256: get(row, 4)?,
        rows: unsigned(row, 5)?,
        account: get(row, 6)?,
        endpoint: get(row, 7)?,
        sandbox: get::<i64>(row, 8)? != 0,
        plan_root: get(row, 9)?,
        manifest_seq: seq(10)?,
        sealed_seq: seq(11)?,
        started_seq: seq(12)?,
        reads: unsigned(row, 13)?,
        reads_throttled: unsigned(row, 14)?,
    })
}
