//! How much of the journal lies below an outside checkpoint that proves something: entries, deletions, and the ends of runs.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::Serialize;

use crate::domain::Outcome;
use crate::record::Entry;
use crate::record::event::Event;

/// What the outside checkpoints cover.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Entries below the largest checkpoint that agrees and proves something.
    pub entries: u64,
    /// Rows that the runs determined to be deleted.
    pub deletions: u64,
    /// How many of these are below that checkpoint.
    pub deletions_covered: u64,
    /// Runs that are over, finished or abandoned.
    pub ends: u64,
    /// How many of these ends are below it.
    pub ends_covered: u64,
    /// Each run, in the order of the journal.
    pub runs: Vec<RunCoverage>,
}

/// What the outside checkpoints cover of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RunCoverage {
    /// Its id.
    pub run: String,
    /// Whether it is a rehearsal.
    pub sandbox: bool,
    /// The entry with which it ended, if it did: it was finished or abandoned.
    pub end: Option<u64>,
    /// Whether that ended it before it was started: then it has sent nothing that deletes.
    #[serde(skip)]
    pub(super) never_started: bool,
    /// Whether that is below the checkpoint.
    pub end_covered: bool,
    /// Rows that it determined to be deleted.
    pub deletions: u64,
    /// How many of these are below the checkpoint.
    pub deletions_covered: u64,
    /// The first entry by which a row was deleted that is not below it; nor is any after that.
    pub first_uncovered: Option<u64>,
}

impl RunCoverage {
    fn cover(&mut self) {
        self.deletions_covered = self.deletions;
        self.first_uncovered = None;
        self.end_covered = self.end.is_some();
    }

    fn uncover(&mut self, first: Option<u64>) {
        (self.deletions_covered, self.end_covered, self.first_uncovered) = (0, false, first);
    }
}

/// Counted as the entries come.
#[derive(Debug, Default)]
pub(super) struct Covering {
    /// The run of each session.
    sessions: HashMap<u64, u64>,
    /// By their numbers.
    runs: BTreeMap<u64, RunCoverage>,
    /// The first deletion of each.
    first: HashMap<u64, u64>,
    /// Runs that were started: what stops one of these can be resumed, and what stops another one abandons it.
    started: HashSet<u64>,
    /// Runs of which something came since the last checkpoint.
    changed: BTreeSet<u64>,
    /// Up to where everything is covered.
    entries: u64,
}

impl Covering {
    /// Takes the next entry.
    pub(super) fn take(&mut self, entry: &Entry) {
        if let Event::SessionOpened(opened) = &entry.event {
            if let Some(run) = entry.run {
                self.sessions.insert(entry.seq, run);
            } else if let Some(id) = &opened.run_id {
                self.sessions.insert(entry.seq, entry.seq);
                let (run, sandbox) = (id.clone(), opened.sandbox);
                self.runs.insert(entry.seq, RunCoverage { run, sandbox, ..RunCoverage::default() });
            }
            return;
        }
        let outcome = match &entry.event {
            Event::AttemptFinished(finished) => finished.outcome,
            Event::RowSettled(settled) => Some(settled.outcome),
            Event::RunFinished(_) | Event::RunAbandoned(_) | Event::RunStarted(_) | Event::RunStopped(_) => None,
            _ => return,
        };
        let is_row = matches!(entry.event, Event::AttemptFinished(_) | Event::RowSettled(_));
        if is_row && outcome != Some(Outcome::Deleted) {
            return;
        }
        let own = entry.session.and_then(|session| self.sessions.get(&session).copied());
        let Some(number) = entry.run.or(own) else { return };
        if matches!(entry.event, Event::RunStarted(_)) {
            self.started.insert(number);
            return;
        }
        if matches!(entry.event, Event::RunStopped(_)) && self.started.contains(&number) {
            return;
        }
        let Some(run) = self.runs.get_mut(&number) else { return };
        self.changed.insert(number);
        if is_row {
            run.deletions += 1;
            run.first_uncovered.get_or_insert(entry.seq);
            self.first.entry(number).or_insert(entry.seq);
        } else {
            run.end = Some(entry.seq);
            run.never_started = matches!(entry.event, Event::RunStopped(_));
        }
    }

    /// Everything so far is below a checkpoint that agrees: so many entries.
    pub(super) fn cover(&mut self, entries: u64) {
        self.entries = entries;
        for number in std::mem::take(&mut self.changed) {
            if let Some(run) = self.runs.get_mut(&number) {
                run.cover();
            }
        }
    }

    /// The checkpoints prove nothing.
    pub(super) fn disown(&mut self) {
        self.entries = 0;
        for (number, run) in &mut self.runs {
            run.uncover(self.first.get(number).copied());
        }
    }

    /// The sums.
    pub(super) fn sum(self) -> Coverage {
        let mut coverage = Coverage { entries: self.entries, ..Coverage::default() };
        for run in self.runs.into_values() {
            coverage.deletions += run.deletions;
            coverage.deletions_covered += run.deletions_covered;
            coverage.ends += u64::from(run.end.is_some());
            coverage.ends_covered += u64::from(run.end_covered);
            coverage.runs.push(run);
        }
        coverage
    }
}

/// A word that names no run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotNamed {
    /// None has it.
    Unknown,
    /// Several begin so.
    Ambiguous,
}

/// The shortest beginning of an id that may name a run.
const FEWEST: usize = 4;

impl Coverage {
    /// Everything is covered: so many entries.
    pub(super) fn cover_all(&mut self, entries: u64) {
        self.runs.iter_mut().for_each(RunCoverage::cover);
        (self.entries, self.deletions_covered, self.ends_covered) = (entries, self.deletions, self.ends);
    }

    /// The run that is meant: its id, a beginning of it, or `latest`.
    ///
    /// # Errors
    /// Where it is none, or several.
    pub fn named(&self, wanted: &str) -> Result<&RunCoverage, NotNamed> {
        if wanted == "latest" {
            return self.runs.last().ok_or(NotNamed::Unknown);
        }
        let digits = |id: &str| id.replace('-', "").to_lowercase();
        let prefix = digits(wanted);
        let named = |run: &&RunCoverage| prefix.len() >= FEWEST && digits(&run.run).starts_with(&prefix);
        let mut matching = self.runs.iter().filter(named);
        match (matching.next(), matching.next()) {
            (None, _) => Err(NotNamed::Unknown),
            (Some(run), None) => Ok(run),
            _ => Err(NotNamed::Ambiguous),
        }
    }

    /// The real runs that were started and are over, and whose end no checkpoint covers.
    pub fn open_ends(&self) -> impl Iterator<Item = &RunCoverage> {
        let open = |run: &&RunCoverage| !run.sandbox && !run.never_started && run.end.is_some() && !run.end_covered;
        self.runs.iter().filter(open)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn entry(seq: u64, mut body: Value) -> Entry {
        (body["v"], body["seq"]) = (crate::record::ENTRY_VERSION.into(), seq.into());
        body["at"] = "2026-01-01T00:00:00.000000Z".into();
        Entry::parse(&body.to_string()).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    fn opened(seq: u64, run_id: Option<&str>, run: Option<u64>) -> Entry {
        let body = json!({
            "kind": "session_opened", "session": seq, "session_id": "s", "command": "run", "version": "1", "host": "h",
            "user": "u", "pid": 1, "sandbox": false, "settings": {}, "settings_sha256": "",
        });
        let mut body = body;
        if let Some(id) = run_id {
            body["run_id"] = id.into();
        }
        if let Some(run) = run {
            body["run"] = run.into();
        }
        entry(seq, body)
    }

    fn deleted(seq: u64, session: u64, outcome: &str) -> Entry {
        let body = json!({
            "kind": "row_settled", "session": session, "row": seq, "outcome": outcome, "evidence": "operation",
            "rests_on": [1],
        });
        entry(seq, body)
    }

    fn finished(seq: u64, session: u64) -> Entry {
        let outcomes = json!({
            "deleted": 0, "gone": 0, "absent": 0, "skipped": 0, "failed": 0, "in_doubt": 0, "unsettled": 0,
            "not_attempted": 0,
        });
        entry(seq, json!({ "kind": "run_finished", "session": session, "rows": 2, "outcomes": outcomes }))
    }

    /// Two runs, the first continued by another session; a checkpoint of so many entries agrees.
    fn covered(sizes: &[u64]) -> Covering {
        let mut covering = Covering::default();
        let entries = [
            opened(1, Some("A"), None),
            deleted(2, 1, "deleted"),
            deleted(3, 1, "gone"),
            opened(4, None, Some(1)),
            deleted(5, 4, "deleted"),
            finished(6, 4),
            opened(7, Some("B"), None),
            deleted(8, 7, "deleted"),
            finished(9, 7),
        ];
        for entry in entries {
            covering.take(&entry);
            if sizes.contains(&(entry.seq + 1)) {
                covering.cover(entry.seq + 1);
            }
        }
        covering
    }

    #[test]
    fn deletions_and_ends_below_the_largest_checkpoint_are_covered() {
        let said = |sizes: &[u64]| {
            let sum = covered(sizes).sum();
            let runs = sum.runs.iter().map(|run| (run.deletions_covered, run.end_covered, run.first_uncovered));
            (sum.entries, sum.deletions_covered, sum.ends_covered, runs.collect::<Vec<_>>())
        };
        assert_eq!(said(&[]), (0, 0, 0, vec![(0, false, Some(2)), (0, false, Some(8))]));
        assert_eq!(said(&[3, 4]), (4, 1, 0, vec![(1, false, Some(5)), (0, false, Some(8))]));
        assert_eq!(said(&[6]), (6, 2, 0, vec![(2, false, None), (0, false, Some(8))]));
        assert_eq!(said(&[7]), (7, 2, 1, vec![(2, true, None), (0, false, Some(8))]));
        assert_eq!(said(&[2, 9]), (9, 3, 1, vec![(2, true, None), (1, false, None)]));
        assert_eq!(said(&[10]), (10, 3, 2, vec![(2, true, None), (1, true, None)]));
        let all = covered(&[10]).sum();
        assert_eq!((all.deletions, all.ends, all.open_ends().count()), (3, 2, 0));
        assert_eq!(covered(&[7]).sum().open_ends().map(|run| run.run.as_str()).collect::<Vec<_>>(), ["B"]);
    }

    #[test]
    fn a_run_that_stopped_before_it_was_started_is_over() {
        let stopped = |seq| entry(seq, json!({ "kind": "run_stopped", "session": 1, "why": "refused" }));
        let mut covering = Covering::default();
        [opened(1, Some("A"), None), stopped(2)].iter().for_each(|entry| covering.take(entry));
        assert_eq!(covering.sum().runs[0].end, Some(2));
        // The next session closes one that died.
        let mut covering = Covering::default();
        let mut closed = stopped(3);
        (closed.session, closed.run) = (Some(2), Some(1));
        [opened(1, Some("A"), None), closed].iter().for_each(|entry| covering.take(entry));
        assert_eq!(covering.sum().runs[0].end, Some(3));
        // One that was started can be resumed.
        let settings = serde_json::to_value(crate::domain::Settings::default()).unwrap();
        let started = json!({
            "kind": "run_started", "session": 1, "plan_root": "", "deletes": 1, "confirmed_by": "yes", "settings": settings,
        });
        let mut covering = Covering::default();
        [opened(1, Some("A"), None), entry(2, started), stopped(3)].iter().for_each(|entry| covering.take(entry));
        assert_eq!(covering.sum().runs[0].end, None);
    }

    #[test]
    fn checkpoints_of_another_journal_cover_nothing() {
        let mut covering = covered(&[10]);
        covering.disown();
        assert_eq!(covering.sum(), covered(&[]).sum());
    }
}
