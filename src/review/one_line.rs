//! What an entry says, in words: one line for a list, and its particulars for a story. Pure.
//!
//! The words are for people and may change; programs read the bodies. Nothing is defused here: the code that prints it
//! must do that.

use std::collections::BTreeMap;

use super::controlled::controlled;
use super::facts::confirmed_how;
use super::leases;
use super::lifted::flag;
use crate::domain::{ApiError, Exchange, Identity, Operation, counted};
use crate::record::Entry;
use crate::record::anchored::CheckpointAnchored;
use crate::record::approval::Role;
use crate::record::event::{
    AttachedFile, AttemptFinished, Event, Found, Observed, OperationPolled, PlanSigned, Reconciled, RunStopped, Source,
};
use crate::record::plan::PlanObservation;

/// One line.
#[must_use]
pub fn one_line(entry: &Entry) -> String {
    match &entry.event {
        Event::JournalCreated(created) => {
            format!("journal {} made by keybatch {}", created.journal_id, created.version)
        }
        Event::SessionOpened(opened) => {
            let sandbox = if opened.sandbox { " in the sandbox" } else { "" };
            let account = opened.account.as_ref().map(|account| format!(" on account {account}")).unwrap_or_default();
            format!("{} by {}@{}{account}{sandbox}", opened.command, opened.user, opened.host)
        }
        Event::SessionClosed(closed) => {
            let requests = closed.requests;
            let (deletes, reads) =
                (counted(requests.delete, "delete", "deletes"), counted(requests.read, "read", "reads"));
            format!("{deletes} and {reads} sent, {} throttled", requests.throttled)
        }
        Event::ManifestIngested(ingested) => format!("{}: {}", ingested.name, counted(ingested.rows, "row", "rows")),
        Event::IntentRecorded(intent) => {
            let notes: Vec<_> = intent.notes().iter().map(|note| note.kind.as_str()).collect();
            let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
            format!("{} {} in {}{notes}", intent.verdict().as_str(), intent.line.name, intent.line.region)
        }
        Event::PlanSealed(sealed) => {
            format!(
                "{}: {} to delete, {} to skip, {} absent",
                counted(sealed.seal.rows, "row", "rows"),
                sealed.seal.deletes(),
                sealed.seal.skips(),
                sealed.seal.absents()
            )
        }
        Event::OverrideUsed(used) if used.accepts_rollback() => {
            let most = used.lost.iter().map(|lost| lost.size).max().unwrap_or_default();
            format!("{} by {}: entries were lost, {most} had been seen", flag(&used.which), used.by)
        }
        Event::OverrideUsed(used) => format!("{} by {}", flag(&used.which), used.by),
        Event::PlanApproved(approved) => format!("approved by {} with {}", approved.signer, approved.key),
        Event::PlanSigned(by) => signed(by),
        Event::RunStarted(started) => {
            let pairs = counted(started.deletes, "key pair", "key pairs");
            format!("{pairs}, confirmed {}", confirmed_how(&started.confirmed_by))
        }
        Event::AttemptStarted(started) => format!("attempt {}: DeleteKeyPair is about to be sent", started.attempt),
        Event::AttemptFinished(finished) => format!("attempt {}: {}", finished.attempt, answer(finished)),
        Event::OperationPolled(polled) => poll(polled),
        Event::Observed(seen) => observed(seen),
        Event::RowSettled(settled) => {
            let detail = settled.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
            format!("{} ({}){detail}", settled.outcome, settled.evidence.as_str())
        }
        Event::RowResolved(told) => {
            format!("{} ({}), by {}: {}", told.outcome, told.evidence.as_str(), told.by, told.because)
        }
        Event::Reconciled(told) => reconciled(told),
        Event::LeaseTaken(taken) => leases::taken(taken),
        Event::LeaseEnded(ended) => leases::ended(ended),
        Event::AnswerLate(late) => leases::heard(late),
        Event::RateChanged(changed) => format!(
            "{}/{} from {} to {} per second: {}",
            changed.account, changed.region, changed.from_per_s, changed.to_per_s, changed.why
        ),
        Event::ControlUsed(used) => controlled(used),
        Event::RunStopped(stopped) => stop(stopped),
        Event::RunFinished(finished) => counted(finished.rows, "row", "rows"),
        Event::RunAbandoned(ended) => {
            let left = counted(ended.outcomes.not_attempted, "row", "rows");
            format!("by {}: {}; {left} not attempted", ended.by, ended.because)
        }
        Event::CheckpointAnchored(anchored) => anchor(anchored),
        Event::CheckpointMade(made) => format!("{}, root {}", counted(made.size, "entry", "entries"), made.root),
    }
}

fn anchor(anchored: &CheckpointAnchored) -> String {
    let of = format!("the checkpoint of {} by {}", counted(anchored.size, "entry", "entries"), anchored.program);
    let Some(failure) = anchored.failure else { return format!("{of}: {}", anchored.receipt.told()) };
    let code = anchored.exit_code.map(|code| format!(" {code}")).unwrap_or_default();
    let detail = anchored.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("NOT {of}: {}{code}{detail}", failure.as_str().replace('_', " "))
}

fn stop(stopped: &RunStopped) -> String {
    let detail = stopped.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
    let targets: Vec<_> = stopped.targets.iter().map(|target| format!("{} ({})", target.region, target.why)).collect();
    let targets = if targets.is_empty() { String::new() } else { format!("; alone: {}", targets.join(", ")) };
    format!("{}{detail}{targets}", stopped.why)
}

fn signed(by: &PlanSigned) -> String {
    match by.role {
        Role::Maker => format!("signed by its maker with {}", by.key),
        Role::Session => format!("signed by the session that executes it, with {}", by.key),
    }
}

fn answer(finished: &AttemptFinished) -> String {
    let status = finished.exchange.http_status.map(|status| format!(", HTTP {status}")).unwrap_or_default();
    let error = finished.error().map(|error| format!(", {}", error.summary())).unwrap_or_default();
    let settled = finished.settled().map(|(outcome, evidence)| format!("; {outcome} ({})", evidence.as_str()));
    format!("{}{status}{error}{}", finished.class.as_str(), settled.unwrap_or_default())
}

fn poll(polled: &OperationPolled) -> String {
    let status = polled.operation().and_then(|operation| operation.status);
    format!("operation {}: {}", polled.operation_id, status.as_deref().unwrap_or(polled.class.as_str()))
}

fn observed(seen: &Observed) -> String {
    let request = match seen.source {
        Source::GetKeyPair => "GetKeyPair",
        Source::GetKeyPairs => "GetKeyPairs",
        Source::GetInstances => "GetInstances",
        Source::GetOperationsForResource => "GetOperationsForResource",
    };
    let found = match seen.found {
        Found::Same => "the key pair of the plan is there",
        Found::Other => "another key pair has the name now",
        Found::NotFound => "no key pair of that name",
        Found::Operation => "the operation that deleted it",
        Found::Unfinished => "a delete of this name that has not ended yet",
        Found::NoOperation => "no operation that deleted it",
        Found::Listed => "listed to the end",
        Found::NoAnswer => "no usable answer",
        Found::Denied => "reading is not permitted",
        Found::RefusedForAll => "refused for everyone",
    };
    let place = match (&seen.account, &seen.region) {
        (Some(account), Some(region)) => format!(" in {account}/{region}"),
        _ => String::new(),
    };
    format!("{request}{place}: {found}")
}

/// What a story shows beyond the one line: (label, value).
#[must_use]
pub(super) fn particulars(event: &Event) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    match event {
        Event::IntentRecorded(intent) => {
            let line = &intent.line;
            all.push(("line", line.line.to_string()));
            all.push(("account", line.account.clone()));
            let PlanObservation { arn, created_at, fingerprint, tags } = line.observation.clone().unwrap_or_default();
            all.extend(key_pair(&Identity { arn, created_at, fingerprint }, &tags));
            all.extend(line.conditions.iter().map(|(name, value)| ("condition", format!("{name} = {value}"))));
            all.extend(line.reason.iter().map(|text| ("reason", text.clone())));
            all.extend(line.ticket.iter().map(|text| ("ticket", text.clone())));
            all.extend(line.annotations.iter().map(|(name, value)| ("annotation", format!("{name} = {value}"))));
            let today = intent.today.as_ref().filter(|today| today.verdict != line.verdict);
            all.extend(
                today
                    .map(|today| ("today", format!("{} instead of {}", today.verdict.as_str(), line.verdict.as_str()))),
            );
            all.extend(intent.notes().iter().map(|note| ("note", format!("{}: {}", note.kind, note.text))));
        }
        Event::AttemptFinished(finished) => {
            all.extend(on_the_wire(&finished.exchange));
            all.extend(finished.operation().iter().flat_map(operation));
            all.extend(finished.error().iter().flat_map(error));
        }
        Event::AnswerLate(late) => {
            all.extend(on_the_wire(&late.exchange));
            all.extend(late.operation().iter().flat_map(operation));
            all.extend(late.error().iter().flat_map(error));
        }
        Event::OperationPolled(polled) => {
            all.extend(on_the_wire(&polled.exchange));
            all.extend(polled.operation().iter().flat_map(operation));
            all.extend(polled.error().iter().flat_map(error));
        }
        Event::Observed(observed) => {
            all.extend(on_the_wire(&observed.exchange));
            all.extend(observed.observation.iter().flat_map(|seen| key_pair(&seen.identity, &seen.tags)));
            all.extend(observed.operation.iter().flat_map(operation));
            all.extend(observed.error().iter().flat_map(error));
        }
        Event::RowSettled(settled) => all.push(rests_on(&settled.rests_on)),
        Event::RowResolved(told) => {
            if let Some(AttachedFile { name, sha256, bytes }) = &told.file {
                let parts = [("file", name.clone()), ("file sha256", sha256.clone())];
                all.extend(parts);
                all.push(("file bytes", bytes.to_string()));
            }
            all.extend(told.event_id.iter().map(|id| ("event", id.clone())));
            all.push(rests_on(&told.rests_on));
        }
        _ => {}
    }
    all
}

fn rests_on(seqs: &[u64]) -> (&'static str, String) {
    let seqs: Vec<_> = seqs.iter().map(u64::to_string).collect();
    ("rests on entries", seqs.join(" "))
}

fn key_pair(identity: &Identity, tags: &BTreeMap<String, String>) -> Vec<(&'static str, String)> {
    let parts = [("arn", &identity.arn), ("created at", &identity.created_at), ("fingerprint", &identity.fingerprint)];
    let mut all: Vec<_> = parts.into_iter().filter_map(|(label, part)| Some((label, part.clone()?))).collect();
    all.extend(tags.iter().map(|(key, value)| ("tag", format!("{key} = {value}"))));
    all
}

fn on_the_wire(exchange: &Exchange) -> Vec<(&'static str, String)> {
    let status = exchange.http_status.map(|status| ("http status", status.to_string()));
    let request = exchange.request_id.clone().map(|id| ("request id", id));
    status.into_iter().chain(request).collect()
}

fn operation(operation: &Operation) -> Vec<(&'static str, String)> {
    let parts = [
        ("operation id", &operation.id),
        ("operation status", &operation.status),
        ("operation error", &operation.error_code),
        ("operation error details", &operation.error_details),
    ];
    parts.into_iter().filter_map(|(label, part)| Some((label, part.clone()?))).collect()
}

fn error(error: &ApiError) -> Vec<(&'static str, String)> {
    let parts = [
        ("error type", &error.text.error_type),
        ("error code", &error.text.code),
        ("message", &error.text.message),
        ("docs", &error.text.docs),
        ("tip", &error.text.tip),
    ];
    let mut all = vec![("cause", error.cause.as_str().to_owned())];
    all.extend(parts.into_iter().filter_map(|(label, part)| Some((label, part.clone()?))));
    all
}

/// What was found when records were held against a run.
fn reconciled(told: &Reconciled) -> String {
    let attempts = &told.attempts;
    format!(
        "by {}: {} with {}; {} confirmed, {} not seen, {} contradicted; {} that nothing explains",
        told.by,
        counted(told.file_count, "file", "files"),
        counted(told.events, "event", "events"),
        attempts.confirmed,
        attempts.not_seen,
        attempts.contradicted,
        counted(told.unexplained, "event", "events"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Of entries in which every field is set.
    #[test]
    fn a_story_leaves_nothing_out() {
        let operation = "operation id, operation status, operation error, operation error details";
        let error = "cause, error type, error code, message, docs, tip";
        let seen = "arn, created at, fingerprint, tag";
        let mut told = 0;
        for body in include_str!("../../tests/golden/entries.jsonl").lines() {
            let entry = Entry::parse(body).unwrap();
            let expected = match entry.event.kind() {
                "intent_recorded" => {
                    format!("line, account, {seen}, condition, reason, ticket, annotation, today, note")
                }
                "attempt_finished" | "operation_polled" | "answer_late" => {
                    format!("http status, request id, {operation}, {error}")
                }
                "observed" => format!("http status, request id, {seen}, {operation}, {error}"),
                "row_settled" => "rests on entries".into(),
                "row_resolved" => "file, file sha256, file bytes, event, rests on entries".into(),
                _ => String::new(),
            };
            let mut labels: Vec<_> = particulars(&entry.event).iter().map(|(label, _)| *label).collect();
            labels.dedup();
            assert_eq!(labels.join(", "), expected, "{body}");
            assert!(particulars(&entry.event).iter().all(|(_, value)| !value.is_empty()), "{body}");
            told += usize::from(!expected.is_empty());
        }
        assert!(told >= 5, "{told}");
    }

    /// Lines are for people; but what they are there for is in them.
    #[test]
    fn a_line_says_what_it_is_there_for() {
        let of = |wanted: &str, change: &dyn Fn(&mut Value)| {
            let mut bodies = include_str!("../../tests/golden/entries.jsonl").lines();
            let body = bodies.find(|body| body.contains(&format!("\"kind\":\"{wanted}\""))).unwrap();
            let mut body = serde_json::from_str(body).unwrap();
            change(&mut body);
            one_line(&Entry::parse(&body.to_string()).unwrap())
        };
        let rehearsal = of("session_opened", &|body| body["sandbox"] = true.into());
        assert!(rehearsal.contains("sandbox"), "{rehearsal}");
        let real = of("session_opened", &|body| body["sandbox"] = false.into());
        assert!(!real.contains("sandbox") && real.contains("amelie@bastion"), "{real}");
        let noted = |kinds: &[&str]| {
            let notes: Vec<Value> =
                kinds.iter().map(|kind| json!({ "severity": "skip", "note": kind, "text": "t" })).collect();
            of("intent_recorded", &|body| {
                body["line"]["notes"] = notes.clone().into();
                body.as_object_mut().unwrap().remove("today");
            })
        };
        let (two, none) = (noted(&["in_use", "drift"]), noted(&[]));
        assert_eq!(two, format!("{none} (in_use, drift)"));
        let polled = |status: &str| of("operation_polled", &|body| body["operation"]["status"] = status.into());
        assert!(polled("Completed").contains("Completed") && polled("Failed").contains("Failed"));
        let id = "0198c0de-0000-4000-8000-00000000abcd";
        let named = of("operation_polled", &|body| body["operation_id"] = id.into());
        assert!(named.contains(id), "{named}");
        let placed =
            of("observed", &|body| (body["account"], body["region"]) = ("123456789012".into(), "eu-west-3".into()));
        assert!(placed.contains("123456789012/eu-west-3"), "{placed}");
    }
}
