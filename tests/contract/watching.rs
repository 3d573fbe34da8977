//! `runs --watch`: the runs over and over, for somebody at a terminal and for a log.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Act, Bench, Live, wait_until};

/// A run of four key pairs, of which each takes half a second.
fn at_work(bench: &Bench) -> Live {
    let names = bench.world.keys("key", 4);
    bench.world.always("DeleteKeyPair", "*", Act::ok().after(Duration::from_millis(700)));
    let run = bench.spawn_run(&bench.manifest(&names), &["--concurrency", "1"]);
    bench.world.wait_for_deletes(1);
    run
}

/// On a pipe, a line says what changed, who is at work, and it ends when nobody is.
#[test]
fn a_log_gets_lines_until_nothing_is_at_work() {
    let bench = Bench::new();
    let run = at_work(&bench);
    let (text, data) = (bench.spawn(&["runs", "--watch"]), bench.spawn(&["runs", "-w", "--output", "jsonl"]));
    let pid = run.pid();
    run.wait().exits(0);
    let (text, data) = (text.wait().exits(0), data.wait().exits(0));
    assert!(text.took < Duration::from_secs(20), "{text}");
    let lines: Vec<&str> = text.stdout.lines().collect();
    assert!(lines.len() >= 2 && !text.stdout.contains('\u{1b}'), "{text}");
    assert!(lines[0].contains(" running: ") && lines[0].contains(" of 4 rows settled"), "{text}");
    assert!(
        lines[0].contains("at work: keybatch run (session ") && lines[0].contains(&format!("process {pid} on ")),
        "{text}"
    );
    let last = lines[lines.len() - 1];
    assert!(last.contains(" finished: 4 of 4 rows settled (4 deleted)") && !last.contains("at work"), "{text}");
    let rows: Vec<Value> = data.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told =
        |row: &Value| (row["state"].as_str().unwrap().to_owned(), row["at_work"].as_u64(), row["deleted"].as_u64());
    assert_eq!((told(&rows[0]).0.as_str(), told(&rows[0]).1, &rows[0]["sandbox"]), ("running", Some(1), &false.into()));
    assert_eq!(told(&rows[rows.len() - 1]), ("finished".into(), Some(0), Some(4)), "{data}");
    assert!(rows.windows(2).all(|pair| told(&pair[0]) != told(&pair[1])), "nothing is told twice: {data}");
    assert!(rows.len() > 2, "progress is told: {data}");
    bench.verify().exits(0);
}

/// Nobody works on the run of a process that was killed, and where nothing is at work there is nothing to wait for.
#[test]
fn an_interrupted_run_is_not_waited_for() {
    let bench = Bench::new();
    let run = at_work(&bench);
    let watching = bench.spawn(&["runs", "--watch"]);
    wait_until("it reads", || bench.journal().with_file_name("journal.db-shm").exists());
    run.kill();
    let watched = watching.wait().exits(0);
    let last = watched.stdout.lines().last().unwrap();
    assert!(last.contains(" interrupted: ") && !last.contains("at work"), "{watched}");
    let again = bench.keybatch(&["runs", "--watch", "--state", "finished"]).exits(0);
    assert!(again.stdout.is_empty() && again.stderr.contains("no such runs"), "{again}");
}

#[test]
fn ctrl_c_ends_watching_in_order() {
    let bench = Bench::new();
    let run = at_work(&bench);
    let watching = bench.spawn(&["runs", "--watch", "--output", "jsonl"]);
    wait_until("it reads", || bench.journal().with_file_name("journal.db-shm").exists());
    std::thread::sleep(Duration::from_millis(500));
    watching.signal(Signal::INT);
    watching.wait().exits(0);
    run.wait().exits(0);
}

/// Two journals have two locks and two pictures.
#[test]
fn several_journals_are_not_watched_at_once() {
    let bench = Bench::new();
    let done = bench.keybatch(&["runs", "--watch", "--journal", "another.db"]).exits(2);
    assert!(done.stderr.contains("--watch shows one journal"), "{done}");
}
