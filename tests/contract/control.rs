//! `keybatch control`: a running batch is looked at, paused, continued, slowed down and stopped, by its own user alone, and each use is
//! recorded before it takes effect.

mod reached;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use crate::support::{Act, Bench, Done, Effect, Live, count, invariants, summary, wait_until};
use serde_json::Value;

/// A bench whose sessions can be controlled.
fn bench() -> Bench {
    let bench = Bench::new();
    std::fs::set_permissions(bench.home().join("runtime"), Permissions::from_mode(0o700)).unwrap();
    bench
}

/// A run of so many key pairs at a rate, of which some are deleted.
fn begun(bench: &Bench, keys: usize, more: &[&str]) -> Live {
    let names = bench.world.keys("key", keys);
    let flags = if more.contains(&"--rate") { more.to_vec() } else { [&["--rate", "40"], more].concat() };
    let live = bench.spawn_run(&bench.manifest(&names), &flags);
    bench.world.wait_for_deletes(3);
    live
}

fn control(bench: &Bench, what: &[&str]) -> Done {
    let mut arguments = vec!["control", "latest"];
    arguments.extend(what);
    arguments.extend(["--output", "json"]);
    bench.keybatch(&arguments)
}

/// What the session says after it was told this.
#[track_caller]
fn told(bench: &Bench, what: &[&str]) -> Value {
    let status = control(bench, what).exits(0).json();
    assert_eq!(status["schema"], "keybatch.control/1");
    status
}

fn deletes(bench: &Bench) -> usize {
    bench.world.arrived("DeleteKeyPair").len()
}

/// The uses that the journal has, in order.
fn uses(bench: &Bench) -> Vec<Value> {
    let sql = "SELECT body FROM entries WHERE kind = 'control_used' ORDER BY seq";
    bench.query(sql).iter().map(|row| serde_json::from_str(row["body"].as_str().unwrap()).unwrap()).collect()
}

/// What each of them says to do.
fn words(bench: &Bench) -> Vec<String> {
    uses(bench).iter().map(|used| used["what"].as_str().unwrap().to_owned()).collect()
}

// SEMANTICS: P134
#[test]
fn while_it_is_paused_nothing_is_deleted_and_then_it_goes_on() {
    let bench = bench();
    let live = begun(&bench, 60, &[]);
    let before = told(&bench, &["status"]);
    assert_eq!((&before["state"], &before["since"], &before["rows"]), (&"running".into(), &Value::Null, &60.into()));
    let paused = told(&bench, &["pause"]);
    assert_eq!(paused["state"], "paused", "{paused}");
    wait_until("nothing is in flight", || told(&bench, &["status"])["in_flight"] == 0);
    let arrived = deletes(&bench);
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(deletes(&bench), arrived, "at 40 a second, many would have been deleted meanwhile");
    let status = told(&bench, &["status"]);
    assert_eq!((&status["state"], &status["since"]), (&"paused".into(), &paused["since"]), "{status}");
    assert_eq!(status["outcomes"]["deleted"], arrived, "their answers came in");
    assert_eq!(told(&bench, &["continue"])["state"], "running");
    let done = live.wait().exits(0);
    assert!(done.stderr.contains("paused by ") && done.stderr.contains(" continue"), "{done}");
    assert_eq!(words(&bench), ["pause", "continue"]);
    let between = "SELECT count(*) AS n FROM entries WHERE kind = 'attempt_started' \
                   AND seq > (SELECT min(seq) FROM entries WHERE kind = 'control_used') \
                   AND seq < (SELECT max(seq) FROM entries WHERE kind = 'control_used')";
    assert_eq!(count(&bench, between), 0);
    let used = &uses(&bench)[0];
    assert_eq!(used["uid"], rustix::process::getuid().as_raw(), "{used}");
    assert!(used["by"].as_str().is_some_and(|by| !by.is_empty()) && used["per_s"].is_null(), "{used}");
    invariants(&bench);
}

/// The session that is paused settles what it requested: an answer that never came is looked for.
// SEMANTICS: P134
#[test]
fn what_was_requested_before_a_pause_is_settled_during_it() {
    let bench = bench();
    let names = bench.world.keys("key", 30);
    bench.world.script("DeleteKeyPair", &names[2], [Act::cut().with(Effect::Delete)]);
    let live = bench.spawn_run(&bench.manifest(&names), &["--rate", "40"]);
    bench.world.wait_for_deletes(3);
    told(&bench, &["pause"]);
    wait_until("nothing is in flight or open", || {
        let status = told(&bench, &["status"]);
        status["in_flight"] == 0 && status["outcomes"]["unsettled"] == 0
    });
    let status = told(&bench, &["status"]);
    assert_eq!((&status["state"], &status["outcomes"]["deleted"]), (&"paused".into(), &deletes(&bench).into()));
    told(&bench, &["continue"]);
    live.wait().exits(0);
    assert_eq!(bench.world.deletes(&names[2]), 1, "it was found, and not asked for again");
    invariants(&bench);
}

// SEMANTICS: P135
#[test]
fn a_rate_is_lowered_and_raised_but_never_above_what_was_ordered() {
    let bench = bench();
    let live = begun(&bench, 120, &["--rate", "30"]);
    let slow = told(&bench, &["rate", "2"]);
    let target = &slow["targets"][0];
    assert_eq!((&target["permitted_per_s"], &target["cap_per_s"]), (&2.0.into(), &2.0.into()), "{slow}");
    let arrived = deletes(&bench);
    std::thread::sleep(Duration::from_secs(2));
    let in_two_seconds = deletes(&bench) - arrived;
    assert!((2..=6).contains(&in_two_seconds), "{in_two_seconds} in two seconds");
    let refused = control(&bench, &["rate", "31"]).exits(4);
    assert_eq!(refused.json()["code"], "control.refused");
    assert!(refused.stderr.contains("--rate 30/s"), "{refused}");
    control(&bench, &["rate", "unlimited"]).exits(2);
    control(&bench, &["rate"]).exits(2);
    control(&bench, &["pause", "3"]).exits(2);
    let fast = told(&bench, &["rate", "1800/m"]);
    assert_eq!(fast["targets"][0]["cap_per_s"], 30.0, "{fast}");
    live.wait().exits(0);
    let rates: Vec<_> = uses(&bench).iter().map(|used| used["per_s"].as_str().unwrap().to_owned()).collect();
    assert_eq!(rates, ["2.000", "30.000"], "what was refused is not recorded");
    invariants(&bench);
}

/// A policy's cap is nobody's to lift, also where the run itself has none.
// SEMANTICS: P135
#[test]
fn a_control_does_not_lift_the_cap_of_a_policy() {
    let bench = bench();
    let policy = bench.file("policy.toml", "[rates]\n\"*/*\" = \"8/s\"\n");
    let names = bench.world.keys("key", 30);
    let policy = policy.display().to_string();
    let live = bench.spawn_run(&bench.manifest(&names), &["--rate", "20", "--policy", &policy]);
    bench.world.wait_for_deletes(3);
    told(&bench, &["rate", "1"]);
    let status = told(&bench, &["rate", "20"]);
    assert_eq!(status["targets"][0]["cap_per_s"], 8.0, "{status}");
    assert!(status["targets"][0]["permitted_per_s"].as_f64().is_some_and(|rate| rate <= 8.0), "{status}");
    live.wait().exits(0);
}

// SEMANTICS: P134
#[test]
fn a_stop_drains_as_a_first_signal_does_and_the_run_can_be_resumed() {
    for paused in [false, true] {
        let bench = bench();
        let live = begun(&bench, 60, &[]);
        if paused {
            told(&bench, &["pause"]);
        }
        assert_eq!(told(&bench, &["stop"])["state"], "stopping");
        let done = live.wait().exits(5);
        let summary = summary(&bench, &done);
        assert_eq!((&summary["state"], &summary["stopped_by"]), (&"stopped".into(), &"control".into()), "{done}");
        let outcomes = &summary["outcomes"];
        assert_eq!((&outcomes["unsettled"], &outcomes["in_doubt"]), (&0.into(), &0.into()), "{done}");
        assert!(outcomes["not_attempted"].as_u64().unwrap() > 0, "{done}");
        assert!(done.stderr.contains("resume") && done.stderr.contains("stop"), "{done}");
        assert_eq!(words(&bench).last().unwrap(), "stop");
        invariants(&bench);
        bench.resume().exits(0);
        assert!(bench.world.state().keys.is_empty(), "a pause is the session's, not the run's");
        invariants(&bench);
    }
}

/// After `--drain-timeout` the session exits, as after a signal.
// SEMANTICS: P134
#[test]
fn a_stop_takes_no_longer_than_draining_may() {
    let bench = bench();
    let names = bench.world.keys("key", 4);
    bench.world.always("DeleteKeyPair", "*", Act::hang());
    let flags = ["--concurrency", "1", "--attempt-timeout", "60s", "--drain-timeout", "1s"];
    let live = bench.spawn_run(&bench.manifest(&names), &flags);
    bench.world.wait_for_deletes(1);
    let status = told(&bench, &["stop"]);
    assert_eq!((&status["state"], &status["in_flight"]), (&"stopping".into(), &1.into()));
    let done = live.wait().exits(5);
    assert!(done.took < Duration::from_secs(30) && done.stderr.contains("exiting at once"), "{done}");
}

// SEMANTICS: P134
#[test]
fn a_pause_counts_towards_the_longest_duration() {
    let bench = bench();
    let live = begun(&bench, 60, &["--max-duration", "4s"]);
    told(&bench, &["pause"]);
    let done = live.wait().exits(5);
    assert_eq!(summary(&bench, &done)["stopped_by"], "max_duration", "{done}");
    invariants(&bench);
}

/// Several controllers at once: each is answered, and what is recorded last is what holds.
// SEMANTICS: P136
#[test]
fn two_controllers_at_once_are_heard_one_after_the_other() {
    let bench = bench();
    let live = begun(&bench, 60, &["--rate", "10"]);
    std::thread::scope(|scope| {
        for number in 0..4 {
            let bench = &bench;
            scope.spawn(move || {
                for round in 0..3 {
                    let what = if (number + round) % 2 == 0 { "pause" } else { "continue" };
                    let state = &told(bench, &[what])["state"];
                    assert!(state == "paused" || state == "running", "{state}");
                }
            });
        }
    });
    let words = words(&bench);
    assert_eq!(words.len(), 12);
    let expected = if words.last().unwrap() == "pause" { "paused" } else { "running" };
    assert_eq!(told(&bench, &["status"])["state"], expected);
    told(&bench, &["stop"]);
    told_or_ended(&bench, "stop");
    live.wait().exits(5);
    invariants(&bench);
}

/// Tells it once more, where the session may be gone already.
fn told_or_ended(bench: &Bench, what: &str) {
    let done = control(bench, &[what]);
    assert!(matches!(done.code, Some(0 | 4 | 9)), "{done}");
}
