//! The pacer of one target: every request, including reads, needs its permit, and every answer is reported to it.
//!
//! It keeps the schedule (governor, over tokio's clock, so that paused tokio time steers it) and the queue; the rate
//! itself is the business of [`RateRule`]. It promises that requests leave in the order in which they asked, evenly
//! spaced, and in any second at most the rate, one more, and 1 % for catching up (`CATCH_UP`).
//!
//! A change of the rate is a fresh limiter, charged so that the request that left last still counts. Targets do not
//! know of each other: each has a pacer of its own.
//!
//! Where several runners [share](Pacer::share) the rate of a target, requests leave in the slots that each of them is granted.

mod departing;
mod limiter;
mod on_the_way;
mod recent;
mod share;
mod slots;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;
use tokio::time::Instant;

pub use departing::Departing;
use limiter::{Limiter, period};
use on_the_way::{MOMENT, OnTheWay};
use recent::Recent;
pub use share::Wanted;
use slots::Common;

use super::rate::{Learned, RateCap, RateChange, RateRule};

/// How far the schedule may lag behind the clock. Timers have a grain of 1 ms and wake late: with a burst of one, each
/// late departure would push back all that follow, and at 200/s one late millisecond costs 20 %. Instead, a lag of up
/// to 10 ms is caught up, which is 1 % of a second's requests and lets thousands per second leave in bunches of one
/// wake-up. Only a machine that wakes later than that loses some of the rate.
const CATCH_UP: Duration = Duration::from_millis(10);

/// The pacer of one target; shared by `Arc`.
#[derive(Debug)]
pub struct Pacer {
    origin: Instant,
    /// `None` is unlimited, and costs one load.
    limiter: ArcSwapOption<Limiter>,
    /// Held for the moment in which a request leaves or a rate changes, never across an await.
    state: Mutex<State>,
    /// The queue: tokio's mutex is fair. Its holder is the one that sleeps.
    turn: tokio::sync::Mutex<()>,
    /// Wakes the one that sleeps when the rate changed.
    changed: Notify,
    /// The requests that wait for their start to become durable.
    on_the_way: Mutex<OnTheWay>,
    /// Wakes the next one that waits for room among those.
    departed: Notify,
    /// Held by the one row that reads and asks in direct succession.
    direct: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug)]
struct State {
    rule: RateRule,
    /// When the last request was scheduled; `None` before the first.
    last: Option<Duration>,
    recent: Recent,
    /// How many requests wait for a permit.
    waiting: usize,
    /// What it holds of a rate that it shares.
    common: Option<Common>,
}

/// The permit to send one request now; it is returned with the answer. It may be dropped if no answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the answer is reported together with it"]
pub struct Permit {
    left: Duration,
}

impl AsRef<Self> for Pacer {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// A request that waits for its permit.
struct Waiting<'a>(&'a Pacer);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state().waiting -= 1;
    }
}

impl Pacer {
    /// A pacer under `cap` that starts from what an earlier session [`learned`](Self::learned), in requests per second.
    pub fn new(cap: RateCap, learned: Option<Learned>) -> Self {
        let rule = RateRule::new(cap, learned);
        let limiter = rule.rate().map(|rate| Arc::new(Limiter::new(rate, Duration::ZERO)));
        Self {
            origin: Instant::now(),
            limiter: ArcSwapOption::new(limiter),
            state: Mutex::new(State { rule, last: None, recent: Recent::default(), waiting: 0, common: None }),
            turn: tokio::sync::Mutex::new(()),
            changed: Notify::new(),
            on_the_way: Mutex::default(),
            departed: Notify::new(),
            direct: Arc::default(),
        }
    }

    fn on_the_way(&self) -> MutexGuard<'_, OnTheWay> {
        self.on_the_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no other row of the target reads and asks in direct succession.
    pub async fn direct(&self) -> tokio::sync::OwnedMutexGuard<()> {
        Arc::clone(&self.direct).lock_owned().await
    }

    /// Waits until one request may leave. First come, first served; cancelling a wait delays no other request.
    pub async fn acquire(&self) -> Permit {
        if self.limiter.load().is_none() {
            let left = self.origin.elapsed();
            self.state().recent.add(left);
            return Permit { left };
        }
        let _waiting = self.wait();
        let _turn = self.turn.lock().await;
        loop {
            match self.leave() {
                Ok(permit) => return permit,
                Err(Some(due)) => tokio::select! {
                    biased;
                    () = tokio::time::sleep_until(self.origin + due) => {}
                    () = self.changed.notified() => {}
                },
                Err(None) => self.changed.notified().await,
            }
        }
    }

    fn wait(&self) -> Waiting<'_> {
        let now = self.origin.elapsed();
        let mut state = self.state();
        state.waiting += 1;
        let is_first = state.waiting == 1;
        if let Some(common) = state.common.as_mut().filter(|_| is_first)
            && common.held(now) == 0
        {
            common.wake.notify_one();
        }
        Waiting(self)
    }

    /// Takes note of the answer to the request that left with `permit`: throttled, or else admitted. A request that
    /// was never answered is not reported.
    pub fn report(&self, permit: Permit, throttled: bool) -> Option<RateChange> {
        let mut state = self.state();
        let now = self.origin.elapsed();
        let others = state.common.as_mut().map_or(0, |common| common.passed(now));
        state.rule.others_admitted(others);
        let change = state.rule.on_answer(permit.left, now, throttled)?;
        let limiter = change.to.map(|rate| {
            // So that the next may leave when the pause is over, which is never shorter than one period.
            let resume = (now + change.pause).saturating_sub(period(rate));
            let last = if change.pause.is_zero() {
                state.last.unwrap_or(now)
            } else {
                resume.max(state.last.unwrap_or(resume))
            };
            state.last = Some(last);
            let limiter = Limiter::new(rate, last);
            limiter.leave_at(last).ok();
            Arc::new(limiter)
        });
        if let Some(common) = state.common.as_mut() {
            common.cut = change.to.filter(|_| throttled);
            if throttled {
                common.fall(now, now + change.pause);
                common.wake.notify_one();
            }
        }
        self.limiter.store(limiter);
        self.changed.notify_one();
        Some(change)
    }

    /// From now on at most `per_s` requests leave per second, and no more than the cap that it was made with permits. A lower rate
    /// holds from the next request on; of a higher one, at once as much as was permitted before it was held.
    pub fn hold_below(&self, per_s: f64) {
        let mut state = self.state();
        let now = self.origin.elapsed();
        if let Some(rate) = state.rule.hold_below(per_s, now) {
            let last = state.last.unwrap_or(now);
            state.last = Some(last);
            let limiter = Limiter::new(rate, last);
            limiter.leave_at(last).ok();
            let before = self.limiter.swap(Some(Arc::new(limiter)));
            if let Some(common) = state.common.as_mut()
                && before.is_none_or(|before| rate < before.rate)
            {
                common.fall(now, now);
                common.wake.notify_one();
            }
        }
        drop(state);
        self.changed.notify_one();
    }

    /// The most that it may permit now, in requests per second; `None` is no limit.
    pub fn cap(&self) -> Option<f64> {
        let state = self.state();
        state.rule.rate().map(|_| state.rule.cap())
    }

    /// How many requests left per second lately.
    pub fn recent(&self) -> f64 {
        let now = self.origin.elapsed();
        self.state().recent.per_s(now)
    }

    /// The rate now, in requests per second; `None` is unlimited.
    pub fn rate(&self) -> Option<f64> {
        self.limiter.load().as_ref().map(|limiter| limiter.rate)
    }

    /// What the next session should start from, in requests per second.
    pub fn learned(&self) -> Option<Learned> {
        self.state().rule.learned()
    }

    /// Leaves now, or says when to ask again, if that is known.
    fn leave(&self) -> Result<Permit, Option<Duration>> {
        let mut guard = self.state();
        let state = &mut *guard;
        let now = self.origin.elapsed();
        let limiter = self.limiter.load();
        if let Some((common, limiter)) = state.common.as_mut().zip(limiter.as_deref()) {
            common.due(now)?;
            // Slots are spaced for the common rate. A person may hold this runner to a lower one.
            if common.per_s.is_some_and(|all| limiter.rate < all) {
                limiter.leave_at(now).map_err(Some)?;
            }
            common.take();
            if state.waiting > 1 && common.held(now) == 0 && common.most(limiter.rate, MOMENT) > 1 {
                // Used up before it was asked again. Slower slots are so far apart that the next question is in time, and then whoever
                // used one would always ask first.
                common.wake.notify_one();
            }
            state.last = Some(now);
        } else if let Some(limiter) = limiter.as_deref() {
            let behind = now.saturating_sub(CATCH_UP);
            let scheduled = match limiter.leave_at(behind) {
                Ok(()) => behind,
                Err(due) if due <= now => limiter.leave_at(due).map(|()| due).map_err(Some)?,
                Err(due) => return Err(Some(due)),
            };
            state.last = Some(scheduled);
        }
        state.recent.add(now);
        Ok(Permit { left: now })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic leaves nothing here half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
