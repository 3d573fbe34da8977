//! Standard output and standard error that are closed, full, or read by nobody.

use std::{
    fs::File,
    process::{Command, Stdio},
};

use crate::{
    sample::one_in,
    strace::{self, Scene},
    support::{Bench, binary},
};

/// What becomes of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    /// To a file that the test reads.
    Kept,
    /// Not open at all, as after `>&-`.
    Closed,
    /// A pipe whose reader has gone, as after `| head -c 0`.
    Unread,
    /// `/dev/full`: every write fails.
    Full,
}

/// One way to start the program.
#[derive(Debug, Clone, Copy)]
struct Streams {
    out: Stream,
    err: Stream,
}

const ALL: [Stream; 4] = [Stream::Kept, Stream::Closed, Stream::Unread, Stream::Full];

impl Streams {
    /// Runs `args` so; gives the exit code and what was kept of standard error.
    fn run(self, bench: &Bench, args: &[&str]) -> (Option<i32>, String) {
        let closing =
            |stream: Stream, number| if stream == Stream::Closed { format!(" {number}>&-") } else { String::new() };
        let script = format!("exec \"$@\"{}{}", closing(self.out, 1), closing(self.err, 2));
        let journal = bench.journal().display().to_string();
        let mut all = vec!["-c", &script, "sh", binary()];
        all.extend(args);
        all.extend(["--journal", &journal]);
        let mut command: Command = bench.command_of("sh", &all);
        let kept = bench.home().join("tmp").join("stderr");
        command.stdout(self.out.stdio(&bench.home().join("tmp").join("stdout")));
        command.stderr(self.err.stdio(&kept));
        let status = command.status().expect("sh starts");
        let said = if self.err == Stream::Kept { std::fs::read_to_string(kept).unwrap() } else { String::new() };
        (status.code(), said)
    }
}

impl Stream {
    fn stdio(self, file: &std::path::Path) -> Stdio {
        match self {
            Self::Kept | Self::Closed => File::create(file).unwrap().into(),
            Self::Unread => {
                let (reader, writer) = std::io::pipe().expect("a pipe");
                drop(reader);
                writer.into()
            }
            Self::Full => File::options().write(true).open("/dev/full").expect("/dev/full").into(),
        }
    }
}

impl std::fmt::Display for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "stdout {:?}, stderr {:?}", self.out, self.err)
    }
}

fn combinations() -> Vec<Streams> {
    let all = ALL.into_iter().flat_map(|out| ALL.map(|err| Streams { out, err }));
    all.filter(|Streams { out, err }| out == err || [*out, *err].contains(&Stream::Kept)).collect()
}

/// That nobody listens is no reason to stop deleting, and does not change how it ended; only that a summary is lost on a full
/// disk is no success.
// SEMANTICS: P57
fn a_run_that_nobody_listens_to() {
    let tally = strace::in_parallel(&one_in(2, combinations()), |streams| {
        for (format, log) in [("json", None), ("table", None), ("json", Some("trace"))] {
            let mut scene = Scene::of_five();
            if let Some(level) = log {
                scene.bench.set("KEYBATCH_LOG", level);
            }
            let manifest = scene.bench.home().join("deletions.csv").display().to_string();
            let args = ["run", &manifest, "--yes", "--output", format, "--max-deletes", "2"];
            let lost = streams.out == Stream::Full && format == "json";
            let heard = |said: &str| {
                let says = said.contains("error: standard output could not be written, so the summary is lost");
                assert_eq!(says, lost && streams.err == Stream::Kept, "{format}: {said}");
            };
            let (code, said) = streams.run(&scene.bench, &args);
            // Of 1, 9, 7, 5, 6, 3, 0 the first that applies: a summary that is lost is an unexpected error.
            assert_eq!(code, Some(if lost { 1 } else { 5 }), "the graver code wins: {format}: {said}");
            heard(&said);
            for run in [&[][..], &["latest"]] {
                let args = [&["resume"], run, &["--output", format]].concat();
                let (code, said) = streams.run(&scene.bench, &args);
                assert_eq!(code, Some(if lost { 1 } else { 0 }), "{format}: {said}");
                heard(&said);
            }
            assert!(scene.next_args().is_none(), "the run is finished");
            scene.audit();
        }
        "right"
    });
    tally.report("runs with streams in every state");
}

/// Every command that prints: no panic, and no success where its data could not be written. A closed pipe is the
/// reader's choice, and a closed stream is nobody's.
fn every_command_with_nobody_listening() {
    let scene = Scene::of_five();
    scene.finish();
    let manifest = scene.bench.home().join("deletions.csv").display().to_string();
    let formats = ["table", "json", "jsonl", "csv"];
    let mut commands: Vec<Vec<&str>> = vec![
        vec!["--help"],
        vec!["--version"],
        vec!["nonsense"],
        vec!["completions", "bash"],
        vec!["run", &manifest, "--dry-run"],
        vec!["run", &manifest, "--dry-run", "--output", "json"],
        vec!["resume"],
        vec!["resume", "--output", "json"],
        vec!["resume", "latest"],
        vec!["resume", "latest", "--output", "json"],
        vec!["doctor"],
        vec!["doctor", "--output", "json"],
    ];
    for format in formats {
        for reading in [
            &["runs"][..],
            &["show", "latest"],
            &["show", "latest", "1"],
            &["log"],
            &["query", "SELECT * FROM entries"],
            &["verify"],
        ] {
            commands.push([reading, &["--output", format]].concat());
        }
    }
    for format in ["csv", "json", "jsonl"] {
        commands.push(vec!["export", "latest", "--output", format]);
    }
    let heard = Streams { out: Stream::Kept, err: Stream::Kept };
    let mut count = 0;
    for args in &commands {
        let (expected, said) = heard.run(&scene.bench, args);
        let prints = std::fs::metadata(scene.bench.home().join("tmp").join("stdout")).unwrap().len() > 0;
        assert!(!said.contains("panicked"), "{args:?}: {said}");
        for streams in combinations() {
            let (code, said) = streams.run(&scene.bench, args);
            let context = format!("{args:?}, {streams}: {code:?} instead of {expected:?}\n{said}");
            // 101 is a panic, no code a signal.
            assert!(code.is_some_and(|code| code < 11), "{context}");
            assert!(!said.contains("panicked"), "{context}");
            match streams.out {
                Stream::Full if prints && expected == Some(0) => {
                    assert_eq!(code, Some(1), "data that is lost is no success: {context}");
                    if streams.err == Stream::Kept {
                        assert!(said.contains("standard output could not be written"), "{context}");
                    }
                }
                Stream::Unread if prints => assert!(code == expected || code == Some(0), "{context}"),
                _ => assert_eq!(code, expected, "{context}"),
            }
            count += 1;
        }
    }
    strace::say(&format!(
        "streams: {} commands, each with its streams in every state: {count} sessions",
        commands.len()
    ));
}

crate::harness::tests![a_run_that_nobody_listens_to, every_command_with_nobody_listening];
