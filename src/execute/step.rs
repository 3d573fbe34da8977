//! What a decision is made from beside the row, and what it says: the next step.

use jiff::Timestamp;

use crate::domain::{Evidence, Outcome};
use crate::record::TargetStopReason;

/// What a row cannot know by itself: the time, and what the answers to other rows show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Situation {
    /// The time.
    pub now: Timestamp,
    /// How to understand the row's last answer if it was a denial or a refusal for everyone.
    pub denial: Denial,
    /// When this session last got a usable answer from the target; a throttle does not count.
    pub answered_at: Option<Timestamp>,
    /// When this session last read a key pair of the target.
    pub read_at: Option<Timestamp>,
}

/// Whether "access denied", or a refusal of everyone, is about one key pair or about everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// Too few answers so far to decide.
    Unknown,
    /// Other key pairs of the target are not denied, or there are no others to deny; others were served after the refusal.
    ThisItem,
    /// The first rows of the target were all denied; no other row was served since the refusal.
    Everything,
}

/// The next step for a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing is left to do.
    Done,
    /// Ask to delete it, after a pause of this level.
    Send {
        /// Level of the waiting period before it; 0 means that it is sent at once.
        level: u32,
    },
    /// Read the key pair.
    Read {
        /// Level of the waiting period before it; 0 means that it is sent at once.
        level: u32,
    },
    /// Look through the operation history for an operation of ours.
    Search {
        /// Level of the waiting period before it; 0 means that it is sent at once.
        level: u32,
    },
    /// Ask for the state of the last attempt's operation.
    Poll {
        /// Level of the waiting period before it; 0 means that it is sent at once.
        level: u32,
    },
    /// Wait until this time.
    WaitUntil(Timestamp),
    /// Send nothing before this time, and let other rows continue meanwhile: a request without any answer may be
    /// delivered until then.
    WaitOut(Timestamp),
    /// Wait for what the neighbours show.
    Hold,
    /// The row has reached its outcome.
    Settle(Outcome, Evidence),
    /// The target must stop; the row stays as it is.
    Stop(StopCause),
}

/// Why a target stops alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StopCause {
    /// Credentials, clock or sign-up: refused for everyone.
    RefusedForAll,
    /// The first rows were all denied.
    AllDenied,
    /// No connection could be made, as often as a row may be attempted, or as long as it may take to settle.
    EndpointGone,
    /// The target refused everything for [`REFUSAL_BUDGET`](super::decide::REFUSAL_BUDGET).
    ThrottledForLong,
    /// No request could leave for [`REFUSAL_BUDGET`](super::decide::REFUSAL_BUDGET): each time its start became durable too late.
    NothingLeaves,
    /// Key pairs may not be read, so nothing can be settled.
    CannotRead,
    /// No request gets a usable answer, not even a reading.
    NothingReadable,
    /// Its rows end in doubt one after the other. No row shows that: [`Control`](super::control::Control) counts.
    Doubtful,
}

impl From<StopCause> for TargetStopReason {
    fn from(cause: StopCause) -> Self {
        match cause {
            StopCause::RefusedForAll => Self::RefusedForAll,
            StopCause::AllDenied => Self::AllDenied,
            StopCause::EndpointGone => Self::EndpointGone,
            StopCause::ThrottledForLong => Self::ThrottledForLong,
            StopCause::NothingLeaves => Self::NothingLeaves,
            StopCause::CannotRead => Self::CannotRead,
            StopCause::NothingReadable => Self::NothingReadable,
            StopCause::Doubtful => Self::Doubtful,
        }
    }
}
