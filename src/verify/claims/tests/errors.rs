//! What an error is called, and what it is the reason for.

use super::*;
use crate::domain::RAW_BODY_LIMIT_BYTES;

#[test]
fn an_answer_that_cannot_be_read_names_no_refusal() {
    for (class, status, said, holds) in [
        ("unanswered", 200, json!({}), true),
        ("unanswered", 200, json!({ "__type": "NotFoundException" }), true),
        ("unanswered", 400, json!({}), true),
        ("unanswered", 400, json!({ "code": "NotFoundException" }), false),
        ("succeeded", 200, json!({}), false),
        ("refused", 400, json!({}), false),
    ] {
        let answer = merged(&[&lost(class, "unreadable"), &json!({ "http_status": status }), &body(&said)]);
        let named = merged(&[&json!({ "type": said["__type"], "message": "why" })]);
        for fields in [&answer, &merged(&[&answer, &json!({ "error": named })])] {
            assert_eq!(finished(fields).is_ok(), holds, "{class} by {said} with {status}");
        }
    }
}

/// What stands beside a body does not contradict it, and stands beside an error alone.
#[test]
fn an_error_beside_a_body_is_the_one_of_the_body() {
    let missing = "NotFoundException";
    for (beside, said, holds) in [
        (json!({ "type": missing, "message": "m" }), json!({ "__type": missing }), true),
        (json!({ "type": missing }), json!({ "__type": format!("ns#{missing}:http://x") }), true),
        (json!({ "type": missing }), json!({ "__type": "" }), true),
        (json!({ "type": "Other" }), json!({ "__type": missing }), false),
        (json!({}), json!({ "__type": missing }), false),
        (json!(null), json!({ "__type": missing }), true),
        (json!(null), json!({ "code": "DoesNotExist" }), true),
        (json!(null), json!({}), false),
    ] {
        let told = merged(&[&error(400, missing), &json!({ "error": beside }), &body(&said)]);
        assert_eq!(seen("not_found", "get_key_pair", &told).is_ok(), holds, "{beside} beside {said}");
    }
    let header = json!({ "headers": { "x-amzn-errortype": "NotFoundException:http://x" }, "cause": "error" });
    assert!(seen("not_found", "get_key_pair", &merged(&[&header, &json!({ "http_status": 400 })])).is_ok());
    let empty = json!({ "attempt": 1, "class": "unanswered", "elapsed_us": 1, "http_status": 200 });
    let cause = json!({ "cause": "no_operation" });
    assert!(finished(&merged(&[&empty, &cause])).is_ok());
    assert!(finished(&merged(&[&empty, &cause, &json!({ "error": {} })])).is_err());
    assert!(finished(&merged(&[&empty, &json!({ "error": { "message": "m" } })])).is_err());
}

#[test]
fn only_a_refusal_by_a_new_name_is_an_unknown_error() {
    for (class, status, name, holds) in [
        ("refused", 400, "SomethingNew", true),
        ("refused", 499, "SomethingNew", true),
        ("denied", 400, "SomethingNew", false),
        ("refused", 500, "SomethingNew", false),
        ("refused", 200, "SomethingNew", false),
        ("refused", 400, "AccessDeniedException", false),
        ("refused", 400, "", false),
    ] {
        let fields = json!({ "cause": "unknown_error", "http_status": status });
        let told = finished(&merged(&[&refused(class, name), &fields]));
        assert_eq!(told.is_ok(), holds, "{class} by {name:?} with {status}");
    }
}

#[test]
fn too_fast_is_what_says_so_or_is_not_known_at_all() {
    for (name, code, status, holds) in [
        // The type counts before the code.
        ("InvalidInputException", "Throttling", 400, false),
        ("ThrottlingException", "InvalidInput", 400, true),
        ("SomethingNew", "Throttling", 400, true),
        ("InvalidInputException", "InvalidInput", 400, false),
        ("RegionSetupInProgressException", "RegionSetupInProgress", 400, false),
        ("AccessDeniedException", "SomethingNew", 400, false),
        ("SomethingNew", "SomethingElse", 400, true),
        // And both before the status.
        ("InvalidInputException", "InvalidInput", 429, false),
        ("SomethingNew", "InvalidInput", 429, false),
        ("SomethingNew", "SomethingElse", 429, true),
        // What goes before it.
        ("ExpiredTokenException", "Throttling", 429, false),
        ("ServiceException", "Throttling", 400, false),
    ] {
        let said = body(&json!({ "__type": name, "code": code }));
        let told = finished(&merged(&[&refused("throttled", name), &json!({ "http_status": status }), &said]));
        assert_eq!(told.is_ok(), holds, "{name} {code} {status}");
    }
}

#[test]
fn an_error_is_the_reason_why_nothing_was_found() {
    let errors = [
        ("not_found", error(404, "NotFoundException")),
        ("denied", error(400, "AccessDeniedException")),
        ("refused_for_all", error(400, "ExpiredTokenException")),
    ];
    for (word, error) in &errors {
        for (other, _) in &errors {
            let same = word == other;
            assert_eq!(seen(other, "get_key_pair", error).is_ok(), same, "{word} told as {other}");
            assert_eq!(read_of_target(other, "get_key_pair", error).is_ok(), same, "{word} told as {other}");
            let searched = seen(other, "get_operations_for_resource", error).is_ok();
            assert_eq!(searched, same && *word != "not_found", "{word} told as {other}");
        }
        assert!(seen(word, "get_key_pair", &json!({ "http_status": 200 })).is_err(), "{word}");
        for source in ["get_key_pair", "get_operations_for_resource"] {
            assert!(seen("no_answer", source, error).is_err(), "{word} is an answer");
        }
        // That the service knows no such name any more is an answer of the history.
        assert_eq!(seen("no_operation", "get_operations_for_resource", error).is_ok(), *word == "not_found", "{word}");
        assert!(read_of_target("listed", "get_key_pairs", error).is_err(), "{word}");
        assert!(read_of_target(word, "get_operations_for_resource", error).is_err(), "{word}");
    }
    assert!(read_of_target("no_answer", "get_key_pairs", &json!({ "cause": "timeout" })).is_ok());
    // Too fast is no answer, whatever code stands beside it; of a body that was not kept whole nothing can be said.
    let code = body(&json!({ "__type": "ThrottlingException", "code": "DoesNotExist" }));
    let long = json!({ "__type": "InvalidInputException", "message": "x".repeat(RAW_BODY_LIMIT_BYTES) }).to_string();
    let named = json!({ "error": { "type": "InvalidInputException" } });
    for more in [
        error(429, "SomethingNew"),
        merged(&[&error(400, "ThrottlingException"), &code]),
        merged(&[&error(400, ""), &named, &json!(RawBody::new(long.as_bytes()))]),
    ] {
        assert!(seen("no_answer", "get_key_pair", &more).is_ok());
    }
    assert!(read_of_target("listed", "get_instances", &json!({ "http_status": 200 })).is_ok());
    // A row that is not on a listing has no answer of its own; a target that was not found has one.
    assert!(seen("not_found", "get_key_pairs", &json!({})).is_ok());
    assert!(read_of_target("not_found", "get_key_pairs", &json!({})).is_err());
}
