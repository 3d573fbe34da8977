//! What is said later of a row that ended in doubt or as gone: only that, only after it, only what can be.

use super::*;

/// A session of no run that says these things of rows of the first run.
pub(super) fn says(session: &str, told: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let mut entries = lost(session, "2026-01-01T00:00:00.000000Z").to_vec();
    entries.remove(1);
    let closed = entries.pop();
    entries.extend(told);
    entries.extend(closed);
    entries
}

pub(super) fn resolved(row: u64, outcome: &str, rests_on: &[u64]) -> Value {
    let fields = json!({ "row": row, "outcome": outcome, "evidence": "person", "because": "b", "by": "u",
                         "rests_on": rests_on, "by_session_of": "" });
    entry(Some(ONE), "row_resolved", fields)
}

/// The first row is in doubt (its outcome is entry 14), the second gone (18), the others wait.
pub(super) fn doubtful() -> Vec<Value> {
    let mut entries = life()[..12].to_vec();
    let look = |found: &str, source: &str, row: u64| {
        let fields =
            json!({ "row": row, "source": source, "found": found, "requests": 1, "throttled": 0, "elapsed_us": 1 });
        entry(Some(ONE), "observed", fields)
    };
    entries.extend([
        answered(ONE, 1, 1, "unanswered"),
        look("no_answer", "get_key_pair", 1),
        settled(ONE, 1, "in_doubt", "tried", &[5, 12]),
        asked(ONE, 2, 1),
        answered(ONE, 2, 1, "unanswered"),
        look("not_found", "get_key_pair", 2),
        look("no_operation", "get_operations_for_resource", 2),
        settled(ONE, 2, "gone", "readback", &[6, 17]),
        stopped(ONE, "signal"),
        closed(ONE, 2),
    ]);
    entries
}

pub(super) const DOUBT: [u64; 2] = [5, 14];
pub(super) const GONE: [u64; 2] = [6, 19];

#[test]
fn more_is_said_only_of_what_is_in_doubt_or_gone() {
    for (row, rests_on, words) in
        [(1, DOUBT, &["deleted", "gone", "absent", "failed"][..]), (2, GONE, &["deleted", "absent"])]
    {
        for word in ["deleted", "gone", "absent", "skipped", "failed", "in_doubt"] {
            let mut entries = doubtful();
            entries.extend(says("s2", [resolved(row, word, &rests_on)]));
            match words.contains(&word) {
                true => drop(judged(&entries).unwrap_or_else(|trouble| panic!("{row} {word}: {trouble:?}"))),
                false => is_refused(&entries, 23),
            }
        }
    }
    // Rows that have no outcome, or one that is shown, or that there are not.
    for row in [3, 4, 5, 0] {
        let mut entries = doubtful();
        entries.extend(says("s2", [resolved(row, "deleted", &[7])]));
        is_refused(&entries, 23);
    }
    let mut finished = life();
    finished.extend(says("s3", [resolved(1, "failed", &[5, 12])]));
    is_refused(&finished, 27);
}

#[test]
fn what_was_said_can_be_corrected_and_withdrawn_and_is_counted_by_the_last_word() {
    let mut entries = doubtful();
    let of = |word: &str, rests_on: &[u64]| resolved(1, word, rests_on);
    entries.extend(says(
        "s2",
        [of("failed", &DOUBT), of("deleted", &[5, 14, 23]), of("in_doubt", &DOUBT), of("absent", &DOUBT)],
    ));
    entries.push(opened(ONE, "s3"));
    entries.extend([settled(ONE, 3, "skipped", "note", &[7]), settled(ONE, 4, "absent", "inventory", &[8])]);
    let ended = |outcomes: OutcomeCounts| {
        let mut whole = entries.clone();
        whole.push(entry(Some(ONE), "run_finished", json!({ "rows": 4, "outcomes": outcomes })));
        judged(&whole)
    };
    let counted = OutcomeCounts { gone: 1, skipped: 1, absent: 2, ..OutcomeCounts::default() };
    ended(counted).unwrap();
    assert!(ended(OutcomeCounts { in_doubt: 1, absent: 1, ..counted }).is_err(), "as the run itself determined it");
    let mut twice = doubtful();
    twice.extend(says("s2", [of("failed", &DOUBT), of("in_doubt", &DOUBT), of("in_doubt", &DOUBT)]));
    is_refused(&twice, 25);
}

#[test]
fn it_rests_on_the_intent_the_outcome_and_the_rows_own_entries() {
    for (rests_on, holds) in [
        (&[5, 11, 12, 13, 14][..], true),
        (&[5], false),
        (&[14], false),
        (&[5, 14, 15], false),
        (&[14, 5], false),
        (&[5, 14, 14], false),
        (&[2, 5, 14], false),
    ] {
        let mut entries = doubtful();
        entries.extend(says("s2", [resolved(1, "deleted", rests_on)]));
        assert_eq!(judged(&entries).is_ok(), holds, "{rests_on:?}");
    }
}

#[test]
fn it_is_written_by_a_session_of_its_own_with_its_own_evidence() {
    let told = resolved(1, "deleted", &DOUBT);
    for (field, value) in [
        ("evidence", json!("tried")),
        ("evidence", json!("readback")),
        ("by_session_of", json!(ONE)),
        ("row", Value::Null),
        ("session", json!(1)),
    ] {
        let mut forged = doubtful();
        let mut one = told.clone();
        one[field] = value;
        forged.extend(says("s2", [one]));
        is_refused(&forged, 23);
    }
    // Before its row's outcome, and after its session's end.
    let mut early = doubtful()[..14].to_vec();
    early.extend(says("s2", [told.clone()]));
    is_refused(&early, 15);
    let mut late = doubtful();
    late.extend(says("s2", []));
    late.push(told);
    is_refused(&late, 24);
}
