//! Runners that share a run: which of its rows are whose, and who has lost them.
//!
//! Several runners of one run are open at once. A session that has the journal for itself ends them all, and so does a runner of
//! another run. A runner says itself that it leaves; of one that did not renew its leases in time, those say it who take its rows over, or
//! it shows that it knows by an answer that comes late. From then on it writes nothing but such answers.

use std::collections::BTreeMap;

use super::reading::is_about;
use super::rows::{Fate, name_of_row};
use super::run::{FINISHED, target_hash};
use super::session::{Runner, Session};
use super::trouble::Trouble;
use super::{Claimed, History, place_of};
use crate::record::Entry;
use crate::record::approval::Role;
use crate::record::event::{Event, SessionOpened};
use crate::record::lease::{AnswerLate, LeaseEnd, LeaseEnded, LeaseTaken, WORK};

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
    fn is_open(&self, number: u64, runner: Runner) -> bool {
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

impl Session {
    /// Whether it takes part in this: where it is a runner, only as one that does not decide about the run as a whole.
    pub(super) fn may_write(&self, event: &Event) -> Result<(), Trouble> {
        let ends = matches!(event, Event::RunStopped(_) | Event::RunAbandoned(_));
        if self.runner.is_some() && ends {
            return Err("a runner neither stops nor abandons its run: others may go on with it".into());
        }
        Ok(())
    }
}

/// What a runner may say that has not noticed yet that another one ended the run.
fn changes_nothing(entry: &Entry) -> bool {
    let of_session = match &entry.event {
        Event::LeaseEnded(_) | Event::RateChanged(_) | Event::ControlUsed(_) | Event::Observed(_) => true,
        Event::PlanSigned(signed) => signed.role == Role::Session,
        _ => false,
    };
    of_session && entry.row.is_none()
}

impl History {
    /// Whether this session can write now.
    pub(super) fn is_open(&self, number: u64, session: &Session) -> bool {
        match session.runner {
            Some(runner) => self.runners.is_open(number, runner),
            None => self.holder == Some(number),
        }
    }

    /// Whether the run is over, but not for this entry: its session is a runner's.
    pub(super) fn lags(session: &Session, ended: Option<&'static str>, entry: &Entry) -> bool {
        session.runner.is_some() && ended == Some(FINISHED) && changes_nothing(entry)
    }

    /// A runner takes rows for itself.
    pub(super) fn take_rows(&mut self, (number, id): (u64, u64), taken: &LeaseTaken) -> Result<(), Trouble> {
        let run = self.runs.get(&id).ok_or("its run was never opened")?;
        if self.sessions.get(&number).is_none_or(|session| session.runner.is_none()) {
            return Err("only runners take rows for themselves".into());
        }
        if taken.rows.is_empty() {
            return Err("it takes no rows".into());
        }
        let target = target_hash(&taken.account, &taken.region);
        let mut before = 0;
        for &(first, last) in &taken.rows {
            if first <= before || last < first {
                return Err("the rows that it takes are not ascending".into());
            }
            before = last;
            place_of(run, last)?;
            if !self.runners.rows.are_free(first, last) {
                return Err("it takes a row that a runner has".into());
            }
            for row in first..=last {
                let known = self.rows.get(place_of(run, row)?).ok_or("its row has no intent")?;
                if matches!(known.fate(), Fate::Settled(_)) {
                    return Err("it takes a row that has its outcome".into());
                }
                if !known.is_of(target) {
                    return Err("it takes a row of another target".into());
                }
            }
            self.runners.rows.take(first, last, number);
        }
        Ok(())
    }

    /// Leases end: those of the runner that says so, or those of another one that did not renew them.
    pub(super) fn end_leases(&mut self, (number, id): (u64, u64), ended: &LeaseEnded) -> Result<(), Trouble> {
        let run = self.runs.get(&id).ok_or("its run was never opened")?;
        if self.sessions.get(&number).is_none_or(|session| session.runner.is_none()) {
            return Err("only runners have leases that end".into());
        }
        match (ended.of == number, ended.why) {
            (true, LeaseEnd::Left) => run.stop_targets(&ended.targets)?,
            (true, LeaseEnd::Lapsed) => return Err("a runner that has lost its leases cannot say so".into()),
            (false, LeaseEnd::Left) => return Err("only a runner itself says that it leaves".into()),
            (false, LeaseEnd::Lapsed) => {}
        }
        let of = self.sessions.get_mut(&ended.of).filter(|of| of.run == Some(id) && of.runner.is_some());
        let of = of.ok_or("it is about a session that is no runner of its run")?;
        if ended.why == LeaseEnd::Lapsed {
            of.runner = Some(Runner::Lapsed);
        } else {
            if of.asked != of.over {
                return Err("it leaves while its attempts are still in flight".into());
            }
            (of.runner, of.stopped) = (Some(Runner::Left), true);
        }
        self.runners.end(ended.of);
        Ok(())
    }

    /// What came back for a request after others had the row, or could have it: evidence, and nothing more. It shows that its session
    /// has lost its leases, whether anybody has said so yet or not.
    pub(super) fn take_late(
        &mut self,
        number: u64,
        (entry, late): (&Entry, &AnswerLate),
        claimed: &Claimed,
    ) -> Result<(), Trouble> {
        let session = self.sessions.get_mut(&number).ok_or("its session was never opened")?;
        let (Some(id), Some(row), None) = (session.run, entry.row, entry.run) else {
            return Err("it is about no row of its session's run".into());
        };
        let run = self.runs.get(&id).ok_or("its run was never opened")?;
        let place = place_of(run, row)?;
        if session.runner.is_none() || !session.in_flight.remove(&(place, late.attempt)) {
            return Err("no such attempt of a runner with this session is without an answer".into());
        }
        if claimed.sandbox && !run.is_rehearsal() {
            return Err("the answer came from a sandbox, but the run is not a rehearsal".into());
        }
        let known = self.rows.get(place).ok_or("its row has no intent")?;
        is_about(claimed, |name| name_of_row(known, &run.named_in, name))?;
        session.runner = Some(Runner::Lapsed);
        self.runners.end(number);
        if let Some(open) = self.open.get_mut(&place) {
            open.late.push(entry.seq);
        } else if let Some(doubtful) = self.doubtful.get_mut(&place) {
            doubtful.add(entry.seq);
        }
        Ok(())
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
