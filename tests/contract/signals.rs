//! SIGINT, SIGTERM and SIGHUP: the first one settles what is in flight and stops the run, a deliberate second one exits at once.

use std::time::{Duration, Instant};

use crate::support::{self, Act, Bench, invariants, safety, summary};
use rustix::process::Signal;

/// First signal: the requests in flight are settled, exit 5, `stopped_by` is `signal`; resume does the rest.
// SEMANTICS: P44
#[test]
fn one_signal_drains() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let bench = Bench::new();
        let names = bench.world.keys("key", 40);
        bench.world.always("DeleteKeyPair", "*", Act::ok().after(Duration::from_millis(200)));
        // Where the tests themselves run under `nohup`, the program would inherit that it ignores SIGHUP.
        let mut arguments = vec!["--default-signal=HUP".to_owned(), support::binary().to_owned()];
        let flags = ["--yes", "--concurrency", "2", "--attempt-timeout", "5s"];
        arguments.extend(Bench::run_args(&bench.manifest(&names), &flags));
        arguments.extend(["--journal".to_owned(), bench.journal().display().to_string()]);
        let live = support::Live::of(bench.command_of("env", &arguments).spawn().unwrap());
        bench.world.wait_for_deletes(4);
        live.signal(signal);
        let done = live.wait().exits(5);
        let summary = summary(&bench, &done);
        assert_eq!((&summary["state"], &summary["stopped_by"]), (&"stopped".into(), &"signal".into()), "{done}");
        let left = summary["outcomes"]["not_attempted"].as_u64().unwrap();
        assert!((20..=36).contains(&left), "{left} left\n{done}");
        assert_eq!(summary["outcomes"]["in_doubt"], 0, "what was in flight has been finished\n{done}");
        assert!(done.stderr.contains("resume"), "says what to do next\n{done}");
        invariants(&bench);
        bench.world.heal();
        bench.resume().exits(0);
        assert!(bench.world.state().keys.is_empty());
        invariants(&bench);
    }
}

/// Draining includes settling: a lost answer is settled before the program exits, or left to resume.
// SEMANTICS: P44
#[test]
fn one_signal_with_a_lost_answer() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 10);
    bench.world.script("DeleteKeyPair", &names[0], [Act::hang()]);
    let live = bench.spawn_run(&bench.manifest(&names), &["--concurrency", "1"]);
    bench.world.wait_for_deletes(1);
    live.signal(Signal::INT);
    live.wait().exits(5);
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 1, "nothing new is begun after the signal");
    safety(&bench);
    bench.resume().exits(0);
    safety(&bench);
    assert!(bench.world.state().keys.is_empty());
}

/// A second signal makes the session exit at once, although a request is in flight. The journal verifies, the summary says why the
/// target stopped, and resume finishes the run.
// SEMANTICS: P44
#[test]
fn two_signals_exit_at_once() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 4);
    bench.world.script("DeleteKeyPair", "*", [Act::hang()]);
    let mut live = bench.spawn_run(&bench.manifest(&names), &["--concurrency", "1", "--attempt-timeout", "9s"]);
    bench.world.wait_for_deletes(1);
    live.signal(Signal::INT);
    // A drain never ends here, and a second signal counts from two seconds after the first.
    let first = Instant::now();
    while first.elapsed() < Duration::from_millis(2_300) {
        assert!(!live.has_ended(), "one signal drains");
        std::thread::sleep(Duration::from_millis(20));
    }
    live.signal(Signal::INT);
    let second = Instant::now();
    let done = live.wait();
    assert!(second.elapsed() < Duration::from_secs(3), "left after {:?}\n{done}", second.elapsed());
    assert_ne!(done.code, Some(0), "{done}");
    assert!(
        done.stderr.contains("journal.db-wal; until the next session, copy "),
        "which files are the journal\n{done}"
    );
    let target = &summary(&bench, &done)["targets"][0];
    assert_eq!(target["state"], "stopped", "{done}");
    assert!(target["detail"].as_str().is_some_and(|why| why.contains("exited before")), "{target}");
    safety(&bench);
    bench.world.heal();
    bench.resume().exits(0);
    safety(&bench);
    assert!(bench.world.state().keys.is_empty());
}

/// A Ctrl-C that a wrapper delivers twice, and a cancelled workflow (GitHub sends SIGINT, then SIGTERM): the requests in flight
/// are still settled.
// SEMANTICS: P44
#[test]
fn a_doubled_signal_is_one() {
    let cases = [(0, Signal::INT), (30, Signal::INT), (800, Signal::TERM), (2_500, Signal::TERM), (2_500, Signal::HUP)];
    crate::at_once(cases, |(pause_ms, second)| {
        let bench = Bench::new();
        let names = bench.world.keys("key", 6);
        bench.world.always("DeleteKeyPair", "*", Act::ok().after(Duration::from_secs(4)));
        let live = bench.spawn_run(&bench.manifest(&names), &["--concurrency", "1", "--attempt-timeout", "10s"]);
        bench.world.wait_for_deletes(1);
        live.signal(Signal::INT);
        std::thread::sleep(Duration::from_millis(pause_ms));
        live.signal(second);
        let done = live.wait().exits(5);
        let summary = summary(&bench, &done);
        assert_eq!((&summary["outcomes"]["deleted"], &summary["stopped_by"]), (&1.into(), &"signal".into()), "{done}");
        invariants(&bench);
    });
}

/// Under `nohup`, closing the terminal stops nothing.
// SEMANTICS: P44
#[test]
fn an_ignored_hang_up_stays_ignored() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    bench.world.always("DeleteKeyPair", "*", Act::ok().after(Duration::from_secs(1)));
    let mut arguments =
        vec!["-c".to_owned(), "trap '' HUP; exec \"$0\" \"$@\"".to_owned(), support::binary().to_owned()];
    arguments.extend(Bench::run_args(&bench.manifest(&names), &["--concurrency", "1"]));
    arguments.extend(["--yes".to_owned(), "--journal".to_owned(), bench.journal().display().to_string()]);
    let live = support::Live::of(bench.command_of("sh", &arguments).spawn().unwrap());
    bench.world.wait_for_deletes(1);
    live.signal(Signal::HUP);
    live.wait().exits(0);
    invariants(&bench);
}

/// `--drain-timeout` bounds the wait after the first signal; resume settles what is open then.
// SEMANTICS: P44
#[test]
fn draining_takes_no_longer_than_it_may() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    bench.world.script("DeleteKeyPair", "*", [Act::hang()]);
    let arguments = ["--concurrency", "1", "--attempt-timeout", "8s", "--drain-timeout", "1s"];
    let live = bench.spawn_run(&bench.manifest(&names), &arguments);
    bench.world.wait_for_deletes(1);
    let first = Instant::now();
    live.signal(Signal::TERM);
    let done = live.wait().exits(5);
    assert!((900..4_000).contains(&first.elapsed().as_millis()), "exited after {:?}\n{done}", first.elapsed());
    assert_eq!(done.json()["stopped_by"], "signal", "{done}");
    safety(&bench);
    bench.world.heal();
    bench.resume().exits(0);
    safety(&bench);
}

/// A signal while planning: nothing was sent, and the manifest is free again.
// SEMANTICS: P13
#[test]
fn a_signal_while_planning() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    let manifest = bench.manifest(&names);
    bench.world.script("GetKeyPairs", "*", [Act::hang()]);
    let live = bench.spawn_run(&manifest, &["--attempt-timeout", "30s"]);
    support::wait_until("GetKeyPairs arrives", || !bench.world.arrived("GetKeyPairs").is_empty());
    live.signal(Signal::INT);
    // Seen: exit 5 without a summary, and then `resume` printed null and exited with 0.
    let done = live.wait().exits(12);
    assert!(done.took < Duration::from_secs(20), "{done}");
    assert!(bench.world.arrived("DeleteKeyPair").is_empty());
    let summary = done.json();
    assert_eq!((&summary["state"], &summary["stopped_by"]), (&"abandoned".into(), &"signal".into()), "{done}");
    assert_eq!((&summary["exit"], &summary["rows"]), (&12.into(), &3.into()), "{done}");
    assert!(done.stderr.contains("run it again"), "{done}");
    let states = bench.query("SELECT state, stopped_by, finished_at IS NOT NULL AS ended FROM runs");
    assert_eq!((&states[0]["state"], &states[0]["stopped_by"]), (&"abandoned".into(), &"signal".into()), "{states:?}");
    assert_eq!(states[0]["ended"], 1, "{states:?}");
    bench.verify().exits(0);
    assert!(bench.resume().exits(0).json()["run"].is_null());
    bench.run(&manifest, &[]).exits(0);
    invariants(&bench);
}
