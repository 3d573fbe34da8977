//! One seed, one life: a batch from its plan to its end, over as many sessions as it takes. Each session has a runtime
//! of its own, so that its death ends everything of it at once; what survives is the world and the durable entries.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use jiff::SignedDuration;
use keybatch::domain::{OutcomeCounts, Settings};
use keybatch::execute::control::Limits;
use keybatch::policy::recreated::IfRecreated;
use tokio::sync::Notify;

use super::fate::{Faults, happens, while_};
use super::ledger::{Handle, Ledger, Sim};
use super::model;
use super::plan::Manifest;
use super::session::{Ended, Session, Verb};
use super::time::{MS, SECOND, SimTime, Us};
use super::world::World;

/// From this session on nothing fails any more, so that the batch can end…
const CALM_FROM: u32 = 8;

/// …by this one: one for what was left, one more where a limit of doubt or of refusals stops it, and some to spare.
const MOST_SESSIONS: u32 = CALM_FROM + 6;

/// A life that is over.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) broken: Vec<String>,
    pub(crate) bodies: Vec<String>,
    pub(crate) batches: Vec<super::ledger::Batch>,
    pub(crate) log: String,
    pub(crate) tally: Tally,
}

/// What a life went through.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Runs after the first.
    pub(crate) runs: u64,
    /// Runs that were given up.
    pub(crate) given_up: u64,
    /// Older copies of the journal that were put back.
    pub(crate) restored: u64,
    /// Sessions in which one of several regions refused everybody.
    pub(crate) alone: u64,
    /// Requests that were delivered after they had to be dead.
    pub(crate) ghosts: u64,
    /// Sessions that stopped for a look.
    pub(crate) looks: u64,
    pub(crate) sessions: u64,
    pub(crate) deaths: u64,
    pub(crate) failed_commits: u64,
    pub(crate) deletes: u64,
    pub(crate) reads: u64,
    pub(crate) entries: u64,
    pub(crate) gaps: u64,
    pub(crate) outcomes: OutcomeCounts,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.given_up += other.given_up;
        self.restored += other.restored;
        self.alone += other.alone;
        self.ghosts += other.ghosts;
        self.looks += other.looks;
        self.sessions += other.sessions;
        self.deaths += other.deaths;
        self.failed_commits += other.failed_commits;
        self.deletes += other.deletes;
        self.reads += other.reads;
        self.entries += other.entries;
        self.gaps += other.gaps;
        let (sum, more) = (&mut self.outcomes, &other.outcomes);
        sum.deleted += more.deleted;
        sum.gone += more.gone;
        sum.absent += more.absent;
        sum.skipped += more.skipped;
        sum.failed += more.failed;
        sum.in_doubt += more.in_doubt;
    }
}

/// Lives the life of a seed, to its end or to the first thing that must not be.
pub(crate) fn live(seed: u64, log: bool, more: bool) -> Life {
    let mut rng = Rng::with_seed(seed);
    let faults = Faults::draw(&mut rng);
    let mut settings = settings(&mut rng);
    let time = Arc::new(SimTime::new());
    let mut world = World::new(rng.fork(), faults.clone(), &settings, log);
    let max_age = SignedDuration::try_from(settings.max_observation_age).unwrap();
    // A reading may have to queue behind others; a rate that was throttled down makes that minutes.
    let gap = Us::try_from(settings.max_observation_age.as_micros()).unwrap().max(600 * SECOND);
    world.gap = (faults.jump == 0).then_some(gap);
    let plan = super::plan::draw(&mut rng, &mut world, time.now_us());
    let manifest = Manifest { number: 0, if_recreated: IfRecreated::Warn };
    let sim = Arc::new(Mutex::new(Sim { world, ledger: Ledger::default(), max_age, manifest }));
    // What was added later draws from a source of its own, so that seeds which once failed go on as they did.
    let mut more = more.then(|| Rng::with_seed(!seed));
    // Only the machine's own clock says how old a signature is: where it is set, nobody can wait for that.
    if let Some(rng) = more.as_mut().filter(|_| faults.jump == 0 && !faults.is_quiet())
        && rng.u32(0..4) == 0
    {
        settings.signature_life = Duration::from_secs([60, 300][rng.usize(..2)]);
        sim.lock().unwrap().world.signature_life = Us::try_from(settings.signature_life.as_micros()).unwrap();
    }
    let drawn = faults.clone();
    let (manifests, tally, sessions) = (vec![0], Tally::default(), 0);
    let (verb, is_given_up) = (Verb::Work, false);
    let mut life = Course {
        seed,
        rng,
        more,
        faults,
        drawn,
        settings,
        time,
        sim,
        plan,
        manifests,
        sessions,
        tally,
        verb,
        is_given_up,
    };
    life.run();
    while life.is_again() {
        life.run();
    }
    life.over()
}

fn settings(rng: &mut Rng) -> Settings {
    let mut of = |choices: &[u64]| Duration::from_millis(choices[rng.usize(..choices.len())]);
    Settings {
        attempt_timeout: of(&[2_500, 5_000, 15_000]),
        settle_timeout: of(&[5_000, 30_000, 120_000]),
        operation_timeout: of(&[5_000, 60_000, 300_000]),
        max_observation_age: of(&[20_000, 120_000, 900_000, 900_000]),
        signature_life: Duration::ZERO,
        max_attempts: rng.u32(1..5),
        concurrency: rng.u32(1..5),
        rate: [None, None, Some("unlimited".to_owned()), Some("20/s".to_owned())][rng.usize(..4)].clone(),
    }
}

struct Course {
    seed: u64,
    rng: Rng,
    /// Where the life may hold more than one run.
    more: Option<Rng>,
    /// What goes wrong now, and what did when the run began.
    faults: Faults,
    drawn: Faults,
    settings: Settings,
    time: Arc<SimTime>,
    sim: Arc<Mutex<Sim>>,
    plan: Vec<super::plan::PlannedRow>,
    /// By run, the manifest that it executes.
    manifests: Vec<u32>,
    /// How many sessions there were before this run.
    sessions: u32,
    tally: Tally,
    /// What the next session is ordered to do.
    verb: Verb,
    /// Whether the last run was given up.
    is_given_up: bool,
}

impl Course {
    fn run(&mut self) {
        for number in 0..MOST_SESSIONS {
            if number == CALM_FROM {
                self.faults.calm();
                self.sim.lock().unwrap().world.recover();
            }
            let ended = self.session(number);
            self.tally.sessions += 1;
            let mut sim = self.sim.lock().unwrap();
            match ended {
                Ended::Died => self.tally.deaths += 1,
                Ended::JournalFailed => self.tally.failed_commits += 1,
                Ended::Looks => self.tally.looks += 1,
                Ended::Stopped | Ended::Finished | Ended::GivenUp => {}
            }
            if ended == Ended::Finished && !sim.ledger.finished {
                sim.world.breaks("a session says that the run is finished, and no entry does".into());
            }
            if !sim.world.broken.is_empty() {
                return;
            }
            let finished = sim.ledger.finished;
            drop(sim);
            if self.gives_up(number) {
                return;
            }
            if self.restores(number) {
                self.between();
                continue;
            }
            if finished {
                return self.finished(number + 1);
            }
            self.between();
        }
        let mut sim = self.sim.lock().unwrap();
        sim.world.breaks(format!("the run is not finished after {MOST_SESSIONS} sessions"));
    }

    /// Sometimes the operator gives the run up, and begins another one before everything has come that is on its way.
    fn gives_up(&mut self, number: u32) -> bool {
        // Mostly while a request may still be delivered: the next run must wait for it.
        let haunted = {
            let sim = self.sim.lock().unwrap();
            sim.world.requests.iter().any(|request| request.outstanding > 0 && sim.world.is_ghost(request))
        };
        let odds = if haunted { 2 } else { 10 };
        let wanted = self.more.as_mut().is_some_and(|rng| rng.u32(0..odds) == 0);
        {
            let sim = self.sim.lock().unwrap();
            let may = sim.ledger.started && !sim.ledger.finished && !sim.ledger.is_older;
            if !wanted || !may || self.drawn.is_quiet() || self.manifests.len() > 3 {
                return false;
            }
        }
        self.verb = Verb::Abandon;
        let ended = self.session(number + MOST_SESSIONS);
        self.verb = Verb::Work;
        // Also where it could not say so any more.
        self.is_given_up = self.sim.lock().unwrap().ledger.is_given_up();
        if ended == Ended::GivenUp && !self.is_given_up {
            self.sim.lock().unwrap().world.breaks("a session says that the run is given up, and no entry does".into());
        }
        self.tally.given_up += u64::from(self.is_given_up);
        self.is_given_up
    }

    /// Sometimes an older copy of the journal is put back, when the session is over: of the run that works, and mostly of
    /// its last entries.
    fn restores(&mut self, number: u32) -> bool {
        let Some(rng) = self.more.as_mut().filter(|_| number + 2 < CALM_FROM && !self.drawn.is_quiet()) else {
            return false;
        };
        if rng.u32(0..12) != 0 {
            return false;
        }
        let sim = &mut *self.sim.lock().unwrap();
        let (world, ledger) = (&mut sim.world, &mut sim.ledger);
        let most = ledger.batches.len().saturating_sub(ledger.started_at);
        if !ledger.started || most == 0 {
            return false;
        }
        let reach = [3, 30][rng.usize(..2)];
        let lost = rng.usize(1..=most.min(reach));
        let now = self.time.now_us();
        world.advance(now);
        world.note(now, || format!("a copy of the journal without its last {lost} batches is put back"));
        ledger.restore(ledger.batches.len() - lost);
        for (index, row) in ledger.rows.iter().enumerate() {
            let requests = std::mem::take(&mut world.resources[index].requests);
            for number in requests {
                let attempt = world.requests[number].attempt;
                let known = row.attempts.iter().find(|known| known.number == attempt);
                if known.is_none_or(|known| known.finished.is_none()) {
                    world.lose(number, now);
                }
                let resource = &mut world.resources[index];
                if known.is_some() { resource.requests.push(number) } else { resource.lost.push(number) }
            }
        }
        self.tally.restored += 1;
        true
    }

    /// I6: another session on a finished run sends nothing and writes nothing. Then everything comes that was on its
    /// way, and the outcomes are held against what is true.
    fn finished(&mut self, number: u32) {
        // What was lost behind its end is accepted, and nothing else.
        if self.sim.lock().unwrap().ledger.is_older {
            self.session(number);
        }
        let before = {
            let sim = self.sim.lock().unwrap();
            (sim.world.requests.len(), sim.world.reads, sim.ledger.bodies.len())
        };
        self.session(number);
        let mut sim = self.sim.lock().unwrap();
        if (sim.world.requests.len(), sim.world.reads, sim.ledger.bodies.len()) != before {
            sim.world.breaks("I6: a session on a finished run did something".into());
        }
        while let Some(at) = sim.world.is_quiet_after() {
            sim.world.advance(at);
            self.time.pass((at - self.time.now_us()).max(0));
        }
        model::at_the_end(&mut sim, self.faults.is_quiet() && number < CALM_FROM);
    }

    /// Whether there is another run, of this manifest or of another one, over the same names. Some of them were re-created
    /// meanwhile.
    fn is_again(&mut self) -> bool {
        let runs = self.manifests.len();
        let Some(rng) = &mut self.more else { return false };
        let mut sim = self.sim.lock().unwrap();
        let given_up = std::mem::take(&mut self.is_given_up);
        let wanted = (rng.u32(0..if runs == 1 { 6 } else { 3 }) == 0 && runs < 4) || given_up;
        if !wanted || !sim.world.broken.is_empty() {
            return false;
        }
        self.sessions += 2 * MOST_SESSIONS;
        self.faults = self.drawn.clone();
        sim.world.faults = self.faults.clone();
        let now = self.time.now_us();
        for index in 0..self.plan.len() {
            let act = rng.u32(0..6);
            if act < 4 {
                sim.world.delete_by_others(index, now);
            }
            if act < 3 {
                sim.world.recreate(index, now);
            }
        }
        self.time.pass(if given_up { rng.i64(0..20 * SECOND) } else { rng.i64(SECOND..1_000 * SECOND) });
        // The same manifest is executed by the same rule.
        let number = rng.u32(0..2);
        let if_recreated =
            if number == 1 && self.seed.is_multiple_of(2) { IfRecreated::Skip } else { IfRecreated::Warn };
        self.manifests.push(number);
        let sim = &mut *sim;
        sim.ledger.rows.iter().filter_map(|row| row.settled).for_each(|(outcome, _)| self.tally.outcomes.add(outcome));
        sim.ledger.next_run();
        let now = self.time.now_us();
        sim.manifest = Manifest { number, if_recreated };
        for resource in &mut sim.world.resources {
            resource.earlier.append(&mut resource.requests);
            resource.earlier.append(&mut resource.lost);
            resource.last_read = None;
        }
        (0..self.plan.len()).for_each(|index| sim.world.meddle(index, now));
        self.tally.runs += 1;
        sim.world.broken.is_empty()
    }

    fn session(&mut self, number: u32) -> Ended {
        let refusing = self.refusing(number);
        let alone = refusing.is_some();
        {
            let mut sim = self.sim.lock().unwrap();
            sim.world.session = self.sessions + number;
            sim.world.faults = self.faults.clone();
            if alone {
                sim.world.faults.calm();
                sim.world.recover();
            }
            sim.world.refusing.clone_from(&refusing);
            sim.world.is_clock_wrong = self.time.is_wrong();
            sim.world.resources.iter_mut().for_each(|resource| resource.last_read = None);
        }
        let handle =
            Handle { sim: Arc::clone(&self.sim), time: Arc::clone(&self.time), death: Arc::new(Notify::new()) };
        let dies_after = happens(&mut self.rng, self.faults.death).then(|| while_(&mut self.rng)).filter(|_| !alone);
        let stops_after = happens(&mut self.rng, self.faults.death / 3).then(|| while_(&mut self.rng));
        let manifest = self.sim.lock().unwrap().manifest;
        let earlier = &self.manifests[..self.manifests.len() - 1];
        let is_limited = number < CALM_FROM && !self.faults.is_quiet() && !alone;
        let tries = self.more.as_mut().is_some_and(|rng| rng.u32(0..4) == 0);
        let session = Session {
            number: self.sessions + number,
            manifest,
            is_again: earlier.contains(&manifest.number),
            tries,
            verb: self.verb,
            handle,
            settings: self.settings.clone(),
            plan: &self.plan,
            stops_after: stops_after.filter(|_| !alone).map(micros),
            limits: Limits {
                canary: super::session::canary(self.seed, number, is_limited && self.more.is_some()),
                ..super::session::limits(&mut self.rng, is_limited)
            },
        };
        // Production code draws its waiting times from this thread's generator.
        fastrand::seed(self.seed.wrapping_mul(1_000).wrapping_add(u64::from(self.sessions + number)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let ended = runtime.block_on(async {
            self.time.begin();
            let death = Arc::clone(&session.handle.death);
            let ended = tokio::select! {
                biased;
                () = death.notified() => Ended::Died,
                () = at_some_moment(dies_after.map(micros), &session.handle) => Ended::Died,
                ended = session.run() => ended,
            };
            self.time.end();
            ended
        });
        self.stopped_alone(refusing.as_ref());
        ended
    }

    fn regions(&self) -> Vec<String> {
        let sim = self.sim.lock().unwrap();
        let all: std::collections::BTreeSet<_> = sim.world.resources.iter().map(|one| one.region.clone()).collect();
        all.into_iter().collect()
    }

    /// Sometimes one of two regions refuses everybody during a session, and nothing else goes wrong in it.
    fn refusing(&mut self, number: u32) -> Option<(String, Us)> {
        let regions = self.regions();
        let rng = self.more.as_mut().filter(|_| number < CALM_FROM && !self.drawn.is_quiet())?;
        let from = self.time.now_us() + rng.i64(0..SECOND);
        (regions.len() > 1 && rng.u32(0..8) == 0).then(|| (regions[rng.usize(..2)].clone(), from))
    }

    /// Then the rows of the other one have their outcomes: one target stops alone.
    fn stopped_alone(&mut self, refusing: Option<&(String, Us)>) {
        let Some((region, _)) = refusing else { return };
        let sim = &mut *self.sim.lock().unwrap();
        self.tally.alone += 1;
        let others = || sim.world.resources.iter().zip(&sim.ledger.rows).filter(|(one, _)| one.region != *region);
        // Where all that are left are denied, that target refuses everybody, too.
        if others().all(|(one, _)| !one.denied) && others().any(|(_, row)| row.settled.is_none()) {
            sim.world.breaks(format!("rows are left where nobody was refused, since {region} refuses everybody"));
        }
    }

    /// Time passes between two sessions, and sometimes somebody sets the clock.
    ///
    /// It is not put forward while a request of the last session may still be on its way: that would have to be known
    /// from the wall clock alone, which is what is wrong then.
    fn between(&mut self) {
        let mut gap = self.rng.i64(0..2 * SECOND);
        if self.rng.u32(0..4) == 0 {
            gap = while_(&mut self.rng);
        }
        if happens(&mut self.rng, self.faults.jump) {
            let by = while_(&mut self.rng) * [-6, -1, 1, 6][self.rng.usize(..4)];
            if by > 0 {
                let dead = Us::try_from(self.settings.attempt_time().dead_after().as_micros()).unwrap();
                gap = gap.max(dead + 100 * MS);
            }
            self.time.jump(by);
            let now = self.time.now_us();
            self.sim.lock().unwrap().world.note(now, || format!("the clock is set by {} ms", by / MS));
        }
        self.time.pass(gap);
    }

    fn over(self) -> Life {
        let mut sim = self.sim.lock().unwrap();
        let mut tally = self.tally;
        tally.deletes = sim.world.requests.len() as u64;
        tally.reads = sim.world.reads;
        tally.entries = sim.ledger.bodies.len() as u64;
        tally.gaps = u64::from(sim.world.gaps);
        let dead_after = sim.world.dead_after;
        let late = |request: &&super::world::Request| request.last_event > request.sent + dead_after;
        let requests = sim.world.requests.iter();
        tally.ghosts = requests.filter(|request| sim.world.is_ghost(request)).filter(late).count() as u64;
        sim.ledger.rows.iter().filter_map(|row| row.settled).for_each(|(outcome, _)| tally.outcomes.add(outcome));
        Life {
            broken: std::mem::take(&mut sim.world.broken),
            bodies: std::mem::take(&mut sim.ledger.bodies),
            batches: std::mem::take(&mut sim.ledger.batches),
            log: sim.world.log.take().unwrap_or_default(),
            tally,
        }
    }
}

fn micros(us: Us) -> Duration {
    Duration::from_micros(u64::try_from(us).unwrap())
}

/// A moment after the plan is sealed: before that nothing can have been sent, and the commands begin a new run.
async fn at_some_moment(after: Option<Duration>, handle: &Handle) {
    let Some(after) = after else { return std::future::pending().await };
    tokio::time::sleep(after).await;
    while !handle.sim().ledger.started {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
