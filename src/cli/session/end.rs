//! How a session ends: what it records, what it says, and with which exit code.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::{Session, draft};
use crate::cli::Context;
use crate::cli::code::Code;
use crate::cli::error::{CliError, FREE_SPACE, Sent};
use crate::cli::exit::Exit;
use crate::cli::operator;
use crate::cli::plan_error::plan_error;
use crate::cli::say::{say, say_to_people};
use crate::cli::sum_up::{Own, stored_head, sum_up};
use crate::cli::summary::{Head, State, StopWord, Summary};
use crate::cli::targets::Targets;
use crate::domain::OutcomeCounts;
use crate::execute::control::{Stop, StoppedBy};
use crate::journal::sqlite::{RunRecord, is_full};
use crate::journal::{JournalError, RunState};
use crate::plan::PlanError;
use crate::record::checkpoint::Checkpoint;
use crate::record::event::{Event, Requests, RunAbandoned, RunFinished, RunStopped, SessionClosed};

impl Session<'_> {
    pub(super) async fn end_with(&self, stop: Option<Stop>) -> Result<Exit, CliError> {
        match self.end(stop).await {
            Err(error) => self.end_without_journal(&error).await,
            Ok(summary) => Ok(say(self.context, &summary)),
        }
    }

    /// Ends a session of a resumed run that must not send anything.
    pub(crate) async fn leave(&self, error: PlanError) -> Result<Exit, CliError> {
        let stop = Stop { by: StoppedBy::Breaker, detail: error.to_string() };
        match self.end(Some(stop)).await {
            Err(error) => self.end_without_journal(&error).await,
            Ok(summary) => {
                say_to_people(self.context, &summary);
                Err(plan_error(&error).with(summary))
            }
        }
    }

    /// Closes the run for good, if no request is open any more.
    pub(super) async fn end_abandoned(&self, because: &str) -> Result<Exit, CliError> {
        match self.give_up_for_good(because).await {
            Err(error) => self.end_without_journal(&error).await,
            Ok(Some(summary)) => Ok(say(self.context, &summary)),
            Ok(None) => {
                let message =
                    "the run was not abandoned: for some rows it is still unknown whether a request took effect";
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
    pub(crate) async fn leave_by_signal(&self) -> Result<Exit, CliError> {
        self.end_with(Some(Stop { by: StoppedBy::Signal, detail: "by a signal; nothing was sent but reads".into() }))
            .await
    }

    /// Records how the run ended, closes the session, and makes a checkpoint.
    async fn end(&self, stop: Option<Stop>) -> Result<Summary, JournalError> {
        let record = self.record().await?;
        let pending = self.open.reader.pending_counts(record.run_no).await?;
        let left: u64 = pending.iter().map(|(_, rows)| rows).sum();
        let outcomes = self.open.reader.counts(&record).await?;
        let targets = self.targets(&record, &pending).await?;
        // A stop after the last row does not count.
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
            self.context.ui.say(&format!("stopped: {}", crate::cli::shown(&stop.detail)));
            targets.steps().iter().for_each(|step| self.context.ui.say(&format!("  hint: {step}")));
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

    /// Nothing can be recorded any more (I9): report what is known; the next session settles the rest.
    pub(super) async fn end_without_journal(&self, error: &JournalError) -> Result<Exit, CliError> {
        let sent = if self.requests().delete > 0 { Sent::Deletes } else { Sent::Reads };
        let full = is_full(error);
        let error =
            CliError::from_error(Exit::Environment, error).code(Code::JournalFailed).sent(sent).of_run(self.run);
        let is_finished = self.record().await.is_ok_and(|record| record.state == RunState::Finished);
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

    /// What the journal has of the run, without writing to it; where it cannot be read either, what this session knows, once
    /// its work has begun.
    pub(super) async fn summary_as_stored(&self, state: State, by: Option<StopWord>) -> Option<Summary> {
        let head = stored_head(&self.open.reader).await;
        match self.summary(state, by, false, head).await {
            Ok(summary) => Some(summary),
            Err(_) => Some(self.known.get()?.sum_up(self.context, state, by, &self.own(false), self.settled())),
        }
    }

    /// The outcomes that this session recorded.
    fn settled(&self) -> OutcomeCounts {
        *self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn own(&self, is_closed: bool) -> Own {
        let took = self.took.get().copied().unwrap_or_else(|| self.began.elapsed());
        Own { requests: self.requests(), seconds: took.as_secs_f64(), before: self.before, is_closed }
    }

    async fn summary(
        &self,
        state: State,
        by: Option<StopWord>,
        is_closed: bool,
        head: Head,
    ) -> Result<Summary, JournalError> {
        let own = self.own(is_closed);
        let record = self.record().await?;
        let summary = sum_up(self.context, &self.open.reader, &record, state, by, own, head).await?;
        let run = summary.run.filter(|_| self.is_kept);
        Ok(Summary { run, ..summary })
    }

    /// Of this run, where the journal says nothing about it.
    pub(super) fn summary_of_nothing(&self, state: State, by: StopWord) -> Summary {
        let (run, state, stopped_by) = (Some(self.run.to_string()), Some(state), Some(by));
        Summary { run, state, stopped_by, sandbox: self.sandbox, ..Summary::of_nothing(&self.context.journal) }
    }

    /// Closes a run of which nothing but reads was sent, because of `error`, and returns that.
    pub(crate) async fn give_up(&self, why: &str, error: CliError) -> CliError {
        let summary = self.abandon(why, Some(error.message.clone()), Some(StopWord::Refused)).await;
        match summary {
            Ok(summary) => error.with(summary),
            Err(failed) => CliError { causes: vec![failed.to_string()], ..error }.of_run(self.run),
        }
    }

    /// Closes a run that was stopped while it was planned.
    pub(crate) async fn stop_planning(&self, by: StoppedBy, detail: String) -> Result<Exit, CliError> {
        self.context.ui.say(&format!("stopped {detail}: nothing was sent but reads"));
        let summary = self.abandon(by.as_str(), Some(detail), Some(by.into())).await?;
        Ok(say(self.context, &summary))
    }

    /// Closes a run that was not confirmed.
    pub(crate) async fn decline(&self) -> Result<Exit, CliError> {
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
    pub(crate) async fn explain(&self, error: CliError) -> CliError {
        if error.details.summary.is_some() || error.message.is_empty() {
            return error;
        }
        match self.summary_as_stored(State::Abandoned, Some(StopWord::Journal)).await {
            Some(summary) => error.with(summary),
            None => error.of_run(self.run),
        }
    }
}

/// Prints a checkpoint where a person, or a log collector beyond this machine, can keep it.
pub(crate) fn print_checkpoint(context: &Context, when: &str, checkpoint: &Checkpoint) {
    context.ui.talk(format!("checkpoint {when}:\n{}", checkpoint.to_text().trim_end()));
}

fn unexplained() -> Stop {
    Stop { by: StoppedBy::Breaker, detail: "some rows could not be processed".into() }
}
