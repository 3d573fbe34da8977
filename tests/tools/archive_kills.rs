//! `journal archive`, killed at every kind of call: afterwards there is the old journal or both, each of them whole, and the
//! command completes what it began.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::strace;
use crate::support::{Bench, Live};

/// The calls by which anything is changed.
const CALLS: [&str; 8] = ["openat", "pwrite64", "fsync", "fdatasync", "unlink", "linkat", "rename", "chmod"];

/// Hits of each call that are tried, evenly spread.
const TRIED: usize = 5;

fn verify(bench: &Bench, journal: &Path) -> Value {
    let journal = journal.display().to_string();
    let done = Live::of(bench.command(&["verify", "--journal", &journal, "--output", "json"]).spawn().unwrap()).wait();
    done.exits(0).json()
}

fn archived(bench: &Bench, id: &str) -> PathBuf {
    let journal = bench.journal();
    let stem = journal.file_stem().unwrap().to_str().unwrap();
    journal.with_file_name(format!("{stem}-{id}.db"))
}

/// A journal with a finished run; its id and its entries.
fn finished() -> (Bench, String, u64) {
    let bench = Bench::new();
    bench.run(&bench.manifest(&bench.world.keys("key", 2)), &[]).exits(0);
    let report = verify(&bench, &bench.journal());
    let (id, entries) = (report["journal_id"].as_str().unwrap().to_owned(), report["entries"].as_u64().unwrap());
    (bench, id, entries)
}

/// The flags that limit strace to the files of an archiving and to one call.
fn flags(bench: &Bench, id: &str, call: &str) -> Vec<String> {
    let trace = bench.home().join("tmp").join("trace").display().to_string();
    let mut flags = vec!["-o".to_owned(), trace, "-e".to_owned(), format!("trace={call}")];
    let (journal, archive) = (bench.journal().display().to_string(), archived(bench, id).display().to_string());
    let directory = bench.journal().parent().unwrap().display().to_string();
    let new = format!("{journal}.new");
    let logs = [format!("{journal}-wal"), format!("{new}-wal"), format!("{journal}-journal")];
    for path in [journal, archive, new, directory].into_iter().chain(logs) {
        flags.extend(["-P".to_owned(), path]);
    }
    flags
}

/// How often a thread makes the call: strace counts for each thread by itself.
fn hits(bench: &Bench, call: &str) -> usize {
    let text = std::fs::read_to_string(bench.home().join("tmp").join("trace")).unwrap();
    let mut threads = std::collections::BTreeMap::<&str, usize>::new();
    for line in text.lines().filter(|line| line.contains(&format!(" {call}("))) {
        *threads.entry(line.split(' ').next().unwrap_or_default()).or_default() += 1;
    }
    threads.into_values().max().unwrap_or(0)
}

/// What must hold after a kill: the journal's place has the old journal or its successor, whole.
fn judge(bench: &Bench, id: &str, entries: u64) -> &'static str {
    let report = verify(bench, &bench.journal());
    let now = report["entries"].as_u64().unwrap();
    if report["journal_id"] == *id {
        assert!(now >= entries, "entries were lost: {report}");
        return "the old one";
    }
    let old = verify(bench, &archived(bench, id));
    assert_eq!((&report["previous"]["size"], &report["previous"]["root"]), (&old["entries"], &old["root"]));
    assert!(old["entries"].as_u64().unwrap() >= entries);
    "both"
}

fn archiving_survives_a_kill_at_any_moment() {
    strace::needed();
    let args: Vec<String> = ["journal", "archive", "--output", "json"].map(str::to_owned).into();
    let (mut killed, mut ends) = (0, std::collections::BTreeMap::<&str, u32>::new());
    for call in CALLS {
        let (bench, id, _) = finished();
        strace::spawn(&bench, &flags(&bench, &id, call), &args).wait().exits(0);
        let hits = hits(&bench, call);
        let tried = TRIED.min(hits);
        for number in (0..tried).map(|index| 1 + index * (hits - 1) / tried.saturating_sub(1).max(1)) {
            let (bench, id, entries) = finished();
            let mut flags = flags(&bench, &id, call);
            flags.extend(["-e".to_owned(), format!("inject={call}:signal=KILL:when={number}")]);
            killed += u32::from(strace::spawn(&bench, &flags, &args).wait().code.is_none());
            let end = judge(&bench, &id, entries);
            *ends.entry(end).or_default() += 1;
            if end == "the old one" {
                bench.keybatch(&["journal", "archive"]).exits(0);
                assert_eq!(judge(&bench, &id, entries), "both", "{call} {number}");
            }
            let more = bench.file("more.csv", format!("key_pair_name\n{}\n", bench.world.keys("more", 1)[0]));
            bench.run(&more, &[]).exits(0);
            bench.verify().exits(0);
        }
    }
    strace::say(&format!("archiving: {killed} kills ({ends:?})"));
    assert!(killed >= 15 && ends.len() == 2, "{killed} kills, {ends:?}");
}

crate::harness::tests![archiving_survives_a_kill_at_any_moment];
