//! To share a run with other runners: each works on the rows that it claims, until all rows have outcomes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use super::admit::plan_of;
use super::again::kept_world;
use super::at_work::Session;
use super::carry_on::{already_finished, carry_on};
use super::end::Ending;
use super::error::{Refusal, Sent, SessionError};
use super::host::Host;
use super::in_journal::in_journal;
use super::open::{OpenJournal, Taking};
use super::order::WorkOrder;
use super::summary::{State, StopWord, Summary};
use crate::domain::{AttemptTime, Settings};
use crate::execute::Runner;
use crate::execute::control::{Control, Stop};
use crate::journal::{JournalError, Reader, RunRecord, RunState, TargetRecord};
use crate::lane::{Lane, sharing};
use crate::record::Draft;
use crate::record::event::{Event, RunFinished};
use crate::record::lease::{LeaseEnd, LeaseEnded};
use crate::review::runs::resolve;

/// How long a lease lasts at least. A runner that dies keeps its rows from others for that long.
const SHORTEST_LEASE: Duration = Duration::from_secs(10);

/// How often a runner looks whether another one has ended the run.
const LOOKED_AT: Duration = Duration::from_millis(200);

/// Joins those that work on the run.
///
/// # Errors
/// As [`Refusal`] says.
pub async fn work_on<H: Host>(host: &H, order: &WorkOrder) -> Result<Ending, SessionError> {
    let began = tokio::time::Instant::now();
    let journal = &order.order.journal;
    let lasts = lease_of(host, order).await.map_err(|error| error.sent(Sent::Nothing))?;
    let taking = Taking { command: "work", shares: Some(lasts) };
    let work = async |open| Box::pin(go_on(host, order, open, began)).await;
    let ended = in_journal(host, &order.order, (taking, Sent::Reads), work).await?;
    Ok(ended.unwrap_or_else(|| Ending::summed(Summary::stopped_before(journal))))
}

/// How long leases last: twice as long as an attempt may take, so that one can begin whenever they were renewed in time.
async fn lease_of<H: Host>(host: &H, order: &WorkOrder) -> Result<Duration, SessionError> {
    let reader = host.reader(&order.order.journal).await?;
    let lasts = async {
        let record = resolve(&reader, &order.run).await?;
        refuse_unshared(&reader, order, &record).await?;
        let (_, started) = plan_of(&reader, &record).await?;
        let settings: Settings = order.order.overrides.over(started.settings);
        let attempt = AttemptTime { timeout: settings.attempt_timeout }.dead_after_start();
        Ok(SHORTEST_LEASE.max(attempt.saturating_mul(2)))
    };
    let lasts = lasts.await;
    reader.release().await;
    lasts
}

/// Only what was planned and confirmed can be shared, and no world that is kept beside the journal: a sandbox that is served can.
async fn refuse_unshared(reader: &Reader, order: &WorkOrder, record: &RunRecord) -> Result<(), SessionError> {
    let is_alone = kept_world(reader, &order.order.journal, record).await?.is_some();
    let refusal = match record.state {
        RunState::Abandoned => Refusal::Abandoned { run: record.run, started: record.started_seq.is_some() },
        RunState::Running | RunState::Stopped if is_alone => Refusal::NotShared { run: record.run },
        _ if record.started_seq.is_none() => Refusal::Abandoned { run: record.run, started: false },
        _ => return Ok(()),
    };
    Err(SessionError::new(refusal).of_run(record.run).sent(Sent::Nothing))
}

async fn go_on<H: Host>(
    host: &H,
    order: &WorkOrder,
    open: OpenJournal,
    began: tokio::time::Instant,
) -> Result<Ending, SessionError> {
    let record =
        resolve(&open.reader, &order.run).await.map_err(|error| SessionError::from(error).sent(Sent::Nothing))?;
    refuse_unshared(&open.reader, order, &record).await?;
    if record.state == RunState::Finished {
        return already_finished(host, &order.order, &open, &record).await;
    }
    carry_on(host, &order.order, open, began, record, None).await
}

impl<H: Host> Session<'_, H> {
    /// Keeps the lanes to the rates that all runners share, if there are others. Stops the session if that is no longer possible; it never
    /// ends by itself.
    pub(super) fn keep_to_shares(
        &self,
        control: &Arc<Control>,
        endpoint: Option<&str>,
        lanes: &[(TargetRecord, Arc<Lane<H::Port>>)],
    ) -> impl Future<Output = Infallible> + use<H> {
        let shared = self.runner.as_ref().map(|runner| {
            let endpoint = endpoint.unwrap_or_default().to_owned();
            let lanes = lanes.iter().map(|(_, lane)| (lane.target.clone(), Arc::clone(lane))).collect();
            sharing::share(Arc::clone(&runner.roster), endpoint, lanes)
        });
        let control = Arc::clone(control);
        async move {
            if let Some(shared) = shared {
                let Err(error) = shared.await;
                control.fail(&error);
            }
            std::future::pending().await
        }
    }

    /// Whether it is for this runner to say that the run is finished. Whoever is to say it may die before that: the others wait for it.
    async fn ends_the_run(&self, runner: &Runner) -> Result<bool, JournalError> {
        loop {
            let record = self.record().await?;
            if record.state == RunState::Finished {
                return Ok(false);
            }
            if runner.roster.may_finish(record.run_no).await? {
                return Ok(true);
            }
            tokio::time::sleep(LOOKED_AT).await;
        }
    }

    /// Records how this runner ended, and how the run did, if that is for it to say.
    pub(super) async fn leave_others(&self, runner: &Runner, stop: Option<Stop>) -> Result<Summary, JournalError> {
        let record = self.record().await?;
        let left: u64 = self.open.reader.pending_counts(record.run_no).await?.iter().map(|(_, rows)| rows).sum();
        let ends = left == 0 && self.ends_the_run(runner).await?;
        let targets = self.targets(&record, &self.open.reader.pending_counts(record.run_no).await?).await?;
        // A stop after the last row does not count.
        let stop =
            if left == 0 { None } else { stop.or_else(|| targets.stop()).or_else(|| Some(super::end::unexplained())) };
        let outcomes = self.open.reader.counts(&record).await?;
        let finished = ends.then_some(Event::RunFinished(RunFinished { rows: record.rows, outcomes }));
        let ended = LeaseEnded {
            of: runner.session,
            why: LeaseEnd::Left,
            stopped: stop.as_ref().map(|stop| stop.by.into()),
            detail: stop.as_ref().map(|stop| stop.detail.clone()),
            targets: if stop.is_some() { targets.entries() } else { Vec::new() },
        };
        let ended = Event::LeaseEnded(Box::new(ended));
        let drafts = finished.into_iter().chain([ended, self.closed()]).map(Draft::of).collect();
        self.open.journal.append(drafts).await?;
        let by = stop.as_ref().map(|stop| StopWord::from(stop.by));
        let state = if stop.is_some() { State::Stopped } else { State::Finished };
        self.say_end(state, by, stop.as_ref(), &targets).await
    }
}
