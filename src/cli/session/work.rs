//! The work of a session: what is left of the run, until each target is finished or stopped.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::Session;
use crate::cli::amount::duration_text;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::ghosts;
use crate::cli::progress::Progress;
use crate::cli::say::say;
use crate::cli::sum_up::Known;
use crate::cli::summary::{State, StopWord};
use crate::domain::Settings;
use crate::execute::control::{Control, StoppedBy};
use crate::execute::decide::StopCause;
use crate::execute::{LaneWork, Shared, work_off};
use crate::journal::{JournalError, TargetRecord};
use crate::lane::Lane;
use crate::lightsail::aws::AwsLightsail;
use crate::plan::PlanError;
use crate::record::event::PlanSealed;

/// How long the summary may take after a second signal.
const PATIENCE_OF_THE_HURRIED: Duration = Duration::from_secs(1);

impl Session<'_> {
    /// Processes the run until each target is finished or stopped, and ends the session. In the targets that are `closed`
    /// key pairs may not be read: they stop at once.
    pub(crate) async fn work(
        &self,
        settings: Settings,
        sealed: &PlanSealed,
        lanes: Vec<(TargetRecord, Arc<Lane<AwsLightsail>>)>,
        closed: &BTreeMap<i64, PlanError>,
    ) -> Result<Exit, CliError> {
        let Known { record, pending, .. } = match self.learn().await {
            Ok(known) => known,
            Err(error) => return self.end_without_journal(&error).await,
        };
        let total: u64 = pending.iter().map(|(_, rows)| rows).sum();
        let control = Arc::new(Control::new(self.options.limits(sealed.deletes)));
        self.signals.steer(&control);
        for (target_no, error) in closed {
            control.stop_target(*target_no, StopCause::CannotRead, error.to_string());
        }
        if self.because.is_some() {
            // Nothing new is sent; requested rows are settled all the same, as after a first signal.
            control.stop(StoppedBy::Control, "the run is being abandoned");
        }
        let progress = Progress::start(&self.context.ui, total, self.sandbox);
        let (shown, settled) = (progress.clone(), Arc::clone(&self.settled));
        let shared = Arc::new(Shared {
            scribe: self.scribe(),
            run_no: record.run_no,
            resumed: self.resumed,
            is_given_up: self.because.is_some(),
            in_flight: Arc::new(Semaphore::new(settings.concurrency as usize)),
            settings,
            control: Arc::clone(&control),
            ghosts: Arc::clone(&self.ghosts),
            on_settled: Box::new(move |outcome| {
                settled.lock().unwrap_or_else(PoisonError::into_inner).add(outcome);
                shown.settled(outcome);
            }),
            on_waiting: ghosts::say_waiting(self.context.ui.clone()),
        });
        for (target, lane) in &lanes {
            lane.read_at.get().into_iter().for_each(|at| shared.control.was_read(target.target_no, *at));
        }
        let lanes = lanes.into_iter().filter(|(target, _)| !closed.contains_key(&target.target_no));
        let work = lanes.map(|(target, lane)| lane_work(target, lane, sealed, pending));
        let ended = tokio::select! {
            ended = work_off(shared, Arc::new(self.open.reader.clone()), work.collect()) => ended,
            () = self.signals.second.cancelled() => {
                progress.finish();
                return Ok(self.exit_at_once().await);
            }
            () = self.time_is_up(&control) => Ok(()),
            () = progress.lines(&self.context.ui) => Ok(()),
        };
        progress.finish();
        match ended {
            Ok(()) => match &self.because {
                // A signal cancels the abandoning.
                Some(because) if !self.signals.first.is_cancelled() => self.end_abandoned(because).await,
                Some(_) => self.leave_by_signal().await,
                None => self.end_with(control.stopped()).await,
            },
            Err(error) => self.end_without_journal(&error).await,
        }
    }

    /// Reads what the journal has when the work begins, and keeps it for a summary where it can no longer be read.
    async fn learn(&self) -> Result<&Known, JournalError> {
        let (record, reader) = (self.record().await?, &self.open.reader);
        let pending = reader.pending_counts(record.run_no).await?;
        let about = reader.about(record.run_no).await?;
        let targets = reader.targets(record.run_no).await?;
        Ok(self.known.get_or_init(|| Known { record, about, targets, pending }))
    }

    /// Ends without recording anything, because a second signal asks for it.
    async fn exit_at_once(&self) -> Exit {
        self.context.ui.say("exiting at once: the next session settles the requests that are in flight");
        self.open.say_what_belongs_together(self.context);
        // After a second signal, do not wait for a busy disk.
        let summed = self.summary_as_stored(State::Stopped, Some(StopWord::Signal));
        let summed = tokio::time::timeout(PATIENCE_OF_THE_HURRIED, summed).await;
        match summed.ok().flatten() {
            Some(summary) => say(self.context, &summary),
            None => say(self.context, &self.summary_of_nothing(State::Stopped, StopWord::Signal)),
        }
    }

    async fn time_is_up(&self, control: &Control) {
        let limit = self.over().await;
        control.stop(StoppedBy::MaxDuration, format!("--max-duration {} has elapsed", duration_text(limit)));
        std::future::pending().await
    }

    /// Waits until the session has lasted as long as it may, if there is a limit, and says that.
    pub(crate) async fn over(&self) -> Duration {
        let Some(limit) = self.options.max_duration else { return std::future::pending().await };
        tokio::time::sleep(limit.saturating_sub(self.began.elapsed())).await;
        limit
    }
}

/// A target with what is left of it.
fn lane_work(
    target: TargetRecord,
    lane: Arc<Lane<AwsLightsail>>,
    sealed: &PlanSealed,
    pending: &[(i64, u64)],
) -> LaneWork<AwsLightsail> {
    let inventory = sealed.targets.iter().find(|seen| seen.region == target.target.region);
    let left = pending.iter().find(|(target_no, _)| *target_no == target.target_no);
    LaneWork {
        pages: inventory.map_or(1, |seen| seen.pages),
        rows_left: left.map_or(0, |(_, rows)| *rows),
        record: target,
        lane,
    }
}
