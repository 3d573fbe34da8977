//! What CloudTrail's records are said to show: of a run that began, in a session of no run, with counts that are those of the run.

use super::resolved::{DOUBT, GONE, doubtful, resolved, says};
use super::*;

/// The two attempts of the run are confirmed, and so many rows are to be resolved.
fn reconciled(resolves: u64) -> Value {
    let attempts = json!({ "confirmed": 2, "not_seen": 0, "contradicted": 0, "not_sent": 0 });
    let fields = json!({ "files": [], "file_count": 1, "files_sha256": "", "from": "", "until": "", "records": 2, "events": 2,
                         "unreadable": 0, "attempts": attempts, "unexplained": 0, "resolves": resolves, "by": "u",
                         "by_session_of": "" });
    entry(Some(ONE), "reconciled", fields)
}

fn proven(row: u64, rests_on: &[u64]) -> Value {
    let mut told = resolved(row, "deleted", rests_on);
    (told["evidence"], told["event_id"]) = ("cloudtrail".into(), "e".into());
    told
}

fn with(told: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let mut entries = doubtful();
    entries.extend(says("s2", told));
    entries
}

// SEMANTICS: P111
#[test]
fn records_resolve_what_their_reconciliation_says_and_no_more() {
    judged(&with([reconciled(0)])).unwrap();
    judged(&with([reconciled(2), proven(1, &DOUBT), proven(2, &GONE)])).unwrap();
    // A process that is killed resolves fewer.
    judged(&with([reconciled(2), proven(1, &DOUBT)])).unwrap();
    is_refused(&with([reconciled(1), proven(1, &DOUBT), proven(2, &GONE)]), 25);
    is_refused(&with([proven(1, &DOUBT)]), 23);
    is_refused(&with([proven(1, &DOUBT), reconciled(1)]), 23);
    is_refused(&with([reconciled(3)]), 23);
    // A person says what they say, whatever records show.
    judged(&with([resolved(1, "failed", &DOUBT), reconciled(0)])).unwrap();
    // In another session than its reconciliation's.
    let mut apart = with([reconciled(1)]);
    apart.extend(says("s3", [proven(1, &DOUBT)]));
    is_refused(&apart, 26);
}

// SEMANTICS: P111
#[test]
fn it_counts_the_attempts_of_a_run_that_began_and_stands_in_a_session_of_its_own() {
    for (field, count) in [("confirmed", 1_u64), ("not_seen", 1), ("not_sent", u64::MAX)] {
        let mut forged = reconciled(0);
        forged["attempts"][field] = count.into();
        is_refused(&with([forged]), 23);
    }
    for (field, value) in [("by_session_of", json!(ONE)), ("row", json!(1)), ("session", json!(1))] {
        let mut forged = reconciled(0);
        forged[field] = value;
        is_refused(&with([forged]), 23);
    }
    let mut early = life()[..8].to_vec();
    early.extend(says("s2", [reconciled(0)]));
    assert!(judged(&early).is_err());
}
