//! One session, as the commands have it: opens the journal, records who works, works off, and closes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastrand::Rng;
use keybatch::domain::{Clock, OutcomeCounts, Settings, Target};
use keybatch::execute::control::{Control, Limits, StoppedBy};
use keybatch::execute::{LaneWork, Shared, process};
use keybatch::journal::{Journal, JournalError, Scribe, TargetRecord, WriterOptions};
use keybatch::lane::pace::Pacer;
use keybatch::lane::rate::{Learned, RateCap};
use keybatch::lane::{Counts, Lane};
use keybatch::record::Draft;
use keybatch::record::event::{
    ACCEPT_ROLLBACK, Event, OverrideUsed, Requests, RunFinished, RunStopped, SessionClosed, TargetStopped,
};
use tokio::sync::Semaphore;

use super::ledger::{Handle, Store};
use super::plan::{JOURNAL_ID, PlannedRow, opened, run_id};
use super::port::{Port, port};

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Finished,
    Stopped,
    /// The journal could not be written.
    JournalFailed,
    Died,
}

/// A session that is to be.
pub(crate) struct Session<'a> {
    pub(crate) number: u32,
    /// How many runs there were before its own.
    pub(crate) run: u32,
    pub(crate) handle: Handle,
    pub(crate) settings: Settings,
    pub(crate) plan: &'a [PlannedRow],
    /// A signal comes after so long.
    pub(crate) stops_after: Option<Duration>,
    pub(crate) limits: Limits,
}

/// Sessions that only keep house are numbered from here.
const HOUSEKEEPING: u32 = 1_000_000;

/// Sometimes the operator sets limits.
pub(crate) fn limits(rng: &mut Rng, wanted: bool) -> Limits {
    let mut some = || (wanted && rng.u32(0..8) == 0).then(|| rng.u64(1..4));
    Limits { max_deletes: some(), max_failures: some() }
}

impl Session<'_> {
    pub(crate) async fn run(&self) -> Ended {
        self.work().await.unwrap_or(Ended::JournalFailed)
    }

    async fn work(&self) -> Result<Ended, JournalError> {
        let clock: Arc<dyn Clock> = Arc::clone(&self.handle.time) as Arc<dyn Clock>;
        let options = WriterOptions { new_journal_id: JOURNAL_ID.into(), on_checkpoint: Box::new(|_| Ok(())) };
        let store = Store::new(self.handle.clone());
        let (journal, _task) = Journal::start(store, options).await?;
        let (started, finished) = {
            let sim = self.handle.sim();
            (sim.ledger.started, sim.ledger.finished)
        };
        let lost = self.handle.sim().ledger.lost.clone();
        if let Some(lost) = lost {
            let (which, by) = (ACCEPT_ROLLBACK.into(), "user".into());
            let used = OverrideUsed { which, by, why: None, lost: vec![lost] };
            // A session of its own.
            let begins = opened(self.number + HOUSEKEEPING, None, &self.settings);
            let closed = SessionClosed { requests: Requests::default(), elapsed_ms: 0 };
            let drafts = [begins, Event::OverrideUsed(used), Event::SessionClosed(closed)];
            journal.append(drafts.map(Draft::of).into()).await?;
        }
        if started {
            if !finished {
                let begins = opened(self.number, None, &self.settings);
                let run = self.handle.sim().ledger.run_no(&run_id(self.run).to_string());
                journal.append(vec![Draft::of_run(run, begins)]).await?;
            }
        } else {
            super::plan::record(&journal, self, clock.now()).await?;
        }
        let counts = Arc::new(Counts::default());
        let control = Arc::new(Control::new(self.limits));
        let scribe = Scribe { journal: journal.clone(), clock };
        let shared = Arc::new(Shared {
            scribe: scribe.clone(),
            run_no: i64::from(self.run) + 1,
            resumed: started,
            is_given_up: false,
            in_flight: Arc::new(Semaphore::new(self.settings.concurrency as usize)),
            settings: self.settings.clone(),
            control: Arc::clone(&control),
            ghosts: Arc::default(),
            on_settled: Box::new(|_| ()),
            on_waiting: Box::new(|_, _| ()),
        });
        let lanes = self.lanes(&scribe, &counts);
        let signal = async {
            match self.stops_after {
                Some(after) => tokio::time::sleep(after).await,
                None => std::future::pending().await,
            }
            control.stop(StoppedBy::Signal, "a signal");
            std::future::pending().await
        };
        tokio::select! {
            biased;
            () = signal => {}
            ended = process(shared, Arc::new(self.handle.clone()), lanes) => ended?,
        }
        if finished {
            journal.close().await?;
            return Ok(Ended::Finished);
        }
        self.end(journal, &control, &counts).await
    }

    fn lanes(&self, scribe: &Scribe, counts: &Arc<Counts>) -> Vec<LaneWork<Port>> {
        let sim = self.handle.sim();
        let cap = self.settings.rate.as_deref().map_or(RateCap::None, |rate| rate.parse().unwrap());
        let lane = |(index, target): (usize, Target)| {
            let target_no = i64::try_from(index).unwrap() + 1;
            let rates = sim.ledger.learned.iter().rev();
            let mut rates = rates.filter(|(region, _)| *region == target.region);
            let learned = rates.find_map(|(_, rate)| Some(Learned::limit(rate.parse().ok()?)));
            LaneWork {
                record: TargetRecord { target_no, target: target.clone() },
                pages: 1,
                rows_left: sim.ledger.pending_of(target_no),
                lane: Arc::new(Lane {
                    port: port(&self.handle),
                    target,
                    pacer: Pacer::new(cap, learned),
                    scribe: scribe.clone(),
                    world: None,
                    counts: Arc::clone(counts),
                    read_at: Default::default(),
                    sightings: Default::default(),
                }),
            }
        };
        sim.ledger.targets().into_iter().enumerate().map(lane).collect()
    }

    /// As the commands end a session that was not broken off.
    async fn end(&self, journal: Journal, control: &Control, counts: &Counts) -> Result<Ended, JournalError> {
        let (rows, settled, outcomes) = {
            let sim = self.handle.sim();
            let mut outcomes = OutcomeCounts::default();
            sim.ledger.rows.iter().filter_map(|row| row.settled).for_each(|(outcome, _)| outcomes.add(outcome));
            (sim.ledger.rows.len() as u64, sim.ledger.is_settled(), outcomes)
        };
        let ended = if settled {
            Event::RunFinished(RunFinished { rows, outcomes })
        } else {
            let why = control.stopped().map_or(StoppedBy::Breaker, |stop| stop.by);
            let targets = self.stopped_targets(control);
            Event::RunStopped(RunStopped { targets, ..RunStopped::new(why, None) })
        };
        let requests = Requests {
            delete: counts.deletes.load(Ordering::Relaxed),
            read: counts.reads.load(Ordering::Relaxed),
            throttled: counts.throttled.load(Ordering::Relaxed),
        };
        let closed = SessionClosed { requests, elapsed_ms: 0 };
        journal.append(vec![Draft::of(ended), Draft::of(Event::SessionClosed(closed))]).await?;
        journal.checkpoint().await?;
        journal.close().await?;
        if settled { Ok(Ended::Finished) } else { self.explained(control) }
    }

    /// The targets that stopped alone with rows left.
    fn stopped_targets(&self, control: &Control) -> Vec<TargetStopped> {
        let sim = self.handle.sim();
        let stopped = control.stopped_targets();
        let targets = sim.ledger.targets().into_iter().zip(1..).filter(|(_, no)| sim.ledger.pending_of(*no) > 0);
        let entry = |(target, no): (Target, i64)| {
            let why = stopped.get(&no)?.cause.as_str().to_owned();
            Some(TargetStopped { account: target.account, region: target.region, why, detail: None })
        };
        targets.filter_map(entry).collect()
    }

    /// A session that leaves rows without an outcome says why, of each target that has some.
    fn explained(&self, control: &Control) -> Result<Ended, JournalError> {
        let stopped = control.stopped_targets();
        let explained = {
            let sim = self.handle.sim();
            let left = (1..).zip(sim.ledger.targets()).map(|(no, _)| no).filter(|no| sim.ledger.pending_of(*no) > 0);
            left.into_iter().all(|no| stopped.contains_key(&no))
        };
        if control.stopped().is_none() && !explained {
            self.handle.sim().world.breaks("rows are left, and no reason to stop is given".into());
        }
        Ok(Ended::Stopped)
    }
}
