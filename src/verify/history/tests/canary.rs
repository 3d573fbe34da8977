//! A canary: what is read after an outcome, and how many key pairs its session may ask for.

use super::*;

fn seen(run: &str, row: u64, found: &str) -> Value {
    let fields =
        json!({ "row": row, "source": "get_key_pair", "found": found, "requests": 1, "throttled": 0, "elapsed_us": 1 });
    entry(Some(run), "observed", fields)
}

/// A run of three rows whose session has a canary of so many, up to the answer to the first request.
fn canary(most: Option<&str>) -> Vec<Value> {
    let verdicts = ["delete", "delete", "delete"];
    let mut first = opened(ONE, "s1");
    if let Some(most) = most {
        first["settings"]["canary"] = most.into();
    }
    let mut entries = vec![life()[0].clone(), first, ingested(ONE, 3)];
    entries.extend((1..=3).map(|row| intended(ONE, row, "delete")));
    entries.extend([sealed(ONE, &verdicts), begun(ONE, &verdicts), asked(ONE, 1, 1), answered(ONE, 1, 1, "succeeded")]);
    entries
}

fn then(mut entries: Vec<Value>, more: &[Value]) -> Vec<Value> {
    entries.extend_from_slice(more);
    entries
}

// SEMANTICS: P75
#[test]
fn what_a_canary_deleted_is_read_once_more() {
    for found in ["not_found", "same", "no_answer", "denied", "refused_for_all"] {
        let whole = then(canary(Some("1")), &[seen(ONE, 1, found), stopped(ONE, "canary"), closed(ONE, 1)]);
        assert!(judged(&whole).is_ok(), "{found}");
    }
    let mut searched = seen(ONE, 1, "no_operation");
    searched["source"] = "get_operations_for_resource".into();
    for (wrong, next) in [
        ("without a canary", then(canary(None), &[seen(ONE, 1, "not_found")])),
        ("a canary that is no number", then(canary(Some("all")), &[seen(ONE, 1, "not_found")])),
        ("no reading finds that", then(canary(Some("1")), &[seen(ONE, 1, "unfinished")])),
        ("a search", then(canary(Some("1")), &[searched])),
        ("another attempt", then(canary(Some("2")), &[asked(ONE, 1, 2)])),
        ("another outcome", then(canary(Some("2")), &[settled(ONE, 1, "gone", "readback", &[3])])),
    ] {
        is_refused(&next, 10);
        assert_eq!(next.len(), 11, "{wrong}");
    }
    let later = then(
        canary(Some("1")),
        &[stopped(ONE, "canary"), closed(ONE, 1), opened(ONE, "s2"), seen(ONE, 1, "not_found")],
    );
    is_refused(&later, 13);
}

// SEMANTICS: P75
#[test]
fn no_session_asks_for_more_than_its_canary_permits() {
    let second = then(canary(Some("1")), &[asked(ONE, 2, 1)]);
    is_refused(&second, 10);
    let two = then(canary(Some("2")), &[asked(ONE, 2, 1), answered(ONE, 2, 1, "throttled"), asked(ONE, 2, 2)]);
    assert!(judged(&two).is_ok(), "a further attempt is no further key pair");
    is_refused(&then(two, &[answered(ONE, 2, 2, "succeeded"), asked(ONE, 3, 1)]), 14);
}
