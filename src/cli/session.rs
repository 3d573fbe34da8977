//! What `run` and `resume` have in common: the journal with its lock, a session's entries, the work, and its end.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::Context;
use super::amount::duration_text;
use super::code::Code;
use super::connect::Connection;
use super::error::{CliError, FREE_SPACE, Sent};
use super::exit::Exit;
use super::ghosts;
use super::open::{OpenJournal, draft};
use super::operator;
use super::options::{SessionOptions, rate_cap};
use super::plan_error::plan_error;
use super::progress::Progress;
use super::say::{say, say_to_people};
use super::signals::Signals;
use super::sum_up::{Own, stored_head, sum_up};
use super::summary::{Head, State, StopWord, Summary};
use super::targets::Targets;
use crate::domain::{OutcomeCounts, Policy, RunId};
use crate::execute::control::{Control, Stop, StoppedBy};
use crate::execute::decide::StopCause;
use crate::execute::ghost::Ghosts;
use crate::execute::lane::{Counts, Lane};
use crate::execute::pace::Pacer;
use crate::execute::rate::Learned;
use crate::execute::{LaneWork, Shared, work_off};
use crate::journal::checkpoint::Checkpoint;
use crate::journal::event::{
    Event, PlanSealed, Requests, RunAbandoned, RunFinished, RunStopped, SessionClosed, SessionOpened,
};
use crate::journal::sqlite::{RunRecord, is_full};
use crate::journal::{JournalError, TargetRecord};
use crate::lightsail::aws::AwsLightsail;
use crate::plan::PlanError;

/// The entry that opens a session; `own` are settings of the command itself.
pub(super) fn session_opened(
    context: &Context,
    command: &str,
    options: &SessionOptions,
    policy: &Policy,
    connection: Option<&Connection>,
    sandbox: bool,
    own: &[(&str, String)],
) -> Box<SessionOpened> {
    let mut settings = options.named(policy);
    settings.extend(connection.map(|connection| ("address".to_owned(), connection.address.clone())));
    settings.extend(own.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    // The keys are ASCII and sorted, so this is the canonical form.
    let text = serde_json::to_string(&settings).unwrap_or_default();
    let digest = Sha256::digest(text.as_bytes());
    Box::new(SessionOpened {
        session: Uuid::now_v7().to_string(),
        command: command.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: super::version::COMMIT.map(str::to_owned),
        host: context.environment.host(),
        user: operator::user(),
        login_uid: operator::login_uid(),
        claims: operator::claims(&context.environment),
        pid: std::process::id(),
        caller_arn: connection.map(|connection| connection.caller.arn.clone()),
        profile: connection.and_then(|connection| connection.profile.clone()),
        credentials_source: connection.and_then(|connection| connection.credentials_source.clone()),
        account: connection.map(|connection| connection.caller.account.clone()),
        endpoint: connection.map(|connection| connection.endpoint.clone()),
        sandbox,
        settings,
        settings_sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        reason: options.reason.clone(),
        ticket: options.ticket.clone(),
        continues_from: None,
        not_remembered: None,
    })
}

/// A session on a run: what its work and its end need.
pub(super) struct Session<'a> {
    pub(super) context: &'a Context,
    pub(super) options: &'a SessionOptions,
    pub(super) open: OpenJournal,
    pub(super) run: RunId,
    pub(super) session: String,
    pub(super) sandbox: bool,
    /// Whether another session made the plan.
    pub(super) resumed: bool,
    pub(super) counts: Arc<Counts>,
    pub(super) signals: Signals,
    pub(super) began: tokio::time::Instant,
    /// The outcomes that the run had before this session.
    pub(super) before: OutcomeCounts,
    /// Whether the journal is kept: that of a dry run is not.
    pub(super) is_kept: bool,
    /// Why the run is being abandoned, if it is.
    pub(super) because: Option<String>,
    /// How long it took, once it has ended.
    pub(super) took: OnceLock<Duration>,
    /// What other runs sent that may still be delivered.
    pub(super) ghosts: Arc<Ghosts>,
}

impl Session<'_> {
    /// A lane of a target, starting from the rate that was learned for it.
    pub(super) async fn lane(
        &self,
        connection: &Connection,
        target: crate::domain::Target,
        policy: &Policy,
    ) -> Result<Arc<Lane<AwsLightsail>>, JournalError> {
        let learned = self.open.reader.rate(&connection.endpoint, &target).await?;
        let learned = learned.and_then(|(rate, is_limit)| Some(Learned { rate_per_s: rate.parse().ok()?, is_limit }));
        Ok(Arc::new(Lane {
            port: Arc::clone(&connection.port),
            target,
            world: connection.world.clone(),
            pacer: Pacer::new(rate_cap(policy), learned),
            journal: self.open.journal.clone(),
            run: self.run,
            clock: Arc::clone(&self.open.clock),
            counts: Arc::clone(&self.counts),
            read_at: Default::default(),
            sightings: Default::default(),
        }))
    }

    /// Works the run off until each target is finished or stopped, and ends the session. In the targets that are `closed`
    /// key pairs may not be read: they stop at once.
    pub(super) async fn work(
        &self,
        policy: Policy,
        sealed: &PlanSealed,
        lanes: Vec<(TargetRecord, Arc<Lane<AwsLightsail>>)>,
        closed: &BTreeMap<i64, PlanError>,
    ) -> Result<Exit, CliError> {
        let begin = async {
            let record = self.record().await?;
            let pending = self.open.reader.pending_counts(record.run_no).await?;
            Ok((record, pending))
        };
        let (record, pending) = match begin.await {
            Ok(begin) => begin,
            Err(error) => return self.end_without_journal(&error).await,
        };
        let total: u64 = pending.iter().map(|(_, rows)| rows).sum();
        let control = Arc::new(Control::new(self.options.limits(sealed.deletes)));
        self.signals.steer(&control);
        for (target_no, error) in closed {
            control.stop_target(*target_no, StopCause::CannotRead, error.to_string());
        }
        if self.because.is_some() {
            // Nothing new is sent; rows that were asked for are settled all the same, as after a first signal.
            control.stop(StoppedBy::Control, "the run is being abandoned");
        }
        let progress = Progress::start(&self.context.ui, total, self.sandbox);
        let shown = progress.clone();
        let shared = Arc::new(Shared {
            run: self.run,
            run_no: record.run_no,
            resumed: self.resumed,
            is_given_up: self.because.is_some(),
            in_flight: Arc::new(Semaphore::new(policy.concurrency as usize)),
            policy,
            clock: Arc::clone(&self.open.clock),
            journal: self.open.journal.clone(),
            control: Arc::clone(&control),
            ghosts: Arc::clone(&self.ghosts),
            on_settled: Box::new(move |outcome| shown.settled(outcome)),
            on_waiting: ghosts::say_waiting(self.context.ui.clone()),
        });
        for (target, lane) in &lanes {
            lane.read_at.get().into_iter().for_each(|at| shared.control.was_read(target.target_no, *at));
        }
        let lanes = lanes.into_iter().filter(|(target, _)| !closed.contains_key(&target.target_no));
        let work = lanes.map(|(target, lane)| {
            let inventory = sealed.targets.iter().find(|seen| seen.region == target.target.region);
            let left = pending.iter().find(|(target_no, _)| *target_no == target.target_no);
            LaneWork {
                pages: inventory.map_or(1, |seen| seen.pages),
                rows_left: left.map_or(0, |(_, rows)| *rows),
                record: target,
                lane,
            }
        });
        let ended = tokio::select! {
            ended = work_off(shared, Arc::new(self.open.reader.clone()), work.collect()) => ended,
            () = self.signals.second.cancelled() => {
                progress.finish();
                self.context.ui.say("exiting at once: the next session settles the requests that are in flight");
                // Nobody who asks twice should wait for a busy disk.
                let summed = self.summary_as_stored(State::Stopped, Some(StopWord::Signal));
                let summed = tokio::time::timeout(PATIENCE_OF_THE_HURRIED, summed).await;
                return Ok(match summed.ok().flatten() {
                    Some(summary) => say(self.context, &summary),
                    None => say(self.context, &self.summary_of_nothing(State::Stopped, StopWord::Signal)),
                });
            }
            () = self.time_is_up(&control) => Ok(()),
            () = progress.lines(&self.context.ui) => Ok(()),
        };
        progress.finish();
        match ended {
            Ok(()) => match &self.because {
                // A signal, which came first, calls it off.
                Some(because) if !self.signals.first.is_cancelled() => self.end_abandoned(because).await,
                Some(_) => self.leave_by_signal().await,
                None => self.end_with(control.stopped()).await,
            },
            Err(error) => self.end_without_journal(&error).await,
        }
    }

    async fn time_is_up(&self, control: &Control) {
        let limit = self.over().await;
        control.stop(StoppedBy::MaxDuration, format!("--max-duration {} is over", duration_text(limit)));
        std::future::pending().await
    }

    /// Waits until the session has lasted as long as it may, if there is a limit, and says that.
    pub(super) async fn over(&self) -> Duration {
        let Some(limit) = self.options.max_duration else { return std::future::pending().await };
        tokio::time::sleep(limit.saturating_sub(self.began.elapsed())).await;
        limit
    }

    async fn end_with(&self, stop: Option<Stop>) -> Result<Exit, CliError> {
        match self.end(stop).await {
            Err(error) => self.end_without_journal(&error).await,
            Ok(summary) => Ok(say(self.context, &summary)),
        }
    }

    /// Ends a session of a resumed run that must not begin to work.
    pub(super) async fn leave(&self, error: PlanError) -> Result<Exit, CliError> {
        let stop = Stop { by: StoppedBy::Breaker, detail: error.to_string() };
        match self.end(Some(stop)).await {
            Err(error) => self.end_without_journal(&error).await,
            Ok(summary) => {
                say_to_people(self.context, &summary);
                Err(plan_error(&error).with(summary))
            }
        }
    }

    /// Closes the run for good, if nothing that was asked for is open any more.
    async fn end_abandoned(&self, because: &str) -> Result<Exit, CliError> {
        match self.give_up_for_good(because).await {
            Err(error) => self.end_without_journal(&error).await,
            Ok(Some(summary)) => Ok(say(self.context, &summary)),
            Ok(None) => {
                let message = "the run is not abandoned: what may have been asked for is not settled for every row";
                let detail = message.to_owned();
                match self.end(Some(Stop { by: StoppedBy::Breaker, detail })).await {
                    Err(error) => self.end_without_journal(&error).await,
                    Ok(summary) => {
                        let summary = summary.exiting(Exit::Environment);
                        say_to_people(self.context, &summary);
                        let error = CliError::new(Exit::Environment, message).code(Code::Service).sent(Sent::Reads);
                        Err(error.hint("resume it, or check network and credentials and try again").with(summary))
                    }
                }
            }
        }
    }

    async fn give_up_for_good(&self, because: &str) -> Result<Option<Summary>, JournalError> {
        let record = self.record().await?;
        let outcomes = self.open.reader.counts(&record).await?;
        if outcomes.unsettled > 0 {
            return Ok(None);
        }
        let (because, by) = (because.to_owned(), operator::user());
        let ended = Event::RunAbandoned(RunAbandoned { because, by, rows: record.rows, outcomes });
        self.open.journal.append(vec![draft(self.run, ended), draft(self.run, self.closed())]).await?;
        self.open.journal.checkpoint(Some(self.run)).await?;
        let summary = self.summary(State::Abandoned, None, true, Head::default()).await?;
        let head = self.open.close(self.context).await?;
        print_checkpoint(self.context, "at the end of the session", &head);
        Ok(Some(Summary { head: Head::from(&head), ..summary }))
    }

    /// Ends a session of a resumed run that a signal stopped before it began to work.
    pub(super) async fn leave_by_signal(&self) -> Result<Exit, CliError> {
        self.end_with(Some(Stop { by: StoppedBy::Signal, detail: "by a signal; nothing was sent but reads".into() }))
            .await
    }

    async fn record(&self) -> Result<RunRecord, JournalError> {
        let runs = self.open.reader.runs().await?;
        let found = runs.into_iter().find(|record| record.run == self.run);
        found.ok_or_else(|| JournalError::damaged(format!("run {} is not in it", self.run)))
    }

    /// Records how the run ended, closes the session, and makes a checkpoint.
    async fn end(&self, stop: Option<Stop>) -> Result<Summary, JournalError> {
        let record = self.record().await?;
        let pending = self.open.reader.pending_counts(record.run_no).await?;
        let left: u64 = pending.iter().map(|(_, rows)| rows).sum();
        let outcomes = self.open.reader.counts(&record).await?;
        let targets = self.targets(&record, &pending).await?;
        // A stop that came after the last row is none.
        let stop = if left == 0 { None } else { stop.or_else(|| targets.stop()).or_else(|| Some(unexplained())) };
        let ended = match &stop {
            None => Event::RunFinished(RunFinished { rows: record.rows, outcomes }),
            Some(stop) => Event::RunStopped(RunStopped {
                targets: targets.entries(),
                ..RunStopped::new(stop.by.as_str(), Some(stop.detail.clone()))
            }),
        };
        self.open.journal.append(vec![draft(self.run, ended), draft(self.run, self.closed())]).await?;
        self.open.journal.checkpoint(Some(self.run)).await?;
        let by = stop.as_ref().map(|stop| StopWord::from(stop.by));
        let state = if stop.is_some() { State::Stopped } else { State::Finished };
        let mut summary = self.summary(state, by, true, Head::default()).await?;
        let head = self.open.close(self.context).await?;
        print_checkpoint(self.context, "at the end of the session", &head);
        summary.head = Head::from(&head);
        summary.targets = targets.ends(by, stop.as_ref().map(|stop| stop.detail.as_str()));
        if let Some(stop) = &stop {
            self.context.ui.say(&format!("stopped: {}", super::shown(&stop.detail)));
        }
        Ok(if targets.cannot_read() { summary.exiting(Exit::Environment) } else { summary })
    }

    async fn targets(&self, record: &RunRecord, pending: &[(i64, u64)]) -> Result<Targets, JournalError> {
        let stopped = self.signals.control().map(|control| control.stopped_targets()).unwrap_or_default();
        Ok(Targets::new(self.open.reader.targets(record.run_no).await?, pending, stopped))
    }

    fn requests(&self) -> Requests {
        Requests {
            delete: self.counts.deletes.load(Ordering::Relaxed),
            read: self.counts.reads.load(Ordering::Relaxed),
            throttled: self.counts.throttled.load(Ordering::Relaxed),
        }
    }

    fn closed(&self) -> Event {
        Event::SessionClosed(SessionClosed {
            session: self.session.clone(),
            requests: self.requests(),
            elapsed_ms: u64::try_from(self.took.get_or_init(|| self.began.elapsed()).as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Nothing can be recorded any more (I9): say what is known, and leave the rest to the next session.
    async fn end_without_journal(&self, error: &JournalError) -> Result<Exit, CliError> {
        let sent = if self.requests().delete > 0 { Sent::Deletes } else { Sent::Reads };
        let full = is_full(error);
        let error =
            CliError::from_error(Exit::Environment, error).code(Code::JournalFailed).sent(sent).of_run(self.run);
        let is_finished = self.record().await.is_ok_and(|record| record.state == "finished");
        let (state, by) = if is_finished { (State::Finished, None) } else { (State::Stopped, Some(StopWord::Journal)) };
        let error = match self.summary_as_stored(state, by).await {
            None => error,
            Some(summary) => {
                let summary = summary.exiting(error.exit);
                self.context.ui.say(&summary.line());
                error.with(summary)
            }
        };
        if is_finished {
            return Err(
                error.hint("nothing of the run is missing: it is finished, and every outcome is in the journal")
            );
        }
        Err(error.hint("keybatch sent nothing more after that; the next session settles what was in flight").hint(
            format!(
                "{}, then continue with: keybatch resume {}",
                if full { FREE_SPACE } else { "remove the cause" },
                self.run
            ),
        ))
    }

    /// What the journal has of the run, without writing to it; `None` where it cannot be read either.
    async fn summary_as_stored(&self, state: State, by: Option<StopWord>) -> Option<Summary> {
        let head = stored_head(&self.open.reader).await;
        self.summary(state, by, false, head).await.ok()
    }

    async fn summary(
        &self,
        state: State,
        by: Option<StopWord>,
        is_closed: bool,
        head: Head,
    ) -> Result<Summary, JournalError> {
        let took = self.took.get().copied().unwrap_or_else(|| self.began.elapsed());
        let (requests, seconds) = (self.requests(), took.as_secs_f64());
        let own = Own { requests, seconds, before: self.before, is_closed };
        let record = self.record().await?;
        let summary = sum_up(self.context, &self.open.reader, &record, state, by, own, head).await?;
        let run = summary.run.filter(|_| self.is_kept);
        Ok(Summary { run, ..summary })
    }

    /// Of this run, where the journal says nothing about it.
    fn summary_of_nothing(&self, state: State, by: StopWord) -> Summary {
        let (run, state, stopped_by) = (Some(self.run.to_string()), Some(state), Some(by));
        Summary { run, state, stopped_by, sandbox: self.sandbox, ..Summary::of_nothing(&self.context.journal) }
    }

    /// Closes a run of which nothing but reads was sent, because of `error`, and returns that.
    pub(super) async fn give_up(&self, why: &str, error: CliError) -> CliError {
        let summary = self.abandon(why, Some(error.message.clone()), Some(StopWord::Refused)).await;
        match summary {
            Ok(summary) => error.with(summary),
            Err(failed) => CliError { causes: vec![failed.to_string()], ..error }.of_run(self.run),
        }
    }

    /// Closes a run that was stopped while it was planned.
    pub(super) async fn stop_planning(&self, by: StoppedBy, detail: String) -> Result<Exit, CliError> {
        self.context.ui.say(&format!("stopped {detail}: nothing was sent but reads"));
        let summary = self.abandon(by.as_str(), Some(detail), Some(by.into())).await?;
        Ok(say(self.context, &summary))
    }

    /// Closes a run that was not confirmed.
    pub(super) async fn decline(&self) -> Result<Exit, CliError> {
        let summary = self.abandon("declined", None, None).await?.exiting(Exit::Declined);
        self.context.ui.say("declined: nothing was deleted");
        Ok(say(self.context, &summary))
    }

    /// Records that the run ends before it was started, for `why`.
    async fn abandon(&self, why: &str, detail: Option<String>, by: Option<StopWord>) -> Result<Summary, JournalError> {
        let stopped = RunStopped::new(why, detail);
        let drafts = vec![draft(self.run, Event::RunStopped(stopped)), draft(self.run, self.closed())];
        self.open.journal.append(drafts).await?;
        self.open.journal.checkpoint(Some(self.run)).await?;
        let summary = self.summary(State::Abandoned, by, true, Head::default()).await?;
        let head = Head::from(&self.open.close(self.context).await?);
        Ok(Summary { head, ..summary })
    }

    /// Adds to an error that has nothing about the run yet what there is to say.
    pub(super) async fn explain(&self, error: CliError) -> CliError {
        if error.details.summary.is_some() || error.message.is_empty() {
            return error;
        }
        match self.summary_as_stored(State::Abandoned, Some(StopWord::Journal)).await {
            Some(summary) => error.with(summary),
            None => error.of_run(self.run),
        }
    }
}

/// How long a second signal waits for the summary.
const PATIENCE_OF_THE_HURRIED: std::time::Duration = std::time::Duration::from_secs(1);

/// Prints a checkpoint where a person, or a log collector beyond this machine, can keep it.
pub(super) fn print_checkpoint(context: &Context, when: &str, checkpoint: &Checkpoint) {
    context.ui.talk(format!("checkpoint {when}:\n{}", checkpoint.to_text().trim_end()));
}

fn unexplained() -> Stop {
    Stop { by: StoppedBy::Breaker, detail: "rows are left that could not be worked on".into() }
}
