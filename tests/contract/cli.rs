//! The command line's contract: confirmation, exit codes, the summary object, what goes to stdout, stdin manifests.

use crate::support::{Act, Bench, OUTCOMES, count, invariants, row, summary};

/// Only read requests arrived.
#[track_caller]
fn only_reads(bench: &Bench) {
    let state = bench.world.state();
    let others: Vec<_> = state.log.iter().filter(|arrival| !arrival.operation.starts_with("Get")).collect();
    assert!(others.is_empty(), "{others:#?}");
    assert!(state.gone.is_empty());
}

/// Exit 2: unknown flags, unknown commands, no command, bad values; nothing is sent at all.
#[test]
fn usage_errors_exit_2() {
    let bench = Bench::new();
    let manifest = bench.manifest(&["probe"]).display().to_string();
    // A number that could mean two things is refused by the name of its option, with the forms that it may have.
    for (option, value, form) in [
        ("--confirm", "2.499", "2,499 or 2_499"),
        ("--confirm", "2,49", "2,499 or 2_499"),
        ("--max-deletes", "1.000", "2,499 or 2_499"),
        ("--concurrency", "many", "2,499 or 2_499"),
        ("--max-failures", "2,5%", "2.5%"),
        ("--max-duration", "90", "write 90s, 90m or 90h"),
        ("--max-duration", "soon", "1h30m or 1d"),
        ("--rate", "fast", "5 or 5/s"),
        ("--rate", "5/d", "5/s, 30/m or 100/h"),
    ] {
        let done = bench.keybatch(&["run", &manifest, option, value]).exits(2);
        assert!(done.stderr.contains(option) && done.stderr.contains(form), "{option} {value}\n{done}");
    }
    for args in [
        &["run", manifest.as_str(), "--no-such-flag"][..],
        &["no-such-command"],
        &[],
        &["run"],
        &["run", &manifest, "--yes", "--rate", "fast"],
        &["run", &manifest, "--yes", "--attempt-timeout", "soon"],
        &["run", &manifest, "--yes", "--max-failures", "150%"],
        &["run", &manifest, "--yes", "--concurrency", "0"],
        &["resume", "--no-such-flag"],
    ] {
        let done = bench.spawn(args).wait();
        assert_eq!(done.code, Some(2), "{args:?}\n{done}");
        assert_eq!(done.stdout, "", "{args:?}: stdout is data\n{done}");
    }
    assert!(bench.world.state().log.is_empty());
}

/// `--help` and `--version` succeed, on stdout.
#[test]
fn help_and_version_exit_0() {
    let bench = Bench::new();
    for args in [["--help"], ["--version"]] {
        let output = bench.command(&args).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{args:?}");
    }
}

/// Exit 2: no terminal, and neither `--yes` nor `--confirm`; only read requests are sent.
// SEMANTICS: P10
#[test]
fn no_terminal_and_no_yes_exits_2() {
    let bench = Bench::new();
    bench.world.key("probe");
    let done = bench.run_unconfirmed(&bench.manifest(&["probe"]), &[]).exits(2);
    only_reads(&bench);
    assert!(done.stderr.contains("--yes") || done.stderr.contains("--confirm"), "says what it needs\n{done}");
    bench.run(&bench.manifest(&["probe"]), &[]).exits(0);
}

/// With the right number, `--confirm N` runs; with a wrong one, no delete is sent.
// SEMANTICS: P10
#[test]
fn confirm_needs_the_right_number() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    let manifest = bench.manifest(&names);
    for wrong in ["2", "4", "0"] {
        bench.run_unconfirmed(&manifest, &["--confirm", wrong]).exits_one_of(&[2, 4, 10]);
        only_reads(&bench);
    }
    let more = ["--confirm", "3", "--max-deletes", "1,000", "--max-duration", "1d"];
    bench.run_unconfirmed(&manifest, &more).exits(0);
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 3);
    invariants(&bench);
}

/// `--dry-run` prints the plan, sends only read requests, exits with 0, and leaves the manifest free to run.
// SEMANTICS: P11
#[test]
fn a_dry_run_only_reads() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 5);
    let manifest = bench.manifest(&names);
    let done = bench.run_unconfirmed(&manifest, &["--dry-run"]).exits(0);
    only_reads(&bench);
    assert!(!bench.world.state().log.is_empty(), "it looked");
    assert!(done.said().contains("key-03"), "the plan is printed\n{done}");
    let plan = done.json();
    assert_eq!(plan["plan"]["deletes"], 5, "{done}");
    for form in ["jsonl", "csv"] {
        let path = manifest.display().to_string();
        let args = ["run", &path, "--dry-run", "--rate", "unlimited", "--output", form];
        let done = bench.keybatch(&args).exits(0);
        let rows = done.stdout.lines().filter(|line| line.contains("key-0") && line.contains("delete")).count();
        assert_eq!(rows, 5, "every row is listed\n{done}");
    }
    if bench.journal().exists() {
        assert_eq!(count(&bench, "SELECT count(*) AS n FROM entries WHERE kind = 'attempt_started'"), 0);
    }
    bench.run(&manifest, &[]).exits(0);
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 5);
}

/// The summary object: every field of the contract, of the right type, agreeing with journal and world.
// SEMANTICS: P24
// SEMANTICS: P57
#[test]
fn the_summary_object() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 4);
    bench.world.script("DeleteKeyPair", "*", [Act::throttle()]);
    let mut rows = names.clone();
    rows.push("never-was".to_owned());
    let done = bench.run(&bench.manifest(&rows), &[]).exits(0);
    let summary = summary(&bench, &done);
    assert_eq!(summary["state"], "finished");
    assert!(summary["stopped_by"].is_null() && summary.as_object().unwrap().contains_key("stopped_by"), "{done}");
    assert_eq!(summary["sandbox"], false);
    assert_eq!(summary["rows"], 5);
    for outcome in OUTCOMES {
        let expected = match outcome {
            "deleted" => 4,
            "absent" => 1,
            _ => 0,
        };
        assert_eq!(summary["outcomes"][outcome], expected, "{outcome}\n{done}");
    }
    assert_eq!(summary["outcomes"].as_object().unwrap().len(), OUTCOMES.len(), "{done}");
    assert_eq!(summary["requests"]["delete"], 5, "{done}");
    assert_eq!(summary["requests"]["throttled"], 1, "{done}");
    let reads = bench.world.state().log.iter().filter(|arrival| arrival.operation.starts_with("Get")).count() as u64;
    let counted = summary["requests"]["read"].as_u64().unwrap();
    assert!(counted > 0 && counted <= reads, "{counted} of {reads}\n{done}");
    assert!(summary["seconds"].as_f64().unwrap() > 0.0, "{done}");
    assert_eq!(summary["journal"].as_str().unwrap(), bench.journal().display().to_string());
    assert_eq!(summary["run"].as_str().unwrap().len(), 36, "a UUID\n{done}");
    assert_eq!(&summary["run"].as_str().unwrap()[14..15], "7", "a UUIDv7\n{done}");
    assert_eq!(summary["head"]["size"], count(&bench, "SELECT count(*) AS n FROM entries"), "{done}");
    assert_eq!(summary["head"]["root"].as_str().unwrap().len(), 44, "32 bytes in base64\n{done}");
}

/// stdout is for data, stderr for messages: without a terminal there is no colour and no carriage return on either.
// SEMANTICS: P57
#[test]
fn streams_are_clean() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 10);
    let done = bench.run(&bench.manifest(&names), &[]).exits(0);
    done.json();
    for text in [&done.stdout, &done.stderr] {
        assert!(!text.contains('\u{1b}') && !text.contains('\r'), "plain lines\n{done}");
    }
    assert!(!done.stderr.trim().is_empty(), "it talks on stderr\n{done}");
}

/// Colour that was asked for reaches the verdict, and nothing else of its line.
#[test]
fn a_verdict_is_coloured_where_colour_is_wanted() {
    let mut bench = Bench::new();
    let names = bench.world.keys("key", 1);
    let held = bench.home().join("held.txt").display().to_string();
    bench.run(&bench.manifest(&names), &["--checkpoint-to", &held]).exits(0);
    let verify = |bench: &Bench, more: &[&str]| bench.keybatch(&[&["verify"], more].concat()).exits(0).stdout;
    assert!(verify(&bench, &[]).starts_with("SELF CONSISTENT: "), "plain on a pipe");
    bench.set("FORCE_COLOR", "1");
    assert!(verify(&bench, &[]).starts_with("\u{1b}[36mSELF CONSISTENT\u{1b}[0m: "));
    assert!(verify(&bench, &["--checkpoint", &held]).starts_with("\u{1b}[32mVERIFIED\u{1b}[0m: "));
    bench.set("NO_COLOR", "1");
    assert!(verify(&bench, &[]).starts_with("SELF CONSISTENT: "));
}

/// The checkpoint is printed when the plan is sealed and at the session's end, in three lines on stderr.
// SEMANTICS: P50
#[test]
fn checkpoints_are_printed() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    let done = bench.run(&bench.manifest(&names), &[]).exits(0);
    let root = done.json()["head"]["root"].as_str().unwrap().to_owned();
    assert!(done.stderr.matches("keybatch/").count() >= 2, "origins\n{done}");
    assert!(done.stderr.contains(&root), "the last root\n{done}");
    assert!(count(&bench, "SELECT count(*) AS n FROM checkpoints") >= 2);
}

/// A manifest on stdin is kept in the journal: run with `-`, stop, resume without any file.
#[test]
fn a_manifest_on_stdin_can_be_resumed() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 6);
    let text =
        format!("name,reason\n{}\n", names.iter().map(|name| format!("{name},old")).collect::<Vec<_>>().join("\n"));
    let args = Bench::run_args(std::path::Path::new("-"), &["--yes", "--max-deletes", "2"]);
    let done = bench.keybatch_fed(&args.iter().map(String::as_str).collect::<Vec<_>>(), &text).exits(5);
    summary(&bench, &done);
    let mut sessions = 0;
    while bench.resume().code == Some(5) {
        sessions += 1;
        assert!(sessions < 6, "resume does not get to the end");
    }
    assert!(bench.world.state().keys.is_empty());
    invariants(&bench);
}

/// `resume` works although the manifest was moved or changed: the plan is in the journal.
#[test]
fn resume_needs_no_file() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 4);
    bench.world.key("innocent");
    let manifest = bench.manifest(&names);
    bench.run(&manifest, &["--max-deletes", "1"]).exits(5);
    std::fs::write(&manifest, "key_pair_name\ninnocent\n").unwrap();
    let done = bench.resume().exits_one_of(&[0, 4, 5]);
    assert!(bench.world.has("innocent"), "{done}");
}

/// The journal is the file of that name, however SQLite would interpret the name: otherwise two sessions could use one file, each with
/// a lock of its own.
#[test]
fn a_journal_is_the_file_that_is_named() {
    let names = ["journal.db", "file:journal.db", "file:j.db?mode=memory", ":memory:", "%2F?#.db", "file:a/b.db"];
    for name in names {
        let mut bench = Bench::new();
        bench.move_journal(name.into());
        let keys = bench.world.keys("key", 1);
        bench.run(&bench.manifest(&keys), &[]).exits(0);
        assert_eq!(count(&bench, "SELECT count(*) AS n FROM runs"), 1, "{name}");
        let work = bench.home().join("work");
        assert!(std::fs::read(work.join(name)).unwrap().starts_with(b"SQLite format 3"), "{name}");
        let found = std::fs::read_dir(&work).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let (first, _) = name.split_once('/').unwrap_or((name, ""));
        let strange: Vec<_> = found.filter(|file| !file.starts_with(first)).collect();
        assert!(strange.is_empty(), "{name}: {strange:?}");
    }
}

/// An unfinished rehearsal does not block the real run of the same manifest.
// SEMANTICS: P12
#[test]
fn a_rehearsal_does_not_block_the_real_run() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    let manifest = bench.manifest(&names);
    bench.run(&manifest, &["--sandbox", "--max-deletes", "1"]).exits(5);
    bench.run(&manifest, &["--sandbox"]).exits(11);
    bench.run(&manifest, &[]).exits(0);
    assert!(bench.world.state().keys.is_empty());
}

/// The same manifest with an unfinished run is refused (exit 11), naming the resume command and the run.
// SEMANTICS: P12
#[test]
fn an_unfinished_run_of_the_same_manifest_is_refused() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 4);
    let manifest = bench.manifest(&names);
    let done = bench.run(&manifest, &["--max-deletes", "1"]).exits(5);
    let run = done.json()["run"].as_str().unwrap().to_owned();
    let deletes = bench.world.arrived("DeleteKeyPair").len();
    let copy = bench.file("copy.csv", std::fs::read(&manifest).unwrap());
    for path in [&manifest, &copy] {
        let done = bench.run(path, &[]).exits(11);
        assert!(done.stderr.contains("keybatch resume"), "names the command\n{done}");
        assert!(done.stderr.contains(&run[..8]), "names the run\n{done}");
        assert_eq!(bench.world.arrived("DeleteKeyPair").len(), deletes);
    }
}

/// If there is nothing to do, `resume` says so and exits with 0, with and without a journal.
#[test]
fn resume_with_nothing_to_do() {
    let bench = Bench::new();
    let done = bench.keybatch(&["resume"]).exits(0);
    assert!(!done.said().trim().is_empty(), "{done}");
    let names = bench.world.keys("key", 2);
    bench.run(&bench.manifest(&names), &[]).exits(0);
    let before = bench.world.state().log.len();
    let done = bench.keybatch(&["resume"]).exits(0);
    assert!(!done.said().trim().is_empty(), "{done}");
    assert_eq!(bench.world.state().log.len(), before, "nothing is sent");
}

/// `run` and `resume` print one summary object in every format except a table; the reader of a table is told on standard error.
#[test]
fn every_output_form_of_run() {
    for form in ["table", "json", "jsonl", "csv"] {
        let bench = Bench::new();
        let names = bench.world.keys("key", 2);
        let manifest = bench.manifest(&names).display().to_string();
        let done = bench.keybatch(&["run", &manifest, "--yes", "--rate", "unlimited", "--output", form]).exits(0);
        assert_eq!(row(&bench, &names[0]).verdict(), "deleted/answer", "{form}");
        let nothing = bench.keybatch(&["resume", "--output", form]).exits(0);
        if form == "table" {
            assert!(done.stdout.is_empty() && nothing.stdout.is_empty(), "{done}");
        } else {
            assert_eq!(done.json()["outcomes"]["deleted"], 2, "{form}: {done}");
            let nothing = nothing.json();
            assert_eq!((&nothing["schema"], &nothing["exit"]), (&"keybatch.summary/1".into(), &0.into()), "{form}");
            assert!(nothing["run"].is_null() && nothing["state"].is_null(), "{form}: {nothing}");
        }
    }
}

/// With JSON, every refusal and every error is one object on standard output: exit 4 alone has several causes, which `code`
/// distinguishes (seen: standard output was empty on every refusal).
// SEMANTICS: P57
#[test]
fn errors_are_objects_too() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    let good = bench.manifest(&names).display().to_string();
    let bad =
        bench.file("bad.csv", "key_pair_name,region\nkey-01,us-east-1\nno good,us-east-1\n").display().to_string();
    let cases: [(&[&str], i32, &str, &str); 8] = [
        (&["run", &bad, "--yes"], 4, "manifest.name_pattern", "nothing"),
        (&["run", "missing.csv", "--yes"], 4, "manifest.unreadable", "nothing"),
        (&["run", &good], 2, "usage.no_terminal", "nothing"),
        (&["run", &good, "--confirm", "1"], 4, "plan.confirm", "reads"),
        (&["run", &good, "--yes", "--rate", "often"], 2, "usage.arguments", "nothing"),
        (&["rnu"], 2, "usage.arguments", "nothing"),
        (&["show", "0198c0de"], 2, "run.unknown", "nothing"),
        (&["query", "DROP TABLE entry"], 2, "query.statement", "nothing"),
    ];
    for (arguments, exit, code, sent) in cases {
        for form in ["json", "jsonl"] {
            let mut all = arguments.to_vec();
            all.extend(["--output", form]);
            let done = bench.keybatch(&all).exits(exit);
            let object = done.json();
            assert_eq!(object["schema"], "keybatch.error/1", "{done}");
            assert_eq!(
                (&object["code"], &object["exit"], &object["sent"]),
                (&code.into(), &exit.into(), &sent.into()),
                "{done}"
            );
            assert!(!object["message"].as_str().unwrap().is_empty() && done.stderr.contains("error"), "{done}");
        }
    }
    let refused = bench.keybatch(&["run", &bad, "--yes", "--output", "json"]).exits(4).json();
    let fault = &refused["faults"][0];
    assert_eq!(
        (&fault["line"], &fault["column"], &fault["code"]),
        (&3.into(), &1.into(), &"manifest.name_pattern".into())
    );
    assert_eq!((&refused["state"], &refused["stopped_by"]), (&"abandoned".into(), &"refused".into()), "{refused}");
    assert!(refused["run"].is_string() && refused["outcomes"].is_object(), "{refused}");
    let none = bench.keybatch(&["show", "0198c0de", "--output", "csv"]).exits(2);
    assert_eq!(none.stdout, "", "{none}");
}

/// Exit 2: checkpoints are not appended to a file that the session uses, by whatever name, and whether it exists or not; no file is
/// created or changed.
#[test]
fn checkpoints_do_not_go_into_the_journal_or_the_manifest() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    let manifest = bench.manifest(&names);
    let journal = bench.journal().display().to_string();
    let (link, hard) = (bench.home().join("link"), bench.home().join("hard"));
    std::os::unix::fs::symlink("journal.db-wal", &link).unwrap();
    std::fs::hard_link(&manifest, &hard).unwrap();
    let mut files = ["", "-wal", "-shm", ".lock"].map(|suffix| format!("{journal}{suffix}")).to_vec();
    files.extend(["../journal.db".to_owned(), manifest.display().to_string()]);
    files.extend([&link, &hard].map(|path| path.display().to_string()));
    for file in &files {
        let done = bench.run(&manifest, &["--checkpoint-to", file]).exits(2);
        assert!(done.stderr.contains("--checkpoint-to") && done.stderr.contains("nothing was sent"), "{done}");
        assert!(!bench.journal().exists() && bench.world.state().log.is_empty(), "{done}");
    }
    bench.run(&manifest, &["--max-deletes", "1"]).exits(5);
    let (rows, entries) = (std::fs::read(&manifest).unwrap(), count(&bench, "SELECT count(*) AS n FROM entries"));
    for file in &files[..5] {
        bench.keybatch(&["resume", "--checkpoint-to", file]).exits(2);
    }
    assert_eq!(count(&bench, "SELECT count(*) AS n FROM entries"), entries);
    assert_eq!(std::fs::read(&manifest).unwrap(), rows);
    let beside = format!("{journal}.checkpoints");
    bench.keybatch(&["resume", "--checkpoint-to", &beside]).exits(0);
    bench.keybatch(&["verify", "--checkpoint", &beside]).exits(0);
}

/// Exit 9: without credentials nothing is sent, not even to ask for the caller's identity; the hint says how to obtain some.
#[test]
fn missing_credentials_are_called_that() {
    let undefined = "profile nobody, named by --profile or KEYBATCH_PROFILE, is not defined";
    for (flags, said) in [
        (&[][..], ["there are no AWS credentials", "aws configure"]),
        (&["--profile", "nobody"], [undefined, "no profile is defined"]),
    ] {
        let mut bench = Bench::new();
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"].iter().for_each(|name| bench.unset(name));
        let done = bench.run(&bench.manifest(&["probe"]), flags).exits(9);
        for part in said.into_iter().chain(["--profile", "nothing was sent\n"]) {
            assert!(done.stderr.contains(part), "{part}\n{done}");
        }
        assert!(!done.stderr.contains("but reads") && bench.world.state().log.is_empty(), "{done}");
    }
}

/// `--reason` and `--ticket` appear in the view `runs`.
#[test]
fn reason_and_ticket_are_kept() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    bench.run(&bench.manifest(&names), &["--reason", "left the company", "--ticket", "OPS-17"]).exits(0);
    let runs = bench.query("SELECT reason, ticket FROM runs");
    assert_eq!((&runs[0]["reason"], &runs[0]["ticket"]), (&"left the company".into(), &"OPS-17".into()));
}

/// `doctor --online` names the caller, the address and whether key pairs can be listed; it sends reads only.
#[test]
fn doctor_asks_the_service_when_told_to() {
    let bench = Bench::new();
    bench.world.keys("key", 3);
    let done = bench.keybatch(&["doctor", "--online", "--output", "json"]);
    let text = done.json().to_string();
    for part in ["123456789012", "3 key pairs", "127.0.0.1"] {
        assert!(text.contains(part), "{part}\n{done}");
    }
    assert_eq!(bench.world.deletes("key-01"), 0);
}
