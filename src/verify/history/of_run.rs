//! Entries that belong to a run as a whole, and what they mean for the whole journal.

use super::History;
use super::retry::{Past, seal};
use super::rows::intent_of;
use super::trouble::Trouble;
use crate::record::Entry;
use crate::record::approval::Role;
use crate::record::event::Event;

impl History {
    /// An entry that belongs to a run as a whole.
    pub(super) fn judge_run(&mut self, id: u64, session_no: u64, entry: &Entry) -> Result<(), Trouble> {
        let event = &entry.event;
        let run = self.runs.get_mut(&id).ok_or("its run was never opened")?;
        run.judge(event, entry)?;
        run.compare_with(&mut self.finished, event);
        if let Some(session) = self.sessions.get_mut(&session_no) {
            session.stopped |= matches!(event, Event::RunStopped(_));
            if let Event::PlanSigned(signed) = event
                && signed.role == Role::Session
            {
                session.sign(signed)?;
            }
        }
        if matches!(event, Event::RunAbandoned(_)) {
            let end = usize::try_from(run.rows).ok().and_then(|rows| run.first_row.checked_add(rows));
            let own = |place: &usize| *place >= run.first_row && end.is_some_and(|end| *place < end);
            let left = self.open.iter().any(|(place, open)| own(place) && open.state.may_have_acted());
            return if left { Err("a row that may have been deleted has no outcome".into()) } else { Ok(()) };
        }
        if matches!(event, Event::RunStarted(_)) && !run.plan.is_some_and(|id| self.ids.insert(id)) {
            return Err("a plan of that id was executed before".into());
        }
        if let Event::PlanSealed(sealed) = event {
            let past = Past { rows: &self.rows, doubtful: &self.doubtful };
            seal(run.retry.as_mut(), &sealed.header, past)?;
            self.suspects.extend(self.rows.twins(run.first_row).into_iter().filter_map(|(one, other)| {
                Some((intent_of(&self.stretches, one)?, intent_of(&self.stretches, other)?))
            }));
        }
        Ok(())
    }
}
