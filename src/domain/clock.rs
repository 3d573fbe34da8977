//! Time as an input, and the one text form in which times are stored: RFC 3339, UTC, microseconds.

use jiff::{SignedDuration, Timestamp};

/// Where the current time comes from. The binary uses [`SystemClock`]; tests and simulations bring their own.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The wall-clock time now. It may jump in either direction.
    fn now(&self) -> Timestamp;
}

/// The clock of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
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

/// `at` cut to whole microseconds, so that what is in memory equals what is in the journal.
#[must_use]
pub fn micros(at: Timestamp) -> Timestamp {
    let below = at.subsec_nanosecond() % 1_000;
    at.checked_sub(SignedDuration::from_nanos(i64::from(below))).unwrap_or(at)
}
