//! Lies told by somebody who knows the format: every hash, root and count is right, but what an entry says does not follow
//! from what it kept, or nobody can have written it there.

use keybatch::domain::RawBody;
use keybatch::record::event::PlanSealed;
use keybatch::record::plan::{PlanRow, Sealing};
use keybatch::record::{Entry, Event};
use keybatch::verify::Verdict;
use serde_json::{Value, json};

use super::sample::{Copy, renumbered, run, sample};

/// The number of the entry of this kind and row, the last of those there are.
fn place(kind: &str, row: Option<u64>) -> usize {
    let is_meant = |body: &String| {
        let body: Value = serde_json::from_str(body).unwrap();
        body["kind"] == kind && body["row"].as_u64() == row
    };
    sample().bodies.iter().rposition(is_meant).unwrap_or_else(|| panic!("{kind} {row:?}"))
}

/// `body` with these fields; null takes one out.
fn told(body: &str, fields: &Value) -> String {
    let mut body: Value = serde_json::from_str(body).unwrap();
    let whole = body.as_object_mut().unwrap();
    whole.extend(fields.as_object().unwrap().clone());
    whole.retain(|_, value| !value.is_null());
    serde_json_canonicalizer::to_string(&body).unwrap()
}

#[track_caller]
fn convicted(copy: &Copy, what: &str, bodies: &[String], bad: usize) {
    copy.put(&sample().file);
    run(copy.rewrite(bodies));
    let report = run(copy.verified(None, false));
    let named = (report.verdict, report.first_bad);
    assert_eq!(named, (Verdict::IllegalHistory, Some(bad as u64)), "{what}: {report:?}");
}

#[track_caller]
fn lie(copy: &Copy, what: &str, seq: usize, fields: &Value) {
    let mut bodies = sample().bodies.clone();
    bodies[seq] = told(&bodies[seq], fields);
    convicted(copy, what, &bodies, seq);
}

/// The plan's line in an intent, told otherwise.
fn line(body: &str, fields: &Value) -> Value {
    let body: Value = serde_json::from_str(body).unwrap();
    let told: Value = serde_json::from_str(&told(&body["line"].to_string(), fields)).unwrap();
    json!({ "line": told })
}

#[track_caller]
fn lie_of_line(copy: &Copy, what: &str, seq: usize, fields: &Value) {
    lie(copy, what, seq, &line(&sample().bodies[seq], fields));
}

fn body(value: &Value) -> Value {
    json!(RawBody::new(value.to_string().as_bytes()))
}

fn with(fields: &Value, more: &Value) -> Value {
    let mut whole = fields.as_object().unwrap().clone();
    whole.extend(more.as_object().unwrap().clone());
    whole.into()
}

#[test]
fn an_answer_is_not_another_one() {
    let copy = Copy::new();
    let of = |row| place("attempt_finished", Some(row));
    let nothing =
        json!({ "json": null, "op_created_at": null, "op_changed_at": null, "outcome": null, "evidence": null });
    let timeout = json!({ "cause": "timeout", "http_status": null });
    let refused = json!({ "cause": "error", "error": { "type": "InvalidInputException" } });
    let lies = [
        ("a timeout told as deleted", 1, with(&nothing, &timeout)),
        ("a refusal told as deleted", 1, with(&nothing, &with(&refused, &json!({ "http_status": 400 })))),
        ("a success without an operation", 1, nothing.clone()),
        ("a success with an error", 1, json!({ "error": { "message": "timeout" } })),
        ("a success with the cause of an error", 1, json!({ "cause": "timeout" })),
        ("a success under a status of 500", 1, json!({ "http_status": 500 })),
        ("a success whose body says nothing of it", 1, body(&json!({ "operation": {} }))),
        ("a success told as not found", 1, json!({ "class": "not_found" })),
        ("a success told as throttled", 1, json!({ "class": "throttled" })),
        ("a success told as unanswered", 1, json!({ "class": "unanswered", "cause": "no_operation" })),
        ("a timeout told as never sent", 3, json!({ "class": "not_sent" })),
        ("a timeout told as refused", 3, json!({ "class": "refused" })),
        ("a refusal told as not found", 7, json!({ "class": "not_found" })),
        ("an operation of another key pair", 1, {
            let name = "key-9";
            let operation = json!({ "id": "op", "resource_name": name, "resource_type": "KeyPair", "is_terminal": true,
                                    "operation_type": "DeleteKeyPair", "status": "Succeeded" });
            let sent = json!({ "id": "op", "resourceName": name, "isTerminal": true, "operationType": "DeleteKeyPair",
                               "status": "Succeeded" });
            with(&json!({ "operation": operation }), &body(&json!({ "operation": sent })))
        }),
        ("an operation that failed", 1, {
            let sent = json!({ "id": "op", "resourceName": "key-1", "isTerminal": true, "operationType": "DeleteKeyPair",
                               "status": "Failed" });
            body(&json!({ "operation": sent }))
        }),
    ];
    for (what, row, fields) in lies {
        lie(&copy, what, of(row), &fields);
    }
}

#[test]
fn a_reading_is_not_another_one() {
    let copy = Copy::new();
    let of = |row| place("observed", Some(row));
    let pair = json!({ "keyPair": { "name": "key-10", "arn": "arn:99" } });
    let other = json!({ "observation": { "arn": "arn:99", "at": "2026-01-01T00:00:00Z" } });
    lie(&copy, "the same told as another", of(10), &json!({ "found": "other" }));
    lie(&copy, "the same told as gone", of(10), &json!({ "found": "not_found" }));
    lie(&copy, "another told as the same", of(10), &with(&other, &body(&pair)));
    lie(&copy, "the same, and the body shows another", of(10), &body(&pair));
    lie(&copy, "nothing told as the same", of(8), &json!({ "found": "same" }));
    lie(&copy, "nothing told as gone", of(8), &json!({ "found": "not_found" }));
    lie(&copy, "a key pair found in the history", of(10), &json!({ "source": "get_operations_for_resource" }));
    lie(&copy, "an operation that is none", of(3), &json!({ "found": "no_operation" }));
    lie(&copy, "an operation that is not over", of(3), &json!({ "found": "unfinished" }));
    lie(&copy, "no operation told as one", of(2), &json!({ "found": "operation" }));
    lie(&copy, "an instance told as a key pair", of(8), &json!({ "source": "get_instances" }));
    let polled = place("operation_polled", Some(6));
    lie(&copy, "another operation was asked for", polled, &json!({ "operation_id": "op-2" }));
    lie(&copy, "one that is over told as pending", polled, &json!({ "class": "pending" }));
}

/// Row 3 was asked for without an answer, and the history shows that the operation of that request succeeded; that of row 2 is
/// empty.
#[test]
fn a_history_is_not_another_one() {
    let copy = Copy::new();
    let of = |row| place("observed", Some(row));
    let nothing = json!({ "operation": null });
    let told = |found: &str| with(&nothing, &json!({ "found": found }));
    lie(&copy, "our operation told as none", of(3), &told("no_operation"));
    lie(&copy, "our operation told as no answer", of(3), &told("no_answer"));
    let unreadable = json!({ "cause": "unreadable" });
    lie(&copy, "our operation told as unreadable", of(3), &with(&told("no_answer"), &unreadable));
    lie(&copy, "an empty history told as no answer", of(2), &json!({ "found": "no_answer" }));
    lie(&copy, "an empty history told as unreadable", of(2), &with(&told("no_answer"), &unreadable));
    lie(&copy, "a history without an answer", of(2), &json!({ "json": null, "http_status": null }));
    // An operation of somebody else, in the entry as in its body.
    let operation = |fields: [Value; 2]| {
        let told = json!({ "id": "op", "resource_name": "key-3", "operation_type": "DeleteKeyPair", "is_terminal": true,
                           "status": "Succeeded", "created_at": "2026-09-21T14:13:20.500Z" });
        let sent = json!({ "id": "op", "resourceName": "key-3", "operationType": "DeleteKeyPair", "isTerminal": true,
                           "status": "Succeeded", "createdAt": 1_790_000_000.5 });
        let sent = with(&sent, &fields[1]);
        let told = with(&told, &fields[0]);
        with(&json!({ "operation": told }), &body(&json!({ "operations": [sent] })))
    };
    let created = |at: &str, seconds: f64| operation([json!({ "created_at": at }), json!({ "createdAt": seconds })]);
    lie(&copy, "one from before our request", of(3), &created("2026-09-21T14:13:10.500Z", 1_789_999_990.5));
    lie(&copy, "one from after our request", of(3), &created("2026-09-21T14:13:50.500Z", 1_790_000_030.5));
    let other = [json!({ "resource_name": "key-1" }), json!({ "resourceName": "key-1" })];
    lie(&copy, "one on another name", of(3), &operation(other));
    let other = [json!({ "operation_type": "CreateKeyPair" }), json!({ "operationType": "CreateKeyPair" })];
    lie(&copy, "one of another kind", of(3), &operation(other));
    let going =
        [json!({ "is_terminal": false, "status": "Started" }), json!({ "isTerminal": false, "status": "Started" })];
    let going = operation(going);
    lie(&copy, "one that has not ended, told as none", of(3), &with(&going, &told("no_operation")));
    lie(&copy, "one that has not ended, told as ours", of(3), &going);
}

/// Row 10 was read after its request, and its key pair was still there.
#[test]
fn a_key_pair_that_was_read_is_not_kept_back() {
    let copy = Copy::new();
    let read = place("observed", Some(10));
    lie(&copy, "shown, and no answer", read, &json!({ "found": "no_answer" }));
    let unreadable = json!({ "found": "no_answer", "observation": null, "cause": "unreadable" });
    lie(&copy, "shown, and unreadable", read, &unreadable);
    let timed = json!({ "keyPair": { "name": "key-10", "arn": "arn:10", "createdAt": 1_790_000_000.5 } });
    lie(&copy, "created at another time", read, &body(&timed));
}

#[test]
fn nobody_plans_to_delete_what_was_not_meant() {
    let copy = Copy::new();
    let of = |row| place("intent_recorded", Some(row));
    let note = |severity: &str| json!({ "notes": [{ "severity": severity, "note": "drift_arn", "text": "another" }] });
    lie_of_line(&copy, "although it was to be skipped", of(1), &note("skip"));
    lie_of_line(&copy, "although the plan was refused", of(1), &note("refuse"));
    let expecting = |what: &str, text: &str| json!({ "conditions": { what: text } });
    lie_of_line(&copy, "although its fingerprint is another", of(1), &expecting("expected_fingerprint", "aa"));
    lie_of_line(&copy, "although its arn is another", of(1), &expecting("arn", "arn:2"));
    lie_of_line(&copy, "although its account is another", of(1), &expecting("account_id", "1"));
    lie_of_line(&copy, "of another account", of(1), &json!({ "account": "210987654321" }));
    lie_of_line(&copy, "of another row", of(1), &json!({ "row": 2 }));
    lie_of_line(&copy, "what nobody saw", of(1), &json!({ "observation": null }));
    lie_of_line(&copy, "what nobody can tell apart", of(1), &json!({ "observation": {} }));
    lie_of_line(&copy, "nor skips without a note", of(4), &json!({ "notes": null }));
    let skipped = |kind: &str| json!({ "notes": [{ "severity": "skip", "note": kind, "text": "so it is" }] });
    let hidden = |kind: &str| {
        let mut fields = skipped(kind);
        fields["verdict"] = "skip".into();
        fields
    };
    lie_of_line(&copy, "a skip for a drift that is none", of(1), &hidden("drift_arn"));
    lie_of_line(&copy, "a skip for an identity that is known", of(1), &hidden("identity_unknown"));
    lie_of_line(&copy, "a skip for what no guard notes", of(1), &hidden("because"));
    lie_of_line(&copy, "an invalid row that nobody ordered to skip", of(1), &hidden("invalid_row"));
    lie_of_line(&copy, "a drift that is kept quiet", of(4), &expecting("arn", "arn:2"));
    lie(&copy, "what no page showed", of(1), &json!({ "page": null }));
    for page in [0, 4, 5, 9_999] {
        lie(&copy, "what a page of another kind or region showed", of(1), &json!({ "page": page }));
    }
    lie(&copy, "what a page showed that showed nothing", of(5), &json!({ "page": 3 }));
    // Two rows that ask for the same key pair, under a plan with the right root.
    let mut bodies = sample().bodies.clone();
    bodies[of(2)] = told(&bodies[of(2)], &line(&bodies[of(2)], &json!({ "name": "key-1", "region": "us-east-1" })));
    bodies[of(2)] = told(&bodies[of(2)], &json!({ "page": 3 }));
    let mut sealing = Sealing::default();
    let mut sealed: PlanSealed = serde_json::from_str(&bodies[place("plan_sealed", None)]).unwrap();
    for body in &bodies[of(1)..=of(10)] {
        let Event::IntentRecorded(intent) = Entry::parse(body).unwrap().event else { panic!("{body}") };
        let PlanRow { account, region, verdict, .. } = &intent.line;
        sealing.push(account, region, *verdict, intent.line.leaf().unwrap());
    }
    sealed.seal = sealing.seal(&sealed.header).unwrap();
    let seq = place("plan_sealed", None);
    bodies[seq] = told(&bodies[seq], &json!({ "seal": sealed.seal }));
    let seq = place("run_started", None);
    bodies[seq] = told(&bodies[seq], &json!({ "plan_root": sealed.seal.root }));
    convicted(&copy, "twice the same", &bodies, of(2));
}

#[test]
fn an_outcome_rests_on_what_it_needs() {
    let copy = Copy::new();
    let (intent, settled) = (place("intent_recorded", Some(9)), place("row_settled", Some(9)));
    lie(&copy, "on nothing", settled, &json!({ "rests_on": [] }));
    lie(&copy, "on the plan alone", settled, &json!({ "rests_on": [intent] }));
    lie(&copy, "not on the plan", settled, &json!({ "rests_on": [settled - 1] }));
}

#[test]
fn no_rule_is_lifted_in_silence() {
    let copy = Copy::new();
    let opened = serde_json::from_str::<Value>(&sample().bodies[1]).unwrap();
    let first = place("intent_recorded", Some(1));
    for setting in ["skip_invalid", "allow_default_key_pair"] {
        let mut settings = opened["settings"].clone();
        settings[setting] = "true".into();
        let digest = keybatch::domain::sha256(settings.to_string().as_bytes());
        let mut bodies = sample().bodies.clone();
        bodies[1] = told(&bodies[1], &json!({ "settings": settings, "settings_sha256": digest }));
        convicted(&copy, setting, &bodies, first);
    }
    // The second run is of a manifest of its own; the first one was never told to repeat anything.
    lie(
        &copy,
        "an override that nothing calls for",
        place("rate_changed", None),
        &json!({ "kind": "override_used",
        "override": "again", "by": "user", "account": null, "region": null, "from_per_s": null, "to_per_s": null,
        "learned_per_s": null, "learned_is_limit": null, "why": null }),
    );
}

#[test]
fn a_session_is_one_process() {
    let copy = Copy::new();
    let opened = |number: usize| {
        let sessions = (0..).zip(&sample().bodies).filter(|(_, body)| body.contains("\"kind\":\"session_opened\""));
        sessions.map(|(seq, _)| seq).nth(number).unwrap()
    };
    lie(&copy, "of another account", opened(1), &json!({ "account": "210987654321" }));
    lie(&copy, "at another endpoint", opened(1), &json!({ "endpoint": "https://lightsail.{region}.amazonaws.com" }));
    lie(&copy, "under another policy", opened(1), &json!({ "policy_sha256": "d" }));
    lie(&copy, "no rehearsal any more", opened(1), &json!({ "sandbox": false }));
    lie(&copy, "with other settings", opened(1), &json!({ "settings": { "rate": "50/s" } }));
    lie(&copy, "of an id that there was", opened(1), &json!({ "session_id": "s1" }));
    let closed = (0..).zip(&sample().bodies).find(|(_, body)| body.contains("\"kind\":\"session_closed\"")).unwrap().0;
    for delete in [0, 2] {
        let requests = json!({ "delete": delete, "read": 0, "throttled": 0 });
        lie(&copy, "that counts otherwise", closed, &json!({ "requests": requests }));
    }
}

#[test]
fn words_and_numbers_are_written_in_one_way() {
    let copy = Copy::new();
    let started = place("run_started", None);
    let bodies = &sample().bodies;
    let run_id = serde_json::from_str::<Value>(&bodies[1]).unwrap()["run_id"].as_str().unwrap().to_owned();
    for spelling in
        [run_id.to_uppercase(), run_id.replace('-', ""), format!("{{{run_id}}}"), format!("urn:uuid:{run_id}")]
    {
        lie(&copy, &spelling, 1, &json!({ "run_id": spelling }));
    }
    for at in [
        "2026-09-21T14:13:20.000000000Z",
        "2026-09-21t14:13:20.000000Z",
        "2026-09-21 14:13:20.000000Z",
        "2026-12-31T23:59:60.000000Z",
    ] {
        lie(&copy, at, place("attempt_started", Some(1)), &json!({ "at": at }));
        lie(&copy, at, started, &json!({ "at": at }));
    }
    lie(&copy, "no version", place("attempt_started", Some(1)), &json!({ "v": 0 }));
    lie(&copy, "confirmed by nobody", started, &json!({ "confirmed_by": "nobody" }));
    lie(&copy, "stopped for nothing", place("run_stopped", None), &json!({ "why": "because" }));
    lie(
        &copy,
        "a word that says that it is unknown",
        place("attempt_finished", Some(1)),
        &json!({ "class": "unknown variant" }),
    );
}

/// The order of what is right by itself.
#[test]
fn nothing_is_written_where_nobody_can_write_it() {
    let copy = Copy::new();
    let moved = |from: usize, to: usize| {
        let mut bodies = sample().bodies.clone();
        let body = bodies.remove(from);
        bodies.insert(to, body);
        renumbered(&bodies)
    };
    let stopped = (0..).zip(&sample().bodies).find(|(_, body)| body.contains("\"why\":\"signal\"")).unwrap().0;
    let settled = place("row_settled", Some(7));
    // Behind the stop of its session nothing more is done, and the entry that was behind it comes first.
    convicted(&copy, "work after the stop", &moved(stopped, settled), settled + 1);
    let ingested = place("manifest_ingested", None);
    convicted(
        &copy,
        "a plan before its manifest",
        &moved(ingested, place("intent_recorded", Some(3))),
        place("intent_recorded", Some(1)) - 1,
    );
}
