//! The plan as text: a header, a line for each row, and a seal, each of them canonical JSON on a line of its own.
//!
//! ```text
//!   PlanHeader ─ line 0 ─┐
//!   PlanRow    ─ line 1 ─┼─ leaves ─► PlanTree ─► PlanSeal (root, rows_root, counts)
//!   PlanRow    ─ line n ─┘
//! ```
//!
//! `intent_recorded` holds a row's line byte for byte, `plan_sealed` the header and the seal: so the root can be computed again.

pub mod file;
mod tree;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::canonical;
use super::checkpoint::base64;
use super::merkle::{Hash, leaf_hash};
use crate::domain::Identity;
pub use tree::PlanTree;

/// The form of a plan, in its header.
pub const PLAN_SCHEMA: &str = "keybatch.plan/1";

/// The form of a plan's last line.
pub const SEAL_SCHEMA: &str = "keybatch.plan.seal/1";

/// The one action of this version, in a plan's header and in a journal's first entry.
pub const ACTION: &str = "lightsail:DeleteKeyPair";

/// A plan's first line: what it is about, and who made it from what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanHeader {
    /// [`PLAN_SCHEMA`].
    pub schema: String,
    /// What is asked for: `lightsail:DeleteKeyPair`.
    pub action: String,
    /// The plan's id, a UUIDv7.
    pub plan_id: String,
    /// When it was made (RFC 3339, UTC, microseconds).
    pub made_at: String,
    /// Who made it: `user@host`.
    pub made_by: String,
    /// Until when it may be executed; absent in the plan of a run that makes its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// The operator's ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it was made from.
    pub manifest: PlanManifest,
    /// The service that it was made against, as in `session_opened`.
    pub endpoint: String,
    /// Whose credentials read the inventory, one for each account.
    pub callers: Vec<PlanCaller>,
    /// The settings that decide what is deleted, by name.
    pub settings: BTreeMap<String, String>,
    /// SHA-256 of the policy file, in hexadecimal; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_sha256: Option<String>,
    /// Version of the keybatch that made it.
    pub version: String,
}

impl PlanHeader {
    /// The leaf of its line.
    ///
    /// # Errors
    /// Where it has no canonical form (it would be a programming error).
    pub fn leaf(&self) -> Result<Hash, PlanLineError> {
        line_leaf(self)
    }
}

/// The manifest that a plan was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanManifest {
    /// The file's name as given; `-` for standard input.
    pub name: String,
    /// SHA-256 of all its bytes, in hexadecimal.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// Its records.
    pub rows: u64,
}

/// Whose credentials read the inventory of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanCaller {
    /// The account.
    pub account: String,
    /// The caller (sts:GetCallerIdentity).
    pub arn: String,
}

/// A plan's line about one row of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRow {
    /// The row's number, from 1.
    pub row: u64,
    /// The line of the manifest on which it starts.
    pub line: u64,
    /// The key pair's name as the manifest gives it.
    pub name: String,
    /// The account of the target.
    pub account: String,
    /// The region of the target.
    pub region: String,
    /// The row's cells that say which key pair is meant, verbatim, by their canonical column names: `account_id`, `arn`,
    /// `created_at`, `expected_fingerprint`, `region`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub conditions: BTreeMap<String, String>,
    /// Why this key pair, in the manifest's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The manifest's ticket for this row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// What the inventory said about the key pair; absent where it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observation: Option<PlanObservation>,
    /// What is to be done.
    pub verdict: Verdict,
    /// What the guards noted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// All other cells that are not empty, verbatim, by the header as written.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// The condition on the fingerprint, in [`PlanRow::conditions`].
pub const EXPECTED_FINGERPRINT: &str = "expected_fingerprint";

impl PlanRow {
    /// A line that says no more than what is to be done.
    #[must_use]
    pub fn of(row: u64, name: String, account: String, region: String, verdict: Verdict) -> Self {
        Self {
            row,
            line: 0,
            name,
            account,
            region,
            conditions: BTreeMap::new(),
            reason: None,
            ticket: None,
            observation: None,
            verdict,
            notes: Vec::new(),
            annotations: BTreeMap::new(),
        }
    }

    /// The fingerprint that the row expects. Compared with the observation; sent with the request for the default key pair
    /// alone.
    #[must_use]
    pub fn expected_fingerprint(&self) -> Option<&str> {
        self.conditions.get(EXPECTED_FINGERPRINT).map(String::as_str)
    }

    /// The leaf of its line.
    ///
    /// # Errors
    /// Where it has no canonical form (it would be a programming error).
    pub fn leaf(&self) -> Result<Hash, PlanLineError> {
        line_leaf(self)
    }
}

/// What a plan says of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Delete it.
    Delete,
    /// Never ask; the notes say why.
    Skip,
    /// It is not there.
    Absent,
}

impl Verdict {
    /// The word that the journal and the views use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Skip => "skip",
            Self::Absent => "absent",
        }
    }
}

/// What a guard noted about a row. A guard only reads and only notes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// `info`, `warn` (the row goes on), `skip` (it does not) or `refuse` (the run does not).
    pub severity: Severity,
    /// A stable word, e.g. `drift_fingerprint`.
    #[serde(rename = "note")]
    pub kind: String,
    /// For people.
    pub text: String,
}

/// How grave a note is; a later one is graver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "`Note::severity` says it")]
pub enum Severity {
    Info,
    Warn,
    Skip,
    Refuse,
}

/// A key pair as the inventory showed it. The time is not part of it: two plans that say the same have the same lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanObservation {
    /// `arn:<partition>:lightsail:<region>:<account>:KeyPair/<uuid>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// When it was created (RFC 3339, UTC, milliseconds).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// The fingerprint of the key material.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Tags by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl PlanObservation {
    /// Which key pair it is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        let Self { arn, created_at, fingerprint, tags: _ } = self.clone();
        Identity { arn, created_at, fingerprint }
    }

    /// Seen with these tags.
    #[must_use]
    pub fn new(identity: Identity, tags: BTreeMap<String, String>) -> Self {
        let Identity { arn, created_at, fingerprint } = identity;
        Self { arn, created_at, fingerprint, tags }
    }
}

/// A plan's last line: a function of the lines before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanSeal {
    /// [`SEAL_SCHEMA`].
    pub schema: String,
    /// Rows of the plan.
    pub rows: u64,
    /// What is to be done in each target, by account and region.
    pub targets: Vec<TargetVerdicts>,
    /// RFC 6962 root (base64) over all lines before this one, without their line feeds.
    pub root: String,
    /// The same over the row lines alone: equal for two plans that say the same.
    pub rows_root: String,
}

/// How many rows of a target have which verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetVerdicts {
    /// The account.
    pub account: String,
    /// The region; empty for rows that name none that is usable.
    pub region: String,
    /// Rows to delete.
    pub deletes: u64,
    /// Rows never to be asked for.
    pub skips: u64,
    /// Rows whose key pair is not there.
    pub absents: u64,
}

impl PlanSeal {
    /// Rows to delete, over all targets.
    #[must_use]
    pub fn deletes(&self) -> u64 {
        self.sum(|target| target.deletes)
    }

    /// Rows never to be asked for, over all targets.
    #[must_use]
    pub fn skips(&self) -> u64 {
        self.sum(|target| target.skips)
    }

    /// Rows whose key pair is not there, over all targets.
    #[must_use]
    pub fn absents(&self) -> u64 {
        self.sum(|target| target.absents)
    }

    fn sum(&self, count: impl Fn(&TargetVerdicts) -> u64) -> u64 {
        self.targets.iter().map(count).fold(0, u64::saturating_add)
    }
}

/// What a seal says, while the rows are read.
#[derive(Debug, Clone, Default)]
pub struct Sealing {
    tree: PlanTree,
    targets: BTreeMap<(String, String), [u64; 3]>,
    /// The target of the last row, which is mostly that of the next one, too.
    last: Option<((String, String), [u64; 3])>,
}

impl Sealing {
    /// Takes the next row.
    pub fn push(&mut self, account: &str, region: &str, verdict: Verdict, leaf: Hash) {
        self.tree.push(leaf);
        let is_last = self.last.as_ref().is_some_and(|((of, in_region), _)| of == account && in_region == region);
        if !is_last {
            self.settle_last();
            let target = (account.to_owned(), region.to_owned());
            let counts = self.targets.remove(&target).unwrap_or_default();
            self.last = Some((target, counts));
        }
        if let Some((_, counts)) = &mut self.last {
            counts[verdict as usize] += 1;
        }
    }

    fn settle_last(&mut self) {
        self.targets.extend(self.last.take());
    }

    /// Rows that were taken.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tree.rows().size()
    }

    /// The seal of a plan with this header.
    ///
    /// # Errors
    /// Where the header has no canonical form (it would be a programming error).
    pub fn seal(mut self, header: &PlanHeader) -> Result<PlanSeal, PlanLineError> {
        self.settle_last();
        let header = header.leaf()?;
        let targets = self.targets.into_iter().map(|((account, region), [deletes, skips, absents])| TargetVerdicts {
            account,
            region,
            deletes,
            skips,
            absents,
        });
        Ok(PlanSeal {
            schema: SEAL_SCHEMA.to_owned(),
            rows: self.tree.rows().size(),
            targets: targets.collect(),
            root: base64(&self.tree.root(&header)),
            rows_root: base64(&self.tree.rows().root()),
        })
    }
}

/// A plan without a canonical form, which would be a programming error.
#[derive(Debug, thiserror::Error)]
#[error("a line of the plan cannot be written as canonical JSON: {0}")]
pub struct PlanLineError(String);

/// The leaf of a plan's line.
fn line_leaf(line: &impl Serialize) -> Result<Hash, PlanLineError> {
    let text = canonical::of(line).map_err(PlanLineError)?;
    Ok(leaf_hash(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_counted_in_whatever_order_their_rows_come() {
        let mut sealing = Sealing::default();
        for (region, verdict) in [
            ("us-east-1", Verdict::Delete),
            ("eu-west-1", Verdict::Skip),
            ("us-east-1", Verdict::Delete),
            ("us-east-1", Verdict::Absent),
            ("", Verdict::Skip),
        ] {
            sealing.push("111122223333", region, verdict, [0; 32]);
        }
        sealing.settle_last();
        let counted: Vec<_> = sealing.targets.iter().map(|((_, region), counts)| (region.as_str(), *counts)).collect();
        assert_eq!(counted, [("", [0, 1, 0]), ("eu-west-1", [0, 1, 0]), ("us-east-1", [2, 0, 1])]);
    }
}
