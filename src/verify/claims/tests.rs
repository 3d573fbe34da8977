//! Each word against answers that bear it out, and against those that do not.

use serde_json::{Value, json};

mod controlled;
mod edges;
mod errors;
mod notes;
mod reconciled;

use super::*;
use crate::domain::RawBody;
use crate::verify::shape;

const NAME: &str = "key";

fn operation(status: &str, terminal: bool) -> Value {
    json!({ "id": "op", "resource_name": NAME, "operation_type": "DeleteKeyPair", "is_terminal": terminal, "status": status })
}

/// As the service has it.
fn sent(operation: &Value) -> Value {
    json!({
        "id": operation["id"], "resourceName": operation["resource_name"], "operationType": operation["operation_type"],
        "isTerminal": operation["is_terminal"], "status": operation["status"],
    })
}

fn body(value: &Value) -> Value {
    json!(RawBody::new(value.to_string().as_bytes()))
}

fn merged(parts: &[&Value]) -> Value {
    let mut whole = serde_json::Map::new();
    for part in parts {
        whole.extend(part.as_object().unwrap().clone());
    }
    whole.retain(|_, value| !value.is_null());
    whole.into()
}

fn read(kind: &str, fields: &Value) -> Result<Claimed, String> {
    let head = json!({ "v": 2, "seq": 1, "at": "2026-01-01T00:00:00.000000Z", "kind": kind, "row": 1 });
    let mut whole = merged(&[&head, fields]);
    whole["run"] = Value::Null;
    of(&Entry::parse(&whole.to_string()).unwrap())
}

/// What a plan's line says.
fn planned(line: &Value) -> Result<Claimed, String> {
    let text =
        merged(&[&json!({ "row": 1, "line": 2, "name": NAME, "account": "1", "region": "r" }), line]).to_string();
    let line: shape::Line<'_> = serde_json::from_str(&text).unwrap();
    intent(&Intent::from(&line))
}

/// An answer with an operation that means this class.
fn answered(class: &str, operation: &Value) -> Value {
    let fields = json!({ "attempt": 1, "class": class, "elapsed_us": 1, "http_status": 200, "operation": operation });
    merged(&[&fields, &body(&json!({ "operation": sent(operation) }))])
}

/// A refusal by this name, which stands beside the body, too.
fn refused(class: &str, name: &str) -> Value {
    let error = json!({ "type": name });
    let fields =
        json!({ "attempt": 1, "class": class, "elapsed_us": 1, "http_status": 400, "cause": "error", "error": error });
    merged(&[&fields, &body(&json!({ "__type": name }))])
}

/// An error that the service names.
fn error(status: u16, name: &str) -> Value {
    let fields = json!({ "http_status": status, "cause": "error", "error": { "type": name } });
    merged(&[&fields, &body(&json!({ "__type": name }))])
}

/// Of a target, not of a row.
fn read_of_target(found: &str, source: &str, more: &Value) -> Result<Claimed, String> {
    let fields = json!({ "source": source, "found": found, "requests": 1, "elapsed_us": 1 });
    let head = json!({ "v": 2, "seq": 1, "at": "2026-01-01T00:00:00.000000Z", "kind": "observed" });
    let mut whole = merged(&[&head, &fields, more]);
    whole["run"] = Value::Null;
    of(&Entry::parse(&whole.to_string()).unwrap())
}

fn lost(class: &str, cause: &str) -> Value {
    json!({ "attempt": 1, "class": class, "elapsed_us": 1, "cause": cause })
}

fn finished(fields: &Value) -> Result<Claimed, String> {
    read("attempt_finished", fields)
}

#[test]
fn an_answer_means_what_is_in_it() {
    let done = operation("Succeeded", true);
    let is_key = Named::Is(hash(NAME));
    for (class, operation) in [
        ("succeeded", done.clone()),
        ("succeeded", operation("Completed", true)),
        ("pending", operation("Started", false)),
        ("operation_failed", operation("Failed", true)),
    ] {
        assert_eq!(finished(&answered(class, &operation)).unwrap().named, is_key, "{class}");
        for other in ["succeeded", "pending", "operation_failed", "not_found", "throttled", "refused", "not_sent"] {
            let told = finished(&answered(other, &operation));
            assert_eq!(told.is_ok(), other == class, "{operation} told as {other}: {told:?}");
        }
        // Unanswered is what says nothing of this key pair.
        let told = finished(&merged(&[&answered("unanswered", &operation), &json!({ "cause": "no_operation" })]));
        assert_eq!(told.unwrap().named, Named::IsNot(hash(NAME)));
    }
    let wrong = [
        ("http_status", json!(500)),
        ("http_status", Value::Null),
        ("error", json!({ "message": "timeout" })),
        ("cause", json!("timeout")),
        ("cause", json!("no_operation")),
        ("op_created_at", json!("2026-01-01T00:00:00.000Z")),
        ("operation", merged(&[&done, &json!({ "id": "another" })])),
        ("operation", merged(&[&done, &json!({ "resource_name": "another" })])),
        ("operation", merged(&[&done, &json!({ "operation_type": "CreateKeyPair" })])),
        ("operation", merged(&[&done, &json!({ "status": "Completed" })])),
    ];
    for (field, value) in wrong {
        let mut fields = answered("succeeded", &done);
        fields[field] = value.clone();
        assert!(finished(&merged(&[&fields])).is_err(), "{field}: {value}");
    }
    // Where the body shows it, it need not stand beside it.
    let in_body =
        |more: &Value| finished(&merged(&[&answered("succeeded", &done), &json!({ "operation": null }), more]));
    assert_eq!(in_body(&json!({})).unwrap().named, is_key);
    for wrong in [
        json!({ "class": "pending" }),
        json!({ "http_status": 400 }),
        json!({ "op_created_at": "2026-01-01T00:00:00.000Z" }),
        json!({ "op_changed_at": "2026-01-01T00:00:00.000Z" }),
        json!({ "cause": "timeout" }),
        json!({ "error": {} }),
        body(&json!({})),
        body(&json!({ "operation": sent(&operation("Started", false)) })),
        body(&json!({ "operation": sent(&merged(&[&done, &json!({ "operation_type": "CreateKeyPair" })])) })),
    ] {
        assert!(in_body(&wrong).is_err(), "{wrong}");
    }
    let other = body(&json!({ "operation": sent(&merged(&[&done, &json!({ "resource_name": "other" })])) }));
    assert_eq!(in_body(&other).unwrap().named, Named::Is(hash("other")), "its row says that it is another's");
    for said in [json!({}), json!({ "operation": null }), json!({ "__type": "NotFoundException" })] {
        assert!(finished(&merged(&[&answered("succeeded", &done), &body(&said)])).is_err(), "{said}");
    }
    let mut bare = answered("succeeded", &done);
    bare["json"] = Value::Null;
    assert!(finished(&merged(&[&bare])).is_err());
    // A body that only the SDK could read.
    let strange = json!(RawBody::new(br#"{"operation":{"id":"op","id":"op"}}"#));
    let without = merged(&[&answered("succeeded", &done), &json!({ "json": null })]);
    assert!(finished(&merged(&[&without, &strange])).is_ok());
    assert!(finished(&merged(&[&without, &json!(RawBody::new(b"<html>"))])).is_err());
}

#[test]
fn a_refusal_means_what_it_is_called() {
    let known = [
        ("not_found", "NotFoundException"),
        ("throttled", "ThrottlingException"),
        ("setup_in_progress", "AccountSetupInProgressException"),
        ("denied", "AccessDeniedException"),
        ("refused_for_all", "ExpiredTokenException"),
        ("refused", "InvalidInputException"),
    ];
    for (class, name) in known {
        assert!(finished(&refused(class, name)).is_ok(), "{class}");
        for (other, _) in known.into_iter().filter(|(other, _)| *other != class) {
            assert!(finished(&refused(other, name)).is_err(), "{name} told as {other}");
        }
        for status in [200, 302, 500] {
            let told = finished(&merged(&[&refused(class, name), &json!({ "http_status": status })]));
            assert!(told.is_err(), "{name} with {status}");
        }
        let renamed = merged(&[&refused(class, name), &body(&json!({ "__type": "ServiceException" }))]);
        assert!(finished(&renamed).is_err(), "{name}");
        assert!(finished(&refused("succeeded", name)).is_err());
    }
    // The type counts before the code, and the code where the type is not known.
    let code = |name: &str, code: &str| body(&json!({ "__type": name, "code": code }));
    let told = |class: &str, name: &str, by: &str| finished(&merged(&[&refused(class, name), &code(name, by)]));
    assert!(told("refused", "InvalidInputException", "DoesNotExist").is_ok());
    assert!(told("not_found", "InvalidInputException", "DoesNotExist").is_err());
    assert!(told("not_found", "SomethingNew", "DoesNotExist").is_ok());
    assert!(told("denied", "AccessDeniedException", "NotAuthorized").is_ok());
    assert!(told("refused_for_all", "AccessDeniedException", "NotAuthorized").is_err());
    let nameless = json!({ "error": null, "http_status": 429 });
    assert!(finished(&merged(&[&refused("throttled", "x"), &nameless, &body(&json!({}))])).is_ok());
    let unknown = merged(&[&refused("refused", "SomethingNew"), &json!({ "cause": "unknown_error" })]);
    assert!(finished(&unknown).is_ok());
    // Of a body that was not kept whole nothing can be said.
    let long = json!(RawBody::new(format!(r#"{{"a":"{}","code":"DoesNotExist"}}"#, "x".repeat(70_000)).as_bytes()));
    assert!(finished(&merged(&[&refused("not_found", "x"), &long])).is_ok());
}

#[test]
fn what_was_lost_or_never_left_is_not_anything_else() {
    for (class, cause) in [
        ("unanswered", "timeout"),
        ("unanswered", "cut"),
        ("not_sent", "connect_failed"),
        ("not_sent", "started_late"),
        ("refused_for_all", "not_built"),
        ("refused_for_all", "no_credentials"),
    ] {
        assert!(finished(&lost(class, cause)).is_ok(), "{class} by {cause}");
        for other in ["unanswered", "not_sent", "refused_for_all", "throttled", "succeeded", "not_found"] {
            assert_eq!(finished(&lost(other, cause)).is_ok(), other == class, "{cause} told as {other}");
        }
    }
    let failed = merged(&[&lost("unanswered", "server_error"), &json!({ "http_status": 500 })]);
    assert!(finished(&failed).is_ok());
    assert!(finished(&lost("unanswered", "server_error")).is_err());
    let empty =
        json!({ "attempt": 1, "class": "unanswered", "elapsed_us": 1, "http_status": 200, "cause": "no_operation" });
    assert!(finished(&empty).is_ok());
    assert!(finished(&merged(&[&empty, &json!({ "class": "not_found" })])).is_err());
}

#[test]
fn what_was_polled_is_the_operation_that_was_asked_for() {
    let polled = |class: &str, id: &str, operation: &Value| {
        let fields = json!({ "operation_id": id, "class": class, "requests": 1, "elapsed_us": 1, "http_status": 200,
                             "operation": operation });
        read("operation_polled", &merged(&[&fields, &body(&json!({ "operation": sent(operation) }))]))
    };
    let (done, failed) = (operation("Succeeded", true), operation("Failed", true));
    assert!(polled("succeeded", "op", &done).is_ok() && polled("operation_failed", "op", &failed).is_ok());
    assert!(polled("succeeded", "op", &failed).is_err() && polled("pending", "op", &done).is_err());
    assert!(polled("succeeded", "other", &done).is_err() && polled("unanswered", "other", &done).is_ok());
    let nothing = json!({ "operation_id": "op", "requests": 1, "elapsed_us": 1, "cause": "timeout" });
    let told = |class: &str| read("operation_polled", &merged(&[&nothing, &json!({ "class": class })]));
    assert!(told("unanswered").is_ok() && told("succeeded").is_err() && told("refused_for_all").is_err());
}

fn seen(found: &str, source: &str, more: &Value) -> Result<Claimed, String> {
    let fields = json!({ "source": source, "found": found, "requests": 1, "elapsed_us": 1 });
    read("observed", &merged(&[&fields, more]))
}

#[test]
fn what_was_found_is_what_was_shown() {
    let observation = json!({ "arn": "a", "fingerprint": "f", "at": "2026-01-01T00:00:00Z" });
    let pair = json!({ "keyPair": { "name": NAME, "arn": "a", "fingerprint": "f" } });
    let shown = merged(&[&json!({ "http_status": 200, "observation": observation }), &body(&pair)]);
    let missing =
        merged(&[&json!({ "http_status": 404, "cause": "error" }), &body(&json!({ "__type": "NotFoundException" }))]);
    let silent = json!({ "cause": "timeout" });
    let listed = json!({ "observation": observation });
    for found in ["same", "other", "not_found", "no_answer", "denied", "listed", "operation", "no_operation"] {
        let told = |more: &Value| seen(found, "get_key_pair", more).is_ok();
        assert_eq!(told(&shown), matches!(found, "same" | "other" | "no_answer"), "{found}");
        assert_eq!(told(&missing), found == "not_found", "{found}");
        assert_eq!(told(&silent), found == "no_answer", "{found}");
        assert_eq!(seen(found, "get_key_pairs", &listed).is_ok(), matches!(found, "same" | "other"), "{found}");
        assert!(seen(found, "get_instances", &shown).is_err(), "{found}");
    }
    let other = body(&json!({ "keyPair": { "name": NAME, "arn": "b", "fingerprint": "f" } }));
    assert!(seen("same", "get_key_pair", &merged(&[&shown, &other])).is_err());
    let timed =
        body(&json!({ "keyPair": { "name": NAME, "arn": "a", "fingerprint": "f", "createdAt": 1_603_388_001.5 } }));
    assert!(seen("same", "get_key_pair", &merged(&[&shown, &timed])).is_err());
    // What is no answer is not the answer of another key pair, either, and a body that can be read is one.
    assert!(seen("no_answer", "get_key_pair", &merged(&[&shown, &other])).is_err());
    assert!(seen("no_answer", "get_key_pair", &merged(&[&shown, &json!({ "http_status": 500 })])).is_err());
    let unreadable = json!({ "http_status": 200, "cause": "unreadable" });
    for (said, holds) in [
        (pair, false),
        (json!({ "keyPair": null }), true),
        (json!({ "keyPair": { "arn": "a" } }), true),
        (json!({ "keyPair": { "name": NAME, "tags": [{ "key": 7 }] } }), true),
        (json!({ "keyPair": { "name": NAME, "createdAt": "soon" } }), true),
    ] {
        let told = seen("no_answer", "get_key_pair", &merged(&[&unreadable, &body(&said)]));
        assert_eq!(told.is_ok(), holds, "{said}: {told:?}");
    }
    assert_eq!(seen("same", "get_key_pair", &shown).unwrap().named, Named::Is(hash(NAME)));
}

#[test]
fn a_search_found_an_operation_where_there_is_one() {
    let found = |word: &str, operation: &Value| {
        let fields = json!({ "http_status": 200, "operation": operation });
        let shown: Vec<Value> = [operation].into_iter().filter(|one| !one.is_null()).map(sent).collect();
        let fields = merged(&[&fields, &body(&json!({ "operations": shown }))]);
        seen(word, "get_operations_for_resource", &fields).is_ok()
    };
    let (done, failed, going) = (operation("Succeeded", true), operation("Failed", true), operation("Started", false));
    for word in ["operation", "unfinished", "no_operation", "no_answer", "same", "not_found"] {
        assert_eq!(found(word, &done), word == "operation", "{word}");
        assert_eq!(found(word, &going), word == "unfinished", "{word}");
        assert!(!found(word, &failed), "{word}");
        // If it is an answer, the other entries of the row say.
        assert_eq!(found(word, &Value::Null), matches!(word, "no_operation" | "no_answer"), "{word}");
    }
    let not_said = merged(&[&json!({ "http_status": 200, "operation": done }), &body(&json!({ "operations": [] }))]);
    assert!(seen("operation", "get_operations_for_resource", &not_said).is_err());
}

#[test]
fn a_verdict_follows_from_what_was_seen_and_noted() {
    let observation = json!({ "arn": "a", "created_at": "2020-10-22T17:50:01.123Z", "fingerprint": "f" });
    let note = |severity: &str| json!([{ "severity": severity, "note": "in_use", "text": "t" }]);
    let base = json!({ "observation": observation });
    let told = |verdict: &str, more: &Value| planned(&merged(&[&base, &json!({ "verdict": verdict }), more]));
    let cases = [
        ("delete", json!({})),
        ("delete", json!({ "notes": note("warn") })),
        ("delete", json!({ "conditions": { "expected_fingerprint": "f" } })),
        ("delete", json!({ "conditions": { "arn": "a", "account_id": "1", "created_at": "2020-10-22T17:50:01Z" } })),
        ("delete", json!({ "conditions": { "created_at": "1603389001.123" } })),
        ("skip", json!({ "notes": note("skip") })),
        ("skip", json!({ "notes": note("refuse") })),
        ("absent", json!({ "observation": null })),
    ];
    for (verdict, more) in &cases {
        for other in ["delete", "skip", "absent"] {
            assert_eq!(told(other, more).is_ok(), other == *verdict, "{other}: {more}");
        }
    }
    for more in [
        json!({ "conditions": { "expected_fingerprint": "g" } }),
        json!({ "conditions": { "arn": "b" } }),
        json!({ "conditions": { "account_id": "2" } }),
        json!({ "conditions": { "created_at": "2020-10-22T17:50:01.124Z" } }),
        json!({ "conditions": { "created_at": "yesterday" } }),
        json!({ "observation": { "fingerprint": "f" } }),
    ] {
        assert!(told("delete", &more).is_err(), "{more}");
    }
}

#[test]
fn identities_are_compared_part_by_part() {
    let of = |arn: &str, created: &str, fingerprint: &str| {
        let some = |text: &str| (!text.is_empty()).then(|| shape::Str(text.to_owned().into()));
        Identity::of(&shape::Observation::of([some(arn), some(created), some(fingerprint)]))
    };
    let whole = of("a", "c", "f");
    for (seen, same) in [
        (of("a", "c", "f"), true),
        (of("a", "c", ""), true),
        (of("", "c", "f"), false),
        (of("b", "c", "f"), false),
        (of("a", "d", "f"), false),
        (of("a", "c", "g"), false),
    ] {
        assert_eq!(whole.may_be_same_as(seen), same, "{seen:?}");
    }
    // Not even where the hashes of the one part that differs are the same.
    for number in 0..2_000 {
        let other = format!("g{number}");
        for seen in [of("a", "c", &other), of("a", &other, "f"), of(&other, "c", "f")] {
            assert!(!whole.may_be_same_as(seen), "{other}");
        }
    }
    assert!(of("", "", "f").may_be_same_as(of("", "", "f")) && !of("", "", "f").is_known());
    assert!(of("a", "", "").is_known() && of("", "c", "").is_known());
}
