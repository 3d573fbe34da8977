//! The reading side: what a resumed run and a reviewer need. It needs no lock and changes nothing.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use super::column::{bytes, get, number, unsigned};
use super::open::{Purpose, end_transaction, open_reader_for};
use super::sql;
use super::value::Bound;
use crate::domain::{OutcomeCounts, RunId, Target, parse_time, time_text};
use crate::journal::{
    IntentPage, JournalError, OpenAttempt, PendingRow, RunRecord, RunState, StoryEntry, TargetRecord, UnclearRow,
};
use crate::record::Entry;
use crate::record::checkpoint::base64;
use crate::record::merkle::Hash;

/// A journal open for reading; clones share the connection.
#[derive(Debug, Clone)]
pub struct SqliteReader {
    path: Arc<Path>,
    purpose: Purpose,
    /// None after [`SqliteReader::release`].
    connection: Arc<Mutex<Option<SqliteConnection>>>,
}

impl SqliteReader {
    /// Opens the journal at `path` read-only.
    ///
    /// # Errors
    /// If there is no file, or it is not a journal.
    pub async fn open(path: &Path) -> Result<Self, JournalError> {
        Self::open_for(path, Purpose::Read).await
    }

    /// As [`SqliteReader::open`], also where the journal is of a later version: what this keybatch does not know is not shown.
    ///
    /// # Errors
    /// As [`SqliteReader::open`].
    pub async fn open_any(path: &Path) -> Result<Self, JournalError> {
        Self::open_for(path, Purpose::ReadAny).await
    }

    async fn open_for(path: &Path, purpose: Purpose) -> Result<Self, JournalError> {
        let connection = open_reader_for(path, purpose).await?;
        Ok(Self { path: path.into(), purpose, connection: Arc::new(Mutex::new(Some(connection))) })
    }

    /// Releases the file until something is read again. Only the last connection to a journal removes its write-ahead log, and
    /// only if it may write. So a writer's own reader releases the file before the writer closes.
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
    /// If the database fails; this applies to every method here.
    pub async fn runs(&self) -> Result<Vec<RunRecord>, JournalError> {
        self.all(sqlx::query(sql::RUNS), run_record).await
    }

    /// How many rows of a run ended how.
    pub async fn counts(&self, run: &RunRecord) -> Result<OutcomeCounts, JournalError> {
        let query = sqlx::query(sql::RUN_COUNTS).bind(run.run_no);
        let counted = |row: &SqliteRow| {
            Ok(OutcomeCounts {
                deleted: unsigned(row, 0)?,
                gone: unsigned(row, 1)?,
                absent: unsigned(row, 2)?,
                skipped: unsigned(row, 3)?,
                failed: unsigned(row, 4)?,
                in_doubt: unsigned(row, 5)?,
                unsettled: unsigned(row, 6)?,
                not_attempted: 0,
            })
        };
        let mut counts = self.one(query, counted).await?;
        // Rows of a plan that was never completed have no intent, and were not attempted either.
        counts.not_attempted = run.rows.saturating_sub(counts.total());
        Ok(counts)
    }

    /// DeleteKeyPair requests of a run that may have left, and how many of them were throttled.
    pub async fn attempts(&self, run_no: i64) -> Result<(u64, u64), JournalError> {
        let query = sqlx::query(sql::RUN_ATTEMPTS).bind(run_no);
        self.one(query, |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?))).await
    }

    /// The targets of a run.
    pub async fn targets(&self, run_no: i64) -> Result<Vec<TargetRecord>, JournalError> {
        let query = sqlx::query(sql::TARGETS_OF_RUN).bind(run_no);
        let record = |row: &SqliteRow| {
            Ok(TargetRecord { target_no: get(row, 0)?, target: Target { account: get(row, 1)?, region: get(row, 2)? } })
        };
        self.all(query, record).await
    }

    /// How many rows of each target have no outcome yet.
    pub async fn pending_counts(&self, run_no: i64) -> Result<Vec<(i64, u64)>, JournalError> {
        let query = sqlx::query(sql::PENDING_COUNT).bind(run_no);
        self.all(query, |row| Ok((get(row, 0)?, unsigned(row, 1)?))).await
    }

    /// The first key pairs of a target that are to be deleted: of the rows without an outcome, or of those with one.
    pub async fn names_to_delete(
        &self,
        run_no: i64,
        target_no: i64,
        settled: bool,
        limit: u32,
    ) -> Result<Vec<String>, JournalError> {
        let query = sqlx::query(sql::NAMES_TO_DELETE).bind(run_no).bind(target_no).bind(settled).bind(limit);
        self.all(query, |row| get(row, 0)).await
    }

    /// The last attempts on rows of other runs than `run` in this account of this service, if nothing shows their effect. Runs that ended
    /// before `since` have none that matter.
    pub async fn open_attempts(
        &self,
        run: RunId,
        endpoint: &str,
        account: &str,
        since: Timestamp,
    ) -> Result<Vec<OpenAttempt>, JournalError> {
        let query = sqlx::query(sql::OPEN_ATTEMPTS).bind(run.to_string());
        let query = query.bind(endpoint.to_owned()).bind(account.to_owned()).bind(time_text(since));
        let parse = |body: &str| Entry::parse(body).map_err(JournalError::entry);
        let attempt = |row: &SqliteRow| {
            let started = parsed(row, 4)?;
            let finished = get::<Option<&str>>(row, 5)?.map(parse).transpose()?;
            let session = get::<Option<&str>>(row, 6)?.map(parse).transpose()?;
            let time = session.and_then(|entry| entry.event.attempt_time());
            let (run, key_pair_name) = (get(row, 0)?, get(row, 3)?);
            let target = Target { account: get(row, 1)?, region: get(row, 2)? };
            Ok(OpenAttempt { run, target, key_pair_name, started, finished, time })
        };
        self.all(query, attempt).await
    }

    /// The rows of other runs whose end is not certain: see [`ReadRuns::unclear_rows`](crate::journal::ReadRuns::unclear_rows).
    pub async fn unclear_rows(
        &self,
        run: RunId,
        endpoint: &str,
        account: &str,
    ) -> Result<Vec<UnclearRow>, JournalError> {
        let query = sqlx::query(sql::UNCLEAR_ROWS).bind(run.to_string());
        let query = query.bind(endpoint.to_owned()).bind(account.to_owned());
        let unclear = |row: &SqliteRow| {
            let target = Target { account: get(row, 2)?, region: get(row, 3)? };
            Ok(UnclearRow { run_no: get(row, 0)?, row: unsigned(row, 1)?, target, key_pair_name: get(row, 4)? })
        };
        self.all(query, unclear).await
    }

    /// All entries of one row, in order.
    pub async fn story(&self, run_no: i64, row: u64) -> Result<Vec<StoryEntry>, JournalError> {
        self.all(sqlx::query(sql::STORY).bind(run_no).bind(number(row)), story_entry).await
    }

    /// The names of the next rows of a run after row `after`: the last of these rows, and a JSON array of (account, region,
    /// name, number of the intent). None if there are no more.
    pub async fn past_names(&self, run_no: i64, after: i64, limit: u32) -> Result<Option<(i64, String)>, JournalError> {
        let query = sqlx::query(sql::PAST_NAMES).bind(run_no).bind(after).bind(limit);
        self.one(query, |row| get::<Option<i64>>(row, 0)?.map(|last| Ok((last, get(row, 1)?))).transpose()).await
    }

    /// What the intents with these numbers (a JSON array), all of one run, rest on: a JSON array of (account, region, name,
    /// identity or null if there was no key pair, when the run began).
    pub async fn past_seen(&self, run_no: i64, intents: &str) -> Result<String, JournalError> {
        let query = sqlx::query(sql::PAST_SEEN).bind(intents.to_owned()).bind(run_no);
        self.one(query, |row| get(row, 0)).await
    }

    /// The entries that belong to a run as a whole, in order.
    pub async fn milestones(&self, run_no: i64) -> Result<Vec<StoryEntry>, JournalError> {
        self.all(sqlx::query(sql::MILESTONES).bind(run_no), story_entry).await
    }

    /// The rows of a run that name this key pair.
    pub async fn rows_of_name(&self, run_no: i64, name: &str) -> Result<Vec<u64>, JournalError> {
        let query = sqlx::query(sql::ROWS_OF_NAME).bind(run_no).bind(name.to_owned());
        self.all(query, |row| unsigned(row, 0)).await
    }

    /// One entry.
    pub async fn entry(&self, seq: u64) -> Result<Entry, JournalError> {
        let query = sqlx::query(sql::BODY).bind(number(seq));
        let found = self.all(query, |row| parsed(row, 0)).await?.pop();
        found.ok_or_else(|| JournalError::damaged(format!("entry {seq} is missing")))
    }

    /// The rate that this target was last believed to permit, and whether throttling began there.
    pub async fn rate(&self, endpoint: &str, target: &Target) -> Result<Option<(String, bool)>, JournalError> {
        let query =
            sqlx::query(sql::RATE).bind(endpoint.to_owned()).bind(target.account.clone()).bind(target.region.clone());
        Ok(self.all(query, |row| Ok((get(row, 0)?, get(row, 1)?))).await?.pop())
    }

    /// At most `limit` intents of a run, in the order of its rows, after row `after`; none if there are no more.
    pub async fn intents(&self, run_no: i64, after: u64, limit: u32) -> Result<Option<IntentPage>, JournalError> {
        let query = sqlx::query(sql::INTENT_PAGE).bind(run_no).bind(number(after)).bind(limit);
        let page = |row: &SqliteRow| {
            if get::<Option<i64>>(row, 0)?.is_none() {
                return Ok(None);
            }
            let lengths = get::<&str>(row, 1)?.split(' ').map(|length| length.parse().unwrap_or(usize::MAX)).collect();
            Ok(Some(IntentPage::new(unsigned(row, 0)?, lengths, bytes(row, 2)?)))
        };
        self.one(query, page).await
    }

    /// Rows of a run that were skipped only because they repeat another row exactly.
    pub async fn superfluous(&self, run_no: i64) -> Result<u64, JournalError> {
        let query = sqlx::query(sql::SUPERFLUOUS).bind(run_no);
        self.one(query, |row| unsigned(row, 0)).await
    }

    /// From here until [`release`](Self::release), everything that is read shows one state of the journal; held again, a later one.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn hold_still(&self) -> Result<(), JournalError> {
        let mut connection = self.connection().await?;
        end_transaction(&mut connection).await;
        sqlx::query("BEGIN").execute(&mut *connection).await.map_err(JournalError::sql)?;
        // The state is that of the first read.
        sqlx::query(sql::VERSION).fetch_one(&mut *connection).await.map(drop).map_err(JournalError::sql)
    }

    /// The journal's id.
    pub async fn journal_id(&self) -> Result<Option<String>, JournalError> {
        Ok(self.all(sqlx::query(sql::JOURNAL_ID), |row| get(row, 0)).await?.pop())
    }

    /// Size and root (base64) of the head as stored.
    pub async fn head(&self) -> Result<(u64, String), JournalError> {
        let head = |row: &SqliteRow| {
            let root = Hash::try_from(get::<&[u8]>(row, 1)?);
            let root = root.map_err(|_| JournalError::damaged("the head's root is not 32 bytes long"))?;
            Ok((unsigned(row, 0)?, base64(&root)))
        };
        self.one(sqlx::query(sql::HEAD), head).await
    }

    /// Each row of an answer, as `read` understands it.
    pub(super) async fn all<T>(
        &self,
        query: Bound<'_>,
        read: impl Fn(&SqliteRow) -> Result<T, JournalError>,
    ) -> Result<Vec<T>, JournalError> {
        let rows = query.fetch_all(&mut *self.connection().await?).await.map_err(JournalError::sql)?;
        rows.iter().map(read).collect()
    }

    /// The one row of an answer, as `read` understands it.
    pub(super) async fn one<T>(
        &self,
        query: Bound<'_>,
        read: impl Fn(&SqliteRow) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let row = query.fetch_one(&mut *self.connection().await?).await.map_err(JournalError::sql)?;
        read(&row)
    }

    /// The connection itself, opened again after a [`release`](Self::release).
    pub(super) async fn connection(&self) -> Result<MappedMutexGuard<'_, SqliteConnection>, JournalError> {
        let mut connection = self.connection.lock().await;
        if connection.is_none() {
            *connection = Some(open_reader_for(&self.path, self.purpose).await?);
        }
        MutexGuard::try_map(connection, Option::as_mut).map_err(|_| JournalError::Closed)
    }

    /// The next rows of a target without an outcome: see [`RunReader::pending`](crate::journal::RunReader::pending).
    pub async fn pending(
        &self,
        run_no: i64,
        target_no: i64,
        after: u64,
        limit: u32,
        touched_only: bool,
    ) -> Result<Vec<PendingRow>, JournalError> {
        let statement = if touched_only { sql::TOUCHED } else { sql::PENDING };
        let query = sqlx::query(statement).bind(run_no).bind(number(after)).bind(target_no).bind(limit);
        let record = |row: &SqliteRow| {
            let seen_at = get::<Option<String>>(row, 4)?.and_then(|at| parse_time(&at));
            Ok(PendingRow { row: unsigned(row, 0)?, intent: parsed(row, 2)?, seen_at, touched: get(row, 3)? })
        };
        self.all(query, record).await
    }
}

/// An entry of a story: its number, then its body.
pub(super) fn story_entry(row: &SqliteRow) -> Result<StoryEntry, JournalError> {
    Ok(StoryEntry { seq: unsigned(row, 0)?, body: get(row, 1)? })
}

/// The entry whose body a column holds.
pub(super) fn parsed(row: &SqliteRow, index: usize) -> Result<Entry, JournalError> {
    Entry::parse(get(row, index)?).map_err(JournalError::entry)
}

fn run_record(row: &SqliteRow) -> Result<RunRecord, JournalError> {
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
        sandbox: get(row, 8)?,
        plan_root: get(row, 9)?,
        manifest_seq: seq(10)?,
        sealed_seq: seq(11)?,
        started_seq: seq(12)?,
        reads: unsigned(row, 13)?,
        reads_throttled: unsigned(row, 14)?,
    })
}
