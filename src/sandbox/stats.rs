//! Counts what has arrived at a sandbox, and the effects.
//!
//! The counts survive restarts, because a replayed record is counted again. Tests compare them with the product's journal,
//! so they are taken where things happen and never derived from answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answer::{Answer, Manner};
use super::call::Operation;
use super::effect::{Change, Who};
use super::fault::Kind;

/// Names beyond this number are omitted unless all are requested.
pub(super) const NAMES_MAX: usize = 100_000;

/// The counts of a sandbox since its world began, including restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// The id of this instance of the world.
    pub world: String,
    /// Requests by operation.
    pub requests: BTreeMap<String, Requests>,
    /// Faults that were applied, by kind.
    pub faults: BTreeMap<String, u64>,
    /// What happened to key pairs.
    pub effects: Effects,
    /// How many key pairs each region has now, of all accounts.
    pub present: BTreeMap<String, u64>,
    /// The same of each account.
    #[serde(default)]
    pub accounts: BTreeMap<String, OfAccount>,
    /// What happened to each name, by account, region and name; only names to which something happened.
    pub names: Vec<NameEffects>,
    /// How many further names were omitted.
    pub names_left_out: u64,
    /// Why the record can no longer be written.
    pub broken: Option<String>,
}

/// Requests for one operation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// All requests.
    pub arrived: u64,
    /// Answered with a 2xx status.
    pub succeeded: u64,
    /// Answered with ThrottlingException.
    pub throttled: u64,
    /// Answered with any other 3xx or 4xx status.
    pub refused: u64,
    /// Answered with a 5xx status.
    pub failed: u64,
    /// Answered in part or not at all.
    pub unanswered: u64,
}

/// Effects on key pairs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effects {
    /// Key pairs that requests deleted.
    pub deleted: u64,
    /// Key pairs that requests created.
    pub created: u64,
    /// Key pairs that somebody else deleted, by the script.
    pub deleted_by_others: u64,
    /// Key pairs that somebody else created, by the script.
    pub created_by_others: u64,
}

/// What happened in one account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfAccount {
    /// What happened to its key pairs.
    pub effects: Effects,
    /// How many key pairs each of its regions has now.
    pub present: BTreeMap<String, u64>,
}

/// Effects on the key pairs of one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameEffects {
    /// The account.
    #[serde(default)]
    pub account: String,
    /// The region.
    pub region: String,
    /// The name.
    pub name: String,
    /// What happened to key pairs of this name.
    #[serde(flatten)]
    pub effects: Effects,
}

/// The counts in the form in which they are kept.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) requests: BTreeMap<Operation, Requests>,
    pub(super) faults: BTreeMap<Kind, u64>,
    pub(super) effects: Effects,
}

impl Counters {
    pub(super) fn count(&mut self, operation: Operation, answer: &Answer, manner: Manner, fault: Option<Kind>) {
        let requests = self.requests.entry(operation).or_default();
        requests.arrived += 1;
        match (manner, answer.status) {
            (Manner::Cut | Manner::Hang { .. } | Manner::Truncated, _) => requests.unanswered += 1,
            _ if answer.error == Some("ThrottlingException") => requests.throttled += 1,
            (Manner::Whole, 200..=299) => requests.succeeded += 1,
            (Manner::Whole, 500..) => requests.failed += 1,
            (Manner::Whole, _) => requests.refused += 1,
        }
        if let Some(kind) = fault {
            *self.faults.entry(kind).or_default() += 1;
        }
    }
}

impl Effects {
    pub(super) fn count(&mut self, change: Change, who: Who) {
        *match (change, who) {
            (Change::Deleted, Who::Caller) => &mut self.deleted,
            (Change::Created, Who::Caller) => &mut self.created,
            (Change::Deleted, Who::SomebodyElse) => &mut self.deleted_by_others,
            (Change::Created, Who::SomebodyElse) => &mut self.created_by_others,
        } += 1;
    }
}
