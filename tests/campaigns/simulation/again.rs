//! Another run over the same names, and plans on paper that runs execute.

use std::sync::Arc;
use std::time::Duration;

use keybatch::domain::Outcome;
use keybatch::policy::recreated::IfRecreated;
use keybatch::session::order::OnDrift;

use super::fate::while_;
use super::ledger::Handle;
use super::life::{Course, MOST_SESSIONS};
use super::paper::{Day, Paper};
use super::plan::Manifest;
use super::refusals::Trial;
use super::session::{Ended, Verb};
use super::time::SECOND;

impl Course {
    /// Whether there is another run, of this manifest or of another one, over the same names. Some of them were re-created
    /// meanwhile.
    pub(crate) fn is_again(&mut self) -> bool {
        let runs = self.manifests.len();
        let Some(rng) = &mut self.more else { return false };
        let mut sim = self.sim.lock().unwrap();
        let given_up = std::mem::take(&mut self.is_given_up);
        let odds = if runs == 1 { 6 } else { 3 };
        let wanted = (rng.u32(0..odds) == 0 && runs < 4) || given_up;
        // A plan that waits is often executed.
        let waits = !self.drawer.is_empty() && runs < 4 && self.newest.as_mut().is_some_and(|rng| rng.bool());
        let wanted = wanted || waits;
        if !wanted || !sim.world.broken.is_empty() {
            return false;
        }
        self.sessions += if self.newest.is_some() { 6 } else { 2 } * MOST_SESSIONS;
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
            resource.is_forgotten |= !resource.lost.is_empty();
            resource.earlier.append(&mut resource.lost);
            resource.last_read = None;
        }
        (0..self.plan.len()).for_each(|index| sim.world.meddle(index, now));
        self.tally.runs += 1;
        sim.world.broken.is_empty()
    }

    /// What the next run executes: the manifest, or a plan on paper. Such a plan is made now or was made before an earlier run, and
    /// others act in between.
    pub(crate) fn prepares(&mut self) {
        self.sim.lock().unwrap().paper = None;
        let Some(rng) = self.newest.as_mut() else { return };
        let (kind, waits) = (rng.u32(0..10), !self.drawer.is_empty());
        let paper = match kind {
            0..=5 if waits => Some(self.drawer.remove(rng.usize(..self.drawer.len()))),
            0..=2 => {
                let paper = self.draws();
                Some(Arc::new(paper)).filter(|_| !self.is_broken())
            }
            6 => {
                let paper = self.draws();
                self.drawer.push(Arc::new(paper));
                None
            }
            _ => None,
        };
        let Some(paper) = paper else { return };
        self.drifts();
        let sim = &mut *self.sim.lock().unwrap();
        sim.manifest = paper.manifest;
        if let Some(last) = self.manifests.last_mut() {
            *last = paper.manifest.number;
        }
        sim.paper = Some(paper);
    }

    fn is_broken(&self) -> bool {
        !self.sim.lock().unwrap().world.broken.is_empty()
    }

    /// A plan is made on paper, and nothing else happens. Its planner may be somewhere else than the journal.
    fn draws(&mut self) -> Paper {
        let number = 5 * MOST_SESSIONS + self.sessions;
        let Some(rng) = self.newest.as_mut() else { unreachable!("only a life with everything has plans") };
        let (knows, life) = (rng.bool(), [900, 3_600, 259_200][rng.usize(..3)]);
        let handle = Handle::new(&self.sim, &self.time);
        {
            let mut sim = self.sim.lock().unwrap();
            sim.world.unreachable.clear();
            sim.world.session = number;
        }
        let session = self.as_session(number, handle);
        fastrand::seed(self.seed ^ u64::from(number));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let bytes = runtime.block_on(async {
            self.time.begin();
            let bytes = session.to_plan(knows, Duration::from_secs(life)).await;
            self.time.end();
            bytes
        });
        self.tally.plans += 1;
        let Some(rng) = self.newest.as_mut() else { unreachable!("only a life with everything has plans") };
        Paper::read(&mut self.sim.lock().unwrap(), bytes, knows, rng)
    }

    /// Between a plan and its execution, others act.
    fn drifts(&mut self) {
        let Some(rng) = self.newest.as_mut() else { return };
        let sim = &mut *self.sim.lock().unwrap();
        let now = self.time.now_us();
        sim.world.advance(now);
        for index in 0..self.plan.len() {
            match rng.u32(0..10) {
                0 => sim.world.delete_by_others(index, now),
                1 => {
                    sim.world.delete_by_others(index, now);
                    sim.world.recreate(index, now);
                }
                2 => sim.world.recreate(index, now),
                _ => {}
            }
        }
        let gap = if rng.u32(0..6) == 0 { 1_200 * SECOND } else { while_(rng) };
        self.time.pass(gap);
    }

    /// The run was started: whatever becomes of it, its plan is used.
    pub(crate) fn executes(&mut self) {
        let sim = self.sim.lock().unwrap();
        let Some(paper) = sim.paper.clone().filter(|_| sim.ledger.started) else { return };
        if self.used.iter().any(|used| Arc::ptr_eq(used, &paper)) {
            return;
        }
        self.tally.executed += 1;
        self.tally.approved += u64::from(paper.signed.required > 0);
        for day in &sim.days {
            match day {
                Day::Vanished => self.tally.vanished += 1,
                Day::Appeared => self.tally.appeared += 1,
                Day::Drifted | Day::Recreated => self.tally.drifted += 1,
                Day::Same => {}
            }
        }
        self.used.push(paper);
    }

    /// What to do about rows that have changed, and whether a plan is named to continue its run.
    pub(crate) fn manner(&mut self, number: u32) -> (OnDrift, bool) {
        let Some(rng) = self.newest.as_mut() else { return (OnDrift::Skip, false) };
        let refuses = rng.u32(0..3) == 0 && number == 0;
        (if refuses { OnDrift::Refuse } else { OnDrift::Skip }, rng.bool())
    }

    /// What the operator tries first.
    pub(crate) fn trial(&mut self, is_reached: bool) -> Option<Trial> {
        let tries = self.more.as_mut().is_some_and(|rng| rng.u32(0..4) == 0);
        let Some(rng) = self.newest.as_mut() else { return tries.then_some(Trial::Again) };
        let kind = rng.u32(0..10);
        let which = rng.u64(..);
        if !is_reached || self.verb != Verb::Work {
            return None;
        }
        let paper = self.sim.lock().unwrap().paper.clone();
        let others = || self.used.iter().filter(|used| paper.as_ref().is_none_or(|paper| !Arc::ptr_eq(used, paper)));
        let is_signed =
            !self.sim.lock().unwrap().ledger.started && paper.as_ref().is_some_and(|one| one.signed.required > 0);
        match kind {
            _ if tries => Some(Trial::Again),
            0..4 if is_signed => Some(Trial::TooFew),
            0 => Some(Trial::Edited(which)),
            1 => Some(Trial::TooFew),
            2 => Some(Trial::Stray),
            3 | 4 => others().next_back().map(|used| Trial::Used(Arc::clone(used))),
            _ => None,
        }
    }

    /// Sometimes somebody says what became of a row, or tries to. Returns whether everything is as it must be.
    pub(crate) fn says(&mut self, number: u32) -> bool {
        const OUTCOMES: [Outcome; 6] =
            [Outcome::Deleted, Outcome::Gone, Outcome::Absent, Outcome::Failed, Outcome::InDoubt, Outcome::Skipped];
        for time in 2..4 {
            let Some(rng) = self.newest.as_mut() else { return true };
            let (wanted, any, outcome) = (rng.u32(0..12), rng.usize(..6), OUTCOMES[rng.usize(..6)]);
            let index = {
                let sim = self.sim.lock().unwrap();
                let rows = &sim.ledger.rows;
                let may = sim.ledger.started && !sim.ledger.is_older && !rows.is_empty();
                let doubtful = rows.iter().position(|row| row.settled.is_some_and(|(settled, _)| is_doubtful(settled)));
                let odds = if doubtful.is_some() { 8 } else { 1 };
                if !may || wanted >= odds {
                    continue;
                }
                doubtful.filter(|_| any > 0).unwrap_or(any % rows.len())
            };
            self.verb = Verb::Resolve { index, outcome };
            let ended = self.session(number + time * MOST_SESSIONS);
            self.verb = Verb::Work;
            match ended {
                Ended::Resolved => self.tally.resolved += 1,
                Ended::Unresolvable => self.tally.unresolvable += 1,
                Ended::Died => self.tally.deaths += 1,
                _ => {}
            }
            if self.is_broken() {
                return false;
            }
        }
        true
    }
}

fn is_doubtful(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::InDoubt | Outcome::Gone)
}
