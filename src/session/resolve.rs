//! To say what became of a row that ended in doubt or as gone: a further entry, in a session of its own. Nothing is sent.

use super::admit::refuse_altered;
use super::error::{Sent, SessionError};
use super::host::Host;
use super::in_journal::in_journal;
use super::open::OpenJournal;
use super::opened::housekeeping;
use super::operator::{Moment, Notice};
use super::order::Order;
use super::summary::Head;
use super::unresolvable::Unresolvable;
use crate::domain::{Class, Evidence, Outcome, OutcomeCounts, RunId};
use crate::journal::{JournalError, Location, Reader, RunRecord};
use crate::record::event::{AttachedFile, Event, Requests, RowResolved, SessionClosed};
use crate::record::{Draft, Entry};
use crate::review::{rows, runs};

/// To say what became of a row.
#[derive(Debug, Clone)]
pub struct ResolveOrder {
    /// What every session is given.
    pub order: Order,
    /// The run: its id, a unique prefix of it, or `latest`.
    pub run: String,
    /// The row: its number, or the key pair's name.
    pub row: String,
    /// What became of it.
    pub outcome: Outcome,
    /// How that is known.
    pub because: String,
    /// The file that shows it.
    pub file: Option<AttachedFile>,
}

/// What was recorded.
#[derive(Debug)]
pub struct Resolved {
    /// The run.
    pub run: RunId,
    /// Whether it is a rehearsal.
    pub sandbox: bool,
    /// The row.
    pub row: u64,
    /// The key pair that it names.
    pub key_pair_name: String,
    /// The outcome that the run itself determined.
    pub settled: Outcome,
    /// What the row counted as until now.
    pub before: Outcome,
    /// What was said.
    pub told: RowResolved,
    /// The answers to its requests that came when other runners had the row, or could have it: the attempt, and what each means.
    pub late: Vec<(u32, Class)>,
    /// The number of the entry that says so.
    pub seq: u64,
    /// The outcomes of the run's rows from now on.
    pub outcomes: OutcomeCounts,
    /// The journal.
    pub journal: Location,
    /// Its head.
    pub head: Head,
}

/// Records what is said of a row. None if a signal came before that: then nothing was recorded.
///
/// # Errors
/// As [`Refusal`](super::Refusal) says.
pub async fn resolve<H: Host>(host: &H, order: &ResolveOrder) -> Result<Option<Resolved>, SessionError> {
    in_journal(host, &order.order, ("resolve", Sent::Nothing), async |open| Box::pin(tell(host, order, open)).await)
        .await
}

async fn tell<H: Host>(host: &H, order: &ResolveOrder, open: OpenJournal) -> Result<Resolved, SessionError> {
    let record = runs::resolve(&open.reader, &order.run).await?;
    let of_run = |error: SessionError| error.of_run(record.run);
    let row = only_row(&open.reader, &record, &order.row).await.map_err(of_run)?;
    let known = Known::of(&open.reader, &record, row).await?;
    let (settled, before) = known.judge(order.outcome, record.run, row).map_err(|error| of_run(error.into()))?;
    refuse_altered(host, &open.reader).await.map_err(of_run)?;
    let resumed = open.carried_on(&**host.operator(), &order.order, &record).await?;
    let mut opened = housekeeping(host.new_id(), "resolve", &resumed);
    opened.sandbox = record.sandbox;
    open.remember(host, &resumed, &mut opened).await?;
    let told = RowResolved {
        outcome: order.outcome,
        evidence: Evidence::Person,
        because: order.because.clone(),
        by: resumed.who.user.clone(),
        file: order.file.clone(),
        event_id: None,
        rests_on: known.entries.clone(),
    };
    // From here on, a signal changes nothing any more.
    host.stops().hand_over();
    let drafts = vec![
        Draft::of(Event::SessionOpened(opened)),
        Draft { run: Some(record.number()), row: Some(row), event: Event::RowResolved(told.clone()) },
        Draft::of(Event::SessionClosed(SessionClosed { requests: Requests::default(), elapsed_ms: 0 })),
    ];
    let stamps = open.journal.append(drafts).await?;
    open.journal.checkpoint().await?;
    open.anchored(host).await;
    let outcomes = open.reader.counts(&record).await?;
    let head = open.close(host).await?;
    host.operator().notice(Notice::Checkpoint(Moment::Ended, &head));
    Ok(Resolved {
        run: record.run,
        sandbox: record.sandbox,
        row,
        key_pair_name: known.name,
        settled,
        before,
        told,
        late: known.late,
        seq: stamps.get(1).map_or(0, |stamp| stamp.seq),
        outcomes,
        journal: order.order.journal.clone(),
        head: Head::from(&head),
    })
}

/// The one row that is meant.
async fn only_row(reader: &Reader, record: &RunRecord, wanted: &str) -> Result<u64, SessionError> {
    let found = rows(reader, record, wanted).await.map_err(Unresolvable::NoSuchRow)?;
    match found[..] {
        [row] => Ok(row),
        _ => Err(Unresolvable::SeveralRows { wanted: wanted.to_owned(), rows: found }.into()),
    }
}

/// What the journal has of a row.
#[derive(Debug, Default)]
pub(super) struct Known {
    name: String,
    /// The outcome that its run determined.
    settled: Option<Outcome>,
    /// What it counts as.
    now: Option<Outcome>,
    /// Numbers of its intent, its attempts, and all that was said of its outcome.
    entries: Vec<u64>,
    /// The answers that came too late to decide anything: the attempt, and what each means.
    late: Vec<(u32, Class)>,
}

impl Known {
    pub(super) async fn of(reader: &Reader, record: &RunRecord, row: u64) -> Result<Self, JournalError> {
        let mut known = Self::default();
        for stored in reader.story(record.run_no, row).await? {
            let entry = Entry::parse(&stored.body).map_err(|error| JournalError::Entry(error.into()))?;
            known.take(&entry);
        }
        Ok(known)
    }

    fn take(&mut self, entry: &Entry) {
        match &entry.event {
            Event::IntentRecorded(intent) => self.name.clone_from(&intent.line.name),
            Event::AttemptStarted(_) => {}
            Event::AnswerLate(late) => self.late.push((late.attempt, late.class)),
            Event::AttemptFinished(finished) => self.settle(finished.settled().map(|(outcome, _)| outcome)),
            Event::RowSettled(settled) => self.settle(Some(settled.outcome)),
            Event::RowResolved(told) => self.now = Some(told.outcome),
            _ => return,
        }
        self.entries.push(entry.seq);
    }

    fn settle(&mut self, outcome: Option<Outcome>) {
        self.settled = self.settled.or(outcome);
        self.now = self.now.or(outcome);
    }

    /// Whether it counts as gone or in doubt.
    pub(super) fn is_doubtful(&self) -> bool {
        matches!(self.now, Some(Outcome::Gone | Outcome::InDoubt))
    }

    /// The numbers of what is known.
    pub(super) fn into_entries(self) -> Vec<u64> {
        self.entries
    }

    /// Whether that can be said of the row: the outcome that its run determined, and what it counts as until now.
    pub(super) fn judge(&self, wanted: Outcome, run: RunId, row: u64) -> Result<(Outcome, Outcome), Unresolvable> {
        let name = self.name.clone();
        let (Some(settled), Some(now)) = (self.settled, self.now) else {
            return Err(Unresolvable::NotSettled { run, row, name });
        };
        let possible = settled.may_become(now);
        if possible.is_empty() {
            return Err(Unresolvable::NotDoubtful { run, row, name, outcome: settled });
        }
        if !possible.contains(&wanted) {
            return Err(Unresolvable::NotPossible { row, name, now, wanted, possible });
        }
        Ok((settled, now))
    }
}
