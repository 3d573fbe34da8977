//! The decision table if *no* readable answer arrived: how such rows are settled; and identity (I4).

use std::time::Duration;

use crate::support::{Act, Bench, Effect, HOME, Row, count, invariants, row, summary};

/// Every way in which an answer can be lost.
fn losses() -> Vec<Act> {
    vec![
        Act::server_error(),
        Act::raw(500, "application/x-amz-json-1.1", ""),
        Act::raw(502, "text/html", "<html>bad gateway</html>"),
        Act::html_503(),
        Act::cut(),
        Act::hang(),
        Act::truncated(),
        Act::empty_200(),
        Act::empty_object(),
        Act::raw(200, "text/html", "<html>a captive portal</html>"),
    ]
}

/// Runs a manifest of `names`, all of which exist, and checks what always holds.
#[track_caller]
fn run(bench: &Bench, names: &[String], flags: &[&str], code: i32) {
    let done = bench.run(&bench.manifest(names), flags).exits(code);
    summary(bench, &done);
    invariants(bench);
}

/// One key pair per loss, each lost once with this effect.
fn lossy(effect: Effect) -> (Bench, Vec<String>) {
    let bench = Bench::new();
    let names = bench.world.keys("lost", losses().len());
    for (name, loss) in names.iter().zip(losses()) {
        bench.world.script("DeleteKeyPair", name, [loss.with(effect)]);
    }
    (bench, names)
}

/// Line "unanswered", not effective: read, then tried again; never two requests in a row without a reading.
// SEMANTICS: P20
#[test]
fn lost_before_the_effect_is_looked_at_and_retried() {
    let (bench, names) = lossy(Effect::Nothing);
    run(&bench, &names, &[], 0);
    for (name, loss) in names.iter().zip(losses()) {
        let row = row(&bench, name);
        assert_eq!((row.verdict().as_str(), row.attempts()), ("deleted/answer", 2), "{loss:?}: {row:#?}");
        let story = bench.world.story(name);
        let deletes: Vec<usize> = (0..story.len()).filter(|&at| story[at] == "DeleteKeyPair").collect();
        assert_eq!(deletes.len(), 2, "{loss:?}: {story:?}");
        let between = &story[deletes[0]..deletes[1]];
        assert!(between.iter().any(|operation| operation == "GetKeyPair"), "{loss:?}: no look between: {story:?}");
    }
}

/// Line "unanswered", effective, operation in the history: `deleted/operation` with its id, one request.
// SEMANTICS: P27
#[test]
fn lost_after_the_effect_is_found_in_the_history() {
    let (bench, names) = lossy(Effect::Delete);
    run(&bench, &names, &[], 0);
    for (name, loss) in names.iter().zip(losses()) {
        let row = row(&bench, name);
        assert_eq!((row.verdict().as_str(), row.attempts()), ("deleted/operation", 1), "{loss:?}: {row:#?}");
        assert_eq!(bench.world.deletes(name), 1, "{loss:?}");
        let operation = bench.world.state().operations.iter().find(|op| op.place.1 == *name).unwrap().id.clone();
        assert_eq!(row.text("operation_id"), operation, "{loss:?}");
    }
}

/// The answer is cut off, but the service accepted the request as an operation that takes effect only later: the key pair is still
/// there, and no other request is sent. The end of the operation decides.
// SEMANTICS: P20
// SEMANTICS: P27
#[test]
fn an_operation_that_is_still_to_end_is_not_asked_for_again() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    for (name, polls, end) in
        [(&names[0], 3, "Succeeded"), (&names[1], 2, "Failed"), (&names[2], u32::MAX, "Succeeded")]
    {
        let place = (HOME.to_owned(), name.clone());
        let accepting = Act::cut().and(move |state| drop(state.operation(&place, "Started", polls, end)));
        bench.world.script("DeleteKeyPair", name, [accepting]);
    }
    run(&bench, &names, &["--operation-timeout", "3s"], 6);
    let rows: Vec<_> = names.iter().map(|name| row(&bench, name)).collect();
    let ended: Vec<_> = rows.iter().map(|row| (row.verdict(), row.attempts())).collect();
    let expected = [("deleted/operation", 1), ("deleted/answer", 2), ("in_doubt/tried", 1)];
    assert_eq!(ended, expected.map(|(verdict, attempts)| (verdict.to_owned(), attempts)), "{rows:#?}");
    let deletes: Vec<_> = names.iter().map(|name| bench.world.deletes(name)).collect();
    assert_eq!(deletes, [1, 2, 1]);
    assert!(!bench.world.has(&names[0]));
    let operation = bench.world.state().operations.iter().find(|op| op.place.1 == names[0]).unwrap().id.clone();
    assert_eq!(rows[0].text("operation_id"), operation);
}

/// A delete of the name is under way that by our clock cannot be ours: nothing is sent while it is, and its effect is not claimed.
// SEMANTICS: P20
// SEMANTICS: P28
#[test]
fn an_operation_of_another_time_is_waited_for_and_not_claimed() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    for (name, end) in [(&names[0], "Succeeded"), (&names[1], "Failed")] {
        let place = (HOME.to_owned(), name.clone());
        let accepting = Act::cut().and(move |state| {
            state.operation(&place, "Started", 2, end);
            state.operations.last_mut().unwrap().created_us -= 3_000_000;
        });
        bench.world.script("DeleteKeyPair", name, [accepting]);
    }
    run(&bench, &names, &[], 0);
    let rows: Vec<_> = names.iter().map(|name| row(&bench, name)).collect();
    let ended: Vec<_> = rows.iter().map(|row| (row.verdict(), row.attempts())).collect();
    assert_eq!(ended, [("gone/readback".to_owned(), 1), ("deleted/answer".to_owned(), 2)], "{rows:#?}");
    let deletes: Vec<_> = names.iter().map(|name| bench.world.deletes(name)).collect();
    assert_eq!(deletes, [1, 2]);
}

/// A poll shows that the operation in the history succeeded, but readings still show the key pair: that proves nothing, and no other
/// request is sent.
// SEMANTICS: P20
// SEMANTICS: P27
#[test]
fn a_polled_success_alone_deletes_nothing() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    let place = (HOME.to_owned(), names[0].clone());
    let accepting = Act::cut().and(move |state| {
        state.operation(&place, "Started", 2, "Succeeded");
        state.operations.last_mut().unwrap().pending = None;
    });
    bench.world.script("DeleteKeyPair", &names[0], [accepting]);
    run(&bench, &names, &["--settle-timeout", "2s"], 6);
    let row = row(&bench, &names[0]);
    assert_eq!((row.verdict().as_str(), row.attempts()), ("in_doubt/tried", 1), "{row:#?}");
    assert_eq!(bench.world.deletes(&names[0]), 1);
}

/// Our operation succeeded, but readings still show the key pair: it is read again, and no other request is sent.
// SEMANTICS: P20
#[test]
fn a_reading_that_is_not_up_to_date_is_no_reason_to_ask_again() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    let place = (HOME.to_owned(), names[0].clone());
    let lagging = Act::cut().and(move |state| drop(state.operation(&place, "Succeeded", 0, "Succeeded")));
    bench.world.script("DeleteKeyPair", &names[0], [lagging]);
    run(&bench, &names, &["--settle-timeout", "2s"], 6);
    let row = row(&bench, &names[0]);
    assert_eq!((row.verdict().as_str(), row.attempts()), ("in_doubt/tried", 1), "{row:#?}");
    assert_eq!(bench.world.deletes(&names[0]), 1);
}

/// Line "unanswered", effective, no history: `gone/readback`, because nothing shows whether we did it (I5).
// SEMANTICS: P28
#[test]
fn lost_after_the_effect_without_history_is_gone() {
    let (bench, names) = lossy(Effect::Delete);
    bench.world.state().history = false;
    run(&bench, &names, &[], 0);
    for (name, loss) in names.iter().zip(losses()) {
        let row = row(&bench, name);
        assert_eq!((row.verdict().as_str(), row.attempts()), ("gone/readback", 1), "{loss:?}: {row:#?}");
        assert_eq!(bench.world.deletes(name), 1, "{loss:?}");
    }
}

/// lightsail.md: NotFound from GetOperationsForResource is neither evidence nor a failure; nor are a denial and a 500.
#[test]
fn an_operation_history_that_answers_with_errors_is_no_evidence() {
    let histories = [
        Act::type_and_code(400, "NotFoundException", "DoesNotExist"),
        Act::denied(),
        Act::raw(200, "application/x-amz-json-1.1", "{}"),
    ];
    crate::at_once(histories, |history| {
        let (bench, names) = lossy(Effect::Delete);
        bench.world.always("GetOperationsForResource", "*", history.clone());
        run(&bench, &names[..1], &[], 0);
        assert_eq!(row(&bench, &names[0]).verdict(), "gone/readback", "{history:?}");
    });
}

/// I5: an old operation of that name, a failed one or another kind in the window does not make it `deleted`.
// SEMANTICS: P25
// SEMANTICS: P27
#[test]
fn operations_that_prove_nothing_are_no_evidence() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    {
        let mut state = bench.world.state();
        let place = |name: &String| (HOME.to_owned(), name.clone());
        state.operation(&place(&names[0]), "Succeeded", 0, "Succeeded");
        let old = state.operations.len() - 1;
        state.operations[old].created_us -= 3_600_000_000;
    }
    let (failed, other) = (names[1].clone(), names[2].clone());
    bench.world.script("DeleteKeyPair", &names[0], [Act::cut().with(Effect::Vanish)]);
    let failing = Act::cut().with(Effect::Vanish).and(move |state| {
        state.operation(&(HOME.to_owned(), failed.clone()), "Failed", 0, "Failed");
    });
    bench.world.script("DeleteKeyPair", &names[1], [failing]);
    let creating = Act::cut().with(Effect::Vanish).and(move |state| {
        state.operation(&(HOME.to_owned(), other.clone()), "Succeeded", 0, "Succeeded");
        let last = state.operations.len() - 1;
        state.operations[last].kind = "CreateKeyPair";
    });
    bench.world.script("DeleteKeyPair", &names[2], [creating]);
    run(&bench, &names, &[], 0);
    for name in &names {
        assert_eq!(row(&bench, name).verdict(), "gone/readback", "{name}");
    }
}

/// "What no other tool does" 3, I4: a key pair that is re-created after a lost answer survives, no other request is sent, and the row
/// says so.
// SEMANTICS: P19
// SEMANTICS: P28
#[test]
fn a_key_pair_recreated_after_a_lost_answer_survives() {
    let (bench, names) = lossy(Effect::DeleteAndRecreate);
    run(&bench, &names, &[], 0);
    for (name, loss) in names.iter().zip(losses()) {
        let row = row(&bench, name);
        assert!(["deleted/operation", "gone/readback"].contains(&row.verdict().as_str()), "{loss:?}: {row:#?}");
        assert_eq!(bench.world.deletes(name), 1, "{loss:?}");
        assert!(bench.world.has(name), "{loss:?}: the new one survives");
        assert!(!row.text("detail").is_empty(), "{loss:?}: the row says that the name lives on: {row:#?}");
    }
}

/// I4, I5: replaced by somebody else while our request had no effect: `gone`, not `deleted`, and no other request is sent.
// SEMANTICS: P19
#[test]
fn a_key_pair_replaced_by_others_is_never_retried() {
    let (bench, names) = lossy(Effect::VanishAndRecreate);
    run(&bench, &names, &[], 0);
    for (name, loss) in names.iter().zip(losses()) {
        assert_eq!(row(&bench, name).verdict(), "gone/readback", "{loss:?}");
        assert_eq!(bench.world.deletes(name), 1, "{loss:?}");
    }
}

/// I4, line "operation Failed": the reading before the retry finds another identity, so there is no retry.
#[test]
fn a_failed_operation_on_a_replaced_key_pair_is_not_retried() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    bench.world.script("DeleteKeyPair", &names[0], [Act::failed_operation().with(Effect::VanishAndRecreate)]);
    let done = bench.run(&bench.manifest(&names), &[]).exits_one_of(&[0, 3, 6]);
    summary(&bench, &done);
    invariants(&bench);
    assert_eq!(bench.world.deletes(&names[0]), 1);
}

/// I4: the reading that tests the permission to read counts, too. If it shows another key pair, or none, that is not ignored
/// because the listing before it was young enough.
// SEMANTICS: P19
#[test]
fn what_the_first_reading_shows_is_not_passed_over() {
    for (effect, verdict, code) in
        [(Effect::VanishAndRecreate, "skipped/note", 3), (Effect::Vanish, "absent/inventory", 0)]
    {
        let bench = Bench::new();
        let names = bench.world.keys("key", 2);
        bench.world.script("GetKeyPair", &names[0], [Act::ok().with(effect)]);
        bench.run(&bench.manifest(&names), &[]).exits(code);
        let first = row(&bench, &names[0]);
        assert_eq!((first.verdict().as_str(), bench.world.deletes(&names[0])), (verdict, 0), "{first:#?}");
        assert_eq!(bench.world.has(&names[0]), effect == Effect::VanishAndRecreate, "the new one survives");
        assert_eq!(row(&bench, &names[1]).verdict(), "deleted/answer");
        invariants(&bench);
    }
}

/// Line "nothing sent", `--max-observation-age`: an old observation is renewed, and drift then protects the new one.
// SEMANTICS: P20
#[test]
fn an_old_observation_is_renewed_before_the_delete() {
    let bench = Bench::new();
    let names = ["a-first".to_owned(), "b-second".to_owned()];
    for name in &names {
        bench.world.key(name);
    }
    let slow = Act::ok().after(Duration::from_secs(2)).and(|state| {
        state.apply(Effect::VanishAndRecreate, &(HOME.to_owned(), "b-second".to_owned()));
    });
    bench.world.script("DeleteKeyPair", "a-first", [slow]);
    let flags = ["--concurrency", "1", "--max-observation-age", "1s", "--attempt-timeout", "10s"];
    run(&bench, &names, &flags, 3);
    assert_eq!(bench.world.deletes("b-second"), 0);
    assert_eq!(row(&bench, "b-second").outcome(), "skipped");
}

/// A listing that takes longer than `--max-observation-age` is of no use: it is made once, and then each key pair is read by itself.
// SEMANTICS: P20
#[test]
fn a_listing_too_slow_to_be_relied_upon_is_not_repeated() {
    let mut bench = Bench::new();
    bench.world.state().page_size = 2;
    let names = bench.world.keys("key", 40);
    bench.run(&bench.manifest(&names), &["--max-deletes", "1"]).exits(5);
    let pages = bench.world.arrived("GetKeyPairs").len();
    bench.set("KEYBATCH_RATE", "20/s");
    let done = bench.keybatch(&["resume", "--max-observation-age", "1s"]).exits(0);
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 40, "{done}");
    assert_eq!(bench.world.arrived("GetKeyPairs").len(), 2 * pages, "{done}");
    invariants(&bench);
}

/// Two key pairs with one name in a listing during the run say nothing about either: the key pair is read by itself.
// SEMANTICS: P20
#[test]
fn a_name_listed_twice_in_mid_run_is_read_by_itself() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 4);
    bench.run(&bench.manifest(&names), &["--max-deletes", "1", "--concurrency", "1"]).exits(5);
    let left = names.iter().find(|name| bench.world.deletes(name) == 0).unwrap();
    assert_eq!(left, "key-02");
    let listing =
        r#"{"keyPairs":[{"name":"key-02","arn":"a","createdAt":1},{"name":"key-02","arn":"b","createdAt":1}]}"#;
    bench.world.always("GetKeyPairs", "*", Act::raw(200, "application/x-amz-json-1.1", listing));
    let done = bench.keybatch(&["resume"]).exits(0);
    assert_eq!(row(&bench, left).verdict(), "deleted/answer", "{done}");
    assert!(bench.world.story(left).ends_with(&["GetKeyPair".to_owned(), "DeleteKeyPair".to_owned()]));
    invariants(&bench);
}

/// An operation history without its list says nothing: it is requested again for as long as settling may take, and after that it does
/// not prevent anything.
// SEMANTICS: P20
#[test]
fn a_history_without_its_list_shows_nothing() {
    for (effect, verdict, deletes) in [(Effect::Delete, "gone/readback", 1), (Effect::Nothing, "deleted/answer", 2)] {
        let bench = Bench::new();
        let names = bench.world.keys("key", 1);
        bench.world.script("DeleteKeyPair", &names[0], [Act::cut().with(effect)]);
        bench.world.always("GetOperationsForResource", &names[0], Act::empty_object());
        run(&bench, &names, &["--settle-timeout", "1s"], 0);
        assert_eq!((row(&bench, &names[0]).verdict().as_str(), bench.world.deletes(&names[0])), (verdict, deletes));
        assert!(bench.world.arrived("GetOperationsForResource").len() >= 3, "asked again");
    }
}

/// Settle budget: no reading succeeds, so nobody knows; `in_doubt`, exit 6, and no other request is sent.
// SEMANTICS: P33
#[test]
fn no_look_within_the_budget_is_in_doubt() {
    let cases = [
        (Effect::Nothing, Act::html_503()),
        (Effect::Delete, Act::server_error()),
        (Effect::Delete, Act::hang()),
        (Effect::Nothing, Act::truncated()),
        (Effect::Nothing, Act::cut()),
    ];
    crate::at_once(cases, |(effect, look)| {
        let bench = Bench::new();
        let names = bench.world.keys("key", 2);
        bench.world.script(
            "DeleteKeyPair",
            &names[0],
            [Act::cut().with(effect).and({
                let (name, look) = (names[0].clone(), look.clone());
                move |state| {
                    state.always.insert(("GetKeyPair".to_owned(), name.clone()), look.clone());
                    state.always.insert(("GetKeyPairs".to_owned(), "*".to_owned()), look.clone());
                }
            })],
        );
        run(&bench, &names, &["--settle-timeout", "2s", "--concurrency", "1"], 6);
        let row = row(&bench, &names[0]);
        assert_eq!((row.outcome().as_str(), row.attempts()), ("in_doubt", 1), "{look:?}: {row:#?}");
        assert_eq!(bench.world.deletes(&names[0]), 1, "{look:?}");
    });
}

/// Settling continues although a reading fails now and then.
#[test]
fn hiccups_of_the_look_do_not_matter() {
    let (bench, names) = lossy(Effect::Delete);
    let name = names[4].clone();
    let loss = Act::cut().with(Effect::Delete).and({
        let name = name.clone();
        move |state| {
            let key = ("GetKeyPair".to_owned(), name.clone());
            state.script.entry(key).or_default().extend([Act::throttle(), Act::html_503()]);
        }
    });
    let key = ("DeleteKeyPair".to_owned(), name.clone());
    bench.world.state().script.insert(key, [loss].into());
    run(&bench, std::slice::from_ref(&name), &["--settle-timeout", "20s"], 0);
    assert_eq!(row(&bench, &name).verdict(), "deleted/operation");
}

/// Outcome `failed`: the attempts are used up, and a reading still shows the key pair; evidence `readback`.
// SEMANTICS: P17
// SEMANTICS: P32
#[test]
fn unanswered_attempts_are_used_up() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    bench.world.always("DeleteKeyPair", &names[0], Act::server_error());
    run(&bench, &names, &["--max-attempts", "3"], 3);
    let row = row(&bench, &names[0]);
    assert_eq!((row.verdict().as_str(), row.attempts()), ("failed/readback", 3), "{row:#?}");
    assert_eq!(bench.world.deletes(&names[0]), 3);
}

/// A late effect: a reading still shows the key pair, but the retry gets "not found"; that is settled, not `absent`.
#[test]
fn an_effect_that_comes_late_is_settled() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    let second = Act::type_and_code(400, "NotFoundException", "DoesNotExist").with(Effect::Delete);
    bench.world.script("DeleteKeyPair", &names[0], [Act::cut(), second]);
    run(&bench, &names, &[], 0);
    let row = row(&bench, &names[0]);
    // The operation lies outside of the first attempt's window, and the second one is known to have done nothing.
    assert_eq!((row.verdict().as_str(), row.attempts()), ("gone/readback", 2), "{row:#?}");
}

/// I3, I10: many rows, many losses, many at once; never two in flight for one key pair.
// SEMANTICS: P15
// SEMANTICS: P24
#[test]
fn many_losses_at_once() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 30);
    for (index, name) in names.iter().enumerate() {
        let effect = [Effect::Nothing, Effect::Delete, Effect::DeleteAndRecreate][index % 3];
        let loss = losses()[index % losses().len()].clone().with(effect);
        bench.world.script("DeleteKeyPair", name, [Act::throttle(), loss, Act::throttle()]);
    }
    run(&bench, &names, &["--concurrency", "8"], 0);
}

/// The column `class` distinguishes unanswered attempts from answered ones, and `errors` lists those that ended in an error.
// SEMANTICS: P16
#[test]
fn the_attempts_tell_what_happened() {
    let (bench, names) = lossy(Effect::Nothing);
    run(&bench, &names[..1], &[], 0);
    let attempts = bench.query("SELECT * FROM attempts ORDER BY attempt");
    assert_eq!(attempts.len(), 2);
    let class = |index: usize| Row { value: attempts[index].clone() }.text("class");
    assert!(!class(0).is_empty() && class(0) != class(1), "{attempts:#?}");
    assert_eq!(count(&bench, "SELECT count(*) AS n FROM errors"), 1);
}
