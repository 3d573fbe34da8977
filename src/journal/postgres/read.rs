//! Runs and their rows: what a session and its summary need.

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::postgres::PgRow;

use super::address::Address;
use super::ask::Ask;
use super::connect::Purpose;
use super::line::Line;
use super::link::{get, only, unsigned};
use super::reading as sql;
use super::talk::Way;
use crate::domain::{OutcomeCounts, RunId, Target, parse_time, time_text};
use crate::journal::{
    AttemptRecord, IntentPage, JournalError, OpenAttempt, PendingRow, RunAbout, RunRecord, RunState, StoryEntry,
    TargetRecord, UnclearRow,
};
use crate::record::Entry;

/// A journal open for reading; clones share the connection.
#[derive(Debug, Clone)]
pub struct PostgresReader {
    pub(super) line: Arc<Line>,
}

impl PostgresReader {
    /// Connects to the journal at `address`.
    ///
    /// # Errors
    /// If the server cannot be reached, or there is no journal.
    pub async fn open(address: &Address) -> Result<Self, JournalError> {
        Ok(Self { line: Arc::new(Line::open(Way::new(address, Purpose::Read)).await?) })
    }

    /// As [`PostgresReader::open`], also where the journal is of a later version: what this keybatch does not know is not shown.
    ///
    /// # Errors
    /// As [`PostgresReader::open`].
    pub async fn open_any(address: &Address) -> Result<Self, JournalError> {
        Ok(Self { line: Arc::new(Line::open(Way::new(address, Purpose::ReadAny)).await?) })
    }

    /// Releases the journal until something is read again.
    pub async fn release(&self) {
        self.line.release().await;
    }

    /// From here until [`release`](Self::release), everything that is read shows one state of the journal; held again, a later one.
    ///
    /// # Errors
    /// If the database fails; this applies to every method here.
    pub async fn hold_still(&self) -> Result<(), JournalError> {
        self.line.hold_still().await
    }

    /// All runs, the oldest first.
    pub async fn runs(&self) -> Result<Vec<RunRecord>, JournalError> {
        self.all(&Ask::of(sql::RUNS), run_record).await
    }

    /// How many rows of a run ended how.
    pub async fn counts(&self, run: &RunRecord) -> Result<OutcomeCounts, JournalError> {
        let counted = |row: &PgRow| {
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
        let mut counts = self.one(&Ask::of(sql::RUN_COUNTS).with(run.run_no).patiently(), counted).await?;
        // Rows of a plan that was never completed have no intent, and were not attempted either.
        counts.not_attempted = run.rows.saturating_sub(counts.total());
        Ok(counts)
    }

    /// DeleteKeyPair requests of a run that may have left, and how many of them were throttled.
    pub async fn attempts(&self, run_no: i64) -> Result<(u64, u64), JournalError> {
        let ask = Ask::of(sql::RUN_ATTEMPTS).with(run_no).patiently();
        self.one(&ask, |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?))).await
    }

    /// The targets of a run.
    pub async fn targets(&self, run_no: i64) -> Result<Vec<TargetRecord>, JournalError> {
        let record = |row: &PgRow| Ok(TargetRecord { target_no: get(row, 0)?, target: target(row, 1)? });
        self.all(&Ask::of(sql::TARGETS_OF_RUN).with(run_no), record).await
    }

    /// How many rows of each target have no outcome yet.
    pub async fn pending_counts(&self, run_no: i64) -> Result<Vec<(i64, u64)>, JournalError> {
        let ask = Ask::of(sql::PENDING_COUNT).with(run_no).patiently();
        self.all(&ask, |row| Ok((get(row, 0)?, unsigned(row, 1)?))).await
    }

    /// The first key pairs of a target that are to be deleted: of the rows without an outcome, or of those with one.
    pub async fn names_to_delete(
        &self,
        run_no: i64,
        target_no: i64,
        settled: bool,
        limit: u32,
    ) -> Result<Vec<String>, JournalError> {
        let ask = Ask::of(sql::NAMES_TO_DELETE).with(run_no).with(target_no).with(settled).with(limit);
        self.all(&ask, |row| get(row, 0)).await
    }

    /// What a summary says about a run.
    pub async fn about(&self, run_no: i64) -> Result<RunAbout, JournalError> {
        let about = |row: &PgRow| {
            Ok(RunAbout {
                manifest: get(row, 0)?,
                operator: get(row, 1)?,
                ticket: get(row, 2)?,
                started_at: get(row, 3)?,
                finished_at: get(row, 4)?,
                closed_ms: unsigned(row, 5)?,
            })
        };
        self.one(&Ask::of(sql::ABOUT_RUN).with(run_no), about).await
    }

    /// Rows of a run that were skipped only because they repeat another row exactly.
    pub async fn superfluous(&self, run_no: i64) -> Result<u64, JournalError> {
        self.one(&Ask::of(sql::SUPERFLUOUS).with(run_no).patiently(), |row| unsigned(row, 0)).await
    }

    /// The rate that this target was last believed to permit, and whether throttling began there.
    pub async fn rate(&self, endpoint: &str, target: &Target) -> Result<Option<(String, bool)>, JournalError> {
        let ask = Ask::of(sql::RATE).with(endpoint).with(&*target.account).with(&*target.region);
        Ok(self.all(&ask, |row| Ok((get(row, 0)?, flag(row, 1)?))).await?.pop())
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
        let ask = Ask::of(sql::OPEN_ATTEMPTS).with(run.to_string()).with(endpoint).with(account);
        let ask = ask.with(time_text(since)).patiently();
        let parse = |body: &str| Entry::parse(body).map_err(JournalError::entry);
        let attempt = |row: &PgRow| {
            let started = parsed(row, 4)?;
            let finished = get::<Option<&str>>(row, 5)?.map(parse).transpose()?;
            let session = get::<Option<&str>>(row, 6)?.map(parse).transpose()?;
            let time = session.and_then(|entry| entry.event.attempt_time());
            let (run, key_pair_name) = (get(row, 0)?, get(row, 3)?);
            Ok(OpenAttempt { run, target: target(row, 1)?, key_pair_name, started, finished, time })
        };
        self.all(&ask, attempt).await
    }

    /// The rows of other runs whose end is not certain: see [`ReadRuns::unclear_rows`](crate::journal::ReadRuns::unclear_rows).
    pub async fn unclear_rows(
        &self,
        run: RunId,
        endpoint: &str,
        account: &str,
    ) -> Result<Vec<UnclearRow>, JournalError> {
        let ask = Ask::of(sql::UNCLEAR_ROWS).with(run.to_string()).with(endpoint).with(account).patiently();
        let unclear = |row: &PgRow| {
            Ok(UnclearRow {
                run_no: get(row, 0)?,
                row: unsigned(row, 1)?,
                target: target(row, 2)?,
                key_pair_name: get(row, 4)?,
            })
        };
        self.all(&ask, unclear).await
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
        let record = |row: &PgRow| {
            let seen_at = get::<Option<String>>(row, 3)?.and_then(|at| parse_time(&at));
            Ok(PendingRow { row: unsigned(row, 0)?, intent: parsed(row, 1)?, seen_at, touched: get(row, 2)? })
        };
        self.all(&Ask::of(statement).with(run_no).with(after).with(target_no).with(limit), record).await
    }

    /// All entries of one row, in order.
    pub async fn story(&self, run_no: i64, row: u64) -> Result<Vec<StoryEntry>, JournalError> {
        self.all(&Ask::of(sql::STORY).with(run_no).with(row), story_entry).await
    }

    /// At most `limit` attempts of a run, in the order of its rows, after this attempt of this row.
    pub async fn attempts_of(
        &self,
        run_no: i64,
        after: (u64, u32),
        limit: u32,
    ) -> Result<Vec<AttemptRecord>, JournalError> {
        let record = |row: &PgRow| {
            let outcome: Option<String> = get(row, 7)?;
            Ok(AttemptRecord {
                row: unsigned(row, 0)?,
                attempt: u32::try_from(unsigned(row, 1)?).unwrap_or(u32::MAX),
                is_only: get(row, 9)?,
                target: target(row, 2)?,
                name: get(row, 4)?,
                started: get(row, 5)?,
                finished: get(row, 6)?,
                outcome: outcome.zip(get(row, 8)?),
            })
        };
        let ask = Ask::of(sql::ATTEMPTS_OF).with(run_no).with(after.0).with(after.1).with(limit);
        self.all(&ask, record).await
    }

    /// At most `limit` intents of a run, in the order of its rows, after row `after`; none if there are no more.
    pub async fn intents(&self, run_no: i64, after: u64, limit: u32) -> Result<Option<IntentPage>, JournalError> {
        let page = |row: &PgRow| {
            if get::<Option<i64>>(row, 0)?.is_none() {
                return Ok(None);
            }
            let lengths = get::<&str>(row, 1)?.split(' ').map(|length| length.parse().unwrap_or(usize::MAX)).collect();
            Ok(Some(IntentPage::new(unsigned(row, 0)?, lengths, get::<&str>(row, 2)?.as_bytes().to_vec())))
        };
        self.one(&Ask::of(sql::INTENT_PAGE).with(run_no).with(after).with(limit), page).await
    }

    /// Each row of an answer, as `read` understands it.
    pub(super) async fn all<T>(
        &self,
        ask: &Ask,
        read: impl Fn(&PgRow) -> Result<T, JournalError>,
    ) -> Result<Vec<T>, JournalError> {
        self.line.rows(ask).await?.iter().map(read).collect()
    }

    /// The one row of an answer, as `read` understands it.
    pub(super) async fn one<T>(
        &self,
        ask: &Ask,
        read: impl Fn(&PgRow) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        read(only(&self.line.rows(ask).await?)?)
    }
}

/// An entry of a story: its number, then its body.
pub(super) fn story_entry(row: &PgRow) -> Result<StoryEntry, JournalError> {
    Ok(StoryEntry { seq: unsigned(row, 0)?, body: get(row, 1)? })
}

/// The entry whose body a column holds.
pub(super) fn parsed(row: &PgRow, index: usize) -> Result<Entry, JournalError> {
    Entry::parse(get(row, index)?).map_err(JournalError::entry)
}

/// A column that holds 1 or 0.
pub(super) fn flag(row: &PgRow, index: usize) -> Result<bool, JournalError> {
    get::<i64>(row, index).map(|number| number != 0)
}

/// Account and region, in two columns.
fn target(row: &PgRow, index: usize) -> Result<Target, JournalError> {
    Ok(Target { account: get(row, index)?, region: get(row, index + 1)? })
}

fn run_record(row: &PgRow) -> Result<RunRecord, JournalError> {
    let id: String = get(row, 1)?;
    let run = id.parse().map_err(|_| JournalError::damaged(format!("{id:?} is no run id")))?;
    let seq = |index: usize| get::<Option<i64>>(row, index).map(|seq| seq.and_then(|seq| u64::try_from(seq).ok()));
    Ok(RunRecord {
        run_no: get(row, 0)?,
        run,
        state: RunState::from(get::<&str>(row, 2)?),
        stopped_by: get(row, 3)?,
        manifest_sha256: get(row, 4)?,
        rows: unsigned(row, 5)?,
        account: get(row, 6)?,
        endpoint: get(row, 7)?,
        sandbox: flag(row, 8)?,
        plan_root: get(row, 9)?,
        manifest_seq: seq(10)?,
        sealed_seq: seq(11)?,
        started_seq: seq(12)?,
        reads: unsigned(row, 13)?,
        reads_throttled: unsigned(row, 14)?,
    })
}
