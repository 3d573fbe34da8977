//! A session is opened, while a journal is verified: what it begins, continues, and ends by that.

use std::time::Duration;

use super::super::claims::hash;
use super::History;
use super::canary::CanaryOf;
use super::controlled::ControlledBy;
use super::lifted::Lifted;
use super::retry::Retry;
use super::run::{ABANDONED, Bound, CLOSED, Run};
use super::session::{Runner, Session};
use super::trouble::Trouble;
use crate::domain::{AttemptTime, RunId};
use crate::record::Entry;
use crate::record::event::SessionOpened;

impl History {
    /// A session is opened by entry `seq`.
    pub(super) fn open(
        &mut self,
        session: u64,
        entry: &Entry,
        opened: &SessionOpened,
        seq: u64,
    ) -> Result<(), Trouble> {
        if session != seq || entry.row.is_some() {
            return Err("a session has the number of the entry that opens it, and no row".into());
        }
        if !self.ids.insert(hash(&opened.session_id)) {
            return Err("a session of that id was opened before".into());
        }
        if entry.run.is_some() && opened.run_id.is_some() {
            return Err("it begins a run, and names another one".into());
        }
        if let Some(id) = &opened.run_id {
            let id = RunId::written(id).ok_or("its run's id is not one as it is written")?;
            if !self.ids.insert(hash(&id.to_string())) {
                return Err("a run of that id was begun before".into());
            }
            let find = |of| self.runs.values().find(|run| run.id == of).map(|run| run.earlier(opened));
            let retry = Retry::ordered_by(opened, find)?;
            self.runs.insert(seq, Run::new(id, self.rows.len(), Lifted::ordered_by(opened, self.continues), retry));
        }
        let works = self.runners.open(opened, entry.run, seq)?;
        self.holder = (!works).then_some(session);
        let Some(number) = entry.run.or(opened.run_id.as_ref().map(|_| seq)) else {
            self.sessions.insert(session, Session::default());
            return Ok(());
        };
        let run = self.runs.get_mut(&number).ok_or("its run was never opened")?;
        if let Some(for_good) = run.ended.filter(|ended| [CLOSED, ABANDONED].contains(ended)) {
            return Err(for_good.into());
        }
        if works && !run.started {
            return Err("a runner works on a run that was started before".into());
        }
        let (account, endpoint) = (opened.account.clone(), opened.endpoint.clone());
        let attempt_time = opened.attempt_timeout_ms.map(|ms| AttemptTime { timeout: Duration::from_millis(ms) });
        let bound = Bound { account, endpoint, sandbox: opened.sandbox };
        if run.bound.get_or_insert_with(|| bound.clone()) != &bound {
            return Err("its run is bound to another account or endpoint".into());
        }
        run.bind(opened)?;
        if !run.lifted.is_under_the_policy_of(opened) {
            return Err("its run is bound to another policy".into());
        }
        run.sessions = run.sessions.wrapping_add(1);
        let (canary, sign_key) = (CanaryOf::ordered_by(opened), opened.settings.get("sign_key").cloned());
        let controlled = ControlledBy::before(opened);
        let (number_of, runner) = (run.sessions, works.then_some(Runner::AtWork));
        let new = Session {
            run: Some(number),
            number: number_of,
            runner,
            attempt_time,
            canary,
            sign_key,
            controlled,
            ..Session::default()
        };
        self.sessions.insert(session, new);
        Ok(())
    }
}
