//! What a report says, as data: `keybatch.report/1`.

use serde::Serialize;
use serde_json::{Map, Value};

use super::traffic::Traffic;
use crate::domain::OutcomeCounts;
use crate::review::facts::{Override, Session};
use crate::review::story::Story;

/// A report on one run. Fields are only ever added.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// `keybatch.report/1`.
    pub schema: &'static str,
    /// The run.
    pub run: String,
    /// Whether it was a rehearsal.
    pub sandbox: bool,
    /// planning, running, stopped, finished, abandoned.
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
    /// The cap on the rate in each target that was asked for.
    pub rate_cap: Option<String>,
    /// The last rate of each target.
    pub rates: Vec<crate::review::facts::Rate>,
    /// The plan, once it was sealed.
    pub plan: Option<PlanFacts>,
    /// The people who approved the plan.
    pub approvals: Vec<Approval>,
    /// The processes that worked on it.
    pub sessions: Vec<Session>,
    /// The safety rules that were lifted.
    pub overrides: Vec<Override>,
    /// The limits and other settings of each session, and what stopped it.
    pub controls: Vec<Control>,
    /// Rows that a person must look at, with what to look for.
    pub doubts: Vec<Doubt>,
    /// How many more of these there are than are listed.
    pub doubts_not_listed: u64,
    /// Rows that count as deleted or gone whose key pair belonged to instances when the run was planned.
    pub in_use: Vec<InUse>,
    /// How many more of these there are than are listed.
    pub in_use_not_listed: u64,
    /// As of when instances are known.
    pub in_use_as_of: Option<String>,
    /// Checkpoints in the journal.
    pub checkpoints: Checkpoints,
    /// The verdict on the journal.
    pub verification: Option<Verification>,
    /// What could not be read, and why: one sentence each. The rest was.
    pub gaps: Vec<String>,
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

/// A limit, another setting, or a stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Control {
    /// When the session was opened, or the run was stopped.
    pub at: String,
    /// The setting, or `stopped`.
    pub name: String,
    /// Its value, or why.
    pub value: String,
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

/// A deleted key pair whose public key instances keep.
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
    /// What the view `runs` says; none where it says nothing.
    #[must_use]
    pub(super) fn fact(&self, name: &str) -> Option<&str> {
        self.facts.get(name)?.as_str().filter(|text| !text.is_empty())
    }
}

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
