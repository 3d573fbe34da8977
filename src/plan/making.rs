//! A plan while its rows are judged.

use std::collections::BTreeMap;

use super::observe::Inventory;
use super::shown::{SHOWN, Shown};
use crate::domain::Target;
use crate::record::event::{PlanSealed, Today};
use crate::record::merkle::Hash;
use crate::record::plan::{
    Note, PlanHeader, PlanLineError, PlanRow, PlanSeal, Sealing, Severity, TargetVerdicts, Verdict,
};

/// A plan, as far as it is shown and decided upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// As recorded, once it is.
    pub sealed: PlanSealed,
    /// How many rows of each target have which verdict now: as sealed, unless a plan's file is executed on another day.
    pub today: Vec<TargetVerdicts>,
    /// The rows that have another verdict than the plan's file says.
    pub changes: Changes,
    /// The number of each reading's entry, by the reading's place among all.
    pub(super) readings: Vec<u64>,
    /// What people see of it.
    pub shown: Shown,
}

/// A target as people see it: its account is said only where the plan has several.
#[must_use]
pub fn place(seal: &PlanSeal, target: &Target) -> String {
    let several = seal.targets.iter().any(|other| other.account != target.account);
    if several { target.to_string() } else { target.region.clone() }
}

impl Plan {
    /// A target as people see it.
    #[must_use]
    pub fn place(&self, target: &Target) -> String {
        place(&self.sealed.seal, target)
    }

    /// The targets in which none of the key pairs that the manifest names is there, as people see them, with the number of
    /// their rows.
    pub fn nothing_there(&self) -> impl Iterator<Item = (String, u64)> {
        self.shown.nothing_there().map(|(target, rows)| (self.place(target), rows))
    }

    /// Key pairs to delete, over all targets.
    #[must_use]
    pub fn deletes(&self) -> u64 {
        self.today.iter().map(|target| target.deletes).fold(0, u64::saturating_add)
    }
}

/// A plan that is not complete yet.
#[derive(Debug, Default)]
pub(super) struct Making {
    sealing: Sealing,
    shown: Shown,
    /// How many rows of a target have which verdict today, more or fewer than their lines say.
    moved: BTreeMap<(String, String), [i64; 3]>,
    changes: Changes,
}

/// A row that was judged.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) line: PlanRow,
    /// The place among all readings of the one that showed its key pair.
    pub(super) place: Option<usize>,
    /// What differs from the line.
    pub(super) today: Option<Today>,
}

impl Judged {
    pub(super) fn verdict(&self) -> Verdict {
        self.today.as_ref().map_or(self.line.verdict, |today| today.verdict)
    }

    pub(super) fn notes(&self) -> &[Note] {
        self.today.as_ref().map_or(&self.line.notes, |today| &today.notes)
    }
}

impl Making {
    /// Takes the next row.
    pub(super) fn add(&mut self, judged: &Judged, leaf: Hash) {
        let (line, verdict) = (&judged.line, judged.verdict());
        self.sealing.push(&line.account, &line.region, line.verdict, leaf);
        let Some(today) = &judged.today else { return self.shown.add(line) };
        let moved = self.moved.entry((line.account.clone(), line.region.clone())).or_default();
        moved[line.verdict as usize] -= 1;
        moved[verdict as usize] += 1;
        if verdict != line.verdict {
            self.changes.add(line, today);
        }
        let Today { verdict, notes, observation } = today.clone();
        let observation = observation.or_else(|| line.observation.clone()).filter(|_| verdict != Verdict::Absent);
        self.shown.add(&PlanRow { verdict, notes, observation, ..line.clone() });
    }

    pub(super) fn seal(self, header: &PlanHeader, inventory: Inventory) -> Result<Plan, PlanLineError> {
        let seal = self.sealing.seal(header)?;
        let Inventory { targets, readings } = inventory;
        let mut today = seal.targets.clone();
        for target in &mut today {
            let moved = self.moved.get(&(target.account.clone(), target.region.clone())).copied().unwrap_or_default();
            let TargetVerdicts { deletes, skips, absents, .. } = target;
            [(deletes, Verdict::Delete), (skips, Verdict::Skip), (absents, Verdict::Absent)]
                .into_iter()
                .for_each(|(count, verdict)| *count = count.saturating_add_signed(moved[verdict as usize]));
        }
        let sealed = PlanSealed { header: header.clone(), seal, targets };
        Ok(Plan { sealed, today, changes: self.changes, readings, shown: self.shown })
    }
}

/// Rows that lost since a plan's file was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// How many there are.
    pub count: u64,
    /// The first of them: row, name, and what became of it.
    pub first: Vec<(u64, String, String)>,
}

impl Changes {
    fn add(&mut self, line: &PlanRow, today: &Today) {
        self.count += 1;
        if self.first.len() < SHOWN {
            let why = today.notes.iter().find(|note| note.severity >= Severity::Skip);
            let why = why.map_or("its key pair is not there any more", |note| note.text.as_str());
            self.first.push((line.row, line.name.clone(), why.to_owned()));
        }
    }
}
