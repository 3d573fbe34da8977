//! Runners that work on one run at the same time, and sessions that want it for themselves meanwhile.

use std::sync::Arc;

use fastrand::Rng;
use keybatch::domain::Class;
use keybatch::journal::JournalError;
use keybatch::session::order::WorkOrder;
use keybatch::session::{self, Ending, Refusal, SessionError};
use tokio::sync::Notify;

use super::crowd::{Actor, Seat, work_at_once};
use super::fate::while_;
use super::host::SimHost;
use super::ledger::Handle;
use super::life::{CALM_FROM, Course, SLOW, is_slow};
use super::session::{Ended, Session};
use super::time::{MS, SECOND, Us};

/// No crowd takes longer.
const LONGEST: Us = 3 * 3_600 * SECOND;

/// One of those who work at once.
struct Part {
    is_runner: bool,
    begins: Us,
    dies: Option<Us>,
    frozen: Vec<(Us, Us)>,
    cuts: Vec<(Us, Us)>,
    stops: Option<Us>,
    trap: Option<(usize, Option<Us>)>,
}

impl Part {
    /// What happens to it; `lasts` is how long a lease does.
    fn draw(rng: &mut Rng, (now, lasts): (Us, Us), is_runner: bool, is_quiet: bool) -> Self {
        let soon = |rng: &mut Rng| match rng.u32(0..4) {
            0 => rng.i64(0..300 * MS),
            1 | 2 => rng.i64(0..4 * SECOND),
            _ => while_(rng),
        };
        let begins = now + if rng.bool() { rng.i64(0..50 * MS) } else { soon(rng) };
        let span = |rng: &mut Rng| {
            let from = begins + soon(rng);
            (from, from + lasts * rng.i64(2..30) / 10)
        };
        let mut some = |odds: u32| !is_quiet && rng.u32(0..odds) == 0;
        let (dies, freezes, cut, stops, is_trapped) = (some(4), some(4), some(4), some(6), some(3));
        let length = (rng.u32(0..4) > 0).then(|| lasts * rng.i64(8..30) / 10);
        Self {
            is_runner,
            begins,
            dies: dies.then(|| begins + soon(rng)),
            frozen: freezes.then(|| span(rng)).into_iter().collect(),
            cuts: cut.then(|| span(rng)).into_iter().collect(),
            stops: stops.then(|| soon(rng)),
            trap: is_trapped.then(|| (rng.usize(1..4), length)),
        }
    }
}

impl Course {
    /// Whether several sessions work next.
    pub(crate) fn is_shared(&mut self, number: u32) -> bool {
        let Some(rng) = self.shared.as_mut() else { return false };
        let wanted = rng.u32(0..3) > 0;
        let sim = self.sim.lock().unwrap();
        wanted && number < CALM_FROM && sim.ledger.started && !sim.ledger.finished && !sim.ledger.is_older
    }

    /// Several sessions work at once.
    pub(crate) fn crowd(&mut self, number: u32) -> Ended {
        let is_quiet = self.faults.is_quiet();
        let dead = Us::try_from(self.settings.attempt_time().dead_after().as_micros()).unwrap();
        let (now, lasts) = (self.time.now_us(), (2 * dead).max(10 * SECOND));
        let Some(rng) = self.shared.as_mut() else { return Ended::Stopped };
        let mut parts: Vec<_> = (0..rng.usize(2..=4)).map(|_| Part::draw(rng, (now, lasts), true, is_quiet)).collect();
        if !is_quiet && rng.u32(0..4) == 0 {
            parts.push(Part::draw(rng, (now, lasts), false, false));
        }
        {
            let mut sim = self.sim.lock().unwrap();
            sim.world.faults = self.faults.clone();
            sim.world.refusing.clear();
            sim.world.unreachable.clear();
            sim.world.departures.clear();
            sim.world.is_clock_wrong = self.time.is_wrong();
        }
        fastrand::seed(self.seed.wrapping_mul(1_000).wrapping_add(u64::from(self.sessions + number)) ^ 0xc0de);
        let first = 100_000 + (self.sessions + number) * 8;
        let mut actors: Vec<_> = (first..).zip(&parts).map(|(number, part)| self.actor(number, part)).collect();
        let ended = work_at_once(&mut actors, (&self.sim, &self.time), LONGEST);
        let ends: Vec<_> = actors.iter().filter_map(|actor| actor.ended).collect();
        drop(actors);
        self.time.switch(ended, None);
        {
            let world = &mut self.sim.lock().unwrap().world;
            world.resources.iter_mut().for_each(|resource| resource.last_read = None);
            // One that takes the journal for itself begins with a rate of its own.
            let is_shared = is_slow(&self.settings) && parts.iter().all(|part| part.is_runner);
            if let Some(times) = world.is_too_fast(SLOW + parts.len()).filter(|_| is_shared) {
                let times: Vec<_> = times.into_iter().map(super::time::service_time).collect();
                world.breaks(format!("{} runners ask more often than permitted together: {times:?}", parts.len()));
            }
        }
        self.tally.crowds += 1;
        self.tally.deaths += ends.iter().filter(|end| **end == Ended::Died).count() as u64;
        self.tally.failed_commits += ends.iter().filter(|end| **end == Ended::JournalFailed).count() as u64;
        self.tally.locked += ends.iter().filter(|end| **end == Ended::Locked).count() as u64;
        Ended::Stopped
    }

    fn actor<'a>(&'a self, number: u32, part: &Part) -> Actor<'a> {
        let seat = Arc::new(Seat::with_cuts(part.cuts.clone()));
        let death = Arc::new(Notify::new());
        let handle = Handle {
            sim: Arc::clone(&self.sim),
            time: Arc::clone(&self.time),
            death: Arc::clone(&death),
            seat: Some(Arc::clone(&seat)),
        };
        let session = Session { stops_after: part.stops.map(super::life::micros), ..self.as_session(number, handle) };
        let is_runner = part.is_runner;
        let work = Box::pin(async move {
            tokio::select! {
                biased;
                () = death.notified() => Ended::Died,
                ended = session.shares(is_runner) => ended,
            }
        });
        let mut actor = Actor::new(number, seat, part.begins, work);
        actor.dies = part.dies;
        actor.frozen.clone_from(&part.frozen);
        actor.trap = part.trap;
        actor
    }
}

impl Session<'_> {
    /// One of several sessions at once: a runner, or one that wants the journal for itself.
    pub(crate) async fn shares(&self, is_runner: bool) -> Ended {
        self.handle.sim().world.is_eve = true;
        let (host, ended) = if is_runner { self.to_work().await } else { self.to_resume(0, false).await };
        let sent = {
            let sim = self.handle.sim();
            let mut own = sim.world.requests.iter().filter(|request| request.session == self.number);
            own.any(|request| request.delivered != Some(Class::NotSent))
        };
        match ended {
            Err(error) if matches!(&*error.why, Refusal::Journal(JournalError::Locked { .. })) && !sent => {
                Ended::Locked
            }
            ended => self.judge(&host, ended, sent),
        }
    }

    /// As a runner.
    async fn to_work(&self) -> (SimHost, Result<Ending, SessionError>) {
        let run = self.handle.sim().ledger.runs.last().map(|run| run.run.to_string()).unwrap_or_default();
        let order = WorkOrder { order: self.order(false), run };
        let host = self.host(0);
        let ended = session::work_on(&host, &order).await;
        (host, ended)
    }
}
