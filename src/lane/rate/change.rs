//! What a rule says of a rate: how it changed, how it is held, and what the next session starts from.

use std::time::Duration;

/// Why a rate changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateWhy {
    /// It was used and nothing was throttled while searching.
    Doubled,
    /// It crept up to, or beyond, the measured limit.
    Increased,
    /// The service throttled.
    Throttled,
}

impl RateWhy {
    /// The stable name, as it stands in the journal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Doubled => "doubled",
            Self::Increased => "increased",
            Self::Throttled => "throttled",
        }
    }
}

/// What a session passes on to the next one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Learned {
    /// Requests per second.
    pub rate_per_s: f64,
    /// Whether the service begins to throttle there, or has only sustained it so far.
    pub is_limit: bool,
}

/// A change of the rate. Rates are in requests per second; `None` is unlimited.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateChange {
    /// The rate before.
    pub from: Option<f64>,
    /// The rate from now on.
    pub to: Option<f64>,
    /// What moved it.
    pub why: RateWhy,
    /// How long nothing is to leave, from now on.
    pub pause: Duration,
    /// Worth a journal entry: at least 10 % from the rate last announced, or a throttle that ended a search.
    pub announce: bool,
}

impl Learned {
    /// Where the service begins to throttle, in requests per second.
    #[must_use]
    pub fn limit(rate_per_s: f64) -> Self {
        Self { rate_per_s, is_limit: true }
    }
}

/// What somebody makes of the cap.
#[derive(Debug, Clone)]
pub(super) struct Hold {
    /// Beyond which nobody raises it.
    pub(super) ordered: f64,
    /// The rate before it was held below that.
    pub(super) from: Option<f64>,
}

impl Hold {
    pub(super) fn below(ordered: f64) -> Self {
        Self { ordered, from: None }
    }
}
