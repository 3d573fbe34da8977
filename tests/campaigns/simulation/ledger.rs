//! The journal in memory: sealed entries that survive a session, and a naive reading of them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use keybatch::domain::{AttemptTime, Identity, OutcomeCounts, RunId, Target};
use keybatch::journal::{RunRecord, RunState, TreeHead};
use keybatch::record::checkpoint::{Checkpoint, base64};
use keybatch::record::event::{Event, ManifestIngested};
use keybatch::record::merkle::Frontier;
use keybatch::record::plan::Verdict;
use keybatch::record::{Entry, Sealed};
use keybatch::verify::Sequence;
use tokio::sync::Notify;

use super::crowd::Seat;
use super::leased::Leased;
use super::model;
use super::paper::{Day, Paper};
use super::plan::{ENDPOINT, Manifest};
pub(crate) use super::row::{Attempt, Row};
use super::tenancy::Tenancy;
use super::time::SimTime;
use super::world::World;

/// A batch that was committed, and the tree behind it.
pub(crate) type Batch = (Vec<(Entry, Sealed)>, Frontier);

/// Everything that outlives a session.
#[derive(Debug)]
pub(crate) struct Sim {
    pub(crate) world: World,
    pub(crate) ledger: Ledger,
    /// The run's limit on the age of an observation.
    pub(crate) max_age: jiff::SignedDuration,
    /// What the run that works executes.
    pub(crate) manifest: Manifest,
    /// The plan's file, if it executes one.
    pub(crate) paper: Option<Arc<Paper>>,
    /// What became of its rows since.
    pub(crate) days: Vec<Day>,
    /// The plans that runs were started with.
    pub(crate) used_plans: BTreeSet<String>,
    /// Whether somebody may set this machine's clock.
    pub(crate) is_clock_set: bool,
    /// What sessions share beside the entries.
    pub(crate) tenancy: Tenancy,
}

/// What is durable, and a naive reading of it.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) bodies: Vec<String>,
    pub(crate) batches: Vec<Batch>,
    pub(crate) head: Frontier,
    pub(crate) journal_id: Option<String>,
    sequence: Sequence,
    /// By row number - 1.
    pub(crate) rows: Vec<Row>,
    pub(crate) started: bool,
    pub(crate) finished: bool,
    /// All runs, and the rows of each that is over.
    pub(crate) runs: Vec<Run>,
    over: Vec<Vec<Row>>,
    /// The entries that opened sessions, and the time that attempts have in each.
    pub(crate) opened: Vec<u64>,
    pub(crate) times: HashMap<u64, AttemptTime>,
    /// The last of them, with its time and the run that it begins.
    last_opened: Option<(u64, jiff::Timestamp, Option<RunId>, Option<String>)>,
    /// How many batches there are with the start of the run that works: no copy that is put back is older.
    pub(crate) started_at: usize,
    /// Whether an older copy was put back, until a session has accepted that.
    pub(crate) is_older: bool,
    pub(crate) rollbacks: Vec<String>,
    /// The newest head that this machine remembers.
    pub(crate) remembered: Option<Checkpoint>,
    /// The rate that was learned last, by target, and whether throttling began there.
    pub(crate) learned: Vec<(Target, String, bool)>,
    pub(crate) leased: Leased,
    /// By the number of its session in the journal, which session of the life it is.
    pub(crate) numbers: HashMap<u64, u32>,
}

/// A run, as its entries say.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) run: RunId,
    /// Its home account.
    account: Option<String>,
    /// Who approved its plan.
    pub(crate) approved: Vec<String>,
    /// The number of the entry that began it.
    pub(crate) opened_seq: u64,
    pub(crate) began_at: jiff::Timestamp,
    state: RunState,
    sha256: String,
    rows: u64,
    manifest_seq: u64,
    sealed: Option<(u64, String)>,
    pub(crate) started_seq: Option<u64>,
}

impl Run {
    fn has_ended(&self) -> bool {
        matches!(self.state, RunState::Finished | RunState::Abandoned)
    }

    pub(crate) fn record(&self) -> RunRecord {
        RunRecord {
            run_no: i64::try_from(self.opened_seq).unwrap(),
            run: self.run,
            state: self.state.clone(),
            stopped_by: None,
            manifest_sha256: Some(self.sha256.clone()),
            rows: self.rows,
            account: self.account.clone(),
            endpoint: Some(ENDPOINT.into()),
            sandbox: false,
            plan_root: self.sealed.as_ref().map(|(_, root)| root.clone()),
            manifest_seq: Some(self.manifest_seq),
            sealed_seq: self.sealed.as_ref().map(|(seq, _)| *seq),
            started_seq: self.started_seq,
            reads: 0,
            reads_throttled: 0,
        }
    }
}

impl Ledger {
    /// Another run is to begin.
    pub(crate) fn next_run(&mut self) {
        (self.started, self.finished) = (false, false);
    }

    /// Whether the last run was given up.
    pub(crate) fn is_given_up(&self) -> bool {
        self.runs.last().is_some_and(|run| run.state == RunState::Abandoned)
    }

    /// What the rows of the run that works count as.
    pub(crate) fn counted(&self) -> OutcomeCounts {
        let mut counted = OutcomeCounts::default();
        self.rows.iter().filter_map(Row::outcome).for_each(|outcome| counted.add(outcome));
        counted
    }

    /// The rows of a run.
    pub(crate) fn rows_of(&self, run: usize) -> &[Row] {
        self.over.get(run).map_or(&self.rows, |rows| rows)
    }

    /// The rows of earlier runs for the same key pair.
    pub(crate) fn earlier_rows(&self, index: usize) -> impl Iterator<Item = &Row> {
        self.over.iter().filter_map(move |rows| rows.get(index))
    }

    /// What runs that were started before this one dealt with under the name of a row.
    pub(crate) fn dealt_with(&self, index: usize) -> impl Iterator<Item = Option<&Identity>> {
        let before = self.runs.iter().zip(&self.over).filter(|(run, _)| run.started_seq.is_some());
        let rows = before.filter_map(move |(_, rows)| rows.get(index));
        rows.filter(|row| !row.left_alone).map(|row| row.identity.as_ref())
    }

    /// An older copy is put back, of so many batches.
    pub(crate) fn restore(&mut self, keep: usize) {
        let old = std::mem::take(self);
        let (size, root) = (old.head.size(), base64(&old.head.root()));
        self.numbers = old.numbers;
        for batch in old.batches.into_iter().take(keep) {
            batch.0.iter().for_each(|(entry, sealed)| self.take(entry, &sealed.body).unwrap());
            self.head = batch.1.clone();
            self.batches.push(batch);
        }
        let journal_id = self.journal_id.clone().unwrap_or_default();
        self.remembered = Checkpoint::of(&journal_id, size, &root);
        self.is_older = true;
    }

    /// Takes one entry in.
    fn take(&mut self, entry: &Entry, body: &str) -> Result<(), String> {
        let seq = self.bodies.len();
        self.sequence.take(body)?;
        self.leased.take(entry, &self.rows, self.finished)?;
        self.bodies.push(body.to_owned());
        match (&entry.event, entry.row.and_then(|row| usize::try_from(row - 1).ok())) {
            (Event::JournalCreated(created), _) => self.journal_id = Some(created.journal_id.clone()),
            (Event::SessionOpened(opened), _) => {
                self.opened.push(entry.seq);
                self.times.extend(entry.event.attempt_time().map(|time| (entry.seq, time)));
                let run = opened.run_id.as_deref().map(|run| run.parse().unwrap());
                self.last_opened = Some((entry.seq, entry.at, run, opened.account.clone()));
                if entry.run.is_some() {
                    self.set_state(RunState::Running);
                }
            }
            (Event::ManifestIngested(ingested), _) => self.begin(entry, ingested),
            (Event::PlanSealed(sealed), _) => {
                self.run_mut().sealed = Some((entry.seq, sealed.seal.root.clone()));
            }
            (Event::RunStarted(_), _) => {
                (self.started, self.started_at) = (true, self.batches.len() + 1);
                self.run_mut().started_seq = Some(entry.seq);
                self.set_state(RunState::Running);
            }
            (Event::PlanApproved(approved), _) => self.run_mut().approved.push(approved.signer.clone()),
            (Event::RunStopped(_), _) => self.set_state(RunState::Stopped),
            (Event::RunAbandoned(_), _) => self.run_mut().state = RunState::Abandoned,
            (Event::OverrideUsed(_), _) => {
                self.rollbacks.push(body.to_owned());
                self.is_older = false;
                let open = self.rows.iter_mut().filter(|row| row.settled.is_none() && row.verdict == Verdict::Delete);
                open.for_each(|row| row.lost.push((seq, entry.at)));
            }
            (Event::RunFinished(_), _) => {
                self.finished = true;
                self.run_mut().state = RunState::Finished;
            }
            (Event::RateChanged(changed), _) => {
                let target = Target { account: changed.account.clone(), region: changed.region.clone() };
                let is_limit = changed.learned_is_limit.unwrap_or_default();
                let learned = changed.learned_per_s.clone().into_iter();
                self.learned.extend(learned.map(|rate| (target.clone(), rate, is_limit)));
            }
            (Event::IntentRecorded(intent), _) => {
                let page = intent.page.and_then(|page| Some(Entry::parse(self.bodies.get(page as usize)?).ok()?.at));
                self.rows.push(Row::new(seq, intent, page));
            }
            (_, Some(index)) => self.rows[index].learn(seq, entry),
            _ => {}
        }
        Ok(())
    }
}

impl Ledger {
    fn begin(&mut self, entry: &Entry, ingested: &ManifestIngested) {
        if !self.runs.is_empty() {
            self.over.push(std::mem::take(&mut self.rows));
        }
        (self.started, self.finished) = (false, false);
        let (opened_seq, began_at, run, account) = self.last_opened.clone().unwrap();
        self.runs.push(Run {
            run: run.unwrap(),
            account,
            approved: Vec::new(),
            opened_seq,
            began_at,
            state: RunState::Planning,
            sha256: ingested.sha256.clone(),
            rows: ingested.rows,
            manifest_seq: entry.seq,
            sealed: None,
            started_seq: None,
        });
    }

    fn run_mut(&mut self) -> &mut Run {
        self.runs.last_mut().unwrap()
    }

    /// Of a run that is started; else it was abandoned before.
    fn set_state(&mut self, state: RunState) {
        let stops = state == RunState::Stopped;
        if let Some(run) = self.runs.last_mut().filter(|run| !run.has_ended()) {
            match run.started_seq {
                Some(_) => run.state = state,
                None if stops => run.state = RunState::Abandoned,
                None => {}
            }
        }
    }
}

/// A session's hold on everything: its store, its reader and its port.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    pub(crate) sim: Arc<Mutex<Sim>>,
    pub(crate) time: Arc<SimTime>,
    /// Told when the session is to die at once.
    pub(crate) death: Arc<Notify>,
    /// Its place among several at once.
    pub(crate) seat: Option<Arc<Seat>>,
}

impl Handle {
    /// That of a session which is alone.
    pub(crate) fn new(sim: &Arc<Mutex<Sim>>, time: &Arc<SimTime>) -> Self {
        Self { sim: Arc::clone(sim), time: Arc::clone(time), death: Arc::new(Notify::new()), seat: None }
    }

    /// Everything, up to date.
    pub(crate) fn sim(&self) -> MutexGuard<'_, Sim> {
        let mut sim = self.sim.lock().unwrap();
        sim.world.advance(self.time.now_us());
        sim
    }

    /// Whether its process died, and with it everything that would be put in order at its end.
    pub(crate) fn is_killed(&self) -> bool {
        self.seat.as_ref().is_some_and(|seat| seat.is_killed())
    }

    /// One way to the journal's database, or back. It takes as long as the network is cut.
    pub(crate) async fn trip(&self) {
        let wait = self.sim().world.rng.u64(0..6);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        self.reach().await;
    }

    /// Waits until the journal's database is reached.
    pub(crate) async fn reach(&self) {
        let Some(seat) = &self.seat else { return };
        while let Some(wait) = seat.is_cut_for(self.time.now_us()) {
            tokio::time::sleep(wait).await;
        }
    }

    pub(crate) fn take_hold(&self, from: TreeHead, batch: &Batch) {
        let now = self.time.now_us();
        let mut sim = self.sim();
        let sim = &mut *sim;
        let head = &sim.ledger.head;
        if (head.size(), head.root()) != (from.size, from.root) {
            sim.world.breaks(format!("I7: a commit goes on from {} at {}", from.size, head.size()));
        }
        for (entry, sealed) in &batch.0 {
            self.time.wrote(entry.at);
            if matches!(entry.event, Event::SessionOpened(_)) {
                sim.ledger.numbers.insert(entry.seq, sim.world.session);
            }
            if let Err(why) = sim.ledger.take(entry, &sealed.body) {
                sim.world.breaks(format!("legality: entry {}: {why}: {}", entry.seq, sealed.body));
            }
            sim.world.note(now, || format!("  {}", sealed.body));
            model::recorded(sim, entry);
        }
        sim.ledger.head = batch.1.clone();
        sim.ledger.batches.push(batch.clone());
    }
}
