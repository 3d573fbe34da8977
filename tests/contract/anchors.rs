//! `--checkpoint-exec` and `--require-anchor`: checkpoints handed to a command beside the work, and what is recorded of that.

use std::time::Duration;

use crate::support::{Act, Bench, Done, count, invariants, summary};
use serde_json::Value;

/// A command that keeps each record in `taken`, and then does this.
fn command(bench: &Bench, then: &str) -> String {
    let taken = bench.home().join("taken").display().to_string();
    format!("sh -c 'cat >> \"{taken}\"; {then}'")
}

fn taken(bench: &Bench) -> String {
    std::fs::read_to_string(bench.home().join("taken")).unwrap_or_default()
}

/// The entries about checkpoints that were handed over.
fn anchored(bench: &Bench) -> Vec<Value> {
    let rows = bench.query("SELECT body FROM entries WHERE kind = 'checkpoint_anchored' ORDER BY seq");
    rows.iter().map(|row| serde_json::from_str(row["body"].as_str().unwrap()).unwrap()).collect()
}

#[track_caller]
fn verified(bench: &Bench) -> Done {
    let taken = bench.home().join("taken").display().to_string();
    let done = bench.keybatch(&["verify", "--checkpoint", &taken, "--require-checkpoint", "--output", "json"]).exits(0);
    assert_eq!(done.json()["verdict"], "verified", "{done}");
    done
}

// SEMANTICS: P105
#[test]
fn the_command_gets_each_record_and_its_receipt_is_recorded() {
    let mut bench = Bench::new();
    bench.set("AWS_SESSION_NAME_OF_A_TEST", "x");
    bench.set("KEYBATCH_CONCURRENCY", "3");
    let names = bench.world.keys("key", 5);
    let command = command(&bench, "env | grep -c -E \"^(AWS|KEYBATCH)_\"; echo receipt; echo not kept >&2");
    let to = bench.home().join("file.txt").display().to_string();
    let flags = ["--checkpoint-exec", &command, "--checkpoint-to", &to, "--require-anchor"];
    let done = bench.run(&bench.manifest(&names), &flags).exits(0);
    assert!(!done.stderr.contains("not anchored"), "{done}");
    let entries = anchored(&bench);
    assert_eq!(entries.len(), 2, "of the seal and of the end: {entries:?}");
    for entry in &entries {
        assert_eq!(
            (&entry["exit_code"], &entry["failure"], &entry["program"]),
            (&0.into(), &Value::Null, &"sh".into())
        );
        assert_eq!(entry["receipt"], "0\nreceipt\n", "no variable of AWS or keybatch");
    }
    // What it got is what the file has, but for the head of the closed journal.
    let file = std::fs::read_to_string(&to).unwrap();
    let records: Vec<_> = file.trim_end().split("\n\n").collect();
    assert_eq!(taken(&bench).trim_end().split("\n\n").collect::<Vec<_>>(), records[..2]);
    // The seal's is recorded before the run is started.
    let before = "SELECT count(*) AS n FROM entries AS a JOIN entries AS b ON a.seq < b.seq \
                  WHERE a.kind = 'checkpoint_anchored' AND b.kind = 'run_started'";
    assert_eq!(count(&bench, before), 1);
    let said = "SELECT count(*) AS n FROM entries WHERE body LIKE '%not kept%' OR body LIKE '%grep%'";
    assert_eq!(count(&bench, said), 0, "neither standard error nor arguments are recorded");
    let coverage = verified(&bench).json()["coverage"].clone();
    assert_eq!((&coverage["deletions"], &coverage["deletions_covered"]), (&5.into(), &5.into()), "{coverage}");
    assert_eq!((&coverage["ends_covered"], &coverage["runs"][0]["end_covered"]), (&1.into(), &true.into()));
    let log = bench.keybatch(&["log", "latest"]).exits(0);
    assert!(log.stdout.contains("entries by sh: 0 …"), "{log}");
    invariants(&bench);
    let (entries, again) = (count(&bench, "SELECT count(*) AS n FROM entries"), taken(&bench));
    bench.keybatch(&["resume", "--checkpoint-exec", &command, "--require-anchor"]).exits(0);
    assert_eq!((count(&bench, "SELECT count(*) AS n FROM entries"), taken(&bench)), (entries, again), "I6");
}

// SEMANTICS: P104
#[test]
fn without_an_anchor_nothing_is_deleted_where_one_is_required() {
    for (command, why) in [
        ("/no/such/program", "could not be started"),
        ("sh -c 'echo no route >&2; exit 3'", "sh exited with 3"),
        ("sh -c 'kill -9 $$'", "was ended by a signal"),
    ] {
        let bench = Bench::new();
        let names = bench.world.keys("key", 3);
        let manifest = bench.manifest(&names);
        let done = bench.run(&manifest, &["--checkpoint-exec", command, "--require-anchor"]).exits(9);
        let error = done.json();
        assert_eq!((&error["code"], &error["sent"]), (&"checkpoint.not_anchored".into(), &"reads".into()), "{done}");
        assert!(error["message"].as_str().unwrap().contains(why), "{done}");
        assert!(bench.world.arrived("DeleteKeyPair").is_empty());
        assert!(!anchored(&bench).is_empty() && anchored(&bench)[0]["failure"].is_string());
        bench.verify().exits(0);
        // Without the demand it is a warning.
        let done = bench.run(&manifest, &["--checkpoint-exec", command]).exits(0);
        assert!(done.stderr.contains("warning: the checkpoint of") && done.stderr.contains(why), "{done}");
        assert!(bench.world.state().keys.is_empty());
        invariants(&bench);
    }
    let bench = Bench::new();
    let manifest = bench.manifest(&bench.world.keys("key", 1));
    bench.run(&manifest, &["--require-anchor"]).exits(2);
    bench.run(&manifest, &["--checkpoint-exec", "a 'b"]).exits(2);
}

// SEMANTICS: P104
#[test]
fn a_later_checkpoint_that_is_not_anchored_stops_the_run_and_a_resumed_session_asks_first() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 700);
    bench.world.always("DeleteKeyPair", "*", Act::ok().after(Duration::from_millis(20)));
    // The second one is refused: it is due in the midst of the work, after a thousand entries.
    let done = bench.home().join("once").display().to_string();
    let command = command(&bench, &format!("test ! -e {done} || exit 7; touch {done}"));
    let flags = ["--checkpoint-exec", &command, "--require-anchor", "--concurrency", "8"];
    let stopped = bench.run(&bench.manifest(&names), &flags).exits(5);
    let told = summary(&bench, &stopped);
    assert_eq!((&told["state"], &told["stopped_by"]), (&"stopped".into(), &"breaker".into()), "{stopped}");
    assert!(stopped.stderr.contains("--require-anchor was given: sh exited with 7"), "{stopped}");
    let left = bench.world.state().keys.len();
    assert!(left > 0 && left < 700, "{left} are left");
    invariants(&bench);
    // The next session may not delete before one is taken, either.
    let refused = bench.keybatch(&["resume", "--checkpoint-exec", &command, "--require-anchor", "--output", "json"]);
    assert_eq!(refused.exits(9).json()["code"], "checkpoint.not_anchored");
    assert_eq!(bench.world.state().keys.len(), left);
    bench.verify().exits(0);
    let more = ["--rate", "unlimited", "--output", "json"];
    let resumed = bench.keybatch(&[&["resume", "--checkpoint-exec", &command], &more[..]].concat()).exits(0);
    assert!(resumed.stderr.contains("warning: the checkpoint of"), "only a warning without the demand\n{resumed}");
    assert!(bench.world.state().keys.is_empty());
    invariants(&bench);
    let sizes: Vec<_> = anchored(&bench).iter().map(|entry| entry["size"].as_u64().unwrap()).collect();
    assert!(sizes.is_sorted_by(|one, other| one < other), "in order: {sizes:?}");
    assert!(taken(&bench).starts_with("keybatch/"));
    bench.verify().exits(0);
}

// SEMANTICS: P105
#[test]
fn a_slow_command_holds_no_answer_up() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 400);
    // The seal is taken at once; each later one takes long.
    let once = bench.home().join("once").display().to_string();
    let command = command(&bench, &format!("test ! -e {once} || sleep 3; touch {once}; echo ok"));
    let done = bench.run(&bench.manifest(&names), &["--checkpoint-exec", &command, "--concurrency", "8"]).exits(0);
    let time = |what: &str| {
        let sql =
            format!("SELECT (julianday(max(at)) - julianday(min(at))) * 86400 AS s FROM entries WHERE kind = '{what}'");
        bench.query(&sql)[0]["s"].as_f64().unwrap()
    };
    let slow = anchored(&bench).iter().filter(|entry| entry["elapsed_ms"].as_u64().unwrap() >= 3_000).count();
    assert!(slow >= 1, "{done}");
    // Were each answer to wait for the command, they would take as long as it did in the midst of the work.
    let sent = "SELECT count(*) AS n FROM entries AS a, (SELECT min(seq) AS seq FROM entries WHERE kind = 'checkpoint_anchored' \
                AND json_extract(body, '$.elapsed_ms') >= 3000) AS slow WHERE a.kind = 'attempt_finished' AND a.seq < slow.seq";
    assert!(count(&bench, sent) >= 350, "{done}");
    assert!(time("attempt_finished") < 30.0);
    invariants(&bench);
}

// SEMANTICS: P106
#[test]
fn neither_a_journal_nor_the_working_directory_names_a_command() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 4);
    let command = command(&bench, "echo ok");
    bench.run(&bench.manifest(&names), &["--checkpoint-exec", &command, "--max-deletes", "2"]).exits(5);
    let before = taken(&bench);
    let resumed = bench.resume().exits(0);
    assert_eq!(taken(&bench), before, "the command was run again");
    assert!(resumed.stderr.contains("handed checkpoints to sh, and this one does not"), "{resumed}");
    let file = bench.home().join("work/keybatch.toml");
    std::fs::write(&file, format!("checkpoint-exec = '''{command}'''\n")).unwrap();
    let manifest = bench.file("more.csv", format!("key_pair_name\n{}\n", bench.world.keys("more", 1)[0]));
    let refused = bench.run(&manifest, &[]);
    assert_ne!(refused.code, Some(0), "{refused}");
    assert!(refused.said().contains("checkpoint-exec"), "{refused}");
    assert_eq!(taken(&bench), before);
    std::fs::remove_file(&file).unwrap();
    // A variable may, and doctor says whether it is there.
    let mut bench = bench;
    bench.set("KEYBATCH_CHECKPOINT_EXEC", &command);
    let doctor = bench.keybatch(&["doctor"]);
    assert!(doctor.stdout.contains("checkpoints are handed to sh, which is /"), "{doctor}");
    bench.run(&manifest, &[]).exits(0);
    assert!(taken(&bench).len() > before.len());
    bench.set("KEYBATCH_CHECKPOINT_EXEC", "no-such-program x");
    let doctor = bench.keybatch(&["doctor"]).exits(9);
    assert!(doctor.stdout.contains("no-such-program cannot be found"), "{doctor}");
}

// SEMANTICS: P107
#[test]
fn verify_takes_many_files_and_says_what_they_cover() {
    let bench = Bench::new();
    let file = |name: &str| bench.home().join(name).display().to_string();
    let (one, two) = (file("one.txt"), file("two.txt"));
    bench.run(&bench.manifest(&bench.world.keys("key", 3)), &["--checkpoint-to", &one]).exits(0);
    let manifest = bench.file("more.csv", format!("key_pair_name\n{}\n", bench.world.keys("more", 2).join("\n")));
    bench.run(&manifest, &["--checkpoint-to", &two]).exits(0);
    let verify = |more: &[&str], code: i32| {
        bench.keybatch(&[&["verify"], more, &["--output", "json"]].concat()).exits(code).json()
    };
    let both = verify(&["--checkpoint", &one, &two, "--require-checkpoint"], 0);
    assert_eq!(both["verdict"], "verified");
    let coverage = &both["coverage"];
    assert_eq!((&coverage["deletions_covered"], &coverage["ends_covered"]), (&5.into(), &2.into()), "{both}");
    assert_eq!(both["files"].as_array().unwrap().len(), 2);
    assert_eq!((&both["files"][0]["file"], &both["files"][0]["checkpoints"]), (&one.as_str().into(), &3.into()));
    // The older alone covers the first run.
    let older = verify(&["--checkpoint", &one], 0);
    let runs = &older["coverage"]["runs"];
    assert_eq!((&runs[0]["end_covered"], &runs[0]["deletions_covered"]), (&true.into(), &3.into()), "{older}");
    assert_eq!((&runs[1]["end_covered"], &runs[1]["deletions_covered"]), (&false.into(), &0.into()), "{older}");
    assert!(runs[1]["first_uncovered"].as_u64().unwrap() >= older["proved_up_to"].as_u64().unwrap());
    let first = runs[0]["run"].as_str().unwrap();
    verify(&[first, "--checkpoint", &one, "--require-checkpoint"], 0);
    for lacking in
        [&["--checkpoint", &one, "--require-checkpoint"][..], &["latest", "--checkpoint", &one, "--require-checkpoint"]]
    {
        let told = verify(lacking, 7);
        assert_eq!((&told["verdict"], &told["accepted"]), (&"verified".into(), &false.into()));
        let why = told["not_accepted"].as_str().unwrap();
        assert!(why.contains(runs[1]["run"].as_str().unwrap()), "{why}");
    }
    let text = bench.keybatch(&["verify", "--checkpoint", &one]).exits(0);
    assert!(
        text.stdout.contains("END NOT COVERED") && text.stdout.contains("3 of 3 deletions covered; end covered"),
        "{text}"
    );
    bench.keybatch(&["verify", "ffffffff", "--checkpoint", &one]).exits(2);
    // One older checkpoint of any file that saw another past convicts, although the newest agrees.
    let text = std::fs::read_to_string(&one).unwrap();
    let root = text.lines().nth(2).unwrap();
    let forged = bench
        .file("forged.txt", text.replace(root, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="))
        .display()
        .to_string();
    assert_eq!(verify(&["--checkpoint", &forged, &two], 7)["verdict"], "forked");
    // A file of another journal is named, and is no finding beside one of this.
    let id = text.lines().next().unwrap().to_owned();
    let other = bench
        .file("other.txt", text.replace(&id, "keybatch/0198c0de-0000-4000-8000-00000000ffff"))
        .display()
        .to_string();
    let told = verify(&["--checkpoint", &other, &two], 0);
    assert!(told["warnings"].to_string().contains("other.txt has no checkpoint of this journal"), "{told}");
    assert_eq!(verify(&["--checkpoint", &other], 7)["verdict"], "cannot_verify");
    bench.keybatch(&["verify", "--checkpoint", &two, "/no/such/file"]).exits(2);
}

/// A command that hangs: the first signal says at once what is awaited and until when, and a deliberate second one ends the wait.
// SEMANTICS: P44
#[test]
fn a_signal_says_that_the_command_is_awaited_and_a_second_one_ends_that() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    let command = command(&bench, "sleep 25");
    let live = bench.spawn_run(&bench.manifest(&names), &["--checkpoint-exec", &command, "--require-anchor"]);
    while taken(&bench).is_empty() {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(1_200));
    live.signal(rustix::process::Signal::INT);
    std::thread::sleep(Duration::from_millis(2_300));
    live.signal(rustix::process::Signal::INT);
    // The signal may arrive just before the run begins or just after that: nothing is sent either way.
    let done = live.wait().exits_one_of(&[5, 12]);
    assert!(done.took < Duration::from_secs(15), "{done}");
    assert!(done.stderr.contains("waiting for sh, which was handed a checkpoint: for at most 2"), "{done}");
    assert!(done.stderr.contains("UTC; press Ctrl-C again to exit immediately"), "{done}");
    assert_eq!(bench.world.deletes(&names[0]), 0, "{done}");
    // A command that is quick is not worth a word.
    let quick = crate::support::Bench::new();
    let names = quick.world.keys("key", 30);
    quick.world.always("DeleteKeyPair", "*", Act::ok().after(Duration::from_millis(200)));
    let live = quick.spawn_run(&quick.manifest(&names), &["--checkpoint-exec", "cat", "--concurrency", "1"]);
    quick.world.wait_for_deletes(1);
    live.signal(rustix::process::Signal::INT);
    let done = live.wait().exits(5);
    assert!(!done.stderr.contains("waiting for cat"), "{done}");
}
