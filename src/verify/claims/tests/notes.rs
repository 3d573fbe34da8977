//! Notes against their lines: all that a line calls for is noted, and nothing that it shows to be false.

use serde_json::{Value, json};

use super::{merged, planned};
use crate::domain::DEFAULT_KEY_PAIR;

/// A key pair as the inventory shows it.
fn seen() -> Value {
    json!({ "observation": { "arn": "arn:aws:lightsail:r:1:KeyPair/a", "created_at": "2020-10-22T17:50:01.123Z",
                             "fingerprint": "f" } })
}

fn noted(notes: &[(&str, &str)]) -> Value {
    let notes: Vec<_> =
        notes.iter().map(|(severity, kind)| json!({ "severity": severity, "note": kind, "text": "t" })).collect();
    json!({ "notes": notes })
}

fn holds(verdict: &str, line: &Value, notes: &[(&str, &str)]) -> bool {
    planned(&merged(&[line, &noted(notes), &json!({ "verdict": verdict })])).is_ok()
}

/// Lines that call for exactly this note, beside one that says nothing of the line.
#[test]
fn what_a_line_shows_is_noted() {
    let with = |more: Value| merged(&[&seen(), &more]);
    let conditions = |name: &str, text: &str| with(json!({ "conditions": { name: text } }));
    let arn = |account: &str| format!("arn:aws:lightsail:r:{account}:KeyPair/a");
    let lines = [
        ("drift_arn", "skip", conditions("arn", "arn:aws:lightsail:r:1:KeyPair/b")),
        ("drift_fingerprint", "skip", conditions("expected_fingerprint", "g")),
        ("drift_created_at", "skip", conditions("created_at", "2020-10-22T17:50:02Z")),
        ("other_account", "refuse", conditions("account_id", "2")),
        ("other_account", "refuse", json!({ "conditions": { "arn": arn("2") } })),
        ("identity_unknown", "skip", json!({ "observation": { "fingerprint": "f" } })),
        ("default_key_pair", "warn", with(json!({ "name": DEFAULT_KEY_PAIR }))),
    ];
    for (kind, severity, line) in lines {
        let other = ("skip", "ambiguous");
        assert!(holds("skip", &line, &[(severity, kind), other]), "{kind}: {line}");
        assert!(!holds("skip", &line, &[other]), "{kind} is missing: {line}");
        let wrong = if severity == "warn" { "skip" } else { "warn" };
        assert!(!holds("skip", &line, &[(wrong, kind), other]), "{kind} is {wrong}: {line}");
    }
    // The account of an arn says nothing where the row names one.
    let own = json!({ "conditions": { "arn": arn("2"), "account_id": "1" } });
    assert!(holds("absent", &own, &[]));
}

#[test]
fn what_a_line_shows_to_be_false_is_not_noted() {
    let own = json!({ "conditions": { "arn": "arn:aws:lightsail:r:1:KeyPair/a", "expected_fingerprint": "f",
                                      "created_at": "2020-10-22T17:50:01Z", "account_id": "1" } });
    let line = merged(&[&seen(), &own]);
    assert!(holds("delete", &line, &[]));
    for kind in ["drift_arn", "drift_fingerprint", "drift_created_at", "identity_unknown"] {
        assert!(!holds("skip", &line, &[("skip", kind)]), "{kind}");
        assert!(!holds("skip", &json!({}), &[("skip", kind)]), "{kind} of a key pair that was not seen");
    }
    assert!(!holds("skip", &line, &[("refuse", "other_account")]));
    assert!(!holds("delete", &line, &[("warn", "default_key_pair")]));
    for kind in ["in_use", "recreated", "protected_name", "protected_tag", "too_young"] {
        assert!(holds("skip", &line, &[("skip", kind)]), "{kind}");
        assert!(!holds("skip", &json!({}), &[("skip", kind)]), "{kind} of a key pair that was not seen");
    }
    for kind in ["account_not_allowed", "region_not_allowed", "column_required"] {
        assert!(holds("skip", &line, &[("refuse", kind)]) && !holds("skip", &line, &[("skip", kind)]), "{kind}");
    }
    assert!(!holds("skip", &line, &[("skip", "because")]), "a note that no guard makes");
}

/// Of an invalid row nothing but its faults is noted, whatever else it says.
#[test]
fn an_invalid_row_is_only_that() {
    let line = merged(&[&seen(), &json!({ "conditions": { "arn": "b", "account_id": "2", "created_at": "never" } })]);
    let invalid = ("skip", "invalid_row");
    assert!(holds("skip", &line, &[invalid]) && holds("skip", &json!({}), &[invalid, invalid]));
    assert!(!holds("skip", &line, &[invalid, ("skip", "drift_arn")]));
}
