//! One seed, one life: a batch from its plan to its end, over as many sessions as it takes. Each session has a runtime
//! of its own, so that its death ends everything of it at once; what survives is the world and the durable entries.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use jiff::SignedDuration;
use keybatch::domain::Settings;
use keybatch::execute::control::Limits;
use keybatch::policy::recreated::IfRecreated;
use keybatch::session::order::OnDrift;

use super::accounts::Accounts;
use super::controls::controls;
use super::fate::{Faults, happens, while_};
use super::ledger::{Handle, Ledger, Sim};
use super::model;
use super::paper::Paper;
use super::plan::Manifest;
use super::refusals::Refused;
use super::session::{Ended, Session, Verb};
use super::tally::Tally;
use super::tenancy::Tenancy;
use super::time::{MS, SECOND, SimTime, Us};
use super::world::World;

/// From this session on nothing fails any more, so that the batch can end…
pub(crate) const CALM_FROM: u32 = 8;

/// …by this one: one for what was left, one more where a limit of doubt or of refusals stops it, and some to spare.
pub(crate) const MOST_SESSIONS: u32 = CALM_FROM + 6;

/// The rate that all runners of a slow life keep to together, per second.
pub(crate) const SLOW: usize = 3;

/// A life that is over.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) broken: Vec<String>,
    pub(crate) bodies: Vec<String>,
    pub(crate) batches: Vec<super::ledger::Batch>,
    pub(crate) log: String,
    /// By run that was started, how many people approved its plan.
    pub(crate) approved: Vec<usize>,
    pub(crate) tally: Tally,
}

/// How much there is in a life. What was added later draws from a source of its own, so that seeds which once failed go on as they did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Extent {
    /// One run of a manifest.
    Batch,
    /// More runs, lost entries, ghosts.
    Runs,
    /// Several accounts, plans on paper, approvals, rows that persons resolve.
    All,
    /// Also somebody who controls sessions while they work.
    Controlled,
    /// Also several sessions at once.
    Shared,
}

/// Lives the life of a seed, to its end or to the first thing that must not be.
pub(crate) fn live(seed: u64, log: bool, extent: Extent) -> Life {
    let mut rng = Rng::with_seed(seed);
    let mut faults = Faults::draw(&mut rng);
    let mut settings = settings(&mut rng);
    let shared = if extent >= Extent::Shared { shares(seed, &mut faults, &mut settings) } else { None };
    let time = Arc::new(SimTime::new());
    let mut world = World::new(rng.fork(), faults.clone(), &settings, log);
    let max_age = SignedDuration::try_from(settings.max_observation_age).unwrap();
    // A reading may have to queue behind others; a rate that was throttled down makes that minutes.
    let gap = Us::try_from(settings.max_observation_age.as_micros()).unwrap().max(600 * SECOND);
    world.gap = (faults.jump == 0).then_some(gap);
    let mut newest = (extent >= Extent::All).then(|| Rng::with_seed(seed.rotate_left(16) ^ 0x5eed));
    let accounts = newest.as_mut().map_or_else(Accounts::one, Accounts::draw);
    // Enough for several sessions.
    let more_rows = if shared.is_some() { 6 } else { 0 };
    let plan = super::plan::draw(&mut rng, &mut world, &accounts, (time.now_us(), more_rows));
    let sim = Arc::new(Mutex::new(Sim {
        world,
        ledger: Ledger::default(),
        max_age,
        manifest: Manifest { number: 0, if_recreated: IfRecreated::Warn },
        paper: None,
        days: Vec::new(),
        used_plans: BTreeSet::new(),
        is_clock_set: faults.jump > 0,
        tenancy: Tenancy::default(),
    }));
    let mut more = (extent >= Extent::Runs).then(|| Rng::with_seed(!seed));
    // Only the machine's own clock says how old a signature is: where it is set, nobody can wait for that.
    if let Some(rng) = more.as_mut().filter(|_| faults.jump == 0 && !faults.is_quiet())
        && rng.u32(0..4) == 0
    {
        settings.signature_life = Duration::from_secs([60, 300][rng.usize(..2)]);
        sim.lock().unwrap().world.signature_life = Us::try_from(settings.signature_life.as_micros()).unwrap();
    }
    let drawn = faults.clone();
    let (manifests, sessions) = (vec![0], 0);
    let tally = Tally { accounts: u64::from(accounts.are_several()), ..Tally::default() };
    let (verb, is_given_up) = (Verb::Work, false);
    let mut life = Course {
        seed,
        rng,
        more,
        newest,
        accounts,
        controls: (extent >= Extent::Controlled && !is_slow(&settings)).then_some(seed),
        shared,
        drawer: Vec::new(),
        used: Vec::new(),
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
    life.prepares();
    life.run();
    while life.is_again() {
        life.prepares();
        life.run();
    }
    life.over()
}

/// In one life of two, several sessions work at once; in some of these, at a rate that they reach.
fn shares(seed: u64, faults: &mut Faults, settings: &mut Settings) -> Option<Rng> {
    let mut rng = Rng::with_seed(seed.rotate_left(40) ^ 0x5a2ed);
    if rng.bool() {
        return None;
    }
    // A journal that is shared is in a database, and whoever writes to that has nearly its time.
    faults.jump = 0;
    if rng.u32(0..4) == 0 {
        settings.rate = Some(format!("{SLOW}/s"));
    }
    Some(rng)
}

pub(crate) fn is_slow(settings: &Settings) -> bool {
    settings.rate.as_deref() == Some(&*format!("{SLOW}/s"))
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

pub(crate) struct Course {
    pub(crate) seed: u64,
    pub(crate) rng: Rng,
    /// Where the life may hold more than one run.
    pub(crate) more: Option<Rng>,
    /// Where it may hold all that there is.
    pub(crate) newest: Option<Rng>,
    pub(crate) accounts: Accounts,
    /// Where somebody may control its sessions.
    pub(crate) controls: Option<u64>,
    /// Where several sessions may work at once.
    pub(crate) shared: Option<Rng>,
    /// Plans on paper that no run has executed, and those that one has.
    pub(crate) drawer: Vec<Arc<Paper>>,
    pub(crate) used: Vec<Arc<Paper>>,
    /// What goes wrong now, and what did when the run began.
    pub(crate) faults: Faults,
    pub(crate) drawn: Faults,
    pub(crate) settings: Settings,
    pub(crate) time: Arc<SimTime>,
    pub(crate) sim: Arc<Mutex<Sim>>,
    pub(crate) plan: Vec<super::plan::PlannedRow>,
    /// By run, the manifest that it executes.
    pub(crate) manifests: Vec<u32>,
    /// How many sessions there were before this run.
    pub(crate) sessions: u32,
    pub(crate) tally: Tally,
    /// What the next session is ordered to do.
    pub(crate) verb: Verb,
    /// Whether the last run was given up.
    pub(crate) is_given_up: bool,
}

impl Course {
    fn run(&mut self) {
        for number in 0..MOST_SESSIONS {
            if number == CALM_FROM {
                self.faults.calm();
                self.sim.lock().unwrap().world.recover();
            }
            let ended = if self.is_shared(number) { self.crowd(number) } else { self.session(number) };
            self.tally.sessions += 1;
            let mut sim = self.sim.lock().unwrap();
            match ended {
                Ended::Died => self.tally.deaths += 1,
                Ended::JournalFailed => self.tally.failed_commits += 1,
                Ended::Looks => self.tally.looks += 1,
                Ended::Drifted => self.tally.refused_drift += 1,
                Ended::Expired => {
                    self.tally.expired += 1;
                    sim.paper = None;
                }
                _ => {}
            }
            if ended == Ended::Finished && !sim.ledger.finished {
                sim.world.breaks("a session says that the run is finished, and no entry does".into());
            }
            if !sim.world.broken.is_empty() {
                return;
            }
            let finished = sim.ledger.finished;
            drop(sim);
            self.executes();
            if !self.says(number) {
                return;
            }
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
        sim.tenancy.forget();
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
        if !self.says(number) {
            return;
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

    /// A session that is to run the manifest.
    pub(crate) fn as_session(&self, number: u32, handle: Handle) -> Session<'_> {
        Session {
            number,
            handle,
            settings: self.settings.clone(),
            plan: &self.plan,
            accounts: &self.accounts,
            manifest: self.sim.lock().unwrap().manifest,
            is_again: false,
            paper: None,
            on_drift: OnDrift::Skip,
            by_paper: false,
            trial: None,
            verb: Verb::Work,
            stops_after: None,
            controls: None,
            limits: Limits::default(),
        }
    }

    /// The manifest, and the plan on paper.
    fn at_hand(&self) -> (Manifest, Option<Arc<Paper>>) {
        let sim = self.sim.lock().unwrap();
        (sim.manifest, sim.paper.clone())
    }

    pub(crate) fn session(&mut self, number: u32) -> Ended {
        let trouble = self.trouble(number);
        let alone = trouble.alone.is_some();
        {
            let mut sim = self.sim.lock().unwrap();
            sim.world.session = self.sessions + number;
            sim.world.faults = self.faults.clone();
            if alone {
                sim.world.faults.calm();
                sim.world.recover();
            }
            sim.world.refusing.clone_from(&trouble.refusing);
            sim.world.unreachable.clone_from(&trouble.unreachable);
            sim.world.is_clock_wrong = self.time.is_wrong();
            sim.world.resources.iter_mut().for_each(|resource| resource.last_read = None);
        }
        let handle = Handle::new(&self.sim, &self.time);
        let dies_after = happens(&mut self.rng, self.faults.death).then(|| while_(&mut self.rng)).filter(|_| !alone);
        let stops_after = happens(&mut self.rng, self.faults.death / 3).then(|| while_(&mut self.rng));
        // So that there is something left for several.
        let early = self.shared.as_mut().filter(|_| number == 0).map(|rng| rng.i64(0..200 * MS));
        let stops_after = early.or(stops_after);
        let (manifest, paper) = self.at_hand();
        let is_again = self.manifests[..self.manifests.len() - 1].contains(&manifest.number);
        let is_limited = number < CALM_FROM && !self.faults.is_quiet() && !alone;
        let trial = self.trial(trouble.unreachable.is_empty());
        let (on_drift, by_paper) = self.manner(number);
        let limits = Limits {
            canary: super::session::canary(self.seed, number, is_limited && self.more.is_some()),
            ..super::session::limits(&mut self.rng, is_limited)
        };
        let used = Arc::default();
        let session = Session {
            is_again,
            paper,
            on_drift,
            by_paper,
            trial,
            verb: self.verb,
            stops_after: stops_after.filter(|_| !alone).map(micros),
            controls: self.controls.filter(|_| is_limited).and_then(|seed| controls(seed, number, &used)),
            limits,
            ..self.as_session(self.sessions + number, handle)
        };
        // Production code draws its waiting times from this thread's generator.
        fastrand::seed(self.seed.wrapping_mul(1_000).wrapping_add(u64::from(self.sessions + number)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (ended, refused) = runtime.block_on(async {
            self.time.begin();
            let death = Arc::clone(&session.handle.death);
            let ended = tokio::select! {
                biased;
                () = death.notified() => (Ended::Died, None),
                () = at_some_moment(dies_after.map(micros), &session.handle) => (Ended::Died, None),
                ended = session.run() => ended,
            };
            self.time.end();
            ended
        });
        self.tally.control(&used.lock().unwrap());
        match refused {
            None => {}
            Some(Refused::Edited) => self.tally.edited += 1,
            Some(Refused::Used) => self.tally.used += 1,
            Some(Refused::Unapproved) => self.tally.unapproved += 1,
            Some(Refused::Stray) => self.tally.strays += 1,
        }
        if self.verb == Verb::Work && !matches!(ended, Ended::NotReached | Ended::Expired | Ended::Drifted) {
            self.stopped_alone(trouble);
        }
        ended
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

    pub(crate) fn over(self) -> Life {
        let mut sim = self.sim.lock().unwrap();
        let mut tally = self.tally;
        tally.deletes = sim.world.requests.len() as u64;
        tally.reads = sim.world.reads;
        tally.entries = sim.ledger.bodies.len() as u64;
        tally.gaps = u64::from(sim.world.gaps);
        (tally.taken_over, tally.fenced) = (sim.tenancy.taken_over, sim.tenancy.refused);
        tally.late = sim.ledger.bodies.iter().filter(|body| body.contains(r#""kind":"answer_late""#)).count() as u64;
        let dead_after = sim.world.dead_after;
        let late = |request: &&super::world::Request| request.last_event > request.sent + dead_after;
        tally.adopted = sim.ledger.rows.iter().filter(|row| row.is_adopted()).count() as u64;
        let requests = sim.world.requests.iter();
        tally.ghosts = requests.filter(|request| sim.world.is_ghost(request)).filter(late).count() as u64;
        sim.ledger.rows.iter().filter_map(|row| row.settled).for_each(|(outcome, _)| tally.outcomes.add(outcome));
        let started = sim.ledger.runs.iter().filter(|run| run.started_seq.is_some());
        let approved = started.map(|run| run.approved.len()).collect();
        Life {
            broken: std::mem::take(&mut sim.world.broken),
            bodies: std::mem::take(&mut sim.ledger.bodies),
            batches: std::mem::take(&mut sim.ledger.batches),
            log: sim.world.log.take().unwrap_or_default(),
            approved,
            tally,
        }
    }
}

pub(crate) fn micros(us: Us) -> Duration {
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
