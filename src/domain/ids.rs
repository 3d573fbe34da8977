//! Identifiers as types of their own.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The id of a run: a UUID of version 7, so that runs sort by the time at which they began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub Uuid);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.hyphenated())
    }
}

impl RunId {
    /// Reads an id in the only form that keybatch writes: lower case, with hyphens.
    #[must_use]
    pub fn written(text: &str) -> Option<Self> {
        let run: Self = text.parse().ok()?;
        let mut written = Uuid::encode_buffer();
        (run.0.hyphenated().encode_lower(&mut written) == text).then_some(run)
    }
}

/// A text that is not a run id.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is not a run id")]
pub struct RunIdError {
    text: String,
}

impl FromStr for RunId {
    type Err = RunIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self).map_err(|_| RunIdError { text: text.chars().take(64).collect() })
    }
}

/// An (account, region) pair: what a rate limit, an inventory and a limiter belong to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// The twelve digits of the account.
    pub account: String,
    /// The region's code, e.g. `eu-central-1`.
    pub region: String,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.region)
    }
}
