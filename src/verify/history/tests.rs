//! Whole lives of two small runs, and each of them with one thing in it that cannot be: it is told where that is.

mod canary;
mod controlled;
mod ends;
mod lifted;
mod reconciled;
mod resolved;
mod retry;
mod runners;
mod searches;

use serde_json::{Value, json};

use super::*;
use crate::domain::{Outcome, OutcomeCounts, Settings};
use crate::record::plan::{ACTION, PLAN_SCHEMA, PlanRow, PlanSeal, Sealing};
use crate::verify::claims::{Line, Named};

const ONE: &str = "0198c0de-0000-7000-8000-000000000001";
const TWO: &str = "0198c0de-0000-7000-8000-000000000002";

/// The header of a run's plan.
fn header(run: &str, rows: u64) -> Value {
    json!({ "schema": PLAN_SCHEMA, "action": ACTION, "plan_id": run, "made_at": "2026-01-01T00:00:00.000000Z",
            "made_by": "u@h", "manifest": { "name": "m", "sha256": run, "bytes": 1, "rows": rows }, "endpoint": "e",
            "callers": [{ "account": "1", "arn": "a" }], "settings": {}, "version": "0.1.0" })
}

/// The seal of a run's plan whose rows have these verdicts.
fn seal(run: &str, verdicts: &[&str]) -> PlanSeal {
    let mut sealing = Sealing::default();
    for (row, verdict) in (1..).zip(verdicts) {
        let line: PlanRow = serde_json::from_value(line(row, verdict)).unwrap();
        sealing.push("1", "r", line.verdict, line.leaf().unwrap());
    }
    sealing.seal(&serde_json::from_value(header(run, verdicts.len() as u64)).unwrap()).unwrap()
}

fn line(row: u64, verdict: &str) -> Value {
    json!({ "row": row, "line": row + 1, "name": format!("key-{row}"), "account": "1", "region": "r", "verdict": verdict })
}

/// An entry without what its place says of it; null takes a field out. `run` stands for the run's id, and [`placed`] makes
/// numbers of it; `by_session_of` is the run whose session writes it, where that is another one's.
fn entry(run: Option<&str>, kind: &str, fields: Value) -> Value {
    let mut whole = fields;
    (whole["run"], whole["kind"]) = (json!(run), kind.into());
    whole
}

fn opened(run: &str, session: &str) -> Value {
    entry(Some(run), "session_opened", session_of(session))
}

fn session_of(session: &str) -> Value {
    json!({ "session_id": session, "command": "run", "version": "0.1.0", "host": "h", "user": "u", "pid": 1,
            "account": "1", "endpoint": "e", "sandbox": false, "settings": {}, "settings_sha256": "" })
}

fn closed(run: &str, deletes: u64) -> Value {
    let requests = json!({ "delete": deletes, "read": 0, "throttled": 0 });
    entry(Some(run), "session_closed", json!({ "requests": requests, "elapsed_ms": 1 }))
}

/// A session that accepts a rollback, and does nothing else.
fn lost(session: &str, at: &str) -> [Value; 3] {
    let head = json!({ "size": 99, "root": "r", "known_from": "f" });
    let requests = json!({ "delete": 0, "read": 0, "throttled": 0 });
    let used = json!({ "at": at, "override": "accept-rollback", "by": "u", "lost": [head] });
    [
        entry(None, "session_opened", session_of(session)),
        entry(None, "override_used", used),
        entry(None, "session_closed", json!({ "requests": requests, "elapsed_ms": 1 })),
    ]
}

fn listed(run: &str, source: &str) -> Value {
    let fields = json!({ "source": source, "found": "listed", "requests": 1, "throttled": 0, "elapsed_us": 1 });
    entry(Some(run), "observed", fields)
}

fn ingested(run: &str, rows: u64) -> Value {
    entry(
        Some(run),
        "manifest_ingested",
        json!({ "name": "m", "sha256": run, "bytes": 1, "rows": rows, "columns": [] }),
    )
}

fn intended(run: &str, row: u64, verdict: &str) -> Value {
    entry(Some(run), "intent_recorded", json!({ "row": row, "line": line(row, verdict) }))
}

fn sealed(run: &str, verdicts: &[&str]) -> Value {
    let rows = verdicts.len() as u64;
    let target = json!({ "account": "1", "region": "r", "key_pairs": rows, "pages": 1 });
    let fields = json!({ "header": header(run, rows), "seal": seal(run, verdicts), "targets": [target] });
    entry(Some(run), "plan_sealed", fields)
}

/// The seal of a plan with this header and these lines.
fn sealed_with(run: &str, header: Value, lines: &[Value]) -> Value {
    let mut sealing = Sealing::default();
    for text in lines {
        let line: PlanRow = serde_json::from_value(text.clone()).unwrap();
        sealing.push("1", "r", line.verdict, line.leaf().unwrap());
    }
    let seal = sealing.seal(&serde_json::from_value(header.clone()).unwrap()).unwrap();
    let target = json!({ "account": "1", "region": "r", "key_pairs": 4, "pages": 1 });
    entry(Some(run), "plan_sealed", json!({ "header": header, "seal": seal, "targets": [target] }))
}

fn begun(run: &str, verdicts: &[&str]) -> Value {
    let deletes = verdicts.iter().filter(|verdict| **verdict == "delete").count();
    let fields = json!({ "plan_root": seal(run, verdicts).root, "deletes": deletes, "confirmed_by": "yes",
                         "settings": Settings::default() });
    entry(Some(run), "run_started", fields)
}

fn asked(run: &str, row: u64, attempt: u64) -> Value {
    entry(Some(run), "attempt_started", json!({ "row": row, "attempt": attempt }))
}

fn answered(run: &str, row: u64, attempt: u64, class: &str) -> Value {
    let mut fields = json!({ "row": row, "attempt": attempt, "class": class, "elapsed_us": 1 });
    if class == "succeeded" {
        (fields["outcome"], fields["evidence"]) = ("deleted".into(), "answer".into());
    }
    entry(Some(run), "attempt_finished", fields)
}

/// An entry between others that changes nothing for them.
fn paced(run: &str) -> Value {
    let fields = json!({ "account": "1", "region": "r", "from_per_s": "1", "to_per_s": "2", "why": "throttled" });
    entry(Some(run), "rate_changed", fields)
}

fn settled(run: &str, row: u64, outcome: &str, evidence: &str, rests_on: &[u64]) -> Value {
    entry(
        Some(run),
        "row_settled",
        json!({ "row": row, "outcome": outcome, "evidence": evidence, "rests_on": rests_on }),
    )
}

fn stopped(run: &str, why: &str) -> Value {
    entry(Some(run), "run_stopped", json!({ "why": why }))
}

/// Everything that a run of four rows has, with a second session.
/// The verdicts of the rows of [`life`].
const VERDICTS: [&str; 4] = ["delete", "delete", "skip", "absent"];

fn life() -> Vec<Value> {
    let mut outcomes = OutcomeCounts::default();
    for outcome in [Outcome::Deleted, Outcome::Deleted, Outcome::Skipped, Outcome::Absent] {
        outcomes.add(outcome);
    }
    vec![
        entry(
            None,
            "journal_created",
            json!({ "journal_id": "j", "format": "keybatch.journal/2", "action": "a", "version": "0.1.0" }),
        ),
        opened(ONE, "s1"),
        listed(ONE, "get_key_pairs"),
        listed(ONE, "get_instances"),
        ingested(ONE, 4),
        intended(ONE, 1, "delete"),
        intended(ONE, 2, "delete"),
        intended(ONE, 3, "skip"),
        intended(ONE, 4, "absent"),
        sealed(ONE, &VERDICTS),
        begun(ONE, &VERDICTS),
        asked(ONE, 1, 1),
        answered(ONE, 1, 1, "succeeded"),
        paced(ONE),
        asked(ONE, 2, 1),
        answered(ONE, 2, 1, "throttled"),
        stopped(ONE, "signal"),
        closed(ONE, 2),
        opened(ONE, "s2"),
        asked(ONE, 2, 2),
        answered(ONE, 2, 2, "succeeded"),
        paced(ONE),
        settled(ONE, 3, "skipped", "note", &[7]),
        settled(ONE, 4, "absent", "inventory", &[2, 3, 8]),
        entry(Some(ONE), "run_finished", json!({ "rows": 4, "outcomes": outcomes })),
        closed(ONE, 1),
    ]
}

/// The entries with their places, and with the numbers of their runs and sessions.
fn placed(entries: &[Value]) -> Vec<Value> {
    // The number of each run, and of its last session; those of none have a name of their own.
    let (mut runs, mut sessions) = (HashMap::<String, usize>::new(), HashMap::<String, usize>::new());
    let mut last_at: Value = "2026-01-01T00:00:00.000000Z".into();
    let place = |(seq, entry): (usize, &Value)| {
        let mut body = entry.clone();
        (body["v"], body["seq"]) = (crate::record::ENTRY_VERSION.into(), seq.into());
        if body["at"].is_null() {
            body["at"] = last_at.clone();
        }
        last_at = body["at"].clone();
        let run = body["run"].take().as_str().unwrap_or_default().to_owned();
        let by = body["by_session_of"].take().as_str().map(str::to_owned);
        if body["kind"] == "session_opened" {
            sessions.insert(run.clone(), seq);
            if let Some(number) = runs.get(&run) {
                body["run"] = (*number).into();
            } else if !run.is_empty() {
                body["run_id"] = run.clone().into();
                runs.insert(run.clone(), seq);
            }
        } else if by.is_some() {
            body["run"] = runs[&run].into();
        }
        if body["session"].is_null() && body["kind"] != "journal_created" {
            body["session"] = sessions.get(&by.unwrap_or(run)).copied().unwrap_or(9_999).into();
        }
        body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        body
    };
    entries.iter().enumerate().map(place).collect()
}

/// What is claimed, with the leaf of the plan's line where it is an intent's.
fn with_line(event: &Event, claimed: Claimed) -> Claimed {
    match event {
        Event::IntentRecorded(intent) => {
            let leaf = intent.line.leaf().unwrap();
            let shows = Shows::Line(Line {
                leaf,
                of_file: false,
                skips_invalid: false,
                is_default: false,
                is_by_policy: false,
            });
            Claimed { shows, ..claimed }
        }
        _ => claimed,
    }
}

/// The number of the first entry that cannot be, and why; the history, where there is none.
fn judged_with(entries: &[Value], claimed: impl Fn(usize) -> Claimed) -> Result<History, (usize, Trouble)> {
    let mut history = History::default();
    for (seq, body) in placed(entries).into_iter().enumerate() {
        let entry = Entry::parse(&body.to_string()).unwrap();
        let claimed = with_line(&entry.event, claimed(seq));
        history.step(&entry, claimed).map_err(|trouble| (seq, trouble))?;
    }
    Ok(history)
}

fn judged(entries: &[Value]) -> Result<History, (usize, Trouble)> {
    judged_with(entries, |_| Claimed::default())
}

#[track_caller]
fn is_refused(entries: &[Value], at: usize) {
    let judged = judged(entries).map(|_| "nothing is wrong");
    assert!(judged.as_ref().is_err_and(|(found, _)| *found == at), "entry {at}: {judged:?}");
}

#[test]
fn a_whole_life_is_legal_at_every_length() {
    let life = life();
    for length in 1..=life.len() {
        let history = judged(&life[..length]).unwrap();
        assert_eq!(history.unfinished().count(), usize::from((2..25).contains(&length)), "{length}");
    }
}

#[test]
fn what_an_entry_counts_or_names_is_what_there_is() {
    let other = seal(ONE, &VERDICTS[..3]).root;
    let part = |name: &str, field: &str, value: Value| {
        let mut whole = life()[9][name].clone();
        whole[field] = value;
        json!({ name: whole })
    };
    let target = json!({ "account": "1", "region": "r", "deletes": 2, "skips": 1, "absents": 1 });
    let counted = |field: &str, count: u64| {
        let mut target = target.clone();
        target[field] = count.into();
        part("seal", "targets", json!([target]))
    };
    let wrong = [
        (0, json!({ "session": 0 })),
        (0, json!({ "row": 1 })),
        (1, json!({ "row": 1 })),
        (7, json!({ "line": line(2, "skip") })),
        (9, part("seal", "rows", json!(5))),
        (9, part("seal", "root", json!(other))),
        (9, part("seal", "rows_root", json!(other))),
        (9, part("seal", "schema", json!("keybatch.plan/1"))),
        (9, part("seal", "targets", json!([]))),
        (9, counted("deletes", 3)),
        (9, counted("skips", 0)),
        (9, counted("absents", 0)),
        (9, json!({ "targets": [] })),
        (9, part("header", "made_by", json!("somebody@else"))),
        (9, part("header", "schema", json!("keybatch.plan/2"))),
        (9, part("header", "action", json!("lightsail:DeleteInstance"))),
        (9, part("header", "manifest", json!({ "name": "m", "sha256": "ff", "bytes": 1, "rows": 4 }))),
        (9, part("header", "endpoint", json!("f"))),
        (9, part("header", "callers", json!([{ "account": "2", "arn": "a" }]))),
        (10, json!({ "plan_root": other })),
        (10, json!({ "deletes": 1 })),
        (12, json!({ "outcome": "gone", "evidence": "readback" })),
        (12, json!({ "outcome": null })),
        (12, json!({ "evidence": null })),
        (12, json!({ "outcome": null, "evidence": null })),
        (15, json!({ "outcome": "deleted", "evidence": "answer" })),
        (23, json!({ "outcome": "gone", "evidence": "readback" })),
        (23, json!({ "rests_on": [2, 3, 8, 8] })),
        (23, json!({ "rests_on": [8, 2] })),
        (23, json!({ "rests_on": [2, 3] })),
        (23, json!({ "rests_on": [2, 3, 8, 10] })),
        (2, json!({ "session": 2 })),
        (11, json!({ "session": 18 })),
        (17, json!({ "session": 0 })),
        (18, json!({ "session": 1 })),
        (18, json!({ "session_id": "s1" })),
        (19, json!({ "session": 1 })),
        (23, json!({ "row": 5 })),
        (24, json!({ "rows": 3 })),
    ];
    for (at, fields) in wrong {
        let mut life = life();
        fields.as_object().unwrap().iter().for_each(|(name, value)| life[at][name] = value.clone());
        is_refused(&life, at);
    }
    let mut life = life();
    life[4]["rows"] = 5.into();
    is_refused(&life, 9);
}

#[test]
fn nothing_comes_twice_or_where_it_can_no_longer_be() {
    let again = [
        (5, ingested(ONE, 4)),
        (10, intended(ONE, 5, "delete")),
        (10, sealed(ONE, &VERDICTS)),
        (11, begun(ONE, &VERDICTS)),
        (17, listed(ONE, "get_key_pairs")),
        (18, closed(ONE, 2)),
        (22, settled(ONE, 2, "deleted", "answer", &[6, 20])),
        (23, settled(ONE, 3, "skipped", "note", &[7])),
        (25, listed(ONE, "get_key_pairs")),
    ];
    for (at, entry) in again {
        let mut life = life();
        life.insert(at, entry);
        is_refused(&life[..=at], at);
    }
    // Also an empty plan needs a manifest, and has none behind its seal.
    let mut empty = life()[..2].to_vec();
    empty.extend([sealed(ONE, &[])]);
    is_refused(&empty, 2);
    empty.insert(2, ingested(ONE, 0));
    empty[3] = sealed(ONE, &[]);
    empty.push(ingested(ONE, 0));
    is_refused(&empty, 4);
    // A session that is closed does nothing more.
    let mut late = life()[..18].to_vec();
    late.push(asked(ONE, 2, 2));
    is_refused(&late, 18);
}

/// A session ends in order once it has said how, and has waited for its answers.
#[test]
fn a_session_is_closed_when_it_is_over() {
    let mut silent = life();
    silent.remove(16);
    is_refused(&silent[..17], 16);
    let mut unfinished = life();
    unfinished.remove(24);
    is_refused(&unfinished[..25], 24);
    let mut open = life();
    open.remove(15);
    open[16]["requests"]["delete"] = 1.into();
    is_refused(&open[..17], 16);
    // One whose request never left is over, too.
    for class in ["not_sent", "throttled"] {
        let mut over = life()[..18].to_vec();
        over[15]["class"] = class.into();
        judged(&over).unwrap();
    }
}

#[test]
fn a_run_that_never_began_is_closed_for_good() {
    for why in ["refused", "declined", "failed", "abandoned"] {
        let mut refused = life()[..5].to_vec();
        refused.extend([stopped(ONE, why), closed(ONE, 0)]);
        assert_eq!(judged(&refused).unwrap().unfinished().count(), 0, "{why}");
        refused.push(opened(ONE, "s2"));
        is_refused(&refused, 7);
    }
    // Nobody but its own session stops it, unless it is abandoned.
    for why in ["abandoned", "failed"] {
        let mut dead = life()[..5].to_vec();
        let mut end = stopped(ONE, why);
        end["by_session_of"] = TWO.into();
        dead.extend([opened(TWO, "s2"), end]);
        assert_eq!(judged(&dead).is_ok(), why == "abandoned", "{why}");
    }
}

/// Whose rows stand behind or between those of another run.
#[test]
fn each_run_has_its_own_rows() {
    let two = |entries: &mut Vec<Value>| {
        let first = entries.len() as u64;
        entries.extend([
            opened(TWO, "t1"),
            ingested(TWO, 2),
            intended(TWO, 1, "skip"),
            intended(TWO, 2, "delete"),
            sealed(TWO, &["skip", "delete"]),
            begun(TWO, &["skip", "delete"]),
            settled(TWO, 1, "skipped", "note", &[first + 2]),
            asked(TWO, 2, 1),
            answered(TWO, 2, 1, "succeeded"),
            paced(TWO),
        ]);
    };
    let mut behind = life();
    two(&mut behind);
    judged(&behind).unwrap();
    // Before the first run goes on.
    let mut between = life()[..18].to_vec();
    two(&mut between);
    between.truncate(21);
    between.extend([opened(ONE, "s2"), settled(ONE, 5, "skipped", "note", &[20])]);
    judged(&between[..22]).unwrap();
    is_refused(&between, 22);
    // Before the first run has any.
    let mut before = life()[..2].to_vec();
    two(&mut before);
    before.extend([opened(ONE, "s2"), ingested(ONE, 1), intended(ONE, 1, "absent"), sealed(ONE, &["absent"])]);
    before.extend([begun(ONE, &["absent"]), settled(ONE, 1, "absent", "inventory", &[14])]);
    judged(&before).unwrap();
}

#[test]
fn an_outcome_rests_on_listings_and_not_on_other_readings() {
    let mut life = life();
    // The reading with which a plan tests whether key pairs may be read.
    life[3] = listed(ONE, "get_key_pair");
    is_refused(&life, 23);
    life[23]["rests_on"] = json!([2, 8]);
    judged(&life).unwrap();
}

#[test]
fn an_answer_is_of_the_key_pair_that_was_asked_for() {
    let (own, other) = (hash("key-1"), hash("key-2"));
    for (named, holds) in [
        (Named::Any, true),
        (Named::Is(own), true),
        (Named::Is(other), false),
        (Named::IsNot(own), false),
        (Named::IsNot(other), true),
    ] {
        let claimed = |seq| Claimed { named: if seq == 12 { named } else { Named::Any }, ..Claimed::default() };
        let judged = judged_with(&life(), claimed).map(drop);
        assert_eq!(judged.is_ok(), holds, "{named:?}");
        assert!(holds || judged.is_err_and(|(at, _)| at == 12), "{named:?}");
    }
}

#[test]
fn a_sandbox_answers_rehearsals_alone() {
    for sandbox in [true, false] {
        let mut life = life();
        [1, 18].into_iter().for_each(|at| life[at]["sandbox"] = sandbox.into());
        let judged = judged_with(&life, |seq| Claimed { sandbox: seq == 12, ..Claimed::default() }).map(drop);
        assert_eq!(judged.is_ok(), sandbox);
        assert!(sandbox || judged.is_err_and(|(at, _)| at == 12));
    }
}

#[test]
fn a_run_is_bound_to_what_its_first_session_says() {
    for fields in [json!({ "account": "2" }), json!({ "endpoint": "f" }), json!({ "sandbox": true })] {
        let mut life = life();
        fields.as_object().unwrap().iter().for_each(|(name, value)| life[18][name] = value.clone());
        is_refused(&life, 18);
    }
    let mut other = life();
    other[5]["line"]["account"] = "2".into();
    is_refused(&other, 5);
    // A policy that its plan does not name, and one that only a later session has; to give it up needs none.
    for (at, bad) in [(1, 9), (18, 18)] {
        let mut other = life();
        other[at]["policy_sha256"] = "d".into();
        is_refused(&other, bad);
    }
    let mut abandoned = life();
    abandoned[18]["policy_sha256"] = "d".into();
    abandoned[18]["command"] = "abandon".into();
    judged(&abandoned).unwrap();
    // What no session says binds nothing.
    let mut silent = life();
    [1, 18].into_iter().for_each(|at| silent[at]["account"] = Value::Null);
    judged(&silent).unwrap();
}
