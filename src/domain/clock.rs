//! Time as an input, and the one text form in which times are stored: RFC 3339, UTC, microseconds.

use jiff::{SignedDuration, Timestamp};

/// Where the current time comes from. The binary uses [`SystemClock`]; tests and simulations bring their own.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The current wall-clock time. It may jump in either direction.
    fn now(&self) -> Timestamp;
}

/// The clock of this machine: its wall clock at the time of creation, plus the time that has passed since, including time
/// asleep. Setting the wall clock during a session neither lengthens nor shortens any wait.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    base: Timestamp,
    origin: SignedDuration,
}

impl SystemClock {
    /// Starts from the wall clock's time.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clock")]
    pub fn start() -> Self {
        Self { base: Timestamp::now(), origin: since_boot() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        self.base.saturating_add(since_boot() - self.origin).unwrap_or(Timestamp::MAX)
    }
}

fn since_boot() -> SignedDuration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    SignedDuration::new(time.tv_sec, i32::try_from(time.tv_nsec).unwrap_or(0))
}

/// `at` as RFC 3339 in UTC with six digits of a second, e.g. `2026-11-24T03:22:46.000001Z`.
#[must_use]
pub fn time_text(at: Timestamp) -> String {
    format!("{at:.6}")
}

/// Reads what [`time_text`] wrote, or any other RFC 3339 time.
#[must_use]
pub fn parse_time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// `at` truncated to whole microseconds, so that memory and journal agree.
#[must_use]
pub fn micros(at: Timestamp) -> Timestamp {
    let below = at.subsec_nanosecond() % 1_000;
    at.checked_sub(SignedDuration::from_nanos(i64::from(below))).unwrap_or(at)
}
