//! What people see of a plan.

use std::collections::BTreeMap;

use crate::domain::Target;
use crate::policy::guard;
use crate::policy::recreated::RECREATED;
use crate::record::plan::{Note, PlanRow, Severity, Verdict};

/// How many notes and names are kept for showing.
pub(super) const SHOWN: usize = 20;

/// What people see of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// The first names to be deleted, with their targets.
    pub first: Vec<(String, Target)>,
    /// The first notes that are more than information, with row and name.
    pub notes: Vec<(u64, String, Note)>,
    /// How many such notes there are, by kind.
    pub note_counts: BTreeMap<String, u64>,
    /// The first rows whose key pair was re-created since an earlier run, as in `notes`: those must not hide behind others.
    pub recreated: Vec<(u64, String, Note)>,
    /// Rows and key pairs that they name and that are there, for each target.
    pub there: BTreeMap<Target, There>,
}

/// How much of what a manifest names in a target is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct There {
    /// Rows that name a key pair of this target.
    pub rows: u64,
    /// Those of them whose key pair is there.
    pub found: u64,
}

impl Shown {
    /// Takes the next row.
    pub fn add(&mut self, line: &PlanRow) {
        // A few of each target, so that each can be probed.
        let is_new = || !self.first.iter().any(|(_, target)| is_in(line, target));
        if line.verdict == Verdict::Delete && (self.first.len() < SHOWN || is_new()) {
            self.first.push((line.name.clone(), target_of(line)));
        }
        self.count_there(line);
        for note in line.notes.iter().filter(|note| note.severity > Severity::Info) {
            *self.note_counts.entry(note.kind.clone()).or_default() += 1;
            if note.kind == RECREATED && self.recreated.len() < SHOWN {
                self.recreated.push((line.row, line.name.clone(), note.clone()));
            }
            if self.notes.len() < SHOWN {
                self.notes.push((line.row, line.name.clone(), note.clone()));
            }
        }
    }

    /// An invalid row names no key pair, and one for another account says nothing about this one.
    fn count_there(&mut self, line: &PlanRow) {
        let says_nothing = |note: &Note| matches!(note.kind.as_str(), guard::INVALID_ROW | guard::OTHER_ACCOUNT);
        if line.notes.iter().any(says_nothing) {
            return;
        }
        if !self.there.keys().any(|target| is_in(line, target)) {
            self.there.insert(target_of(line), There::default());
        }
        let Some((_, there)) = self.there.iter_mut().find(|(target, _)| is_in(line, target)) else { return };
        there.rows += 1;
        // If two key pairs have the name, neither is considered the intended one, but both are there.
        let is_ambiguous = line.notes.iter().any(|note| note.kind == guard::AMBIGUOUS);
        there.found += u64::from(line.observation.is_some() || is_ambiguous);
    }

    /// The targets in which none of the key pairs that the manifest names is there, with the number of their rows: a wrong
    /// account, profile or region looks like that.
    pub fn nothing_there(&self) -> impl Iterator<Item = (&Target, u64)> {
        let none = self.there.iter().filter(|(_, there)| there.found == 0);
        none.map(|(target, there)| (target, there.rows))
    }
}

fn target_of(line: &PlanRow) -> Target {
    Target { account: line.account.clone(), region: line.region.clone() }
}

fn is_in(line: &PlanRow, target: &Target) -> bool {
    target.region == line.region && target.account == line.account
}
