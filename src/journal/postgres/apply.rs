//! The changes of a batch as arguments of `keybatch.append`, which applies them in the order of [`Changes`].

use serde_json::{Map, Value, json};

use super::literal::{numbers, text, texts};
use crate::domain::time_text;
use crate::journal::changes::{Change, Changes, NewRun};

/// The arguments for what a batch changes, by name; what does not change needs none.
pub(super) fn arguments(changes: &Changes<'_>) -> Vec<String> {
    let mut all = Vec::new();
    if !changes.small.is_empty() {
        let small: Vec<_> = changes.small.iter().map(small).collect();
        all.push(format!("small => {}", text(&Value::from(small).to_string())));
    }
    let mut put = |name: &str, array: String| all.push(format!("{name} => {array}"));
    if !changes.intents.is_empty() {
        let new = || changes.intents.iter();
        put("intent_run", numbers(new().map(|new| new.run)));
        put("intent_row", numbers(new().map(|new| new.row)));
        put("intent_target", numbers(new().map(|new| new.target)));
        put("intent_name", texts(new().map(|new| new.name)));
        put("intent_verdict", texts(new().map(|new| new.verdict.as_str())));
        put("intent_seq", numbers(new().map(|new| new.seq)));
    }
    if !changes.attempts.is_empty() {
        let new = || changes.attempts.iter();
        put("attempt_run", numbers(new().map(|new| new.run)));
        put("attempt_row", numbers(new().map(|new| new.row)));
        put("attempt_attempt", numbers(new().map(|new| new.attempt.into())));
        put("attempt_seq", numbers(new().map(|new| new.seq)));
    }
    if !changes.finished.is_empty() {
        let end = || changes.finished.iter();
        put("ended_run", numbers(end().map(|end| end.run)));
        put("ended_row", numbers(end().map(|end| end.row)));
        put("ended_attempt", numbers(end().map(|end| end.attempt.into())));
        put("ended_seq", numbers(end().map(|end| end.seq)));
        put("ended_class", texts(end().map(|end| end.class.as_str())));
    }
    if !changes.row_entries.is_empty() {
        let new = || changes.row_entries.iter();
        put("other_run", numbers(new().map(|new| new.run)));
        put("other_row", numbers(new().map(|new| new.row)));
        put("other_seq", numbers(new().map(|new| new.seq)));
    }
    if !changes.settled.is_empty() {
        let end = || changes.settled.iter();
        put("decided_run", numbers(end().map(|end| end.run)));
        put("decided_row", numbers(end().map(|end| end.row)));
        put("decided_seq", numbers(end().map(|end| end.seq)));
        put("decided_outcome", texts(end().map(|end| end.outcome.as_str())));
        put("decided_evidence", texts(end().map(|end| end.evidence.as_str())));
    }
    all
}

/// A change of a small table, in the words of `keybatch.change`.
fn small(change: &Change<'_>) -> Value {
    let (is, mut fields) = match change {
        Change::Run(new) => ("run", run(new)),
        Change::Session { run } => ("session", json!({ "run": run })),
        Change::State { run, state, stopped_by, finished_at } => {
            let finished_at = finished_at.map(time_text);
            (
                "state",
                json!({ "run": run, "state": state.as_str(), "stopped_by": stopped_by, "finished_at": finished_at }),
            )
        }
        Change::Manifest { run, seq, name, sha256, rows } => {
            ("manifest", json!({ "run": run, "seq": seq, "name": name, "sha256": sha256, "rows": rows }))
        }
        Change::Sealed { run, seq, plan_root } => ("sealed", json!({ "run": run, "seq": seq, "plan_root": plan_root })),
        Change::Started { run, seq } => ("started", json!({ "run": run, "seq": seq })),
        Change::Reads { run, requests, throttled } => {
            ("reads", json!({ "run": run, "requests": requests, "throttled": throttled }))
        }
        Change::Target { number, run, account, region } => {
            ("target", json!({ "number": number, "run": run, "account": account, "region": region }))
        }
        Change::Milestone { seq, run, kind } => ("milestone", json!({ "seq": seq, "run": run, "kind": kind })),
        Change::Rate { endpoint, account, region, rate_per_s, is_limit, seq } => {
            let is_limit = u8::from(*is_limit);
            let target = json!({ "endpoint": endpoint, "account": account, "region": region });
            (
                "rate",
                with(target, [("rate_per_s", json!(rate_per_s)), ("is_limit", json!(is_limit)), ("seq", json!(seq))]),
            )
        }
        Change::Resolved(end) => {
            let (outcome, evidence) = (end.outcome.as_str(), end.evidence.as_str());
            let row = json!({ "run": end.run, "row": end.row });
            (
                "resolved",
                with(row, [("seq", json!(end.seq)), ("outcome", json!(outcome)), ("evidence", json!(evidence))]),
            )
        }
        Change::Checkpoint { seq, size, root, made_at } => {
            ("checkpoint", json!({ "seq": seq, "size": size, "root": root, "made_at": time_text(*made_at) }))
        }
    };
    fields["is"] = is.into();
    fields
}

fn with<const N: usize>(fields: Value, more: [(&str, Value); N]) -> Value {
    let mut all: Map<String, Value> = fields.as_object().cloned().unwrap_or_default();
    all.extend(more.into_iter().map(|(key, value)| (key.to_owned(), value)));
    all.into()
}

fn run(new: &NewRun<'_>) -> Value {
    json!({
        "run": new.run,
        "id": new.id,
        "started_at": time_text(new.started_at),
        "account": new.account,
        "principal_arn": new.principal_arn,
        "operator": new.operator,
        "endpoint": new.endpoint,
        "sandbox": u8::from(new.sandbox),
        "reason": new.reason,
        "ticket": new.ticket,
    })
}
