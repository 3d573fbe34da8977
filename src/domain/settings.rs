//! The settings of a run that shape what happens to its rows. They are part of the run: recorded when it starts and
//! used by every later session of it, unless that session names another value.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How rows are worked off. Times are whole milliseconds in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// How many attempts a row may use up, counted across sessions. Throttled ones do not count.
    pub max_attempts: u32,
    /// How long one attempt may take.
    #[serde(rename = "attempt_timeout_ms", with = "millis")]
    pub attempt_timeout: Duration,
    /// How long looking may take before a row is in doubt.
    #[serde(rename = "settle_timeout_ms", with = "millis")]
    pub settle_timeout: Duration,
    /// How long an operation that is not terminal is polled.
    #[serde(rename = "operation_timeout_ms", with = "millis")]
    pub operation_timeout: Duration,
    /// How old an observation may be when a request rests on it.
    #[serde(rename = "max_observation_age_ms", with = "millis")]
    pub max_observation_age: Duration,
    /// How long the service accepts a signature: for so long it may still be handed a request of which nothing came back.
    /// Zero where the service is on this machine.
    #[serde(rename = "signature_life_ms", with = "millis")]
    pub signature_life: Duration,
    /// How many deletes may be in flight at once, over all targets.
    pub concurrency: u32,
    /// The operator's cap on requests per second and target: `5/s`, `30/m`, `unlimited`; none learns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<String>,
}

/// How long Signature Version 4 is accepted in general after the time that it names.
const SIGNATURE_LIFE: Duration = Duration::from_secs(300);

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            attempt_timeout: AttemptTime::DEFAULT.timeout,
            settle_timeout: Duration::from_secs(120),
            operation_timeout: Duration::from_secs(300),
            max_observation_age: Duration::from_secs(15 * 60),
            signature_life: SIGNATURE_LIFE,
            concurrency: 8,
            rate: None,
        }
    }
}

impl Settings {
    /// The time that an attempt under these settings has.
    #[must_use]
    pub fn attempt_time(&self) -> AttemptTime {
        AttemptTime { timeout: self.attempt_timeout }
    }
}

/// The time that one attempt has. It is recorded with the attempt, because a later session may give its own another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptTime {
    /// How long its answer is waited for.
    pub timeout: Duration,
}

impl AttemptTime {
    /// That of an attempt where nothing else is said.
    pub const DEFAULT: Self = Self { timeout: Duration::from_secs(15) };

    /// For what is still on its way when an attempt is given up: a fifth of the timeout, between 100 ms and 5 s.
    #[must_use]
    pub fn grace(&self) -> Duration {
        (self.timeout / 5).clamp(Duration::from_millis(100), Duration::from_secs(5))
    }

    /// How long after its request left an attempt is surely dead: its timeout and the grace.
    #[must_use]
    pub fn dead_after(&self) -> Duration {
        self.timeout.saturating_add(self.grace())
    }

    /// How long the start of an attempt may take to become durable: later than that its request does not leave any more.
    /// A grace, and at least a second: busy disks take that long now and then.
    #[must_use]
    pub fn start_limit(&self) -> Duration {
        self.grace().max(Duration::from_secs(1))
    }

    /// How long after its start was written an attempt is surely dead of which nothing else is known.
    #[must_use]
    pub fn dead_after_start(&self) -> Duration {
        self.start_limit().saturating_add(self.dead_after())
    }
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}
