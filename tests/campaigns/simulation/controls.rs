//! Somebody controls the sessions of a life: looks, pauses them, lets them go on, holds their rate, stops them, at any moment.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use futures_util::future::BoxFuture;
use keybatch::session::host::Listening;
use keybatch::session::live::{AtWork, By, Told, Untold, Vouched};
use keybatch::session::status::{Bearing, Status};
use tokio::task::JoinHandle;

use super::fate::while_;
use super::ledger::Handle;

/// The rate with which sessions are started that have one.
const ORDERED: f64 = 20.0;

/// What was told, and done.
#[derive(Debug, Default)]
pub(crate) struct Used {
    pub(crate) pauses: u64,
    pub(crate) rates: u64,
    pub(crate) stops: u64,
    pub(crate) refused: u64,
}

/// Whether somebody controls a session. Drawn from a source of its own, so that all else is drawn as it was.
pub(crate) fn controls(seed: u64, number: u32, used: &Arc<Mutex<Used>>) -> Option<(Rng, Arc<Mutex<Used>>)> {
    let mut rng = Rng::with_seed(seed.rotate_left(48) ^ u64::from(number) ^ 0xc0de);
    (rng.u32(0..4) == 0).then(|| (rng, Arc::clone(used)))
}

/// Who controls a session.
pub(crate) struct Controller {
    pub(crate) handle: Handle,
    pub(crate) rng: Rng,
    /// Whether the session has a rate of its own.
    pub(crate) is_capped: bool,
    pub(crate) used: Arc<Mutex<Used>>,
}

struct AtIt(JoinHandle<()>);

impl Drop for AtIt {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Listening for AtIt {
    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move { drop(self) })
    }
}

impl Controller {
    /// Begins to control the session.
    pub(crate) fn begin(self, at_work: Arc<dyn AtWork>) -> Box<dyn Listening> {
        Box::new(AtIt(tokio::spawn(self.control(at_work))))
    }

    async fn control(mut self, at_work: Arc<dyn AtWork>) {
        let mut held = f64::INFINITY;
        for _ in 0..self.rng.u32(1..6) {
            self.wait().await;
            match self.rng.u32(0..8) {
                0..4 => {
                    if !self.pauses(&*at_work).await {
                        return;
                    }
                }
                4..7 => held = self.holds(&*at_work, held).await,
                _ => {
                    self.stops(&*at_work).await;
                    return;
                }
            }
            self.looks(&*at_work, None, held).await;
        }
    }

    async fn wait(&mut self) {
        let us = while_(&mut self.rng) / [1, 10, 100][self.rng.usize(..3)];
        tokio::time::sleep(Duration::from_micros(u64::try_from(us).unwrap())).await;
    }

    async fn tell(&self, at_work: &dyn AtWork, told: Told) -> bool {
        let by = By { user: "somebody".into(), vouched: Vouched::Kernel(1000) };
        match at_work.tell(told, &by).await {
            Ok(()) => true,
            // It ended, stops for another reason, or its journal failed.
            Err(Untold::Ended | Untold::Stopping | Untold::Journal(_)) => false,
            Err(why) => {
                self.breaks(format!("{told:?} was refused: {why}"));
                false
            }
        }
    }

    /// Nothing begins before it is to go on. Sometimes it is stopped meanwhile. Says whether it goes on.
    async fn pauses(&mut self, at_work: &dyn AtWork) -> bool {
        if !self.tell(at_work, Told::Pause).await {
            return false;
        }
        self.used.lock().unwrap().pauses += 1;
        let begun = self.begun();
        self.looks(at_work, Some(Bearing::Paused), f64::INFINITY).await;
        self.wait().await;
        if self.begun() != begun {
            self.breaks("P134: an attempt begins while the session is paused".into());
        }
        if self.rng.u32(0..6) == 0 {
            self.stops(at_work).await;
            return false;
        }
        self.tell(at_work, Told::Continue).await
    }

    /// Holds the rate below another one, and never above the one that was ordered. Returns what holds now.
    async fn holds(&mut self, at_work: &dyn AtWork, held: f64) -> f64 {
        let per_s = [0.5, 2.0, 19.0, 21.0, 500.0][self.rng.usize(..5)];
        if self.is_capped && per_s > ORDERED {
            let by = By { user: "somebody".into(), vouched: Vouched::Kernel(1000) };
            match at_work.tell(Told::Rate(per_s), &by).await {
                Err(Untold::Journal(_)) | Ok(()) => self.breaks("P135: a control lifts the rate".into()),
                Err(_) => self.used.lock().unwrap().refused += 1,
            }
            return held;
        }
        if !self.tell(at_work, Told::Rate(per_s)).await {
            return held;
        }
        self.used.lock().unwrap().rates += 1;
        per_s
    }

    async fn stops(&self, at_work: &dyn AtWork) {
        if self.tell(at_work, Told::Stop).await {
            self.used.lock().unwrap().stops += 1;
            let begun = self.begun();
            self.looks(at_work, Some(Bearing::Stopping), f64::INFINITY).await;
            tokio::time::sleep(Duration::from_secs(2)).await;
            if self.begun() != begun {
                self.breaks("P134: an attempt begins after the session was told to stop".into());
            }
        }
    }

    /// What it says of itself, which is nothing where its journal failed.
    async fn looks(&self, at_work: &dyn AtWork, bearing: Option<Bearing>, held: f64) {
        let Ok(status) = at_work.status().await else { return };
        let Status { state, outcomes, rows, targets, .. } = status;
        // A stop of another kind may come at any time.
        if bearing.is_some_and(|expected| state != expected && state != Bearing::Stopping) {
            self.breaks(format!("P136: the session was told otherwise, and says that it is {state:?}"));
        }
        if outcomes.total() != rows {
            self.breaks(format!("I10: {rows} rows, and the session says {outcomes:?}"));
        }
        let most = if self.is_capped { held.min(ORDERED) } else { held };
        if targets.iter().any(|target| target.permitted_per_s.unwrap_or(f64::INFINITY) > most) {
            self.breaks(format!("P135: at most {most} per second, and the session permits itself {targets:?}"));
        }
    }

    /// How many attempts there were.
    fn begun(&self) -> usize {
        self.handle.sim().ledger.rows.iter().map(|row| row.attempts.len()).sum()
    }

    fn breaks(&self, what: String) {
        self.handle.sim().world.breaks(what);
    }
}
