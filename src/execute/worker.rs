//! Processes one row: calls [`decide`], does what it says, and records the result. It makes no choices of its own.
//!
//! I1: a request is sent only after its `attempt_started` is acknowledged as durable. I3: the attempts of a row follow
//! one another, because one task owns the row. An attempt whose effect is unknown keeps its place among those in flight
//! until it is settled, so that no more key pairs can be in doubt at once than may be in flight.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit};
use tokio_util::sync::CancellationToken;

use super::control::TargetStop;
use super::decide::{Denial, Situation, Step, StopCause, decide};
use super::inventory::Inventory;
use super::row::RowState;
use super::sentences::{detail, stop_detail};
use super::shared::Shared;
use crate::domain::{Class, DEFAULT_KEY_PAIR, Evidence, Failure, Operation, Outcome, Reply, Shown};
use crate::journal::JournalError;
use crate::lane::pace::Permit;
use crate::lane::{Lane, pause};
use crate::lightsail::Lightsail;
use crate::lightsail::classify::classify_delete;
use crate::record::event::{AttemptFinished, AttemptStarted, Event, PREVIOUS, RowSettled};
use crate::record::plan::PlanRow;

/// One row, and what is needed to process it.
pub(super) struct Worker<L> {
    pub(super) shared: Arc<Shared>,
    pub(super) lane: Arc<Lane<L>>,
    pub(super) inventory: Arc<Inventory>,
    pub(super) target_no: i64,
    pub(super) row: u64,
    pub(super) line: PlanRow,
    pub(super) state: RowState,
    /// Its place among the rows that are processed at once.
    pub(super) place: Option<OwnedSemaphorePermit>,
    pub(super) in_flight: Option<OwnedSemaphorePermit>,
    /// Held until the pacer let the row through for the first time.
    pub(super) waiting: Option<OwnedSemaphorePermit>,
    /// Whether this session has requested the deletion: `--max-deletes` counts it once.
    pub(super) asked: bool,
    /// Held from a reading until the request that rests on it, where the queue between the two would make it too old.
    pub(super) direct: Option<OwnedMutexGuard<()>>,
}

/// The longest sleep before the clock is read again: the clock continues while the machine is suspended, timers do not.
const LONGEST_NAP: Duration = Duration::from_secs(20);

/// Whether the row goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    /// The row is settled, or remains for another session.
    Leave,
}

impl<L: Lightsail> Worker<L> {
    /// Processes the row, or leaves it as it is if the session or its target stops.
    pub(super) async fn work(mut self) -> Result<(), JournalError> {
        loop {
            let step = self.decide();
            tracing::trace!(row = self.row, ?step, "decided");
            let shared = Arc::clone(&self.shared);
            let (sends, fenced) = (matches!(step, Step::Send { .. }), shared.control.fenced().clone());
            let flow = tokio::select! {
                biased;
                // A request on its way is awaited: its answer can still be told.
                () = fenced.cancelled_owned(), if !sends => return Ok(()),
                // What cannot be recorded is not done (I9). The next session settles what is in progress now.
                () = shared.control.broken().cancelled() => return Ok(()),
                flow = self.act(step) => flow?,
            };
            if flow == Flow::Leave {
                if !self.asked && self.state.settled.is_none() {
                    shared.control.not_begun(self.target_no);
                }
                return Ok(());
            }
        }
    }

    async fn act(&mut self, step: Step) -> Result<Flow, JournalError> {
        match step {
            Step::Done => Ok(Flow::Leave),
            Step::Stop(cause) => Ok(self.stop(cause)),
            Step::Settle(outcome, evidence) => self.settle(outcome, evidence, None).await,
            Step::Hold => Ok(self.hold().await),
            Step::WaitUntil(at) => Ok(self.wait_until(at).await),
            Step::WaitOut(at) => Ok(self.wait_out(at).await),
            Step::Send { level } => self.send(level).await,
            Step::Read { level } => self.read(level).await,
            Step::Search { level } => self.search(level).await,
            Step::Poll { level } => self.poll(level).await,
        }
    }

    /// Ends when the row must leave: one that was begun in this session goes on beside a full canary.
    pub(super) fn stopping(&self) -> CancellationToken {
        let control = &self.shared.control;
        if self.asked { control.stopping(self.target_no) } else { control.closing(self.target_no) }
    }

    /// The next step. The row no longer relies on its observation if something else was seen since.
    fn decide(&mut self) -> Step {
        let name = &self.line.name;
        let contradicted = |since| self.lane.sightings.contradict(name, &self.state.identity, since);
        if self.state.confirmed_at.is_some_and(contradicted) {
            self.state.confirmed_at = None;
        }
        decide(&self.state, &self.shared.settings, &self.situation())
    }

    fn situation(&self) -> Situation {
        let now = self.shared.scribe.now();
        let (answered_at, read_at) = self.shared.control.answers(self.target_no);
        Situation { now, denial: self.denial(), answered_at, read_at }
    }

    fn stop(&self, cause: StopCause) -> Flow {
        let (detail, names) = stop_detail(cause, &self.state, &self.lane.target);
        self.shared.control.stop_target_for(self.target_no, TargetStop { cause, detail, names });
        Flow::Leave
    }

    /// How to understand the row's last answer, given the answers to other rows of the target.
    fn denial(&self) -> Denial {
        let answer = self.state.last.as_ref().and_then(|last| last.answer.as_ref());
        match answer.filter(|answer| answer.class == Class::RefusedForAll) {
            Some(answer) => self.shared.control.refusal(self.target_no, answer.at),
            None => self.shared.control.denial(self.target_no),
        }
    }

    async fn hold(&mut self) -> Flow {
        let control = &self.shared.control;
        control.holds(self.target_no, true);
        loop {
            // Registered before the check, so that no change in between is missed.
            let changed = control.changed();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.denial() != Denial::Unknown || control.is_stopping(self.target_no) {
                break;
            }
            changed.await;
        }
        control.holds(self.target_no, false);
        let unclear = self.denial() == Denial::Unknown;
        if unclear { Flow::Leave } else { Flow::Next }
    }

    async fn wait_until(&self, at: Timestamp) -> Flow {
        let now = self.shared.scribe.now();
        // The clock may jump: never wait longer than it takes until an attempt is dead.
        let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
        let wait = wait.min(self.shared.settings.attempt_time().dead_after()) + Duration::from_millis(1);
        tokio::time::sleep(wait).await;
        Flow::Next
    }

    /// Waits until a request without any answer can no longer be delivered. It does not count as in flight, so other
    /// rows use its places meanwhile.
    async fn wait_out(&mut self, at: Timestamp) -> Flow {
        (self.place, self.in_flight, self.waiting, self.direct) = (None, None, None, None);
        let stopping = self.stopping();
        let left = Duration::try_from(at.duration_since(self.shared.scribe.now())).unwrap_or_default();
        (self.shared.on_waiting)(&self.line.name, left);
        while self.shared.scribe.now() < at {
            let left = Duration::try_from(at.duration_since(self.shared.scribe.now())).unwrap_or_default();
            tokio::select! {
                biased;
                () = stopping.cancelled() => return Flow::Leave,
                () = tokio::time::sleep(left.min(LONGEST_NAP) + Duration::from_millis(1)) => {}
            }
        }
        Flow::Next
    }

    /// Waits while the session is paused. Returns whether the row goes on, then: not if it must leave first.
    pub(super) async fn while_paused(&mut self, stopping: &CancellationToken) -> bool {
        let began = self.shared.scribe.now();
        let waited = tokio::select! {
            biased;
            () = stopping.cancelled() => return false,
            waited = self.shared.control.gate().opened() => waited,
        };
        if waited {
            self.state.was_paused(self.shared.scribe.now().duration_since(began));
        }
        true
    }

    /// Requests the deletion of the key pair, unless the session or its target stops first.
    async fn send(&mut self, level: u32) -> Result<Flow, JournalError> {
        let (shared, lane) = (Arc::clone(&self.shared), Arc::clone(&self.lane));
        let stopping = self.stopping();
        if !self.while_paused(&stopping).await {
            return Ok(Flow::Leave);
        }
        let waited = async {
            pause(level).await;
            shared.leased().await;
            self.take_place().await;
            let mut departing = lane.pacer.depart().await;
            let permit = departing.acquire().await;
            (departing, permit)
        };
        let (mut departing, permit) = tokio::select! {
            biased;
            () = stopping.cancelled() => return Ok(Flow::Leave),
            waited = waited => waited,
        };
        // The wait in the queue may have been long: an observation that was fresh before may be too old now.
        if !matches!(self.decide(), Step::Send { .. }) || !shared.may_begin() {
            return Ok(Flow::Next);
        }
        let gate = shared.control.gate();
        // A pause that came meanwhile costs the permit.
        let Some(passing) = gate.pass().await else { return Ok(Flow::Next) };
        if stopping.is_cancelled() {
            return Ok(Flow::Leave);
        }
        if !self.asked {
            match shared.control.may_begin(self.target_no, &self.line) {
                Some(true) if shared.control.may_ask() => self.asked = true,
                None => {
                    drop((passing, departing));
                    return Ok(self.wait_for_canary().await);
                }
                _ => {
                    shared.control.canary(self.target_no, |canary| canary.forget(self.row));
                    return Ok(Flow::Leave);
                }
            }
        }
        let attempt = self.state.attempts + 1;
        let _in_flight = gate.begin();
        self.record(Event::AttemptStarted(AttemptStarted { attempt })).await?;
        self.direct = None;
        drop(passing);
        let permit = self.in_time(&mut departing, permit).await;
        drop(departing);
        let Some(permit) = permit else { return self.withhold(attempt).await };
        let name = &self.line.name;
        let expected = self.line.expected_fingerprint().filter(|_| name == DEFAULT_KEY_PAIR);
        // Counted before its answer: a session that ends meanwhile says that it left.
        self.lane.counts.deletes.fetch_add(1, Ordering::Relaxed);
        let reply = self.lane.port.delete_key_pair(&self.line.region, name, expected).await;
        self.answered(attempt, permit, reply).await
    }

    /// Records what came back for the request of an attempt.
    async fn answered(
        &mut self,
        attempt: u32,
        permit: Permit,
        reply: Reply<Option<Operation>>,
    ) -> Result<Flow, JournalError> {
        let (shared, name) = (Arc::clone(&self.shared), &self.line.name);
        let (class, cause) = classify_delete(name, &reply.result);
        if class == Class::NotSent {
            self.lane.counts.deletes.fetch_sub(1, Ordering::Relaxed);
        }
        let answered = reply.exchange.http_status.is_some();
        let change = self.lane.report(permit, class == Class::Throttled, answered);
        shared.control.answered(self.target_no, class, shared.scribe.now());
        if !matches!(class, Class::Unanswered | Class::Pending) {
            self.in_flight = None;
        }
        let (operation, error) = split(reply.result);
        let mut finished = AttemptFinished::of(attempt, class, cause, reply.exchange);
        finished.shown = Shown::of(operation.flatten(), &finished.exchange);
        if error.is_some() {
            finished.failure = Failure::of(error, &finished.exchange);
        }
        let flow = self.record(Event::AttemptFinished(Box::new(finished))).await?;
        self.lane.record(change).await?;
        Ok(flow)
    }

    /// Waits until the rows that have a place in the canary are asked for, or do not need it. Without a place in flight, since they
    /// may need that.
    async fn wait_for_canary(&mut self) -> Flow {
        (self.in_flight, self.waiting, self.direct) = (None, None, None);
        let control = &self.shared.control;
        let changed = control.changed();
        tokio::pin!(changed);
        changed.as_mut().enable();
        if control.canary(self.target_no, |canary| canary.is_undecided()) == Some(true) {
            control.changed_or_closed(self.target_no, changed).await;
        }
        Flow::Next
    }

    /// Takes a place in flight if the row has none.
    pub(super) async fn take_place(&mut self) {
        if self.in_flight.is_none() {
            self.in_flight = Arc::clone(&self.shared.in_flight).acquire_owned().await.ok();
        }
    }

    /// Records `event`. If the outcome follows from it at once, both become durable in one commit: an answer that alone
    /// decides the outcome holds it in its own entry.
    pub(super) async fn record(&mut self, event: Event) -> Result<Flow, JournalError> {
        self.waiting = None;
        self.shared.control.canary(self.target_no, |canary| canary.note(self.row, &event));
        if !matches!(event, Event::AttemptStarted(_)) {
            let mut ahead = self.state.clone();
            ahead.apply(PREVIOUS, self.shared.scribe.now(), &event);
            if let Step::Settle(outcome, evidence) = decide(&ahead, &self.shared.settings, &self.situation()) {
                self.state = ahead;
                return match event {
                    Event::AttemptFinished(finished) if evidence == Evidence::Answer => {
                        self.settle_by_answer(outcome, *finished).await
                    }
                    event => self.settle(outcome, evidence, Some(event)).await,
                };
            }
        }
        let stamps = self.shared.scribe.write_of_row(self.row, vec![event.clone()]).await?;
        if let Some(stamp) = stamps.first() {
            self.state.apply(stamp.seq, stamp.at, &event);
        }
        Ok(Flow::Next)
    }

    /// The outcome rests on the intent, on the attempt's start, which is durable, and on this entry.
    async fn settle_by_answer(&mut self, outcome: Outcome, finished: AttemptFinished) -> Result<Flow, JournalError> {
        let evidence = Evidence::Answer;
        let detail = detail(outcome, evidence, &self.state, &self.line);
        let finished = AttemptFinished { outcome: Some(outcome), evidence: Some(evidence), detail, ..finished };
        self.shared.scribe.write_of_row(self.row, vec![Event::AttemptFinished(Box::new(finished))]).await?;
        Ok(self.settled(outcome, evidence))
    }

    fn settled(&mut self, outcome: Outcome, evidence: Evidence) -> Flow {
        self.state.settled = Some((outcome, evidence));
        self.shared.control.canary(self.target_no, |canary| canary.settled(self.row, outcome));
        self.shared.settled(self.target_no, &self.lane.target, outcome);
        Flow::Leave
    }

    async fn settle(
        &mut self,
        outcome: Outcome,
        evidence: Evidence,
        after: Option<Event>,
    ) -> Result<Flow, JournalError> {
        let settled = RowSettled {
            outcome,
            evidence,
            detail: detail(outcome, evidence, &self.state, &self.line),
            rests_on: self.state.rests_on(),
        };
        let events = after.into_iter().chain([Event::RowSettled(settled)]).collect();
        self.shared.scribe.write_of_row(self.row, events).await?;
        Ok(self.settled(outcome, evidence))
    }
}

/// The value or the error.
pub(super) fn split<T, E>(result: Result<T, E>) -> (Option<T>, Option<E>) {
    match result {
        Ok(value) => (Some(value), None),
        Err(error) => (None, Some(error)),
    }
}
