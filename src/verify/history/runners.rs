//! Runners that share a run: which of its rows are whose, and who has lost them.
//!
//! Several runners of one run are open at once. A session that has the journal for itself ends them all, and so does a runner of
//! another run. A runner says itself that it leaves; of one that did not renew its leases in time, those say it who take its rows over, or
//! it shows that it knows by an answer that comes late. From then on it writes nothing but such answers.

use std::collections::BTreeMap;

use super::session::{Runner, Session};
use super::trouble::Trouble;
use crate::record::event::SessionOpened;
use crate::record::lease::WORK;

/// The runners, and the rows that they have.
#[derive(Debug, Default)]
pub(super) struct Runners {
    /// The run of those that are open.
    run: Option<u64>,
    /// The number of the session whose opening ended all runners before it.
    since: u64,
    rows: Taken,
}

impl Runners {
    /// A session is opened by this entry: a runner of this run, or, without one, a session that has the journal for itself. Says whether
    /// it is a runner.
    pub(super) fn open(&mut self, opened: &SessionOpened, run: Option<u64>, seq: u64) -> Result<bool, Trouble> {
        let works = opened.command == WORK;
        let run = match run.filter(|_| opened.run_id.is_none()) {
            None if works => return Err("a runner works on a run that was started before".into()),
            run => run.filter(|_| works),
        };
        if !works || run != self.run {
            *self = Self { run, since: seq, rows: Taken::default() };
        }
        Ok(works)
    }

    /// Whether the session with this number writes, if it is a runner: until it is closed, or its leases end before that.
    pub(super) fn is_open(&self, number: u64, runner: Runner) -> bool {
        matches!(runner, Runner::AtWork | Runner::Left) && number >= self.since
    }

    /// Whether its leases ended without its doing: then nothing of it follows but what came too late.
    pub(super) fn is_fenced_off(&self, number: u64, session: &Session) -> bool {
        session.runner.is_some_and(|runner| runner == Runner::Lapsed || number < self.since)
    }

    /// Whether it has this row.
    pub(super) fn has(&self, number: u64, row: u64) -> bool {
        self.rows.owner(row) == Some(number)
    }

    /// Whether nobody has any of these rows.
    pub(super) fn are_free(&self, first: u64, last: u64) -> bool {
        self.rows.are_free(first, last)
    }

    /// It takes these rows, which are free.
    pub(super) fn take(&mut self, first: u64, last: u64, number: u64) {
        self.rows.take(first, last, number);
    }

    /// A row has its outcome: nobody needs it any more.
    pub(super) fn settle(&mut self, row: u64) {
        self.rows.give_back(row);
    }

    /// It has no rows any more.
    pub(super) fn end(&mut self, number: u64) {
        self.rows.end(number);
    }
}

/// Rows of one run that runners have and that have no outcome: stretches that do not overlap, by their first rows.
#[derive(Debug, Default)]
struct Taken(BTreeMap<u64, Had>);

/// Up to which row, and by which session.
#[derive(Debug, Clone, Copy)]
struct Had {
    last: u64,
    by: u64,
}

impl Taken {
    fn owner(&self, row: u64) -> Option<u64> {
        let (_, had) = self.0.range(..=row).next_back()?;
        (had.last >= row).then_some(had.by)
    }

    /// Whether nobody has any of these.
    fn are_free(&self, first: u64, last: u64) -> bool {
        self.0.range(..=last).next_back().is_none_or(|(_, had)| had.last < first)
    }

    /// Rows that are free are this session's. Stretches that touch become one.
    fn take(&mut self, first: u64, last: u64, by: u64) {
        let before = first.checked_sub(1).and_then(|row| self.0.range_mut(..=row).next_back());
        if let Some((_, had)) = before.filter(|(_, had)| had.by == by && had.last + 1 == first) {
            had.last = last;
        } else {
            self.0.insert(first, Had { last, by });
        }
    }

    fn give_back(&mut self, row: u64) {
        let Some((&first, &had)) = self.0.range(..=row).next_back().filter(|(_, had)| had.last >= row) else { return };
        self.0.remove(&first);
        if first < row {
            self.0.insert(first, Had { last: row - 1, ..had });
        }
        if row < had.last {
            self.0.insert(row + 1, had);
        }
    }

    fn end(&mut self, by: u64) {
        self.0.retain(|_, had| had.by != by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows one by one, as a map of all of them says it.
    #[test]
    fn whose_a_row_is_is_what_a_list_of_all_rows_says() {
        const ROWS: u64 = 12;
        let mut random = 7_u64;
        let mut draw = |most: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % most
        };
        let (mut taken, mut all) = (Taken::default(), [None; ROWS as usize + 1]);
        for _ in 0..20_000 {
            let (first, by) = (draw(ROWS) + 1, draw(3));
            let last = (first + draw(4)).min(ROWS);
            let range = || usize::try_from(first).unwrap()..=usize::try_from(last).unwrap();
            match draw(4) {
                0 | 1 => {
                    let are_free = all[range()].iter().all(Option::is_none);
                    assert_eq!(taken.are_free(first, last), are_free);
                    if are_free {
                        taken.take(first, last, by);
                        all[range()].fill(Some(by));
                    }
                }
                2 => {
                    taken.give_back(first);
                    all[usize::try_from(first).unwrap()] = None;
                }
                _ if draw(4) == 0 => {
                    taken.end(by);
                    all.iter_mut().filter(|owner| **owner == Some(by)).for_each(|owner| *owner = None);
                }
                _ => {}
            }
            let owners: Vec<_> = (0..=ROWS).map(|row| taken.owner(row)).collect();
            assert_eq!(owners, all);
            let most = all.iter().filter(|owner| owner.is_some()).count();
            assert!(taken.0.len() <= most, "no more stretches than rows");
        }
    }
}
