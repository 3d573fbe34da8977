//! The database, as one session asks it: for the journal, alone or with others, for rows, and for times at which requests may leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use keybatch::journal::{Claim, Claiming, JournalError, Roster, Slots, Want};
use tokio::task::JoinHandle;

use super::ledger::{Handle, Sim};
use super::reader::of_target;
use super::time::{MS, SECOND, Us};

/// How long a session that has the journal for itself keeps it without renewing.
const EXCLUSIVE_LASTS: Us = 20 * SECOND;

/// A session's hold on the journal, for itself or with others; given back when it is dropped, unless its process died.
#[derive(Debug)]
pub(crate) struct Hold {
    handle: Handle,
    pub(crate) epoch: u64,
    is_runner: bool,
    lasts: Us,
    /// Until when it surely lasts, as far as the session knows.
    known: Arc<AtomicI64>,
    renewing: Option<JoinHandle<()>>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.renewing.iter().for_each(JoinHandle::abort);
        if !self.handle.is_killed()
            && let Ok(mut sim) = self.handle.sim.lock()
        {
            sim.tenancy.leave(self.epoch);
        }
    }
}

impl Hold {
    /// Takes the journal for a session alone.
    pub(crate) async fn take(handle: &Handle) -> Option<Self> {
        // Where sessions follow upon each other, each one is known to be over.
        let lasts = if handle.seat.is_some() { EXCLUSIVE_LASTS } else { 0 };
        Self::watch(handle, false, lasts).await
    }

    pub(crate) async fn join(handle: &Handle, lasts: Duration) -> Option<Self> {
        Self::watch(handle, true, Us::try_from(lasts.as_micros()).unwrap()).await
    }

    /// Watches whoever has it until that one shows that it is alive, or lapses.
    async fn watch(handle: &Handle, is_runner: bool, lasts: Us) -> Option<Self> {
        let mut seen = None;
        loop {
            let asked = handle.time.now_us();
            if is_runner {
                handle.trip().await;
            }
            let now = handle.time.now_us();
            let taken = {
                let mut sim = handle.sim();
                let number = sim.world.session;
                let tenancy = &mut sim.tenancy;
                if is_runner { tenancy.join(number, (now, lasts)) } else { tenancy.take(number, (now, lasts)) }
            };
            match taken {
                Ok(epoch) => return Some(Self::keep(handle, epoch, is_runner, (asked, lasts))),
                Err(found) if *seen.get_or_insert(found) == found => {
                    tokio::time::sleep(Duration::from_millis(250)).await;
                }
                Err(_) => return None,
            }
        }
    }

    fn keep(handle: &Handle, epoch: u64, is_runner: bool, (asked, lasts): (Us, Us)) -> Self {
        let known = Arc::new(AtomicI64::new(asked + lasts));
        let renewing = (lasts > 0).then(|| tokio::spawn(renew(handle.clone(), epoch, lasts, Arc::clone(&known))));
        Self { handle: handle.clone(), epoch, is_runner, lasts, known, renewing }
    }

    pub(crate) fn roster(&self) -> Option<Arc<dyn Roster>> {
        self.is_runner.then(|| Arc::new(self.shared()) as Arc<dyn Roster>)
    }

    /// What the store of this session goes by.
    pub(crate) fn shared(&self) -> Shared {
        Shared {
            handle: self.handle.clone(),
            epoch: self.epoch,
            is_runner: self.is_runner,
            lasts: self.lasts,
            known: Arc::clone(&self.known),
        }
    }
}

async fn renew(handle: Handle, epoch: u64, lasts: Us, known: Arc<AtomicI64>) {
    loop {
        tokio::time::sleep(Duration::from_micros(u64::try_from(lasts / 4).unwrap())).await;
        let asked = handle.time.now_us();
        handle.trip().await;
        let now = handle.time.now_us();
        if !handle.sim().tenancy.renew(epoch, now) {
            return;
        }
        handle.trip().await;
        known.fetch_max(asked + lasts, Ordering::Relaxed);
    }
}

/// The database, as one session asks it.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) handle: Handle,
    pub(crate) epoch: u64,
    pub(crate) is_runner: bool,
    lasts: Us,
    known: Arc<AtomicI64>,
}

impl Shared {
    /// An answer to what was asked then showed that it lasts on.
    pub(crate) fn renewed(&self, asked: Us) {
        self.known.fetch_max(asked + self.lasts, Ordering::Relaxed);
    }

    /// There and back; what is asked happens in between.
    async fn ask<T>(&self, what: impl FnOnce(&mut Sim, Us) -> T) -> T {
        self.handle.trip().await;
        let now = self.handle.time.now_us();
        let answer = what(&mut self.handle.sim(), now);
        self.handle.trip().await;
        answer
    }
}

impl Roster for Shared {
    fn claim(&self, of: Claiming) -> BoxFuture<'_, Result<Claim, JournalError>> {
        let asked = self.handle.time.now_us();
        Box::pin(async move {
            let claim = self.ask(|sim, now| {
                let open = of_target(&sim.ledger.rows, of.target_no).filter(|(_, row)| row.settled.is_none());
                let open: Vec<_> = open.map(|(number, _)| number).collect();
                let mut claim = sim.tenancy.claim(self.epoch, of, &open, now);
                if let Ok(claim) = &mut claim {
                    claim.lapsed.retain(|session| !sim.ledger.leased.have_ended(*session));
                }
                sim.world.note(now, || format!("claims {of:?}: {claim:?}"));
                claim
            });
            let claim = claim.await?;
            self.renewed(asked);
            Ok(claim)
        })
    }

    fn reserve(&self, wanted: Vec<Want>) -> BoxFuture<'_, Result<Vec<Slots>, JournalError>> {
        Box::pin(self.ask(move |sim, now| sim.tenancy.reserve(self.epoch, &wanted, now)))
    }

    fn may_finish(&self, _: i64) -> BoxFuture<'_, Result<bool, JournalError>> {
        Box::pin(self.ask(|sim, now| {
            let is_open = sim.ledger.rows.iter().any(|row| row.settled.is_none());
            sim.tenancy.may_finish(self.epoch, is_open || sim.ledger.finished, now)
        }))
    }

    fn left(&self) -> Duration {
        let left = self.known.load(Ordering::Relaxed) - self.handle.time.now_us();
        Duration::from_micros(u64::try_from(left).unwrap_or(0))
    }

    fn lasts(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.lasts).unwrap())
    }

    fn skew_ms(&self) -> Option<i64> {
        let now = self.handle.time.now_us();
        Some((now - self.handle.time.shown(now).as_microsecond()) / MS)
    }
}
