//! Which rows are which runner's, by a naive reading of the entries.

use std::collections::BTreeMap;

use keybatch::domain::Target;
use keybatch::record::Entry;
use keybatch::record::event::Event;
use keybatch::record::lease::{LeaseEnd, LeaseTaken};

use super::row::Row;

/// How a runner stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    AtWork,
    /// It ended its leases itself.
    Left,
    /// They lapsed, or a session took the journal for itself.
    Lapsed,
    Closed,
}

/// The runners of the journal by the numbers of their sessions, and the rows that they have.
#[derive(Debug, Default)]
pub(crate) struct Leased {
    runners: BTreeMap<u64, Standing>,
    whose: BTreeMap<u64, u64>,
}

impl Leased {
    /// Whether the leases of a session have ended, as the journal says.
    pub(crate) fn have_ended(&self, session: u64) -> bool {
        self.runners.get(&session).is_none_or(|standing| *standing != Standing::AtWork)
    }

    /// Takes an entry in, or says which rule it breaks. `rows` are as they were before it.
    pub(crate) fn take(&mut self, entry: &Entry, rows: &[Row], is_finished: bool) -> Result<(), String> {
        if let Event::SessionOpened(opened) = &entry.event {
            if opened.command == "work" && entry.run.is_some() {
                self.runners.insert(entry.seq, Standing::AtWork);
            } else {
                self.whose.clear();
                let open = self.runners.values_mut().filter(|standing| **standing != Standing::Closed);
                open.for_each(|standing| *standing = Standing::Lapsed);
            }
            return Ok(());
        }
        let Some(session) = entry.session else { return Ok(()) };
        let row = entry.row.and_then(|row| rows.get(usize::try_from(row - 1).ok()?));
        match (self.runners.get(&session).copied(), &entry.event) {
            (None, Event::LeaseTaken(_) | Event::LeaseEnded(_) | Event::AnswerLate(_)) => {
                Err("leases are runners' business, and this session is none".into())
            }
            (None, _) => Ok(()),
            (
                Some(Standing::AtWork | Standing::Left | Standing::Closed),
                Event::CheckpointMade(_) | Event::CheckpointAnchored(_),
            ) => Ok(()),
            (Some(Standing::Closed), _) => Err("its session is closed".into()),
            // It was fenced off, whether or not anybody came to say so.
            (Some(_), Event::AnswerLate(late)) => {
                let sent = row.and_then(|row| row.attempts.iter().find(|one| one.number == late.attempt));
                let is_own = sent.is_some_and(|one| one.session == Some(session) && one.finished.is_none());
                let is_told = row.is_some_and(|row| row.late.contains(&late.attempt));
                if !is_own || is_told {
                    return Err("it answers no open attempt of this runner".into());
                }
                self.ends(session, Standing::Lapsed)
            }
            (Some(Standing::Lapsed), _) => Err("its leases have lapsed".into()),
            (Some(standing), Event::SessionClosed(_)) => {
                if standing != Standing::Left && !is_finished {
                    return Err("it closes, and has its leases".into());
                }
                self.ends(session, Standing::Closed)
            }
            (Some(Standing::Left), _) => Err("it has left".into()),
            (Some(_), Event::LeaseEnded(ended)) => match (ended.why, ended.of == session) {
                (LeaseEnd::Left, true) => self.ends(session, Standing::Left),
                (LeaseEnd::Lapsed, false) => self.lapses(ended.of),
                _ => Err("it ends leases of which it has nothing to say".into()),
            },
            (Some(_), Event::RateChanged(_) | Event::ControlUsed(_) | Event::PlanSigned(_)) => Ok(()),
            (Some(_), Event::Observed(_)) if entry.row.is_none() => Ok(()),
            (Some(_), _) if is_finished => Err("the run is finished".into()),
            (Some(_), Event::LeaseTaken(taken)) => self.lends(session, taken, rows),
            (Some(_), Event::RunStopped(_)) => Err("a runner does not stop its run".into()),
            (Some(_), _) => match entry.row {
                Some(row) if self.whose.get(&row) != Some(&session) => Err("it does not have the row".into()),
                _ => Ok(()),
            },
        }
    }

    fn lends(&mut self, session: u64, taken: &LeaseTaken, rows: &[Row]) -> Result<(), String> {
        let target = Target { account: taken.account.clone(), region: taken.region.clone() };
        let mut after = 0;
        for (from, to) in &taken.rows {
            if *from <= after || to < from {
                return Err("its stretches do not ascend".into());
            }
            after = *to;
            for number in *from..=*to {
                let row = usize::try_from(number - 1).ok().and_then(|index| rows.get(index));
                let Some(row) = row.filter(|row| row.target == target) else {
                    return Err(format!("row {number} is not one of that target"));
                };
                let whose = self.whose.get(&number).filter(|whose| !self.have_ended(**whose));
                if row.settled.is_some() || whose.is_some_and(|whose| *whose != session) {
                    return Err(format!("row {number} is settled, or another runner's: {whose:?}"));
                }
                self.whose.insert(number, session);
            }
        }
        Ok(())
    }

    fn lapses(&mut self, of: u64) -> Result<(), String> {
        match self.runners.get(&of) {
            None => Err("it is no runner whose leases lapsed".into()),
            Some(Standing::AtWork) => self.ends(of, Standing::Lapsed),
            Some(_) => Ok(()),
        }
    }

    fn ends(&mut self, of: u64, standing: Standing) -> Result<(), String> {
        self.runners.insert(of, standing);
        self.whose.retain(|_, whose| *whose != of);
        Ok(())
    }
}
