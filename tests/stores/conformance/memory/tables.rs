//! The shared projection, applied to plain maps instead of tables, and held against the naive history: what it says is what is
//! found by going through all entries, in a store that knows no SQL, too.

use std::collections::{BTreeMap, BTreeSet};

use keybatch::domain::{Class, Evidence, Outcome, Target};
use keybatch::journal::changes::{Change, Changes, NewIntent};
use keybatch::journal::project::Projector;
use keybatch::journal::{RunRecord, RunState};
use keybatch::record::plan::Verdict;

use super::Memory;
use super::history::{History, Run};
use crate::conformance::Ticks;
use crate::conformance::histories::{history, write};
use crate::harness::tests;

tests![; async the_projection_says_what_the_naive_history_says];

/// The projections.
#[derive(Debug, Default)]
struct Tables {
    runs: BTreeMap<u64, RunRecord>,
    /// The first and the last instant of each run, and its manifest's name.
    times: BTreeMap<u64, (jiff::Timestamp, Option<jiff::Timestamp>, Option<String>)>,
    targets: BTreeMap<u64, Vec<(i64, Target)>>,
    intents: BTreeMap<(u64, u64), Intent>,
    attempts: BTreeMap<(u64, u64, u32), Attempted>,
    row_entries: BTreeSet<(u64, u64, u64)>,
    milestones: BTreeMap<Option<u64>, Vec<(u64, &'static str)>>,
    rates: BTreeMap<(String, Target), (u64, String, bool)>,
    resolutions: BTreeMap<(u64, u64), (u64, Outcome, Evidence)>,
}

/// The entry of an attempt's start; that of its end, and its class.
type Attempted = (u64, Option<(u64, Class)>);

#[derive(Debug)]
struct Intent {
    target: u64,
    name: String,
    verdict: Verdict,
    seq: u64,
    settled: Option<(u64, Outcome, Evidence)>,
}

impl Tables {
    fn apply(&mut self, changes: Changes<'_>) {
        changes.small.into_iter().for_each(|change| self.apply_small(change));
        for NewIntent { run, row, target, name, verdict, seq } in changes.intents {
            let intent = Intent { target, name: name.to_owned(), verdict, seq, settled: None };
            assert!(self.intents.insert((run, row), intent).is_none());
        }
        for new in changes.attempts {
            assert!(self.attempts.insert((new.run, new.row, new.attempt), (new.seq, None)).is_none());
        }
        for end in changes.finished {
            let (_, finished) = self.attempts.get_mut(&(end.run, end.row, end.attempt)).unwrap();
            assert_eq!(finished.replace((end.seq, end.class)), None);
        }
        self.row_entries.extend(changes.row_entries.iter().map(|new| (new.run, new.row, new.seq)));
        for end in changes.settled {
            let intent = self.intents.get_mut(&(end.run, end.row)).unwrap();
            assert_eq!(intent.settled.replace((end.seq, end.outcome, end.evidence)), None);
        }
    }

    fn apply_small(&mut self, change: Change<'_>) {
        match change {
            Change::Run(new) => {
                let record = RunRecord {
                    run_no: i64::try_from(new.run).unwrap(),
                    run: new.id.parse().unwrap(),
                    state: RunState::Planning,
                    stopped_by: None,
                    manifest_sha256: None,
                    rows: 0,
                    account: new.account.map(str::to_owned),
                    endpoint: new.endpoint.map(str::to_owned),
                    sandbox: new.sandbox,
                    plan_root: None,
                    manifest_seq: None,
                    sealed_seq: None,
                    started_seq: None,
                    reads: 0,
                    reads_throttled: 0,
                };
                self.runs.insert(new.run, record);
                self.times.insert(new.run, (new.started_at, None, None));
            }
            Change::State { run, state, stopped_by, finished_at } => {
                (self.run(run).state, self.run(run).stopped_by) = (state, stopped_by.map(str::to_owned));
                self.times.get_mut(&run).unwrap().1 = finished_at;
            }
            Change::Manifest { run, seq, name, sha256, rows } => {
                self.times.get_mut(&run).unwrap().2 = Some(name.to_owned());
                let record = self.run(run);
                (record.manifest_sha256, record.manifest_seq, record.rows) = (Some(sha256.into()), Some(seq), rows);
            }
            Change::Sealed { run, seq, plan_root } => {
                (self.run(run).plan_root, self.run(run).sealed_seq) = (Some(plan_root.into()), Some(seq));
            }
            Change::Started { run, seq } => self.run(run).started_seq = Some(seq),
            Change::Reads { run, requests, throttled } => {
                self.run(run).reads += requests;
                self.run(run).reads_throttled += throttled;
            }
            Change::Target { number, run, account, region } => {
                let target = Target { account: account.into(), region: region.into() };
                self.targets.entry(run).or_default().push((i64::try_from(number).unwrap(), target));
            }
            Change::Milestone { seq, run, kind } => self.milestones.entry(run).or_default().push((seq, kind)),
            Change::Rate { endpoint, account, region, rate_per_s, is_limit, seq } => {
                let target = Target { account: account.into(), region: region.into() };
                self.rates.insert((endpoint, target), (seq, rate_per_s.into(), is_limit));
            }
            Change::Resolved(told) => {
                self.resolutions.insert((told.run, told.row), (told.seq, told.outcome, told.evidence));
            }
            Change::Session { .. } | Change::Checkpoint { .. } => {}
        }
    }

    fn run(&mut self, run: u64) -> &mut RunRecord {
        self.runs.get_mut(&run).unwrap()
    }

    fn is_of(&self, history: &History) {
        assert!(self.runs.values().eq(history.runs.iter().map(|run| &run.record)));
        history.runs.iter().for_each(|run| self.has_rows_of(run));
        let rollbacks = self.milestones.get(&None).into_iter().flatten().filter(|(_, kind)| *kind == "override_used");
        assert!(rollbacks.map(|(seq, _)| seq).eq(&history.rollbacks));
        for ((endpoint, target), kept) in &self.rates {
            let of_endpoint = history.runs.iter().filter(|run| run.record.endpoint.as_ref() == Some(endpoint));
            let learned = of_endpoint.flat_map(|run| &run.rates).filter(|(_, place, ..)| place == target);
            let last =
                learned.max_by_key(|(seq, ..)| *seq).map(|(seq, _, rate, is_limit)| (*seq, rate.clone(), *is_limit));
            assert_eq!(last.as_ref(), Some(kept));
        }
        assert_eq!(self.rates.is_empty(), history.runs.iter().all(|run| run.rates.is_empty()));
    }

    fn has_rows_of(&self, run: &Run) {
        let number = run.number();
        assert_eq!(self.times[&number], (run.started_at, run.finished_at, run.manifest.clone()));
        let mut targets = self.targets.get(&number).cloned().unwrap_or_default();
        targets.sort_by_key(|(_, target)| (target.account.clone(), target.region.clone()));
        assert_eq!(targets, run.targets);
        assert_eq!(self.milestones.get(&Some(number)), Some(&run.milestones));
        let intents: Vec<_> = self.intents.range((number, 0)..=(number, u64::MAX)).collect();
        assert_eq!(intents.len(), run.rows.len());
        for ((&(_, row), intent), (own, expected)) in intents.into_iter().zip(&run.rows) {
            let named = (row, i64::try_from(intent.target).unwrap(), &intent.name, intent.verdict, intent.seq);
            let said = &expected.intent;
            let expected_name = (*own, expected.target, &said.line.name, said.line.verdict, expected.intent_seq);
            assert_eq!(named, expected_name);
            assert_eq!(intent.settled.map(|(_, outcome, evidence)| (outcome, evidence)), expected.settled);
            assert_eq!(self.resolutions.get(&(number, row)), expected.resolved.as_ref());
            let attempts: Vec<_> = self.attempts.range((number, row, 0)..=(number, row, u32::MAX)).collect();
            let told = attempts.iter().map(|((.., attempt), (started, finished))| (*attempt, *started, *finished));
            assert!(told.eq(expected.attempts.iter().map(|own| (own.number, own.started, own.finished))));
            let mut entries = BTreeSet::from([intent.seq]);
            entries.extend(intent.settled.map(|(seq, ..)| seq));
            entries.extend(attempts.iter().map(|(_, (started, _))| *started));
            entries.extend(attempts.iter().filter_map(|(_, (_, finished))| finished.map(|(seq, _)| seq)));
            entries.extend(self.row_entries.range((number, row, 0)..=(number, row, u64::MAX)).map(|(.., seq)| *seq));
            assert!(entries.iter().eq(&expected.entries), "{entries:?} {:?}", expected.entries);
        }
    }
}

async fn the_projection_says_what_the_naive_history_says() {
    for seed in 0..40 {
        let memory = Memory::default();
        for seed in [seed, seed + 40] {
            let mut store = memory.store(Ticks::at(0));
            write(&mut store, history(seed)).await;
        }
        let (mut projector, mut tables) = (Projector::default(), Tables::default());
        let kept = memory.kept();
        for batch in kept.entries.chunks(7) {
            let mut changes = Changes::default();
            batch.iter().for_each(|(entry, _)| projector.project(entry, &mut changes).unwrap());
            tables.apply(changes);
        }
        tables.is_of(&kept.history());
    }
}
