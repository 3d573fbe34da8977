//! A run of some rows of an earlier one: exactly those that its settings name.

use super::*;

/// A run that plans these rows of the first run again, with these settings.
fn again(of: &str, only: &str, rows: &[(u64, &str)]) -> Vec<Value> {
    let settings = json!({ "of": of, "only": only });
    let mut header = header(TWO, rows.len() as u64);
    (header["manifest"]["sha256"], header["settings"]) = (ONE.into(), settings.clone());
    let line = |row: u64, (number, verdict): (u64, &str)| {
        let mut line = line(number, verdict);
        line["row"] = row.into();
        line
    };
    let lines: Vec<_> = (1..).zip(rows).map(|(row, of)| line(row, *of)).collect();
    let sealed = sealed_with(TWO, header, &lines);
    let mut first = opened(TWO, "s3");
    first["settings"] = settings;
    let mut read = ingested(TWO, rows.len() as u64);
    read["sha256"] = ONE.into();
    let mut entries = vec![first, read];
    let intended = |line: Value| entry(Some(TWO), "intent_recorded", json!({ "row": line["row"], "line": line }));
    entries.extend(lines.into_iter().map(intended));
    entries.push(sealed);
    entries
}

/// After a whole life, in which two rows were deleted, the third skipped and the fourth absent: where it is refused, if it is.
fn told(entries: Vec<Value>) -> Option<usize> {
    let mut all = life();
    all.extend(entries);
    judged(&all).err().map(|(at, _)| at - 26)
}

// SEMANTICS: P120
#[test]
fn it_has_all_rows_with_such_an_outcome_and_no_others() {
    let both = [(3, "skip"), (4, "absent")];
    assert_eq!(told(again(ONE, "skipped,absent", &both)), None);
    assert_eq!(told(again(ONE, "skipped", &both[..1])), None);
    assert_eq!(told(again(ONE, "absent", &both[1..])), None);
    // One is left out, another one is there, the order is another one, or one comes twice.
    assert_eq!(told(again(ONE, "skipped,absent", &both[..1])), Some(3));
    assert_eq!(told(again(ONE, "skipped", &both)), Some(3));
    assert_eq!(told(again(ONE, "skipped,absent", &[both[1], both[0]])), Some(2));
    assert_eq!(told(again(ONE, "skipped", &[both[0], both[0]])), Some(3));
    // What was deleted is not deleted again.
    assert_eq!(told(again(ONE, "failed", &[(1, "delete")])), Some(2));
}

// SEMANTICS: P120
#[test]
fn it_names_a_run_that_was_there_as_its_settings_and_its_header_say() {
    let rows = [(3, "skip")];
    for (of, only) in [(TWO, "skipped"), ("x", "skipped"), (ONE, "deleted"), (ONE, ""), (ONE, "absent,skipped")] {
        assert_eq!(told(again(of, only, &rows)), Some(0), "{of} {only}");
    }
    let with = |change: fn(&mut Vec<Value>)| {
        let mut entries = again(ONE, "skipped", &rows);
        change(&mut entries);
        told(entries)
    };
    assert_eq!(with(|_| {}), None);
    assert_eq!(with(|entries| entries[0]["settings"] = json!({ "of": ONE })), Some(0));
    assert_eq!(with(|entries| entries[0]["endpoint"] = "f".into()), Some(0));
    assert_eq!(with(|entries| entries[0]["sandbox"] = true.into()), Some(0));
    assert_eq!(with(|entries| entries[1]["sha256"] = "other".into()), Some(1));
    assert_eq!(with(|entries| entries[1]["name"] = "other".into()), Some(1));
    // The exception from the rule about a manifest that was run is for such runs alone, and their headers say what they are.
    assert_eq!(with(|entries| entries[0]["settings"] = json!({})), Some(3));
    assert_eq!(with(|entries| entries[3]["header"]["settings"] = json!({})), Some(3));
    assert_eq!(with(|entries| entries[3]["header"]["settings"]["only"] = "failed".into()), Some(3));
    // It does not count as a run of the manifest: a third run must still say that it runs it again.
    let mut plain = life()[..1].to_vec();
    let mut header = header(ONE, 4);
    header["settings"] = json!({ "of": TWO, "only": "failed" });
    plain.extend(life()[1..10].to_vec());
    plain[9]["header"] = header;
    is_refused(&plain, 9);
}

#[test]
fn what_its_own_run_can_still_ask_for_is_not_planned_again() {
    let mut stopped = life()[..18].to_vec();
    stopped.extend(again(ONE, "not_attempted", &[(2, "delete"), (3, "skip"), (4, "absent")]));
    is_refused(&stopped, 18);
    // Once it is given up, nobody else asks.
    let outcomes = OutcomeCounts { deleted: 1, not_attempted: 3, ..OutcomeCounts::default() };
    let mut first = opened(ONE, "s2");
    first["command"] = "abandon".into();
    let gave_up = json!({ "because": "b", "by": "u", "rows": 4, "outcomes": outcomes });
    let given_up = [first, entry(Some(ONE), "run_abandoned", gave_up), closed(ONE, 0)];
    let mut abandoned = life()[..18].to_vec();
    abandoned.extend(given_up);
    abandoned.extend(again(ONE, "not_attempted", &[(2, "delete"), (3, "skip"), (4, "absent")]));
    judged(&abandoned).unwrap();
}
