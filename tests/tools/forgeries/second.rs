//! A second journal, with the kinds of entries that the first one lacks: of plans that were signed and approved, checkpoints that were handed
//! to a command, what a session was told, and CloudTrail's records. Every field of each such entry is forged, with the whole tree to match.

use std::sync::OnceLock;

use keybatch::domain::{OutcomeCounts, sha256};
use keybatch::record::checkpoint::base64;
use keybatch::record::event::Event;
use keybatch::record::{Draft, Entry};
use serde_json::{Value, json};

use super::forged::Forgery;
use super::journals::{Copy, Sample, bodies, resealed, run};
use super::pasts::{rewritten, with_its_roots};
use super::signed::{begin, borrowed, close, drafts, finish};
use crate::campaign;
use crate::story::{Place, event_of};

/// The kinds of entries that are forged, and how the forgeries of their fields are called.
const KINDS: [(&str, &str); 6] = [
    ("plan_signed", "a field of plan_signed"),
    ("plan_approved", "a field of plan_approved"),
    ("checkpoint_anchored", "a field of checkpoint_anchored"),
    ("control_used", "a field of control_used"),
    ("reconciled", "a field of reconciled"),
    ("row_resolved", "a field of row_resolved"),
];

/// Two runs of signed plans, one whose row is in doubt until CloudTrail's record says what became of it, and then a person.
pub(super) fn second() -> &'static Sample {
    static SECOND: OnceLock<Sample> = OnceLock::new();
    SECOND.get_or_init(|| {
        run(async {
            let place = Place::new();
            let journal = place.journal().await;
            let (told, then) = story();
            for draft in told {
                journal.append(vec![draft]).await.unwrap();
            }
            for ended in [
                json!({ "program": "git", "elapsed_ms": 3, "exit_code": 0, "receipt": "commit 4f2a\n" }),
                json!({ "program": "git", "elapsed_ms": 3, "exit_code": 1, "failure": "exit", "detail": "no remote" }),
                json!({ "program": "tsa", "elapsed_ms": 30_000, "failure": "timeout", "receipt_base64": "MIL/", "receipt_bytes": 9 }),
            ] {
                let made = journal.checkpoint().await.unwrap();
                let mut fields = ended;
                (fields["size"], fields["root"]) = (made.size.into(), base64(&made.root).into());
                journal.append(vec![Draft::of(event_of("checkpoint_anchored", &fields))]).await.unwrap();
            }
            for draft in then {
                journal.append(vec![draft]).await.unwrap();
            }
            let checkpoint = journal.close().await.unwrap();
            let bodies = bodies(&place.path()).await;
            let has = |kind: &str| bodies.iter().any(|body| body.contains(&format!("\"kind\":\"{kind}\"")));
            assert!(KINDS.iter().all(|(kind, _)| has(kind)), "a journal with each of these kinds");
            Sample { file: std::fs::read(place.path()).unwrap(), checkpoint, bodies }
        })
    })
}

/// What is written before the checkpoints are handed over, and after that.
fn story() -> (Vec<Draft>, Vec<Draft>) {
    let (mut told, _) = drafts();
    // The number of an entry is that of its place: only the journal's first entry is before them.
    let opened = told.len() as u64 + 1;
    begin(&mut told, 3, true, |_| Vec::new());
    let intent = opened + 3;
    let control = |what: &str| {
        // Through a database, or through a socket.
        let mut fields = match what {
            "continue" => json!({ "what": what, "by": "amelie@laptop", "database_role": "operators" }),
            _ => json!({ "what": what, "by": "amelie", "uid": 1000 }),
        };
        if what == "rate" {
            fields["per_s"] = "2.500".into();
        }
        Draft::of(event_of("control_used", &fields))
    };
    told.extend(["rate", "pause", "continue"].map(control));
    let of_row = |event| Draft { run: None, row: Some(1), event };
    told.push(of_row(borrowed("attempt_started", Some(8))));
    let unanswered = told.len() as u64 + 1;
    told.push(of_row(borrowed("attempt_finished", Some(8))));
    told.push(control("pause"));
    told.push(of_row(borrowed("observed", Some(8))));
    let doubt = told.len() as u64 + 1;
    let settled = json!({ "outcome": "in_doubt", "evidence": "tried", "rests_on": [intent, unanswered, doubt - 1] });
    told.push(of_row(event_of("row_settled", &settled)));
    let counts = OutcomeCounts { in_doubt: 1, ..OutcomeCounts::default() };
    told.push(control("stop"));
    finish(&mut told, serde_json::to_value(counts).unwrap());

    let mut then = Vec::new();
    close(&mut then, 1);
    let alone = |then: &mut Vec<Draft>, command: &str, events: Vec<(Option<u64>, Event)>| {
        let fields = json!({ "session_id": format!("{command} 1"), "command": command, "version": "0.1.0", "host": "h", "user": "u", "pid": 1,
                             "sandbox": false, "settings": {}, "settings_sha256": sha256(b"{}") });
        then.push(Draft::of(event_of("session_opened", &fields)));
        then.extend(events.into_iter().map(|(row, event)| Draft { run: Some(opened), row, event }));
        close(then, 0);
    };
    let file = json!({ "name": "trail.json", "sha256": sha256(b"{}"), "bytes": 2 });
    let reconciled = json!({
        "files": [file, file], "file_count": 2, "files_sha256": sha256(b"files"), "from": "2026-09-21T14:13:20Z",
        "until": "2026-09-21T14:13:38Z", "records": 7, "events": 3, "unreadable": 1, "unexplained": 1, "resolves": 1, "by": "u",
        "attempts": { "confirmed": 0, "not_seen": 0, "contradicted": 1, "not_sent": 0 },
        "contradictions": [{ "row": 1, "attempt": 1, "says": ["another_time", "succeeded"], "event_id": "e-1" }],
        "findings": [{ "event_id": "e-2", "event_time": "2026-09-21T14:13:30Z", "key_pair_name": "ci", "account": "123456789012",
                       "region": "us-east-1", "by": "arn", "source_ip": "203.0.113.7", "user_agent": "aws-cli",
                       "error_code": "AccessDenied", "why": "another_caller" }],
    });
    let resolved = |evidence: &str, outcome: &str, rests_on: &[u64]| {
        let mut fields = json!({ "outcome": outcome, "evidence": evidence, "because": "the record of e-1", "by": "u", "file": file,
                                 "rests_on": rests_on });
        if evidence == "cloudtrail" {
            fields["event_id"] = "e-1".into();
        }
        event_of("row_resolved", &fields)
    };
    let by_record = resolved("cloudtrail", "deleted", &[intent, doubt]);
    alone(&mut then, "reconcile", vec![(None, event_of("reconciled", &reconciled)), (Some(1), by_record)]);
    alone(&mut then, "resolve", vec![(Some(1), resolved("person", "in_doubt", &[intent, unanswered, doubt]))]);
    (told, then)
}

/// The same value with one thing changed, each thing in turn, and where that is.
fn changed(value: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let mut add = |value: Value| all.push((String::new(), value));
    match value {
        Value::Null => {}
        Value::Bool(is) => add((!is).into()),
        Value::Number(number) => {
            let number = number.as_i64().unwrap();
            add((number + 1).into());
            add((number - 1).into());
            add(number.to_string().into());
        }
        Value::String(text) => {
            add("".into());
            add(with_another_letter(text).into());
            add(1.into());
        }
        Value::Array(items) => {
            add(json!([]));
            add(items.iter().chain(items.first()).cloned().collect::<Vec<_>>().into());
            add(items.iter().rev().cloned().collect::<Vec<_>>().into());
            for (at, item) in items.iter().enumerate() {
                for (place, item) in changed(item) {
                    let mut items = items.clone();
                    items[at] = item;
                    all.push((format!("[{at}]{place}"), items.into()));
                }
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let mut fewer = fields.clone();
                fewer.remove(name);
                all.push((format!(".{name}"), fewer.into()));
                for (place, field) in changed(field) {
                    let mut fields = fields.clone();
                    fields.insert(name.clone(), field);
                    all.push((format!(".{name}{place}"), fields.into()));
                }
            }
        }
    }
    all
}

/// The same text with another letter in its middle.
fn with_another_letter(text: &str) -> String {
    let middle = text.chars().count() / 2;
    let other = |letter| if letter == 'A' { 'B' } else { 'A' };
    text.chars().enumerate().map(|(at, letter)| if at == middle { other(letter) } else { letter }).collect()
}

/// Forgeries of the second journal, by somebody who can make every hash, number and root anew. Only a checkpoint shows all of them.
pub(super) fn of_each_kind() -> Vec<Forgery> {
    let (copy, sample) = (Copy::of(&second().file), second());
    let mut all = Vec::new();
    let mut add = |kind: &'static str, bodies: &[String]| {
        if with_its_roots(bodies) != sample.bodies {
            all.push((kind, rewritten(&copy, sample, bodies)));
        }
    };
    let values: Vec<Value> = sample.bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    for (seq, value) in values.iter().enumerate() {
        let Some((_, of_field)) = KINDS.iter().find(|(kind, _)| value["kind"] == *kind) else { continue };
        let step = campaign::size(4, 2);
        for (place, forged) in changed(value).into_iter().skip(seq % step).step_by(step) {
            let mut bodies = sample.bodies.clone();
            bodies[seq] = serde_json_canonicalizer::to_string(&forged).unwrap();
            let is_signature = place.starts_with(".signature") && forged["signature"].is_string();
            add(if is_signature { "a signature over a plan" } else { of_field }, &bodies);
        }
        let mut told = values.clone();
        told.remove(seq);
        add("an entry left out of the whole tree", &resealed(&told));
        told = values.clone();
        let mut double = values[seq].clone();
        // Nothing refers to it.
        double["seq"] = 9_999.into();
        told.insert(seq + 1, double);
        // A session may be told the same thing twice: only the tables, which verify.py does not read, show that it was not.
        if value["kind"] != "control_used" {
            add("an entry twice in the whole tree", &resealed(&told));
        }
        for other in [seq - 1, seq + 1].into_iter().filter(|other| *other < values.len()) {
            told = values.clone();
            told.swap(seq, other);
            add("entries exchanged in the whole tree", &resealed(&told));
        }
    }
    all
}

/// Every entry of the second journal is read as it is written, so that a forgery differs from it by what was forged alone.
pub(super) fn is_untouched_by_making_it_anew() -> bool {
    let values: Vec<Value> = second().bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    let is_entry = |body: &String| Entry::parse(body).is_ok();
    second().bodies.iter().all(is_entry)
        && resealed(&values) == second().bodies
        && with_its_roots(&second().bodies) == second().bodies
}
