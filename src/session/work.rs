//! The work of a session: what is left of the run, until each target is finished or stopped.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::accounts::Connections;
use super::at_work::Session;
use super::end::Ending;
use super::error::SessionError;
use super::host::Host;
use super::operator::{Notice, Watched, while_watched};
use super::order::duration_text;
use super::sum_up::{Known, callers, retry_of};
use super::summary::{State, StopWord};
use crate::domain::{Settings, Target};
use crate::execute::control::{Control, StoppedBy};
use crate::execute::decide::StopCause;
use crate::execute::{LaneWork, Shared, process};
use crate::journal::{JournalError, TargetRecord};
use crate::lane::Lane;
use crate::plan::PlanError;
use crate::record::event::PlanSealed;

/// Why a run stopped whose session did not wait for the requests in flight: after a second signal, or at the end of the time
/// for settling them.
const EXITED_AT_ONCE: &str = "stopped by a signal; the session exited before every request in flight was settled";

/// How long the summary may take after a second signal.
const PATIENCE_OF_THE_HURRIED: Duration = Duration::from_secs(1);

/// Why a target is closed to a session.
#[derive(Debug)]
pub(super) struct Closed {
    cause: StopCause,
    detail: String,
}

impl Closed {
    /// Key pairs may not be read there.
    pub(super) fn not_readable(error: &PlanError) -> Self {
        Self { cause: StopCause::CannotRead, detail: error.to_string() }
    }

    /// Its account is not reached.
    pub(super) fn not_reached<L>(connections: &Connections<L>, target: &Target) -> Self {
        let why = connections.unreached.get(&target.account).map(ToString::to_string).unwrap_or_default();
        Self { cause: StopCause::RefusedForAll, detail: format!("{target}: nothing was sent, because {why}") }
    }
}

impl<H: Host> Session<'_, H> {
    /// Processes the run until each target is finished or stopped, and ends the session. Nothing can be sent to the targets that
    /// are `closed`: they stop at once.
    pub(super) async fn work(
        &self,
        settings: Settings,
        (sealed, deletes): (&PlanSealed, u64),
        lanes: Vec<(TargetRecord, Arc<Lane<H::Port>>)>,
        closed: &BTreeMap<i64, Closed>,
    ) -> Result<Ending, SessionError> {
        let Known { record, pending, .. } = match self.learn().await {
            Ok(known) => known,
            Err(error) => return Err(self.end_without_journal(error).await),
        };
        let total: u64 = pending.iter().map(|(_, rows)| rows).sum();
        let control = Arc::new(Control::new(self.order.limits(deletes)));
        self.host.stops().steer(&control);
        if self.order.require_anchor {
            self.open.anchors.steer(&control);
        }
        for (target_no, Closed { cause, detail }) in closed {
            control.stop_target(*target_no, *cause, detail.clone());
        }
        if self.because.is_some() {
            // Nothing new is sent; requested rows are settled all the same, as after a first signal.
            control.stop(StoppedBy::Control, "the run is being abandoned");
        }
        let (operator, settled) = (Arc::clone(self.host.operator()), Arc::clone(&self.settled));
        let shared = Arc::new(Shared {
            scribe: self.scribe(),
            run_no: record.run_no,
            resumed: self.resumed,
            is_given_up: self.because.is_some(),
            runner: self.runner.clone(),
            in_flight: Arc::new(Semaphore::new(settings.concurrency as usize)),
            settings,
            control: Arc::clone(&control),
            ghosts: Arc::clone(&self.ghosts),
            on_settled: Box::new(move |outcome| {
                settled.lock().unwrap_or_else(PoisonError::into_inner).add(outcome);
            }),
            on_waiting: Box::new(move |name, left| operator.notice(Notice::Waiting { name, left })),
        });
        for (target, lane) in &lanes {
            lane.read_at.get().into_iter().for_each(|at| shared.control.was_read(target.target_no, *at));
        }
        let lanes = lanes.into_iter().filter(|(target, _)| !closed.contains_key(&target.target_no));
        let lanes: Vec<_> = lanes.collect();
        let steered = lanes.iter().map(|(target, lane)| (target.target_no, Arc::clone(lane))).collect();
        // Nobody steers the giving up of a run: it deletes nothing.
        let controls = self.because.is_none().then(|| self.controls(record, &shared.settings, &control, steered));
        let listening = self.listen(controls.as_ref()).await;
        let shares = self.keep_to_shares(&control, record.endpoint.as_deref(), &lanes);
        let work = lanes.into_iter().map(|(target, lane)| lane_work(target, lane, sealed, pending));
        let watched = Watched::Working { rows: total, sandbox: self.sandbox, settled: Arc::clone(&self.settled) };
        let worked = process(shared, Arc::new(self.open.reader.clone()), work.collect());
        let ended = tokio::select! {
            biased;
            ended = while_watched(&**self.host.operator(), watched, worked) => ended,
            () = self.host.stops().hurried() => return Ok(self.exit_at_once().await),
            () = self.time_is_up(&control) => Ok(()),
            never = shares => match never {},
        };
        if let Some(controls) = controls {
            controls.close().await;
        }
        if let Some(listening) = listening {
            listening.close().await;
        }
        // What the rows did not meet, the session did.
        let failed = || control.failed().cloned().map_or(Ok(()), Err);
        match ended.and_then(|()| failed()) {
            Ok(()) => match &self.because {
                // A signal cancels the abandoning.
                Some(because) if !self.host.stops().is_asked() => self.end_abandoned(because).await,
                Some(_) => self.leave_by_signal().await,
                None => self.end_with(control.stopped().or_else(|| control.stopped_by_canary())).await,
            },
            Err(error) => Err(self.end_without_journal(error).await),
        }
    }

    /// Reads what the journal has when the work begins, and keeps it for a summary where it can no longer be read.
    async fn learn(&self) -> Result<&Known, JournalError> {
        let (record, reader) = (self.record().await?, &self.open.reader);
        let pending = reader.pending_counts(record.run_no).await?;
        let about = reader.about(record.run_no).await?;
        let targets = reader.targets(record.run_no).await?;
        let callers = callers(reader, record.run_no).await?;
        let of = retry_of(reader, &record).await?;
        Ok(self.known.get_or_init(|| Known { record, about, targets, pending, callers, of }))
    }

    /// Ends without recording anything, because a second signal asks for it.
    async fn exit_at_once(&self) -> Ending {
        self.host.operator().notice(Notice::ExitingAtOnce);
        self.open.say_what_belongs_together(self.host);
        // After a second signal, do not wait for a busy disk.
        let summed = self.summary_as_stored(State::Stopped, Some(StopWord::Signal), EXITED_AT_ONCE);
        let summed = tokio::time::timeout(PATIENCE_OF_THE_HURRIED, summed).await;
        let summed = summed.ok().flatten();
        Ending::summed(summed.unwrap_or_else(|| self.summary_of_nothing(State::Stopped, StopWord::Signal)))
    }

    async fn time_is_up(&self, control: &Control) {
        let limit = self.over().await;
        control.stop(StoppedBy::MaxDuration, format!("--max-duration {} has elapsed", duration_text(limit)));
        std::future::pending().await
    }

    /// Waits until the session has lasted as long as it may, if there is a limit, and says that.
    pub(super) async fn over(&self) -> Duration {
        let Some(limit) = self.order.max_duration else { return std::future::pending().await };
        tokio::time::sleep(limit.saturating_sub(self.began.elapsed())).await;
        limit
    }
}

/// A target with what is left of it.
fn lane_work<L>(target: TargetRecord, lane: Arc<Lane<L>>, sealed: &PlanSealed, pending: &[(i64, u64)]) -> LaneWork<L> {
    let inventory = sealed.targets.iter().find(|seen| {
        let Target { account, region } = &target.target;
        seen.region == *region && seen.account == *account
    });
    let left = pending.iter().find(|(target_no, _)| *target_no == target.target_no);
    LaneWork {
        pages: inventory.map_or(1, |seen| seen.pages),
        rows_left: left.map_or(0, |(_, rows)| *rows),
        record: target,
        lane,
    }
}
