//! `--canary N`: the first key pairs of each target are deleted and read back, then the session stops for a look.

use std::time::Duration;

use crate::support::{Act, Bench, Done, Effect, count, intents, invariants, row, safety, summary};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Checks that the session stopped for a look; returns what it found.
#[track_caller]
fn looks(bench: &Bench, done: Done) -> (Value, Done) {
    let done = done.exits(5);
    let summary = summary(bench, &done);
    assert_eq!((&summary["state"], &summary["stopped_by"]), (&"stopped".into(), &"canary".into()), "{done}");
    assert!(done.stderr.contains("look at what the canary did, then delete the rest with: keybatch resume"), "{done}");
    (summary["canary"].clone(), done)
}

/// The names whose deletion was requested.
fn asked(bench: &Bench) -> Vec<String> {
    let mut names: Vec<_> = bench.world.arrived("DeleteKeyPair").into_iter().map(|arrival| arrival.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// However many rows may be in flight, no other delete leaves. What was found is in the summary, on standard error and in the
/// journal; `resume` deletes the rest, and a further one does nothing.
// SEMANTICS: P75
#[test]
fn a_canary_is_deleted_and_read_back_and_the_rest_waits() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 40);
    bench.world.always("DeleteKeyPair", "*", Act::ok().after(Duration::from_millis(60)));
    let done = bench.run(&bench.manifest(&names), &["--canary", "3", "--concurrency", "64"]);
    let (found, done) = looks(&bench, done);
    assert_eq!(asked(&bench), names[..3], "{done}");
    let target = &found["targets"][0];
    assert_eq!((&found["limit"], &target["requested"], &target["region"]), (&3.into(), &3.into(), &"us-east-1".into()));
    assert_eq!(target["read_back"], json!({"not_there": 3, "still_there": 0, "other_identity": 0, "not_read": 0}));
    assert_eq!(target["requests"], json!({"delete": 3, "read": 3, "throttled": 0}), "{done}");
    assert!(target["median_ms"].as_f64().unwrap() >= 60.0 && target["alarms"] == json!([]), "{done}");
    let line = "canary 123456789012/us-east-1: 3 deleted; read back: 3 not there; 3 delete requests, 3 read requests, 0 throttled";
    assert!(done.stderr.contains(line) && !done.stderr.contains("ALARM"), "{done}");
    let after = "SELECT count(*) AS n FROM entries AS seen JOIN entries AS sent USING (run_id, row_no) \
                 WHERE seen.kind = 'observed' AND sent.kind = 'attempt_finished' AND seen.seq > sent.seq \
                 AND json_extract(seen.body, '$.found') = 'not_found'";
    assert_eq!(count(&bench, after), 3, "each was read after its answer");
    assert_eq!(bench.query("SELECT stopped_by FROM runs")[0]["stopped_by"], "canary");
    invariants(&bench);
    let rest = bench.resume().exits(0);
    assert_eq!(summary(&bench, &rest)["canary"], Value::Null, "a limit belongs to its session\n{rest}");
    assert!(bench.world.state().keys.is_empty());
    invariants(&bench);
    let entries = count(&bench, "SELECT count(*) AS n FROM entries");
    bench.resume().exits(0);
    assert_eq!(count(&bench, "SELECT count(*) AS n FROM entries"), entries, "I6");
}

/// Each target stops at its own N. One that has fewer rows to delete is finished, and the session ends when all are done.
// SEMANTICS: P75
#[test]
fn each_target_has_its_own_canary() {
    let bench = Bench::new();
    let mut manifest = "name,region\n".to_owned();
    for (region, rows) in [("us-east-1", 7), ("eu-west-1", 5), ("eu-north-1", 2)] {
        for number in 1..=rows {
            bench.world.state().create(region, &format!("key-{number}"));
            manifest += &format!("key-{number},{region}\n");
        }
    }
    let manifest = bench.file("m.csv", manifest);
    let (found, done) = looks(&bench, bench.run(&manifest, &["--canary", "2"]));
    let of = |region: &str| bench.world.arrived("DeleteKeyPair").iter().filter(|one| one.region == region).count();
    assert_eq!((of("us-east-1"), of("eu-west-1"), of("eu-north-1")), (2, 2, 2), "{done}");
    assert_eq!(found["targets"].as_array().unwrap().len(), 3, "{found}");
    let ends = summary(&bench, &done)["targets"].clone();
    for end in ends.as_array().unwrap() {
        let expected =
            if end["region"] == "eu-north-1" { json!(["finished", null]) } else { json!(["stopped", "canary"]) };
        assert_eq!(json!([end["state"], end["stopped_by"]]), expected, "{end}");
    }
    // Again, more of each.
    let again = bench.keybatch(&["resume", "--output", "json", "--canary", "3"]);
    let (found, done) = looks(&bench, again);
    assert_eq!((of("us-east-1"), of("eu-west-1")), (5, 5), "{done}");
    assert_eq!(found["targets"].as_array().unwrap().len(), 2, "{found}");
    // Now no target has more than that: a canary that holds nothing back is a run like any other.
    let last = bench.keybatch(&["resume", "--output", "json", "--canary", "3"]).exits(0);
    let last = summary(&bench, &last);
    assert_eq!(
        (&last["state"], &last["canary"]["targets"][0]["read_back"]["not_there"]),
        (&"finished".into(), &2.into())
    );
    invariants(&bench);
}

/// Rows that the plan itself settles do not keep a target from being finished, wherever they stand.
// SEMANTICS: P75
#[test]
fn a_target_with_no_more_rows_to_delete_is_finished() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    let rows = [&names[0], "not-there", &names[1], &names[1], "nor-there"].join("\n");
    let manifest = bench.file("m.csv", format!("name\n{rows}\n"));
    let done = bench.run(&manifest, &["--canary", "2"]).exits(0);
    let summary = summary(&bench, &done);
    assert_eq!((&summary["state"], &summary["stopped_by"]), (&"finished".into(), &Value::Null), "{done}");
    assert_eq!(summary["canary"]["targets"][0]["read_back"]["not_there"], 2, "it was read back all the same\n{done}");
    invariants(&bench);
}

/// A lost answer, a throttle and a refusal among the first: each row of the canary gets its outcome as in any run, and no other
/// row takes its place.
// SEMANTICS: P75
#[test]
fn a_canary_that_does_not_go_well_ends_like_any_rows() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 12);
    bench.world.script("DeleteKeyPair", &names[0], [Act::cut().with(Effect::Nothing)]);
    bench.world.script("DeleteKeyPair", &names[1], [Act::throttle(), Act::throttle()]);
    bench.world.always("DeleteKeyPair", &names[2], Act::type_only(400, "InvalidInputException"));
    bench.world.script("DeleteKeyPair", &names[3], [Act::slow(2, "Succeeded").with(Effect::Nothing)]);
    let (found, done) = looks(&bench, bench.run(&bench.manifest(&names), &["--canary", "4", "--concurrency", "64"]));
    assert_eq!(asked(&bench), names[..4], "{done}");
    let verdicts: Vec<_> = names[..4].iter().map(|name| row(&bench, name).outcome()).collect();
    assert_eq!(verdicts, ["deleted", "deleted", "failed", "deleted"], "{done}");
    let target = &found["targets"][0];
    assert_eq!((&target["outcomes"]["deleted"], &target["outcomes"]["failed"]), (&3.into(), &1.into()), "{found}");
    assert_eq!((&target["read_back"]["not_there"], &target["read_back"]["still_there"]), (&3.into(), &1.into()));
    assert_eq!(target["alarms"], json!([]), "a refused one that is still there is as its outcome says");
    assert_eq!(target["requests"]["throttled"], 2, "{found}");
    invariants(&bench);
    bench.resume().exits(3);
    invariants(&bench);
}

/// A canary that is denied as a whole shows nothing about its rows: the target stops, and nothing has failed.
// SEMANTICS: P40
// SEMANTICS: P75
#[test]
fn a_canary_that_is_denied_fails_no_row() {
    for (size, act) in [("1", Act::denied()), ("3", Act::denied()), ("2", Act::type_only(400, "ExpiredTokenException"))]
    {
        let bench = Bench::new();
        let names = bench.world.keys("key", 9);
        bench.world.always("DeleteKeyPair", "*", act);
        let done = bench.run(&bench.manifest(&names), &["--canary", size]).exits(5);
        let stopped = summary(&bench, &done);
        assert_eq!(
            (&stopped["stopped_by"], &stopped["outcomes"]["not_attempted"]),
            (&"breaker".into(), &9.into()),
            "{done}"
        );
        assert_eq!(asked(&bench).len().to_string(), size, "{done}");
        bench.world.heal();
        bench.resume().exits(0);
        invariants(&bench);
    }
}

/// What was deleted and is shown all the same, or whose name another key pair has, is said loudly, and nothing is concluded
/// from it: the outcome stays what the answer showed.
// SEMANTICS: P75
#[test]
fn a_key_pair_that_is_still_shown_is_an_alarm() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 6);
    bench.world.script("DeleteKeyPair", &names[0], [Act::completed().with(Effect::Nothing)]);
    bench.world.script("DeleteKeyPair", &names[1], [Act::completed().with(Effect::DeleteAndRecreate)]);
    let (found, done) = looks(&bench, bench.run(&bench.manifest(&names), &["--canary", "3"]));
    let target = &found["targets"][0];
    let alarms = json!([{"row": 1, "name": "key-01", "found": "still_there"}, {"row": 2, "name": "key-02", "found": "other_identity"}]);
    assert_eq!((&target["alarms"], &target["read_back"]["not_there"]), (&alarms, &1.into()), "{done}");
    for said in
        ["ALARM: row 1, key-01 in us-east-1 is still shown", "ALARM: row 2, key-02 in us-east-1 was deleted, and now"]
    {
        assert!(done.stderr.contains(said), "{done}");
    }
    let story = bench.world.story("key-01").join(" ");
    assert!(story.ends_with("DeleteKeyPair GetKeyPair GetKeyPair GetKeyPair"), "{story}");
    assert_eq!(row(&bench, "key-01").verdict(), "deleted/answer");
    bench.verify().exits(0);
    bench.resume().exits(0);
    assert_eq!(bench.world.deletes("key-01"), 1, "a row with an outcome is never asked for again");
}

/// One that is only shown late is read again, and is no alarm.
// SEMANTICS: P75
#[test]
fn a_key_pair_that_is_shown_a_little_longer_is_no_alarm() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    let late = Act::completed().with(Effect::Nothing);
    bench.world.script("DeleteKeyPair", &names[0], [late]);
    let place = ("us-east-1".to_owned(), names[0].clone());
    bench.world.script("GetKeyPair", &names[0], [Act::ok(), gone(place)]);
    let (found, done) = looks(&bench, bench.run(&bench.manifest(&names), &["--canary", "1"]));
    let target = &found["targets"][0];
    assert_eq!((&target["alarms"], &target["read_back"]["not_there"]), (&json!([]), &1.into()), "{done}");
    bench.verify().exits(0);
}

/// From this request on, the deletion shows.
fn gone(place: (String, String)) -> Act {
    Act::type_and_code(400, "NotFoundException", "DoesNotExist").and(move |state| assert!(state.remove(&place, true)))
}

/// Killed in the middle of a canary, or stopped by a signal: the run goes on like any other.
// SEMANTICS: P44
// SEMANTICS: P45
// SEMANTICS: P75
#[test]
fn a_canary_that_is_killed_or_stopped_is_resumed() {
    crate::at_once([None, Some(Signal::INT)], |signal| {
        let bench = Bench::new();
        let names = bench.world.keys("key", 8);
        bench.world.always("DeleteKeyPair", "*", Act::ok().after(Duration::from_millis(400)));
        let manifest = bench.manifest(&names);
        let live = bench.spawn_run(&manifest, &["--canary", "4", "--concurrency", "2", "--attempt-timeout", "3s"]);
        bench.world.wait_for_deletes(3);
        if let Some(signal) = signal {
            live.signal(signal);
            let done = live.wait().exits(5);
            let stopped = summary(&bench, &done);
            assert_eq!(stopped["stopped_by"], "signal", "{done}");
            assert!(stopped["canary"]["targets"][0]["read_back"]["not_read"].as_u64().unwrap() > 0, "{done}");
        } else {
            live.kill();
        }
        assert!(asked(&bench).len() <= 4);
        safety(&bench);
        // The canary of this session counts its own requests alone.
        let before = asked(&bench).len();
        let done = bench.keybatch(&["resume", "--output", "json", "--canary", "1"]);
        looks(&bench, done);
        assert!(asked(&bench).len() <= before + 1);
        safety(&bench);
        bench.resume().exits(0);
        assert!(intents(&bench).iter().all(|row| row.outcome() == "deleted"));
        safety(&bench);
    });
}

/// A signal that comes while the canary is read back ends the reading, and nothing else.
// SEMANTICS: P44
#[test]
fn a_signal_ends_the_reading_back() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 6);
    bench.world.always("GetKeyPair", "*", Act::ok().after(Duration::from_millis(700)));
    let live = bench.spawn_run(&bench.manifest(&names), &["--canary", "3", "--attempt-timeout", "3s"]);
    crate::support::wait_until("a reading arrives after a deletion", || {
        bench
            .world
            .state()
            .log
            .iter()
            .skip_while(|one| one.operation != "DeleteKeyPair")
            .any(|one| one.operation == "GetKeyPair")
    });
    live.signal(Signal::TERM);
    let done = live.wait().exits(5);
    let stopped = summary(&bench, &done);
    assert_eq!((&stopped["stopped_by"], &stopped["outcomes"]["deleted"]), (&"signal".into(), &3.into()), "{done}");
    assert_eq!(stopped["canary"]["targets"][0]["read_back"]["not_read"], 2, "{done}");
    bench.world.heal();
    bench.resume().exits(0);
    invariants(&bench);
}

/// A rehearsal has its canary, too; a dry run only says what it would be.
// SEMANTICS: P75
#[test]
fn a_rehearsal_and_a_dry_run_with_a_canary() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 5);
    let manifest = bench.manifest(&names);
    let dry = bench.run_unconfirmed(&manifest, &["--dry-run", "--canary", "2"]).exits(0);
    assert!(dry.stderr.contains("canary    2 key pairs first; then this stops for a look"), "{dry}");
    let all = bench.run_unconfirmed(&manifest, &["--dry-run", "--canary", "5"]).exits(0);
    assert!(!all.stderr.contains("canary "), "nothing would be held back\n{all}");
    assert!(bench.world.arrived("DeleteKeyPair").is_empty() && !bench.journal().exists());
    let rehearsal = bench.run(&manifest, &["--sandbox", "--canary", "2"]).exits(5);
    let stopped = rehearsal.json();
    assert_eq!((&stopped["sandbox"], &stopped["stopped_by"]), (&true.into(), &"canary".into()), "{rehearsal}");
    assert_eq!(stopped["canary"]["targets"][0]["read_back"]["not_there"], 2, "{rehearsal}");
    bench.verify().exits(0);
    bench.resume().exits(0);
    bench.verify().exits(0);
    assert!(bench.world.arrived("DeleteKeyPair").is_empty());
}

/// The variable means the same as the flag; what is no sample is refused; `abandon` deletes nothing and has no canary.
// SEMANTICS: P75
#[test]
fn how_a_canary_is_ordered() {
    let mut bench = Bench::new();
    let names = bench.world.keys("key", 4);
    let manifest = bench.manifest(&names);
    for wrong in ["0", "1001", "2%", "-1"] {
        bench.run(&manifest, &[&format!("--canary={wrong}")]).exits(2);
    }
    assert!(bench.world.state().log.is_empty());
    bench.set("KEYBATCH_CANARY", "1");
    let (_, done) = looks(&bench, bench.run(&manifest, &[]));
    assert_eq!(asked(&bench).len(), 1, "{done}");
    let settings = bench
        .query("SELECT json_extract(body, '$.settings.canary') AS canary FROM entries WHERE kind = 'session_opened'");
    assert_eq!(settings[0]["canary"], "1", "{settings:?}");
    bench.keybatch(&["abandon", "latest", "--because", "enough"]).exits(0);
    bench.keybatch(&["abandon", "latest", "--because", "enough", "--canary", "1"]).exits(2);
    safety(&bench);
}
