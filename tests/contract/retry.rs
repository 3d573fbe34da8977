//! `run --only OUTCOMES --of RUN`: some rows of an earlier run are planned again, from the journal alone, and identity guards.

use serde_json::{Value, json};

use crate::support::{Act, Bench, Done, Effect, HOME, row, summary};

/// `run --only ONLY --of RUN --yes` with these flags.
fn retry(bench: &Bench, only: &str, of: &str, more: &[&str]) -> Done {
    bench.keybatch(&[&["run", "--only", only, "--of", of, "--output", "json", "--yes"][..], more].concat())
}

fn run_of(done: &Done) -> String {
    done.json()["run"].as_str().unwrap().to_owned()
}

/// A finished run of three rows: the second failed, because it was refused.
fn one_failed() -> (Bench, Vec<String>, String) {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    bench.world.always("DeleteKeyPair", &names[1], Act::denied());
    let run = run_of(&bench.run(&bench.manifest(&names), &[]).exits(3));
    assert_eq!(row(&bench, &names[1]).outcome(), "failed");
    bench.world.heal();
    (bench, names, run)
}

/// Each of these rows is in doubt: its answer was lost, and it cannot be read since.
fn in_doubt(effects: &[Effect], more: &[&str]) -> (Bench, Vec<String>, String) {
    let bench = Bench::new();
    let names = bench.world.keys("key", effects.len());
    for (name, effect) in names.iter().zip(effects) {
        let silent = name.clone();
        let lost = Act::cut().with(*effect).and(move |state| {
            state.always.insert(("GetKeyPair".to_owned(), silent.clone()), Act::server_error());
        });
        bench.world.script("DeleteKeyPair", name, [lost]);
        bench.world.always("GetOperationsForResource", name, Act::empty_object());
    }
    let run = run_of(&bench.run(&bench.manifest(&names), &[&["--settle-timeout", "1s"][..], more].concat()).exits(6));
    assert!(names.iter().all(|name| row(&bench, name).outcome() == "in_doubt"));
    bench.world.heal();
    (bench, names, run)
}

fn entries(bench: &Bench) -> Value {
    bench.query("SELECT count(*) AS n FROM entries")[0]["n"].clone()
}

// SEMANTICS: P118
#[test]
fn rows_that_failed_are_deleted_by_a_run_of_their_own_without_any_file() {
    let (bench, names, run) = one_failed();
    std::fs::remove_file(bench.home().join("deletions.csv")).unwrap();
    let done = retry(&bench, "failed,in_doubt", "latest", &[]).exits(0);
    let whole = summary(&bench, &done);
    assert_eq!((&whole["rows"], &whole["outcomes"]["deleted"]), (&1.into(), &1.into()), "{done}");
    assert_eq!(whole["of"], json!({ "run": run, "only": ["failed", "in_doubt"] }), "{done}");
    assert!(done.stderr.contains("1 failed") && done.stderr.contains(&run), "{done}");
    assert!(!bench.world.has(&names[1]) && bench.world.arrived("DeleteKeyPair").len() == 4);
    // A reviewer finds the row again: by its line in the manifest, by the settings, by the header.
    let story = bench.keybatch(&["show", "latest", &names[1], "--output", "json"]).exits(0).json();
    assert_eq!((&story[0]["row"], &story[0]["of"]), (&1.into(), &json!({ "run": run, "row": 2 })), "{story}");
    let shown = bench.keybatch(&["show", "latest"]).exits(0).stdout;
    assert!(shown.contains(&format!("only rows of run {run} that are failed or in doubt")), "{shown}");
    let said = "SELECT json_extract(body, '$.settings.of') AS of, json_extract(body, '$.header.settings.only') AS only, \
                json_extract(body, '$.line.line') AS line FROM entries \
                WHERE kind IN ('session_opened', 'plan_sealed', 'intent_recorded') ORDER BY seq DESC LIMIT 3";
    let said = bench.query(said);
    assert_eq!(
        (&said[0]["only"], &said[1]["line"], &said[2]["of"]),
        (&"failed,in_doubt".into(), &3.into(), &run.into())
    );
    assert_eq!(bench.verify().exits(0).json()["verdict"], "self_consistent");
}

/// The manifest's own run stays what it was: the retry is no run of the manifest, and can be repeated.
// SEMANTICS: P118
#[test]
fn a_retry_is_no_run_of_the_manifest_and_can_be_repeated() {
    let (bench, names, run) = one_failed();
    let manifest = bench.manifest(&names);
    let once = run_of(&retry(&bench, "failed", &run, &[]).exits(0));
    let refused = bench.run(&manifest, &[]).exits(4);
    assert_eq!(refused.json()["run"], run, "{refused}");
    assert_eq!(run_of(&bench.run(&manifest, &["--resume"]).exits(3)), run);
    // The row of that run is still one that failed. Its key pair is gone, and a plain yes does not confirm that.
    retry(&bench, "failed", &run, &[]).exits(4);
    let args = ["run", "--only", "failed", "--of", &run, "--confirm", "0", "--output", "json"];
    let twice = bench.keybatch(&args).exits(0);
    assert_eq!(summary(&bench, &twice)["outcomes"]["absent"], 1, "{twice}");
    assert_eq!(bench.world.deletes(&names[1]), 2);
    // Of the retry itself no row failed.
    let before = entries(&bench);
    let nothing = retry(&bench, "failed,not_attempted", &once, &[]).exits(0);
    assert_eq!((&nothing.json()["run"], &nothing.json()["exit"]), (&Value::Null, &0.into()), "{nothing}");
    assert!(
        nothing.stderr.contains("no row of run") && nothing.stderr.contains("failed or not attempted"),
        "{nothing}"
    );
    assert_eq!(entries(&bench), before, "nothing is written");
    bench.run_unconfirmed(&manifest, &["--again", "--confirm", "0"]).exits(0);
    bench.verify().exits(0);
}

// SEMANTICS: P119
#[test]
fn a_row_in_doubt_is_deleted_absent_or_spared_as_its_key_pair_is_found() {
    let (bench, names, run) = in_doubt(&[Effect::Nothing, Effect::Delete, Effect::DeleteAndRecreate], &[]);
    let anew = bench.world.state().keys[&(HOME.to_owned(), names[2].clone())].arn.clone();
    let done = retry(&bench, "in-doubt", &run, &[]).exits(3);
    let outcomes: Vec<_> = names.iter().map(|name| row(&bench, name).outcome()).collect();
    assert_eq!(outcomes, ["deleted", "absent", "skipped"], "{done}");
    assert!(done.stderr.contains("recreated") && done.stderr.contains(&names[2]), "{done}");
    assert_eq!(bench.world.state().keys[&(HOME.to_owned(), names[2].clone())].arn, anew);
    // However often, and whatever the flags say.
    let skipped = retry(&bench, "skipped", "latest", &["--if-recreated", "warn"]).exits(3);
    assert_eq!(skipped.json()["outcomes"]["skipped"], 1, "{skipped}");
    retry(&bench, "in_doubt", &run, &[]).exits(3);
    assert_eq!(bench.world.wrong_deletions(), Vec::<String>::new());
    assert_eq!((bench.world.deletes(&names[0]), bench.world.deletes(&names[2])), (2, 1));
    bench.verify().exits(0);
}

/// A key pair that was not there when the run looked was not what it was to delete, however old it is.
// SEMANTICS: P119
#[test]
fn what_the_run_never_saw_is_spared() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    let manifest = bench.manifest(&[names[0].as_str(), "early"]);
    let run = run_of(&bench.run(&manifest, &[]).exits(0));
    bench.world.key("early");
    let done = retry(&bench, "absent", &run, &[]).exits(3);
    assert_eq!((row(&bench, "early").outcome(), bench.world.has("early")), ("skipped".into(), true), "{done}");
}

/// The earlier run's request may still be delivered.
// SEMANTICS: P119
#[test]
fn a_row_whose_request_may_still_be_delivered_waits() {
    let (bench, names, run) = in_doubt(&[Effect::Nothing], &["--signature-life", "12s", "--attempt-timeout", "1s"]);
    let done = retry(&bench, "in_doubt", &run, &["--signature-life", "12s"]).exits(0);
    assert!(done.stderr.contains(&format!("before requesting the deletion of {} again", names[0])), "{done}");
    let arrived = bench.world.arrived("DeleteKeyPair");
    assert!(arrived.len() == 2 && arrived[1].at_us - arrived[0].at_us >= 12_000_000, "{arrived:?}");
    bench.verify().exits(0);
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_sent() {
    let (bench, names, run) = one_failed();
    let manifest = bench.manifest(&names).display().to_string();
    let other = bench.file("other.csv", "key_pair_name\nkey-02\n").display().to_string();
    let (requests, before) = (bench.world.state().log.len(), entries(&bench));
    for (only, word) in [("deleted", "not there to be deleted"), ("unsettled", "keybatch resume"), ("lost", "lost")] {
        let refused = retry(&bench, &format!("failed,{only}"), &run, &[]).exits(2);
        assert!(refused.json()["message"].as_str().unwrap().contains(word), "{refused}");
    }
    for more in [&["--sandbox"][..], &["--again"], &["--resume"], &["--annotation", "x"]] {
        retry(&bench, "failed", &run, more).exits(2);
    }
    bench.keybatch(&["run", "--only", "failed", "--yes"]).exits(2);
    bench.keybatch(&["run", "--of", &run, "--yes"]).exits(2);
    assert_eq!(retry(&bench, "failed", "0000", &[]).exits(2).json()["code"], "run.unknown");
    let refused = retry(&bench, "failed", &run, &[&other]).exits(4);
    assert_eq!((&refused.json()["code"], &refused.json()["run"]), (&"retry.manifest".into(), &run.clone().into()));
    assert!(refused.said().contains("leave the manifest out"), "{refused}");
    let plan = bench.home().join("p.plan").display().to_string();
    bench.keybatch(&["plan", "--only", "failed", "--of", &run, "-o", &plan]).exits(0);
    retry(&bench, "failed", &run, &[&plan]).exits(2);
    let reads = bench.world.state().log.len();
    assert!(reads > requests && bench.world.arrived("DeleteKeyPair").len() == 3, "only the plan was made");
    assert_eq!(entries(&bench), before, "nothing is written");
    // The run's own manifest may be named.
    retry(&bench, "failed", &run, &[&manifest, "--dry-run"]).exits(0);
    assert_eq!(entries(&bench), before);
    retry(&bench, "failed", &run, &[&manifest]).exits(0);
}

/// Rows that a run has settled may be planned again while it is unfinished; those that it can still ask for may not.
// SEMANTICS: P118
#[test]
fn an_unfinished_run_keeps_the_rows_that_it_can_still_ask_for() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 4);
    bench.world.script("DeleteKeyPair", &names[0], [Act::denied()]);
    let first = bench.run(&bench.manifest(&names), &["--max-deletes", "2", "--concurrency", "1"]).exits(5);
    let run = run_of(&first);
    let refused = retry(&bench, "failed,not_attempted", &run, &[]).exits(11);
    assert!(refused.said().contains(&format!("keybatch resume {run}")), "{refused}");
    assert_eq!(retry(&bench, "failed", &run, &[]).exits(0).json()["outcomes"]["deleted"], 1);
    bench.keybatch(&["abandon", &run, "--because", "enough"]).exits(3);
    let rest = retry(&bench, "not_attempted", &run, &[]).exits(0);
    assert_eq!(rest.json()["outcomes"]["deleted"], 2, "{rest}");
    assert!(bench.world.state().keys.is_empty());
    bench.verify().exits(0);
    // One that was never started has no such rows.
    let declined = bench.run(&bench.file("none.csv", "key_pair_name\nnobody\n"), &[]).exits(4);
    assert_eq!(retry(&bench, "not_attempted", &run_of(&declined), &[]).exits(4).json()["code"], "run.abandoned");
}

/// The plan in a file names the run, and is executed like any other.
// SEMANTICS: P118
#[test]
fn the_rows_can_be_planned_into_a_file_that_is_executed() {
    let (bench, names, run) = one_failed();
    let plan = bench.home().join("rest.plan");
    let path = plan.display().to_string();
    let made = bench.keybatch(&["plan", "--only", "failed", "--of", "latest", "-o", &path]).exits(0);
    assert!(made.stdout.contains(&format!("rows of run {run} that are failed")), "{made}");
    let done = bench.run(&plan, &[]).exits(0);
    assert_eq!(done.json()["outcomes"]["deleted"], 1, "{done}");
    assert!(!bench.world.has(&names[1]));
    bench.verify().exits(0);
    let nothing = bench.keybatch(&["plan", "--only", "gone", "--of", &run]).exits(0);
    assert!(nothing.stderr.contains("no row of run"), "{nothing}");
}

/// A rehearsal's rows are planned again in its own world, and that run can be continued there.
// SEMANTICS: P118
#[test]
fn a_rehearsal_is_retried_in_its_own_world() {
    let bench = Bench::new();
    let fault = |name: &str| json!({ "name": name, "nth": 1, "do": "invalid_input" });
    let pairs: Vec<_> = ["aa", "bb", "cc"].map(|name| json!({ "name": name })).into();
    let world = json!({ "name": "small", "key_pairs": { "us-east-1": pairs }, "faults": [fault("aa"), fault("bb")] });
    let world = bench.file("w.json", world.to_string());
    let sandbox = format!("--sandbox={}", world.display());
    let first = bench.run(&bench.manifest(&["aa", "bb", "cc"]), &[&sandbox]).exits(3);
    let run = run_of(&first);
    let stopped = retry(&bench, "failed", &run, &["--max-deletes", "1", "--concurrency", "1"]).exits(5);
    assert_eq!((&stopped.json()["sandbox"], &stopped.json()["outcomes"]["deleted"]), (&true.into(), &1.into()));
    let rest = bench.keybatch(&["resume", &run_of(&stopped), "--output", "json"]).exits(0);
    assert_eq!(rest.json()["outcomes"]["deleted"], 2, "{rest}");
    assert!(bench.world.state().log.is_empty(), "nothing real was asked");
    bench.verify().exits(0);
}

/// The operation that the earlier run began is open: it may still delete the key pair, so there is no second delete (I3), in whatever
/// way the key pair is asked for again, until it has ended.
// SEMANTICS: P119
// SEMANTICS: P133
#[test]
fn a_key_pair_whose_operation_is_still_open_is_not_asked_for_again() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    bench.world.script("DeleteKeyPair", &names[0], [Act::never()]);
    let quick = ["--operation-timeout", "1s", "--settle-timeout", "1s"];
    let run = run_of(&bench.run(&bench.manifest(&names), &quick).exits(6));
    assert_eq!((row(&bench, &names[0]).outcome(), bench.world.has(&names[0])), ("in_doubt".into(), true));
    let other = bench.file("other.csv", format!("key_pair_name,note\n{},other\n", names[0]));
    for done in [retry(&bench, "in_doubt", &run, &quick), bench.run(&other, &quick)] {
        let done = done.exits(3);
        assert_eq!((&done.json()["outcomes"]["skipped"], bench.world.deletes(&names[0])), (&1.into(), 1), "{done}");
        let said = bench.query("SELECT detail FROM intents WHERE outcome = 'skipped' ORDER BY run_id DESC LIMIT 1");
        let said = said[0]["detail"].as_str().unwrap();
        assert!(said.contains("had not ended") && said.contains("no request was sent"), "{said}");
    }
    assert!(bench.world.polls() > 2, "it was looked for");
    bench.verify().exits(0);
    // It fails after all.
    bench.world.state().operations.iter_mut().for_each(|operation| {
        (operation.polls_left, operation.end) = (1, "Failed");
    });
    retry(&bench, "in_doubt", &run, &quick).exits(0);
    assert_eq!((bench.world.deletes(&names[0]), bench.world.has(&names[0])), (2, false));
    bench.verify().exits(0);
}

/// Two runs left an operation each, and the first has ended since: the last one is waited for.
// SEMANTICS: P133
#[test]
fn of_several_runs_the_operation_of_the_last_one_is_looked_for() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    bench.world.script("DeleteKeyPair", &names[0], [Act::never(), Act::never()]);
    let quick = ["--operation-timeout", "1s", "--settle-timeout", "1s"];
    let run = run_of(&bench.run(&bench.manifest(&names), &quick).exits(6));
    bench.world.state().operations.iter_mut().for_each(|operation| {
        (operation.polls_left, operation.end) = (1, "Failed");
    });
    retry(&bench, "in_doubt", &run, &quick).exits(6);
    assert_eq!(bench.world.deletes(&names[0]), 2, "the first had failed");
    let done = retry(&bench, "in_doubt", &run, &quick).exits(3);
    assert_eq!((&done.json()["outcomes"]["skipped"], bench.world.deletes(&names[0])), (&1.into(), 2), "{done}");
    bench.verify().exits(0);
}

/// A person's word counts as much: the operation is not looked for any more.
// SEMANTICS: P133
#[test]
fn an_operation_that_a_person_resolved_is_not_looked_for() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    bench.world.script("DeleteKeyPair", &names[0], [Act::never()]);
    let quick = ["--operation-timeout", "1s", "--settle-timeout", "1s"];
    let run = run_of(&bench.run(&bench.manifest(&names), &quick).exits(6));
    let resolve = ["resolve", &run, "row:1", "--outcome", "failed", "--because", "get-operation: Failed"];
    bench.keybatch(&resolve).exits(0);
    let before = bench.world.polls();
    retry(&bench, "failed", &run, &[]).exits(0);
    assert_eq!((bench.world.deletes(&names[0]), bench.world.has(&names[0])), (2, false));
    assert_eq!(bench.world.polls(), before);
    bench.verify().exits(0);
}

/// The answer was lost, the process died, and the service goes on with the operation: another manifest's run finds it in the history
/// and waits for its end.
// SEMANTICS: P133
#[test]
fn an_operation_whose_answer_was_lost_is_found_in_the_history_before_another_run_asks() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    let place = (crate::support::HOME.to_owned(), names[0].clone());
    let begun = Act::hang().and(move |state| {
        state.operation(&place, "Started", 3, "Succeeded");
    });
    bench.world.script("DeleteKeyPair", &names[0], [begun]);
    let live = bench.spawn_run(&bench.manifest(&names), &["--attempt-timeout", "1s"]);
    bench.world.wait_for_deletes(1);
    live.kill();
    let other = bench.file("other.csv", format!("key_pair_name,note\n{},other\n", names[0]));
    let done = bench.run(&other, &[]).exits(0);
    assert_eq!(done.json()["outcomes"]["absent"], 1, "{done}");
    assert_eq!((bench.world.deletes(&names[0]), bench.world.has(&names[0])), (1, false));
    assert!(bench.world.polls() > 2, "it was waited for");
    bench.verify().exits(0);
}
