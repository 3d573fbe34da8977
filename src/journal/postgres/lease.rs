//! How long a runner's leases surely last, by this machine's own clock.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Clock as _, SystemClock};

/// What a runner knows of its leases. They begin anew with each renewal, which the server counts from later than this does: from before it
/// was asked for, and on a clock that goes on while the machine is suspended.
#[derive(Debug)]
pub(super) struct Lease {
    lasts: Duration,
    skew: SignedDuration,
    clock: SystemClock,
    /// When they lapse; none before the first and after the last of them.
    until: Mutex<Option<Timestamp>>,
}

/// What a store needs that is not the only one.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) lease: Arc<Lease>,
    /// Whether nobody else wrote since its own last batch, as far as it knows.
    pub(super) is_alone: bool,
    /// Whether others took rows over: only late answers are taken then.
    pub(super) is_fenced: bool,
}

impl Lease {
    /// Of a runner that has none yet, at a server whose clock is so far ahead.
    pub(super) fn new(lasts: Duration, skew: SignedDuration) -> Self {
        Self { lasts, skew, clock: SystemClock::start(), until: Mutex::default() }
    }

    /// The time at which a renewal is asked for, for [`Lease::renewed`].
    pub(super) fn asked(&self) -> Timestamp {
        self.clock.now()
    }

    /// They were renewed, which was asked for at that time.
    pub(super) fn renewed(&self, asked: Timestamp) {
        let until = asked.saturating_add(self.lasts).unwrap_or(asked);
        let mut known = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *known = (*known).max(Some(until));
    }

    /// They ended.
    pub(super) fn end(&self) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn left(&self) -> Duration {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until.map(|until| until.duration_since(self.clock.now()));
        left.and_then(|left| Duration::try_from(left).ok()).unwrap_or_default()
    }

    pub(super) fn lasts(&self) -> Duration {
        self.lasts
    }

    pub(super) fn skew_ms(&self) -> Option<i64> {
        i64::try_from(self.skew.as_millis()).ok()
    }
}

impl Share {
    pub(super) fn new(lease: Arc<Lease>) -> Self {
        // Others may have written since the head was read.
        Self { lease, is_alone: false, is_fenced: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_last_from_before_they_were_asked_for_and_never_less_for_an_older_answer() {
        let lease = Lease::new(Duration::from_secs(100), SignedDuration::from_millis(-7));
        assert_eq!((lease.left(), lease.skew_ms()), (Duration::ZERO, Some(-7)));
        let asked = lease.asked();
        lease.renewed(asked);
        lease.renewed(asked.saturating_sub(SignedDuration::from_secs(60)).unwrap());
        let left = lease.left();
        assert!(left <= lease.lasts() && left > Duration::from_secs(90), "{left:?}");
        lease.end();
        assert_eq!(lease.left(), Duration::ZERO);
        lease.renewed(asked.saturating_sub(SignedDuration::from_secs(101)).unwrap());
        assert_eq!(lease.left(), Duration::ZERO);
    }
}
