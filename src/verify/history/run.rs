//! A run as a whole, while a journal is verified: its sessions, its plan, and how it ends.

use super::super::claims;
use std::collections::HashSet;

use super::trouble::Trouble;
use crate::domain::{AttemptTime, OutcomeCounts, RunId};
use crate::record::checkpoint::base64;
use crate::record::event::{
    Event, IntentRecorded, PlanSealed, RunStopped, SessionClosed, Source, TargetStopped, Verdict,
};
use crate::record::merkle::{Frontier, Hash};

/// A run's account, endpoint and kind, as each of its sessions has them (I11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) account: Option<String>,
    pub(super) endpoint: Option<String>,
    pub(super) sandbox: bool,
}

#[derive(Debug)]
pub(super) struct Run {
    /// What people call it.
    pub(super) id: RunId,
    pub(super) sessions: u16,
    /// What the run is bound to.
    pub(super) bound: Option<Bound>,
    /// Hashes of the regions of its rows to delete.
    pub(super) regions: Vec<u64>,
    pub(super) manifest_rows: Option<u64>,
    /// Where its rows begin in `History::rows`.
    pub(super) first_row: usize,
    pub(super) rows: u64,
    pub(super) verdicts: [u64; 3],
    pub(super) plan: Frontier,
    pub(super) sealed: Option<String>,
    /// Account and region of each target of the plan.
    targets: HashSet<(String, String)>,
    pub(super) started: bool,
    /// `run_finished`, or stopped for good.
    pub(super) ended: Option<&'static str>,
    pub(super) outcomes: OutcomeCounts,
    /// Numbers of the entries that list its key pairs and instances, ascending.
    pub(super) listings: Vec<u64>,
}

/// One process at work, or only keeping house.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// The number of its run.
    pub(super) run: Option<u64>,
    /// Its requests that began, and those of them that were answered and may have left.
    pub(super) asked: u64,
    pub(super) answered: u64,
    /// Those that ended, the ones that never left too.
    pub(super) over: u64,
    /// Whether it has stopped.
    pub(super) stopped: bool,
    /// The time that its attempts have.
    pub(super) attempt_time: Option<AttemptTime>,
}

impl Session {
    /// A request of which nothing is known was not counted, and one whose connection was never made only by some versions.
    /// `has_ended`: whether its run has.
    pub(super) fn close(&self, closed: &SessionClosed, has_ended: bool) -> Result<(), Trouble> {
        if !(self.answered..=self.asked).contains(&closed.requests.delete) {
            return Err(Trouble::Illegal(format!(
                "it says {} deletes, and the entries of its session show {}",
                closed.requests.delete, self.answered
            )));
        }
        if self.asked != self.over {
            return Err("it closes a session whose attempts are still in flight".into());
        }
        if !self.stopped && !has_ended {
            return Err("it closes a session that has neither stopped nor finished its run".into());
        }
        Ok(())
    }
}

/// Why nothing follows in a run that never began: it cannot be resumed either.
pub(super) const CLOSED: &str = "the run was closed before anything was sent";

/// Why nothing follows in a run that a person gave up: no session goes on with it.
pub(super) const ABANDONED: &str = "the run was abandoned";

impl Run {
    pub(super) fn new(id: RunId, first_row: usize) -> Self {
        Self {
            id,
            sessions: 0,
            bound: None,
            regions: Vec::new(),
            manifest_rows: None,
            first_row,
            rows: 0,
            verdicts: [0; 3],
            plan: Frontier::default(),
            sealed: None,
            targets: HashSet::new(),
            started: false,
            ended: None,
            outcomes: OutcomeCounts::default(),
            listings: Vec::new(),
        }
    }

    /// Whether a run in this state can have an entry of this kind at all.
    pub(super) fn admits(&self, event: &Event) -> Result<(), Trouble> {
        match self.ended.filter(|_| !matches!(event, Event::SessionClosed(_))) {
            Some(ended) => Err(ended.into()),
            None => Ok(()),
        }
    }

    /// An entry that belongs to the run as a whole.
    pub(super) fn judge(&mut self, event: &Event, seq: u64) -> Result<(), Trouble> {
        match event {
            Event::ManifestIngested(ingested) => {
                if self.manifest_rows.is_some() || self.sealed.is_some() {
                    return Err("a run has one manifest, read before its plan is sealed".into());
                }
                self.manifest_rows = Some(ingested.rows);
            }
            Event::PlanSealed(sealed) => self.seal(sealed)?,
            Event::RunStarted(started) => {
                if self.started {
                    return Err("the run was started already".into());
                }
                let Some(plan_root) = &self.sealed else { return Err("the plan is not sealed yet".into()) };
                root("the plan that the run was started with", plan_root, &started.plan_root)?;
                same("deletes", started.deletes, self.verdicts[Verdict::Delete as usize])?;
                self.started = true;
            }
            Event::RunStopped(stopped) => self.stop(stopped)?,
            Event::RunFinished(finished) => {
                if !self.started {
                    return Err("the run was not started yet".into());
                }
                if self.outcomes.total() != self.rows {
                    return Err("not every row has its outcome".into());
                }
                same("rows", finished.rows, self.rows)?;
                if finished.outcomes != self.outcomes {
                    return Err(Trouble::Illegal(format!(
                        "its counts are not those of the rows: {:?} instead of {:?}",
                        finished.outcomes, self.outcomes
                    )));
                }
                self.ended = Some("the run is finished");
            }
            Event::RunAbandoned(abandoned) => {
                if !self.started {
                    return Err("the run was not started yet".into());
                }
                same("rows", abandoned.rows, self.rows)?;
                let left = self.rows - self.outcomes.settled().min(self.rows);
                let expected = OutcomeCounts { not_attempted: left, ..self.outcomes };
                if abandoned.outcomes != expected {
                    return Err(Trouble::Illegal(format!(
                        "its counts are not those of the rows: {:?} instead of {expected:?}",
                        abandoned.outcomes
                    )));
                }
                self.ended = Some(ABANDONED);
            }
            Event::Observed(seen) if matches!(seen.source, Source::GetKeyPairs | Source::GetInstances) => {
                self.listings.push(seq);
            }
            Event::OverrideUsed(used) if used.accepts_rollback() => {
                return Err("a rollback is accepted for the whole journal".into());
            }
            Event::Observed(_) | Event::OverrideUsed(_) | Event::RateChanged(_) => {}
            _ => return Err("an entry of this kind names a row".into()),
        }
        Ok(())
    }

    pub(super) fn intend(&mut self, row: u64, intent: &IntentRecorded, leaf: Hash, rows: usize) -> Result<(), Trouble> {
        if self.sealed.is_some() {
            return Err("the plan is sealed already".into());
        }
        if self.manifest_rows.is_none() {
            return Err("the manifest was not read yet".into());
        }
        if self.bound.as_ref().and_then(|bound| bound.account.as_deref()).is_some_and(|own| own != intent.account) {
            return Err("it is for another account than its session's".into());
        }
        if row != self.rows + 1 {
            return Err("intents are numbered from 1 without gaps".into());
        }
        if row == 1 {
            self.first_row = rows;
        } else if Some(rows) != usize::try_from(self.rows).ok().map(|count| self.first_row + count) {
            return Err("another run's intents are between those of this one".into());
        }
        let region = claims::hash(&intent.region);
        if intent.verdict == Verdict::Delete && !self.regions.contains(&region) {
            self.regions.push(region);
        }
        self.rows = row;
        self.verdicts[intent.verdict as usize] += 1;
        self.plan.push(leaf);
        Ok(())
    }

    /// It stopped. Where it was not started, nothing was sent: there is nothing to resume, whatever it stopped for.
    pub(super) fn stop(&mut self, stopped: &RunStopped) -> Result<(), Trouble> {
        self.stop_targets(&stopped.targets)?;
        if self.started && stopped.why.closes() {
            return Err("a run that was started can be resumed, so this cannot close it".into());
        }
        if !self.started {
            self.ended = Some(CLOSED);
        }
        Ok(())
    }

    /// Each is a target of the plan, and is named once.
    fn stop_targets(&self, stopped: &[TargetStopped]) -> Result<(), Trouble> {
        let mut named = HashSet::new();
        for target in stopped {
            if !self.targets.contains(&(target.account.clone(), target.region.clone())) {
                return Err(Trouble::Illegal(format!(
                    "it says that {}/{} stopped, which is no target of the plan",
                    target.account, target.region
                )));
            }
            if !named.insert((&target.account, &target.region)) {
                return Err("it says twice that a target stopped".into());
            }
        }
        Ok(())
    }

    fn seal(&mut self, sealed: &PlanSealed) -> Result<(), Trouble> {
        if self.sealed.is_some() {
            return Err("the plan is sealed already".into());
        }
        same("rows", sealed.rows, self.rows)?;
        same("rows of the manifest", self.manifest_rows.unwrap_or_default(), self.rows)?;
        same("deletes", sealed.deletes, self.verdicts[Verdict::Delete as usize])?;
        same("skips", sealed.skips, self.verdicts[Verdict::Skip as usize])?;
        let deletes = sealed.targets.iter().map(|target| target.deletes).fold(0, u64::saturating_add);
        same("deletes in its targets", deletes, sealed.deletes)?;
        same("absents", sealed.absents, self.verdicts[Verdict::Absent as usize])?;
        root("the plan", &base64(&self.plan.root()), &sealed.plan_root)?;
        self.sealed = Some(sealed.plan_root.clone());
        let targets = sealed.targets.iter().map(|target| (target.account.clone(), target.region.clone()));
        self.targets = targets.collect();
        Ok(())
    }
}

fn same(what: &str, said: u64, counted: u64) -> Result<(), Trouble> {
    if said == counted {
        return Ok(());
    }
    Err(Trouble::Illegal(format!("it says {said} {what}, and the entries before it show {counted}")))
}

fn root(what: &'static str, computed: &str, said: &str) -> Result<(), Trouble> {
    if computed == said {
        return Ok(());
    }
    Err(Trouble::Root { what, expected: said.to_owned(), found: computed.to_owned() })
}
