//! Why a session or a target stops, and the limits at which it does.

use super::step::StopCause;
use crate::record::StopReason;

/// When to stop. Each limit applies to the session that sets it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// How many key pairs this session may ask to delete.
    pub max_deletes: Option<u64>,
    /// How many rows may fail or be in doubt before the session stops.
    pub max_failures: Option<u64>,
    /// How many key pairs of each target it may ask to delete, before it reads them back and stops for a look.
    pub canary: Option<u64>,
}

/// Why a session stops before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// The word of the summary's `stopped_by`.
    pub by: StoppedBy,
    /// For people: what happened, and what to do.
    pub detail: String,
}

/// Why a target stops alone: no request succeeds there, while other targets may continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetStop {
    /// What was seen.
    pub cause: StopCause,
    /// For people: what happened.
    pub detail: String,
    /// The names of the error that the service gave, if it gave one.
    pub names: Vec<String>,
}

/// The summary's `stopped_by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the contract's own words")]
pub enum StoppedBy {
    Signal,
    MaxFailures,
    MaxDeletes,
    MaxDuration,
    Breaker,
    Canary,
    Control,
    Journal,
}

impl From<StoppedBy> for StopReason {
    fn from(by: StoppedBy) -> Self {
        match by {
            StoppedBy::Signal => Self::Signal,
            StoppedBy::MaxFailures => Self::MaxFailures,
            StoppedBy::MaxDeletes => Self::MaxDeletes,
            StoppedBy::MaxDuration => Self::MaxDuration,
            StoppedBy::Breaker => Self::Breaker,
            StoppedBy::Canary => Self::Canary,
            StoppedBy::Control => Self::Control,
            StoppedBy::Journal => Self::Journal,
        }
    }
}
