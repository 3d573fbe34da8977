//! What a list of entries says, found by going through it.

use std::collections::BTreeMap;

use keybatch::domain::{Class, Evidence, Outcome, OutcomeCounts, Target};
use keybatch::journal::{RunRecord, RunState};
use keybatch::record::event::{IntentRecorded, ManifestIngested, SessionOpened};
use keybatch::record::plan::Verdict;
use keybatch::record::{Entry, Event};

/// All runs, in the order of their beginnings.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) runs: Vec<Run>,
    /// The run of each session, where it has one.
    sessions: BTreeMap<u64, Option<u64>>,
    targets: i64,
    /// The numbers of the entries that accept a rollback.
    pub(super) rollbacks: Vec<u64>,
}

/// A run.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) record: RunRecord,
    pub(super) opened: SessionOpened,
    pub(super) manifest: Option<String>,
    pub(super) started_at: jiff::Timestamp,
    pub(super) finished_at: Option<jiff::Timestamp>,
    pub(super) closed_ms: u64,
    /// By account and region.
    pub(super) targets: Vec<(i64, Target)>,
    pub(super) rows: BTreeMap<u64, Row>,
    /// Entries about the run as a whole: number and kind.
    pub(super) milestones: Vec<(u64, &'static str)>,
    /// Target, rate, whether it is a limit, in order.
    pub(super) rates: Vec<(u64, Target, String, bool)>,
}

/// A row.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) intent: IntentRecorded,
    pub(super) intent_seq: u64,
    pub(super) target: i64,
    pub(super) attempts: Vec<Attempt>,
    /// Numbers of all its entries.
    pub(super) entries: Vec<u64>,
    /// What the run itself determined.
    pub(super) settled: Option<(Outcome, Evidence)>,
    /// What was said of it later, by the entry of this number.
    pub(super) resolved: Option<(u64, Outcome, Evidence)>,
}

/// An attempt: number, entry of its start, entry of its end and class.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) number: u32,
    pub(super) started: u64,
    pub(super) finished: Option<(u64, Class)>,
}

impl History {
    pub(super) fn run(&self, run_no: i64) -> Option<&Run> {
        self.runs.iter().find(|run| run.record.run_no == run_no)
    }

    /// The run that an entry is about: its own, or its session's.
    pub(super) fn run_of(&self, entry: &Entry) -> Option<u64> {
        entry.run.or_else(|| self.sessions.get(&entry.session?).copied().flatten())
    }

    /// Takes the next entry in; an error says why it cannot be there.
    pub(super) fn take(&mut self, entry: &Entry) -> Result<(), &'static str> {
        if let Event::SessionOpened(opened) = &entry.event {
            let begun = opened.run_id.as_ref().filter(|_| entry.run.is_none());
            self.sessions.insert(entry.seq, entry.run.or(begun.map(|_| entry.seq)));
            let known = self.runs.iter_mut().find(|run| Some(run.number()) == entry.run);
            known.into_iter().for_each(Run::reopen);
            self.runs.extend(begun.map(|id| Run::begun(id, entry, opened)));
        }
        let Some(number) = self.run_of(entry) else {
            return match &entry.event {
                Event::OverrideUsed(_) => {
                    self.rollbacks.push(entry.seq);
                    Ok(())
                }
                Event::CheckpointMade(_)
                | Event::CheckpointAnchored(_)
                | Event::SessionOpened(_)
                | Event::SessionClosed(_)
                | Event::JournalCreated(_) => Ok(()),
                _ => Err("it is about no run"),
            };
        };
        let run = self.runs.iter_mut().find(|run| run.number() == number).ok_or("its run was never opened")?;
        match entry.row {
            Some(row) => run.take_row(row, entry, &mut self.targets),
            None => {
                run.take(entry);
                Ok(())
            }
        }
    }

    /// The outcomes of a run's rows.
    pub(super) fn counts(&self, run: &Run) -> OutcomeCounts {
        let mut counts = OutcomeCounts::default();
        for row in run.rows.values() {
            match row.outcome() {
                Some(outcome) => counts.add(outcome),
                None if self.is_unsettled(run, row) => counts.unsettled += 1,
                None => {}
            }
        }
        counts.not_attempted = run.record.rows.saturating_sub(counts.total());
        counts
    }

    pub(super) fn is_unsettled(&self, run: &Run, row: &Row) -> bool {
        let harmless = |class: &Class| {
            use Class::{Denied, NotSent, RefusedForAll, SetupInProgress, Throttled};
            matches!(class, Throttled | NotSent | SetupInProgress | Denied | RefusedForAll)
        };
        let may_have_left = |attempt: &Attempt| !attempt.finished.as_ref().is_some_and(|(_, class)| harmless(class));
        let lost = self.rollbacks.last().is_some_and(|seq| row.intent_seq < *seq);
        row.attempts.iter().any(may_have_left)
            || (row.intent.line.verdict == Verdict::Delete && lost && run.record.state != RunState::Abandoned)
    }
}

impl Run {
    fn begun(id: &str, entry: &Entry, opened: &SessionOpened) -> Self {
        let record = RunRecord {
            run_no: i64::try_from(entry.seq).unwrap(),
            run: id.parse().unwrap(),
            state: RunState::Planning,
            stopped_by: None,
            manifest_sha256: None,
            rows: 0,
            account: opened.account.clone(),
            endpoint: opened.endpoint.clone(),
            sandbox: opened.sandbox,
            plan_root: None,
            manifest_seq: None,
            sealed_seq: None,
            started_seq: None,
            reads: 0,
            reads_throttled: 0,
        };
        Self {
            record,
            opened: opened.clone(),
            manifest: None,
            started_at: entry.at,
            finished_at: None,
            closed_ms: 0,
            targets: Vec::new(),
            rows: BTreeMap::new(),
            milestones: Vec::new(),
            rates: Vec::new(),
        }
    }

    pub(super) fn number(&self) -> u64 {
        u64::try_from(self.record.run_no).unwrap()
    }

    fn reopen(&mut self) {
        if self.record.state == RunState::Stopped {
            (self.record.state, self.record.stopped_by) = (RunState::Running, None);
        }
    }

    fn ingested(&mut self, seq: u64, manifest: &ManifestIngested) {
        self.manifest = Some(manifest.name.clone());
        self.record.manifest_sha256 = Some(manifest.sha256.clone());
        (self.record.rows, self.record.manifest_seq) = (manifest.rows, Some(seq));
    }

    /// An entry about the run as a whole.
    fn take(&mut self, entry: &Entry) {
        let seq = entry.seq;
        // They are many, and change nothing of the run as a whole.
        if !matches!(entry.event, Event::LeaseTaken(_)) {
            self.milestones.push((seq, entry.event.kind()));
        }
        match &entry.event {
            Event::ManifestIngested(manifest) => self.ingested(seq, manifest),
            Event::PlanSealed(sealed) => {
                self.record.plan_root = Some(sealed.seal.root.clone());
                self.record.sealed_seq = Some(seq);
            }
            Event::RunStarted(_) => (self.record.state, self.record.started_seq) = (RunState::Running, Some(seq)),
            Event::RateChanged(changed) => {
                if let Some(rate) = &changed.learned_per_s {
                    let target = Target { account: changed.account.clone(), region: changed.region.clone() };
                    self.rates.push((seq, target, rate.clone(), changed.learned_is_limit.unwrap_or(false)));
                }
            }
            Event::RunStopped(stopped) => {
                if let Some(manifest) = &stopped.manifest {
                    self.ingested(seq, manifest);
                }
                let is_begun = self.record.started_seq.is_some();
                self.record.state = if is_begun { RunState::Stopped } else { RunState::Abandoned };
                self.record.stopped_by = Some(stopped.why.as_str().to_owned());
                self.finished_at = (!is_begun).then_some(entry.at);
            }
            Event::RunFinished(_) => self.end(RunState::Finished, entry),
            Event::RunAbandoned(_) => self.end(RunState::Abandoned, entry),
            Event::SessionClosed(closed) => self.closed_ms += closed.elapsed_ms,
            Event::Observed(seen) => self.read(seen.requests, seen.throttled),
            _ => {}
        }
    }

    fn end(&mut self, state: RunState, entry: &Entry) {
        (self.record.state, self.record.stopped_by) = (state, None);
        self.finished_at = Some(entry.at);
    }

    fn read(&mut self, requests: u64, throttled: u64) {
        self.record.reads += requests;
        self.record.reads_throttled += if requests > 0 { throttled } else { 0 };
    }

    /// An entry about one of its rows.
    fn take_row(&mut self, number: u64, entry: &Entry, targets: &mut i64) -> Result<(), &'static str> {
        if let Event::IntentRecorded(intent) = &entry.event {
            let place = Target { account: intent.line.account.clone(), region: intent.line.region.clone() };
            let known = self.targets.iter().find(|(_, target)| *target == place).map(|(number, _)| *number);
            let target = known.unwrap_or_else(|| {
                *targets += 1;
                self.targets.push((*targets, place));
                self.targets
                    .sort_by(|(_, one), (_, other)| (&one.account, &one.region).cmp(&(&other.account, &other.region)));
                *targets
            });
            let row = Row {
                intent: (**intent).clone(),
                intent_seq: entry.seq,
                target,
                attempts: Vec::new(),
                entries: vec![entry.seq],
                settled: None,
                resolved: None,
            };
            return if self.rows.insert(number, row).is_some() { Err("a row has one intent") } else { Ok(()) };
        }
        match &entry.event {
            Event::Observed(seen) => self.read(seen.requests, seen.throttled),
            Event::OperationPolled(polled) => self.read(polled.requests, polled.throttled),
            _ => {}
        }
        let row = self.rows.get_mut(&number).ok_or("the row has no intent")?;
        row.entries.push(entry.seq);
        row.take(entry)
    }
}

impl Row {
    /// What counts.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        let later = self.resolved.filter(|_| matches!(self.settled, Some((Outcome::Gone | Outcome::InDoubt, _))));
        later.map(|(_, outcome, _)| outcome).or(self.settled.map(|(outcome, _)| outcome))
    }

    /// What counts, and what it rests on.
    pub(super) fn counts_as(&self) -> Option<(Outcome, Evidence)> {
        let later = self.resolved.filter(|_| matches!(self.settled, Some((Outcome::Gone | Outcome::InDoubt, _))));
        later.map(|(_, outcome, evidence)| (outcome, evidence)).or(self.settled)
    }

    fn take(&mut self, entry: &Entry) -> Result<(), &'static str> {
        let settled = match &entry.event {
            Event::AttemptStarted(started) => {
                let attempt = Attempt { number: started.attempt, started: entry.seq, finished: None };
                self.attempts.push(attempt);
                None
            }
            Event::AttemptFinished(finished) => {
                let begun = self.attempts.iter_mut().find(|attempt| attempt.number == finished.attempt);
                let open = begun.filter(|attempt| attempt.finished.is_none()).ok_or("no such attempt is open")?;
                open.finished = Some((entry.seq, finished.class));
                finished.settled()
            }
            Event::RowSettled(settled) => Some((settled.outcome, settled.evidence)),
            Event::RowResolved(told) => {
                self.resolved = Some((entry.seq, told.outcome, told.evidence));
                None
            }
            _ => None,
        };
        if settled.is_some() && self.settled.is_some() {
            return Err("a row has one outcome");
        }
        self.settled = self.settled.or(settled);
        Ok(())
    }
}
