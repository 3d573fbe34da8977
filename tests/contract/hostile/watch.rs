//! What must hold of everything that is shown, and how much memory it took.

use std::time::{Duration, Instant};

use crate::support::{Bench, Done, Live, binary, steers};

/// Peak memory that no command may exceed, in KiB: several times what an ordinary one takes.
pub(crate) const BOUND_KIB: u64 = 300 * 1024;

/// Waits for the end, and says how much memory it took at most, in KiB; 0 for a short command that ended before anybody
/// looked, as happens on a busy machine.
pub(crate) fn watched(mut live: Live, limit: Duration) -> (Done, u64) {
    let (status, exe) = (format!("/proc/{}/status", live.child.id()), format!("/proc/{}/exe", live.child.id()));
    let (began, mut peak) = (Instant::now(), 0);
    let program = std::fs::canonicalize(binary()).unwrap();
    // Until it has become the program, the child's memory is that of this test, and so is its peak.
    let has_begun = || std::fs::read_link(&exe).is_ok_and(|file| file == program);
    while !live.has_ended() {
        if has_begun()
            && let Ok(text) = std::fs::read_to_string(&status)
        {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let now = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
            peak = peak.max(now.unwrap_or(0));
        }
        assert!(peak < 4 * BOUND_KIB, "stopped at {peak} KiB, before it fills the machine: {}", live.kill());
        assert!(began.elapsed() < limit, "it does not end: {}", live.kill());
        std::thread::sleep(Duration::from_millis(2));
    }
    (live.wait(), peak)
}

/// Nothing that was said can harm a terminal.
#[track_caller]
pub(crate) fn harmless(what: &str, done: &Done) {
    assert!(!matches!(done.code, None | Some(101 | 134)), "{what}: it crashed\n{done}");
    assert!(!done.stderr.contains("panicked"), "{what}\n{done}");
    for (stream, text) in [("stdout", &done.stdout), ("stderr", &done.stderr)] {
        // Tabs and line ends of a cell of CSV are what the manifest has; they stand between quotes.
        let kept = |c: char| what.contains("csv") && matches!(c, '\t' | '\r');
        if let Some((at, c)) = text.char_indices().find(|(_, c)| steers(*c) && !kept(*c)) {
            let before: String = text[..at].chars().rev().take(80).collect::<Vec<_>>().into_iter().rev().collect();
            panic!("{what}: {c:?} on {stream} behind {before:?}");
        }
    }
}

/// Cells of CSV that no spreadsheet takes for a formula. A negative number is none.
#[track_caller]
fn no_formulas(what: &str, text: &str) {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    for record in reader.records() {
        for cell in &record.unwrap() {
            let number = cell.strip_prefix('-').is_some_and(|digits| digits.parse::<u64>().is_ok());
            assert!(number || !cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "{what}: {cell:?}");
        }
    }
}

/// All bodies, one a line.
fn stored(bench: &Bench) -> String {
    let rows = bench.query("SELECT body FROM entries ORDER BY seq");
    rows.iter().map(|row| format!("{}\n", row["body"].as_str().unwrap())).collect()
}

/// Everything that shows or exports, of whatever is in the journal.
pub(crate) fn shown_everywhere(bench: &Bench, what: &str) {
    let commands: &[&[&str]] = &[
        &["runs"],
        &["runs", "--output", "json"],
        &["runs", "--output", "csv"],
        &["show"],
        &["show", "--output", "json"],
        &["show", "latest", "1"],
        &["show", "latest", "1", "--output", "json"],
        &["log", "--last", "0"],
        &["log", "--last", "0", "--output", "jsonl"],
        &["log", "--last", "0", "--output", "csv"],
        &["verify"],
        &["verify", "--output", "json"],
        &["export", "latest", "--output", "csv"],
        &["export", "latest", "--output", "jsonl"],
    ];
    for args in commands {
        let live = bench.spawn(args);
        let (done, peak) = watched(live, Duration::from_secs(60));
        let what = format!("{what}, {}", args.join(" "));
        if args.contains(&"log") && args.contains(&"jsonl") {
            // The bodies as they are stored, to be hashed; on a terminal they are escaped: see `tests/tools/terminal.rs`.
            assert_eq!(done.stdout, stored(bench), "{what}");
        } else {
            harmless(&what, &done);
        }
        assert!(peak < BOUND_KIB, "{what}: {peak} KiB");
        if args.contains(&"csv") {
            no_formulas(&what, &done.stdout);
        }
        if args[0] == "verify" {
            assert_eq!(done.code, Some(0), "{what}\n{done}");
        }
    }
    for view in ["intents", "attempts", "operations", "errors", "entries"] {
        for form in ["table", "json", "jsonl", "csv"] {
            let done = bench.keybatch(&["query", &format!("SELECT * FROM {view}"), "--output", form]);
            let what = format!("{what}, {view} as {form}");
            harmless(&what, &done);
            assert_eq!(done.code, Some(0), "{what}\n{done}");
            match form {
                "csv" => no_formulas(&what, &done.stdout),
                "json" => drop(done.json()),
                _ => {}
            }
        }
    }
}
