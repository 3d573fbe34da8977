//! The world file: what exists in a sandbox initially, and how it misbehaves.
//!
//! Strict: an unknown field, a name that Lightsail would refuse, a duplicate, a parameter that does not fit its fault
//! and an account other than zeros are refused with the path of the offending value. `docs/SANDBOX.md` is the reference for
//! people. A world knows nothing of time or of requests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::account::{AccountSpec, Generate, InstanceSpec, KeyPairSpec, Throttle};
use super::derive::ACCOUNT;
use super::fault::{Fault, History};
use super::name::is_name;
use super::trail_script::TrailScript;

/// How many bystanders a rehearsal has in each region: key pairs that no manifest names and that must not be touched.
const BYSTANDERS: usize = 2;

/// The region that a world offers if it names none.
const ANY_REGION: &str = "us-east-1";

/// The initial state of a sandbox and its script of faults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) about: Option<String>,
    #[serde(default = "zeros")]
    pub(super) account: String,
    #[serde(default)]
    pub(super) seed: u64,
    /// Whether it was made from a manifest: key pairs then keep the ARNs that the manifest demands, in any account.
    #[serde(default)]
    pub(super) rehearsal: bool,
    /// Those that GetRegions lists; without a list, those that the world names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) regions: Option<Vec<String>>,
    /// The accounts besides that of zeros, whose key pairs stand below.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) accounts: BTreeMap<String, AccountSpec>,
    #[serde(default)]
    pub(super) key_pairs: BTreeMap<String, Vec<KeyPairSpec>>,
    #[serde(default)]
    pub(super) generate: Vec<Generate>,
    #[serde(default)]
    pub(super) instances: Vec<InstanceSpec>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) throttle: Option<Throttle>,
    #[serde(default)]
    pub(super) latency_ms: Latency,
    #[serde(default = "page_size")]
    pub(super) page_size: u32,
    #[serde(default)]
    pub(super) operations: Operations,
    #[serde(default)]
    pub(super) deny: Deny,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) credentials_expire_after_deletes: Option<u64>,
    /// How long a signature is accepted; only what is delivered late can be older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) signature_life_ms: Option<u64>,
    #[serde(default)]
    pub(super) operation_history: History,
    #[serde(default)]
    pub(super) error_header: ErrorHeader,
    #[serde(default)]
    pub(super) faults: Vec<Fault>,
    /// What goes wrong with CloudTrail's records of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cloudtrail: Option<TrailScript>,
}

/// The bounds of the time for which every answer is delayed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Latency {
    pub(super) min: u64,
    pub(super) max: u64,
}

/// How operations behave unless a fault says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Operations {
    #[serde(default)]
    pub(super) delay_ms: u64,
}

/// What is not permitted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deny {
    /// DeleteKeyPair is refused for key pairs with such a tag; `*` stands for any value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tags: BTreeMap<String, String>,
    /// These actions are refused for everyone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) operations: Vec<String>,
}

/// Which errors carry their type in `x-amzn-errortype` too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ErrorHeader {
    #[default]
    Never,
    Always,
    Alternate,
}

/// One row of a manifest to be rehearsed: a key pair that must exist exactly like this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RehearsalRow {
    /// The account it is in; without one, that of zeros.
    pub account: Option<String>,
    /// The region it is in.
    pub region: String,
    /// Its name.
    pub name: String,
    /// The fingerprint it must have; derived if absent.
    pub fingerprint: Option<String>,
    /// The ARN it must have; derived if absent.
    pub arn: Option<String>,
    /// When it must have been created; derived if absent.
    pub created_at: Option<Timestamp>,
}

/// Why a world is invalid.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The file cannot be read.
    #[error("the world file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not JSON, or does not have the right shape.
    #[error("the world file is wrong at `{at}`")]
    Shape {
        /// The path of the offending value, such as `key_pairs.us-east-1[3].name`; `.` is the whole file.
        at: String,
        /// Why.
        source: serde_json::Error,
    },
    /// It has the right shape, but a value that makes no sense.
    #[error("the world file is wrong at `{at}`: {problem}")]
    Invalid {
        /// The path of the offending value.
        at: String,
        /// What is wrong with it.
        problem: String,
    },
}

fn zeros() -> String {
    ACCOUNT.to_owned()
}

fn page_size() -> u32 {
    100
}

impl World {
    /// Reads a world file.
    ///
    /// # Errors
    /// [`WorldError`] names the file or the path in it.
    pub fn load(path: &Path) -> Result<Self, WorldError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| WorldError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Reads a world from the text of a world file.
    ///
    /// # Errors
    /// [`WorldError`] names the path of the offending value in the text.
    pub fn parse(text: &str) -> Result<Self, WorldError> {
        let mut json = serde_json::Deserializer::from_str(text);
        let world: Self = serde_path_to_error::deserialize(&mut json)
            .map_err(|error| WorldError::Shape { at: error.path().to_string(), source: error.into_inner() })?;
        json.end().map_err(|source| WorldError::Shape { at: ".".to_owned(), source })?;
        world.check()?;
        Ok(world)
    }

    /// Its name, which begins the id of each of its instances.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A world that holds exactly these key pairs, and two bystanders in each of their regions. Of rows that
    /// name the same key pair, the first counts; rows with impossible names are skipped, so their key pairs are absent.
    pub fn rehearsal(rows: impl Iterator<Item = RehearsalRow>) -> Self {
        let mut world = Self { rehearsal: true, ..Self::empty("rehearsal") };
        for row in rows.filter(|row| is_name(&row.name)) {
            let key_pairs = match row.account {
                Some(account) if account != ACCOUNT => &mut world.accounts.entry(account).or_default().key_pairs,
                _ => &mut world.key_pairs,
            };
            let mut spec = KeyPairSpec::named(row.name);
            spec.fingerprint = row.fingerprint.map(String::into_boxed_str);
            spec.arn = row.arn.map(String::into_boxed_str);
            spec.created_at = row.created_at;
            key_pairs.entry(row.region).or_default().push(spec);
        }
        let accounts = world.accounts.values_mut().map(|account| &mut account.key_pairs);
        for specs in accounts.chain([&mut world.key_pairs]).flat_map(BTreeMap::values_mut) {
            // The sort is stable, so the first row of a name stays the first; a set of names would double the memory.
            specs.sort_by(|one, other| one.name.cmp(&other.name));
            specs.dedup_by(|later, first| later.name == first.name);
            let taken = |name: &String| specs.binary_search_by(|spec| spec.name.as_ref().cmp(name)).is_ok();
            let free = (1..).map(|number| format!("bystander-{number}")).filter(|name| !taken(name));
            let bystanders: Vec<_> = free.take(BYSTANDERS).map(KeyPairSpec::named).collect();
            specs.extend(bystanders);
        }
        world
    }

    /// The regions that it offers: those of its list, or else all in which it has something.
    pub(super) fn offered(&self) -> Vec<String> {
        if let Some(regions) = &self.regions {
            return regions.clone();
        }
        let accounts = self.accounts.values().map(|spec| (&spec.key_pairs, &spec.generate, &spec.instances));
        let named: BTreeSet<&String> = accounts
            .chain([(&self.key_pairs, &self.generate, &self.instances)])
            .flat_map(|(key_pairs, generate, instances)| {
                let generated = generate.iter().map(|entry| &entry.region);
                key_pairs.keys().chain(generated).chain(instances.iter().map(|instance| &instance.region))
            })
            .collect();
        if named.is_empty() { vec![ANY_REGION.to_owned()] } else { named.into_iter().cloned().collect() }
    }

    fn empty(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            about: None,
            account: zeros(),
            seed: 0,
            rehearsal: false,
            regions: None,
            accounts: BTreeMap::new(),
            key_pairs: BTreeMap::new(),
            generate: Vec::new(),
            instances: Vec::new(),
            throttle: None,
            latency_ms: Latency::default(),
            page_size: page_size(),
            operations: Operations::default(),
            deny: Deny::default(),
            credentials_expire_after_deletes: None,
            signature_life_ms: None,
            operation_history: History::Kept,
            error_header: ErrorHeader::Never,
            faults: Vec::new(),
            cloudtrail: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_all_that_a_world_needs() {
        let world = World::parse(r#"{"name":"empty"}"#).unwrap();
        assert_eq!(world.page_size, 100);
        assert_eq!(World::parse(&serde_json::to_string(&world).unwrap()).unwrap(), world);
    }

    #[test]
    fn a_rehearsal_holds_the_rows_and_two_bystanders_per_region() {
        let row = |region: &str, name: &str, arn: Option<&str>| RehearsalRow {
            account: None,
            region: region.to_owned(),
            name: name.to_owned(),
            fingerprint: None,
            arn: arn.map(str::to_owned),
            created_at: None,
        };
        let real = "arn:aws:lightsail:us-east-1:123456789012:KeyPair/1";
        let elsewhere = Some("123456789012".to_owned());
        let rows = [
            RehearsalRow { account: elsewhere, ..row("us-east-1", "one", Some("x")) },
            row("us-east-1", "one", Some(real)),
            row("us-east-1", "one", None),
            row("us-east-1", "bystander-1", None),
            row("eu-central-1", "two", None),
            row("eu-central-1", "no name", None),
        ];
        let world = World::rehearsal(rows.into_iter());
        let names = |region: &str| world.key_pairs[region].iter().map(|spec| spec.name.as_ref()).collect::<Vec<_>>();
        assert_eq!(names("us-east-1"), ["bystander-1", "one", "bystander-2", "bystander-3"]);
        assert_eq!(names("eu-central-1"), ["two", "bystander-1", "bystander-2"]);
        assert_eq!(world.key_pairs["us-east-1"][1].arn.as_deref(), Some(real));
        assert_eq!(world.accounts["123456789012"].key_pairs["us-east-1"].len(), 3);
        assert_eq!(world.offered(), ["eu-central-1", "us-east-1"]);
        assert_eq!(World::parse(&serde_json::to_string(&world).unwrap()).unwrap(), world);
    }
}
