//! What goes wrong with one region or one account alone, while the others go on.

use std::collections::BTreeSet;

use super::accounts::{Refusing, Whom};
use super::fate::while_;
use super::life::{CALM_FROM, Course};
use super::resource::Resource;
use super::session::Verb;
use super::time::{SECOND, Us};

/// The trouble of a session.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    pub(crate) refusing: Vec<Refusing>,
    pub(crate) unreachable: BTreeSet<String>,
    /// With whom, where nothing else goes wrong.
    pub(crate) alone: Option<Whom>,
}

impl Course {
    fn regions(&self) -> Vec<String> {
        let sim = self.sim.lock().unwrap();
        let all: BTreeSet<_> = sim.world.resources.iter().map(|one| one.region.clone()).collect();
        all.into_iter().collect()
    }

    fn accounts(&self) -> Vec<String> {
        let sim = self.sim.lock().unwrap();
        let all: BTreeSet<_> = sim.world.resources.iter().map(|one| one.account.clone()).collect();
        all.into_iter().collect()
    }

    /// Sometimes one of two regions refuses everybody during a session, and nothing else goes wrong in it. Sometimes one of several
    /// accounts is not reached, or its credentials expire, with and without anything else.
    pub(crate) fn trouble(&mut self, number: u32) -> Trouble {
        let by_region = self.refusing_region(number);
        let accounts = self.accounts();
        let may = number < CALM_FROM && !self.drawn.is_quiet() && self.verb == Verb::Work;
        let now = self.time.now_us();
        let Some(rng) = self.newest.as_mut().filter(|_| by_region.is_none() && may && accounts.len() > 1) else {
            let alone = by_region.as_ref().map(|one| one.whom.clone());
            return Trouble { refusing: by_region.into_iter().collect(), alone, ..Trouble::default() };
        };
        let account = accounts[rng.usize(..accounts.len())].clone();
        let whom = Whom::Account(account.clone());
        let (kind, is_alone) = (rng.u32(0..6), rng.bool());
        let alone = (kind < 2 && is_alone).then(|| whom.clone());
        match kind {
            0 => {
                self.tally.unreached += 1;
                Trouble { unreachable: BTreeSet::from([account]), alone, ..Trouble::default() }
            }
            1 => {
                self.tally.expiring += 1;
                let from = now + rng.i64(0..SECOND);
                let until = if is_alone { Us::MAX } else { from + while_(rng) };
                Trouble { refusing: vec![Refusing { whom, from, until }], alone, ..Trouble::default() }
            }
            _ => Trouble::default(),
        }
    }

    fn refusing_region(&mut self, number: u32) -> Option<Refusing> {
        let regions = self.regions();
        let rng = self.more.as_mut().filter(|_| number < CALM_FROM && !self.drawn.is_quiet())?;
        let from = self.time.now_us() + rng.i64(0..SECOND);
        let refuses = regions.len() > 1 && rng.u32(0..8) == 0;
        refuses.then(|| Refusing { whom: Whom::Region(regions[rng.usize(..2)].clone()), from, until: Us::MAX })
    }

    /// The rows of all others have their outcomes: one target stops alone.
    pub(crate) fn stopped_alone(&mut self, trouble: Trouble) {
        let Some(whom) = trouble.alone else { return };
        let sim = &mut *self.sim.lock().unwrap();
        self.tally.alone += 1;
        let rows = sim.world.resources.iter().zip(&sim.ledger.rows);
        let others = || rows.clone().filter(|(one, _)| !whom.has((&one.account, &one.region)));
        // Where key pairs are denied, a target may come to refuse everybody, too.
        let is_denied = |left: &Resource| others().any(|(one, _)| one.denied && one.is_in(&left.account, &left.region));
        let is_left = others().any(|(one, row)| row.settled.is_none() && !is_denied(one));
        if is_left {
            sim.world.breaks(format!("rows are left where nobody was refused, since {whom:?} refuses everybody"));
        }
    }
}
