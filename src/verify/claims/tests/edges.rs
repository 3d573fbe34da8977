//! What stands at the edge of a rule: the largest body that is kept whole, statuses beside those of a success, what a page or
//! a poll may lack, and who answered.

use super::*;
use crate::domain::{RAW_BODY_LIMIT_BYTES, SANDBOX_HEADER};

/// A body of just the length up to which all of it is kept.
fn as_long_as_kept(value: &Value) -> Value {
    let mut text = value.to_string();
    text.push_str(&" ".repeat(RAW_BODY_LIMIT_BYTES - text.len()));
    json!(RawBody::new(text.as_bytes()))
}

fn polled(class: &str, more: &Value) -> Result<Claimed, String> {
    let fields = json!({ "operation_id": "op", "class": class, "requests": 1, "elapsed_us": 1 });
    read("operation_polled", &merged(&[&fields, more]))
}

#[test]
fn a_body_counts_as_long_as_it_was_kept_whole() {
    let (done, failed) = (operation("Succeeded", true), operation("Failed", true));
    let told = |said: &Value| {
        let said = as_long_as_kept(&json!({ "operation": sent(said) }));
        finished(&merged(&[&answered("succeeded", &done), &said]))
    };
    assert!(told(&done).is_ok() && told(&failed).is_err());
    let told = |class: &str| {
        let said = as_long_as_kept(&json!({ "__type": "InvalidInputException" }));
        finished(&merged(&[&refused(class, "InvalidInputException"), &said]))
    };
    assert!(told("refused").is_ok() && told("not_found").is_err());
}

#[test]
fn a_redirection_is_no_success() {
    let redirected = json!({ "http_status": 300 });
    assert!(finished(&merged(&[&answered("succeeded", &operation("Succeeded", true)), &redirected])).is_err());
    let empty = json!({ "attempt": 1, "class": "unanswered", "elapsed_us": 1, "cause": "no_operation" });
    assert!(finished(&merged(&[&empty, &json!({ "http_status": 299 })])).is_ok());
    assert!(finished(&merged(&[&empty, &redirected])).is_err());
}

/// Each field of an operation is the one of the body that it was read from.
#[test]
fn an_operation_is_told_as_it_came() {
    let said = json!({
        "id": "op", "resourceName": NAME, "resourceType": "KeyPair", "createdAt": 1_603_388_001.123,
        "location": { "availabilityZone": "all", "regionName": "eu-central-1" }, "isTerminal": true,
        "operationDetails": "", "operationType": "DeleteKeyPair", "status": "Succeeded",
        "statusChangedAt": 1_603_388_001.5, "errorCode": "c", "errorDetails": "d",
    });
    let told = json!({
        "id": "op", "resource_name": NAME, "resource_type": "KeyPair", "created_at": "2020-10-22T17:33:21.123Z",
        "availability_zone": "all", "region_name": "eu-central-1", "is_terminal": true,
        "operation_details": "", "operation_type": "DeleteKeyPair", "status": "Succeeded",
        "status_changed_at": "2020-10-22T17:33:21.500Z", "error_code": "c", "error_details": "d",
    });
    let body = body(&json!({ "operation": said }));
    let read = |told: &Value| finished(&merged(&[&answered("succeeded", told), &body]));
    read(&told).unwrap();
    for field in told.as_object().unwrap().keys() {
        let others = match field.as_str() {
            "is_terminal" => [json!(false), Value::Null],
            "created_at" | "status_changed_at" => [json!("1999-01-01T00:00:00.000Z"), Value::Null],
            _ => [json!("mars"), Value::Null],
        };
        for other in others {
            let mut told = told.clone();
            told[field] = other.clone();
            assert!(read(&merged(&[&told])).is_err(), "{field}: {other}");
        }
    }
    let (mut told, mut said) = (told, said);
    said["errorDetails"] = "signature=(left out)".into();
    let whole = merged(&[&answered("succeeded", &told), &super::body(&json!({ "operation": said }))]);
    assert!(finished(&whole).is_err(), "no words in a body say that something was cut out of it");
    let cut = json!({ "json": null, "text": whole["json"], "cut": true });
    assert!(finished(&merged(&[&whole, &cut])).is_ok(), "that says the flag");
    told["created_at"] = "not a time".into();
    assert!(read(&told).is_err());
}

/// The times of an operation that stands in the body alone are those of the body.
#[test]
fn times_stand_beside_a_body_as_it_has_them() {
    let operation = |changed: f64| {
        json!({ "id": "op", "resourceName": NAME, "operationType": "DeleteKeyPair", "isTerminal": true,
                "status": "Succeeded", "createdAt": 1_603_388_001.123, "statusChangedAt": changed })
    };
    let (created, later) = ("2020-10-22T17:33:21.123Z", "2020-10-22T17:33:21.500Z");
    let told = |changed: f64, times: Value| {
        let fields = json!({ "attempt": 1, "class": "succeeded", "elapsed_us": 1, "http_status": 200 });
        finished(&merged(&[&fields, &body(&json!({ "operation": operation(changed) })), &times])).is_ok()
    };
    let (same, other) = (1_603_388_001.123, 1_603_388_001.5);
    assert!(told(same, json!({ "op_created_at": created })));
    assert!(told(other, json!({ "op_created_at": created, "op_changed_at": later })));
    assert!(!told(other, json!({ "op_created_at": created })) && !told(same, json!({ "op_created_at": later })));
    assert!(!told(same, json!({})) && !told(same, json!({ "op_created_at": created, "op_changed_at": later })));
}

#[test]
fn an_operation_is_the_delete_that_it_says() {
    let told = |class: &str, more: &Value| {
        let operation = merged(&[&operation("Succeeded", true), more]);
        finished(&merged(&[&answered(class, &operation), &json!({ "cause": null })]))
    };
    let (other, untyped) = (json!({ "operation_type": "CreateKeyPair" }), json!({ "operation_type": null }));
    assert!(told("succeeded", &other).is_err() && told("succeeded", &untyped).is_ok());
    // What says nothing of any delete says nothing of this name either.
    assert_eq!(told("unanswered", &other).unwrap().named, Named::Any);
    let over = json!({ "status": "Started", "is_terminal": true });
    assert!(told("operation_failed", &over).is_err() && told("unanswered", &over).is_ok());
    let nameless = json!({ "status": "Started", "is_terminal": false, "id": null });
    assert!(told("pending", &nameless).is_err() && told("unanswered", &nameless).is_ok());
}

#[test]
fn a_poll_without_a_result_is_unanswered() {
    let done = operation("Succeeded", true);
    let told = |class: &str, operation: &Value, said: &Value| {
        polled(class, &merged(&[&json!({ "http_status": 200, "operation": operation }), &body(said)]))
    };
    let nameless = merged(&[&done, &json!({ "id": null })]);
    assert_eq!(told("succeeded", &done, &json!({ "operation": sent(&done) })).unwrap().named, Named::Is(hash(NAME)));
    assert!(told("succeeded", &nameless, &json!({ "operation": sent(&nameless) })).is_ok());
    for said in [json!({}), json!({ "operation": sent(&operation("Started", false)) })] {
        assert!(told("succeeded", &done, &said).is_err(), "{said}");
    }
    let (expired, denied) = (error(400, "ExpiredTokenException"), error(400, "AccessDeniedException"));
    assert!(polled("refused_for_all", &expired).is_ok() && polled("refused_for_all", &denied).is_err());
    assert!(polled("unanswered", &denied).is_ok() && polled("not_found", &denied).is_err());
}

#[test]
fn a_key_pair_is_shown_by_an_answer_of_its_own_row() {
    let observation = json!({ "arn": "a", "fingerprint": "f", "at": "2026-01-01T00:00:00Z" });
    let pair = body(&json!({ "keyPair": { "name": NAME, "arn": "a", "fingerprint": "f" } }));
    let shown = merged(&[&json!({ "http_status": 200, "observation": observation }), &pair]);
    assert!(seen("same", "get_key_pair", &shown).is_ok());
    assert!(seen("same", "get_key_pair", &merged(&[&shown, &body(&json!({}))])).is_err());
    assert!(seen("no_answer", "get_key_pair", &merged(&[&shown, &json!({ "cause": "timeout" })])).is_err());
    assert!(read_of_target("listed", "get_key_pairs", &shown).is_err());
}

/// On the last page, unless what was found is not over and was on an earlier one. An error shows nothing.
#[test]
fn a_search_shows_what_it_found_on_its_last_page() {
    let (done, going) = (operation("Succeeded", true), operation("Started", false));
    let timeout = json!({ "cause": "timeout", "http_status": null });
    for (word, operation) in [("operation", &done), ("unfinished", &going)] {
        let earlier = word == "unfinished";
        for (requests, failed, holds) in [(1, false, false), (1, true, false), (2, false, earlier), (2, true, earlier)]
        {
            let fields = json!({ "requests": requests, "http_status": 200, "operation": operation });
            let more = if failed { timeout.clone() } else { body(&json!({ "operations": [] })) };
            let told = seen(word, "get_operations_for_resource", &merged(&[&fields, &more]));
            assert_eq!(told.is_ok(), holds, "{word} of {requests}, {failed}");
        }
    }
    let going = |more: &Value| {
        let operation = merged(&[&going, more]);
        let fields = json!({ "http_status": 200, "operation": operation });
        let said = body(&json!({ "operations": [sent(&operation)] }));
        seen("unfinished", "get_operations_for_resource", &merged(&[&fields, &said])).map(|claimed| claimed.named)
    };
    assert_eq!(going(&json!({})), Ok(Named::Is(hash(NAME))));
    assert_eq!(going(&json!({ "resource_name": null })), Ok(Named::Any));
    assert!(going(&json!({ "id": null })).is_err() && going(&json!({ "operation_type": "CreateKeyPair" })).is_err());
}

#[test]
fn who_answered_is_told_by_a_header() {
    let done = operation("Succeeded", true);
    let shown =
        merged(&[&json!({ "http_status": 200, "operation": done }), &body(&json!({ "operation": sent(&done) }))]);
    for (header, sandbox) in [(SANDBOX_HEADER, true), ("date", false)] {
        let headers = json!({ "headers": { header: "1" } });
        let told = [
            finished(&merged(&[&answered("succeeded", &done), &headers])),
            polled("succeeded", &merged(&[&shown, &headers])),
            seen("no_answer", "get_key_pair", &merged(&[&json!({ "cause": "timeout" }), &headers])),
        ];
        assert_eq!(told.map(|claimed| claimed.unwrap().sandbox), [sandbox; 3], "{header}");
    }
}

#[test]
fn the_gravest_note_counts() {
    let note = |severity: &str| json!({ "severity": severity, "note": "in_use", "text": "t" });
    for notes in [["warn", "skip"], ["skip", "warn"]] {
        let line = json!({ "verdict": "skip", "notes": notes.map(note), "observation": { "arn": "a" } });
        assert!(planned(&line).is_ok(), "{notes:?}");
    }
}

#[test]
fn sessions_starts_and_stops_say_known_words() {
    let session = |digest: &str| {
        let fields = json!({ "session_id": "s", "command": "run", "version": "0.1.0", "host": "h", "user": "u", "pid": 1,
                             "sandbox": true, "settings": { "rate": "5/s" }, "settings_sha256": digest });
        read("session_opened", &fields)
    };
    let digest = crate::domain::sha256(br#"{"rate":"5/s"}"#);
    assert!(session(&digest).is_ok() && session(&digest.to_uppercase()).is_err());
    let started = |by: &str| {
        let settings = crate::domain::Settings::default();
        let deletes = u64::from(by != "nothing_to_delete");
        read("run_started", &json!({ "plan_root": "r", "deletes": deletes, "confirmed_by": by, "settings": settings }))
    };
    for by in ["yes", "confirm", "prompt", "nothing_to_delete"] {
        assert!(started(by).is_ok(), "{by}");
    }
    let stopped = |why: &str| read("run_stopped", &json!({ "why": why }));
    for why in StopReason::ALL {
        let why = why.as_str();
        assert!(stopped(why).is_ok(), "{why}");
    }
    let alone = |why: &str| {
        let target = json!({ "account": "1", "region": "r", "why": why });
        read("run_stopped", &json!({ "why": "breaker", "targets": [target] }))
    };
    for why in TargetStopReason::ALL {
        assert!(alone(why.as_str()).is_ok(), "{why}");
    }
    assert!(started("nobody").is_err() && stopped("because").is_err() && alone("because").is_err());
    let settings = crate::domain::Settings::default();
    let unasked = json!({ "plan_root": "r", "deletes": 1, "confirmed_by": "nothing_to_delete", "settings": settings });
    assert!(read("run_started", &unasked).is_err());
    let called = |sandbox: bool, arn: &str| {
        let fields = json!({ "session_id": "s", "command": "run", "version": "0.1.0", "host": "h", "user": "u", "pid": 1,
                             "caller_arn": arn, "sandbox": sandbox, "settings": {},
                             "settings_sha256": crate::domain::sha256(b"{}") });
        read("session_opened", &fields).is_ok()
    };
    let (rehearsal, real) = ("arn:aws-sandbox:sts::1:assumed-role/r/s", "arn:aws:sts::1:assumed-role/r/s");
    assert!(called(true, rehearsal) && called(true, real) && called(false, real) && !called(false, rehearsal));
}

fn identity(arn: &str, created: &str, fingerprint: &str) -> Identity {
    let some = |text: &str| (!text.is_empty()).then(|| shape::Str(text.to_owned().into()));
    Identity::of(&shape::Observation::of([some(arn), some(created), some(fingerprint)]))
}

/// Nothing reaches over into the bits of another part, and what is there is not taken for missing.
#[test]
fn each_part_of_an_identity_has_its_own_bits() {
    assert_eq!(identity("", "", "").parts(), [0, 0, 0]);
    for number in 0..60_000 {
        let text = number.to_string();
        assert!(matches!(identity("", "", &text).parts(), [0, 0, part] if part != 0), "{text}");
    }
    for number in 0..1_000 {
        let text = number.to_string();
        assert!(matches!(identity("", &text, "").parts(), [0, part, 0] if part != 0), "{text}");
        assert!(matches!(identity(&text, "", "").parts(), [part, 0, 0] if part != 0), "{text}");
    }
}

#[test]
fn what_the_plan_did_not_see_says_nothing_against_a_reading() {
    assert!(identity("a", "c", "").may_be_same_as(identity("a", "c", "f")));
    assert!(identity("", "c", "f").may_be_same_as(identity("", "c", "")));
}

#[test]
fn names_are_told_apart_by_region_too() {
    let named = |name: &str, region: &str| name_of(hash(name), hash(region));
    let names =
        [named("a", "bc"), named("ab", "c"), named("a", "b"), named("b", "a"), named("a", "a"), named("b", "b")];
    assert!((1..names.len()).all(|at| !names[..at].contains(&names[at])), "{names:?}");
}
