//! `journal archive`: finished runs in a read-only file, a new journal that names it, and nothing forgotten; and what reads several
//! journals at once.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::support::{Bench, Done, HOME, count, row, summary};
use serde_json::Value;

/// Archives the journal; where the old one is now.
#[track_caller]
fn archive(bench: &Bench) -> (PathBuf, Value) {
    let told = bench.keybatch(&["journal", "archive", "--output", "json"]).exits(0).json();
    assert_eq!(told["schema"], "keybatch.archive/1");
    (PathBuf::from(told["archive"].as_str().unwrap()), told)
}

fn first_entry(bench: &Bench) -> Value {
    let rows = bench.query("SELECT body FROM entries WHERE seq = 0");
    serde_json::from_str(rows[0]["body"].as_str().unwrap()).unwrap()
}

/// A read-only command over the directory of the journals.
fn over_all(bench: &Bench, args: &[&str]) -> Done {
    let directory = bench.journal().parent().unwrap().display().to_string();
    let all = [args, &["--journal", &directory]].concat();
    crate::support::Live::of(bench.command(&all).spawn().unwrap()).wait()
}

// SEMANTICS: P122
#[test]
fn an_archived_journal_is_read_only_and_the_next_one_names_it() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    let manifest = bench.manifest(&names);
    assert_eq!(bench.keybatch(&["journal", "archive", "--output", "json"]).exits(9).json()["code"], "journal.missing");
    bench.run(&manifest, &["--max-deletes", "1"]).exits(5);
    let refused = bench.keybatch(&["journal", "archive", "--output", "json"]).exits(4);
    assert_eq!(refused.json()["code"], "run.unfinished", "{refused}");
    bench.resume().exits(0);
    let id = first_entry(&bench)["journal_id"].clone();
    let (file, told) = archive(&bench);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o400);
    let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", file.display()));
    assert!(!beside("-wal").exists() && !beside("-shm").exists(), "one file");
    let first = first_entry(&bench);
    assert_eq!((&first["previous"]["id"], &first["previous"]), (&id, &told["previous"]));
    assert_ne!(first["journal_id"], id);
    assert_eq!(told["runs"], 1);
    // It is whole, and reading it leaves nothing beside it.
    let own = file.display().to_string();
    let verify = |args: &[&str]| crate::support::Live::of(bench.command(args).spawn().unwrap()).wait();
    let report = verify(&["verify", "--journal", &own, "--output", "json"]).exits(0).json();
    assert_eq!((&report["entries"], &report["root"]), (&told["previous"]["size"], &told["previous"]["root"]));
    assert!(!beside("-wal").exists() && !beside("-shm").exists());
    // Nothing is written to it any more, wherever it lies.
    let copy = bench.home().join("copy.db");
    std::fs::copy(&file, &copy).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o600)).unwrap();
    let more = bench.file("more.csv", format!("key_pair_name\n{}\n", bench.world.keys("more", 1)[0]));
    let (more, copy) = (more.display().to_string(), copy.display().to_string());
    for args in [&["run", &more, "--yes"][..], &["resume"]] {
        let done = verify(&[args, &["--journal", &copy, "--output", "json"]].concat()).exits(4);
        assert_eq!(done.json()["code"], "journal.sealed", "{done}");
    }
    // There is nothing to archive twice.
    assert_eq!(bench.keybatch(&["journal", "archive", "--output", "json"]).exits(4).json()["code"], "journal.empty");
    bench.verify().exits(0);
}

// SEMANTICS: P123
#[test]
fn what_archived_runs_know_guards_later_ones() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    let manifest = bench.manifest(&names);
    let first = bench.run(&manifest, &[]).exits(0);
    let run = first.json()["run"].as_str().unwrap().to_owned();
    let (oldest, _) = archive(&bench);
    // Two more in between: the chain is followed to its beginning.
    for name in ["one", "two"] {
        let other = bench.file(&format!("{name}.csv"), format!("key_pair_name\n{}\n", bench.world.keys(name, 1)[0]));
        bench.run(&other, &[]).exits(0);
        archive(&bench);
    }
    let refused = bench.run(&manifest, &[]).exits(4);
    assert_eq!((&refused.json()["code"], &refused.json()["run"]), (&"run.finished".into(), &run.as_str().into()));
    let elsewhere = format!("keybatch show {run} --journal {}", oldest.display());
    let hint = refused.json()["hints"][0].as_str().unwrap().to_owned();
    assert!(hint.ends_with(&elsewhere), "{hint}");
    let words = shlex::split(&elsewhere).unwrap();
    crate::support::Live::of(bench.command(&words[1..]).spawn().unwrap()).wait().exits(0);
    let resumed = bench.run(&manifest, &["--resume"]).exits(0).json();
    assert_eq!((&resumed["run"], &resumed["outcomes"]["deleted"]), (&run.as_str().into(), &3.into()), "{resumed}");
    assert!(resumed["journal"].as_str().is_some_and(|path| path != bench.journal().display().to_string()), "{resumed}");
    let anew = bench.world.key(&names[0]).arn;
    let deletes = bench.world.arrived("DeleteKeyPair").len();
    let again = bench.run(&manifest, &["--again"]).exits(3);
    assert_eq!(summary(&bench, &again)["outcomes"]["skipped"], 1, "{again}");
    assert_eq!(row(&bench, &names[0]).verdict(), "skipped/note");
    let other = bench.file("other.csv", format!("key_pair_name,ticket\n{},OPS-1\n", names[0]));
    bench.run(&other, &["--if-recreated", "refuse"]).exits(4);
    bench.run(&other, &["--if-recreated", "skip"]).exits(3);
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), deletes);
    assert_eq!(bench.world.state().keys[&(HOME.to_owned(), names[0].clone())].arn, anew);
    bench.verify().exits(0);
    assert_eq!(over_all(&bench, &["verify", "--output", "json"]).exits(0).json()["chain"].as_array().unwrap().len(), 3);
}

// SEMANTICS: P123
#[test]
fn without_its_archive_a_journal_begins_no_run() {
    let bench = Bench::new();
    bench.run(&bench.manifest(&bench.world.keys("key", 2)), &[]).exits(0);
    let (file, _) = archive(&bench);
    let more = bench.file("more.csv", format!("key_pair_name\n{}\n", bench.world.keys("more", 2).join("\n")));
    bench.run(&more, &["--max-deletes", "1"]).exits(5);
    let elsewhere = bench.home().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let hidden = elsewhere.join("hidden");
    std::fs::rename(&file, &hidden).unwrap();
    let other = bench.file("other.csv", format!("key_pair_name\n{}\n", bench.world.keys("other", 1)[0]));
    for args in [&[][..], &["--dry-run"]] {
        let done = bench.run(&other, args).exits(9);
        assert_eq!(done.json()["code"], "journal.archive_missing", "{done}");
    }
    let doctor = |exit: i32, words: &str| {
        let done = bench.keybatch(&["doctor"]).exits(exit);
        let said = done.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("archives") && said.contains(words), "{done}");
    };
    doctor(9, "cannot be read at");
    // Another journal in its place is not it.
    let stranger = Bench::new();
    stranger.run(&stranger.manifest(&stranger.world.keys("key", 1)), &[]).exits(0);
    std::fs::copy(stranger.journal(), &file).unwrap();
    let done = bench.run(&other, &[]).exits(9);
    assert!(done.said().contains("it is not the journal that was archived"), "{done}");
    doctor(9, "it is not the journal that was archived");
    let told = over_all(&bench, &["verify", "--output", "json"]).exits(7).json();
    let link = &told["chain"][0];
    assert_eq!((&link["holds"], &link["found"]), (&false.into(), &file.display().to_string().into()), "{told}");
    std::fs::remove_file(&file).unwrap();
    // What was begun can be finished without it.
    bench.resume().exits(0);
    std::fs::rename(&hidden, &file).unwrap();
    bench.run(&other, &[]).exits(0);
    bench.verify().exits(0);
}

#[test]
fn a_session_takes_no_directory_and_leaves_nothing_beside_it() {
    let bench = Bench::new();
    let manifest = bench.manifest(&bench.world.keys("key", 1)).display().to_string();
    let directory = bench.home().join("journals");
    std::fs::create_dir(&directory).unwrap();
    let named = directory.display().to_string();
    for args in [&["run", &manifest, "--yes"][..], &["resume"]] {
        let all = [args, &["--journal", &named]].concat();
        let done = crate::support::Live::of(bench.command(&all).spawn().unwrap()).wait().exits(9);
        assert!(done.said().contains("directory"), "{done}");
        assert!(!PathBuf::from(format!("{named}.lock")).exists());
    }
}

// SEMANTICS: P124
#[test]
fn several_journals_are_read_at_once_and_a_damaged_one_hides_none() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    let checkpoints = bench.home().join("checkpoints.txt").display().to_string();
    bench.run(&bench.manifest(&names), &[]).exits(0);
    let (file, _) = archive(&bench);
    // Right after that, only the archive may have a checkpoint; what the new journal would need is said.
    let early = over_all(&bench, &["verify", "--require-checkpoint"]).exits(7);
    assert!(early.stdout.contains("continues an archived journal, whose checkpoints are not its own"), "{early}");
    let own = bench.keybatch(&["checkpoint"]).exits(0).stdout;
    let own = bench.file("own.txt", own).display().to_string();
    over_all(&bench, &["verify", "--require-checkpoint", "--checkpoint", &own]).exits(0);
    std::fs::remove_file(&own).unwrap();
    bench.world.key(&names[0]);
    let more = bench.file("more.csv", format!("key_pair_name\n{}\n", names[0]));
    bench.run(&more, &["--checkpoint-to", &checkpoints]).exits(0);
    let runs = over_all(&bench, &["runs", "--output", "json"]).exits(0).json();
    let journals: Vec<_> = runs.as_array().unwrap().iter().map(|run| run["journal"].as_str().unwrap()).collect();
    let (new, old) = (bench.journal().display().to_string(), file.display().to_string());
    assert_eq!(journals, [&new, &old], "the newest first");
    let stories = over_all(&bench, &["show", &names[0], "--output", "json"]).exits(0).json();
    assert_eq!(stories.as_array().unwrap().len(), 2, "{stories}");
    let old_run = runs[1]["run_id"].as_str().unwrap();
    let shown = over_all(&bench, &["show", old_run, "--output", "json"]).exits(0).json();
    assert_eq!((&shown[0]["run"], &shown[0]["journal"]), (&old_run.into(), &old.as_str().into()));
    over_all(&bench, &["show", "no-such-name"]).exits(2);
    let ask = ["query", "--output", "json", "SELECT outcome, count(*) AS n FROM intents GROUP BY 1"];
    let asked = over_all(&bench, &ask).exits(0).json();
    assert_eq!(asked.as_array().unwrap().len(), 2, "{asked}");
    // In the order in which the journals are named, a directory's by name.
    assert_eq!((&asked[0]["n"], &asked[0]["journal"]), (&2.into(), &old.as_str().into()), "{asked}");
    assert_eq!((&asked[1]["n"], &asked[1]["journal"]), (&1.into(), &new.as_str().into()), "{asked}");
    over_all(&bench, &["query", "SELECT nowhere FROM intents"]).exits(2);
    let story =
        ["query", "--name", "key-pair-history", "--param", &format!("key_pair={}", names[0]), "--output", "json"];
    let told = over_all(&bench, &story).exits(0).json();
    assert!(told.as_array().unwrap().iter().any(|row| row["journal"] == *old), "{told}");
    // A checkpoint of the new journal covers the old one, which it names.
    let args = ["verify", "--checkpoint", &checkpoints, "--require-checkpoint", "--output", "json"];
    let told = over_all(&bench, &args).exits(0).json();
    assert_eq!((&told["accepted"], &told["chain"][0]["holds"]), (&true.into(), &true.into()), "{told}");
    for journal in told["journals"].as_array().unwrap() {
        assert_eq!(journal["verdict"], "verified", "{told}");
        let coverage = &journal["coverage"];
        assert_eq!(coverage["deletions"], coverage["deletions_covered"], "{told}");
    }
    let alone = crate::support::Live::of(bench.command(&[&args[..], &["--journal", &old]].concat()).spawn().unwrap());
    assert_eq!(alone.wait().exits(7).json()["verdict"], "cannot_verify", "alone it has no checkpoint of its own");
    // Another journal under the same id is not what was archived.
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let whole = std::fs::read(&file).unwrap();
    let text = String::from_utf8_lossy(&whole).into_owned();
    let place = text.find(&names[1]).expect("a name in a body");
    let mut altered = whole.clone();
    let place = whole.windows(names[1].len()).position(|window| window == names[1].as_bytes()).unwrap_or(place);
    altered[place] ^= 1;
    std::fs::write(&file, &altered).unwrap();
    let told = over_all(&bench, &["verify", "--output", "json"]).exits(7).json();
    assert_eq!(told["chain"][0]["holds"], false, "{told}");
    // One that cannot be read at all.
    std::fs::write(&file, b"nothing of the kind, but long enough to be looked at").unwrap();
    let done = over_all(&bench, &["runs", "--output", "json"]).exits(9);
    assert_eq!(done.json().as_array().unwrap().len(), 1, "{done}");
    assert!(done.stderr.contains(&old), "{done}");
    let asked = over_all(&bench, &ask).exits(9);
    assert_eq!(asked.json().as_array().unwrap().len(), 1, "{asked}");
    assert!(asked.stderr.contains(&old), "{asked}");
    let told = over_all(&bench, &["verify", "--output", "json"]).exits(7).json();
    assert_eq!(told["journals"].as_array().unwrap().len(), 2, "{told}");
    // A command that works on one journal takes one.
    let two = ["log", "--journal", &new, "--journal", &old];
    crate::support::Live::of(bench.command(&two).spawn().unwrap()).wait().exits(2);
    assert_eq!(count(&bench, "SELECT count(*) AS n FROM runs"), 1);
}
