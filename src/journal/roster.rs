//! What runners that share a run ask of the journal: which rows are whose, and when whose requests may leave.
//!
//! Rows are claimed for a session by leases that all last equally long and lapse together if it does not renew them. All of this runs on the
//! clock of the journal's database; a runner's own clock only says how much of that is surely left.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::JournalError;
use crate::domain::Target;

/// What the runners of a run share beside its entries, as one of them sees it.
pub trait Roster: Send + Sync + 'static {
    /// Claims up to `most` rows of a target that have no outcome and are nobody's, or whose runner's leases have lapsed, for the session with
    /// this number; ascending. Whoever lost rows so is fenced off before this returns: what that runner has written of them can be read,
    /// and nothing is added but late answers.
    ///
    /// # Errors
    /// [`JournalError::FencedOff`] if the leases of this runner lapsed and others took rows of it.
    fn claim(&self, of: Claiming) -> BoxFuture<'_, Result<Claim, JournalError>>;

    /// Reserves times at which requests to targets may leave, so that those of all runners together keep to one rate. In the order of
    /// what is wanted.
    ///
    /// # Errors
    /// As [`Roster::claim`].
    fn reserve(&self, wanted: Vec<Want>) -> BoxFuture<'_, Result<Vec<Slots>, JournalError>>;

    /// Whether this runner is the one that ends the run: no row of it is without an outcome, and no other runner ends it. Asked once, when
    /// it has nothing more to do.
    ///
    /// # Errors
    /// As [`Roster::claim`].
    fn may_finish(&self, run_no: i64) -> BoxFuture<'_, Result<bool, JournalError>>;

    /// How long the leases of this runner last from now on at least: counted from before they were asked for, also while the machine is
    /// suspended.
    fn left(&self) -> Duration;

    /// How long a lease lasts that is not renewed.
    fn lasts(&self) -> Duration;

    /// How far the clock of the journal's database is ahead of this machine's, in milliseconds, where that is known.
    fn skew_ms(&self) -> Option<i64>;
}

/// For whom rows are claimed, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claiming {
    /// The number of the run, as the journal numbers it.
    pub run_no: i64,
    /// The number of the target.
    pub target_no: i64,
    /// The number of the session's first entry.
    pub session: u64,
    /// How many rows at most.
    pub most: u32,
}

/// Rows that a runner has now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// Their numbers, ascending.
    pub rows: Vec<u64>,
    /// The numbers of the sessions of the run whose leases have lapsed, also of those that somebody has named before.
    pub lapsed: Vec<u64>,
    /// How many rows of the target have no outcome and are other runners'.
    pub others: u64,
}

/// How many requests a runner wants to send to a target soon.
#[derive(Debug, Clone, PartialEq)]
pub struct Want {
    /// The service's address, as the run is bound to it.
    pub endpoint: String,
    /// The target.
    pub target: Target,
    /// How many requests.
    pub count: u32,
    /// The rate that this runner believes permitted, in requests per second.
    pub per_s: f64,
    /// Of which version of the common rate that is a change or a copy; 0 before it knows any.
    pub version: u64,
}

/// When a runner's requests to a target may leave: `count` of them, the first one `after` that time, the others `every` apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slots {
    /// How many.
    pub count: u32,
    /// From now to the first one.
    pub after: Duration,
    /// From one to the next.
    pub every: Duration,
    /// The rate that all runners keep to together, in requests per second.
    pub per_s: f64,
    /// Its version: it changes with each runner that learns another rate.
    pub version: u64,
}
