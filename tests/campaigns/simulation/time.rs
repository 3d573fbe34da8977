//! Two clocks over paused tokio time: the true one, by which the world happens, and this machine's, which may be wrong
//! by any amount and is wrong by another one after a jump. True time goes on while no session runs.

use std::sync::{Mutex, MutexGuard};

use jiff::Timestamp;
use keybatch::domain::Clock;
use tokio::time::Instant;

/// Where every life begins, in microseconds.
const BEGINNING_US: i64 = 1_790_000_000_000_000;

/// Microseconds of true time.
pub(crate) type Us = i64;

pub(crate) const MS: Us = 1_000;
pub(crate) const SECOND: Us = 1_000 * MS;

/// Both clocks.
#[derive(Debug)]
pub(crate) struct SimTime(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    /// True time when the session began, or now between two sessions.
    base: Us,
    /// How far this machine's clock is ahead.
    skew: Us,
    /// The time of the journal's last entry, which no later entry's is before.
    written: Us,
    origin: Option<Instant>,
}

impl SimTime {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Inner { base: BEGINNING_US, skew: 0, written: 0, origin: None }))
    }

    /// A session begins: from now on tokio's time counts.
    pub(crate) fn begin(&self) {
        self.inner().origin = Some(Instant::now());
    }

    /// It ends, and with it its runtime.
    pub(crate) fn end(&self) {
        let now = self.now_us();
        let mut inner = self.inner();
        (inner.base, inner.origin) = (now, None);
    }

    /// Another session goes on: it began at `base`, and then its runtime's clock showed `origin`. Or nobody does, and it is `base` now.
    pub(crate) fn switch(&self, base: Us, origin: Option<Instant>) {
        let mut inner = self.inner();
        (inner.base, inner.origin) = (base, origin);
    }

    /// True time.
    pub(crate) fn now_us(&self) -> Us {
        let inner = self.inner();
        let elapsed = inner.origin.map_or(0, |origin| origin.elapsed().as_micros());
        inner.base + Us::try_from(elapsed).unwrap()
    }

    /// Nothing runs for so long.
    pub(crate) fn pass(&self, time: Us) {
        self.inner().base += time;
    }

    /// This machine's clock is set.
    pub(crate) fn jump(&self, by: Us) {
        self.inner().skew += by;
    }

    /// The journal's last entry is of this time.
    pub(crate) fn wrote(&self, at: Timestamp) {
        self.inner().written = at.as_microsecond();
    }

    /// What this machine's clock shows, or the journal's last entry, whichever is later.
    pub(crate) fn at_least(&self) -> Timestamp {
        let written = Timestamp::from_microsecond(self.inner().written).unwrap();
        self.now().max(written)
    }

    /// Whether the times of entries are further from the service's than operations are claimed by.
    pub(crate) fn is_wrong(&self) -> bool {
        let now = self.now_us();
        let inner = self.inner();
        ((now + inner.skew).max(inner.written) - now).abs() > 200 * MS
    }

    /// What this machine's clock shows at a true time.
    pub(crate) fn shown(&self, at: Us) -> Timestamp {
        Timestamp::from_microsecond(at + self.inner().skew).unwrap()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }
}

impl Clock for SimTime {
    fn now(&self) -> Timestamp {
        self.shown(self.now_us())
    }
}

/// A true time as the service writes it.
pub(crate) fn service_time(at: Us) -> Timestamp {
    Timestamp::from_microsecond(at).unwrap()
}
