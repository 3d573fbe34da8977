//! How a run or a target ends: what is forged about that is convicted.

use super::*;

fn abandoned(run: &str, rows: u64, deleted: u64) -> Value {
    let outcomes = OutcomeCounts { deleted, not_attempted: rows - deleted, ..OutcomeCounts::default() };
    entry(Some(run), "run_abandoned", json!({ "because": "b", "by": "u", "rows": rows, "outcomes": outcomes }))
}

/// The first session deleted row 1 and was refused row 2, which a second one gives up with the rest.
fn given_up() -> Vec<Value> {
    let mut entries = life()[..19].to_vec();
    entries.push(abandoned(ONE, 4, 1));
    entries
}

#[test]
fn nothing_follows_in_a_run_that_was_abandoned() {
    let mut closed_after = given_up();
    closed_after.push(closed(ONE, 0));
    assert_eq!(judged(&closed_after).unwrap().unfinished().count(), 0);
    for (length, next) in [
        (20, asked(ONE, 2, 2)),
        (20, stopped(ONE, "signal")),
        (20, settled(ONE, 3, "skipped", "note", &[7])),
        (20, abandoned(ONE, 4, 1)),
        (20, opened(ONE, "s3")),
        (21, opened(ONE, "s3")),
    ] {
        let mut forged = closed_after[..length].to_vec();
        forged.push(next);
        is_refused(&forged, length);
    }
}

#[test]
fn only_a_run_that_began_is_abandoned() {
    for (length, rows) in [(2, 0), (5, 0), (9, 4), (10, 4)] {
        let mut forged = life()[..length].to_vec();
        forged.push(abandoned(ONE, rows, 0));
        is_refused(&forged, length);
    }
    let mut unknown = life();
    unknown.push(abandoned(TWO, 4, 1));
    is_refused(&unknown, 26);
    let mut finished = life()[..25].to_vec();
    finished.push(abandoned(ONE, 4, 1));
    is_refused(&finished, 25);
}

#[test]
fn no_row_that_may_have_been_deleted_is_abandoned() {
    // Asked for and never answered, in this session or in one that died.
    let mut open = life()[..12].to_vec();
    open.push(abandoned(ONE, 4, 0));
    is_refused(&open, 12);
    let mut died = life()[..12].to_vec();
    died.extend([opened(ONE, "s2"), abandoned(ONE, 4, 0)]);
    is_refused(&died, 13);
    // Answered with an operation that has not ended.
    let mut pending = life()[..12].to_vec();
    pending.extend([answered(ONE, 1, 1, "pending"), abandoned(ONE, 4, 0)]);
    is_refused(&pending, 13);
}

#[test]
fn an_abandoned_run_counts_its_rows_as_they_are() {
    for fields in [
        json!({ "rows": 5 }),
        json!({ "outcomes": OutcomeCounts { deleted: 2, not_attempted: 2, ..OutcomeCounts::default() } }),
        json!({ "outcomes": OutcomeCounts { deleted: 1, absent: 3, ..OutcomeCounts::default() } }),
        json!({ "outcomes": OutcomeCounts { deleted: 1, not_attempted: 2, ..OutcomeCounts::default() } }),
        json!({ "outcomes": OutcomeCounts { deleted: 1, unsettled: 1, not_attempted: 2, ..OutcomeCounts::default() } }),
    ] {
        let mut forged = given_up();
        fields.as_object().unwrap().iter().for_each(|(name, value)| forged[19][name] = value.clone());
        is_refused(&forged, 19);
    }
}

#[test]
fn what_stopped_are_targets_of_the_plan_once_each() {
    let target = |account: &str, region: &str| json!({ "account": account, "region": region, "why": "cannot_read" });
    let with = |targets: Value| {
        let mut life = life();
        life[16]["targets"] = targets;
        life
    };
    judged(&with(json!([target("1", "r")]))).unwrap();
    for forged in [
        json!([target("1", "s")]),
        json!([target("2", "r")]),
        json!([target("1", "r"), target("1", "s")]),
        json!([target("1", "r"), target("1", "r")]),
    ] {
        is_refused(&with(forged), 16);
    }
    // A target whose rows need no look at it was not read, and stops all the same where its account is not reached.
    let mut unread = life();
    unread[7]["line"]["region"] = "s".into();
    let mut sealing = Sealing::default();
    for intent in &unread[5..9] {
        let line: PlanRow = serde_json::from_value(intent["line"].clone()).unwrap();
        sealing.push("1", &line.region, line.verdict, line.leaf().unwrap());
    }
    let seal = sealing.seal(&serde_json::from_value(unread[9]["header"].clone()).unwrap()).unwrap();
    (unread[10]["plan_root"], unread[9]["seal"]) = (seal.root.clone().into(), json!(seal));
    unread[16]["targets"] = json!([target("1", "s")]);
    judged(&unread).unwrap();
    // A run without a plan has no targets.
    let mut unplanned = life()[..5].to_vec();
    unplanned.push(stopped(ONE, "failed"));
    unplanned[5]["targets"] = json!([target("1", "r")]);
    is_refused(&unplanned, 5);
}
