//! What a canary found, as the summary has it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::OutcomeCounts;
use crate::execute::CanaryFound;
use crate::journal::TargetRecord;
use crate::record::event::Requests;

/// What the canary of a session found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CanaryReport {
    /// How many key pairs of each target it was to delete at most.
    pub limit: u64,
    /// Each target in which it asked for deletions.
    pub targets: Vec<CanaryOfTarget>,
}

/// What it found in one target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CanaryOfTarget {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// How many key pairs it asked to delete.
    pub requested: u64,
    /// What became of them; those without an outcome are unsettled.
    pub outcomes: OutcomeCounts,
    /// What the reading after their outcome showed.
    pub read_back: ReadBack,
    /// The key pairs that are shown although they were deleted, or are gone.
    pub alarms: Vec<AlarmOf>,
    /// Requests for these key pairs.
    pub requests: Requests,
    /// The median time that an answer to a delete took, in milliseconds.
    pub median_ms: Option<f64>,
}

/// What the readings after the outcomes showed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ReadBack {
    /// Key pairs that are not there any more.
    pub not_there: u64,
    /// Those that are still there.
    pub still_there: u64,
    /// Names that another key pair has.
    pub other_identity: u64,
    /// Key pairs that were not read, or not with a usable answer.
    pub not_read: u64,
}

/// A key pair that is shown although it was deleted, or is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlarmOf {
    /// Its row.
    pub row: u64,
    /// Its name.
    pub name: String,
    /// What was seen.
    pub found: AlarmFound,
}

/// What was seen of a key pair that was deleted, or is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmFound {
    /// The key pair itself.
    StillThere,
    /// Another one of that name.
    OtherIdentity,
}

impl CanaryReport {
    /// Of a session whose canary deletes at most `limit` key pairs of each target.
    pub(super) fn of(limit: u64, targets: &[TargetRecord], found: &BTreeMap<i64, CanaryFound>) -> Self {
        let known = |record: &TargetRecord| {
            let found = found.get(&record.target_no).filter(|found| found.requested > 0)?;
            Some(CanaryOfTarget::of(record, found))
        };
        Self { limit, targets: targets.iter().filter_map(known).collect() }
    }
}

impl CanaryOfTarget {
    fn of(record: &TargetRecord, found: &CanaryFound) -> Self {
        let alarms = found.alarms.iter().map(|alarm| AlarmOf {
            row: alarm.row,
            name: alarm.name.clone(),
            found: if alarm.is_other { AlarmFound::OtherIdentity } else { AlarmFound::StillThere },
        });
        Self {
            account: record.target.account.clone(),
            region: record.target.region.clone(),
            requested: found.requested,
            outcomes: found.outcomes,
            read_back: ReadBack {
                not_there: found.not_there,
                still_there: found.still_there,
                other_identity: found.other_identity,
                not_read: found.not_read,
            },
            alarms: alarms.collect(),
            requests: found.requests,
            median_ms: found.median_us.map(|us| us as f64 / 1000.0),
        }
    }
}
