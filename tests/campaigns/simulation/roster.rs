//! What runners share beside the journal's entries, as its database would keep it: who is at work, which rows are whose, and when requests
//! may leave. Naive: everything happens at once, at a moment of true time, which is the database's clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use keybatch::domain::Target;
use keybatch::journal::{Claim, Claiming, JournalError, Roster, Slots, Want};
use tokio::task::JoinHandle;

use super::ledger::Handle;
use super::reader::of_target;
use super::time::{SECOND, Us};

/// How long a session that has the journal for itself keeps it without renewing.
const EXCLUSIVE_LASTS: Us = 20 * SECOND;

/// How far ahead requests are granted.
const AHEAD: Us = SECOND;

/// A session that has the journal, for itself or with others.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) epoch: u64,
    /// The session, as the life numbers it.
    pub(crate) number: u32,
    pub(crate) is_runner: bool,
    /// Its number in the journal, once it claimed rows.
    pub(crate) session: Option<u64>,
    pub(crate) until: Us,
    lasts: Us,
    pub(crate) fenced: bool,
    finishing: bool,
    renewals: u64,
}

/// When requests to a target may leave.
#[derive(Debug)]
struct Pace {
    target: Target,
    next: f64,
    per_s: f64,
    version: u64,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Tenancy {
    epochs: u64,
    pub(crate) tenants: Vec<Tenant>,
    /// By run and row, the epoch whose it is.
    leases: BTreeMap<(i64, u64), u64>,
    paces: Vec<Pace>,
    /// Rows that were taken over from runners whose leases had lapsed.
    pub(crate) taken_over: u64,
    /// Appends that were refused to sessions that were fenced off.
    pub(crate) refused: u64,
}

fn fenced_off() -> JournalError {
    JournalError::FencedOff { holder: None }
}

impl Tenancy {
    fn tenant(&mut self, epoch: u64) -> Option<&mut Tenant> {
        self.tenants.iter_mut().find(|one| one.epoch == epoch)
    }

    /// The runner that a session of the life is.
    pub(crate) fn runner(&self, number: u32) -> Option<&Tenant> {
        self.tenants.iter().rev().find(|one| one.number == number && one.is_runner)
    }

    /// An older copy of the database has none of it.
    pub(crate) fn forget(&mut self) {
        *self = Self { epochs: self.epochs + 1, taken_over: self.taken_over, refused: self.refused, ..Self::default() };
    }

    fn enters(&mut self, number: u32, is_runner: bool, (now, lasts): (Us, Us)) -> u64 {
        self.epochs += 1;
        self.tenants.push(Tenant {
            epoch: self.epochs,
            number,
            is_runner,
            session: None,
            until: now + lasts,
            lasts,
            fenced: false,
            finishing: false,
            renewals: 0,
        });
        self.epochs
    }

    /// A session takes the journal for itself; whoever has it may be dead already, and then it does not have to lapse.
    fn take(&mut self, number: u32, (now, lasts): (Us, Us)) -> Result<u64, (u64, u64)> {
        let alive = self.tenants.iter().filter(|one| !one.fenced && one.until > now);
        if let Some(one) = alive.max_by_key(|one| one.until) {
            return Err((one.epoch, one.renewals));
        }
        self.tenants.iter_mut().for_each(|one| one.fenced = true);
        self.leases.clear();
        Ok(self.enters(number, false, (now, lasts)))
    }

    fn join(&mut self, number: u32, (now, lasts): (Us, Us)) -> Result<u64, (u64, u64)> {
        let is_exclusive = |one: &&mut Tenant| !one.is_runner && !one.fenced;
        if let Some(one) = self.tenants.iter_mut().filter(is_exclusive).find(|one| one.until > now) {
            return Err((one.epoch, one.renewals));
        }
        self.tenants.iter_mut().filter(is_exclusive).for_each(|one| one.fenced = true);
        Ok(self.enters(number, true, (now, lasts)))
    }

    fn renew(&mut self, epoch: u64, now: Us) -> bool {
        let Some(one) = self.tenant(epoch).filter(|one| !one.fenced) else { return false };
        one.until = one.until.max(now + one.lasts);
        one.renewals += 1;
        true
    }

    /// Its session is over. If it did not say that it leaves, its rows are others' as if its leases had lapsed: they have to say so.
    fn leave(&mut self, epoch: u64) {
        let has_rows = self.leases.values().any(|whose| *whose == epoch);
        self.tenants.retain(|one| one.epoch != epoch || one.fenced || has_rows);
        self.tenant(epoch).into_iter().for_each(|one| (one.until, one.finishing) = (Us::MIN, false));
    }

    /// It said that it leaves.
    pub(crate) fn gives_back(&mut self, epoch: u64) {
        self.leases.retain(|_, whose| *whose != epoch);
    }

    fn check(&mut self, epoch: u64) -> Result<&mut Tenant, JournalError> {
        self.tenant(epoch).filter(|one| !one.fenced).ok_or_else(fenced_off)
    }

    /// Entries of it come, of these rows; it may write only late answers once it is fenced off. Returns which rows are not its own.
    pub(crate) fn write(
        &mut self,
        (epoch, now): (u64, Us),
        (run, rows): (i64, &BTreeSet<u64>),
        only_late: bool,
    ) -> Result<Vec<u64>, JournalError> {
        if only_late {
            return Ok(Vec::new());
        }
        if !self.renew(epoch, now) {
            self.refused += 1;
            return Err(fenced_off());
        }
        if !self.check(epoch)?.is_runner {
            return Ok(Vec::new());
        }
        let is_others = |row: &&u64| self.leases.get(&(run, **row)) != Some(&epoch);
        Ok(rows.iter().filter(is_others).copied().collect())
    }

    /// Rows have their outcomes.
    pub(crate) fn decided(&mut self, run: i64, rows: &BTreeSet<u64>) {
        self.leases.retain(|(of, row), _| *of != run || !rows.contains(row));
    }

    fn claim(&mut self, epoch: u64, of: Claiming, open: &[u64], now: Us) -> Result<Claim, JournalError> {
        self.check(epoch)?.session = Some(of.session);
        self.renew(epoch, now);
        let mut claim = Claim::default();
        for row in open {
            let whose = self.leases.get(&(of.run_no, *row)).copied();
            let other = whose.filter(|whose| *whose != epoch);
            let lives = other.is_some_and(|other| self.tenant(other).is_some_and(|one| !one.fenced && one.until > now));
            if lives {
                claim.others += 1;
            } else if whose != Some(epoch) && claim.rows.len() < of.most as usize {
                if let Some(other) = other.and_then(|other| self.tenant(other)) {
                    other.fenced = true;
                }
                self.taken_over += u64::from(other.is_some());
                self.leases.insert((of.run_no, *row), epoch);
                claim.rows.push(*row);
            } else if other.is_some() {
                claim.others += 1;
            }
        }
        // Also those that another one fenced off which did not come to write that down.
        claim.lapsed =
            self.tenants.iter().filter(|one| one.is_runner && one.fenced).filter_map(|one| one.session).collect();
        Ok(claim)
    }

    fn reserve(&mut self, epoch: u64, wanted: &[Want], now: Us) -> Result<Vec<Slots>, JournalError> {
        self.check(epoch)?;
        Ok(wanted.iter().map(|want| self.slots(want, now as f64)).collect())
    }

    fn slots(&mut self, want: &Want, now: f64) -> Slots {
        let found = self.paces.iter().position(|pace| pace.target == want.target);
        let found = found.unwrap_or_else(|| {
            self.paces.push(Pace { target: want.target.clone(), next: now, per_s: want.per_s, version: 1 });
            self.paces.len() - 1
        });
        let pace = &mut self.paces[found];
        if want.version == pace.version && (want.per_s - pace.per_s).abs() > f64::EPSILON {
            (pace.per_s, pace.version) = (want.per_s, pace.version + 1);
        }
        let every = SECOND as f64 / pace.per_s;
        let start = pace.next.max(now);
        let mut count = 0;
        while count < want.count && start + f64::from(count) * every <= now + AHEAD as f64 {
            count += 1;
        }
        pace.next = start + f64::from(count) * every;
        Slots {
            count,
            after: Duration::from_secs_f64((start - now) / 1e6),
            every: Duration::from_secs_f64(every / 1e6),
            per_s: pace.per_s,
            version: pace.version,
        }
    }

    fn may_finish(&mut self, epoch: u64, is_open: bool, now: Us) -> Result<bool, JournalError> {
        self.check(epoch)?;
        let others = |one: &&mut Tenant| one.is_runner && one.epoch != epoch && one.finishing && !one.fenced;
        if is_open || self.tenants.iter_mut().filter(others).any(|one| one.until > now) {
            return Ok(false);
        }
        // It did not come to it.
        self.tenants.iter_mut().filter(others).for_each(|one| one.fenced = true);
        self.check(epoch)?.finishing = true;
        Ok(true)
    }
}

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
    async fn ask<T>(&self, what: impl FnOnce(&mut super::ledger::Sim, Us) -> T) -> T {
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
            sim.tenancy.may_finish(self.epoch, is_open, now)
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
        Some((now - self.handle.time.shown(now).as_microsecond()) / super::time::MS)
    }
}
