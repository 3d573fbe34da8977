//! What the journal knows about a run, as the summary at a session's end.

use std::collections::{BTreeMap, BTreeSet};

use super::admit::opened_by;
use super::canary::CanaryReport;
use super::selection::{RetryOf, Selection};
use super::summary::{Head, SessionPart, State, StopWord, Summary};
use super::targets::Targets;
use crate::domain::OutcomeCounts;
use crate::execute::CanaryFound;
use crate::execute::control::TargetStop;
use crate::journal::TargetRecord;
use crate::journal::{JournalError, Location, Reader, RunAbout, RunRecord};
use crate::record::Entry;
use crate::record::event::{Event, Requests};
use crate::record::plan::PlanCaller;

/// What a session knows about itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Own {
    pub(super) requests: Requests,
    pub(super) seconds: f64,
    /// The outcomes that the run had before it.
    pub(super) before: OutcomeCounts,
    /// Whether the journal has its end, and with it its time.
    pub(super) is_closed: bool,
    /// Why it stopped, for people.
    pub(super) detail: Option<String>,
    /// The targets that stopped alone.
    pub(super) stopped: BTreeMap<i64, TargetStop>,
    /// How many key pairs of each target its canary deletes at most, and what each found, where there is one.
    pub(super) canary: Option<(u64, BTreeMap<i64, CanaryFound>)>,
}

impl Own {
    fn canary(&self, targets: &[TargetRecord]) -> Option<CanaryReport> {
        self.canary.as_ref().map(|(limit, found)| CanaryReport::of(*limit, targets, found))
    }
}

/// The summary of a run that stays in `state`.
pub(super) async fn sum_up(
    journal: &Location,
    reader: &Reader,
    record: &RunRecord,
    state: State,
    stopped_by: Option<StopWord>,
    own: Own,
    head: Head,
) -> Result<Summary, JournalError> {
    let outcomes = reader.counts(record).await?;
    let about = reader.about(record.run_no).await?;
    let targets = reader.targets(record.run_no).await?;
    let left = reader.pending_counts(record.run_no).await?;
    let open_seconds = if own.is_closed { 0.0 } else { own.seconds };
    Ok(Summary {
        run: Some(record.run.to_string()),
        state: Some(state),
        stopped_by,
        sandbox: record.sandbox,
        rows: record.rows,
        outcomes,
        requests: requests(reader, record).await?,
        seconds: about.closed_ms as f64 / 1000.0 + open_seconds,
        session: SessionPart {
            requests: own.requests,
            seconds: own.seconds,
            outcomes: outcomes.settled_since(&own.before),
        },
        manifest: about.manifest,
        manifest_sha256: record.manifest_sha256.clone(),
        of: retry_of(reader, record).await?,
        plan_root: record.plan_root.clone(),
        callers: callers(reader, record.run_no).await?,
        canary: own.canary(&targets),
        targets: Targets::new(targets, &left, own.stopped).ends(stopped_by, own.detail.as_deref()),
        operator: Some(about.operator),
        ticket: about.ticket,
        started_at: Some(about.started_at),
        finished_at: about.finished_at,
        head,
        superfluous: reader.superfluous(record.run_no).await?,
        ..Summary::of_nothing(journal)
    })
}

/// The rows of an earlier run that this one plans again, if it does.
pub(super) async fn retry_of(reader: &Reader, record: &RunRecord) -> Result<Option<RetryOf>, JournalError> {
    let opened = opened_by(reader, record).await?;
    Ok(Selection::of_settings(&opened.settings).as_ref().map(RetryOf::from))
}

/// What the journal had of a run when a session began its work.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) record: RunRecord,
    pub(super) about: RunAbout,
    pub(super) targets: Vec<TargetRecord>,
    pub(super) pending: Vec<(i64, u64)>,
    pub(super) callers: Vec<PlanCaller>,
    pub(super) of: Option<RetryOf>,
}

impl Known {
    /// The summary where the journal can no longer be read: by what it had then, and by what this session did, which
    /// `settled` so many rows. What became of the others only the journal says, so that they count as unsettled, and requests
    /// of earlier sessions are not counted.
    pub(super) fn sum_up(
        &self,
        journal: &Location,
        state: State,
        stopped_by: Option<StopWord>,
        own: Own,
        settled: OutcomeCounts,
    ) -> Summary {
        let (record, about) = (&self.record, &self.about);
        let known = own.before.settled_with(&settled);
        let left = record.rows.saturating_sub(known.settled());
        Summary {
            run: Some(record.run.to_string()),
            state: Some(state),
            stopped_by,
            sandbox: record.sandbox,
            rows: record.rows,
            outcomes: OutcomeCounts { unsettled: left, ..known },
            requests: own.requests,
            seconds: about.closed_ms as f64 / 1000.0 + own.seconds,
            session: SessionPart { requests: own.requests, seconds: own.seconds, outcomes: settled },
            manifest: about.manifest.clone(),
            manifest_sha256: record.manifest_sha256.clone(),
            of: self.of.clone(),
            plan_root: record.plan_root.clone(),
            callers: self.callers.clone(),
            canary: own.canary(&self.targets),
            targets: Targets::new(self.targets.clone(), &self.pending, own.stopped)
                .ends(stopped_by, own.detail.as_deref()),
            operator: Some(about.operator.clone()),
            ticket: about.ticket.clone(),
            started_at: Some(about.started_at.clone()),
            ..Summary::of_nothing(journal)
        }
    }
}

/// Whose credentials the sessions of a run used, as the journal has them.
pub(super) async fn callers(reader: &Reader, run_no: i64) -> Result<Vec<PlanCaller>, JournalError> {
    let mut callers = BTreeSet::new();
    for stored in reader.milestones_of(run_no, "session_opened").await? {
        let entry = Entry::parse(&stored.body).map_err(|error| JournalError::Entry(error.into()))?;
        let Event::SessionOpened(opened) = entry.event else { continue };
        callers.extend(opened.account.clone().zip(opened.caller_arn.clone()));
        callers.extend(opened.accounts.into_iter().map(|reached| (reached.account, reached.caller_arn)));
    }
    Ok(callers.into_iter().map(|(account, arn)| PlanCaller { account, arn }).collect())
}

/// Requests of a run over all its sessions, as the journal has them.
async fn requests(reader: &Reader, record: &RunRecord) -> Result<Requests, JournalError> {
    let (delete, throttled) = reader.attempts(record.run_no).await?;
    Ok(Requests { delete, read: record.reads, throttled: throttled + record.reads_throttled })
}

/// The stored head; the default if it can no longer be read.
pub(super) async fn stored_head(reader: &Reader) -> Head {
    reader.head().await.map_or_else(|_| Head::default(), |(size, root)| Head { size, root })
}
