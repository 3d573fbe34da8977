//! What one session or run leaves to another: attempts that may still be under way, denials of single key pairs, signals, and a
//! journal that fails.

pub(crate) mod rollback;

use std::time::{Duration, Instant};

use crate::support::{self, Act, Bench, Effect, HOME, invariants, row, safety, summary};
use rustix::process::Signal;
use serde_json::Value;

/// A run that is killed while its only request hangs.
pub(crate) fn killed_while_asking(bench: &Bench, name: &str, timeout: &str) -> Instant {
    let live = bench.spawn_run(&bench.manifest(&[name]), &["--concurrency", "1", "--attempt-timeout", timeout]);
    bench.world.wait_for_deletes(1);
    let asked = Instant::now();
    live.kill();
    asked
}

/// The first attempt may take effect within the timeout of its own session, whatever the next session's timeout is.
// SEMANTICS: P15
#[test]
fn an_attempt_has_the_time_of_its_own_session() {
    let mut bench = Bench::new();
    let names = bench.world.keys("key", 1);
    bench.world.script("DeleteKeyPair", &names[0], [Act::hang()]);
    let asked = killed_while_asking(&bench, &names[0], "5s");
    bench.set("KEYBATCH_ATTEMPT_TIMEOUT", "1s");
    bench.resume().exits(0);
    // Its timeout, its grace, and the second within which it must leave.
    assert!(asked.elapsed() >= Duration::from_secs(7), "looked after {:?}", asked.elapsed());
    assert_eq!(bench.world.deletes(&names[0]), 2);
    safety(&bench);
}

/// And no operation that is created after that is ours.
// SEMANTICS: P27
#[test]
fn what_came_after_an_attempt_was_dead_is_not_claimed() {
    let mut bench = Bench::new();
    let names = bench.world.keys("key", 1);
    bench.world.script("DeleteKeyPair", &names[0], [Act::hang()]);
    killed_while_asking(&bench, &names[0], "1s");
    // Dead after its timeout and its grace, 1.2 s in all; somebody else deletes the key pair well after that.
    std::thread::sleep(Duration::from_secs(4));
    {
        let mut state = bench.world.state();
        let place = (HOME.to_owned(), names[0].clone());
        state.keys.remove(&place).unwrap();
        state.operation(&place, "Succeeded", 0, "Succeeded");
    }
    bench.set("KEYBATCH_ATTEMPT_TIMEOUT", "20s");
    bench.resume().exits(0);
    assert_eq!(row(&bench, &names[0]).verdict(), "gone/readback");
    safety(&bench);
}

/// A run of another manifest with the same key pair waits until no request for it can be under way any more.
// SEMANTICS: P15
#[test]
fn another_run_waits_for_what_a_killed_one_may_have_under_way() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    bench.world.script("DeleteKeyPair", &names[0], [Act::hang()]);
    let asked = killed_while_asking(&bench, &names[0], "3s");
    let other = bench.file("other.csv", format!("key_pair_name\n{}\n", names[1]));
    let done = bench.run(&other, &[]).exits(0);
    assert!(!done.stderr.contains("waiting"), "nothing is under way for that one\n{done}");
    let both = bench.file("both.csv", format!("key_pair_name,reason\n{},again\n", names[0]));
    let done = bench.run(&both, &[]).exits(0);
    assert!(done.stderr.contains("waiting"), "{done}");
    assert!(asked.elapsed() >= Duration::from_millis(4_600), "asked again after {:?}", asked.elapsed());
    assert_eq!(bench.world.deletes(&names[0]), 2);
}

/// A request without any answer may be delivered as long as its signature is accepted: no other one is sent before that, the key pair is
/// then read again, and other rows continue in the meantime.
// SEMANTICS: P20
#[test]
fn no_other_request_follows_while_a_lost_one_may_still_be_delivered() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 4);
    bench.world.script("DeleteKeyPair", &names[0], [Act::cut()]);
    let done = bench.run(&bench.manifest(&names), &["--signature-life", "3s", "--concurrency", "1"]).exits(0);
    assert!(done.stderr.contains("waiting"), "{done}");
    let arrived = bench.world.arrived("DeleteKeyPair");
    let of = |name: &str| arrived.iter().filter(|one| one.name == name).map(|one| one.at_us).collect::<Vec<_>>();
    let [first, second] = *of(&names[0]) else { panic!("{arrived:?}") };
    assert!(second - first >= 3_000_000, "asked again after {} us", second - first);
    assert!(names[1..].iter().all(|name| of(name)[0] < second), "others go on: {arrived:?}");
    let read =
        bench.world.arrived("GetKeyPair").iter().any(|one| one.name == names[0] && one.at_us > first + 3_000_000);
    assert!(read, "it is read again after that");
    safety(&bench);
}

/// A key pair that was re-created in the meantime is another one.
// SEMANTICS: P19
// SEMANTICS: P28
#[test]
fn a_key_pair_recreated_while_a_lost_request_was_waited_for_is_not_asked_for() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    bench.world.script("DeleteKeyPair", &names[0], [Act::cut()]);
    let live = bench.spawn_run(&bench.manifest(&names), &["--signature-life", "4s"]);
    bench.world.wait_for_deletes(1);
    std::thread::sleep(Duration::from_secs(2));
    {
        // The request that nobody waits for any more is delivered, and somebody makes the key pair anew.
        let mut state = bench.world.state();
        let place = (HOME.to_owned(), names[0].clone());
        state.keys.remove(&place).unwrap();
        state.create(HOME, &names[0]);
    }
    live.wait().exits(0);
    assert_eq!(bench.world.deletes(&names[0]), 1);
    assert!(bench.world.has(&names[0]), "what has the name now is not ours");
    assert_eq!(row(&bench, &names[0]).verdict(), "gone/readback");
    safety(&bench);
}

/// The same if another run of the journal sent it. Any HTTP status is an answer.
// SEMANTICS: P15
// SEMANTICS: P20
#[test]
fn another_run_waits_until_a_lost_request_cannot_be_delivered() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    bench.world.script("DeleteKeyPair", &names[0], [Act::hang()]);
    let asked = killed_while_asking(&bench, &names[0], "1s");
    let other = bench.file("other.csv", format!("key_pair_name,reason\n{},again\n", names[0]));
    let done = bench.run(&other, &["--signature-life", "6s"]).exits(0);
    assert!(done.stderr.contains("waiting"), "{done}");
    assert!(asked.elapsed() >= Duration::from_secs(6), "asked again after {:?}", asked.elapsed());
    assert_eq!(bench.world.deletes(&names[0]), 2);
}

#[test]
fn after_a_status_nothing_is_waited_for() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    bench.world.script("DeleteKeyPair", &names[0], [Act::server_error()]);
    let done = bench.run(&bench.manifest(&names), &["--signature-life", "10m"]).exits(0);
    assert!(!done.stderr.contains("waiting"), "{done}");
    assert_eq!(bench.world.deletes(&names[0]), 2);
}

/// A killed process may hold its lock for another moment: the next session waits for it, but not for long.
// SEMANTICS: P48
#[test]
fn a_lock_that_is_about_to_go_is_waited_for() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    bench.run(&bench.manifest(&names), &["--max-deletes", "1", "--concurrency", "1"]).exits(5);
    let lock = std::fs::File::open(format!("{}.lock", bench.journal().display())).unwrap();
    lock.lock().unwrap();
    let done = bench.resume().exits(8);
    assert!(done.took >= Duration::from_secs(2), "{done}");
    let live = bench.spawn(&["resume"]);
    // Its files are open and its signals listened to.
    std::thread::sleep(Duration::from_millis(700));
    live.signal(Signal::INT);
    let done = live.wait().exits(5);
    assert!(done.took < Duration::from_millis(1_700), "a signal ends the wait\n{done}");
    assert!(done.stderr.contains("nothing was sent"), "{done}");
    let mut live = bench.spawn(&["resume"]);
    assert!(live.runs_until(Duration::from_millis(700)), "it waits");
    drop(lock);
    live.wait().exits(0);
    safety(&bench);
}

/// Key pairs that may not be read block neither other rows nor the end of the run.
// SEMANTICS: P9
#[test]
fn key_pairs_that_may_not_be_read_do_not_block_a_resume() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 6);
    bench.world.always("DeleteKeyPair", "*", Act::hang());
    let live = bench.spawn_run(&bench.manifest(&names), &["--concurrency", "4", "--attempt-timeout", "1s"]);
    bench.world.wait_for_deletes(4);
    live.kill();
    bench.world.heal();
    for name in &names[..4] {
        bench.world.always("GetKeyPair", name, Act::denied());
    }
    let first = bench.resume().exits(6);
    let counts = &summary(&bench, &first)["outcomes"];
    assert_eq!((&counts["in_doubt"], &counts["deleted"]), (&4.into(), &2.into()), "{first}");
    let detail = row(&bench, &names[0]).text("detail");
    assert!(detail.contains("denied"), "{detail}");
}

/// Only the first key pair may not be read: the plan is made, because others show that reading is permitted.
// SEMANTICS: P9
#[test]
fn one_key_pair_that_may_not_be_read_does_not_refuse_a_plan() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 5);
    bench.world.always("GetKeyPair", &names[0], Act::denied());
    bench.run(&bench.manifest(&names), &[]).exits(0);
    invariants(&bench);
}

/// A row for which no request was sent, and whose key pair may not be read, is skipped with the reason.
// SEMANTICS: P30
#[test]
fn a_key_pair_that_may_not_be_read_again_says_why_it_was_left_out() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    let manifest = bench.manifest(&names);
    bench.run(&manifest, &["--max-deletes", "1", "--concurrency", "1"]).exits(5);
    // No listing either: each is read by itself.
    bench.world.always("GetKeyPairs", "*", Act::denied());
    bench.world.always("GetKeyPair", &names[1], Act::denied());
    let done = bench.resume().exits(3);
    assert_eq!(summary(&bench, &done)["outcomes"]["skipped"], 1, "{done}");
    let detail = row(&bench, &names[1]).text("detail");
    assert!(detail.contains("denied"), "{detail}");
}

/// Before anything is sent, one signal ends a resume, even while something does not answer.
// SEMANTICS: P44
#[test]
fn a_signal_ends_a_resume_that_has_not_begun_to_work() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    bench.run(&bench.manifest(&names), &["--max-deletes", "1", "--concurrency", "1"]).exits(5);
    bench.world.always("GetKeyPair", "*", Act::hang());
    let before = bench.world.arrived("GetKeyPair").len();
    let live = bench.spawn(&["resume", "--attempt-timeout", "60s"]);
    support::wait_until("the resume reads", || bench.world.arrived("GetKeyPair").len() > before);
    let signalled = Instant::now();
    live.signal(Signal::INT);
    let done = live.wait().exits(5);
    assert!(signalled.elapsed() < Duration::from_secs(5), "{done}");
    assert!(done.stderr.contains("nothing was sent"), "{done}");
    bench.world.heal();
    bench.resume().exits(0);
    invariants(&bench);
}

/// After the first signal, keybatch does not even read for rows without a request, however many are waiting.
// SEMANTICS: P44
#[test]
fn after_a_signal_nothing_new_is_read() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 12);
    bench.run(&bench.manifest(&names), &["--max-deletes", "1", "--concurrency", "1"]).exits(5);
    bench.world.always("GetKeyPairs", "*", Act::denied());
    // Every row is read again by itself, two a second.
    let live = bench.spawn(&["resume", "--rate", "2/s", "--concurrency", "8"]);
    let reads = || bench.world.arrived("GetKeyPair").len();
    let before = reads();
    support::wait_until("rows are read", || reads() >= before + 3);
    live.signal(Signal::INT);
    std::thread::sleep(Duration::from_millis(300));
    let (after, done) = (reads(), live.wait().exits(5));
    assert!(reads() <= after + 1, "{} reads more\n{done}", reads() - after);
    safety(&bench);
}

/// Once the journal cannot be written, nothing more is sent, not even to settle a lost answer (I9).
// SEMANTICS: P52
#[test]
fn nothing_leaves_after_the_journal_broke() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    bench.world.script("DeleteKeyPair", &names[0], [Act::server_error()]);
    bench.world.script("DeleteKeyPair", &names[1], [Act::ok().after(Duration::from_secs(1)).with(Effect::Delete)]);
    let live = bench.spawn_run(&bench.manifest(&names), &["--concurrency", "2", "--attempt-timeout", "15s"]);
    bench.world.wait_for_deletes(2);
    // A writer that does not let go, for longer than anything waits for it.
    let mut shell = std::process::Command::new("sqlite3")
        .arg(bench.journal())
        .args([".timeout 5000", "BEGIN IMMEDIATE", ".shell sleep 25"])
        .spawn()
        .expect("sqlite3");
    let done = live.wait().exits(9);
    let _gone = shell.kill().and_then(|()| shell.wait().map(drop));
    assert!(done.stderr.contains("sent nothing more after that"), "{done}");
    assert!(done.took < Duration::from_secs(16), "it left when the journal broke, not when all was settled\n{done}");
    let looked = bench.world.arrived("GetOperationsForResource").len() + bench.world.arrived("GetKeyPair").len();
    assert!(looked <= 1, "only the plan's own reading: {looked}\n{done}");
}

/// An attempt whose connection was never made is not a request.
#[test]
fn requests_that_never_left_are_not_counted() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    bench.world.script("DeleteKeyPair", &names[0], [Act::ok().with(Effect::Delete).then_vanish_server()]);
    let done = bench.run(&bench.manifest(&names), &["--concurrency", "1"]).exits(5);
    let summary = summary(&bench, &done);
    assert_eq!(summary["requests"]["delete"], 1, "{done}");
    let sessions = bench
        .query("SELECT json_extract(body, '$.requests.delete') AS deletes FROM entries WHERE kind = 'session_closed'");
    assert_eq!(sessions[0]["deletes"], 1, "{done}");
}

/// The error names who holds the lock. A run whose process was killed is called interrupted (seen: `running` forever).
// SEMANTICS: P48
#[test]
fn a_run_says_who_works_on_it_and_that_nobody_does() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    bench.world.always("DeleteKeyPair", "*", Act::hang());
    let live = bench.spawn_run(&bench.manifest(&names), &["--attempt-timeout", "10s"]);
    bench.world.wait_for_deletes(1);
    let pid = live.pid();
    let locked = bench.keybatch(&["resume", "--output", "json"]).exits(8);
    assert_eq!(locked.json()["code"], "journal.locked", "{locked}");
    assert!(locked.stderr.contains(&format!("keybatch run, process {pid} on ")), "{locked}");
    assert!(bench.keybatch(&["doctor"]).stdout.contains(&format!("process {pid}")));
    let state = |command: &str| {
        let done = bench.keybatch(&[command, "--output", "json"]).exits(0);
        let data: Value = serde_json::from_str(&done.stdout).unwrap();
        let run = if data.is_array() { data[0].clone() } else { data };
        (run["state"].as_str().unwrap_or_default().to_owned(), done)
    };
    assert_eq!((state("runs").0, state("show").0), ("running".into(), "running".into()));
    live.kill();
    for command in ["runs", "show"] {
        let (said, done) = state(command);
        assert_eq!(said, "interrupted", "{done}");
        assert!(done.stderr.contains("keybatch resume "), "{done}");
    }
    assert!(bench.keybatch(&["runs"]).exits(0).stdout.contains("interrupted"));
    let again = bench.run(&bench.manifest(&names), &[]).exits(11);
    assert!(again.stderr.contains("interrupted") && again.stderr.contains("keybatch resume "), "{again}");
    bench.world.heal();
    bench.resume().exits(0);
    assert_eq!((state("runs").0, state("show").0), ("finished".into(), "finished".into()));
}
