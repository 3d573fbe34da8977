//! The settings of a run that shape what happens to its rows. They are part of the run: recorded when it starts and
//! used by every later session of it, unless that session names another value.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How rows are processed. Times are whole milliseconds in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The maximum number of attempts per row, counted across sessions. Throttled ones do not count.
    pub max_attempts: u32,
    /// How long one attempt may take.
    #[serde(rename = "attempt_timeout_ms", with = "millis")]
    pub attempt_timeout: Duration,
    /// How long settling may take before a row is in doubt.
    #[serde(rename = "settle_timeout_ms", with = "millis")]
    pub settle_timeout: Duration,
    /// How long an operation that is not terminal is polled.
    #[serde(rename = "operation_timeout_ms", with = "millis")]
    pub operation_timeout: Duration,
    /// How old an observation may be when a request rests on it.
    #[serde(rename = "max_observation_age_ms", with = "millis")]
    pub max_observation_age: Duration,
    /// How long the service accepts a signature. A request that got no answer may still be delivered to it until then.
    /// Zero if the service is on this machine.
    #[serde(rename = "signature_life_ms", with = "millis")]
    pub signature_life: Duration,
    /// How many deletes may be in flight at once, over all targets.
    pub concurrency: u32,
    /// The operator's cap on requests per second and target: `5/s`, `30/m`, `unlimited`; if absent, the rate is learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<String>,
}

/// How long services in general accept a Signature Version 4 after the time that it names.
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
    /// The time limits of an attempt under these settings.
    #[must_use]
    pub fn attempt_time(&self) -> AttemptTime {
        AttemptTime { timeout: self.attempt_timeout }
    }
}

/// The time limits of one attempt. They belong to the session that sends it: a later session may have others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptTime {
    /// How long keybatch waits for the answer.
    pub timeout: Duration,
}

impl AttemptTime {
    /// The default timeout of an attempt.
    pub const DEFAULT: Self = Self { timeout: Duration::from_secs(15) };

    /// A grace period for what is still under way when an attempt is given up: a fifth of the timeout, between 100 ms and
    /// 5 s.
    #[must_use]
    pub fn grace(&self) -> Duration {
        (self.timeout / 5).clamp(Duration::from_millis(100), Duration::from_secs(5))
    }

    /// How long after its request was sent an attempt is certainly over: its timeout and the grace period.
    #[must_use]
    pub fn dead_after(&self) -> Duration {
        self.timeout.saturating_add(self.grace())
    }

    /// How long an attempt's start may take to become durable; after that, its request is not sent. The grace period, but at
    /// least a second, because busy disks occasionally take that long.
    #[must_use]
    pub fn start_limit(&self) -> Duration {
        self.grace().max(Duration::from_secs(1))
    }

    /// How long after its recorded start an attempt is certainly over if nothing else is known of it.
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
