//! The requests by which [`worker`](super::worker) looks: reading a key pair, searching the operation history, polling
//! an operation. They record what was found as it is; `decide` says what it means.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::worker::{Flow, Worker, split};
use crate::domain::{Class, Failure, KeyPair, Operation, Shown, parse_time};
use crate::journal::JournalError;
use crate::lane::{Reading, pause};
use crate::lane::{found_error, observation};
use crate::lightsail::Lightsail;
use crate::lightsail::classify::classify_operation;
use crate::record::event::{Event, Found, Observed, OperationPolled, Source};

/// The most pages of an operation history that are read. The service keeps it for a limited time, and 100 pages of 200
/// are more operations on one name than any script makes.
const SEARCH_PAGES: u32 = 100;

/// How far outside the attempt that caused it the service's clock may put an operation: two clocks that are set by the
/// network differ by less. If they differ by more, the operation is only not claimed as ours.
const CLOCK_TOLERANCE: Duration = Duration::from_millis(200);

/// The same for a time in whole seconds, whose fraction was cut off.
const WHOLE_SECONDS_TOLERANCE: Duration = Duration::from_millis(1_200);

impl<L: Lightsail> Worker<L> {
    /// A row whose observation became too old in the queue is read once more, and its request follows right after that:
    /// at a slow rate the queue alone can take longer than `--max-observation-age`. Only one row of a target does this
    /// at a time. It takes its place in flight first, so that rows waiting here cannot keep it from getting one.
    async fn go_directly(&mut self) {
        if self.direct.is_none() {
            self.take_place().await;
            self.direct = Some(self.lane.pacer.direct().await);
        }
    }

    /// Reads the key pair: by itself or, before the first attempt, from a listing of the whole target if that costs
    /// fewer requests.
    pub(super) async fn read(&mut self, level: u32) -> Result<Flow, JournalError> {
        let shared = Arc::clone(&self.shared);
        // If a request of ours may have taken effect, a session that stops still looks.
        let stopping = if self.state.unread { CancellationToken::new() } else { self.stopping() };
        let again = self.state.rereads > 0 && !self.state.delete_seen;
        // Nothing was requested: this reading is for a request that must wait.
        if self.state.last.is_none() && !self.state.unread && !self.while_paused(&stopping).await {
            return Ok(Flow::Leave);
        }
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
        let patience = shared.settings.settle_timeout;
        // Nor does an older listing say what became of an operation that was looked for.
        let looked_for = self.state.search.is_some() || self.state.poll.is_some();
        if self.state.last.is_none() && !again && !looked_for {
            let name = &self.line.name;
            let listed = self.inventory.look_up(&self.shared, &self.lane, self.target_no, name).await?;
            if let Some((pair, at)) = listed.filter(|(pair, _)| self.compare(pair) != Found::NoAnswer) {
                return self.observed_in_inventory(pair, at).await;
            }
        }
        let (region, name) = (&self.line.region, &self.line.name);
        let permit = tokio::select! {
            biased;
            () = stopping.cancelled() => return Ok(Flow::Leave),
            permit = self.lane.pacer.acquire() => permit,
        };
        let request = || self.lane.port.get_key_pair(region, name);
        let Reading { reply, requests, throttled } = self.lane.read_with(permit, &stopping, patience, request).await?;
        let (pair, error) = split(reply.result);
        let found = match (&pair, &error) {
            (Some(pair), _) if pair.name != *name => Found::NoAnswer,
            (Some(pair), _) => self.compare(pair),
            (None, Some(error)) => found_error(error.class),
            (None, None) => Found::NoAnswer,
        };
        let now = self.shared.scribe.now();
        if matches!(found, Found::Same | Found::Other | Found::NotFound) {
            self.shared.control.was_read(self.target_no, now);
        }
        if found == Found::Same {
            self.lane.sightings.forget(name);
        } else {
            self.direct = None;
        }
        let observation = pair.map(|pair| observation(pair, now));
        self.record(Event::Observed(Box::new(Observed {
            requests,
            throttled,
            observation,
            failure: Failure::of(error, &reply.exchange),
            exchange: reply.exchange,
            ..Observed::of(Source::GetKeyPair, found)
        })))
        .await
    }

    async fn observed_in_inventory(&mut self, pair: KeyPair, at: Timestamp) -> Result<Flow, JournalError> {
        let found = self.compare(&pair);
        self.record(Event::Observed(Box::new(Observed {
            requests: 0,
            observation: Some(observation(pair, at)),
            ..Observed::of(Source::GetKeyPairs, found)
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

    /// Searches the history for a delete of this name: one that succeeded inside the window of an attempt whose effect
    /// is unknown, else any that has not ended.
    pub(super) async fn search(&mut self, level: u32) -> Result<Flow, JournalError> {
        pause(level).await;
        let (region, name) = (self.line.region.clone(), self.line.name.clone());
        let mut token: Option<String> = None;
        let (mut requests, mut throttled) = (0, 0);
        let (mut hit, mut unfinished, mut nameless, mut whole) = (None, None, false, false);
        let mut last = None;
        for _ in 0..SEARCH_PAGES {
            let patience = self.shared.settings.settle_timeout;
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
                    // No matter who began it and what our clock says: nothing is sent while it is in progress.
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
            // An operation without an id cannot be polled: only the history will show when it has ended. Nor does a
            // history that was not read to its end show that there is no operation.
            (None, None, None) if nameless || !whole => Found::NoAnswer,
            // Whether the service answers for a deleted key pair is not documented: "not found" is no evidence.
            (None, None, Some(Found::NotFound) | None) => Found::NoOperation,
            (None, None, Some(found)) => found,
        };
        self.record(Event::Observed(Box::new(Observed {
            requests,
            throttled,
            operation: hit.or(unfinished),
            failure: Failure::of(error, &exchange),
            exchange,
            ..Observed::of(Source::GetOperationsForResource, found)
        })))
        .await
    }

    /// Whether one of our attempts can have caused an operation: judged by its id, or by name, type and time.
    fn is_ours(&self, operation: &Operation) -> bool {
        let answer = self.state.last.as_ref().and_then(|last| last.answer.as_ref());
        let known = answer.and_then(|answer| answer.operation_id.as_deref());
        if known.is_some() && operation.id.as_deref() == known {
            return operation.may_be_delete_of(&self.line.name);
        }
        let Some(created) = operation.created_at.as_deref().and_then(parse_time) else { return false };
        let whole = created.subsec_nanosecond() == 0;
        let early = if whole { WHOLE_SECONDS_TOLERANCE } else { CLOCK_TOLERANCE };
        operation.is_delete_of(&self.line.name)
            && self.state.windows.iter().any(|window| {
                let time = self.shared.settings.attempt_time();
                let dead = || window.from.saturating_add(time.dead_after()).unwrap_or(Timestamp::MAX);
                let until = window.to.or(window.dead_at).unwrap_or_else(dead);
                let from = window.from.saturating_sub(early).unwrap_or(Timestamp::MIN);
                // An attempt that was answered cannot have caused anything after its answer.
                (from..=until).contains(&created)
            })
    }

    /// Asks for the state of the last attempt's operation, whether its answer or the history named it.
    pub(super) async fn poll(&mut self, level: u32) -> Result<Flow, JournalError> {
        // Always a short wait, so that a service that answers at once is not polled in a tight loop.
        tokio::time::sleep(Duration::from_millis(100)).await;
        pause(level + 1).await;
        let operation_id = self.state.operation_id().unwrap_or_default().to_owned();
        let region = self.line.region.clone();
        let patience = self.shared.settings.settle_timeout;
        let Reading { reply, requests, throttled } =
            self.lane.read(patience, || self.lane.port.get_operation(&region, &operation_id)).await?;
        let (operation, error) = split(reply.result);
        let class = match (&operation, &error) {
            (Some(operation), _) if operation.id.as_deref().is_some_and(|id| id != operation_id) => Class::Unanswered,
            (Some(operation), _) => classify_operation(&self.line.name, Some(operation)).0,
            (None, Some(error)) if error.class == Class::RefusedForAll => Class::RefusedForAll,
            (None, _) => Class::Unanswered,
        };
        let exchange = reply.exchange;
        let (shown, failure) = (Shown::of(operation, &exchange), Failure::of(error, &exchange));
        let polled = OperationPolled { operation_id, class, requests, throttled, exchange, shown, failure };
        self.record(Event::OperationPolled(Box::new(polled))).await
    }
}
