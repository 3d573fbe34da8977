//! `log`, `show` and `runs` for somebody who did not run the batch: local time beside UTC, durations, filters, names, and following a
//! running batch.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Act, Bench, wait_until};

/// A run with one key pair that was denied, then one of which everything was deleted.
fn two_runs() -> Bench {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    bench.world.always("DeleteKeyPair", &names[1], Act::denied());
    bench.run(&bench.manifest(&names), &["--ticket", "OPS-1"]).exits(3);
    bench.world.key("late");
    bench.run(&bench.file("second.csv", "name\nlate\n"), &[]).exits(0);
    bench
}

const LISTS: [&[&str]; 4] = [&["log"], &["runs"], &["show"], &["show", "late"]];

/// Text has the clock of this place beside UTC; data has UTC alone, whatever the zone.
// SEMANTICS: P98
#[test]
fn local_time_stands_beside_utc_in_text_alone() {
    let mut bench = two_runs();
    let said = |bench: &Bench, args: &[&str]| bench.keybatch(args).exits(0).stdout;
    let in_utc: Vec<_> = LISTS.iter().map(|args| said(&bench, args)).collect();
    for (zone, shown) in [("Asia/Kathmandu", "+05:45)"), ("XST-3", "+03:00)"), ("America/Caracas", "-04:00)")] {
        bench.set("TZ", zone);
        for (args, in_utc) in LISTS.iter().zip(&in_utc) {
            let text = said(&bench, args);
            assert!(text.contains(shown) && !in_utc.contains(shown), "{zone} {args:?}\n{text}");
            let year = |text: &str| text.matches("T").count();
            assert!(year(&text) >= year(in_utc), "UTC stays\n{text}");
        }
    }
    for form in ["json", "jsonl", "csv"] {
        for args in LISTS {
            let data = said(&bench, &[args, &["--output", form]].concat());
            bench.set("TZ", "UTC");
            assert_eq!(said(&bench, &[args, &["--output", form]].concat()), data, "{args:?} {form}");
            bench.set("TZ", "America/Caracas");
        }
    }
    // A zone that there is not, or none, is no reason to show no time.
    for zone in ["Nowhere/Atall", "UTC", ""] {
        bench.set("TZ", zone);
        for (args, in_utc) in LISTS.iter().zip(&in_utc) {
            assert_eq!(&said(&bench, args), in_utc, "{zone} {args:?}");
        }
    }
}

/// How long a run, a session and each step of a row took.
#[test]
fn durations_are_shown() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    bench.world.script("DeleteKeyPair", &names[0], [Act::ok().after(Duration::from_millis(1200))]);
    bench.run(&bench.manifest(&names), &[]).exits(0);
    let run = bench.keybatch(&["show"]).exits(0).stdout;
    let took = run.lines().find_map(|line| line.trim_start().strip_prefix("took ")).unwrap().trim();
    assert!(took.ends_with(" s") && took != "0 s", "{run}");
    assert!(run.lines().any(|line| line.contains("Z to ") && line.ends_with(&format!(", {took}"))), "{run}");
    let story = bench.keybatch(&["show", &names[0]]).exits(0).stdout;
    assert!(story.lines().any(|line| line.contains(" +1 s attempt_finished entry ")), "{story}");
    assert!(bench.keybatch(&["runs"]).exits(0).stdout.contains(took));
}

/// Each filter lists what it says and nothing else, and both ends of a time fit together.
#[test]
fn entries_and_runs_are_filtered() {
    let bench = two_runs();
    let began =
        bench.query("SELECT started_at FROM runs ORDER BY started_at")[1]["started_at"].as_str().unwrap().to_owned();
    let lines = |args: &[&str]| -> Vec<String> {
        let done = bench.keybatch(&[&["log", "-n", "0"], args].concat()).exits(0);
        done.stdout.lines().map(str::to_owned).collect()
    };
    let (all, before, since) = (lines(&[]), lines(&["--until", &began]), lines(&["--since", &began]));
    assert!(!before.is_empty() && !since.is_empty());
    assert_eq!([before, since].concat(), all, "each entry is before it, or not");
    assert_eq!(lines(&["--since", "1h", "--until", "2020-01-01"]), Vec::<String>::new());
    assert_eq!(lines(&["--since", "1h"]), all);
    let denied = lines(&["--name", "key-02", "--outcome", "failed"]);
    assert!(denied.iter().all(|line| line.contains("key-02")), "{denied:?}");
    assert_eq!(lines(&["--row", "1", "--kind", "attempt_finished"]).len(), 2);
    let none = bench.keybatch(&["log", "--until", "2020-01-01", "--name", "nobody"]).exits(0);
    assert_eq!(none.stderr, "no entry matches --name nobody and --until\n");
    bench.keybatch(&["log", "--until", "tomorrow"]).exits(2);
    let runs = |args: &[&str]| -> Vec<Value> {
        let done = bench.keybatch(&[&["runs", "--output", "json"], args].concat()).exits(0);
        done.json().as_array().unwrap().clone()
    };
    let tickets =
        |rows: &[Value]| rows.iter().map(|row| row["ticket"].as_str().unwrap_or("-").to_owned()).collect::<Vec<_>>();
    assert_eq!(tickets(&runs(&["--outcome", "failed"])), ["OPS-1"]);
    assert_eq!(tickets(&runs(&["--outcome", "deleted"])), ["-", "OPS-1"]);
    assert_eq!(tickets(&runs(&["--since", &began])), ["-"]);
    assert_eq!(tickets(&runs(&["--until", &began])), ["OPS-1"]);
    assert_eq!(runs(&["--since", "1h"]).len(), 2);
}

/// Whatever is about a row names its key pair, in text and in data.
#[test]
fn entries_name_their_key_pair() {
    let bench = two_runs();
    let of_rows = |line: &&str| line.contains(" row ");
    let text = bench.keybatch(&["log", "-n", "0"]).exits(0).stdout;
    assert!(text.lines().filter(of_rows).count() >= 9, "{text}");
    for line in text.lines().filter(of_rows) {
        assert!(["key-01", "key-02", "late"].iter().any(|name| line.contains(name)), "{line}");
    }
    let rows = bench.keybatch(&["log", "-n", "0", "--output", "json"]).exits(0).json();
    for row in rows.as_array().unwrap() {
        assert_eq!(row["key_pair_name"].is_string(), row["row_no"].is_number(), "{row}");
    }
}

/// `log -f RUN` on a pipe lists every entry of a batch at work once, in order, and ends with the run.
// SEMANTICS: P99
#[test]
fn a_running_batch_is_followed_to_its_end() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 4);
    for name in &names {
        bench.world.script("DeleteKeyPair", name, [Act::ok().after(Duration::from_millis(500))]);
    }
    let run = bench.spawn_run(&bench.manifest(&names), &["--concurrency", "1"]);
    bench.world.wait_for_deletes(1);
    let follower = bench.spawn(&["log", "-f", "latest", "-n", "2", "--output", "jsonl"]);
    let text = bench.spawn(&["log", "-f", "latest", "-n", "0"]);
    run.wait().exits(0);
    let (followed, text) = (follower.wait().exits(0), text.wait().exits(0));
    assert!(followed.took < Duration::from_secs(20), "{followed}");
    let seqs: Vec<u64> = followed
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap())
        .collect();
    assert!(seqs.len() > 6 && seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
    assert!(text.stdout.contains("run_finished"), "{text}");
    assert_eq!(text.stdout, bench.keybatch(&["log", "latest", "-n", "0"]).exits(0).stdout);
    bench.verify().exits(0);
}

/// The run of a process that was killed has no end to wait for.
#[test]
fn following_an_interrupted_run_ends() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    bench.world.script("DeleteKeyPair", "*", [Act::hang()]);
    let run = bench.spawn_run(&bench.manifest(&names), &["--attempt-timeout", "60s"]);
    bench.world.wait_for_deletes(1);
    let follower = bench.spawn(&["log", "-f", "latest"]);
    run.kill();
    let ended = follower.wait().exits(0);
    assert!(ended.stderr.contains("interrupted") && ended.stderr.contains("keybatch resume"), "{ended}");
    assert!(ended.stdout.contains("attempt_started"), "{ended}");
}

/// Ctrl-C ends it in order: nothing stays beside the journal.
#[test]
fn ctrl_c_ends_following() {
    let bench = two_runs();
    let mut follower = bench.spawn(&["log", "-f"]);
    let beside = |more: &str| bench.journal().with_file_name(format!("journal.db{more}")).exists();
    wait_until("it reads", || beside("-shm"));
    assert!(follower.runs_until(Duration::from_millis(1500)), "without RUN it goes on");
    follower.signal(Signal::INT);
    let ended = follower.wait().exits(0);
    assert!(ended.stdout.contains("run_finished") && ended.stderr.is_empty(), "{ended}");
    assert!(!beside("-wal") && !beside("-shm"));
}

/// What is piped never goes through a pager.
#[test]
fn a_pipe_has_no_pager() {
    let mut bench = two_runs();
    let plain: Vec<_> = LISTS.iter().map(|args| bench.keybatch(args).exits(0).stdout).collect();
    bench.set("KEYBATCH_PAGER", "tr a-z A-Z");
    bench.set("PAGER", "false");
    for (args, plain) in LISTS.iter().zip(&plain) {
        assert_eq!(&bench.keybatch(args).exits(0).stdout, plain, "{args:?}");
        assert_eq!(&bench.keybatch(&[args, &["--no-pager"][..]].concat()).exits(0).stdout, plain, "{args:?}");
    }
}
