//! What runners that share a run record of which of its rows are whose.

use serde::{Deserialize, Serialize};

use super::stop_reason::StopReason;
use crate::domain::{Class, Exchange, Failure, Shown};
use crate::record::event::TargetStopped;

/// A runner took rows of its run for itself, until it ends its leases or they lapse. Nobody else asks for them meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseTaken {
    /// The account of the target that they are of.
    pub account: String,
    /// Its region.
    pub region: String,
    /// First and last row of each stretch, ascending.
    pub rows: Vec<(u64, u64)>,
    /// How long it lasts, in milliseconds, unless it is renewed: on the clock of the journal's database, from before it was asked
    /// for.
    pub lasts_ms: u64,
    /// How far that clock is ahead of the runner's, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew_ms: Option<i64>,
}

/// A runner's leases ended, all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseEnded {
    /// The number of the session whose leases ended: the one that writes this, or another one whose leases had lapsed by the clock of the
    /// journal's database. That one writes nothing more but [`AnswerLate`].
    pub of: u64,
    /// Why.
    pub why: LeaseEnd,
    /// What stopped the runner, if it left before the run's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<StopReason>,
    /// For people: one sentence on that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The targets that stopped alone for this runner.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetStopped>,
}

/// Why leases ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaseEnd {
    /// Their runner left.
    Left,
    /// It did not renew them in time.
    Lapsed,
}

/// What came back for a request after the leases of its runner had ended. Evidence for people, never an outcome by itself: whoever has the
/// row now decides it by what they see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerLate {
    /// As in `attempt_started`.
    pub attempt: u32,
    /// What it means.
    pub class: Class,
    /// What was on the wire.
    #[serde(flatten)]
    pub exchange: Exchange,
    /// The operation that it showed.
    #[serde(flatten)]
    pub shown: Shown,
    /// Why it has no usable answer.
    #[serde(flatten)]
    pub failure: Failure,
}
