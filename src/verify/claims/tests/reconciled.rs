//! What an entry says of CloudTrail's records.

use super::*;

fn fields() -> Value {
    let hash = "0".repeat(64);
    json!({
        "files": [{ "name": "f", "sha256": hash, "bytes": 1 }], "file_count": 1, "files_sha256": hash,
        "from": "2026-01-01T00:00:00Z", "until": "2026-01-01T00:00:01Z", "records": 3, "events": 2, "unreadable": 0,
        "attempts": { "confirmed": 1, "not_seen": 0, "contradicted": 1, "not_sent": 0 },
        "contradictions": [{ "row": 1, "attempt": 1, "says": ["failed"] }], "unexplained": 1,
        "findings": [{ "event_id": "e", "event_time": "2026-01-01T00:00:00Z", "region": "r", "why": "another_caller" }],
        "resolves": 0, "by": "u",
    })
}

// SEMANTICS: P111
#[test]
fn its_words_and_sums_are_those_that_can_be() {
    read("reconciled", &fields()).unwrap();
    for (place, value) in [
        ("/by", json!("")),
        ("/files_sha256", json!("0")),
        ("/files/0/sha256", json!("A".repeat(64))),
        ("/files/0/name", json!("")),
        ("/files", json!([])),
        ("/file_count", json!(0)),
        ("/from", json!("2026-01-01T00:00:02Z")),
        ("/from", json!("2026-01-01T00:00:00.5Z")),
        ("/until", json!("yesterday")),
        ("/records", json!(1)),
        ("/events", json!(0)),
        ("/unexplained", json!(2)),
        ("/attempts/contradicted", json!(0)),
        ("/contradictions/0/says", json!([])),
        ("/contradictions/0/says/0", json!("maybe")),
        ("/contradictions/0/row", json!(0)),
        ("/findings/0/why", json!("because")),
        ("/findings/0/event_id", json!("")),
        ("/findings/0/event_time", json!("2026")),
    ] {
        let mut forged = fields();
        *forged.pointer_mut(place).unwrap() = value;
        assert!(read("reconciled", &forged).is_err(), "{place}");
    }
}

// SEMANTICS: P111
#[test]
fn a_row_that_a_record_resolves_names_the_event_and_was_deleted() {
    let told = |evidence: &str, outcome: &str, event: Option<&str>| {
        let fields = json!({ "outcome": outcome, "evidence": evidence, "because": "b", "by": "u", "rests_on": [1], "event_id": event });
        read("row_resolved", &merged(&[&fields])).is_ok()
    };
    assert!(told("cloudtrail", "deleted", Some("e")) && told("person", "failed", None));
    assert!(!told("cloudtrail", "deleted", None) && !told("cloudtrail", "absent", Some("e")));
    assert!(!told("person", "deleted", Some("e")));
}
