//! The outcomes after which rows of a run can be planned again.

use std::collections::BTreeSet;

use super::outcome::Outcome;

/// The setting that names the run some of whose rows are planned again.
pub const OF: &str = "of";

/// The setting that names the outcomes of these rows, in the form that [`Retriable::joined`] gives.
pub const ONLY: &str = "only";

/// An outcome after which a row can be planned again. A key pair that we deleted is not there to be deleted once more, and what became of
/// an unsettled row is the business of its own run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the outcomes' own words")]
pub enum Retriable {
    Failed,
    InDoubt,
    Skipped,
    Gone,
    Absent,
    NotAttempted,
}

impl Retriable {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Failed, Self::InDoubt, Self::Skipped, Self::Gone, Self::Absent, Self::NotAttempted];

    /// The word that the journal, the views and the summary use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::InDoubt => "in_doubt",
            Self::Skipped => "skipped",
            Self::Gone => "gone",
            Self::Absent => "absent",
            Self::NotAttempted => "not_attempted",
        }
    }

    /// The one of this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }

    /// That of a row which was settled.
    #[must_use]
    pub fn of_outcome(outcome: Outcome) -> Option<Self> {
        Self::of(outcome.as_str())
    }

    /// Their words, separated by commas, in the order of [`ALL`](Self::ALL).
    #[must_use]
    pub fn joined(outcomes: &BTreeSet<Self>) -> String {
        outcomes.iter().map(|outcome| outcome.as_str()).collect::<Vec<_>>().join(",")
    }

    /// Reads them in the only form that keybatch writes; there is at least one.
    #[must_use]
    pub fn written(text: &str) -> Option<BTreeSet<Self>> {
        let outcomes: BTreeSet<_> = text.split(',').map(Self::of).collect::<Option<_>>()?;
        (Self::joined(&outcomes) == text).then_some(outcomes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_read_only_as_they_are_written() {
        let both = BTreeSet::from([Retriable::InDoubt, Retriable::Failed]);
        assert_eq!(Retriable::joined(&both), "failed,in_doubt");
        assert_eq!(Retriable::written("failed,in_doubt"), Some(both));
        for other in ["", "in_doubt,failed", "failed,failed", "failed,", "deleted", "unsettled", "Failed"] {
            assert_eq!(Retriable::written(other), None, "{other:?}");
        }
        for outcome in Retriable::ALL {
            assert_eq!(Retriable::written(outcome.as_str()), Some(BTreeSet::from([outcome])));
        }
    }

    #[test]
    fn each_outcome_is_one_or_is_deleted() {
        use Outcome::{Absent, Deleted, Failed, Gone, InDoubt, Skipped};
        for outcome in [Absent, Deleted, Failed, Gone, InDoubt, Skipped] {
            assert_eq!(Retriable::of_outcome(outcome).is_none(), outcome == Deleted, "{outcome}");
        }
    }
}
