//! What `verify` found, as data: the verdict, where the journal breaks, and how far it is proved.

use serde::Serialize;

use super::coverage::Coverage;
use super::demand::RunDemands;
use crate::domain::time_text;
use crate::record::Entry;
use crate::record::checkpoint::{Checkpoint, base64};
use crate::record::event::{LostHead, OverrideUsed, Previous};

/// What is to be said of a journal. A later one is graver, and the gravest is the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It agrees with a checkpoint brought from outside.
    Verified,
    /// Nothing is wrong with it, but there is nothing outside to compare with.
    SelfConsistent,
    /// The checkpoint that was brought does not belong to this journal, or this keybatch does not know the journal's
    /// format.
    CannotVerify,
    /// The database is damaged.
    Corrupt,
    /// A derived table is not what the entries say.
    ProjectionMismatch,
    /// An order of entries that keybatch cannot have produced.
    IllegalHistory,
    /// A signature does not hold.
    BadSignature,
    /// Entries that were there are missing at the end.
    Truncated,
    /// Its past differs from the one that the checkpoint saw.
    Forked,
    /// Something in it was changed after it was written.
    Altered,
}

impl Verdict {
    /// The word that the JSON uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::SelfConsistent => "self_consistent",
            Self::CannotVerify => "cannot_verify",
            Self::Corrupt => "corrupt",
            Self::ProjectionMismatch => "projection_mismatch",
            Self::IllegalHistory => "illegal_history",
            Self::BadSignature => "bad_signature",
            Self::Truncated => "truncated",
            Self::Forked => "forked",
            Self::Altered => "altered",
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(self) -> bool {
        matches!(self, Self::Verified | Self::SelfConsistent)
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How grave it is.
    pub verdict: Verdict,
    /// The first bad entry, if it is known.
    pub seq: Option<u64>,
    /// What should be there: a hash in base64, a size, a word.
    pub expected: Option<String>,
    /// What is there.
    pub found: Option<String>,
    /// One sentence.
    pub detail: String,
    /// Whether it is the machine that failed, so that nothing is known of the journal there.
    #[serde(skip)]
    pub of_the_machine: bool,
    /// Whether it rests on an error of SQLite's, which may mean the journal or the disk.
    #[serde(skip)]
    pub(super) doubted: bool,
}

impl Finding {
    pub(super) fn new(verdict: Verdict, seq: Option<u64>, detail: impl Into<String>) -> Self {
        Self { verdict, seq, expected: None, found: None, detail: detail.into(), of_the_machine: false, doubted: false }
    }

    /// Something that could not be examined.
    pub(super) fn of_the_machine(detail: impl Into<String>) -> Self {
        Self { of_the_machine: true, ..Self::new(Verdict::CannotVerify, None, detail) }
    }

    /// What is wrong unless it was the disk.
    pub(super) fn doubted(verdict: Verdict, detail: impl Into<String>) -> Self {
        Self { doubted: true, ..Self::new(verdict, None, detail) }
    }

    pub(super) fn hashes(mut self, expected: impl Into<String>, found: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self.found = Some(found.into());
        self
    }
}

/// A checkpoint in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckpointFacts {
    /// `keybatch/<journal id>`.
    pub origin: String,
    /// Entries covered.
    pub size: u64,
    /// Root over them, in base64.
    pub root: String,
}

impl Report {
    /// Its whole head is named by a successor that an outside checkpoint covers.
    pub(super) fn covered_by_successor(&mut self) {
        if !self.verdict.is_sound() {
            return;
        }
        self.verdict = Verdict::Verified;
        self.detail = format!(
            "all {} entries are those that were archived: the journal after it, which a checkpoint covers, names them",
            self.entries
        );
        self.proved_up_to = Some(self.entries);
        self.coverage.cover_all(self.entries);
        (self.accepted, self.not_accepted) = (true, None);
    }
}

impl From<&Checkpoint> for CheckpointFacts {
    fn from(checkpoint: &Checkpoint) -> Self {
        Self {
            origin: format!("keybatch/{}", checkpoint.journal_id),
            size: checkpoint.size,
            root: base64(&checkpoint.root),
        }
    }
}

/// A rollback that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AcceptedRollback {
    /// The entry that says so.
    pub seq: u64,
    /// When.
    pub at: String,
    /// By which user of the operating system.
    pub by: String,
    /// In the operator's words.
    pub why: Option<String>,
    /// The heads that were known then, and that the journal does not have.
    pub lost: Vec<LostHead>,
}

impl AcceptedRollback {
    pub(super) fn new(entry: &Entry, used: &OverrideUsed) -> Self {
        let (by, why, lost) = (used.by.clone(), used.why.clone(), used.lost.clone());
        Self { seq: entry.seq, at: time_text(entry.at), by, why, lost }
    }

    /// One sentence.
    pub(super) fn told(&self) -> String {
        let most = self.lost.iter().map(|lost| lost.size).max().unwrap_or_default();
        let why = self.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        format!(
            "{} accepted on {} that a journal of {most} entries was rolled back to {}, by entry {}{why}",
            self.by, self.at, self.seq, self.seq
        )
    }
}

/// The result of `verify`. Fields are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `keybatch.verify/1`.
    pub schema: &'static str,
    /// The gravest finding's.
    pub verdict: Verdict,
    /// Whether that is good enough: with `require_checkpoint`, only `verified` is.
    pub accepted: bool,
    /// The journal's id, where its first entry can be read.
    pub journal_id: Option<String>,
    /// The archived journal that it continues, by its head, as its first entry says.
    pub previous: Option<Previous>,
    /// Entries that were read.
    pub entries: u64,
    /// Root over the bodies of those, in base64.
    pub root: String,
    /// The first bad entry.
    pub first_bad: Option<u64>,
    /// What the gravest finding expected.
    pub expected: Option<String>,
    /// What it found.
    pub found: Option<String>,
    /// One sentence.
    pub detail: String,
    /// The checkpoint that was brought.
    pub checkpoint: Option<CheckpointFacts>,
    /// The entries below this number are those that the checkpoint saw.
    pub proved_up_to: Option<u64>,
    /// Runs in the journal.
    pub runs: u64,
    /// What the checkpoints cover: entries, deletions, and ends of runs.
    pub coverage: Coverage,
    /// Why a journal with which nothing is wrong is not accepted: one sentence.
    pub not_accepted: Option<String>,
    /// Everything that is wrong, the gravest first; of each verdict the first, and the first
    /// failure of the machine.
    pub findings: Vec<Finding>,
    /// What is worth knowing, but not wrong.
    pub warnings: Vec<String>,
    /// The rollbacks that were accepted, as far as the entries were judged.
    pub rollbacks: Vec<AcceptedRollback>,
    /// Where something was demanded of runs: the real ones that were started, and what each lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub demands: Option<Vec<RunDemands>>,
}

/// Collects what is wrong: the first finding of each verdict, and the first failure of the machine, which another finding of its
/// verdict must not hide.
#[derive(Debug, Default)]
pub(super) struct Findings {
    all: Vec<Finding>,
}

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        let like = |one: &Finding| one.verdict == finding.verdict && one.of_the_machine == finding.of_the_machine;
        if !self.all.iter().any(like) {
            self.all.push(finding);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether any of them needs a second pass.
    pub(super) fn doubted(&self) -> bool {
        self.all.iter().any(|finding| finding.doubted)
    }

    /// Blames the machine, for this reason, for everything that was in doubt.
    pub(super) fn blame(&mut self, why: String) {
        self.all.retain(|finding| !finding.doubted);
        self.add(Finding::of_the_machine(why));
    }

    /// The gravest first.
    pub(super) fn sorted(mut self) -> Vec<Finding> {
        self.all.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
        self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_blamed_for_what_is_in_doubt_alone() {
        let mut findings = Findings::default();
        findings.add(Finding::new(Verdict::Truncated, None, "an end is missing"));
        assert!(!findings.doubted());
        findings.add(Finding::doubted(Verdict::Corrupt, "a page"));
        findings.add(Finding::doubted(Verdict::ProjectionMismatch, "a table"));
        assert!(findings.doubted());
        findings.blame("the disk".into());
        assert!(!findings.doubted());
        let said: Vec<_> =
            findings.sorted().into_iter().map(|finding| (finding.verdict, finding.of_the_machine)).collect();
        assert_eq!(said, [(Verdict::Truncated, false), (Verdict::CannotVerify, true)]);
    }

    #[test]
    fn a_failure_of_the_machine_is_not_hidden_by_what_is_said_of_the_journal() {
        let mut findings = Findings::default();
        findings.add(Finding::new(Verdict::CannotVerify, Some(3), "a newer version"));
        findings.add(Finding::new(Verdict::CannotVerify, Some(4), "another one"));
        findings.add(Finding::new(Verdict::IllegalHistory, Some(5), "out of order"));
        findings.add(Finding::of_the_machine("the disk"));
        findings.add(Finding::of_the_machine("the disk again"));
        let said: Vec<String> = findings.sorted().into_iter().map(|finding| finding.detail).collect();
        assert_eq!(said, ["out of order", "a newer version", "the disk"]);
    }
}
