//! Several sessions at once. Each has a runtime of its own, as each process has, and all of them one time: whichever has something to do
//! first does it, and goes no further than to its next timer. One that is stopped does nothing at all, and finds later that it is late.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use keybatch::domain::Identity;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, Sleep};

use super::ledger::Sim;
use super::session::Ended;
use super::time::{MS, SimTime, Us};

/// A session that waits for nothing else wakes up so often.
const HEART: Duration = Duration::from_secs(60);

/// A session's place among several.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    killed: AtomicBool,
    /// When the network to the journal's database is cut.
    cuts: Vec<(Us, Us)>,
}

impl Seat {
    pub(crate) fn with_cuts(cuts: Vec<(Us, Us)>) -> Self {
        Self { cuts, ..Self::default() }
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Relaxed)
    }

    /// Its process dies: nothing is put in order.
    pub(crate) fn kill(&self) {
        self.killed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_cut_for(&self, now: Us) -> Option<Duration> {
        let cut = self.cuts.iter().find(|(from, until)| (*from..*until).contains(&now));
        cut.map(|(_, until)| Duration::from_micros(u64::try_from(until - now + MS).unwrap()))
    }
}

/// Tells when a runtime's clock moved on: from then on, others may be before it.
#[derive(Debug, Default)]
struct Pulse {
    began: Mutex<Option<Instant>>,
    moved: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Pulse {
    fn tick(&self) {
        if self.began.lock().unwrap().is_some_and(|began| Instant::now() > began) {
            self.moved.store(true, Ordering::Relaxed);
            self.waker.lock().unwrap().iter().for_each(Waker::wake_by_ref);
        }
    }
}

type Work<'a> = Pin<Box<dyn Future<Output = Ended> + 'a>>;

/// One of the sessions.
pub(crate) struct Actor<'a> {
    number: u32,
    seat: Arc<Seat>,
    runtime: Runtime,
    work: Option<Work<'a>>,
    pulse: Arc<Pulse>,
    heart: Option<Pin<Box<Sleep>>>,
    /// True time when its runtime began.
    base: Us,
    origin: Option<Instant>,
    /// When it goes on.
    next: Us,
    /// When it is killed.
    pub(crate) dies: Option<Us>,
    /// When it is stopped, and until when.
    pub(crate) frozen: Vec<(Us, Us)>,
    /// With which of its deletes on the way it is killed, or stopped for so long.
    pub(crate) trap: Option<(usize, Option<Us>)>,
    is_eve: bool,
    last_reads: Vec<Option<(Us, Option<Identity>)>>,
    pub(crate) ended: Option<Ended>,
}

impl<'a> Actor<'a> {
    /// A session that begins then.
    pub(crate) fn new(number: u32, seat: Arc<Seat>, begins: Us, work: Work<'a>) -> Self {
        let pulse: Arc<Pulse> = Arc::default();
        let hook = Arc::clone(&pulse);
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .on_thread_unpark(move || hook.tick())
            .build()
            .unwrap();
        Self {
            number,
            seat,
            runtime,
            work: Some(work),
            pulse,
            heart: None,
            base: begins,
            origin: None,
            next: begins,
            dies: None,
            frozen: Vec::new(),
            trap: None,
            is_eve: true,
            last_reads: Vec::new(),
            ended: None,
        }
    }

    /// When it goes on, or dies.
    fn due(&self) -> Us {
        let next = self.frozen.iter().fold(
            self.next,
            |next, (from, until)| {
                if (*from..*until).contains(&next) { *until } else { next }
            },
        );
        self.dies.map_or(next, |dies| dies.min(next)).max(self.base)
    }

    /// It does what it has to do now.
    fn step(&mut self, time: &SimTime, now: Us) -> Option<Ended> {
        let Self { runtime, work, pulse, heart, base, origin, .. } = self;
        let work = work.as_mut()?;
        let mut begun = false;
        let (ended, next) = runtime.block_on(std::future::poll_fn(|cx| {
            if !begun {
                begun = true;
                let origin = *origin.get_or_insert_with(Instant::now);
                let late = now - (*base + micros(origin.elapsed()));
                if late > 0 {
                    advance(Duration::from_micros(u64::try_from(late).unwrap()), cx);
                }
                *pulse.began.lock().unwrap() = Some(Instant::now());
                time.switch(*base, Some(origin));
            } else if pulse.moved.swap(false, Ordering::Relaxed) {
                return Poll::Ready((None, *base + micros(origin.map_or(Duration::ZERO, |origin| origin.elapsed()))));
            }
            *pulse.waker.lock().unwrap() = Some(cx.waker().clone());
            if let Poll::Ready(ended) = work.as_mut().poll(cx) {
                return Poll::Ready((Some(ended), now));
            }
            let heart = heart.get_or_insert_with(|| Box::pin(tokio::time::sleep(HEART)));
            while heart.as_mut().poll(cx).is_ready() {
                heart.as_mut().reset(Instant::now() + HEART);
            }
            Poll::Pending
        }));
        *pulse.began.lock().unwrap() = None;
        self.next = next;
        ended
    }

    /// What the world has of one session at a time.
    fn enters(&mut self, sim: &mut Sim) {
        let world = &mut sim.world;
        (world.session, world.is_eve) = (self.number, self.is_eve);
        self.last_reads.resize(world.resources.len(), None);
        for (resource, own) in world.resources.iter_mut().zip(&mut self.last_reads) {
            resource.last_read = own.take();
        }
    }

    fn leaves(&mut self, sim: &mut Sim) {
        self.is_eve = sim.world.is_eve;
        for (resource, own) in sim.world.resources.iter_mut().zip(&mut self.last_reads) {
            *own = resource.last_read.take();
        }
    }

    /// Something happens to it just when a delete is on its way.
    fn springs(&mut self, sim: &Sim, now: Us) {
        let own = sim.world.requests.iter().filter(|request| request.session == self.number);
        let Some((_, length)) = self.trap.take_if(|(which, _)| own.count() >= *which) else { return };
        match length {
            None => self.dies = Some(now),
            Some(length) => self.frozen.push((now, now + length)),
        }
    }

    fn is_over(&self) -> bool {
        self.work.is_none()
    }

    /// Everything of it is gone.
    fn ends(&mut self, ended: Ended) {
        self.ended = Some(ended);
        let _inside = self.runtime.enter();
        self.heart = None;
        self.work = None;
    }
}

fn micros(time: Duration) -> Us {
    Us::try_from(time.as_micros()).unwrap()
}

/// The clock of this runtime moves on by so much at once.
fn advance(by: Duration, cx: &mut Context<'_>) {
    let _only_begun = std::pin::pin!(tokio::time::advance(by)).poll(cx);
}

/// They work, until each one has ended or died. Returns the time at which the last one did.
pub(crate) fn work_at_once(actors: &mut [Actor<'_>], (sim, time): (&Mutex<Sim>, &SimTime), most: Us) -> Us {
    let began = time.now_us();
    let mut now = began;
    while let Some(actor) = actors.iter_mut().filter(|actor| !actor.is_over()).min_by_key(|actor| actor.due()) {
        now = actor.due().max(now);
        time.switch(now, None);
        let is_late = now - began > most;
        if is_late {
            sim.lock().unwrap().world.breaks(format!("session {} does not come to an end", actor.number));
        }
        if is_late || actor.dies.is_some_and(|dies| dies <= now) {
            sim.lock().unwrap().world.note(now, || format!("session {} is killed", actor.number));
            actor.seat.kill();
            actor.ends(Ended::Died);
            continue;
        }
        if now > actor.next {
            let slept = now - actor.next;
            sim.lock().unwrap().world.note(now, || format!("session {} wakes up after {slept} us", actor.number));
        }
        actor.enters(&mut sim.lock().unwrap());
        let ended = actor.step(time, now);
        time.switch(now, None);
        actor.leaves(&mut sim.lock().unwrap());
        actor.springs(&sim.lock().unwrap(), now);
        if let Some(ended) = ended {
            actor.ends(ended);
        }
        if !sim.lock().unwrap().world.broken.is_empty() {
            break;
        }
    }
    for actor in actors.iter_mut().filter(|actor| !actor.is_over()) {
        actor.seat.kill();
        actor.ends(Ended::Died);
    }
    now
}
