//! The outcome of a row, and the evidence for it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What became of a row. Every row has exactly one outcome; see `docs/SEMANTICS.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Our request deleted it.
    Deleted,
    /// It was there before our unanswered request and is not there now; whether we did it cannot be shown.
    Gone,
    /// It was not there before any request of ours could have taken effect.
    Absent,
    /// No deletion was requested.
    Skipped,
    /// Definitely refused, or retries used up with the key pair seen still there.
    Failed,
    /// Cannot be determined with the means at hand; a person must look.
    InDoubt,
}

impl Outcome {
    /// The word that the journal, the views and the summary use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Gone => "gone",
            Self::Absent => "absent",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::InDoubt => "in_doubt",
        }
    }
}

impl Outcome {
    /// What a person, or CloudTrail's record, may say of a row that the run itself left with this outcome, and that counts as
    /// `now`. Nothing may be said of a row whose outcome is shown. What was said may be withdrawn.
    #[must_use]
    pub fn may_become(self, now: Self) -> &'static [Self] {
        use Outcome::{Absent, Deleted, Failed, Gone, InDoubt};
        match (self, now == self) {
            (InDoubt, true) => &[Deleted, Gone, Absent, Failed],
            (InDoubt, false) => &[Deleted, Gone, Absent, Failed, InDoubt],
            // It was seen to be gone: it cannot have survived.
            (Gone, true) => &[Deleted, Absent],
            (Gone, false) => &[Deleted, Absent, Gone],
            _ => &[],
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an outcome rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The answer to our own request.
    Answer,
    /// An operation found later, by its id or in the operation history.
    Operation,
    /// CloudTrail's record names our run or request.
    Cloudtrail,
    /// The key pair was read again.
    Readback,
    /// The inventory, or a reading of the key pair, made before any request of ours.
    Inventory,
    /// A note of the plan or of a later check: no deletion was requested.
    Note,
    /// What was tried without a result.
    Tried,
    /// What a person found out, and why.
    Person,
}

impl Evidence {
    /// The word that the journal and the views use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Operation => "operation",
            Self::Cloudtrail => "cloudtrail",
            Self::Readback => "readback",
            Self::Inventory => "inventory",
            Self::Note => "note",
            Self::Tried => "tried",
            Self::Person => "person",
        }
    }
}

/// How many rows have each outcome. A row without an outcome is `unsettled` if a request of ours may have taken effect,
/// else `not_attempted`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are the outcomes themselves")]
pub struct OutcomeCounts {
    pub deleted: u64,
    pub gone: u64,
    pub absent: u64,
    pub skipped: u64,
    pub failed: u64,
    pub in_doubt: u64,
    #[serde(default)]
    pub unsettled: u64,
    pub not_attempted: u64,
}

impl OutcomeCounts {
    /// The sum over all outcomes, which must be the number of rows (I10).
    #[must_use]
    pub fn total(&self) -> u64 {
        self.settled() + self.unsettled + self.not_attempted
    }

    /// How many rows have an outcome.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.deleted + self.gone + self.absent + self.skipped + self.failed + self.in_doubt
    }

    /// The rows that have reached their outcome since `earlier`.
    #[must_use]
    pub fn settled_since(&self, earlier: &Self) -> Self {
        Self {
            deleted: self.deleted.saturating_sub(earlier.deleted),
            gone: self.gone.saturating_sub(earlier.gone),
            absent: self.absent.saturating_sub(earlier.absent),
            skipped: self.skipped.saturating_sub(earlier.skipped),
            failed: self.failed.saturating_sub(earlier.failed),
            in_doubt: self.in_doubt.saturating_sub(earlier.in_doubt),
            unsettled: 0,
            not_attempted: 0,
        }
    }

    /// The sum of both, for rows that have an outcome.
    #[must_use]
    pub fn settled_with(&self, more: &Self) -> Self {
        Self {
            deleted: self.deleted + more.deleted,
            gone: self.gone + more.gone,
            absent: self.absent + more.absent,
            skipped: self.skipped + more.skipped,
            failed: self.failed + more.failed,
            in_doubt: self.in_doubt + more.in_doubt,
            unsettled: 0,
            not_attempted: 0,
        }
    }

    /// The count for an outcome's word, including `unsettled` and `not_attempted`; 0 for any other word.
    #[must_use]
    pub fn of(&self, outcome: &str) -> u64 {
        match outcome {
            "deleted" => self.deleted,
            "gone" => self.gone,
            "absent" => self.absent,
            "skipped" => self.skipped,
            "failed" => self.failed,
            "in_doubt" => self.in_doubt,
            "unsettled" => self.unsettled,
            "not_attempted" => self.not_attempted,
            _ => 0,
        }
    }

    /// Counts one more row with this `outcome`.
    pub fn add(&mut self, outcome: Outcome) {
        *self.count(outcome) += 1;
    }

    /// A row that counted as `before` counts as `after`.
    pub fn replace(&mut self, before: Outcome, after: Outcome) {
        let counted = self.count(before);
        *counted = counted.saturating_sub(1);
        self.add(after);
    }

    fn count(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Deleted => &mut self.deleted,
            Outcome::Gone => &mut self.gone,
            Outcome::Absent => &mut self.absent,
            Outcome::Skipped => &mut self.skipped,
            Outcome::Failed => &mut self.failed,
            Outcome::InDoubt => &mut self.in_doubt,
        }
    }
}
