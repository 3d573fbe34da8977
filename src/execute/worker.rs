//! Works one row off: asks [`decide`], does what it says, records what came of it. It makes no choices of its own.
//!
//! I1: a request leaves only after its `attempt_started` is acknowledged as durable. I3: the attempts of a row follow
//! one another, because one task has the row. An attempt whose effect is unknown keeps its place among those in
//! flight until it is settled, so that never more key pairs are in doubt at once than may be in flight.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::control::StoppedBy;
use super::decide::{Situation, Step, StopCause, decide};
use super::detail::{detail, stop_detail};
use super::inventory::Inventory;
use super::lane::{Lane, Reading, pause};
use super::row::RowState;
use crate::domain::{
    ApiError, Cause, Class, DEFAULT_KEY_PAIR, Evidence, Exchange, KeyPair, Observation, Operation, Outcome, parse_time,
};
use crate::journal::event::{
    AttemptFinished, AttemptStarted, Event, Found, IntentRecorded, Observed, OperationPolled, PREVIOUS, RowSettled,
    Source,
};
use crate::journal::{Draft, JournalError, MAX_INTEGER};
use crate::lightsail::Lightsail;
use crate::lightsail::classify::{classify_delete, classify_operation};

/// How many pages of an operation history are read at most. The service keeps it for a limited time, and 100 pages of
/// 200 are more operations on one name than any script makes.
const SEARCH_PAGES: u32 = 100;

/// How far the service's clock may put an operation outside of the attempt that caused it: two clocks that are set by
/// the network differ by less. A larger difference only leaves an operation unclaimed.
const CLOCK_TOLERANCE: Duration = Duration::from_millis(200);

/// The same for a time in whole seconds, whose fraction was cut off.
const WHOLE_SECONDS_TOLERANCE: Duration = Duration::from_millis(1_200);

/// One row, and what is needed to work it off.
pub(super) struct Worker<L> {
    pub(super) shared: Arc<Shared>,
    pub(super) lane: Arc<Lane<L>>,
    pub(super) inventory: Arc<Inventory>,
    pub(super) target_no: i64,
    pub(super) row: u64,
    pub(super) intent: IntentRecorded,
    pub(super) state: RowState,
    pub(super) in_flight: Option<OwnedSemaphorePermit>,
    /// Held until the pacer let the row through for the first time.
    pub(super) waiting: Option<OwnedSemaphorePermit>,
    /// Whether this session has asked for the key pair: `--max-deletes` counts it once.
    pub(super) asked: bool,
    /// Held from a reading until the request that rests on it, where the queue between the two would make it too old.
    pub(super) direct: Option<OwnedMutexGuard<()>>,
}

/// Whether the row goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    /// Settled, or left for another session.
    Leave,
}

impl<L: Lightsail> Worker<L> {
    /// Works the row off, or leaves it as it is where the session stops.
    pub(super) async fn work(mut self) -> Result<(), JournalError> {
        loop {
            let step = decide(&self.state, &self.shared.policy, &self.situation());
            tracing::trace!(row = self.row, ?step, "decided");
            let shared = Arc::clone(&self.shared);
            let flow = tokio::select! {
                biased;
                // What cannot be recorded is not done (I9), and what is under way then is the next session's to settle.
                () = shared.control.broken().cancelled() => return Ok(()),
                flow = self.act(step) => flow?,
            };
            if flow == Flow::Leave {
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
            Step::Send { level } => self.send(level).await,
            Step::Read { level } => self.read(level).await,
            Step::Search { level } => self.search(level).await,
            Step::Poll { level } => self.poll(level).await,
        }
    }

    fn situation(&self) -> Situation {
        let now = self.shared.clock.now();
        let (answered_at, read_at) = self.shared.control.answers(self.target_no);
        Situation { now, denial: self.shared.control.denial(self.target_no), answered_at, read_at }
    }

    fn stop(&self, cause: StopCause) -> Flow {
        self.shared.control.stop(StoppedBy::Breaker, stop_detail(cause, &self.state, &self.lane.target), Some(cause));
        Flow::Leave
    }

    async fn hold(&mut self) -> Flow {
        let control = &self.shared.control;
        control.holds(self.target_no, true);
        loop {
            // Asked for before looking, so that no change in between is missed.
            let changed = control.changed();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if control.denial(self.target_no) != super::decide::Denial::Unknown || control.is_stopping() {
                break;
            }
            changed.await;
        }
        control.holds(self.target_no, false);
        let unclear = control.denial(self.target_no) == super::decide::Denial::Unknown;
        if unclear { Flow::Leave } else { Flow::Next }
    }

    async fn wait_until(&self, at: Timestamp) -> Flow {
        let now = self.shared.clock.now();
        // The clock may jump: never wait longer than an attempt takes to be dead.
        let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
        let wait = wait.min(self.shared.policy.attempt_time().dead_after()) + Duration::from_millis(1);
        tokio::time::sleep(wait).await;
        Flow::Next
    }

    /// Asks to delete the key pair, unless the session stops first.
    async fn send(&mut self, level: u32) -> Result<Flow, JournalError> {
        let (shared, lane) = (Arc::clone(&self.shared), Arc::clone(&self.lane));
        let stopping = shared.control.stopping();
        let waited = async {
            pause(level).await;
            self.take_place().await;
            let departing = lane.pacer.depart().await;
            (departing, lane.pacer.acquire().await)
        };
        let (departing, permit) = tokio::select! {
            biased;
            () = stopping.cancelled() => return Ok(Flow::Leave),
            waited = waited => waited,
        };
        // The queue may have been long: what was fresh then may not be now.
        if !matches!(decide(&self.state, &shared.policy, &self.situation()), Step::Send { .. }) {
            return Ok(Flow::Next);
        }
        if !self.asked && !shared.control.may_ask() {
            return Ok(Flow::Leave);
        }
        self.asked = true;
        let attempt = self.state.attempts + 1;
        let timeout_ms = u64::try_from(shared.policy.attempt_timeout.as_millis()).unwrap_or(u64::MAX);
        let started = AttemptStarted {
            attempt,
            key_pair_name: self.intent.key_pair_name.clone(),
            region: self.intent.region.clone(),
            timeout_ms: Some(timeout_ms.min(MAX_INTEGER)),
        };
        self.record(Event::AttemptStarted(started)).await?;
        self.direct = None;
        drop(departing);
        if self.has_started_late() {
            return self.leave_out(attempt).await;
        }
        let name = &self.intent.key_pair_name;
        let expected = self.intent.expected_fingerprint.as_deref().filter(|_| name == DEFAULT_KEY_PAIR);
        let reply = self.lane.port.delete_key_pair(&self.intent.region, name, expected).await;
        let (class, cause) = classify_delete(name, &reply.result);
        if class != Class::NotSent {
            self.lane.counts.deletes.fetch_add(1, Ordering::Relaxed);
        }
        let answered = reply.exchange.http_status.is_some();
        let change = self.lane.report(permit, class == Class::Throttled, answered);
        shared.control.answered(self.target_no, class, shared.clock.now());
        if !matches!(class, Class::Unanswered | Class::Pending) {
            self.in_flight = None;
        }
        let (operation, error) = split(reply.result);
        let finished =
            AttemptFinished { attempt, class, cause, exchange: reply.exchange, operation: operation.flatten(), error };
        let flow = self.record(Event::AttemptFinished(Box::new(finished))).await?;
        self.lane.record(change).await?;
        Ok(flow)
    }

    /// Whether the attempt's start took so long to become durable that its request must not leave: a session that finds the
    /// start alone counts from it until the attempt is dead.
    fn has_started_late(&self) -> bool {
        let took = self.state.last.as_ref().map(|last| self.shared.clock.now().duration_since(last.started_at));
        took.is_some_and(|took| {
            took > SignedDuration::try_from(self.shared.policy.attempt_time().start_limit()).unwrap_or_default()
        })
    }

    /// Records that the attempt's request did not leave.
    async fn leave_out(&mut self, attempt: u32) -> Result<Flow, JournalError> {
        tracing::warn!(
            row = self.row,
            attempt,
            "the journal's disk is slow: the request did not leave, and is tried again"
        );
        self.in_flight = None;
        let said = "the journal's disk took too long to make its start durable";
        let error = ApiError { message: Some(said.into()), ..ApiError::nothing(Class::NotSent, Cause::StartedLate) };
        let finished = AttemptFinished {
            attempt,
            class: error.class,
            cause: Some(error.cause),
            exchange: Exchange::default(),
            operation: None,
            error: Some(error),
        };
        self.record(Event::AttemptFinished(Box::new(finished))).await
    }

    /// Takes a place among those in flight, where the row has none.
    async fn take_place(&mut self) {
        if self.in_flight.is_none() {
            self.in_flight = Arc::clone(&self.shared.in_flight).acquire_owned().await.ok();
        }
    }

    /// A row that was read and became too old in the queue is read once more, and asked for right after that: at a slow rate
    /// the queue alone can take longer than `--max-observation-age`. One row of a target at a time, with its place in
    /// flight, which nobody who waits here may keep from it.
    async fn go_directly(&mut self) {
        if self.direct.is_none() {
            self.take_place().await;
            self.direct = Some(self.lane.pacer.direct().await);
        }
    }

    /// Reads the key pair: by itself, or before the first attempt from a listing of the whole target where that costs
    /// fewer requests.
    async fn read(&mut self, level: u32) -> Result<Flow, JournalError> {
        let shared = Arc::clone(&self.shared);
        // Where a request of ours may have taken effect, a session that stops looks all the same.
        let never = CancellationToken::new();
        let stopping = if self.state.unread { &never } else { shared.control.stopping() };
        let again = self.state.rereads > 0 && !self.state.delete_seen;
        let waited = async {
            pause(level).await;
            if again {
                self.go_directly().await;
            }
        };
        tokio::select! {
            biased;
            () = stopping.cancelled() => return Ok(Flow::Leave),
            () = waited => {}
        }
        let patience = shared.policy.settle_timeout;
        if self.state.attempts == 0 && !again {
            let name = &self.intent.key_pair_name;
            let listed = self.inventory.look_up(&self.shared, &self.lane, self.target_no, name).await?;
            if let Some((pair, at)) = listed.filter(|(pair, _)| self.compare(pair) != Found::NoAnswer) {
                return self.observed_in_inventory(pair, at).await;
            }
        }
        let (region, name) = (&self.intent.region, &self.intent.key_pair_name);
        let permit = tokio::select! {
            biased;
            () = stopping.cancelled() => return Ok(Flow::Leave),
            permit = self.lane.pacer.acquire() => permit,
        };
        let request = || self.lane.port.get_key_pair(region, name);
        let Reading { reply, requests, throttled } = self.lane.read_with(permit, stopping, patience, request).await?;
        let (pair, error) = split(reply.result);
        let found = match (&pair, &error) {
            (Some(pair), _) if pair.name != *name => Found::NoAnswer,
            (Some(pair), _) => self.compare(pair),
            (None, Some(error)) => found_error(error.class),
            (None, None) => Found::NoAnswer,
        };
        let now = self.shared.clock.now();
        if matches!(found, Found::Same | Found::Other | Found::NotFound) {
            self.shared.control.was_read(self.target_no, now);
        }
        if found != Found::Same {
            self.direct = None;
        }
        let observation = pair.map(|pair| observation(pair, now));
        self.record(Event::Observed(Box::new(Observed {
            source: Source::GetKeyPair,
            found,
            requests,
            throttled,
            account: None,
            region: None,
            observation,
            operation: None,
            error,
            exchange: reply.exchange,
        })))
        .await
    }

    async fn observed_in_inventory(&mut self, pair: KeyPair, at: Timestamp) -> Result<Flow, JournalError> {
        let found = self.compare(&pair);
        self.record(Event::Observed(Box::new(Observed {
            source: Source::GetKeyPairs,
            found,
            requests: 0,
            throttled: 0,
            account: None,
            region: None,
            observation: Some(observation(pair, at)),
            operation: None,
            error: None,
            exchange: Exchange::default(),
        })))
        .await
    }

    /// I4: the same name is not enough.
    fn compare(&self, pair: &KeyPair) -> Found {
        match self.state.identity.same_as(&pair.identity) {
            Some(true) => Found::Same,
            Some(false) => Found::Other,
            None => Found::NoAnswer,
        }
    }

    /// Looks for a delete of this name: one that succeeded inside the window of an attempt whose effect is unknown, else any
    /// that is still to end.
    async fn search(&mut self, level: u32) -> Result<Flow, JournalError> {
        pause(level).await;
        let (region, name) = (self.intent.region.clone(), self.intent.key_pair_name.clone());
        let mut token: Option<String> = None;
        let (mut requests, mut throttled) = (0, 0);
        let (mut hit, mut unfinished, mut nameless, mut whole) = (None, None, false, false);
        let mut last = None;
        for _ in 0..SEARCH_PAGES {
            let patience = self.shared.policy.settle_timeout;
            let port = &self.lane.port;
            let page =
                self.lane.read(patience, || port.get_operations_for_resource(&region, &name, token.as_deref())).await?;
            requests += page.requests;
            throttled += page.throttled;
            let (answer, error) = split(page.reply.result);
            last = Some((page.reply.exchange, error));
            let Some(answer) = answer else { break };
            for operation in answer.items {
                let ours = self.is_ours(&operation);
                if operation.has_succeeded() {
                    hit = if ours { Some(operation) } else { hit };
                } else if !operation.has_failed() && (ours || operation.is_delete_of(&name)) {
                    // Whoever began it, and whatever our clock says: nothing is sent while it is under way.
                    nameless |= operation.id.is_none();
                    unfinished = unfinished.or(operation.id.is_some().then_some(operation));
                }
            }
            whole = answer.next.is_none();
            if hit.is_some() || whole || answer.next == token {
                break;
            }
            token = answer.next;
        }
        let (exchange, error) = last.unwrap_or_default();
        let found = match (&hit, &unfinished, error.as_ref().map(|error| found_error(error.class))) {
            (Some(_), ..) => Found::Operation,
            (None, Some(_), _) => Found::Unfinished,
            // One that cannot be asked for: the history is all that will say when it is over.
            // Nor does one that was not read to its end say that there is nothing.
            (None, None, None) if nameless || !whole => Found::NoAnswer,
            // Whether the service answers for a deleted key pair is not documented: "not found" is no evidence.
            (None, None, Some(Found::NotFound) | None) => Found::NoOperation,
            (None, None, Some(found)) => found,
        };
        self.record(Event::Observed(Box::new(Observed {
            source: Source::GetOperationsForResource,
            found,
            requests,
            throttled,
            account: None,
            region: None,
            observation: None,
            operation: hit.or(unfinished),
            error,
            exchange,
        })))
        .await
    }

    /// Whether an operation can be the effect of an attempt of ours: by its id, or by name, type and time.
    fn is_ours(&self, operation: &Operation) -> bool {
        let answer = self.state.last.as_ref().and_then(|last| last.answer.as_ref());
        let known = answer.and_then(|answer| answer.operation_id.as_deref());
        if known.is_some() && operation.id.as_deref() == known {
            return operation.may_be_delete_of(&self.intent.key_pair_name);
        }
        let Some(created) = operation.created_at.as_deref().and_then(parse_time) else { return false };
        let whole = created.subsec_nanosecond() == 0;
        let early = if whole { WHOLE_SECONDS_TOLERANCE } else { CLOCK_TOLERANCE };
        operation.is_delete_of(&self.intent.key_pair_name)
            && self.state.windows.iter().any(|window| {
                let time = self.shared.policy.attempt_time();
                let dead = || window.from.saturating_add(time.dead_after()).unwrap_or(Timestamp::MAX);
                let until = window.to.or(window.dead_at).unwrap_or_else(dead);
                let from = window.from.saturating_sub(early).unwrap_or(Timestamp::MIN);
                // Nothing that an answered attempt did can be younger than its answer.
                (from..=until).contains(&created)
            })
    }

    /// Asks for the state of the last attempt's operation, be it from its answer or from the history.
    async fn poll(&mut self, level: u32) -> Result<Flow, JournalError> {
        // At least a moment, so that a service that answers at once is not asked without end.
        tokio::time::sleep(Duration::from_millis(100)).await;
        pause(level + 1).await;
        let operation_id = self.state.operation_id().unwrap_or_default().to_owned();
        let region = self.intent.region.clone();
        let patience = self.shared.policy.settle_timeout;
        let Reading { reply, requests, throttled } =
            self.lane.read(patience, || self.lane.port.get_operation(&region, &operation_id)).await?;
        let (operation, error) = split(reply.result);
        let class = match (&operation, &error) {
            (Some(operation), _) if operation.id.as_deref().is_some_and(|id| id != operation_id) => Class::Unanswered,
            (Some(operation), _) => classify_operation(&self.intent.key_pair_name, Some(operation)).0,
            (None, Some(error)) if error.class == Class::RefusedForAll => Class::RefusedForAll,
            (None, _) => Class::Unanswered,
        };
        let exchange = reply.exchange;
        let polled = OperationPolled { operation_id, class, requests, throttled, exchange, operation, error };
        self.record(Event::OperationPolled(Box::new(polled))).await
    }

    /// Records `event`. Where the outcome follows from it at once, both become durable in one commit.
    async fn record(&mut self, event: Event) -> Result<Flow, JournalError> {
        self.waiting = None;
        if !matches!(event, Event::AttemptStarted(_)) {
            let mut ahead = self.state.clone();
            ahead.apply(PREVIOUS, self.shared.clock.now(), &event);
            if let Step::Settle(outcome, evidence) = decide(&ahead, &self.shared.policy, &self.situation()) {
                self.state = ahead;
                return self.settle(outcome, evidence, Some(event)).await;
            }
        }
        let stamps = self.shared.append(self.row, vec![event.clone()]).await?;
        if let Some(stamp) = stamps.first() {
            self.state.apply(stamp.seq, stamp.at, &event);
        }
        Ok(Flow::Next)
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
            detail: detail(outcome, evidence, &self.state, &self.intent),
            rests_on: self.state.rests_on(),
        };
        let events = after.into_iter().chain([Event::RowSettled(settled)]).collect();
        self.shared.append(self.row, events).await?;
        self.state.settled = Some((outcome, evidence));
        self.shared.settled(outcome);
        Ok(Flow::Leave)
    }
}

impl Shared {
    /// Appends entries of one row.
    pub(super) async fn append(
        &self,
        row: u64,
        events: Vec<Event>,
    ) -> Result<Vec<crate::journal::Stamp>, JournalError> {
        let draft = |event| Draft { run: Some(self.run), row: Some(row), event };
        self.journal.append(events.into_iter().map(draft).collect()).await
    }
}

fn split<T, E>(result: Result<T, E>) -> (Option<T>, Option<E>) {
    match result {
        Ok(value) => (Some(value), None),
        Err(error) => (None, Some(error)),
    }
}

/// What a reading that failed found.
pub(crate) fn found_error(class: Class) -> Found {
    match class {
        Class::NotFound => Found::NotFound,
        Class::Denied => Found::Denied,
        Class::RefusedForAll => Found::RefusedForAll,
        _ => Found::NoAnswer,
    }
}

/// A key pair as it was seen at `at`.
pub(crate) fn observation(pair: KeyPair, at: Timestamp) -> Observation {
    Observation { identity: pair.identity, tags: pair.tags, at: crate::domain::micros(at) }
}
