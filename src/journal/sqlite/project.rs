//! From entries to the projections: what each kind of entry changes in the tables that are derived from it.
//!
//! Pure: it collects [`Changes`], which `store` writes. `verify` rebuilds the projections with this same code.

use std::collections::HashMap;

use crate::domain::{Evidence, Outcome, time_text};
use crate::journal::JournalError;
use crate::record::Entry;
use crate::record::event::{Event, IntentRecorded, SessionOpened};

/// One value of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Int(i64),
    Text(String),
    /// One of the fixed words of the format: nothing is copied for it.
    Word(&'static str),
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Value> + Clone> From<Option<&T>> for Value {
    fn from(value: Option<&T>) -> Self {
        value.cloned().map_or(Self::Null, Into::into)
    }
}

/// A statement of a single row, and its values.
pub(super) type Single = (&'static str, Vec<Value>);

/// The rows that a batch of entries adds and changes, by statement.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Statements of single rows, in order.
    pub(super) single: Vec<Single>,
    /// (run, row, target, name, verdict, seq).
    pub(super) intents: Vec<[Value; 6]>,
    /// (run, row, attempt, seq).
    pub(super) attempts: Vec<[Value; 4]>,
    /// (run, row, attempt, seq, class).
    pub(super) finished: Vec<[Value; 5]>,
    /// (run, row, seq).
    pub(super) row_entries: Vec<[Value; 3]>,
    /// (run, row, seq, outcome, evidence).
    pub(super) settled: Vec<[Value; 5]>,
}

impl Changes {
    fn settle(&mut self, run_no: i64, row: Value, seq: u64, outcome: Outcome, evidence: Evidence) {
        let (outcome, evidence) = (Value::Word(outcome.as_str()), Value::Word(evidence.as_str()));
        self.settled.push([run_no.into(), row, seq.into(), outcome, evidence]);
    }

    /// Puts attempts that began and ended among these changes into one list: (run, row, attempt, seq, seq, class). What
    /// the tables hold afterwards is the same; a replay saves a third of its work.
    pub(super) fn whole_attempts(&mut self) -> Vec<[Value; 6]> {
        let key = |values: &[Value]| match values {
            [Value::Int(run), Value::Int(row), Value::Int(attempt), ..] => Some((*run, *row, *attempt)),
            _ => None,
        };
        let mut ended: HashMap<_, _> = std::mem::take(&mut self.finished)
            .into_iter()
            .filter_map(|finished| Some((key(&finished)?, finished)))
            .collect();
        let mut whole = Vec::with_capacity(ended.len());
        let begun = std::mem::take(&mut self.attempts);
        for started in begun {
            match key(&started).and_then(|key| ended.remove(&key)) {
                Some([.., seq, class]) => {
                    let [run, row, attempt, started] = started;
                    whole.push([run, row, attempt, started, seq, class]);
                }
                None => self.attempts.push(started),
            }
        }
        self.finished = ended.into_values().collect();
        whole
    }
}

/// What must be known of earlier entries to project later ones.
#[derive(Debug, Default)]
pub(super) struct Projector {
    /// The run of each session, by the session's number.
    sessions: HashMap<u64, Option<u64>>,
    runs: HashMap<u64, KnownRun>,
    last_target: i64,
}

#[derive(Debug, Default)]
struct KnownRun {
    endpoint: Option<String>,
    targets: HashMap<(String, String), i64>,
}

impl Projector {
    /// Goes on after the number that is taken.
    pub(super) fn after(last_target: i64) -> Self {
        Self { last_target, ..Self::default() }
    }

    /// Whether this run was seen, or made known by [`Projector::know`].
    pub(super) fn knows(&self, run: u64) -> bool {
        self.runs.contains_key(&run)
    }

    /// Makes a run of an earlier session known.
    pub(super) fn know(&mut self, run: u64, endpoint: Option<String>, targets: Vec<(String, String, i64)>) {
        let targets = targets.into_iter().map(|(account, region, number)| ((account, region), number)).collect();
        self.runs.insert(run, KnownRun { endpoint, targets });
    }

    /// Adds what `entry` changes to `changes`.
    pub(super) fn project(&mut self, entry: &Entry, changes: &mut Changes) -> Result<(), JournalError> {
        let seq = entry.seq;
        if let Event::SessionOpened(opened) = &entry.event {
            self.open(entry, opened, changes);
        }
        let own = entry.session.and_then(|session| self.sessions.get(&session).copied().flatten());
        let Some(run) = entry.run.or(own) else {
            match &entry.event {
                Event::CheckpointMade(made) => {
                    let values = vec![seq.into(), made.size.into(), (&made.root).into(), time_text(entry.at).into()];
                    changes.single.push((super::sql::INSERT_CHECKPOINT, values));
                }
                Event::OverrideUsed(_) => milestone(None, seq, "override_used", changes),
                Event::SessionOpened(_) => milestone(None, seq, "session_opened", changes),
                Event::SessionClosed(_) => milestone(None, seq, "session_closed", changes),
                Event::JournalCreated(_) => {}
                _ => return Err(JournalError::illegal(seq, "it is about no run")),
            }
            return Ok(());
        };
        let known = self.runs.get_mut(&run).ok_or_else(|| JournalError::illegal(seq, "its run was never opened"))?;
        let run_no = i64::try_from(run).unwrap_or(i64::MAX);
        let row = || entry.row.map(Value::from).ok_or_else(|| JournalError::illegal(seq, "it names no row"));
        match &entry.event {
            Event::IntentRecorded(intent) => {
                let target = known.target(run_no, intent, &mut self.last_target, changes);
                let name = (&intent.key_pair_name).into();
                let verdict = Value::Word(intent.verdict.as_str());
                changes.intents.push([run_no.into(), row()?, target.into(), name, verdict, seq.into()]);
            }
            Event::AttemptStarted(started) => {
                changes.attempts.push([run_no.into(), row()?, u64::from(started.attempt).into(), seq.into()]);
            }
            Event::AttemptFinished(finished) => {
                let class = Value::Word(finished.class.as_str());
                let attempt = u64::from(finished.attempt).into();
                changes.finished.push([run_no.into(), row()?, attempt, seq.into(), class]);
                if let Some((outcome, evidence)) = finished.settled() {
                    changes.settle(run_no, row()?, seq, outcome, evidence);
                }
            }
            Event::RowSettled(settled) => {
                changes.settle(run_no, row()?, seq, settled.outcome, settled.evidence);
            }
            Event::Observed(seen) => {
                reads(run_no, seen.requests, seen.throttled, changes);
                match entry.row {
                    Some(_) => changes.row_entries.push([run_no.into(), row()?, seq.into()]),
                    None => milestone(Some(run_no), seq, "observed", changes),
                }
            }
            Event::OperationPolled(polled) => {
                reads(run_no, polled.requests, polled.throttled, changes);
                changes.row_entries.push([run_no.into(), row()?, seq.into()]);
            }
            _ => project_run(run_no, known.endpoint.as_deref(), entry, changes),
        }
        Ok(())
    }

    /// A session begins a run, goes on with one, or does neither.
    fn open(&mut self, entry: &Entry, opened: &SessionOpened, changes: &mut Changes) {
        let begun = opened.run_id.as_ref().filter(|_| entry.run.is_none());
        self.sessions.insert(entry.seq, entry.run.or(begun.map(|_| entry.seq)));
        if let Some(run) = entry.run {
            changes.single.push((super::sql::REOPEN_RUN, vec![run.into()]));
        }
        let Some(id) = begun else { return };
        let operator = format!("{}@{}", opened.user, opened.host);
        let values = vec![
            entry.seq.into(),
            id.into(),
            time_text(entry.at).into(),
            opened.account.as_ref().into(),
            opened.caller_arn.as_ref().into(),
            operator.into(),
            opened.endpoint.as_ref().into(),
            i64::from(opened.sandbox).into(),
            opened.reason.as_ref().into(),
            opened.ticket.as_ref().into(),
        ];
        changes.single.push((super::sql::INSERT_RUN, values));
        // Where entries are projected once more, its targets keep their numbers.
        let begun = || KnownRun { endpoint: opened.endpoint.clone(), targets: HashMap::new() };
        self.runs.entry(entry.seq).or_insert_with(begun);
    }
}

impl KnownRun {
    fn target(&mut self, run_no: i64, intent: &IntentRecorded, last: &mut i64, changes: &mut Changes) -> i64 {
        *self.targets.entry((intent.account.clone(), intent.region.clone())).or_insert_with(|| {
            *last += 1;
            let values = vec![(*last).into(), run_no.into(), (&intent.account).into(), (&intent.region).into()];
            changes.single.push((super::sql::INSERT_TARGET, values));
            *last
        })
    }
}

/// The kinds that belong to a run as a whole.
fn project_run(run_no: i64, endpoint: Option<&str>, entry: &Entry, changes: &mut Changes) {
    let seq = entry.seq;
    let single = &mut changes.single;
    let kind = match &entry.event {
        Event::SessionOpened(_) => "session_opened",
        Event::SessionClosed(_) => "session_closed",
        Event::OverrideUsed(_) => "override_used",
        Event::ManifestIngested(ingested) => {
            let (name, sha256) = ((&ingested.name).into(), (&ingested.sha256).into());
            single
                .push((super::sql::RUN_MANIFEST, vec![name, sha256, ingested.rows.into(), seq.into(), run_no.into()]));
            "manifest_ingested"
        }
        Event::PlanSealed(sealed) => {
            single.push((super::sql::RUN_SEALED, vec![(&sealed.plan_root).into(), seq.into(), run_no.into()]));
            "plan_sealed"
        }
        Event::RunStarted(_) => {
            single.push((super::sql::RUN_STARTED, vec![seq.into(), run_no.into()]));
            "run_started"
        }
        Event::RateChanged(changed) => {
            let endpoint = endpoint.unwrap_or_default().into();
            let (account, region) = ((&changed.account).into(), (&changed.region).into());
            if let Some(learned) = &changed.learned_per_s {
                let limit = i64::from(changed.learned_is_limit.unwrap_or(false));
                single.push((
                    super::sql::PUT_RATE,
                    vec![endpoint, account, region, learned.into(), limit.into(), seq.into()],
                ));
            }
            "rate_changed"
        }
        Event::RunStopped(stopped) => {
            if let Some(manifest) = &stopped.manifest {
                let (name, sha256) = ((&manifest.name).into(), (&manifest.sha256).into());
                single.push((
                    super::sql::RUN_MANIFEST,
                    vec![name, sha256, manifest.rows.into(), seq.into(), run_no.into()],
                ));
            }
            let at = time_text(entry.at).into();
            single.push((super::sql::RUN_STOPPED, vec![stopped.why.as_str().into(), at, run_no.into()]));
            "run_stopped"
        }
        Event::RunFinished(_) => {
            let at = time_text(entry.at).into();
            single.push((super::sql::RUN_ENDED, vec!["finished".into(), Value::Null, at, run_no.into()]));
            "run_finished"
        }
        Event::RunAbandoned(_) => {
            let at = time_text(entry.at).into();
            single.push((super::sql::RUN_ENDED, vec!["abandoned".into(), Value::Null, at, run_no.into()]));
            "run_abandoned"
        }
        Event::CheckpointMade(made) => {
            let at = time_text(entry.at).into();
            single.push((super::sql::INSERT_CHECKPOINT, vec![seq.into(), made.size.into(), (&made.root).into(), at]));
            "checkpoint_made"
        }
        _ => return,
    };
    milestone(Some(run_no), seq, kind, changes);
}

fn reads(run_no: i64, requests: u64, throttled: u64, changes: &mut Changes) {
    if requests > 0 {
        changes.single.push((super::sql::RUN_READS, vec![requests.into(), throttled.into(), run_no.into()]));
    }
}

fn milestone(run_no: Option<i64>, seq: u64, kind: &str, changes: &mut Changes) {
    changes.single.push((super::sql::INSERT_MILESTONE, vec![seq.into(), run_no.as_ref().into(), kind.into()]));
}
