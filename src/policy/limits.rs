//! What rules forbid, as values of which two can be joined: of two rules the stricter holds.
//!
//! Each field has a strictest and a laxest end, and [`Limits::join`] takes the stricter of two: the larger age, the smaller
//! number, all lists of what is allowed and of what is protected. So joining is commutative, associative and idempotent, and what
//! one of two policies forbids, both together forbid.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::glob::Glob;
use super::in_use::IfInUse;
use super::rule::Rule;
use crate::domain::{RateCap, Target};

/// What rules forbid. The default forbids nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// The accounts that are allowed.
    pub accounts: Allowed,
    /// The regions that are allowed.
    pub regions: Allowed,
    /// The endpoints that are allowed: patterns of addresses, [`AWS`] for the service's own, [`SANDBOX`] for any rehearsal.
    pub endpoints: Allowed,
    /// Names of key pairs that are never deleted.
    pub protected_names: BTreeSet<Glob>,
    /// Tags of key pairs that are never deleted.
    pub protected_tags: BTreeSet<TagGlob>,
    /// How old a key pair is at least when it is deleted.
    pub minimum_age: Option<Duration>,
    /// How many key pairs one plan deletes at most.
    pub maximum_deletes: Option<u64>,
    /// Which share of a target's key pairs one plan deletes at most.
    pub maximum_percent: Option<Percent>,
    /// What the manifest's columns hold, by the folded name of the column.
    pub required_columns: BTreeMap<String, Allowed>,
    /// What is done about key pairs that instances were created with, at least.
    pub if_in_use: IfInUse,
    /// How many people must have approved a plan.
    pub approvals: u32,
    /// The files with the keys of those who may approve; an approval is in each of them.
    pub signers: BTreeSet<String>,
    /// Whether neither who made the plan nor who runs it counts as one of those who approved it.
    pub four_eyes: bool,
    /// The requests per second that are permitted at most, by target.
    pub rates: BTreeMap<TargetGlob, Rate>,
}

/// In the list of endpoints: all of the service's own addresses.
pub const AWS: &str = "aws";

/// In the list of endpoints: any sandbox.
pub const SANDBOX: &str = "sandbox";

impl Limits {
    /// The stricter of the two, rule by rule.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        Self {
            accounts: self.accounts.join(&other.accounts),
            regions: self.regions.join(&other.regions),
            endpoints: self.endpoints.join(&other.endpoints),
            protected_names: &self.protected_names | &other.protected_names,
            protected_tags: &self.protected_tags | &other.protected_tags,
            minimum_age: self.minimum_age.max(other.minimum_age),
            maximum_deletes: least(self.maximum_deletes, other.maximum_deletes),
            maximum_percent: least(self.maximum_percent, other.maximum_percent),
            required_columns: united(&self.required_columns, &other.required_columns, Allowed::join),
            if_in_use: self.if_in_use.max(other.if_in_use),
            approvals: self.approvals.max(other.approvals),
            signers: &self.signers | &other.signers,
            four_eyes: self.four_eyes || other.four_eyes,
            rates: united(&self.rates, &other.rates, |one, other| *one.min(other)),
        }
    }

    /// These without what `rule` says.
    #[must_use]
    pub fn without(&self, rule: Rule) -> Self {
        let mut rest = self.clone();
        match rule {
            Rule::Accounts => rest.accounts = Allowed::default(),
            Rule::Regions => rest.regions = Allowed::default(),
            Rule::Endpoints => rest.endpoints = Allowed::default(),
            Rule::ProtectedNames => rest.protected_names.clear(),
            Rule::ProtectedTags => rest.protected_tags.clear(),
            Rule::MinimumAge => rest.minimum_age = None,
            Rule::MaximumDeletes => rest.maximum_deletes = None,
            Rule::MaximumPercent => rest.maximum_percent = None,
            Rule::RequiredColumns => rest.required_columns.clear(),
            Rule::IfInUse => rest.if_in_use = IfInUse::default(),
            Rule::Approvals => rest.approvals = 0,
            Rule::FourEyes => rest.four_eyes = false,
            Rule::Rates => rest.rates.clear(),
        }
        rest
    }

    /// Whether `rule` forbids anything here.
    #[must_use]
    pub fn has(&self, rule: Rule) -> bool {
        self.without(rule) != *self
    }

    /// Requests per second that are permitted in `target` at most: the lowest of all that match it.
    #[must_use]
    pub fn rate_per_s(&self, target: &Target) -> Option<f64> {
        let matching = self.rates.iter().filter(|(targets, _)| targets.matches(target));
        matching.map(|(_, rate)| *rate).min().map(Rate::per_s)
    }
}

/// The smaller of two limits, of which either may be absent.
fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Both maps in one; what is in both is joined.
fn united<K: Ord + Clone, V: Clone>(
    one: &BTreeMap<K, V>,
    other: &BTreeMap<K, V>,
    join: impl Fn(&V, &V) -> V,
) -> BTreeMap<K, V> {
    let mut all = one.clone();
    for (key, value) in other {
        let joined = all.get(key).map_or_else(|| value.clone(), |own| join(own, value));
        all.insert(key.clone(), joined);
    }
    all
}

/// Lists of what is allowed, each of which must allow it. Without a list everything is; by an empty one, nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed(pub BTreeSet<BTreeSet<Glob>>);

impl Allowed {
    /// What this one list allows.
    #[must_use]
    pub fn by(list: BTreeSet<Glob>) -> Self {
        Self([list].into())
    }

    fn join(&self, other: &Self) -> Self {
        Self(&self.0 | &other.0)
    }

    /// Whether each list has a pattern that `is_meant`.
    pub fn allows(&self, is_meant: impl Fn(&Glob) -> bool) -> bool {
        self.0.iter().all(|list| list.iter().any(&is_meant))
    }
}

/// A pattern of tags: of their keys, and of their values unless any value is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagGlob {
    /// Of the key.
    pub key: Glob,
    /// Of the value; any value where there is none.
    pub value: Option<Glob>,
}

impl TagGlob {
    /// `KEY` or `KEY=VALUE`; the first `=` separates the two.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let (key, value) = text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value)));
        Self { key: Glob::new(key), value: value.map(Glob::new) }
    }

    /// Whether a tag is like this.
    #[must_use]
    pub fn matches(&self, key: &str, value: &str) -> bool {
        self.key.matches(key) && self.value.as_ref().is_none_or(|pattern| pattern.matches(value))
    }
}

impl fmt::Display for TagGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value}", self.key),
            None => self.key.fmt(f),
        }
    }
}

/// A pattern of targets: `ACCOUNT/REGION`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetGlob {
    /// Of the account.
    pub account: Glob,
    /// Of the region.
    pub region: Glob,
}

impl TargetGlob {
    /// Whether a target is like this.
    #[must_use]
    pub fn matches(&self, target: &Target) -> bool {
        self.account.matches(&target.account) && self.region.matches(&target.region)
    }
}

impl fmt::Display for TargetGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.region)
    }
}

/// A rate, in thousandths of a request per hour: a whole number, so that two rates can be compared exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(pub u64);

/// How many of the units of [`Rate`] are one per second.
const RATE_UNITS: f64 = 3_600_000.0;

impl Rate {
    /// So many requests per second, which is between one an hour and a million a second.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 3.6e12, and never negative: a double counts that exactly"
    )]
    pub fn of_per_s(per_s: f64) -> Self {
        Self((per_s * RATE_UNITS).round().max(1.0) as u64)
    }

    /// In requests per second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "at most 3.6e12: a double counts that exactly")]
    pub fn per_s(self) -> f64 {
        self.0 as f64 / RATE_UNITS
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        RateCap::PerSecond(self.per_s()).fmt(f)
    }
}

/// A share, in hundredths of a per cent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub u32);

impl Percent {
    /// The whole.
    pub const ALL: Self = Self(10_000);

    /// Whether `part` of `whole` is more than this share.
    #[must_use]
    pub fn is_exceeded_by(self, part: u64, whole: u64) -> bool {
        u128::from(part) * u128::from(Self::ALL.0) > u128::from(whole) * u128::from(self.0)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, part) if part % 10 == 0 => write!(f, "{whole}.{}%", part / 10),
            (whole, part) => write!(f, "{whole}.{part:02}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_allows_what_it_names_and_an_empty_one_nothing() {
        let allows = |allowed: &Allowed, text: &str| allowed.allows(|glob| glob.matches(text));
        let list = |globs: &[&str]| Allowed::by(globs.iter().map(|glob| Glob::new(glob)).collect());
        assert!(allows(&Allowed::default(), "eu-central-1"));
        assert!(!allows(&list(&[]), "eu-central-1"));
        assert!(allows(&list(&["us-*", "eu-*"]), "eu-central-1"));
        let both = list(&["eu-*"]).join(&list(&["*-1"]));
        assert!(allows(&both, "eu-central-1") && !allows(&both, "eu-central-2") && !allows(&both, "us-east-1"));
        assert!(!allows(&list(&["eu-*"]).join(&list(&[])), "eu-central-1"));
    }

    #[test]
    fn a_share_is_exceeded_by_one_more() {
        assert!(!Percent(1_000).is_exceeded_by(10, 100) && Percent(1_000).is_exceeded_by(11, 100));
        assert!(!Percent(0).is_exceeded_by(0, 0) && Percent(0).is_exceeded_by(1, 1_000_000));
        assert!(!Percent::ALL.is_exceeded_by(7, 7));
        assert!(Percent(1).is_exceeded_by(u64::MAX, u64::MAX));
        assert_eq!([250, 1_000, 5, 1_025].map(|share| Percent(share).to_string()), ["2.5%", "10%", "0.05%", "10.25%"]);
    }

    #[test]
    fn of_several_rates_the_lowest_that_matches_holds() {
        let glob = |account: &str, region: &str| TargetGlob { account: Glob::new(account), region: Glob::new(region) };
        let rates = [
            (glob("*", "*"), Rate::of_per_s(5.0)),
            (glob("111122223333", "eu-*"), Rate::of_per_s(1.0)),
            (glob("111122223333", "*"), Rate::of_per_s(2.0)),
        ];
        let limits = Limits { rates: rates.into(), ..Limits::default() };
        let of =
            |account: &str, region: &str| limits.rate_per_s(&Target { account: account.into(), region: region.into() });
        assert_eq!(of("111122223333", "eu-west-1"), Some(1.0));
        assert_eq!(of("111122223333", "us-east-1"), Some(2.0));
        assert_eq!(of("999999999999", "us-east-1"), Some(5.0));
        assert_eq!(Limits::default().rate_per_s(&Target { account: "a".into(), region: "b".into() }), None);
        assert_eq!([5.0, 0.5, 100.0 / 3600.0].map(|per_s| Rate::of_per_s(per_s).to_string()), ["5/s", "30/m", "100/h"]);
    }
}
