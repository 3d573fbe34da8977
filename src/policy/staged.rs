//! A row of the manifest, as planning keeps it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{Identity, created_at_text};
use crate::record::plan::{EXPECTED_FINGERPRINT, PlanRow};

/// A row of the manifest as it is staged: validated, or with what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedRow {
    /// Where it starts in the file.
    pub line: u64,
    /// Offsets of its first byte and the one behind its last.
    pub extent: (u64, u64),
    /// What an invalid row has in the name's column; a valid one is staged under its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The account that it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The arn that it expects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// The creation time that it expects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Its cells that say which key pair is meant, by canonical column name, verbatim.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub conditions: BTreeMap<String, String>,
    /// Why, in the manifest's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The manifest's ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// All other cells, by the header as written, verbatim.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// In what it differs from the first row that asks for the same deletion.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
    /// What is wrong with it, where invalid rows are to be skipped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// What an earlier run had of it, where it is one of that run's rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<Before>>,
    /// The line of the plan's file that it is, where it comes from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<Box<PlanRow>>,
}

/// What an earlier run had of a row that is planned again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// The run.
    pub run: String,
    /// Its key pair then; none where there was no key pair of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
}

impl StagedRow {
    /// The fingerprint that it expects.
    #[must_use]
    pub fn expected_fingerprint(&self) -> Option<&str> {
        self.conditions.get(EXPECTED_FINGERPRINT).map(String::as_str)
    }
}

/// Whether two creation times mean the same, where the first was written by a person: whole seconds stand for any
/// fraction of them, and finer parts than the milliseconds that the service gives do not count.
pub(super) fn same_moment(written: Timestamp, seen: Timestamp) -> bool {
    if written.subsec_nanosecond() == 0 {
        return written.as_second() == seen.as_second();
    }
    created_at_text(written) == created_at_text(seen)
}
