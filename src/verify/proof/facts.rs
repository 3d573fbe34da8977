//! What the entries of a proof say of their row, in fields.

use serde::Serialize;

use crate::domain::{Class, Evidence, Outcome, time_text};
use crate::record::Entry;
use crate::record::event::{AttemptFinished, Event, IntentRecorded, RowResolved, SessionOpened};
use crate::record::plan::Verdict;

/// What became of a row, and on whose word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowFacts {
    /// The run's id.
    pub run: Option<String>,
    /// The row.
    pub row: u64,
    /// Whether it was a rehearsal.
    pub sandbox: bool,
    /// What the run is bound to.
    pub endpoint: Option<String>,
    /// Who began the run: user@host.
    pub operator: Option<String>,
    /// Whose credentials.
    pub caller_arn: Option<String>,
    /// The run's ticket.
    pub ticket: Option<String>,
    /// The key pair's name.
    pub key_pair_name: String,
    /// Its account.
    pub account: String,
    /// Its region.
    pub region: String,
    /// As the plan saw it.
    pub arn: Option<String>,
    /// As the plan saw it.
    pub created_at: Option<String>,
    /// As the plan saw it.
    pub fingerprint: Option<String>,
    /// `delete`, `skip` or `absent`.
    pub verdict: Option<&'static str>,
    /// Why it is not to be deleted, in the words of the plan's notes.
    pub notes: Vec<String>,
    /// The root of the plan.
    pub plan_root: Option<String>,
    /// Who approved the plan, as the session's list of signers called them.
    pub approved_by: Vec<String>,
    /// Each request for its deletion.
    pub attempts: Vec<RowAttempt>,
    /// What counts: what was said last, else what the run determined; none if the proof shows no outcome.
    pub outcome: Option<Outcome>,
    /// What that rests on.
    pub evidence: Option<Evidence>,
    /// One sentence of the journal's on it.
    pub detail: Option<String>,
    /// When the run determined an outcome.
    pub settled_at: Option<String>,
    /// What the run itself determined.
    pub settled_outcome: Option<Outcome>,
    /// Who said what was said last.
    pub resolved_by: Option<String>,
}

/// A request for a deletion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowAttempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// When it was recorded, which is before it left.
    pub asked_at: String,
    /// When its answer was recorded; none if no end is recorded.
    pub answered_at: Option<String>,
    /// What the answer means.
    pub class: Option<Class>,
    /// Of the answer.
    pub http_status: Option<u16>,
    /// Of the answer.
    pub request_id: Option<String>,
    /// Of the operation that it showed.
    pub operation_id: Option<String>,
    /// When an answer was recorded that came after others had the row, or could have it; it decided nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_at: Option<String>,
    /// What that one means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_class: Option<Class>,
}

impl RowFacts {
    pub(super) fn of(row: u64) -> Self {
        Self {
            run: None,
            row,
            sandbox: false,
            endpoint: None,
            operator: None,
            caller_arn: None,
            ticket: None,
            key_pair_name: String::new(),
            account: String::new(),
            region: String::new(),
            arn: None,
            created_at: None,
            fingerprint: None,
            verdict: None,
            notes: Vec::new(),
            plan_root: None,
            approved_by: Vec::new(),
            attempts: Vec::new(),
            outcome: None,
            evidence: None,
            detail: None,
            settled_at: None,
            settled_outcome: None,
            resolved_by: None,
        }
    }

    /// Takes the next entry of a story that holds.
    pub(super) fn learn(&mut self, entry: &Entry) {
        let at = time_text(entry.at);
        match &entry.event {
            Event::SessionOpened(opened) if opened.run_id.is_some() => self.begin(opened),
            Event::IntentRecorded(intent) => self.intend(intent),
            Event::PlanSealed(sealed) => self.plan_root = Some(sealed.seal.root.clone()),
            Event::PlanApproved(approved) => self.approved_by.push(approved.signer.clone()),
            Event::AttemptStarted(started) => self.attempts.push(RowAttempt {
                attempt: started.attempt,
                asked_at: at,
                answered_at: None,
                class: None,
                http_status: None,
                request_id: None,
                operation_id: None,
                late_at: None,
                late_class: None,
            }),
            Event::AnswerLate(late) => {
                let asked = self.attempts.iter_mut().find(|asked| asked.attempt == late.attempt);
                asked
                    .into_iter()
                    .for_each(|asked| (asked.late_at, asked.late_class) = (Some(at.clone()), Some(late.class)));
            }
            Event::AttemptFinished(finished) => self.answer(finished, at),
            Event::RowSettled(settled) => {
                self.settle(settled.outcome, settled.evidence, settled.detail.clone(), at);
            }
            Event::RowResolved(told) => self.resolve(told),
            _ => {}
        }
    }

    fn begin(&mut self, opened: &SessionOpened) {
        self.run.clone_from(&opened.run_id);
        self.sandbox = opened.sandbox;
        self.endpoint.clone_from(&opened.endpoint);
        self.operator = Some(format!("{}@{}", opened.user, opened.host));
        self.caller_arn.clone_from(&opened.caller_arn);
        self.ticket.clone_from(&opened.ticket);
    }

    fn intend(&mut self, intent: &IntentRecorded) {
        let line = &intent.line;
        (self.key_pair_name, self.account, self.region) =
            (line.name.clone(), line.account.clone(), line.region.clone());
        if let Some(seen) = &line.observation {
            let identity = seen.identity();
            (self.arn, self.created_at, self.fingerprint) = (identity.arn, identity.created_at, identity.fingerprint);
        }
        self.verdict = Some(intent.verdict().as_str());
        if intent.verdict() != Verdict::Delete {
            self.notes = intent.notes().iter().map(|note| note.text.clone()).collect();
        }
    }

    fn answer(&mut self, finished: &AttemptFinished, at: String) {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.answered_at = Some(at.clone());
            attempt.class = Some(finished.class);
            attempt.http_status = finished.exchange.http_status;
            attempt.request_id.clone_from(&finished.exchange.request_id);
            attempt.operation_id = finished.operation().and_then(|operation| operation.id);
        }
        if let Some((outcome, evidence)) = finished.settled() {
            self.settle(outcome, evidence, finished.detail.clone(), at);
        }
    }

    fn settle(&mut self, outcome: Outcome, evidence: Evidence, detail: Option<String>, at: String) {
        (self.outcome, self.evidence, self.detail) = (Some(outcome), Some(evidence), detail);
        (self.settled_at, self.settled_outcome) = (Some(at), Some(outcome));
    }

    fn resolve(&mut self, told: &RowResolved) {
        (self.outcome, self.evidence) = (Some(told.outcome), Some(told.evidence));
        (self.detail, self.resolved_by) = (Some(told.because.clone()), Some(told.by.clone()));
    }
}
