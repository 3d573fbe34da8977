//! What runners that share a run write of their leases, and of what came too late, while a journal is verified.

use super::reading::is_about;
use super::rows::{Fate, name_of_row};
use super::run::{FINISHED, target_hash};
use super::session::{Runner, Session};
use super::trouble::Trouble;
use super::{Claimed, History, place_of};
use crate::record::Entry;
use crate::record::approval::Role;
use crate::record::event::Event;
use crate::record::lease::{AnswerLate, LeaseEnd, LeaseEnded, LeaseTaken};

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
            if !self.runners.are_free(first, last) {
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
            self.runners.take(first, last, number);
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
