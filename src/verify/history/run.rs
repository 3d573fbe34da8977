//! A run as a whole, while a journal is verified: its sessions, its plan, and how it ends.

mod earlier;
mod seal;
mod signed;

use std::collections::{BTreeSet, HashSet};

use super::super::claims::{self, Line};
use jiff::{SignedDuration, Timestamp};

use super::approvals::Approvals;
use super::lifted::Lifted;
use super::retry::Retry;
use super::trouble::Trouble;
use crate::domain::{OutcomeCounts, RunId, service_behind};
use crate::record::event::{
    Event, Found, IntentRecorded, RunStarted, RunStopped, SessionOpened, Source, TargetStopped,
};
use crate::record::plan::{PlanManifest, Sealing, Verdict};
use crate::record::{Entry, StopReason};

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
    /// The accounts that its first session reached.
    pub(super) accounts: BTreeSet<String>,
    /// Hashes of the targets of its rows to delete.
    pub(super) named_in: Vec<u64>,
    manifest: Option<PlanManifest>,
    /// Hash of the manifest, the account and the place.
    task: Option<u64>,
    /// The safety rules that it lifts.
    pub(super) lifted: Lifted,
    /// The rows of an earlier run that it plans again, where it has not all of its manifest.
    pub(super) retry: Option<Retry>,
    /// Where its rows begin in `History::rows`.
    pub(super) first_row: usize,
    pub(super) rows: u64,
    /// How many attempts there were.
    pub(super) attempts: u64,
    verdicts: [u64; 3],
    /// Whether one of its rows can only be one of a plan's file.
    of_file: bool,
    sealing: Sealing,
    sealed: Option<String>,
    /// Hash of the plan's id, once it is sealed.
    pub(super) plan: Option<u64>,
    /// When a plan's file expires.
    expires_at: Option<Timestamp>,
    /// Signatures over a plan's file.
    pub(super) approvals: Approvals,
    /// Account and region of each target of the plan.
    pub(super) targets: HashSet<(String, String)>,
    pub(super) started: bool,
    /// `run_finished`, or stopped for good.
    pub(super) ended: Option<&'static str>,
    pub(super) outcomes: OutcomeCounts,
    /// Numbers of the entries that list its key pairs and instances, ascending.
    pub(super) listings: Vec<u64>,
    /// Numbers of those of them that are pages of key pairs, with the hash of their target.
    pages: Vec<(u64, u64)>,
}

/// A run may be started so much later than its plan expires: the check and the entry are not one step, and a slow disk is no offence.
pub(super) const LATE: SignedDuration = SignedDuration::from_secs(60);

/// Why nothing follows in a run in which every row has its outcome, but what runners that had not noticed say of themselves.
pub(super) const FINISHED: &str = "the run is finished";

/// Why nothing follows in a run that never began: it cannot be resumed either.
pub(super) const CLOSED: &str = "the run was closed before anything was sent";

/// Why nothing follows in a run that a person gave up: no session goes on with it.
pub(super) const ABANDONED: &str = "the run was abandoned";

impl Run {
    pub(super) fn new(id: RunId, first_row: usize, lifted: Lifted, retry: Option<Retry>) -> Self {
        Self {
            id,
            sessions: 0,
            bound: None,
            accounts: BTreeSet::new(),
            named_in: Vec::new(),
            manifest: None,
            task: None,
            lifted,
            retry,
            first_row,
            rows: 0,
            attempts: 0,
            verdicts: [0; 3],
            of_file: false,
            sealing: Sealing::default(),
            sealed: None,
            plan: None,
            expires_at: None,
            approvals: Approvals::default(),
            targets: HashSet::new(),
            started: false,
            ended: None,
            outcomes: OutcomeCounts::default(),
            listings: Vec::new(),
            pages: Vec::new(),
        }
    }

    /// Whether a sandbox answers it.
    pub(super) fn is_rehearsal(&self) -> bool {
        self.bound.as_ref().is_some_and(|bound| bound.sandbox)
    }

    /// Whether a run in this state can have an entry of this kind at all.
    pub(super) fn admits(&self, event: &Event) -> Result<(), Trouble> {
        match self.ended.filter(|_| !matches!(event, Event::SessionClosed(_))) {
            Some(ended) => Err(ended.into()),
            None => Ok(()),
        }
    }

    /// The hash of a manifest at the run's place.
    fn task_of(&self, sha256: &str) -> u64 {
        let bound = self.bound.as_ref();
        let account = bound.and_then(|bound| bound.account.as_deref()).unwrap_or_default();
        let place = service_behind(bound.and_then(|bound| bound.endpoint.as_deref()).unwrap_or_default());
        claims::hash(&format!("{sha256}\n{account}\n{place}"))
    }

    /// Whether its manifest was run to the end before, and that it was, once it is.
    pub(super) fn compare_with(&mut self, finished: &mut HashSet<u64>, event: &Event) {
        // Some of its rows are not the manifest.
        let Some(task) = self.task.filter(|_| self.retry.is_none()) else { return };
        if matches!(event, Event::ManifestIngested(_)) {
            self.lifted.is_repeated = finished.contains(&task);
        } else if matches!(event, Event::RunFinished(_)) {
            finished.insert(task);
        }
    }

    /// An entry that belongs to the run as a whole.
    pub(super) fn judge(&mut self, event: &Event, entry: &Entry) -> Result<(), Trouble> {
        let seq = entry.seq;
        match event {
            Event::ManifestIngested(ingested) => {
                if self.manifest.is_some() || self.sealed.is_some() {
                    return Err("a run has one manifest, read before its plan is sealed".into());
                }
                let manifest = PlanManifest::from(ingested);
                self.retry.as_ref().map_or(Ok(()), |retry| retry.check_manifest(&manifest))?;
                self.manifest = Some(manifest);
                self.task = Some(self.task_of(&ingested.sha256));
            }
            Event::PlanSealed(sealed) => self.seal(sealed)?,
            Event::RunStarted(started) => self.start(started, entry.at)?,
            Event::PlanApproved(_) | Event::PlanSigned(_) => self.show_approved(event)?,
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
                self.ended = Some(FINISHED);
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
                if (seen.source, seen.found) == (Source::GetKeyPairs, Found::Listed) {
                    self.pages.push((seq, target_hash(said(seen.account.as_ref()), said(seen.region.as_ref()))));
                }
            }
            Event::OverrideUsed(used) if used.accepts_rollback() => {
                return Err("a rollback is accepted for the whole journal".into());
            }
            Event::OverrideUsed(used) => {
                if self.manifest.is_none() || self.rows > 0 || self.sealed.is_some() {
                    return Err("rules are lifted after the manifest was read and before its rows are planned".into());
                }
                self.lifted.lift(used)?;
            }
            Event::Observed(_) | Event::RateChanged(_) => {}
            _ => return Err("an entry of this kind names a row".into()),
        }
        Ok(())
    }

    /// Deleting begins, by the plan that is sealed, before it expires.
    fn start(&mut self, started: &RunStarted, at: Timestamp) -> Result<(), Trouble> {
        if self.started {
            return Err("the run was started already".into());
        }
        let Some(plan_root) = &self.sealed else { return Err("the plan is not sealed yet".into()) };
        root("the plan that the run was started with", plan_root, &started.plan_root)?;
        same("deletes", started.deletes, self.verdicts[Verdict::Delete as usize])?;
        if self.expires_at.is_some_and(|end| at.duration_since(end) > LATE) {
            return Err("the plan had expired".into());
        }
        self.approvals.check()?;
        self.started = true;
        Ok(())
    }

    pub(super) fn intend(
        &mut self,
        row: u64,
        intent: &IntentRecorded,
        shown: &Line,
        rows: usize,
    ) -> Result<(), Trouble> {
        let line = &intent.line;
        if self.sealed.is_some() {
            return Err("the plan is sealed already".into());
        }
        if self.manifest.is_none() {
            return Err("the manifest was not read yet".into());
        }
        if !self.accounts.is_empty() && !self.accounts.contains(&line.account) {
            return Err("it is for another account than its session's".into());
        }
        if row != self.rows + 1 {
            return Err("intents are numbered from 1 without gaps".into());
        }
        if line.row != row {
            return Err("the plan's line in it is about another row".into());
        }
        if row == 1 {
            self.lifted.check()?;
            self.first_row = rows;
        } else if Some(rows) != usize::try_from(self.rows).ok().map(|count| self.first_row + count) {
            return Err("another run's intents are between those of this one".into());
        }
        let target = target_hash(&line.account, &line.region);
        if let Some(page) = intent.page
            && self.pages.binary_search(&(page, target)).is_err()
        {
            return Err("it names a page that is no listing of key pairs of its run and target".into());
        }
        let verdict = intent.verdict();
        if verdict == Verdict::Delete && !self.named_in.contains(&target) {
            self.named_in.push(target);
        }
        self.rows = row;
        self.verdicts[verdict as usize] += 1;
        self.of_file |= shown.of_file;
        self.lifted.allow(shown)?;
        self.sealing.push(&line.account, &line.region, line.verdict, shown.leaf);
        Ok(())
    }

    /// Whoever opens the journal closes the runs that died while planning; a session writes nothing else about another run.
    pub(super) fn close_for_another(&mut self, entry: &Entry, held: bool) -> Result<(), Trouble> {
        match &entry.event {
            Event::RunStopped(stopped) if stopped.why == StopReason::Abandoned && held && entry.row.is_none() => {
                self.admits(&entry.event)?;
                self.stop(stopped)
            }
            _ => Err("it is about another run than its session's".into()),
        }
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
    pub(super) fn stop_targets(&self, stopped: &[TargetStopped]) -> Result<(), Trouble> {
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

    /// What the run's sessions say of its accounts: the first one names them, later ones no other.
    pub(super) fn bind(&mut self, opened: &SessionOpened) -> Result<(), Trouble> {
        let mut named: BTreeSet<_> = opened.accounts.iter().map(|account| account.account.clone()).collect();
        if !opened.accounts.iter().map(|account| &account.account).eq(&named) {
            return Err("its accounts are not ascending".into());
        }
        named.extend(opened.account.clone());
        if self.accounts.is_empty() {
            self.accounts = named;
        } else if !named.is_subset(&self.accounts) {
            return Err("its run is bound to another account or endpoint".into());
        }
        Ok(())
    }
}

fn said(text: Option<&String>) -> &str {
    text.map_or("", String::as_str)
}

/// The hash of a target.
pub(super) fn target_hash(account: &str, region: &str) -> u64 {
    claims::hash(region) ^ claims::hash(account).rotate_left(16)
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
