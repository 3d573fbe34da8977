//! The pacer of one target: every request, reads too, asks it for leave, and every answer is reported to it.
//!
//! It keeps the schedule (governor, over tokio's clock, so that paused tokio time steers it) and the queue; the rate
//! itself is the business of [`RateRule`]. It promises that requests leave in the order in which they asked, evenly
//! spaced, and in any second at most the rate, one more, and 1 % for catching up (`CATCH_UP`).
//!
//! A change of the rate is a fresh limiter, charged so that the request that left last still counts. Targets do not
//! know of each other: each has a pacer of its own.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use governor::Quota;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::rate::{Learned, RateCap, RateChange, RateRule};

/// How far the schedule may lag behind the clock. Timers have a grain of 1 ms and wake late: with a burst of one,
/// each late departure would push back all that follow, and at 200/s one late millisecond costs 20 %. A lag of 10 ms
/// is made good instead, which is 1 % of a second's requests, and lets thousands a second go in bunches of one
/// wake-up. Only a machine that wakes later than that loses some of the rate.
const CATCH_UP: Duration = Duration::from_millis(10);

/// The time whose share of the rate may wait for the disk at once: much longer than a commit takes, and so short that all
/// of them together are no burst.
const MOMENT: Duration = Duration::from_millis(250);

/// The pacer of one target; shared by `Arc`.
#[derive(Debug)]
pub struct Pacer {
    origin: Instant,
    /// `None` is unlimited, and costs one load.
    limiter: ArcSwapOption<Limiter>,
    /// Held for the moment in which a request leaves or a rate changes, never across an await.
    state: Mutex<State>,
    /// The queue: tokio's mutex is fair. Who holds it is the one that sleeps.
    turn: tokio::sync::Mutex<()>,
    /// Wakes the one that sleeps when the rate changed.
    changed: Notify,
    /// How many requests have a permit, or queue for one, and wait for their start to become durable.
    departing: Mutex<usize>,
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
}

/// Leave for one request to be sent now; goes back with the answer. Dropping it is fine when none came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the answer is reported together with it"]
pub struct Permit {
    left: Duration,
}

/// A request on its way from its permit to its departure.
#[derive(Debug)]
#[must_use = "dropped when the request leaves"]
pub struct Departing<'a> {
    pacer: &'a Pacer,
}

impl Drop for Departing<'_> {
    fn drop(&mut self) {
        *self.pacer.departing() -= 1;
        self.pacer.departed.notify_one();
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
            state: Mutex::new(State { rule, last: None }),
            turn: tokio::sync::Mutex::new(()),
            changed: Notify::new(),
            departing: Mutex::new(0),
            departed: Notify::new(),
            direct: Arc::default(),
        }
    }

    /// Waits for room among the requests whose start is on its way to the disk; taken before a permit, and dropped when the
    /// request leaves. A commit that takes long lets all that wait for it go at once: so that those are never more than the
    /// rate's share of a moment, however slow the disk is.
    pub async fn depart(&self) -> Departing<'_> {
        loop {
            let departed = self.departed.notified();
            tokio::pin!(departed);
            departed.as_mut().enable();
            {
                let mut departing = self.departing();
                if *departing < self.room() {
                    *departing += 1;
                    if *departing < self.room() {
                        // A faster rate makes room for several.
                        self.departed.notify_one();
                    }
                    return Departing { pacer: self };
                }
            }
            departed.await;
        }
    }

    fn room(&self) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate is positive, and casts saturate"
        )]
        self.rate().map_or(usize::MAX, |rate| ((rate * MOMENT.as_secs_f64()) as usize).max(1))
    }

    fn departing(&self) -> MutexGuard<'_, usize> {
        self.departing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no other row of the target reads and asks in direct succession.
    pub async fn direct(&self) -> tokio::sync::OwnedMutexGuard<()> {
        Arc::clone(&self.direct).lock_owned().await
    }

    /// Waits until one request may leave. First come, first served; cancelling a wait costs nobody anything.
    pub async fn acquire(&self) -> Permit {
        if self.limiter.load().is_none() {
            return Permit { left: self.origin.elapsed() };
        }
        let _turn = self.turn.lock().await;
        loop {
            match self.leave() {
                Ok(permit) => return permit,
                Err(due) => tokio::select! {
                    () = tokio::time::sleep_until(self.origin + due) => {}
                    () = self.changed.notified() => {}
                },
            }
        }
    }

    /// Takes note of the answer to the request that left with `permit`: throttled, or else admitted. A request that
    /// was never answered is not reported.
    pub fn report(&self, permit: Permit, throttled: bool) -> Option<RateChange> {
        let mut state = self.state();
        let now = self.origin.elapsed();
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
        self.limiter.store(limiter);
        self.changed.notify_one();
        Some(change)
    }

    /// The rate now, in requests per second; `None` is unlimited.
    pub fn rate(&self) -> Option<f64> {
        self.limiter.load().as_ref().map(|limiter| limiter.rate)
    }

    /// What the next session should start from, in requests per second.
    pub fn learned(&self) -> Option<Learned> {
        self.state().rule.learned()
    }

    /// Leaves now, or says when to ask again.
    fn leave(&self) -> Result<Permit, Duration> {
        let mut state = self.state();
        let now = self.origin.elapsed();
        if let Some(limiter) = self.limiter.load().as_deref() {
            let behind = now.saturating_sub(CATCH_UP);
            let scheduled = match limiter.leave_at(behind) {
                Ok(()) => behind,
                Err(due) if due <= now => limiter.leave_at(due).map(|()| due)?,
                Err(due) => return Err(due),
            };
            state.last = Some(scheduled);
        }
        Ok(Permit { left: now })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here is half done when something panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One rate, kept by governor on the time that its clock is set to.
#[derive(Debug)]
struct Limiter {
    rate: f64,
    clock: Schedule,
    governor: governor::RateLimiter<NotKeyed, InMemoryState, Schedule, NoOpMiddleware<Duration>>,
}

impl Limiter {
    /// A limiter of `rate` per second whose time starts at `start`.
    fn new(rate: f64, start: Duration) -> Self {
        let clock = Schedule::default();
        clock.set(start);
        let burst = NonZeroU32::MIN;
        let quota = Quota::with_period(period(rate)).unwrap_or(Quota::per_second(NonZeroU32::MAX)).allow_burst(burst);
        Self { rate, governor: governor::RateLimiter::direct_with_clock(quota, clock.clone()), clock }
    }

    /// Lets one request pass at `at`, or says when it would.
    fn leave_at(&self, at: Duration) -> Result<(), Duration> {
        self.clock.set(at);
        self.governor.check().map_err(|not_until| at + not_until.wait_time_from(at))
    }
}

/// The time between two requests at `rate` per second.
fn period(rate: f64) -> Duration {
    Duration::from_secs_f64(1.0 / rate)
}

/// Governor's clock, in nanoseconds since the pacer's origin. It shows the *schedule*, which is tokio's time or up to
/// [`CATCH_UP`] behind it; the pacer's state lock keeps two from setting it at once.
#[derive(Debug, Clone, Default)]
struct Schedule(Arc<AtomicU64>);

impl Schedule {
    fn set(&self, at: Duration) {
        self.0.store(u64::try_from(at.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Clock for Schedule {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capped(rate: f64) -> Arc<Pacer> {
        // Learned well above the cap, so that it starts at the cap.
        Arc::new(Pacer::new(RateCap::PerSecond(rate), Some(Learned::limit(10.0 * rate))))
    }

    /// The departures of `count` requests asked for by `tasks` at once.
    async fn departures(pacer: &Arc<Pacer>, count: usize, tasks: usize) -> Vec<Duration> {
        let mut set = tokio::task::JoinSet::new();
        for _ in 0..tasks {
            let (pacer, share) = (Arc::clone(pacer), count / tasks);
            set.spawn(async move {
                let mut left = Vec::new();
                for _ in 0..share {
                    left.push(pacer.acquire().await.left);
                }
                left
            });
        }
        let mut left: Vec<_> = set.join_all().await.into_iter().flatten().collect();
        left.sort();
        left
    }

    #[tokio::test(start_paused = true)]
    async fn keeps_the_rate_within_one_percent_and_never_bursts() {
        for (rate, count) in
            [(0.1, 20), (0.5, 20), (1.0, 40), (3.0, 300), (5.0, 500), (30.0, 900), (200.0, 4000), (3000.0, 30_000)]
        {
            let left = departures(&capped(rate), count, 10).await;
            let achieved = (count - 1) as f64 / (left[count - 1] - left[0]).as_secs_f64();
            assert!((achieved / rate - 1.0).abs() < 0.01, "{achieved}/s instead of {rate}/s");
            for (i, from) in left.iter().enumerate() {
                let window = left[i..].iter().take_while(|at| **at < *from + Duration::from_secs(1)).count();
                let slack = if rate <= 100.0 { 0.0 } else { rate * 0.01 };
                assert!(window as f64 <= rate.ceil() + 1.0 + slack, "{window} in a second at {rate}/s");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn idle_time_is_not_saved_up_and_late_departures_are_made_good() {
        let pacer = capped(5.0);
        let _ = pacer.acquire().await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let left = departures(&pacer, 3, 1).await;
        assert!(left[1] - left[0] >= Duration::from_millis(190) && left[2] - left[1] >= Duration::from_millis(199));

        let pacer = capped(200.0);
        let mut random = fastrand::Rng::with_seed(1);
        let first = pacer.acquire().await.left;
        for _ in 0..400 {
            let _ = pacer.acquire().await;
            // Something else holds the machine for most of a period, or longer.
            tokio::time::advance(Duration::from_micros(random.u64(0..7000))).await;
        }
        let took = (pacer.acquire().await.left - first).as_secs_f64();
        assert!((took / 2.005 - 1.0).abs() < 0.01, "{took} s instead of 2.005 s");
    }

    #[tokio::test(start_paused = true)]
    async fn first_come_first_served_and_cancelling_costs_nothing() {
        let pacer = capped(10.0);
        let _ = pacer.acquire().await;
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let mut tasks = Vec::new();
        for number in 0..64 {
            let (pacer, sender) = (Arc::clone(&pacer), sender.clone());
            tasks.push(tokio::spawn(async move {
                let permit = pacer.acquire().await;
                sender.send((number, permit.left)).unwrap();
            }));
            tokio::task::yield_now().await;
        }
        // The one that sleeps, and some that queue.
        for number in [0, 1, 2, 30, 63] {
            tasks[number].abort();
        }
        drop(sender);
        let mut seen = Vec::new();
        while let Some(one) = receiver.recv().await {
            seen.push(one);
        }
        let numbers: Vec<_> = seen.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (0..64).filter(|n| ![0, 1, 2, 30, 63].contains(n)).collect::<Vec<_>>());
        assert!(seen[0].1 <= Duration::from_millis(101), "{:?}", seen[0].1);
        assert!(seen[58].1 <= Duration::from_millis(5902), "{:?}", seen[58].1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sleeper_notices_a_faster_and_a_slower_rate() {
        // Slower: the one that sleeps until its turn at 2/s stays for the pause as well.
        let pacer = Arc::new(Pacer::new(RateCap::None, None));
        let first = pacer.acquire().await;
        let second = pacer.acquire().await;
        let third = pacer.acquire().await;
        assert_eq!(pacer.report(first, false), None);
        let waiting = tokio::spawn({
            let pacer = Arc::clone(&pacer);
            async move { pacer.acquire().await.left }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        let slower = pacer.report(second, true).unwrap();
        let now = pacer.origin.elapsed();
        assert_eq!(pacer.report(third, true), None);
        assert_eq!(pacer.rate(), slower.to);
        let left = waiting.await.unwrap();
        assert!(left >= now + slower.pause && left <= now + slower.pause + Duration::from_millis(2), "{left:?}");

        // Faster: two answers in half a second double the rate.
        let pacer = Pacer::new(RateCap::None, None);
        let permits = [pacer.acquire().await, pacer.acquire().await];
        for _ in 0..4 {
            let _ = pacer.report(permits[0], false);
            tokio::time::sleep(Duration::from_millis(240)).await;
        }
        assert!(pacer.rate().is_some_and(|rate| rate > 3.9));
        let left = pacer.acquire().await.left;
        let next = pacer.acquire().await.left;
        assert!(next - left <= Duration::from_millis(252), "{:?}", next - left);
    }

    // SEMANTICS: P22
    #[tokio::test(start_paused = true)]
    async fn unlimited_waits_for_nothing() {
        let pacer = Pacer::new(RateCap::Unlimited, None);
        for round in 0..10_000 {
            let permit = pacer.acquire().await;
            assert_eq!(permit.left, Duration::ZERO);
            assert_eq!(pacer.report(permit, round % 3 == 0), None);
        }
        assert_eq!(pacer.rate(), None);
    }

    /// A commit lets all that wait for it go at once: those are never so many that the rate is exceeded.
    // SEMANTICS: P22
    #[tokio::test(start_paused = true)]
    async fn a_slow_disk_does_not_gather_requests_to_a_burst() {
        for (rate, most_in_a_second) in [(4.0, 5), (20.0, 25)] {
            let pacer = capped(rate);
            let mut set = tokio::task::JoinSet::new();
            for _ in 0..32 {
                let pacer = Arc::clone(&pacer);
                set.spawn(async move {
                    let mut left = Vec::new();
                    for _ in 0..10 {
                        let departing = pacer.depart().await;
                        let _ = pacer.acquire().await;
                        // All that are on their way become durable at the same moment.
                        let commit = Duration::from_millis(2_200);
                        let into = pacer.origin.elapsed().as_nanos() % commit.as_nanos();
                        tokio::time::sleep(commit - Duration::from_nanos(into as u64)).await;
                        drop(departing);
                        left.push(pacer.origin.elapsed());
                    }
                    left
                });
            }
            let mut left: Vec<_> = set.join_all().await.into_iter().flatten().collect();
            left.sort();
            for (i, from) in left.iter().enumerate() {
                let window = left[i..].iter().take_while(|at| **at < *from + Duration::from_secs(1)).count();
                assert!(window <= most_in_a_second, "{window} in a second at {rate}/s");
            }
        }
    }

    /// Room that a faster rate makes is taken by those that wait.
    #[tokio::test(start_paused = true)]
    async fn a_faster_rate_lets_more_wait_for_the_disk() {
        let pacer = capped(200.0);
        let began = Instant::now();
        let mut set = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let pacer = Arc::clone(&pacer);
            set.spawn(async move {
                let _departing = pacer.depart().await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            });
        }
        set.join_all().await;
        assert_eq!(began.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn targets_are_independent() {
        let pacers: Vec<_> = (0..3).map(|_| Pacer::new(RateCap::PerSecond(5.0), None)).collect();
        for _ in 0..3 {
            let permit = pacers[0].acquire().await;
            let _ = pacers[0].report(permit, true);
        }
        assert!(pacers[0].rate() < Some(5.0));
        assert_eq!((pacers[1].rate(), pacers[2].rate()), (Some(5.0), Some(5.0)));
    }

    /// The whole of it, rule and schedule, against a bucket of 4 that gains 5 per second.
    #[tokio::test(start_paused = true)]
    async fn an_unknown_limit_is_found_and_kept() {
        let pacer = Arc::new(Pacer::new(RateCap::None, None));
        let bucket = Arc::new(Mutex::new((4.0_f64, Instant::now())));
        let left_over = Arc::new(AtomicU64::new(500));
        let throttles = Arc::new(AtomicU64::new(0));
        let started = Instant::now();
        let mut set = tokio::task::JoinSet::new();
        for seed in 0..8 {
            let (pacer, bucket) = (Arc::clone(&pacer), Arc::clone(&bucket));
            let (left_over, throttles) = (Arc::clone(&left_over), Arc::clone(&throttles));
            set.spawn(async move {
                let mut random = fastrand::Rng::with_seed(seed);
                let take = |n: u64| n.checked_sub(1);
                while left_over.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
                    let permit = pacer.acquire().await;
                    tokio::time::sleep(Duration::from_millis(random.u64(10..50))).await;
                    let admitted = {
                        let (tokens, since) = &mut *bucket.lock().unwrap();
                        *tokens = (*tokens + 5.0 * since.elapsed().as_secs_f64()).min(4.0);
                        *since = Instant::now();
                        let admitted = *tokens >= 1.0;
                        *tokens -= if admitted { 1.0 } else { 0.0 };
                        admitted
                    };
                    tokio::time::sleep(Duration::from_millis(random.u64(10..50))).await;
                    let _ = pacer.report(permit, !admitted);
                    if !admitted {
                        left_over.fetch_add(1, Ordering::Relaxed);
                        throttles.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        set.join_all().await;
        let (ratio, throttles) = (started.elapsed().as_secs_f64() / 99.2, throttles.load(Ordering::Relaxed));
        assert!(ratio <= 1.05 && throttles <= 10, "{ratio} of the ideal time, {throttles} throttles");
        assert!(
            pacer.learned().is_some_and(|learned| (learned.rate_per_s / 5.0 - 1.0).abs() < 0.1),
            "{:?}",
            pacer.learned()
        );
    }
}
