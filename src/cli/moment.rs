//! Points in time as people type them.

use std::time::Duration;

use jiff::Timestamp;

use super::amount::{bare_number, duration};

/// A point in time, or how long ago it was.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    At(Timestamp),
    Ago(Duration),
}

impl Moment {
    /// When it is.
    pub(super) fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.saturating_sub(ago).unwrap_or(Timestamp::MIN),
        }
    }
}

/// Reads a time, a day (its beginning in UTC), or how long ago.
pub(super) fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(Moment::At(at));
    }
    if let Ok(midnight) = format!("{text}T00:00:00Z").parse::<Timestamp>() {
        return Ok(Moment::At(midnight));
    }
    duration(text).map(Moment::Ago).map_err(|why| match bare_number(text.trim()) {
        Some(_) => why,
        None => format!(
            "{text:?} is neither a time (2026-11-29T08:00:00Z), a day (2026-11-29) nor a duration (15s, 90m, 2h, 1d)"
        ),
    })
}
