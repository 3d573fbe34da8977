//! What an account of a world holds: key pairs, instances, a permitted rate, and who may act in it.
//!
//! Pure data, with no check of its own: `check` judges all of a world at once.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::fault::History;

/// The name of the key pair that every region of Lightsail has.
pub(super) const DEFAULT_KEY_PAIR: &str = "LightsailDefaultKeyPair";

/// One account of several. The account of zeros has the fields of the same names at the top of the world file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountSpec {
    /// Those who act in it, by access key id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) access_keys: BTreeMap<String, AccessKey>,
    /// What AssumeRole makes of those who may, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) roles: BTreeMap<String, Role>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) key_pairs: BTreeMap<String, Vec<KeyPairSpec>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) generate: Vec<Generate>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) instances: Vec<InstanceSpec>,
    /// Instead of the world's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) throttle: Option<Throttle>,
}

/// An access key, and how long it is valid.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessKey {
    /// The name of the IAM user that it belongs to; without one, the caller is the rehearsal's role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<String>,
    /// How long after its first use its requests are refused as expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_after_ms: Option<u64>,
    /// After how many of its deletions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_after_deletes: Option<u64>,
}

/// A role, and how long its sessions are valid at most.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Role {
    /// What AssumeRole must give as its external id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) external_id: Option<String>,
    /// The accounts whose callers may assume it; without a list, those of every account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trusts: Option<Vec<String>>,
    /// How long a session is valid at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_after_ms: Option<u64>,
    /// After how many of its deletions a session expires, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_after_deletes: Option<u64>,
}

/// One key pair. Absent fields are derived from the seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyPairSpec {
    pub(super) name: Box<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fingerprint: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) created_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) arn: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tags: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) operation_history: Option<History>,
}

/// Many key pairs that take a bit each: `<prefix>000001` to `<prefix><count>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Generate {
    pub(super) region: String,
    pub(super) prefix: String,
    pub(super) count: u32,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tags: BTreeMap<String, String>,
}

impl Generate {
    /// How many digits the numbers have: six, or more if the count needs them.
    pub(super) fn width(&self) -> usize {
        self.count.to_string().len().max(6)
    }
}

/// An instance, which uses a key pair by its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InstanceSpec {
    pub(super) name: String,
    pub(super) region: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ssh_key_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) created_at: Option<Timestamp>,
    #[serde(default = "running")]
    pub(super) state: String,
}

/// The permitted rate: the same in each region, with exceptions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Throttle {
    pub(super) rate_per_s: f64,
    pub(super) burst: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) changes: Vec<RateChange>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) regions: BTreeMap<String, Bucket>,
}

/// The size and the inflow of one token bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bucket {
    pub(super) rate_per_s: f64,
    pub(super) burst: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) changes: Vec<RateChange>,
}

/// Changes the inflow of a region's bucket some time after the region's first request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RateChange {
    pub(super) after_s: f64,
    pub(super) rate_per_s: f64,
}

impl Throttle {
    pub(super) fn of(&self, region: &str) -> Bucket {
        self.regions.get(region).cloned().unwrap_or_else(|| self.elsewhere())
    }

    /// The bucket of regions that have none of their own.
    pub(super) fn elsewhere(&self) -> Bucket {
        Bucket { rate_per_s: self.rate_per_s, burst: self.burst, changes: self.changes.clone() }
    }
}

fn running() -> String {
    "running".to_owned()
}

impl KeyPairSpec {
    /// One of which everything but its name is derived.
    pub(super) fn named(name: String) -> Self {
        let name = name.into_boxed_str();
        Self { name, fingerprint: None, created_at: None, arn: None, tags: BTreeMap::new(), operation_history: None }
    }
}
