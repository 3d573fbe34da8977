//! How a session ends: what it records, and what there is to say.

use std::sync::PoisonError;

use super::at_work::Session;
use super::error::{Refusal, Sent, SessionError};
use super::host::Host;
use super::operator::{Moment, Notice};
use super::sum_up::{Own, stored_head, sum_up};
use super::summary::{Ends, Head, State, StopWord, Summary};
use super::targets::Targets;
use crate::domain::OutcomeCounts;
use crate::execute::control::{Stop, StoppedBy};
use crate::journal::{JournalError, RunRecord, RunState};
use crate::record::event::{Event, Requests, RunAbandoned, RunFinished, RunStopped, SessionClosed};
use crate::record::{Draft, StopReason};

/// How a session ended that was not refused.
#[derive(Debug)]
pub enum Ending {
    /// With this to say.
    Summed(Box<Summary>),
}

impl Ending {
    pub(super) fn summed(summary: Summary) -> Self {
        Self::Summed(Box::new(summary))
    }
}

impl<H: Host> Session<'_, H> {
    pub(super) async fn end_with(&self, stop: Option<Stop>) -> Result<Ending, SessionError> {
        match self.end(stop).await {
            Err(error) => Err(self.end_without_journal(error).await),
            Ok(summary) => Ok(Ending::summed(summary)),
        }
    }

    /// Ends a session of a resumed run that must not send anything.
    pub(super) async fn leave(&self, refusal: Refusal) -> Result<Ending, SessionError> {
        let stop = Stop { by: StoppedBy::Breaker, detail: refusal.to_string() };
        match self.end(Some(stop)).await {
            Err(error) => Err(self.end_without_journal(error).await),
            Ok(summary) => {
                self.notify_end(&summary, false);
                Err(SessionError::new(refusal).sent(Sent::Reads).with(summary))
            }
        }
    }

    /// Closes the run for good, if no request is open any more.
    pub(super) async fn end_abandoned(&self, because: &str) -> Result<Ending, SessionError> {
        match self.give_up_for_good(because).await {
            Err(error) => Err(self.end_without_journal(error).await),
            Ok(Some(summary)) => Ok(Ending::summed(summary)),
            Ok(None) => {
                let detail = Refusal::NotAbandoned.to_string();
                match self.end(Some(Stop { by: StoppedBy::Breaker, detail })).await {
                    Err(error) => Err(self.end_without_journal(error).await),
                    Ok(summary) => {
                        let summary = summary.ending(Ends::Prevented);
                        self.notify_end(&summary, false);
                        Err(SessionError::new(Refusal::NotAbandoned).sent(Sent::Reads).with(summary))
                    }
                }
            }
        }
    }

    fn notify_end(&self, summary: &Summary, explained: bool) {
        self.host.operator().notice(Notice::Ended { summary, explained });
    }

    async fn give_up_for_good(&self, because: &str) -> Result<Option<Summary>, JournalError> {
        let record = self.record().await?;
        let outcomes = self.open.reader.counts(&record).await?;
        if outcomes.unsettled > 0 {
            return Ok(None);
        }
        let (because, by) = (because.to_owned(), self.order.who.user.clone());
        let ended = Event::RunAbandoned(RunAbandoned { because, by, rows: record.rows, outcomes });
        self.open.journal.append(vec![Draft::of(ended), Draft::of(self.closed())]).await?;
        self.last_checkpoint().await?;
        let summary = self.summary(State::Abandoned, None, self.own(true), Head::default()).await?;
        let head = self.open.close(self.host).await?;
        self.host.operator().notice(Notice::Checkpoint(Moment::Ended, &head));
        Ok(Some(Summary { head: Head::from(&head), ..summary }))
    }

    /// Ends a session of a resumed run that a signal stopped before it began to work.
    pub(super) async fn leave_by_signal(&self) -> Result<Ending, SessionError> {
        self.end_with(Some(Stop { by: StoppedBy::Signal, detail: "by a signal; nothing was sent but reads".into() }))
            .await
    }

    /// Records how the run ended, closes the session, and makes a checkpoint.
    async fn end(&self, stop: Option<Stop>) -> Result<Summary, JournalError> {
        if let Some(runner) = &self.runner {
            return self.leave_others(runner, stop).await;
        }
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
                ..RunStopped::new(stop.by, Some(stop.detail.clone()))
            }),
        };
        self.open.journal.append(vec![Draft::of(ended), Draft::of(self.closed())]).await?;
        let by = stop.as_ref().map(|stop| StopWord::from(stop.by));
        let state = if stop.is_some() { State::Stopped } else { State::Finished };
        self.say_end(state, by, stop.as_ref(), &targets).await
    }

    /// The end is recorded: makes a checkpoint, closes the journal, and says what became of the run.
    pub(super) async fn say_end(
        &self,
        state: State,
        by: Option<StopWord>,
        stop: Option<&Stop>,
        targets: &Targets,
    ) -> Result<Summary, JournalError> {
        self.last_checkpoint().await?;
        let own = Own { detail: stop.map(|stop| stop.detail.clone()), ..self.own(true) };
        let mut summary = self.summary(state, by, own, Head::default()).await?;
        let head = self.open.close(self.host).await?;
        self.host.operator().notice(Notice::Checkpoint(Moment::Ended, &head));
        summary.head = Head::from(&head);
        if let Some(stop) = stop {
            self.host.operator().notice(Notice::Stopped { detail: &stop.detail, alone: &targets.stops() });
        }
        Ok(if targets.cannot_read() { summary.ending(Ends::Prevented) } else { summary })
    }

    /// Makes the checkpoint of an end, and waits until it is anchored if it is to be. A second signal ends the wait.
    async fn last_checkpoint(&self) -> Result<(), JournalError> {
        self.open.journal.checkpoint().await?;
        self.open.anchored(self.host).await;
        Ok(())
    }

    /// Waits until the checkpoints that were made are anchored: why nothing may be deleted, if the last one is not and has to
    /// be. A signal ends the wait, and everything else.
    pub(super) async fn unanchored(&self, what: &'static str) -> Option<Refusal> {
        let why = tokio::select! {
            biased;
            failed = self.open.anchors.settled() => failed?,
            () = self.host.stops().asked() => return None,
        };
        self.order.require_anchor.then_some(Refusal::NotAnchored { what, why })
    }

    /// The same for a session that continues a run: the seal was anchored by the session that made it, or by none, so it makes a
    /// checkpoint of its own.
    pub(super) async fn unanchored_again(&self) -> Result<Option<Refusal>, JournalError> {
        if !self.order.require_anchor || self.because.is_some() {
            return Ok(None);
        }
        self.open.journal.checkpoint().await?;
        Ok(self.unanchored("the checkpoint at the beginning of this session").await)
    }

    pub(super) async fn targets(&self, record: &RunRecord, pending: &[(i64, u64)]) -> Result<Targets, JournalError> {
        let stopped = self.host.stops().control().map(|control| control.stopped_targets()).unwrap_or_default();
        Ok(Targets::new(self.open.reader.targets(record.run_no).await?, pending, stopped))
    }

    fn requests(&self) -> Requests {
        self.counts.so_far()
    }

    pub(super) fn closed(&self) -> Event {
        Event::SessionClosed(SessionClosed {
            requests: self.requests(),
            elapsed_ms: u64::try_from(self.took.get_or_init(|| self.began.elapsed()).as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Nothing can be recorded any more (I9): report what is known; the next session settles the rest.
    pub(super) async fn end_without_journal(&self, error: JournalError) -> SessionError {
        let sent = if self.requests().delete > 0 { Sent::Deletes } else { Sent::Reads };
        let finished = self.record().await.is_ok_and(|record| record.state == RunState::Finished);
        let (state, by) = if finished { (State::Finished, None) } else { (State::Stopped, Some(StopWord::Journal)) };
        let error = SessionError::new(Refusal::Unrecordable { error, finished }).sent(sent).of_run(self.run);
        match self.summary_as_stored(state, by, &error.why.to_string()).await {
            None => error,
            Some(summary) => {
                let summary = summary.ending(Ends::Prevented);
                self.notify_end(&summary, true);
                error.with(summary)
            }
        }
    }

    /// What the journal has of the run, without writing to it; where it cannot be read either, what this session knows, once
    /// its work has begun. `detail` says why the run stopped.
    pub(super) async fn summary_as_stored(&self, state: State, by: Option<StopWord>, detail: &str) -> Option<Summary> {
        let head = stored_head(&self.open.reader).await;
        let own = Own { detail: Some(detail.to_owned()), ..self.own(false) };
        match self.summary(state, by, own.clone(), head).await {
            Ok(summary) => Some(summary),
            Err(_) => Some(self.known.get()?.sum_up(&self.order.journal, state, by, own, self.settled())),
        }
    }

    /// The outcomes that this session recorded.
    fn settled(&self) -> OutcomeCounts {
        *self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn own(&self, is_closed: bool) -> Own {
        let took = self.took.get().copied().unwrap_or_else(|| self.began.elapsed());
        let control = self.host.stops().control();
        let stopped = control.as_ref().map(|control| control.stopped_targets()).unwrap_or_default();
        let canaries = control.map(|control| control.canaries()).unwrap_or_default();
        Own {
            requests: self.requests(),
            seconds: took.as_secs_f64(),
            before: self.before,
            is_closed,
            detail: None,
            stopped,
            canary: self.order.canary.map(|limit| (limit, canaries)),
        }
    }

    async fn summary(&self, state: State, by: Option<StopWord>, own: Own, head: Head) -> Result<Summary, JournalError> {
        let record = self.record().await?;
        sum_up(&self.order.journal, &self.open.reader, &record, state, by, own, head).await
    }

    /// Of this run, where the journal says nothing about it.
    pub(super) fn summary_of_nothing(&self, state: State, by: StopWord) -> Summary {
        let (run, state, stopped_by) = (Some(self.run.to_string()), Some(state), Some(by));
        Summary { run, state, stopped_by, sandbox: self.sandbox, ..Summary::of_nothing(&self.order.journal) }
    }

    /// Closes a run of which nothing but reads was sent, because of `error`, and returns that.
    pub(super) async fn give_up(&self, why: StopReason, error: SessionError) -> SessionError {
        let summary = self.abandon(why, Some(error.to_string()), Some(StopWord::Refused)).await;
        match summary {
            Ok(summary) => error.with(summary),
            Err(failed) => SessionError { unrecorded: Some(failed), ..error }.of_run(self.run),
        }
    }

    /// Closes a run that was stopped while it was planned.
    pub(super) async fn stop_planning(&self, by: StoppedBy, detail: String) -> Result<Ending, SessionError> {
        self.host.operator().notice(Notice::StoppedPlanning(&detail));
        Ok(Ending::summed(self.abandon(by, Some(detail), Some(by.into())).await?))
    }

    /// Closes a run that was not confirmed.
    pub(super) async fn decline(&self) -> Result<Ending, SessionError> {
        let summary = self.abandon(StopReason::Declined, None, None).await?.ending(Ends::Declined);
        self.host.operator().notice(Notice::Declined);
        Ok(Ending::summed(summary))
    }

    /// Records that the run ends before it was started, for `why`.
    async fn abandon(
        &self,
        why: impl Into<StopReason>,
        detail: Option<String>,
        by: Option<StopWord>,
    ) -> Result<Summary, JournalError> {
        let stopped = RunStopped::new(why, detail.clone());
        let drafts = vec![Draft::of(Event::RunStopped(stopped)), Draft::of(self.closed())];
        self.open.journal.append(drafts).await?;
        self.last_checkpoint().await?;
        let summary = self.summary(State::Abandoned, by, Own { detail, ..self.own(true) }, Head::default()).await?;
        let head = Head::from(&self.open.close(self.host).await?);
        Ok(Summary { head, ..summary })
    }

    /// Adds to an error that has nothing about the run yet what there is to say.
    pub(super) async fn explain(&self, error: SessionError) -> SessionError {
        if error.summary.is_some() {
            return error;
        }
        match self.summary_as_stored(State::Abandoned, Some(StopWord::Journal), &error.why.to_string()).await {
            Some(summary) => error.with(summary),
            None => error.of_run(self.run),
        }
    }
}

pub(super) fn unexplained() -> Stop {
    Stop { by: StoppedBy::Breaker, detail: "some rows could not be processed".into() }
}
