//! The journal in memory: sealed entries that survive a session, commits that fail or end the session before or after
//! they took hold, and the reading side that a run needs. What it hands out is parsed from the stored bodies.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use keybatch::domain::Clock as _;
use keybatch::domain::{Evidence, Outcome, Target};
use keybatch::journal::stage::Known;
use keybatch::journal::{
    Appended, AttemptTimes, Blame, Cadence, EntryStore, Head, JournalError, PendingRow, RunReader, TreeHead,
};
use keybatch::plan::recreated::RECREATED;
use keybatch::record::checkpoint::base64;
use keybatch::record::event::{Event, Found, LostHead, Note, Severity, Source, Verdict};
use keybatch::record::merkle::Frontier;
use keybatch::record::{Draft, Entry, Sealed};
use keybatch::verify::Sequence;
use tokio::sync::Notify;

use super::fate::happens;
use super::model;
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
}

/// What is durable, and a naive reading of it.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) bodies: Vec<String>,
    pub(crate) batches: Vec<Batch>,
    head: Frontier,
    pub(crate) journal_id: Option<String>,
    sequence: Sequence,
    /// By row number - 1.
    pub(crate) rows: Vec<Row>,
    pub(crate) started: bool,
    pub(crate) finished: bool,
    /// How many runs there were before the one that works, and before which batch each later one began.
    pub(crate) run: u32,
    runs_at: Vec<usize>,
    /// How many batches there are with the start of the run that works: no copy that is put back is older.
    pub(crate) started_at: usize,
    /// The head that was lost with an older copy, until a session has accepted that.
    pub(crate) lost: Option<LostHead>,
    rollbacks: Vec<String>,
    /// What they know of each name, by row number - 1.
    pub(crate) known: Vec<Vec<Known>>,
    /// The rate that was learned last, by region.
    pub(crate) learned: Vec<(String, String)>,
}

/// A row, as its entries say.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) intent: usize,
    pub(crate) verdict: Verdict,
    pub(crate) target: Target,
    pub(crate) observed_at: Option<jiff::Timestamp>,
    pub(crate) attempts: Vec<Attempt>,
    /// Readings of the key pair.
    pub(crate) looks: Vec<(usize, Source, Found)>,
    /// Searches of the operation history.
    pub(crate) searches: Vec<(usize, Found)>,
    pub(crate) settled: Option<(Outcome, Evidence)>,
    /// The entries that accept a loss of entries while the row had no outcome.
    pub(crate) lost: Vec<(usize, jiff::Timestamp)>,
    entries: Vec<usize>,
}

/// An attempt, as its entries say.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) seq: usize,
    pub(crate) number: u32,
    pub(crate) at: jiff::Timestamp,
    /// What came back, and when that was written down.
    pub(crate) finished: Option<(keybatch::domain::Class, jiff::Timestamp)>,
}

impl Ledger {
    /// The number of the run of this id.
    pub(crate) fn run_no(&self, id: &str) -> u64 {
        self.bodies.iter().rposition(|body| body.contains(&format!("\"run_id\":\"{id}\""))).unwrap_or_default() as u64
    }

    /// Another run begins: what the last one, of this manifest or of another one, has seen of each name is known.
    pub(crate) fn next_run(&mut self) {
        self.known.resize(self.rows.len(), Vec::new());
        for (row, known) in self.rows.drain(..).zip(&mut self.known) {
            let Ok(Entry { event: Event::IntentRecorded(intent), at, .. }) = Entry::parse(&self.bodies[row.intent])
            else {
                continue;
            };
            let left_alone = |note: &Note| note.kind == RECREATED && note.severity != Severity::Warn;
            if intent.notes.iter().any(left_alone) {
                continue;
            }
            let identity = intent.observation.map(|seen| seen.identity);
            known.push(Known { same_manifest: false, identity, run: self.run.to_string(), began_at: at });
        }
        (self.started, self.finished) = (false, false);
        self.run += 1;
        self.runs_at.push(self.batches.len());
    }

    /// An older copy is put back, of so many batches.
    pub(crate) fn restore(&mut self, keep: usize) {
        let old = std::mem::take(self);
        let (size, root) = (old.head.size(), base64(&old.head.root()));
        for (index, batch) in old.batches.into_iter().take(keep).enumerate() {
            old.runs_at.iter().filter(|at| **at == index).for_each(|_| self.next_run());
            batch.0.iter().for_each(|(entry, sealed)| self.take(entry, &sealed.body).unwrap());
            self.head = batch.1.clone();
            self.batches.push(batch);
        }
        self.lost = Some(LostHead { size, root, known_from: "heads".into() });
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.rows.iter().all(|row| row.settled.is_some())
    }

    /// The run's targets as the journal numbers them.
    pub(crate) fn targets(&self) -> Vec<Target> {
        let mut targets: Vec<Target> = Vec::new();
        for row in &self.rows {
            if !targets.contains(&row.target) {
                targets.push(row.target.clone());
            }
        }
        targets
    }

    fn of_target(&self, target_no: i64) -> impl Iterator<Item = (u64, &Row)> {
        let target = usize::try_from(target_no - 1).ok().and_then(|index| self.targets().into_iter().nth(index));
        let rows = self.rows.iter().enumerate();
        rows.filter(move |(_, row)| Some(&row.target) == target.as_ref()).map(|(index, row)| (index as u64 + 1, row))
    }

    pub(crate) fn pending_of(&self, target_no: i64) -> u64 {
        self.of_target(target_no).filter(|(_, row)| row.settled.is_none()).count() as u64
    }

    /// Takes one entry in.
    fn take(&mut self, entry: &Entry, body: &str) -> Result<(), String> {
        let seq = self.bodies.len();
        self.sequence.take(body)?;
        self.bodies.push(body.to_owned());
        match (&entry.event, entry.row.and_then(|row| usize::try_from(row - 1).ok())) {
            (Event::JournalCreated(created), _) => self.journal_id = Some(created.journal_id.clone()),
            (Event::RunStarted(_), _) => (self.started, self.started_at) = (true, self.batches.len() + 1),
            (Event::OverrideUsed(_), _) => {
                self.rollbacks.push(body.to_owned());
                self.lost = None;
                let open = self.rows.iter_mut().filter(|row| row.settled.is_none() && row.verdict == Verdict::Delete);
                open.for_each(|row| row.lost.push((seq, entry.at)));
            }
            (Event::RunFinished(_), _) => self.finished = true,
            (Event::RateChanged(changed), _) => {
                let learned = changed.learned_per_s.clone().into_iter();
                self.learned.extend(learned.map(|rate| (changed.region.clone(), rate)));
            }
            (Event::IntentRecorded(intent), _) => self.rows.push(Row {
                intent: seq,
                verdict: intent.verdict,
                target: Target { account: intent.account.clone(), region: intent.region.clone() },
                observed_at: intent.observation.as_ref().map(|seen| seen.at),
                attempts: Vec::new(),
                looks: Vec::new(),
                searches: Vec::new(),
                settled: None,
                lost: Vec::new(),
                entries: vec![seq],
            }),
            (event, Some(index)) => {
                let row = &mut self.rows[index];
                row.entries.push(seq);
                row.take(seq, entry, event);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Row {
    fn take(&mut self, seq: usize, entry: &Entry, event: &Event) {
        match event {
            Event::AttemptStarted(started) => {
                self.attempts.push(Attempt { seq, number: started.attempt, at: entry.at, finished: None });
            }
            Event::AttemptFinished(finished) => {
                if let Some(attempt) = self.attempts.last_mut() {
                    attempt.finished = Some((finished.class, entry.at));
                }
                self.settled = finished.settled();
            }
            Event::Observed(seen) if seen.source == Source::GetOperationsForResource => {
                self.searches.push((seq, seen.found));
            }
            Event::Observed(seen) => {
                self.looks.push((seq, seen.source, seen.found));
            }
            Event::RowSettled(settled) => self.settled = Some((settled.outcome, settled.evidence)),
            _ => {}
        }
    }
}

/// How a commit ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Commit {
    Holds,
    Fails { holds: bool },
    Dies { holds: bool },
}

/// A session's hold on everything: its store, its reader and its port.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    pub(crate) sim: Arc<Mutex<Sim>>,
    pub(crate) time: Arc<SimTime>,
    /// Told when the session is to die at once.
    pub(crate) death: Arc<Notify>,
}

impl Handle {
    /// Everything, up to date.
    pub(crate) fn sim(&self) -> MutexGuard<'_, Sim> {
        let mut sim = self.sim.lock().unwrap();
        sim.world.advance(self.time.now_us());
        sim
    }

    fn take_hold(&self, from: TreeHead, batch: &Batch) {
        let now = self.time.now_us();
        let mut sim = self.sim();
        let sim = &mut *sim;
        let head = &sim.ledger.head;
        if (head.size(), head.root()) != (from.size, from.root) {
            sim.world.breaks(format!("I7: a commit goes on from {} at {}", from.size, head.size()));
        }
        for (entry, sealed) in &batch.0 {
            self.time.wrote(entry.at);
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

/// The writing side of a session.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) handle: Handle,
    /// Where the session left the head.
    left: Option<Head>,
    /// After an error it must not be used again.
    failed: bool,
}

impl Store {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle, left: None, failed: false }
    }
}

impl EntryStore for Store {
    async fn head(&mut self) -> Result<Head, JournalError> {
        let now = self.handle.time.now();
        let sim = self.handle.sim();
        let last = sim.ledger.bodies.last().map(|body| Entry::parse(body).unwrap().at);
        let head = Head::new(sim.ledger.head.clone(), last, sim.ledger.head.size(), now);
        self.left = Some(head.clone());
        Ok(head)
    }

    async fn journal_id(&mut self) -> Result<Option<String>, JournalError> {
        Ok(self.handle.sim().ledger.journal_id.clone())
    }

    async fn append(&mut self, drafts: Vec<Draft>, cadence: Option<Cadence>) -> Result<Appended, JournalError> {
        let left = self.left.clone().unwrap();
        let batch = left.seal(drafts, cadence, || self.handle.time.now())?;
        let (commit, delay) = {
            let mut sim = self.handle.sim();
            let Sim { world, ledger, .. } = &mut *sim;
            if self.failed {
                world.breaks("I9: the store is used after it failed".into());
            }
            let troubled = ledger.started && happens(&mut world.rng, world.faults.commit);
            let slow = happens(&mut world.rng, world.faults.slow);
            let delay = if slow { world.rng.u64(200..8_000) } else { world.rng.u64(0..6) };
            let commit = match (troubled, world.rng.u32(0..4)) {
                (false, _) => Commit::Holds,
                (true, kind) if kind < 2 => Commit::Fails { holds: kind == 0 },
                (true, kind) => Commit::Dies { holds: kind == 2 },
            };
            (commit, Duration::from_millis(delay))
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if matches!(commit, Commit::Holds | Commit::Fails { holds: true } | Commit::Dies { holds: true }) {
            self.handle.take_hold(left.mark(), &(batch.entries, batch.head.tree().clone()));
        }
        match commit {
            Commit::Holds => {
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                self.left = Some(batch.head);
                Ok(batch.appended)
            }
            Commit::Fails { holds } => {
                self.failed = true;
                let now = self.handle.time.now_us();
                self.handle.sim().world.note(now, || format!("a commit fails; it took hold: {holds}"));
                let source = Arc::new(std::io::Error::other("disk I/O error"));
                Err(JournalError::Database { source, blame: Blame::Machine })
            }
            Commit::Dies { holds } => {
                let now = self.handle.time.now_us();
                self.handle.sim().world.note(now, || format!("the session dies in a commit; it took hold: {holds}"));
                self.handle.death.notify_one();
                std::future::pending().await
            }
        }
    }

    async fn consolidate(&mut self) -> Result<(), JournalError> {
        Ok(())
    }

    async fn close(self) -> Result<(), JournalError> {
        Ok(())
    }
}

impl RunReader for Handle {
    async fn pending(
        &self,
        _run_no: i64,
        target_no: i64,
        after: u64,
        limit: u32,
        touched_only: bool,
    ) -> Result<Vec<PendingRow>, JournalError> {
        let sim = self.sim();
        let ledger = &sim.ledger;
        let rows = ledger.of_target(target_no).filter(|(row, facts)| *row > after && facts.settled.is_none());
        let wanted = rows.filter(|(_, facts)| !touched_only || facts.entries.len() > 1).take(limit as usize);
        let pending = wanted.map(|(row, facts)| {
            let intent =
                Entry::parse(&ledger.bodies[facts.intent]).map_err(|error| JournalError::from(Arc::new(error)))?;
            Ok(PendingRow { row, intent, touched: facts.entries.len() > 1 })
        });
        pending.collect()
    }

    async fn rollbacks(&self) -> Result<Vec<Entry>, JournalError> {
        let sim = self.sim();
        let parse = |body: &String| Entry::parse(body).map_err(|error| JournalError::from(Arc::new(error)));
        sim.ledger.rollbacks.iter().map(parse).collect()
    }

    async fn attempt_times(&self, _run_no: i64) -> Result<AttemptTimes, JournalError> {
        let sim = self.sim();
        let opened = sim.ledger.bodies.iter().filter(|body| body.contains("\"kind\":\"session_opened\""));
        let entries = opened.filter_map(|body| Entry::parse(body).ok());
        Ok(entries.filter_map(|entry| Some((entry.seq, entry.event.attempt_time()?))).collect())
    }

    async fn row_entries(&self, _run_no: i64, row: u64) -> Result<Vec<Entry>, JournalError> {
        let sim = self.sim();
        let seqs = usize::try_from(row - 1).ok().and_then(|index| sim.ledger.rows.get(index)).map(|row| &row.entries);
        let bodies = seqs.into_iter().flatten().map(|seq| &sim.ledger.bodies[*seq]);
        bodies.map(|body| Entry::parse(body).map_err(|error| JournalError::from(Arc::new(error)))).collect()
    }
}
