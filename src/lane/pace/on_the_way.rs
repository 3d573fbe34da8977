//! How many requests of a target are on their way from the queue to their departure.

use std::time::Duration;

/// The time whose share of the rate may wait for the disk at once: much longer than a commit takes, and so short that all
/// of them together are no burst.
pub(super) const MOMENT: Duration = Duration::from_millis(250);

/// The requests whose starts become durable before they leave.
#[derive(Debug, Default)]
pub(super) struct OnTheWay {
    /// Those that have a permit or queue for one.
    pub(super) all: usize,
    /// Those that have one.
    pub(super) permitted: usize,
}
