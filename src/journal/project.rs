//! From entries to the projections: what each kind of entry changes in the tables that are derived from it.
//!
//! Pure: it collects [`Changes`], which a store applies. `verify` rebuilds the projections with this same code.

use std::collections::HashMap;

use super::changes::{Change, Changes, FinishedAttempt, NewAttempt, NewIntent, NewRowEntry, NewRun, SettledIntent};
use super::error::JournalError;
use super::run_state::RunState;
use crate::domain::{Evidence, Outcome, Target};
use crate::record::Entry;
use crate::record::event::{CheckpointMade, Event, ManifestIngested, SessionOpened};

/// Projects entries, one after the other. It keeps what must be known of earlier entries for that.
#[derive(Debug, Clone, Default)]
pub struct Projector {
    /// The run of each session, by the session's number.
    sessions: HashMap<u64, Option<u64>>,
    runs: HashMap<u64, KnownRun>,
    last_target: u64,
}

/// What must be known of a run to project its further entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRun {
    /// The service that it is bound to.
    pub endpoint: Option<String>,
    /// How far it is.
    pub state: RunState,
    /// Whether it was ever started.
    pub is_started: bool,
    /// Its targets with their numbers, by account and region.
    pub targets: Vec<(Target, u64)>,
}

impl Projector {
    /// A projector whose new targets get the numbers after this one.
    #[must_use]
    pub fn after(last_target: u64) -> Self {
        Self { last_target, ..Self::default() }
    }

    /// Whether this run began among the projected entries, or was made known by [`Projector::know`].
    #[must_use]
    pub fn knows(&self, run: u64) -> bool {
        self.runs.contains_key(&run)
    }

    /// Makes a run known that began earlier.
    pub fn know(&mut self, run: u64, known: KnownRun) {
        self.runs.insert(run, known);
    }

    /// The earlier session that wrote `entry`, if it is not known yet: where a copy goes on, that opened before it.
    #[must_use]
    pub fn unknown_session(&self, entry: &Entry) -> Option<u64> {
        entry.session.filter(|session| *session != entry.seq && !self.sessions.contains_key(session))
    }

    /// Makes a session known by the entry that opened it.
    pub fn know_session(&mut self, opening: &Entry) {
        let Event::SessionOpened(opened) = &opening.event else { return };
        self.sessions.insert(opening.seq, run_of(opening, opened));
    }

    /// The run of an entry: the one that it names, or that of its session.
    #[must_use]
    pub fn run_of(&self, entry: &Entry) -> Option<u64> {
        entry.run.or_else(|| entry.session.and_then(|session| self.sessions.get(&session).copied().flatten()))
    }

    /// Adds what `entry` changes to `changes`.
    ///
    /// # Errors
    /// If the entry cannot follow those before it: it is about no run, or about an unknown one, or names no row.
    pub fn project<'a>(&mut self, entry: &'a Entry, changes: &mut Changes<'a>) -> Result<(), JournalError> {
        let seq = entry.seq;
        if let Event::SessionOpened(opened) = &entry.event {
            self.open(entry, opened, changes);
        }
        let Some(run) = self.run_of(entry) else { return project_alone(entry, changes) };
        let known = self.runs.get_mut(&run).ok_or_else(|| JournalError::illegal(seq, "its run was never opened"))?;
        let row = || entry.row.ok_or_else(|| JournalError::illegal(seq, "it names no row"));
        match &entry.event {
            Event::IntentRecorded(intent) => {
                let target =
                    known.target(run, &intent.line.account, &intent.line.region, &mut self.last_target, changes);
                let (name, verdict) = (&intent.line.name, intent.verdict());
                changes.intents.push(NewIntent { run, row: row()?, target, name, verdict, seq });
            }
            Event::AttemptStarted(started) => {
                changes.attempts.push(NewAttempt { run, row: row()?, attempt: started.attempt, seq });
            }
            Event::AttemptFinished(finished) => {
                let (row, attempt, class) = (row()?, finished.attempt, finished.class);
                changes.finished.push(FinishedAttempt { run, row, attempt, seq, class });
                changes.settled.extend(finished.settled().map(|pair| settled(run, row, seq, pair)));
            }
            Event::RowSettled(end) => {
                changes.settled.push(settled(run, row()?, seq, (end.outcome, end.evidence)));
            }
            Event::RowResolved(told) => {
                let row = row()?;
                changes.small.push(Change::Resolved(settled(run, row, seq, (told.outcome, told.evidence))));
                changes.row_entries.push(NewRowEntry { run, row, seq });
            }
            Event::Observed(seen) => {
                reads(run, seen.requests, seen.throttled, changes);
                match entry.row {
                    Some(row) => changes.row_entries.push(NewRowEntry { run, row, seq }),
                    None => milestone(Some(run), entry, changes),
                }
            }
            Event::AnswerLate(_) => changes.row_entries.push(NewRowEntry { run, row: row()?, seq }),
            Event::OperationPolled(polled) => {
                reads(run, polled.requests, polled.throttled, changes);
                changes.row_entries.push(NewRowEntry { run, row: row()?, seq });
            }
            _ => known.project(run, entry, changes),
        }
        Ok(())
    }

    /// A session begins a run, goes on with one, or does neither.
    fn open<'a>(&mut self, entry: &'a Entry, opened: &'a SessionOpened, changes: &mut Changes<'a>) {
        let begun = opened.run_id.as_deref().filter(|_| entry.run.is_none());
        self.sessions.insert(entry.seq, run_of(entry, opened));
        if let Some(run) = entry.run {
            changes.small.push(Change::Session { run });
            if let Some(known) = self.runs.get_mut(&run).filter(|known| known.state == RunState::Stopped) {
                known.enter(RunState::Running, run, changes);
            }
        }
        let Some(id) = begun else { return };
        changes.small.push(Change::Run(Box::new(NewRun {
            run: entry.seq,
            id,
            started_at: entry.at,
            account: opened.account.as_deref(),
            principal_arn: opened.caller_arn.as_deref(),
            operator: format!("{}@{}", opened.user, opened.host),
            endpoint: opened.endpoint.as_deref(),
            sandbox: opened.sandbox,
            reason: opened.reason.as_deref(),
            ticket: opened.ticket.as_deref(),
        })));
        // Where entries are projected once more, its targets keep their numbers.
        let known = self.runs.remove(&entry.seq);
        let targets = known.map(|known| known.targets).unwrap_or_default();
        let (endpoint, state) = (opened.endpoint.clone(), RunState::Planning);
        self.runs.insert(entry.seq, KnownRun { endpoint, state, is_started: false, targets });
    }
}

impl KnownRun {
    /// The number of a target, which is new with its first row.
    fn target<'a>(
        &mut self,
        run: u64,
        account: &'a str,
        region: &'a str,
        last: &mut u64,
        changes: &mut Changes<'a>,
    ) -> u64 {
        let order = |(target, _): &(Target, u64)| (&*target.account, &*target.region).cmp(&(account, region));
        match self.targets.binary_search_by(order) {
            Ok(found) => self.targets[found].1,
            Err(place) => {
                *last += 1;
                changes.small.push(Change::Target { number: *last, run, account, region });
                self.targets.insert(place, (Target { account: account.into(), region: region.into() }, *last));
                *last
            }
        }
    }

    /// It goes on.
    fn enter(&mut self, state: RunState, run: u64, changes: &mut Changes<'_>) {
        self.state = state.clone();
        changes.small.push(Change::State { run, state, stopped_by: None, finished_at: None });
    }

    /// It stopped or ended.
    fn leave<'a>(
        &mut self,
        state: RunState,
        run: u64,
        stopped_by: Option<&'a str>,
        entry: &Entry,
        changes: &mut Changes<'a>,
    ) {
        self.state = state.clone();
        let finished_at = (state != RunState::Stopped).then_some(entry.at);
        changes.small.push(Change::State { run, state, stopped_by, finished_at });
    }

    /// The kinds that belong to a run as a whole.
    fn project<'a>(&mut self, run: u64, entry: &'a Entry, changes: &mut Changes<'a>) {
        let seq = entry.seq;
        match &entry.event {
            Event::SessionOpened(_) | Event::SessionClosed(_) | Event::OverrideUsed(_) | Event::ControlUsed(_) => {}
            Event::LeaseEnded(_) => {}
            Event::PlanApproved(_) | Event::PlanSigned(_) | Event::Reconciled(_) | Event::CheckpointAnchored(_) => {}
            Event::ManifestIngested(ingested) => manifest(run, seq, ingested, changes),
            Event::PlanSealed(sealed) => {
                changes.small.push(Change::Sealed { run, seq, plan_root: &sealed.seal.root });
            }
            Event::RunStarted(_) => {
                self.is_started = true;
                changes.small.push(Change::Started { run, seq });
                self.enter(RunState::Running, run, changes);
            }
            Event::RateChanged(changed) => {
                if let Some(rate_per_s) = &changed.learned_per_s {
                    let (account, region) = (&changed.account, &changed.region);
                    let endpoint = self.endpoint.clone().unwrap_or_default();
                    let is_limit = changed.learned_is_limit.unwrap_or(false);
                    changes.small.push(Change::Rate { endpoint, account, region, rate_per_s, is_limit, seq });
                }
            }
            Event::RunStopped(stopped) => {
                if let Some(ingested) = &stopped.manifest {
                    manifest(run, seq, ingested, changes);
                }
                // Stopped before it was started, it is closed: nothing can be resumed.
                let state = if self.is_started { RunState::Stopped } else { RunState::Abandoned };
                self.leave(state, run, Some(stopped.why.as_str()), entry, changes);
            }
            Event::RunFinished(_) => self.leave(RunState::Finished, run, None, entry, changes),
            Event::RunAbandoned(_) => self.leave(RunState::Abandoned, run, None, entry, changes),
            Event::CheckpointMade(made) => checkpoint(entry, made, changes),
            _ => return,
        }
        milestone(Some(run), entry, changes);
    }
}

/// The run that a session begins or goes on with.
fn run_of(entry: &Entry, opened: &SessionOpened) -> Option<u64> {
    entry.run.or_else(|| opened.run_id.as_ref().map(|_| entry.seq))
}

/// The kinds that may belong to no run.
fn project_alone<'a>(entry: &'a Entry, changes: &mut Changes<'a>) -> Result<(), JournalError> {
    match &entry.event {
        Event::CheckpointMade(made) => checkpoint(entry, made, changes),
        Event::OverrideUsed(_) | Event::SessionOpened(_) | Event::SessionClosed(_) | Event::CheckpointAnchored(_) => {
            milestone(None, entry, changes);
        }
        Event::JournalCreated(_) => {}
        _ => return Err(JournalError::illegal(entry.seq, "it is about no run")),
    }
    Ok(())
}

fn settled(run: u64, row: u64, seq: u64, (outcome, evidence): (Outcome, Evidence)) -> SettledIntent {
    SettledIntent { run, row, seq, outcome, evidence }
}

fn manifest<'a>(run: u64, seq: u64, ingested: &'a ManifestIngested, changes: &mut Changes<'a>) {
    let (name, sha256, rows) = (&ingested.name, &ingested.sha256, ingested.rows);
    changes.small.push(Change::Manifest { run, seq, name, sha256, rows });
}

fn checkpoint<'a>(entry: &Entry, made: &'a CheckpointMade, changes: &mut Changes<'a>) {
    changes.small.push(Change::Checkpoint { seq: entry.seq, size: made.size, root: &made.root, made_at: entry.at });
}

fn reads(run: u64, requests: u64, throttled: u64, changes: &mut Changes<'_>) {
    if requests > 0 {
        changes.small.push(Change::Reads { run, requests, throttled });
    }
}

fn milestone(run: Option<u64>, entry: &Entry, changes: &mut Changes<'_>) {
    changes.small.push(Change::Milestone { seq: entry.seq, run, kind: entry.event.kind() });
}
