//! What runners share beside the journal's entries, as its database would keep it: who is at work, which rows are whose, and when requests
//! may leave. Naive: everything happens at once, at a moment of true time, which is the database's clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use keybatch::domain::Target;
use keybatch::journal::{Claim, Claiming, JournalError, Slots, Want};

use super::time::{SECOND, Us};

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
    pub(super) fn take(&mut self, number: u32, (now, lasts): (Us, Us)) -> Result<u64, (u64, u64)> {
        let alive = self.tenants.iter().filter(|one| !one.fenced && one.until > now);
        if let Some(one) = alive.max_by_key(|one| one.until) {
            return Err((one.epoch, one.renewals));
        }
        self.tenants.iter_mut().for_each(|one| one.fenced = true);
        self.leases.clear();
        Ok(self.enters(number, false, (now, lasts)))
    }

    pub(super) fn join(&mut self, number: u32, (now, lasts): (Us, Us)) -> Result<u64, (u64, u64)> {
        let is_exclusive = |one: &&mut Tenant| !one.is_runner && !one.fenced;
        if let Some(one) = self.tenants.iter_mut().filter(is_exclusive).find(|one| one.until > now) {
            return Err((one.epoch, one.renewals));
        }
        self.tenants.iter_mut().filter(is_exclusive).for_each(|one| one.fenced = true);
        Ok(self.enters(number, true, (now, lasts)))
    }

    pub(super) fn renew(&mut self, epoch: u64, now: Us) -> bool {
        let Some(one) = self.tenant(epoch).filter(|one| !one.fenced) else { return false };
        one.until = one.until.max(now + one.lasts);
        one.renewals += 1;
        true
    }

    /// Its session is over. If it did not say that it leaves, its rows are others' as if its leases had lapsed: they have to say so.
    pub(super) fn leave(&mut self, epoch: u64) {
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
            // Whoever has the journal for itself counts on being the only one that appends.
            let is_taken = self.tenants.iter().any(|one| !one.is_runner && !one.fenced);
            return if is_taken { Err(fenced_off()) } else { Ok(Vec::new()) };
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

    pub(super) fn claim(&mut self, epoch: u64, of: Claiming, open: &[u64], now: Us) -> Result<Claim, JournalError> {
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

    pub(super) fn reserve(&mut self, epoch: u64, wanted: &[Want], now: Us) -> Result<Vec<Slots>, JournalError> {
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

    pub(super) fn may_finish(&mut self, epoch: u64, is_open: bool, now: Us) -> Result<bool, JournalError> {
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
