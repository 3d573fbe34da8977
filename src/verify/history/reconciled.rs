//! What sessions of their own say of a run, while a journal is verified: of a row that ended in doubt or as gone, and of CloudTrail's
//! records.

use super::doubtful::NOT_ALONE;
use super::rows::intent_of;
use super::trouble::Trouble;
use super::{History, place_of};
use crate::domain::Evidence;
use crate::record::event::{Reconciled, RowResolved};

impl History {
    /// A row is given another outcome than its run determined, in this session.
    pub(super) fn resolve(
        &mut self,
        (session_no, id): (u64, u64),
        row: u64,
        told: &RowResolved,
        seq: u64,
    ) -> Result<(), Trouble> {
        let run = self.runs.get_mut(&id).ok_or("its run was never opened")?;
        let place = place_of(run, row)?;
        let intent = intent_of(&self.stretches, place);
        let doubtful = self.doubtful.get_mut(&place).ok_or("its row has no outcome that is in doubt")?;
        let before = doubtful.resolve(told, intent, seq)?;
        run.outcomes.replace(before, told.outcome);
        if !self.is_alone(session_no) {
            return Err(NOT_ALONE.into());
        }
        if told.evidence != Evidence::Cloudtrail {
            return Ok(());
        }
        match self.sessions.get_mut(&session_no).and_then(|session| session.reconciled.as_mut()) {
            Some((reconciled, left)) if *reconciled == id && *left > 0 => {
                *left -= 1;
                Ok(())
            }
            _ => Err("it rests on CloudTrail's record, but the reconciliation before it resolves no such row".into()),
        }
    }

    /// CloudTrail's records were held against the attempts of a run so far.
    pub(super) fn reconcile(&mut self, (session_no, id): (u64, u64), told: &Reconciled) -> Result<(), Trouble> {
        if !self.is_alone(session_no) {
            return Err("a run is reconciled in an open session of its own, which is of no run".into());
        }
        let run = self.runs.get(&id).ok_or("its run was never opened")?;
        if !run.started {
            return Err("the run was not started yet".into());
        }
        let counted = &told.attempts;
        let sum = [counted.confirmed, counted.not_seen, counted.contradicted, counted.not_sent];
        if sum.iter().try_fold(0_u64, |sum, count| sum.checked_add(*count)) != Some(run.attempts) {
            return Err(Trouble::Illegal(format!(
                "its counts are not those of the run, of which the entries before it show {} attempts",
                run.attempts
            )));
        }
        if told.resolves > self.doubtful.len() as u64 {
            return Err("it resolves more rows than are in doubt or gone".into());
        }
        if let Some(session) = self.sessions.get_mut(&session_no) {
            session.reconciled = Some((id, told.resolves));
        }
        Ok(())
    }

    /// Whether this session is open, and of no run.
    fn is_alone(&self, session_no: u64) -> bool {
        self.holder == Some(session_no) && self.sessions.get(&session_no).is_some_and(|session| session.run.is_none())
    }
}
