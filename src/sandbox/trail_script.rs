//! What goes wrong with CloudTrail's records of a world: the member `cloudtrail` of its file. Pure data.

use serde::{Deserialize, Serialize};

use super::fault::Nth;

/// What goes wrong with records.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrailScript {
    /// What happens to some records of DeleteKeyPair.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) faults: Vec<TrailFault>,
    /// Calls by somebody else, of which nothing else in the world knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) foreign: Vec<Foreign>,
    /// So many of a thousand records are lost, by the seed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) lost_per_mille: u64,
    /// So many are repeated.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) repeated_per_mille: u64,
    /// So many are delayed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) delayed_per_mille: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What happens to the records of DeleteKeyPair of this key pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrailFault {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) region: Option<String>,
    #[serde(default)]
    pub(super) nth: Nth,
    #[serde(rename = "do")]
    pub(super) kind: TrailFaultKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TrailFaultKind {
    /// It is never delivered.
    Lose,
    /// It is delivered only later.
    Delay,
    /// It is delivered twice.
    Repeat,
    /// It has neither request id nor user agent.
    Bare,
    /// It says that the call was refused.
    Refuse,
}

/// A call by somebody else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Foreign {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) region: Option<String>,
    /// At the time of this DeleteKeyPair request, from 1.
    #[serde(default = "one")]
    pub(super) at_delete: u64,
    #[serde(default)]
    pub(super) denied: bool,
}

fn one() -> u64 {
    1
}
