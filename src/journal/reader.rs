//! The reading side of a journal, whatever database stores it: what execution, plans, sessions and reviewers ask. It needs no lock
//! and changes nothing.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;

use super::error::JournalError;
use super::query::{Cell, EntryFilter, Matching, Reservation, ReviewRow, Visitor};
use super::records::{
    AttemptRecord, IntentPage, OpenAttempt, PendingRow, RunAbout, RunRecord, StoryEntry, TargetRecord, UnclearRow,
};
use crate::domain::{AttemptTime, OutcomeCounts, RunId, Target};
use crate::record::Entry;
use crate::record::merkle::Hash;

/// What is read, once it is there. Each of these fails if the database does.
pub type Reading<'a, T> = Pin<Box<dyn Future<Output = Result<T, JournalError>> + Send + 'a>>;

/// Runs: what a session and its summary need.
pub trait ReadRuns: Send + Sync {
    /// All runs, the oldest first.
    fn runs(&self) -> Reading<'_, Vec<RunRecord>>;

    /// How many rows of a run ended how.
    fn counts<'a>(&'a self, run: &'a RunRecord) -> Reading<'a, OutcomeCounts>;

    /// DeleteKeyPair requests of a run that may have left, and how many of them were throttled.
    fn attempts(&self, run_no: i64) -> Reading<'_, (u64, u64)>;

    /// The targets of a run, by account and region.
    fn targets(&self, run_no: i64) -> Reading<'_, Vec<TargetRecord>>;

    /// How many rows of each target have no outcome yet: (target, rows), by account and region.
    fn pending_counts(&self, run_no: i64) -> Reading<'_, Vec<(i64, u64)>>;

    /// The first key pairs of a target that are to be deleted: of the rows without an outcome, or of those with one.
    fn names_to_delete(&self, run_no: i64, target_no: i64, settled: bool, limit: u32) -> Reading<'_, Vec<String>>;

    /// What a summary says about a run.
    fn about(&self, run_no: i64) -> Reading<'_, RunAbout>;

    /// Rows of a run that were skipped only because they repeat another row exactly.
    fn superfluous(&self, run_no: i64) -> Reading<'_, u64>;

    /// The rate that this target was last believed to permit, and whether throttling began there.
    fn rate<'a>(&'a self, endpoint: &'a str, target: &'a Target) -> Reading<'a, Option<(String, bool)>>;

    /// The last attempts on rows of other runs than `run` in this account of this service, if nothing shows their effect. Runs that ended
    /// before `since` have none that matter.
    fn open_attempts<'a>(
        &'a self,
        run: RunId,
        endpoint: &'a str,
        account: &'a str,
        since: Timestamp,
    ) -> Reading<'a, Vec<OpenAttempt>>;

    /// The rows of other runs than `run` in this account of this service that were asked for and have no outcome, are in doubt or
    /// gone and were not resolved since, or were deleted as the operation history shows: that may be somebody else's operation, and
    /// their own request may still be under way.
    fn unclear_rows<'a>(&'a self, run: RunId, endpoint: &'a str, account: &'a str) -> Reading<'a, Vec<UnclearRow>>;
}

/// Rows of a run: what its execution needs, and what the plan's root is computed from.
pub trait ReadRows: Send + Sync {
    /// As [`RunReader::pending`].
    fn pending_rows(
        &self,
        run_no: i64,
        target_no: i64,
        after: u64,
        limit: u32,
        touched_only: bool,
    ) -> Reading<'_, Vec<PendingRow>>;

    /// All entries of one row, in order, as stored.
    fn story(&self, run_no: i64, row: u64) -> Reading<'_, Vec<StoryEntry>>;

    /// At most `limit` attempts of a run, in the order of its rows, after this attempt of this row.
    fn attempts_of(&self, run_no: i64, after: (u64, u32), limit: u32) -> Reading<'_, Vec<AttemptRecord>>;

    /// At most `limit` intents of a run, in the order of its rows, after row `after`; none if there are no more.
    fn intents(&self, run_no: i64, after: u64, limit: u32) -> Reading<'_, Option<IntentPage>>;
}

/// The journal's past: what a session compares it with, and what a plan asks of earlier runs.
pub trait ReadPast: Send + Sync {
    /// The journal's id; none if there is no entry yet.
    fn journal_id(&self) -> Reading<'_, Option<String>>;

    /// Size and root (base64) of the head as stored.
    fn head(&self) -> Reading<'_, (u64, String)>;

    /// The root (base64) of the first `size` entries; none if there are fewer. This verifies nothing: it guards against
    /// accidents.
    fn root_at(&self, size: u64) -> Reading<'_, Option<String>>;

    /// One entry.
    fn entry(&self, seq: u64) -> Reading<'_, Entry>;

    /// The same as it is stored, whatever its body says.
    fn stored(&self, seq: u64) -> Reading<'_, StoryEntry>;

    /// The next stored leaves from entry `from` on, of those below `to`: as many as are cheap to hold, one at least.
    fn leaves(&self, from: u64, to: u64) -> Reading<'_, Vec<Hash>>;

    /// The entries by which rollbacks were accepted, in order.
    fn accepted_rollbacks(&self) -> Reading<'_, Vec<Entry>>;

    /// The names of the next rows of a run after row `after`: the last of these rows, and a JSON array of (account, region,
    /// name, number of the intent). None if there are no more.
    fn past_names(&self, run_no: i64, after: i64, limit: u32) -> Reading<'_, Option<(i64, String)>>;

    /// What the intents with these numbers (a JSON array), all of one run, rest on: a JSON array of (account, region, name,
    /// identity or null if there was no key pair, when the run began).
    fn past_seen<'a>(&'a self, run_no: i64, intents: &'a str) -> Reading<'a, String>;
}

/// What reviewers ask.
pub trait ReadReview: Send + Sync {
    /// Whether anything was said later of a run's rows: the number of an entry after which all of that stands. Finding out takes no
    /// look at the entries, of which there may be millions. A store that keeps no list of that names the first entry.
    fn resolved_after(&self, _run_no: i64) -> Reading<'_, Option<i64>> {
        Box::pin(async { Ok(Some(0)) })
    }

    /// The entries that belong to a run as a whole, in order.
    fn milestones(&self, run_no: i64) -> Reading<'_, Vec<StoryEntry>>;

    /// Those of one kind.
    fn milestones_of<'a>(&'a self, run_no: i64, kind: &'a str) -> Reading<'a, Vec<StoryEntry>>;

    /// The rows of a run that name this key pair.
    fn rows_of_name<'a>(&'a self, run_no: i64, name: &'a str) -> Reading<'a, Vec<u64>>;

    /// At most `limit` rows of all runs that have this key pair's name or this number: (run, row).
    fn rows_anywhere<'a>(
        &'a self,
        name: Option<&'a str>,
        row: Option<u64>,
        limit: u32,
    ) -> Reading<'a, Vec<(String, u64)>>;

    /// The number of the first of the last `count` entries that match (0 if none does), and how many match in all.
    fn last_matching<'a>(&'a self, filter: &'a EntryFilter, count: u32) -> Reading<'a, (i64, u64)>;

    /// The next entries from `seq` on that match, in order.
    fn matching<'a>(&'a self, filter: &'a EntryFilter, seq: i64, limit: u32) -> Reading<'a, Vec<Matching>>;

    /// The names of the columns of the view `intents`.
    fn review_columns(&self) -> Reading<'_, Vec<String>>;

    /// The next rows of a run after row `after`, in order. With an outcome, only those that have it; here `unsettled` and
    /// `not_attempted` count as outcomes.
    fn review(&self, run_no: i64, after: u64, limit: u32, outcome: Option<&'static str>)
    -> Reading<'_, Vec<ReviewRow>>;

    /// The view `runs`: names of columns and rows.
    fn runs_view(&self) -> Reading<'_, (Vec<String>, Vec<Vec<Cell>>)>;

    /// Runs a reviewer's own statement in the store's SQL and hands its rows on as they come. The caller has made sure that it is a
    /// single statement that only reads; the store would not let it write either.
    fn query<'a>(&'a self, statement: &'a str, visitor: &'a mut dyn Visitor) -> Reading<'a, ()>;

    /// As [`ReadReview::query`], with the texts for the statement's parameters `?1`, `?2` and so on.
    fn query_with<'a>(
        &'a self,
        statement: &'a str,
        bound: &'a [String],
        visitor: &'a mut dyn Visitor,
    ) -> Reading<'a, ()>;

    /// The database's words against a statement, which is not run; none if it could be run.
    fn refusal<'a>(&'a self, statement: &'a str) -> Reading<'a, Option<String>>;

    /// Why what this journal shows may not be what was recorded, as far as that is known without verifying it.
    fn reservations(&self) -> Reading<'_, Vec<Reservation>>;

    /// The version of the database and of the schema, and how many entries and bytes there are.
    fn health(&self) -> Reading<'_, (String, i64, i64, i64)>;
}

/// Everything that can be read from a journal.
pub trait JournalReader: ReadRuns + ReadRows + ReadPast + ReadReview {
    /// From here until [`release`](Self::release), everything that is read shows one unchanging state of the journal, whatever a
    /// running session adds meanwhile; held again, a later state.
    fn hold_still(&self) -> Reading<'_, ()>;

    /// Releases the journal until something is read again. A writer's own reader releases it before the writer closes.
    fn release(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// A journal open for reading; clones share it.
#[derive(Clone)]
pub struct Reader {
    inner: Arc<dyn JournalReader>,
    /// The journals that were archived before it, the oldest first.
    archived: Arc<[Self]>,
    place: Option<Arc<Path>>,
}

impl Reader {
    /// Reads through `reader`.
    pub fn new(reader: impl JournalReader + 'static) -> Self {
        Self { inner: Arc::new(reader), archived: Arc::default(), place: None }
    }

    /// The same, with the journals that were archived before it, the oldest first.
    #[must_use]
    pub fn with_archived(self, archived: Vec<Self>) -> Self {
        Self { archived: archived.into(), ..self }
    }

    /// The journals that were archived before it, the oldest first: what earlier runs know is in them, too.
    #[must_use]
    pub fn archived(&self) -> &[Self] {
        &self.archived
    }

    /// The same as an archive that lies there.
    #[must_use]
    pub fn at_place(self, place: PathBuf) -> Self {
        Self { place: Some(place.into()), ..self }
    }

    /// Where it lies, if it is one of those that [`Reader::archived`] gives.
    #[must_use]
    pub fn place(&self) -> Option<&Path> {
        self.place.as_deref()
    }
}

impl Deref for Reader {
    type Target = dyn JournalReader;

    fn deref(&self) -> &Self::Target {
        &*self.inner
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

/// What the execution of a run reads about the run's own rows.
pub trait RunReader: Send + Sync + 'static {
    /// The next rows of a target without an outcome, in order, after row `after`; with `touched_only`, those of which
    /// a request may have left.
    fn pending(
        &self,
        run_no: i64,
        target_no: i64,
        after: u64,
        limit: u32,
        touched_only: bool,
    ) -> impl Future<Output = Result<Vec<PendingRow>, JournalError>> + Send;

    /// The entries by which rollbacks of the journal were accepted, in order.
    fn rollbacks(&self) -> impl Future<Output = Result<Vec<Entry>, JournalError>> + Send;

    /// How long an attempt may take in each session of a run that sends any.
    fn attempt_times(&self, run_no: i64) -> impl Future<Output = Result<AttemptTimes, JournalError>> + Send;

    /// All entries of one row, in order.
    fn row_entries(&self, run_no: i64, row: u64) -> impl Future<Output = Result<Vec<Entry>, JournalError>> + Send;
}

/// How long an attempt of a session may take, by the session's number.
pub type AttemptTimes = HashMap<u64, AttemptTime>;

impl RunReader for Reader {
    async fn pending(
        &self,
        run_no: i64,
        target_no: i64,
        after: u64,
        limit: u32,
        touched_only: bool,
    ) -> Result<Vec<PendingRow>, JournalError> {
        self.pending_rows(run_no, target_no, after, limit, touched_only).await
    }

    async fn rollbacks(&self) -> Result<Vec<Entry>, JournalError> {
        self.accepted_rollbacks().await
    }

    async fn attempt_times(&self, run_no: i64) -> Result<AttemptTimes, JournalError> {
        let opened = self.milestones_of(run_no, "session_opened").await?;
        let time = |entry: &StoryEntry| {
            let entry = Entry::parse(&entry.body).map_err(JournalError::entry)?;
            Ok(entry.event.attempt_time().map(|time| (entry.seq, time)))
        };
        opened.iter().filter_map(|entry| time(entry).transpose()).collect()
    }

    async fn row_entries(&self, run_no: i64, row: u64) -> Result<Vec<Entry>, JournalError> {
        let story = self.story(run_no, row).await?;
        story.iter().map(|entry| Entry::parse(&entry.body).map_err(JournalError::entry)).collect()
    }
}
