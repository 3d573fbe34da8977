//! What a report says, as data: `keybatch.report/1`.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

use super::traffic::Traffic;
use crate::domain::OutcomeCounts;
use crate::journal::JournalError;
use crate::record::approval::Role;
use crate::record::event::ReconciledAttempts;
use crate::review::facts::{Resolved, Session};
use crate::review::gaps::Gaps;
use crate::review::lifted::Override;
use crate::review::story::Story;

/// The schema of a report.
pub(super) const SCHEMA: &str = "keybatch.report/1";

/// The version of this keybatch.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The parts of a report that are read one by one.
const PARTS: [&str; 24] = [
    "approvals",
    "checkpoints",
    "controls",
    "deletes_sent",
    "doubts",
    "evidence",
    "facts",
    "gone_without_request",
    "in_use",
    "in_use_as_of",
    "journal",
    "outcomes",
    "overrides",
    "plan",
    "rate_cap",
    "rates",
    "reconciliations",
    "resolutions",
    "resolved",
    "rows",
    "sessions",
    "signatures",
    "targets_asked",
    "traffic",
];

/// A report on one run. Fields are only ever added.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// `keybatch.report/1`.
    pub schema: &'static str,
    /// The run.
    pub run: String,
    /// Whether it was a rehearsal.
    pub sandbox: bool,
    /// planning, running, stopped, finished, abandoned; interrupted where no process is working on what the journal has as active.
    pub state: String,
    /// The journal, and the head that the report rests on.
    pub journal: JournalHead,
    /// Everything that the view `runs` says of it.
    pub facts: Map<String, Value>,
    /// Rows of the manifest.
    pub rows: u64,
    /// How many rows ended how.
    pub outcomes: OutcomeCounts,
    /// Whether the outcomes add up to the rows. A run that is being planned has no sum yet.
    pub adds_up: bool,
    /// Rows by outcome and evidence.
    pub evidence: Vec<ByEvidence>,
    /// Rows by target and outcome.
    pub targets: Vec<ByTarget>,
    /// DeleteKeyPair requests that may have left.
    pub deletes_sent: u64,
    /// Other requests.
    pub reads_sent: u64,
    /// Requests of either kind that were throttled.
    pub throttled: u64,
    /// The delete requests by time, class and duration.
    pub traffic: Traffic,
    /// Targets in which the plan deletes: what is permitted in all of them together is drawn.
    pub targets_asked: u64,
    /// The cap on the rate in each target that was asked for.
    pub rate_cap: Option<String>,
    /// The last rate of each target.
    pub rates: Vec<crate::review::facts::Rate>,
    /// The plan, once it was sealed.
    pub plan: Option<PlanFacts>,
    /// The people who approved the plan.
    pub approvals: Vec<Approval>,
    /// The signatures under the plan by who made it and by who ran it.
    pub signatures: Vec<PlanSignature>,
    /// The processes that worked on it.
    pub sessions: Vec<Session>,
    /// The safety rules that were lifted, and rollbacks of the journal that were accepted while the run was open.
    pub overrides: Vec<Override>,
    /// The limits and other settings of each session, and what stopped it.
    pub controls: Vec<Control>,
    /// How many rows that the run left in doubt or gone became what later, and by which command.
    pub resolved: Vec<Resolved>,
    /// Each time somebody said so, or withdrew it: the first of them.
    pub resolutions: Vec<Resolution>,
    /// How many more of these there are than are listed.
    pub resolutions_not_listed: u64,
    /// Each time CloudTrail's records were compared with the run, and that was recorded.
    pub reconciliations: Vec<Reconciliation>,
    /// Rows that a person must look at, with what to look for.
    pub doubts: Vec<Doubt>,
    /// How many more of these there are than are listed.
    pub doubts_not_listed: u64,
    /// Rows that are gone without a request in the journal: entries were lost, and perhaps one with them.
    pub gone_without_request: u64,
    /// Rows that count as deleted or gone whose key pair belonged to instances when the run was planned.
    pub in_use: Vec<InUse>,
    /// How many more of these there are than are listed.
    pub in_use_not_listed: u64,
    /// As of when instances are known.
    pub in_use_as_of: Option<String>,
    /// What has to be done on each of these instances: one sentence each.
    pub to_do: &'static [&'static str],
    /// Checkpoints in the journal.
    pub checkpoints: Checkpoints,
    /// The verdict on the journal.
    pub verification: Option<Verification>,
    /// What could not be read, and why: one sentence each. The rest was.
    pub gaps: Vec<String>,
    /// The fields that are empty, 0 or incomplete because of that: they say nothing.
    pub unread: BTreeSet<&'static str>,
    /// The version of the keybatch that made the report.
    pub version: &'static str,
}

/// Where the journal stood.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct JournalHead {
    /// The journal's id.
    pub id: Option<String>,
    /// Entries.
    pub size: u64,
    /// Their root, in base64.
    pub root: String,
    /// Whether a database keeps it, and not a file.
    #[serde(skip)]
    pub in_database: bool,
}

/// Rows of an outcome that rest on the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ByEvidence {
    /// The outcome.
    pub outcome: String,
    /// The evidence; none where there is no outcome yet.
    pub evidence: Option<String>,
    /// How many.
    pub rows: u64,
}

/// The rows of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ByTarget {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// By outcome.
    pub outcomes: OutcomeCounts,
}

/// The plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanFacts {
    /// When it was made.
    pub made_at: String,
    /// By whom.
    pub made_by: String,
    /// Until when it could be executed, where it was a file.
    pub expires_at: Option<String>,
    /// Rows to delete.
    pub deletes: u64,
    /// Rows to skip.
    pub skips: u64,
    /// Rows whose key pair was not there.
    pub absents: u64,
    /// How many deletions were confirmed; none as long as nobody did.
    pub confirmed: Option<u64>,
    /// How: `yes`, `confirm`, `prompt`, `nothing_to_delete`.
    pub confirmed_by: Option<String>,
    /// SHA-256 of the policy, in hexadecimal.
    pub policy_sha256: Option<String>,
}

/// Somebody approved the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Approval {
    /// Who, as the session's list of signers called that person.
    pub signer: String,
    /// When that was recorded.
    pub at: String,
    /// The root of the plan that was approved.
    pub plan_root: String,
}

/// A signature under the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanSignature {
    /// When it was recorded.
    pub at: String,
    /// `maker` or `session`.
    pub role: Role,
    /// The fingerprint of the key. Whose it is, only a list of signers says.
    pub key: String,
    /// The root of the plan that was signed.
    pub plan_root: String,
}

/// A row was given another outcome after the run had left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resolution {
    /// The row.
    pub row: u64,
    /// When.
    pub at: String,
    /// By which user of the operating system.
    pub by: String,
    /// By which command: `resolve` or `reconcile`.
    pub command: &'static str,
    /// What the row counts as. `in_doubt` withdraws what was said before.
    pub outcome: String,
    /// How that is known.
    pub because: String,
    /// CloudTrail's event that shows it.
    pub event_id: Option<String>,
}

/// CloudTrail's records were compared with the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reconciliation {
    /// When that was recorded.
    pub at: String,
    /// By which user of the operating system.
    pub by: String,
    /// From when on records were looked at.
    pub from: String,
    /// Until when.
    pub until: String,
    /// How many files were read.
    pub files: u64,
    /// What names them, in hexadecimal: `reconcile` says over what.
    pub files_sha256: String,
    /// Records of DeleteKeyPair in them.
    pub events: u64,
    /// Places in the files that could not be read.
    pub unreadable: u64,
    /// What became of the run's attempts.
    pub attempts: ReconciledAttempts,
    /// Events that no entry of the journal explains.
    pub unexplained: u64,
    /// Rows that were given another outcome by what was found.
    pub resolves: u64,
}

/// The name of a [`Control`] that a session was told while it worked.
pub(super) const TOLD: &str = "control";

/// A limit, another setting, what a session was told while it worked, or a stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Control {
    /// When the session was opened or told, or the run was stopped.
    pub at: String,
    /// The setting, `control`, `stopped` or `abandoned`.
    pub name: String,
    /// Its value, what and by whom, or why.
    pub value: String,
}

impl Control {
    /// Whether it is a setting, and not an event.
    pub(super) fn is_setting(&self) -> bool {
        !["stopped", "abandoned", TOLD].contains(&self.name.as_str())
    }
}

/// A row that a person must look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Doubt {
    /// Its outcome.
    pub outcome: String,
    /// For people.
    pub detail: Option<String>,
    /// What happened, and what to look for.
    pub story: Story,
}

/// A key pair that was deleted or is gone, and whose public key instances may keep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InUse {
    /// The row.
    pub row: u64,
    /// The key pair's name.
    pub key_pair_name: String,
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// What the row counts as.
    pub outcome: String,
    /// Which instances, as the plan noted it.
    pub instances: String,
    /// When the service says it was created: an older instance has another key of that name.
    pub created_at: Option<String>,
    /// The fingerprint that the service gave.
    pub fingerprint: Option<String>,
}

/// Checkpoints in the journal: copies, which prove nothing by themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Checkpoints {
    /// How many.
    pub count: u64,
    /// The text of the last one.
    pub last: Option<String>,
    /// When it was made.
    pub made_at: Option<String>,
}

/// The verdict on the journal. Whoever makes the report brings it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The word.
    pub verdict: String,
    /// Whether nothing is wrong.
    pub sound: bool,
    /// One sentence.
    pub detail: String,
    /// Entries that were read.
    pub entries: u64,
    /// Root over them, in base64.
    pub root: String,
    /// The first bad entry.
    pub first_bad: Option<u64>,
    /// The entries below this number are those that an outside checkpoint saw.
    pub proved_up_to: Option<u64>,
    /// Deletions of this run.
    pub deletions: u64,
    /// How many of these outside checkpoints cover.
    pub deletions_covered: u64,
    /// Whether they cover the run's end.
    pub end_covered: bool,
    /// What else is wrong: one sentence each.
    pub findings: Vec<String>,
    /// What is worth knowing, but not wrong.
    pub warnings: Vec<String>,
}

impl Report {
    /// The least that can be said where not even the runs can be read: why, and the verdict.
    #[must_use]
    pub fn of_unread(run: &str, error: JournalError, verification: Option<Verification>) -> Self {
        let mut gaps = Gaps::default();
        gaps.add("run", "the runs", error);
        let (mut unread, gaps) = gaps.told();
        unread.extend(PARTS);
        let (run, state) = (run.to_owned(), "unreadable".to_owned());
        Self { schema: SCHEMA, run, state, verification, gaps, unread, version: VERSION, ..Self::default() }
    }

    /// Whether one of these fields could not be read, so that it says nothing.
    pub(super) fn lacks(&self, fields: &[&str]) -> bool {
        fields.iter().any(|field| self.unread.contains(field))
    }

    /// What the view `runs` says; none where it says nothing.
    #[must_use]
    pub(super) fn fact(&self, name: &str) -> Option<&str> {
        self.facts.get(name)?.as_str().filter(|text| !text.is_empty())
    }
}

/// The name of a session's policy among its settings.
pub(super) const POLICY: &str = "policy_sha256";

/// All outcomes, in the order in which summaries have them, with how people call them.
pub(super) const OUTCOMES: [(&str, &str); 8] = [
    ("deleted", "deleted"),
    ("gone", "gone"),
    ("absent", "absent"),
    ("skipped", "skipped"),
    ("failed", "failed"),
    ("in_doubt", "in doubt"),
    ("unsettled", "unsettled"),
    ("not_attempted", "not attempted"),
];
