//! What a proof shows of its row, in sentences for people.

use super::facts::{RowAttempt, RowFacts};
use crate::domain::{Class, Evidence, Outcome};

/// The sentences, one a line.
pub(super) fn told(facts: &RowFacts) -> Vec<String> {
    let run = facts.run.as_deref().unwrap_or("?");
    let mut told = vec![
        kind(facts),
        format!(
            "row {} of run {run} names the key pair {} in {}, account {}",
            facts.row, facts.key_pair_name, facts.region, facts.account
        ),
        identity(facts),
    ];
    match facts.verdict {
        Some("delete") | None => {}
        Some(verdict) => {
            let notes = facts.notes.join("; ");
            let notes = if notes.is_empty() { notes } else { format!(": {notes}") };
            let what = if verdict == "skip" { "not to delete it" } else { "that it is not there" };
            told.push(format!("the plan says {what}{notes}"));
        }
    }
    if !facts.approved_by.is_empty() {
        told.push(format!("the plan was approved by {}", facts.approved_by.join(", ")));
    }
    if facts.attempts.is_empty() {
        told.push("no request for its deletion is in the proof".into());
    }
    told.extend(facts.attempts.iter().flat_map(attempt));
    told.push(outcome(facts));
    if let Some(detail) = &facts.detail {
        told.push(format!("the journal's words: {detail}"));
    }
    told
}

/// Nobody may mistake a rehearsal for a real run.
fn kind(facts: &RowFacts) -> String {
    let by = facts.operator.as_deref().unwrap_or("an unknown user");
    let ticket = facts.ticket.as_deref().map(|ticket| format!(", ticket {ticket}")).unwrap_or_default();
    if facts.sandbox {
        return format!("A REHEARSAL against a sandbox, begun by {by}{ticket}: no key pair of AWS was asked for");
    }
    let endpoint = facts.endpoint.as_deref().unwrap_or("an unknown address");
    let caller = facts.caller_arn.as_deref().map(|arn| format!(" with the credentials of {arn}")).unwrap_or_default();
    format!("a real run against {endpoint}, begun by {by}{caller}{ticket}")
}

fn identity(facts: &RowFacts) -> String {
    let parts = [("", &facts.arn), ("created ", &facts.created_at), ("fingerprint ", &facts.fingerprint)];
    let parts: Vec<String> =
        parts.into_iter().filter_map(|(label, part)| Some(format!("{label}{}", part.as_ref()?))).collect();
    if parts.is_empty() {
        "the plan saw no such key pair".into()
    } else {
        format!("the plan saw it: {}", parts.join(", "))
    }
}

fn attempt(attempt: &RowAttempt) -> Vec<String> {
    let asked =
        format!("request {} for its deletion was recorded at {}, before it left", attempt.attempt, attempt.asked_at);
    let answer = match (&attempt.answered_at, attempt.class) {
        (Some(at), Some(class)) => {
            let status = attempt.http_status.map(|status| format!("HTTP {status}, ")).unwrap_or_default();
            let ids = [("request id", &attempt.request_id), ("operation", &attempt.operation_id)];
            let ids: Vec<String> =
                ids.into_iter().filter_map(|(label, id)| Some(format!("{label} {}", id.as_ref()?))).collect();
            let ids = if ids.is_empty() { String::new() } else { format!(" ({})", ids.join(", ")) };
            let class = class.as_str().replace('_', " ");
            if attempt.class == Some(Class::Unanswered) {
                format!("no usable answer came; that was recorded at {at}: {status}{class}{ids}")
            } else {
                format!("its answer was recorded at {at}: {status}{class}{ids}")
            }
        }
        _ => match (&attempt.late_at, attempt.late_class) {
            (Some(at), Some(class)) => {
                let class = class.as_str().replace('_', " ");
                format!(
                    "its answer came when others had the row, or could have it, and decided nothing; that was recorded at {at}: {class}"
                )
            }
            _ => "no answer to it is in the proof".into(),
        },
    };
    vec![asked, answer]
}

fn outcome(facts: &RowFacts) -> String {
    let (Some(outcome), Some(evidence)) = (facts.outcome, facts.evidence) else {
        return "the proof shows no outcome".into();
    };
    let what = match outcome {
        Outcome::Deleted => "deleted: our request deleted it",
        Outcome::Gone => {
            "gone: it was there before our unanswered request and is not there now; whether we did it cannot be shown"
        }
        Outcome::Absent => "absent: it was not there before any request of ours could have taken effect",
        Outcome::Skipped => "skipped: it was never asked for, or only refused and then found changed",
        Outcome::Failed => "failed: definitely refused, or retries used up with the key pair seen still there",
        Outcome::InDoubt => "in doubt: settling ended without an answer",
    };
    let by = match evidence {
        Evidence::Answer => "the answer to our own request",
        Evidence::Operation => "an operation that was found later",
        Evidence::Cloudtrail => "CloudTrail's record",
        Evidence::Readback => "reading the key pair again",
        Evidence::Inventory => "the inventory, or a reading before any request of ours",
        Evidence::Note => "a note of the plan or of a later check",
        Evidence::Tried => "what was tried without a result",
        Evidence::Person => "what a person found out",
    };
    let said = facts.resolved_by.as_deref().map(|by| {
        let before = facts.settled_outcome.map_or("no outcome", Outcome::as_str).replace('_', " ");
        format!("; {by} said so, and the run itself had determined: {before}")
    });
    let at = facts.settled_at.as_deref().filter(|_| said.is_none()).map(|at| format!(" at {at}")).unwrap_or_default();
    format!("outcome{at}: {what}. Evidence: {by}{}", said.unwrap_or_default())
}
