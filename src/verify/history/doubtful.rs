//! A row that ended in doubt or as gone, while a journal is verified: a person, or CloudTrail's record, may say more of it.

use super::grounds::rests;
use super::trouble::Trouble;
use crate::domain::{Evidence, Outcome};
use crate::record::event::RowResolved;

/// Why nobody says more of a row in this session.
pub(super) const NOT_ALONE: &str = "a row is resolved in an open session of its own, which is of no run";

#[derive(Debug)]
pub(super) struct Doubtful {
    /// The outcome that its run determined.
    settled: Outcome,
    /// What it counts as.
    now: Outcome,
    /// Numbers of its entries after the intent, ascending.
    entries: Vec<u64>,
    /// That of the one which has the outcome.
    settled_seq: u64,
}

impl Doubtful {
    /// A row with these entries that got this outcome in entry `seq`, if more may be said of it.
    pub(super) fn of(outcome: Outcome, mut entries: Vec<u64>, seq: u64) -> Option<Self> {
        if outcome.may_become(outcome).is_empty() {
            return None;
        }
        entries.push(seq);
        entries.shrink_to_fit();
        Some(Self { settled: outcome, now: outcome, entries, settled_seq: seq })
    }

    /// One more entry of it, with this number, that may be rested on.
    pub(super) fn add(&mut self, seq: u64) {
        self.entries.push(seq);
    }

    /// What it counts as.
    pub(super) fn counts_as(&self) -> Outcome {
        self.now
    }

    /// Takes what entry `seq` says of it, and returns what it counted as before.
    pub(super) fn resolve(&mut self, told: &RowResolved, intent: Option<u64>, seq: u64) -> Result<Outcome, Trouble> {
        if !matches!(told.evidence, Evidence::Person | Evidence::Cloudtrail) {
            return Err("only a person or CloudTrail's record gives a row another outcome".into());
        }
        let before = self.now;
        if !self.settled.may_become(before).contains(&told.outcome) {
            return Err(Trouble::Illegal(format!(
                "it says that its row is {}, but one that its run left {} and that counts as {before} cannot be",
                told.outcome, self.settled
            )));
        }
        let is_known = |seq: &u64| Some(*seq) == intent || self.entries.binary_search(seq).is_ok();
        rests(&told.rests_on, [intent, Some(self.settled_seq)], is_known)?;
        self.entries.push(seq);
        self.now = told.outcome;
        Ok(before)
    }
}
