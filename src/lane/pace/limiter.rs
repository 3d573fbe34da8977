//! One rate, kept by governor.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::Quota;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};

/// One rate, kept by governor on the time that its clock is set to.
#[derive(Debug)]
pub(super) struct Limiter {
    pub(super) rate: f64,
    clock: Schedule,
    governor: governor::RateLimiter<NotKeyed, InMemoryState, Schedule, NoOpMiddleware<Duration>>,
}

impl Limiter {
    /// A limiter of `rate` per second whose time starts at `start`.
    pub(super) fn new(rate: f64, start: Duration) -> Self {
        let clock = Schedule::default();
        clock.set(start);
        let burst = NonZeroU32::MIN;
        let quota = Quota::with_period(period(rate)).unwrap_or(Quota::per_second(NonZeroU32::MAX)).allow_burst(burst);
        Self { rate, governor: governor::RateLimiter::direct_with_clock(quota, clock.clone()), clock }
    }

    /// Lets one request pass at `at`, or says when it would.
    pub(super) fn leave_at(&self, at: Duration) -> Result<(), Duration> {
        self.clock.set(at);
        self.governor.check().map_err(|not_until| at + not_until.wait_time_from(at))
    }
}

/// The time between two requests at `rate` per second.
pub(super) fn period(rate: f64) -> Duration {
    Duration::from_secs_f64(1.0 / rate)
}

/// Governor's clock, in nanoseconds since the pacer's origin. It shows the *schedule*, which is tokio's time or up to
/// [`CATCH_UP`](super) behind it; the pacer's state lock keeps two from setting it at once.
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
