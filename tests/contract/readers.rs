//! The commands that only read: runs, show, log, query, export. They send nothing, write nothing, and escape whatever a manifest or a
//! service may have smuggled in.

use crate::support::{Act, Bench, Effect, count};
use serde_json::Value;

/// Two finished runs; the first with a failure, a skip and nasty annotations. Returns the ids of both.
fn two_runs() -> (Bench, String, String) {
    let bench = Bench::new();
    let names = bench.world.keys("key", 6);
    bench.world.always("DeleteKeyPair", &names[1], Act::denied().saying("=1+1 \u{1b}[31mred"));
    bench.world.script("DeleteKeyPair", &names[2], [Act::cut().with(Effect::DeleteAndRecreate)]);
    let notes = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\u{1b}[2J\u{1b}]0;owned\u{7}", "\"\t=1\""];
    let rows: String = names.iter().zip(notes).map(|(name, note)| format!("{name},{note},plain\n")).collect();
    let manifest = bench.file("first.csv", format!("key_pair_name,note,=owner\n{rows}never-was,\"a,b\",plain\n"));
    let first = bench.run(&manifest, &[]).exits(3).json()["run"].as_str().unwrap().to_owned();
    bench.world.key("late");
    let second = bench.run(&bench.file("second.csv", "name\nlate\n"), &[]).exits(0);
    let second = second.json()["run"].as_str().unwrap().to_owned();
    (bench, first, second)
}

/// The shortest prefix of `id` that `other` does not share.
fn unique_prefix<'a>(id: &'a str, other: &str) -> &'a str {
    let shared = id.bytes().zip(other.bytes()).take_while(|(left, right)| left == right).count();
    &id[..=shared]
}

/// `runs` lists every run, in each output form; JSON is an array of objects.
#[test]
fn runs_lists_every_run() {
    let (bench, first, second) = two_runs();
    let done = bench.keybatch(&["runs", "--output", "json"]).exits(0);
    assert_eq!(done.json().as_array().unwrap().len(), 2, "{done}");
    for form in ["table", "json", "jsonl", "csv"] {
        let done = bench.keybatch(&["runs", "--output", form]).exits(0);
        // A table may shorten the ids, as long as what it shows still names them.
        assert!(done.stdout.contains(&first[..8]) && done.stdout.contains(&second[..8]), "{form}\n{done}");
        harmless(&done.stdout);
    }
}

/// Any unique prefix and `latest` name a run; an ambiguous or unknown one is refused.
#[test]
fn runs_are_named_by_prefix() {
    let (bench, first, second) = two_runs();
    for (id, other) in [(&first, &second), (&second, &first)] {
        let done = bench.keybatch(&["show", unique_prefix(id, other)]).exits(0);
        assert!(done.stdout.contains(id.as_str()) && !done.stdout.contains(other.as_str()), "{done}");
    }
    let done = bench.keybatch(&["show", "latest"]).exits(0);
    assert!(done.stdout.contains(&second), "{done}");
    let shared = unique_prefix(&first, &second);
    let ambiguous = &shared[..shared.len() - 1];
    for unknown in [ambiguous, "ffffffff"] {
        let done = bench.keybatch(&["show", unknown]);
        assert!(!matches!(done.code, Some(0 | 101) | None), "`{unknown}`\n{done}");
    }
}

/// `show RUN ROW|NAME`: the story of one key pair from its entries.
#[test]
fn show_tells_one_story() {
    let (bench, first, _) = two_runs();
    for key in ["3", "key-03"] {
        let done = bench.keybatch(&["show", &first, key]).exits(0);
        assert!(done.stdout.contains("key-03") && !done.stdout.contains("key-04"), "{done}");
        harmless(&done.stdout);
    }
    let done = bench.keybatch(&["show", &first, "key-02"]).exits(0);
    assert!(done.stdout.contains("AccessDenied"), "{done}");
    harmless(&done.stdout);
    let done = bench.keybatch(&["show", &first, "no-such-key"]);
    assert!(!matches!(done.code, Some(0 | 101) | None), "{done}");
}

/// `log` prints the entries; as jsonl, one object per line.
#[test]
fn log_prints_the_entries() {
    let (bench, _, _) = two_runs();
    harmless(&bench.keybatch(&["log"]).exits(0).stdout);
    let done = bench.keybatch(&["log", "--output", "jsonl"]).exits(0);
    for line in done.stdout.lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(entry.is_object(), "{line}");
    }
    assert!(done.stdout.contains("attempt_started") && done.stdout.contains("attempt_finished"), "{done}");
}

/// `query` is read-only: every statement that writes is refused, and the entries stay as they are.
#[test]
fn query_only_reads() {
    let (bench, _, _) = two_runs();
    let before = std::fs::read(bench.journal()).unwrap();
    for sql in [
        "DELETE FROM entry",
        "UPDATE entry SET body = '{}'",
        "DROP TABLE entry",
        "INSERT INTO entry SELECT 99999, '{}', x'00'",
        "PRAGMA user_version = 7",
        "PRAGMA writable_schema = ON",
        "ATTACH DATABASE 'stolen.db' AS stolen",
        "VACUUM INTO 'stolen.db'",
        "SELECT 1; DELETE FROM entry",
        "CREATE TABLE mine (a)",
    ] {
        let done = bench.keybatch(&["query", sql, "--output", "json"]);
        assert!(done.code != Some(101) && done.code.is_some(), "{sql}\n{done}");
        if !sql.starts_with("PRAGMA") {
            assert_ne!(done.code, Some(0), "{sql}\n{done}");
        }
    }
    assert!(!bench.home().join("work/stolen.db").exists(), "no other file is made");
    assert_eq!(std::fs::read(bench.journal()).unwrap(), before, "the journal's bytes");
    bench.verify().exits(0);
}

/// `query` in every format; a result without rows is an empty array; a wrong statement is an error, not a panic.
#[test]
fn query_in_every_form() {
    let (bench, _, _) = two_runs();
    for form in ["table", "json", "jsonl", "csv"] {
        let done = bench.keybatch(&["query", "SELECT key_pair_name, annotations FROM intents", "--output", form]);
        let done = done.exits(0);
        assert!(done.stdout.contains("key-04"), "{form}\n{done}");
        harmless(&done.stdout);
    }
    assert_eq!(bench.query("SELECT * FROM intents WHERE 1 = 0"), Vec::<Value>::new());
    let done = bench.keybatch(&["query", "SELEKT 1"]);
    assert!(!matches!(done.code, Some(0 | 101) | None), "{done}");
    assert_eq!(done.stdout, "");
}

/// `export --output csv`: the manifest's own columns and the results; formulas and escape sequences are made harmless.
#[test]
fn export_as_csv() {
    let (bench, first, _) = two_runs();
    let done = bench.keybatch(&["export", &first, "--output", "csv"]).exits(0);
    let mut reader = csv::Reader::from_reader(done.stdout.as_bytes());
    let headers: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    for column in ["key_pair_name", "note", "outcome", "evidence", "operation_id", "request_id"] {
        assert!(headers.iter().any(|header| header == column), "{column} is missing in {headers:?}");
    }
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 7, "{done}");
    for cell in rows.iter().flatten().chain(headers.iter().map(String::as_str)) {
        assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "a spreadsheet would run `{cell}`");
        assert!(
            !cell.contains(|c: char| c.is_control() && c != '\n' && c != '\r' && c != '\t'),
            "escape in `{cell:?}`"
        );
    }
    let at = |column: &str| headers.iter().position(|header| header == column).unwrap();
    assert_eq!(&rows[0][at("key_pair_name")], "key-01");
    assert_eq!(&rows[0][at("outcome")], "deleted");
    assert!(rows[0][at("note")].contains("=cmd|' /C calc'!A0"), "defused, not destroyed: {:?}", &rows[0]);
    assert_eq!(&rows[1][at("outcome")], "failed");
    assert_eq!(&rows[6][at("note")], "a,b");
}

/// `export --output jsonl`: one object per row, in the manifest's order, with verbatim values.
#[test]
fn export_as_jsonl() {
    let (bench, first, _) = two_runs();
    let done = bench.keybatch(&["export", &first, "--output", "jsonl"]).exits(0);
    let rows: Vec<Value> = done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 7, "{done}");
    assert!(!done.stdout.contains('\u{1b}'), "no raw escapes");
    for (row, name) in rows.iter().zip(["key-01", "key-02", "key-03"]) {
        assert!(row.to_string().contains(name), "{row}");
    }
    assert!(rows[0].to_string().contains("=cmd|' /C calc'!A0"), "verbatim: {}", rows[0]);
}

/// I6 for readers: they send nothing and append nothing.
#[test]
fn readers_leave_no_trace() {
    let (bench, first, _) = two_runs();
    let entries = count(&bench, "SELECT count(*) AS n FROM entries");
    let requests = bench.world.state().log.len();
    for args in [
        &["runs"][..],
        &["show", &first],
        &["log"],
        &["export", &first, "--output", "csv"],
        &["verify"],
        &["query", "SELECT 1 AS one"],
    ] {
        bench.keybatch(args).exits(0);
    }
    assert_eq!(count(&bench, "SELECT count(*) AS n FROM entries"), entries);
    assert_eq!(bench.world.state().log.len(), requests);
}

/// Reading a journal that does not exist fails, and creates none.
#[test]
fn readers_make_no_journal() {
    let bench = Bench::new();
    for args in [&["show", "latest"][..], &["log"], &["query", "SELECT 1"], &["verify"]] {
        let done = bench.keybatch(args);
        assert!(!matches!(done.code, Some(101) | None), "{args:?}\n{done}");
        assert!(!bench.journal().exists(), "{args:?} made a journal");
    }
}

/// A closed pipe does not cause a crash: `log | head -1`.
#[test]
fn a_closed_pipe_is_no_crash() {
    let (bench, _, _) = two_runs();
    let journal = bench.journal().display().to_string();
    let mut child = bench.command(&["log", "--journal", &journal]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"), "{output:?}");
}

/// The files of the journal that are not empty, by what their names add to the journal's.
fn files(bench: &Bench) -> Vec<String> {
    let journal = bench.journal();
    let name = journal.file_name().unwrap().to_string_lossy().into_owned();
    let listed = std::fs::read_dir(journal.parent().unwrap()).unwrap().map(Result::unwrap);
    let mut files: Vec<String> = listed
        .filter(|file| file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0))
        .filter_map(|file| file.file_name().to_string_lossy().strip_prefix(&name).map(str::to_owned))
        .filter(|more| more != ".lock")
        .collect();
    files.sort();
    files
}

/// Handing over: an orderly end leaves one file, also after a stop, a refusal and a resume. Until 0.1.0, an empty log stayed beside
/// it after each end.
#[test]
fn an_orderly_end_leaves_one_file() {
    let bench = Bench::new();
    bench.run(&bench.file("no.csv", "nothing\nx\n"), &[]).exits(4);
    let names = bench.world.keys("key", 4);
    let stopped = bench.run(&bench.manifest(&names), &["--max-deletes", "2"]).exits(5);
    let beside = |more: &str| bench.journal().with_file_name(format!("journal.db{more}")).exists();
    assert!(!beside("-wal") && !beside("-shm"), "{stopped}");
    bench.keybatch(&["resume"]).exits(0);
    assert!(!beside("-wal") && !beside("-shm"));
    assert_eq!(files(&bench), [""]);
    // Nor does anything stay that ends before its session began (until 0.1.0 an empty log and its index did).
    let manifest = bench.manifest(&names);
    for (ended, code) in [
        (bench.run(&bench.manifest(&["other"]), &["--profile", "nobody"]), 9),
        (bench.run(&manifest, &[]), 4),
        (bench.keybatch(&["resume", "ffffffff"]), 2),
        (bench.keybatch(&["abandon", "latest", "--because", "it is over"]), 4),
        (bench.keybatch(&["abandon", "ffffffff", "--because", "it is over"]), 2),
    ] {
        let ended = ended.exits(code);
        let said = ["nothing was sent", "only read requests were sent"].iter().any(|said| ended.stderr.contains(said));
        assert!(said, "{ended}");
        assert!(!beside("-wal") && !beside("-shm"), "{ended}");
    }
}

/// Commands that only read leave no file beside a journal that had none, whichever way they end. SQLite creates the files of its log for
/// readers, too, and until 0.1.0 they stayed.
#[test]
fn reading_leaves_one_file() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    let manifest = bench.manifest(&names);
    bench.run(&manifest, &[]).exits(0);
    let manifest = manifest.display().to_string();
    let beside = |more: &str| bench.journal().with_file_name(format!("journal.db{more}"));
    let before = std::fs::read(bench.journal()).unwrap();
    for (arguments, code) in [
        (&["runs"][..], 0),
        (&["show"], 0),
        (&["show", "nosuch"], 2),
        (&["log", "-n", "0"], 0),
        (&["query", "SELECT * FROM runs"], 0),
        (&["query", "SELECT * FROM nosuch"], 2),
        (&["export", "latest"], 0),
        (&["verify"], 0),
        (&["verify", "--checkpoint", &manifest], 2),
        (&["doctor"], 0),
        (&["run", &manifest, "--dry-run"], 4),
    ] {
        let done = bench.keybatch(arguments).exits(code);
        assert!(!beside("-wal").exists() && !beside("-shm").exists(), "{arguments:?}\n{done}");
    }
    assert_eq!(std::fs::read(bench.journal()).unwrap(), before, "no byte of the journal changes");
    // What is there already is somebody else's.
    std::fs::write(beside("-wal"), "").unwrap();
    bench.keybatch(&["runs"]).exits(0);
    assert!(beside("-wal").exists());
}

/// Temporary files go to a directory that can be written to, whatever TMPDIR names, and none of them stays.
#[test]
fn scratch_lies_where_it_can() {
    let mut bench = Bench::new();
    let names = bench.world.keys("key", 1);
    bench.set("TMPDIR", "/nonexistent");
    bench.run(&bench.manifest(&names), &["--dry-run"]).exits(0);
    bench.run(&bench.manifest(&names), &[]).exits(0);
    bench.verify().exits(0);
    let left: Vec<_> = std::fs::read_dir(bench.home()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("keybatch-")), "{left:?}");
}

/// Asserts that the text has no control characters that a terminal would obey.
#[track_caller]
fn harmless(text: &str) {
    let bad = text.chars().find(|&c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
    assert_eq!(bad, None, "a terminal would obey this\n{text:?}");
}
