//! What can be and what cannot in a run that several runners share: one lie each, with every number and root to match.

use keybatch::domain::OutcomeCounts;
use serde_json::{Value, json};

use super::journals::borrowed;
use super::runners::{Told, closing, intent, late, more, opening, rate, succeeded, taken, told};

/// A lie: what it is, the bodies, and the place of the entry that cannot be.
pub(crate) type Lie = (&'static str, Vec<String>, usize);

fn ends(by: u64, of: u64, why: &str) -> Value {
    more(by, None, "lease_ended", json!({ "of": of, "why": why }))
}

fn hears_late(by: u64, row: u64) -> Value {
    more(by, Some(row), "answer_late", late(succeeded(row, 1)))
}

fn is_told(by: u64, what: &str) -> Value {
    more(by, None, "control_used", json!({ "what": what, "by": "u", "uid": 0 }))
}

fn is_told_as(by: u64, who: Value) -> Value {
    let mut fields = json!({ "what": "continue", "by": "u@h" });
    fields.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
    more(by, None, "control_used", fields)
}

fn opens(command: &str) -> Value {
    more(9_999, None, "session_opened", opening("more", command))
}

/// The same history, changed so that it can be all the same.
pub(crate) fn honest() -> Vec<(&'static str, Vec<String>)> {
    let told = told();
    let [one, two, three] = ["one opens", "two opens", "three opens"].map(|what| told.number(what));
    let unheard = told.without("one hears 3 late");
    let mut alone = unheard.before("three takes", [opens("resolve"), hears_late(one, 3), hears_late(one, 7)]);
    alone.bodies.truncate(told.place("three takes") + 3);
    let late_comer = || [opens("work"), ends(9_999, 9_999, "left"), more(9_999, None, "session_closed", closing(0))];
    [
        ("as it is", told.clone()),
        (
            "one hears late before anybody says that it lapsed",
            unheard.before("three says that one lapsed", [hears_late(one, 3)]),
        ),
        ("one hears late before its rows are taken", unheard.before("three takes", [hears_late(one, 3)])),
        ("somebody has the journal alone after all runners, and one hears late", alone),
        ("both of the others say that one lapsed", told.before("two leaves", [ends(two, one, "lapsed")])),
        (
            "a runner that has closed is said to have lapsed",
            told.before("three takes what two left", [ends(three, two, "lapsed")]),
        ),
        (
            "a pause, and then it goes on",
            told.before(
                "three asks 6",
                [is_told(three, "pause"), is_told_as(three, json!({ "database_role": "operators" }))],
            ),
        ),
        ("a runner comes when the run is over", told.before("a checkpoint", late_comer())),
        ("nobody says of one whose run is over that it left", told.without("four leaves")),
    ]
    .map(|(what, told)| (what, told.sealed()))
    .into()
}

/// At which entry these stand, and which they are: the last of them cannot be.
type Intrusion = (&'static str, &'static str, Vec<Value>);

/// Of rows, whoever writes them.
fn of_rows(told: &Told) -> Vec<Intrusion> {
    let [one, two, three, four] = ["one opens", "two opens", "three opens", "four opens"].map(|what| told.number(what));
    let (east, west) = ("us-east-1", "eu-west-1");
    let takes = |by, region, rows: &[(u64, u64)]| more(by, None, "lease_taken", taken(region, rows));
    let start = |by, row, attempt: u64| more(by, Some(row), "attempt_started", json!({ "attempt": attempt }));
    let answer = |by, row| more(by, Some(row), "attempt_finished", succeeded(row, 1));
    let looks = |by, row| more(by, Some(row), "observed", borrowed("observed", 2, 0));
    let polls = |by, row| more(by, Some(row), "operation_polled", borrowed("operation_polled", 6, 0));
    let skips = json!({ "outcome": "skipped", "evidence": "note", "rests_on": [intent(4)] });
    let skips = |by| more(by, Some(4), "row_settled", skips.clone());
    let of_a_row = more(three, Some(6), "lease_taken", taken(west, &[(8, 8)]));
    vec![
        ("rows taken by a session that has the journal alone", "one opens", vec![takes(1, east, &[(1, 1)])]),
        ("a row of which another runner lives", "three says that one lapsed", vec![takes(three, east, &[(9, 9)])]),
        ("a row that it has itself", "three finds 3", vec![takes(three, east, &[(9, 9)])]),
        ("rows taken for a row", "three finds 3", vec![of_a_row]),
        ("an attempt without the row", "three says that one lapsed", vec![start(three, 9, 1)]),
        ("a reading without the row", "three says that one lapsed", vec![looks(three, 3)]),
        ("a poll without the row", "three says that one lapsed", vec![polls(three, 3)]),
        ("an outcome without the row", "one takes", vec![skips(one)]),
        ("an answer to another runner's attempt", "three finds 3", vec![answer(three, 3)]),
        ("an attempt of a row that was given back", "three takes what two left", vec![start(three, 6, 1)]),
        ("an attempt before the key pair was read again", "three finds 3", vec![start(three, 3, 2)]),
        ("an answer in time after the leases lapsed", "three takes", vec![answer(one, 3)]),
        ("an attempt after that", "three takes", vec![start(one, 9, 1)]),
        ("rows taken after that", "three takes", vec![takes(one, west, &[(8, 8)])]),
        ("rows taken after it left", "two closes", vec![takes(two, west, &[(8, 8)])]),
        ("an attempt after it left", "two closes", vec![start(two, 6, 1)]),
        ("a late answer that came in time", "three takes", vec![hears_late(one, 1)]),
        ("a late answer to another runner's attempt", "three finds 3", vec![hears_late(three, 7)]),
        ("a late answer without an attempt", "three finds 3", vec![hears_late(one, 9)]),
        ("a late answer twice", "three finds 3", vec![hears_late(one, 3)]),
        ("a late answer of a session that has the journal alone", "one opens", vec![start(1, 8, 1), hears_late(1, 8)]),
        (
            "it decides a row after it heard late",
            "three says that one lapsed",
            vec![hears_late(one, 3), answer(one, 7)],
        ),
        (
            "a command that two vouch for",
            "three asks 6",
            vec![is_told_as(three, json!({ "database_role": "o", "uid": 0 }))],
        ),
        ("a command that nobody vouches for", "three asks 6", vec![is_told_as(three, json!({}))]),
        ("an attempt during a pause", "three asks 6", vec![is_told(three, "pause"), start(three, 6, 1)]),
        ("rows taken when the run is over", "four is told", vec![takes(four, east, &[(9, 9)])]),
        ("an attempt when the run is over", "four is told", vec![start(four, 9, 1)]),
    ]
}

/// Of sessions and of the run as a whole.
fn of_sessions(told: &Told) -> Vec<Intrusion> {
    let [one, two, three, four] = ["one opens", "two opens", "three opens", "four opens"].map(|what| told.number(what));
    let learns = |by| more(by, None, "rate_changed", rate());
    let closes = |by, deletes| more(by, None, "session_closed", closing(deletes));
    let stops = |by| more(by, None, "run_stopped", json!({ "why": "signal" }));
    let all = OutcomeCounts { deleted: 7, gone: 1, skipped: 1, absent: 1, ..OutcomeCounts::default() };
    let some =
        OutcomeCounts { deleted: 3, gone: 1, skipped: 1, absent: 1, not_attempted: 4, ..OutcomeCounts::default() };
    let over = |by, kind: &str, outcomes: OutcomeCounts| {
        more(by, None, kind, json!({ "rows": 10, "outcomes": outcomes, "because": "b", "by": "u" }))
    };
    let of_a_row = more(two, Some(6), "lease_ended", json!({ "of": two, "why": "left" }));
    let checkpoint = more(one, None, "checkpoint_made", json!({ "size": 0, "root": "of one" }));
    let mut later = more(8_888, None, "session_opened", opening("later", "work"));
    later["seq"] = 8_888.into();
    vec![
        ("leases that end of a session that has the journal alone", "one opens", vec![ends(1, 1, "left")]),
        ("such a session goes on beside a runner", "one takes", vec![learns(1)]),
        ("a rate after the leases lapsed", "three takes", vec![learns(one)]),
        ("a command after that", "three takes", vec![is_told(one, "pause")]),
        ("somebody else lapsed, after that", "three takes", vec![ends(one, two, "lapsed")]),
        ("it leaves after that", "three takes", vec![ends(one, one, "left")]),
        ("it closes after that", "three takes", vec![closes(one, 1)]),
        ("a checkpoint after that", "three takes", vec![checkpoint]),
        ("a runner that lapsed, by its own word", "two leaves", vec![ends(two, two, "lapsed")]),
        ("a runner that left, by another's word", "two leaves", vec![ends(three, two, "left")]),
        ("leases that end for a row", "two leaves", vec![of_a_row]),
        ("it leaves while it waits for answers", "three opens", vec![ends(one, one, "left")]),
        ("a rate after it left", "two closes", vec![learns(two)]),
        ("it leaves twice", "two closes", vec![ends(two, two, "left")]),
        ("a runner stops the run", "two leaves", vec![stops(two)]),
        ("a runner abandons the run", "two leaves", vec![over(two, "run_abandoned", some)]),
        ("it goes on after it heard late", "three says that one lapsed", vec![hears_late(one, 3), learns(one)]),
        ("a runner goes on after somebody had the journal alone", "two leaves", vec![opens("resolve"), learns(two)]),
        ("the same, and another runner came", "two leaves", vec![opens("resolve"), later, learns(two)]),
        ("a run that is finished twice", "four is told", vec![over(four, "run_finished", all)]),
        ("a run that is stopped when it is over", "four is told", vec![stops(four)]),
        ("a rate after it closed", "a checkpoint", vec![learns(four)]),
    ]
}

/// What is there, told otherwise: where, and with which fields.
type Alteration = (&'static str, &'static str, Value);

fn of_opening_and_taking() -> Vec<Alteration> {
    let rows = |rows: &[(u64, u64)]| json!({ "rows": rows });
    let begins = json!({ "run": null, "run_id": "0198c0de-0000-7000-8000-00000000ffff" });
    vec![
        ("a runner that begins a run", "one opens", begins),
        ("a runner of no run", "one opens", json!({ "run": null })),
        ("a runner of another account", "one opens", json!({ "account": "000000000000" })),
        ("no rows are taken", "one takes", rows(&[])),
        ("rows that descend", "one takes", rows(&[(3, 3), (1, 1), (5, 5), (7, 7), (9, 9)])),
        ("a row twice", "one takes", rows(&[(1, 1), (1, 1), (3, 3), (5, 5), (7, 7)])),
        ("rows from behind", "one takes", rows(&[(1, 1), (5, 3), (7, 7)])),
        ("a row before the first", "one takes", rows(&[(0, 0), (1, 1), (3, 3)])),
        ("a row after the last", "one takes", rows(&[(1, 1), (3, 3), (11, 11)])),
        ("rows of another region", "one takes", json!({ "region": "eu-west-1" })),
        ("rows of another account", "one takes", json!({ "account": "000000000000" })),
        ("rows of two targets", "one takes", rows(&[(1, 3)])),
        ("rows for no time", "one takes", json!({ "lasts_ms": 0 })),
        ("a skew that is no text", "one takes", json!({ "skew_ms": 250 })),
        ("a skew in another spelling", "one takes", json!({ "skew_ms": "+250" })),
        ("a row that has its outcome", "three takes", rows(&[(1, 1), (3, 3), (7, 7), (9, 9)])),
        ("a row that another runner has", "two takes", json!({ "region": "us-east-1", "rows": [[9, 9]] })),
    ]
}

fn of_ending_and_hearing(told: &Told) -> Vec<Alteration> {
    let number = |what: &str| told.number(what);
    let grounds = ["one asks 3", "one hears 3 late", "three finds 3", "three looks for 3"].map(number);
    let grounds = [&[intent(3)][..], &grounds].concat();
    let target = |region: &str, why: &str| json!({ "account": "123456789012", "region": region, "why": why });
    let stopped = |targets: &[Value]| json!({ "targets": targets });
    let [other, ends] = ["three says that one lapsed", "two leaves"];
    let hears = "one hears 3 late";
    let twice = [target("eu-west-1", "all_denied"), target("eu-west-1", "all_denied")];
    let lapsed = json!({ "why": "lapsed", "stopped": null, "detail": null, "targets": null });
    vec![
        ("leases of a session that has the journal alone", other, json!({ "of": 1 })),
        ("leases of no session", other, json!({ "of": 3 })),
        ("another one says that it left", other, json!({ "why": "left" })),
        ("an end for no known reason", other, json!({ "why": "tired" })),
        ("another one says what stopped it", other, json!({ "stopped": "signal" })),
        ("another one says more of it", other, json!({ "detail": "it slept" })),
        ("another one names its targets", other, stopped(&[target("us-east-1", "all_denied")])),
        ("it lapsed, by its own word", ends, lapsed),
        ("it stopped for no known reason", ends, json!({ "stopped": "tired" })),
        ("it stopped as only a plan does", ends, json!({ "stopped": "refused" })),
        ("a target that is none stopped", ends, stopped(&[target("mars-1", "all_denied")])),
        ("a target stopped for no known reason", ends, stopped(&[target("eu-west-1", "tired")])),
        ("a target stopped twice", ends, stopped(&twice)),
        ("a late answer to another attempt", hears, json!({ "attempt": 2 })),
        ("a late answer for another row", hears, json!({ "row": 9 })),
        ("a late answer for no row", hears, json!({ "row": null })),
        ("a late answer of another runner", hears, json!({ "session": number("two opens") })),
        ("a late answer with an outcome", hears, json!({ "outcome": "deleted", "evidence": "answer" })),
        ("a late answer of no known class", hears, json!({ "class": "well" })),
        ("an outcome that rests on a late answer", "three settles 3", json!({ "rests_on": grounds })),
        ("an attempt in the name of one that lapsed", "three finds 3", json!({ "session": number("one opens") })),
        ("counts that are not those of the rows", "three finishes", json!({ "rows": 9 })),
    ]
}

/// Those that only keybatch convicts, because `contrib/verify.py` does not read answers again, or count deletes.
pub(crate) fn subtle() -> Vec<Lie> {
    let told = told();
    let sent = json!({ "requests": { "delete": 2, "read": 3, "throttled": 0 } });
    [
        ("a late answer about another key pair", "one hears 3 late", json!({ "json": succeeded(9, 1)["json"] })),
        ("a late answer told otherwise", "one hears 3 late", json!({ "class": "not_found" })),
        ("an outcome by a late answer", "three settles 3", json!({ "evidence": "answer" })),
        ("it sent more than it shows", "two closes", sent),
        (
            "a runner of another account's caller",
            "one opens",
            json!({ "accounts": [{ "account": "2", "caller_arn": "a" }] }),
        ),
    ]
    .map(|(what, at, fields)| (what, told.with(at, &fields).sealed(), told.place(at)))
    .into()
}

/// All others.
pub(crate) fn lies() -> Vec<Lie> {
    let told = told();
    let mut all = vec![("a runner of a run that has not started", told.at(16, [opens("work")]).sealed(), 16)];
    for (what, at, bodies) in of_rows(&told).into_iter().chain(of_sessions(&told)) {
        let bad = told.place(at) + bodies.len() - 1;
        all.push((what, told.before(at, bodies).sealed(), bad));
    }
    for (what, at, fields) in of_opening_and_taking().into_iter().chain(of_ending_and_hearing(&told)) {
        all.push((what, told.with(at, &fields).sealed(), told.place(at)));
    }
    for (what, left_out, bad) in [
        ("rows that nobody took", "one takes", "one asks 1"),
        ("rows taken though nobody said that their runner lapsed", "three says that one lapsed", "three takes"),
        ("it closes, and did not leave", "two leaves", "two closes"),
        ("a run that ends before its rows do", "three hears 10", "three finishes"),
    ] {
        all.push((what, told.without(left_out).sealed(), told.place(bad) - 1));
    }
    all
}
