//! To record what CloudTrail's records showed of a run, and what follows from it for rows that ended in doubt or as gone: further
//! entries, in a session of its own. Nothing is sent.

use super::admit::refuse_altered;
use super::error::{Sent, SessionError};
use super::host::Host;
use super::in_journal::in_journal;
use super::open::OpenJournal;
use super::opened::housekeeping;
use super::operator::{Moment, Notice};
use super::order::Order;
use super::resolve::Known;
use super::summary::Head;
use super::unresolvable::Unresolvable;
use crate::domain::{Evidence, Outcome, OutcomeCounts, RunId};
use crate::journal::{JournalError, Location, Reader, RunRecord};
use crate::record::event::{Event, Reconciled, Requests, RowResolved, SessionClosed};
use crate::record::{Draft, Entry};
use crate::review::runs;

/// How many entries are written at once.
const BATCH: usize = 200;

/// How far a run was when its attempts were read: if it went on since, they are not all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    sent: u64,
    milestones: usize,
}

impl Progress {
    /// How far `record` is.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn of(reader: &Reader, record: &RunRecord) -> Result<Self, JournalError> {
        let (sent, _) = reader.attempts(record.run_no).await?;
        let milestones = reader.milestones(record.run_no).await?;
        // What is said about a run later is none of its progress.
        let said = reader.milestones_of(record.run_no, RECONCILED).await?.len();
        Ok(Self { sent, milestones: milestones.len() - said.min(milestones.len()) })
    }
}

/// The kind of the entry.
const RECONCILED: &str = "reconciled";

/// To record a reconciliation.
#[derive(Debug, Clone)]
pub struct ReconcileOrder {
    /// What every session is given.
    pub order: Order,
    /// The run.
    pub run: RunId,
    /// How far it was.
    pub progress: Progress,
    /// What was found. How many rows it resolves, and who says so, is filled in.
    pub told: Reconciled,
    /// The rows that a record shows to be deleted.
    pub proven: Vec<Proven>,
}

/// A row that a record shows to be deleted by a request of its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The row.
    pub row: u64,
    /// The event.
    pub event_id: String,
    /// How that is known, in words.
    pub because: String,
}

/// What was recorded.
#[derive(Debug)]
pub struct Recorded {
    /// The number of the entry that says what was found; none where the last one says the same already.
    pub seq: Option<u64>,
    /// The rows that were resolved.
    pub rows: Vec<u64>,
    /// The outcomes of the run's rows from now on.
    pub outcomes: OutcomeCounts,
    /// The journal.
    pub journal: Location,
    /// Its head.
    pub head: Head,
}

/// Records what was found. None if a signal came before that: then nothing was recorded.
///
/// # Errors
/// As [`Refusal`](super::Refusal) says.
pub async fn reconcile<H: Host>(host: &H, order: &ReconcileOrder) -> Result<Option<Recorded>, SessionError> {
    in_journal(host, &order.order, ("reconcile", Sent::Nothing), async |open| Box::pin(tell(host, order, open)).await)
        .await
}

async fn tell<H: Host>(host: &H, order: &ReconcileOrder, open: OpenJournal) -> Result<Recorded, SessionError> {
    let record = runs::resolve(&open.reader, &order.run.to_string()).await?;
    let of_run = |error: SessionError| error.of_run(record.run);
    if Progress::of(&open.reader, &record).await? != order.progress {
        return Err(of_run(Unresolvable::WentOn { run: record.run }.into()));
    }
    refuse_altered(host, &open.reader).await.map_err(of_run)?;
    let resumed = open.taken_on(&**host.operator(), &order.order, &record).await?;
    let (mut drafts, mut rows) = (Vec::new(), Vec::new());
    for proven in &order.proven {
        let known = Known::of(&open.reader, &record, proven.row).await?;
        // What a person said of it, or an earlier record, counts.
        if known.is_doubtful() && known.judge(Outcome::Deleted, record.run, proven.row).is_ok() {
            rows.push(proven.row);
            drafts.push(resolved(&record, proven, known, &resumed.who.user));
        }
    }
    let told = Reconciled { resolves: rows.len() as u64, by: resumed.who.user.clone(), ..order.told.clone() };
    let mut seq = None;
    if !rows.is_empty() || !is_last(&open.reader, &record, &told).await? {
        if let Some(path) = &resumed.checkpoint_to {
            host.operator().notice(Notice::CheckpointsTo(path));
        }
        let mut opened = housekeeping(host.new_id(), "reconcile", &resumed);
        opened.sandbox = record.sandbox;
        open.remember(host, &resumed, &mut opened).await?;
        // From here on, a signal changes nothing any more.
        host.stops().hand_over();
        let first = [
            Draft::of(Event::SessionOpened(opened)),
            Draft::of_run(record.number(), Event::Reconciled(Box::new(told))),
        ];
        let closed = SessionClosed { requests: Requests::default(), elapsed_ms: 0 };
        let mut all = first.into_iter().chain(drafts).chain([Draft::of(Event::SessionClosed(closed))]);
        loop {
            let batch: Vec<_> = all.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                break;
            }
            let stamps = open.journal.append(batch).await?;
            seq = seq.or_else(|| stamps.get(1).map(|stamp| stamp.seq));
        }
        open.journal.checkpoint().await?;
    }
    let outcomes = open.reader.counts(&record).await?;
    let head = open.close(host).await?;
    if seq.is_some() {
        host.operator().notice(Notice::Checkpoint(Moment::Ended, &head));
    }
    Ok(Recorded { seq, rows, outcomes, journal: order.order.journal.clone(), head: Head::from(&head) })
}

/// The entry that a row was deleted by its run.
fn resolved(record: &RunRecord, proven: &Proven, known: Known, by: &str) -> Draft {
    let told = RowResolved {
        outcome: Outcome::Deleted,
        evidence: Evidence::Cloudtrail,
        because: proven.because.clone(),
        by: by.to_owned(),
        file: None,
        event_id: Some(proven.event_id.clone()),
        rests_on: known.into_entries(),
    };
    Draft { run: Some(record.number()), row: Some(proven.row), event: Event::RowResolved(told) }
}

/// Whether the run's last reconciliation says the same.
async fn is_last(reader: &Reader, record: &RunRecord, told: &Reconciled) -> Result<bool, JournalError> {
    let said = reader.milestones_of(record.run_no, RECONCILED).await?;
    let Some(last) = said.last() else { return Ok(false) };
    let last = Entry::parse(&last.body).map_err(|error| JournalError::Entry(error.into()))?;
    let Event::Reconciled(last) = last.event else { return Ok(false) };
    Ok(Reconciled { resolves: told.resolves, by: told.by.clone(), ..*last } == *told)
}
