//! How far a session at work is: what `keybatch control` shows.

use serde::{Deserialize, Serialize};

use crate::domain::OutcomeCounts;
use crate::record::event::Requests;

/// How far a session at work is. Fields are only ever added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// `keybatch.control/1`.
    pub schema: String,
    /// The run's id.
    pub run: String,
    /// What the session does.
    pub state: Bearing,
    /// Since when it is paused (RFC 3339).
    pub since: Option<String>,
    /// Why it stops, for people.
    pub stopped_by: Option<String>,
    /// Whether it is a rehearsal.
    pub sandbox: bool,
    /// Rows of the plan.
    pub rows: u64,
    /// How many of them have which outcome.
    pub outcomes: OutcomeCounts,
    /// Deletions that have begun and are not recorded as answered.
    pub in_flight: u64,
    /// The targets that the session works on.
    pub targets: Vec<TargetStatus>,
    /// The process; one of them, where several share the run.
    pub session: SessionStatus,
    /// The processes, where several share the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<SessionStatus>,
}

impl Status {
    /// The name of its form.
    pub const SCHEMA: &str = "keybatch.control/1";
}

/// What a session at work does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bearing {
    /// It requests deletions.
    Running,
    /// It requests none until it is told to.
    Paused,
    /// It settles what is in flight, and ends.
    Stopping,
}

impl Bearing {
    /// The word of the object.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopping => "stopping",
        }
    }
}

/// What a session sends to one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetStatus {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// Requests per second, over the last ten seconds; reads too.
    pub rate_per_s: f64,
    /// Requests per second that the session permits itself now; `None` is unlimited.
    pub permitted_per_s: Option<f64>,
    /// The most that it may permit itself now, by its order, a policy and what it was told; `None` is no limit.
    pub cap_per_s: Option<f64>,
    /// Requests per second that the session has learned that the target permits; `None` where it has learned nothing yet.
    pub learned_per_s: Option<f64>,
    /// Why it stopped alone, if it did, for people.
    pub stopped: Option<String>,
}

/// The process that works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionStatus {
    /// Who started it: user and machine.
    pub operator: String,
    /// Its process id.
    pub pid: u32,
    /// When it started (RFC 3339).
    pub started_at: String,
    /// How long ago that is.
    pub seconds: f64,
    /// What it has sent.
    pub requests: Requests,
    /// Its journal.
    pub journal: String,
}
