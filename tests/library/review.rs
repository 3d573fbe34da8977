//! The reading commands, run as programs on a small journal.

use std::io::{BufWriter, ErrorKind, Write};
use std::process::{Command, Output, Stdio};

use crate::story::{Place, event_of, opened, opened_run};
use assert_cmd::cargo::CommandCargoExt as _;
use keybatch::journal::open;
use keybatch::record::Draft;
use keybatch::record::checkpoint::Checkpoint;
use keybatch::record::event::{Event, OverrideUsed, RateChanged};
use keybatch::review::{ExportError, RowFilter, Source, csv, export, jsonl, parquet};
use serde_json::{Value, json};

fn keybatch(place: &Place, arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("keybatch").unwrap();
    command.env_clear().env("KEYBATCH_JOURNAL", place.path()).env("TMPDIR", place.directory.path());
    command.args(arguments).output().unwrap()
}

/// Standard output of a command that must succeed and say nothing else.
fn data(place: &Place, arguments: &[&str]) -> String {
    let output = keybatch(place, arguments);
    let talk = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && talk.is_empty(), "{arguments:?}: {:?} {talk}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn json(place: &Place, arguments: &[&str]) -> Value {
    serde_json::from_str(&data(place, arguments)).unwrap()
}

#[tokio::test]
async fn runs_are_listed_and_labelled() {
    let place = Place::new();
    place.filled().await;
    let table = data(&place, &["runs"]);
    assert!(table.contains("finished") && table.contains("SANDBOX") && table.contains("3 deleted"), "{table}");
    let runs = json(&place, &["runs", "--output", "json"]);
    assert_eq!((runs[1]["state"].as_str(), runs[1]["in_doubt"].as_i64()), (Some("finished"), Some(1)));
    assert_eq!((&runs[0]["state"], &runs[1]["sandbox"]), (&"abandoned".into(), &true.into()), "the newest first");
    assert_eq!(json(&place, &["runs", "--state", "finished", "--output", "json"]), json!([runs[1]]));
    assert_eq!(json(&place, &["runs", "-n", "1", "--output", "json"]), json!([runs[0]]));
    assert_eq!(keybatch(&place, &["runs", "--state", "done"]).status.code(), Some(2));
    assert_eq!(data(&place, &["runs", "--output", "jsonl"]).lines().count(), 2);
    assert!(data(&place, &["runs", "--output", "csv"]).starts_with("run_id,state,"));
}

#[tokio::test]
async fn a_run_is_shown_by_any_of_its_names() {
    let place = Place::new();
    place.filled().await;
    let full = "0198c0de-0000-7000-8000-000000000001";
    let whole = data(&place, &["show", full]);
    for expected in ["SANDBOX run", "outcomes other than deleted", "row 8 key-8 in doubt", "8 to delete", "sessions 4"]
    {
        assert!(whole.contains(expected), "{expected}: {whole}");
    }
    assert!(whole.lines().all(|line| !line.contains('\u{1}')));
    // The other one was never begun, so it is not the one that is meant.
    assert!(data(&place, &["show", "latest"]).contains(full));
    let facts = json(&place, &["show", full, "--output", "json"]);
    assert_eq!(facts["outcomes"]["deleted"], 3);
    assert_eq!(facts["facts"]["manifest"], "m.csv");
    for (wanted, code, said) in
        [("0198", 2, "2 runs begin with it"), ("beef", 2, "no row names that key pair"), ("", 2, "no run")]
    {
        let output = keybatch(&place, &["show", wanted]);
        let talk = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{wanted}: {talk}");
        assert!(talk.contains(said), "{wanted}: {talk}");
    }
}

/// A row's number or a key pair's name in place of a run is looked up over all runs; `name:` and `row:` leave no choice.
#[tokio::test]
async fn a_row_is_looked_up_over_all_runs() {
    let place = Place::new();
    place.filled().await;
    let full = "0198c0de-0000-7000-8000-000000000001";
    let story = data(&place, &["show", full, "7"]);
    for wanted in ["7", "key-7", "row:7", "name:key-7"] {
        assert_eq!(data(&place, &["show", wanted]), story, "{wanted}");
    }
    for (unknown, said) in [
        ("row:key-7", "no row in the journal has the number \"key-7\""),
        ("name:7", "no row in the journal names a key pair \"7\""),
        ("77", "no run's id begins with it, no row has that number, and no row names that key pair"),
        ("018", "nothing in the journal is called \"018\""),
    ] {
        let output = keybatch(&place, &["show", unknown]);
        let talk = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && talk.contains(said), "{unknown}: {talk}");
    }
}

#[tokio::test]
async fn the_story_of_a_row_is_told_by_number_and_by_name() {
    let place = Place::new();
    place.filled().await;
    let full = "0198c0de-0000-7000-8000-000000000001";
    let by_number = data(&place, &["show", full, "7"]);
    assert_eq!(by_number, data(&place, &["show", full, "key-7"]));
    for expected in ["failed (answer)", "attempt 1: DeleteKeyPair", "the key pair of the plan is there", "refused"] {
        assert!(by_number.contains(expected), "{expected}: {by_number}");
    }
    // An annotation's name holds a control character.
    assert!(by_number.contains("\\u{1}") && !by_number.contains('\u{1}'), "{by_number}");
    let story = json(&place, &["show", full, "7", "--output", "json"]);
    assert_eq!(story[0]["chapters"].as_array().unwrap().len(), 7);
    assert_eq!(
        [&story[0]["key_pair_name"], &story[0]["outcome"], &story[0]["evidence"]],
        ["key-7", "failed", "answer"]
    );
    assert_eq!(keybatch(&place, &["show", full, "nobody"]).status.code(), Some(2));
}

#[tokio::test]
async fn the_log_is_filtered_and_newest_last() {
    let place = Place::new();
    place.filled().await;
    let all = data(&place, &["log", "-n", "0"]);
    assert!(all.starts_with("0 20") && all.contains("journal_created"), "{all}");
    let last = keybatch(&place, &["log", "-n", "2"]);
    let talk = String::from_utf8(last.stderr).unwrap();
    assert_eq!(talk, format!("the last 2 of {}; -n 0 lists all\n", all.lines().count()));
    let last = String::from_utf8(last.stdout).unwrap();
    assert_eq!(last.lines().collect::<Vec<_>>(), all.lines().skip(all.lines().count() - 2).collect::<Vec<_>>());
    let settled = data(&place, &["log", "0198c0de-0000-7000-8000-000000000001", "--kind", "row_settled"]);
    assert_eq!(settled.lines().count(), 9, "one is decided by its answer alone");
    assert_eq!(data(&place, &["log", "--row", "7"]).lines().count(), 7);
    assert_eq!(data(&place, &["log", "--name", "key-7"]), data(&place, &["log", "--row", "7"]));
    assert_eq!(data(&place, &["log", "--outcome", "in_doubt", "--kind", "row_settled"]).lines().count(), 1);
    assert_eq!(data(&place, &["log", "-n", "0", "--since", "1970-01-02"]), all);
    // Nothing that matches is no error, and not silent.
    for format in ["table", "json", "jsonl", "csv"] {
        let none = keybatch(&place, &["log", "--name", "nosuch", "--kind", "row_settled", "--output", format]);
        let talk = String::from_utf8(none.stderr).unwrap();
        assert_eq!((none.status.code(), &*talk), (Some(0), "no entry matches --kind row_settled and --name nosuch\n"));
        assert!(!String::from_utf8(none.stdout).unwrap().contains("row_settled"), "{format}");
    }
    for wrong in [["--kind", "row_setled"], ["--outcome", "lost"], ["--since", "yesterday"]] {
        assert_eq!(keybatch(&place, &["log", wrong[0], wrong[1]]).status.code(), Some(2), "{wrong:?}");
    }
    let bodies = data(&place, &["log", "-n", "0", "--output", "jsonl"]);
    for (seq, body) in bodies.lines().enumerate() {
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["seq"], seq as u64);
    }
}

#[tokio::test]
async fn a_query_reads_and_does_nothing_else() {
    let place = Place::new();
    place.filled().await;
    let sql =
        "SELECT row_no, outcome, NULL AS n, 1.5 AS r, x'ff' AS b, 'a' || char(27) AS t FROM intents ORDER BY 1 LIMIT 1";
    let rows = data(&place, &["query", sql, "--output", "json"]);
    assert_eq!(
        rows,
        "[\n{\"row_no\":1,\"outcome\":\"deleted\",\"n\":null,\"r\":1.5,\"b\":\"/w==\",\"t\":\"a\\u001b\"}\n]\n"
    );
    assert_eq!(data(&place, &["query", "SELECT 1 WHERE 0", "--output", "json"]), "[]\n");
    assert!(!data(&place, &["query", sql]).contains('\u{1b}'));
    assert_eq!(data(&place, &["query", "SELECT '=1' AS a;", "--output", "csv"]), "a\n'=1\n");
    for (sql, said) in [
        ("DELETE FROM entry", "must begin with SELECT"),
        ("WITH a AS (SELECT 1) DELETE FROM head", "readonly"),
        ("SELECT 1; SELECT 2", "second statement"),
        ("ATTACH '/etc/passwd' AS x", "must begin with SELECT"),
        ("PRAGMA query_only = OFF", "must begin with SELECT"),
        ("SELECT a FROM nowhere", "no such table"),
    ] {
        let output = keybatch(&place, &["query", sql]);
        let talk = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{sql}: {talk}");
        assert!(talk.contains(said), "{sql}: {talk}");
    }
}

#[tokio::test]
async fn an_export_continues_the_manifest_and_executes_nothing() {
    let place = Place::new();
    place.filled().await;
    let full = "0198c0de-0000-7000-8000-000000000001";
    let sheet = data(&place, &["export", full]);
    let mut reader = csv::Reader::from_reader(sheet.as_bytes());
    let header: Vec<_> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(header[..3], ["name", "\u{f6}\u{fffd}\"=", "account_id"]);
    let records: Vec<_> = reader.records().collect::<Result<_, _>>().unwrap();
    assert_eq!(records.len(), 10);
    let of = |name: &str| &records[0][header.iter().position(|column| column == name).unwrap()];
    assert_eq!((&records[0][0], &records[0][1], of("outcome")), ("key-1", "'=1+\u{1f600}", "deleted"));
    assert!(
        of("arn").starts_with("arn:") && of("operator").contains('@') && of("attempted_at").ends_with('Z'),
        "{sheet}"
    );
    assert_eq!(data(&place, &["export", full, "--bom"]), format!("\u{feff}{sheet}"));
    let whole = json(&place, &["export", full, "--output", "json"]);
    assert!(records.iter().all(|record| &record[record.len() - 2] == "sandbox"));
    let lines = data(&place, &["export", full, "--output", "jsonl"]);
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!((&first["key_pair_name"], &first["sandbox"]), (&"key-1".into(), &true.into()));
    assert!(first["annotations"].is_object());
    assert_eq!((whole.as_array().unwrap().len(), &whole[0]), (10, &first));
    let file = place.directory.path().join("out.csv");
    let to = ["export", full, "--to", file.to_str().unwrap()];
    let written = keybatch(&place, &to);
    assert!(written.status.success());
    assert!(String::from_utf8(written.stderr).unwrap().contains("SANDBOX 10 rows written"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), sheet);
    assert_eq!(keybatch(&place, &to).status.code(), Some(2));
}

/// A refused manifest that has columns of keybatch's own names, and a plan of which nothing was done yet.
#[tokio::test]
async fn an_export_of_what_was_not_run_continues_the_manifest_too() {
    let place = Place::new();
    let journal = place.journal().await;
    let run = |number: u8| format!("0198c0de-0000-7000-8000-00000000000{number}");
    let draft = |row: Option<u64>, event: Event| Draft { run: None, row, event };
    let manifest =
        |column: &str| json!({ "name": "m", "sha256": "ab", "bytes": 1, "rows": 1, "columns": ["name", column] });
    let line = json!({ "row": 1, "line": 2, "name": "k1", "account": "123456789012", "region": "us-east-1",
                       "verdict": "absent", "annotations": { "owner": "o" } });
    let intent = json!({ "line": line });
    let drafts = [
        draft(None, opened("s1")),
        draft(None, event_of("run_stopped", &json!({ "why": "refused", "manifest": manifest("outcome") }))),
        draft(None, opened_run(2, "s2")),
        draft(None, event_of("manifest_ingested", &manifest("owner"))),
        draft(Some(1), event_of("intent_recorded", &intent)),
    ];
    journal.append(drafts.into()).await.unwrap();
    journal.close().await.unwrap();
    let sheet = data(&place, &["export", &run(1)]);
    assert!(
        sheet.starts_with("name,outcome,account_id,region,arn,fingerprint,created_at,keybatch_outcome,evidence,"),
        "{sheet}"
    );
    assert_eq!(sheet.lines().count(), 1);
    let sheet = data(&place, &["export", &run(2)]);
    let lines: Vec<_> = sheet.lines().collect();
    assert!(
        lines[0].starts_with("name,owner,account_id,")
            && lines[1].starts_with("k1,o,123456789012,us-east-1,,,,not_attempted,"),
        "{sheet}"
    );
    assert_eq!(lines.len(), 2);
    // The first row, too, was not deleted.
    assert_eq!(json(&place, &["show", &run(2), "--output", "json"])["not_deleted"][0]["row"], 1);
}

/// Takes nothing.
struct Full(ErrorKind);

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Also where a buffer took it all before, or where it is larger than any buffer.
#[tokio::test]
async fn an_export_that_cannot_be_written_has_not_come_to_its_end() {
    let place = Place::new();
    let journal = place.journal().await;
    let columns = ["name".to_owned(), "x".repeat(100_000)];
    let manifest = json!({ "name": "m", "sha256": "ab", "bytes": 1, "rows": 1, "columns": columns });
    let line = json!({ "row": 1, "line": 2, "name": "k1", "account": "123456789012", "region": "us-east-1",
                       "verdict": "absent" });
    let intent = json!({ "line": line });
    let drafts = [
        (None, opened("s1")),
        (None, event_of("manifest_ingested", &manifest)),
        (Some(1), event_of("intent_recorded", &intent)),
    ];
    journal.append(drafts.map(|(row, event)| Draft { run: None, row, event }).into()).await.unwrap();
    journal.close().await.unwrap();
    let reader = open::reader(&place.path()).await.unwrap();
    let record = &reader.runs().await.unwrap()[0];
    let source = Source::of(&reader, record, RowFilter::default(), "0").await.unwrap();
    for format in 0..3 {
        for kind in [ErrorKind::StorageFull, ErrorKind::BrokenPipe] {
            for room in [0, 1_000_000] {
                let out = BufWriter::with_capacity(room, Full(kind));
                let mut sink = match format {
                    0 => csv(out),
                    1 => jsonl(out),
                    _ => parquet(out),
                };
                let ended = export(&source, &mut *sink).await;
                // A closed pipe is told from a full disk.
                let told = matches!(&ended, Err(ExportError::Write(error)) if error.kind() == kind);
                assert!(told, "{format}, {kind}, {room} bytes of room: {ended:?}");
            }
        }
    }
}

#[tokio::test]
async fn verify_says_its_verdict_and_leaves_with_it() {
    let place = Place::new();
    let checkpoint = place.filled().await;
    let text = data(&place, &["verify"]);
    assert!(text.starts_with("SELF CONSISTENT") && text.contains("nothing outside to compare with"), "{text}");
    assert_eq!(keybatch(&place, &["verify", "--require-checkpoint"]).status.code(), Some(7));
    let file = place.directory.path().join("checkpoints");
    std::fs::write(&file, checkpoint.to_text()).unwrap();
    let arguments = ["verify", "--require-checkpoint", "--checkpoint", file.to_str().unwrap(), "--output", "json"];
    let report = json(&place, &arguments);
    assert_eq!((&report["schema"], &report["verdict"]), (&"keybatch.verify/1".into(), &"verified".into()));
    std::fs::write(&file, format!("keybatch/{}\n999\n{}", checkpoint.journal_id, report["root"].as_str().unwrap()))
        .unwrap();
    let output = keybatch(&place, &arguments);
    assert_eq!(output.status.code(), Some(7));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["verdict"], "truncated");
    // Of what a power loss tore, what is whole counts, and the rest is said; where nothing is whole, nothing is accepted.
    let whole = checkpoint.to_text();
    let torn = &whole[..whole.len() - 9];
    std::fs::write(&file, format!("{whole}\n{torn}\0\0")).unwrap();
    let report = json(&place, &["verify", "--checkpoint", file.to_str().unwrap(), "--output", "json"]);
    assert_eq!(report["verdict"], "verified");
    assert!(report["warnings"].to_string().contains("ignored 1 incomplete checkpoint in "), "{report}");
    let foreign = Checkpoint { journal_id: "another".into(), ..checkpoint.clone() }.to_text();
    for text in [
        "nonsense",
        "",
        torn,
        &format!("{torn}\n\n{torn}"),
        &format!("{foreign}\n{torn}"),
        &format!("{whole}\n{torn}\0\0"),
    ] {
        std::fs::write(&file, text).unwrap();
        let output = keybatch(&place, &arguments);
        assert_eq!(output.status.code(), Some(2), "{text:?}");
        let object: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&object["schema"], &object["exit"]), (&"keybatch.error/1".into(), &2.into()), "{text:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("nothing was verified"), "{text:?}");
    }
    // Nothing is left of the scratch database.
    let left: Vec<_> =
        std::fs::read_dir(place.directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("replay")), "{left:?}");
}

#[tokio::test]
async fn a_missing_journal_is_said_to_be_missing() {
    let place = Place::new();
    let commands = [&["runs"][..], &["show"], &["log"], &["query", "SELECT 1"], &["export", "latest"], &["verify"]];
    for command in commands {
        let output = keybatch(&place, command);
        // That nothing is there yet is no error where a list, or the latest run, is asked for.
        let code = if matches!(command[0], "runs" | "log" | "show") { 0 } else { 9 };
        assert_eq!(output.status.code(), Some(code), "{command:?}");
        assert!(output.stdout.is_empty());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("there is no journal") && !said.contains("no such runs"), "{command:?}: {said}");
    }
    assert_eq!(keybatch(&place, &["show", "latest", "--output", "json"]).status.code(), Some(9), "there is no object");
    assert_eq!(keybatch(&place, &["show", "0198c0de"]).status.code(), Some(9), "one run was named");
    assert_eq!(std::fs::read_dir(place.directory.path()).unwrap().count(), 0, "reading makes no files");
}

/// What is known of a run as a whole: each session with its end, each lifted rule, and the last rate of each target.
#[tokio::test]
async fn a_run_is_told_with_all_that_was_said_of_it() {
    const RUN: &str = "0198c0de-0000-7000-8000-000000000001";
    let place = Place::new();
    place.filled().await;
    let journal = place.journal().await;
    let changed = |region: &str, to: &str| {
        Event::RateChanged(RateChanged {
            account: "123456789012".into(),
            region: region.into(),
            from_per_s: "1".into(),
            to_per_s: to.into(),
            learned_per_s: None,
            learned_is_limit: None,
            why: "admitted".into(),
        })
    };
    let lifted = OverrideUsed {
        which: "skip-invalid".into(),
        by: "user@host".into(),
        why: Some("agreed".into()),
        lost: Vec::new(),
    };
    let more = [changed("us-east-1", "2"), changed("eu-west-1", "3"), Event::OverrideUsed(lifted)];
    let more = more.map(|event| Draft::of_run(1, event));
    journal.append(more.into()).await.unwrap();
    journal.close().await.unwrap();
    let told = json(&place, &["show", RUN, "--output", "json"]);
    assert_eq!(told["confirmed"], json!([8, "yes"]));
    assert_eq!([&told["deletes_sent"], &told["reads_sent"], &told["throttled"]], [10, 21, 10]);
    let of = |list: &str, field: &str| -> Vec<Value> {
        told[list].as_array().unwrap().iter().map(|one| one[field].clone()).collect()
    };
    assert_eq!(of("sessions", "session"), ["s1", "s2", "s3", "s4"]);
    // The first one crashed.
    let closed: Vec<bool> = of("sessions", "closed_at").iter().map(Value::is_string).collect();
    assert_eq!(closed, [false, true, true, true]);
    let ends = of("sessions", "closed_at");
    assert!(ends[1..].iter().zip(&of("sessions", "opened_at")[1..]).all(|(end, begin)| end.as_str() > begin.as_str()));
    assert!(ends[1..].is_sorted_by_key(|end| end.to_string()));
    assert_eq!(of("rates", "region"), ["us-east-1", "eu-west-1"]);
    assert_eq!(
        (of("rates", "per_s"), of("rates", "changes")),
        (vec!["2".into(), "3".into()], vec![2.into(), 1.into()])
    );
    assert_eq!(
        [of("overrides", "which"), of("overrides", "by"), of("overrides", "why")].concat(),
        ["skip-invalid", "user@host", "agreed"]
    );
    assert_eq!(of("not_deleted", "row"), [8, 7, 10, 2, 4, 5, 9], "the worst first");
    assert_eq!(of("not_deleted", "outcome")[..4], ["in_doubt", "failed", "failed", "gone"]);
    let details = of("not_deleted", "detail");
    assert_eq!(details[0], "CloudTrail names it\n", "what was said last");
    assert!(details[1..].iter().all(|detail| *detail == "so it is"));
}

#[tokio::test]
async fn doctor_names_what_is_wrong() {
    let place = Place::new();
    let before = data(&place, &["doctor"]);
    assert!(before.contains("does not exist yet"), "{before}");
    let entries = place.filled().await.size;
    let good = data(&place, &["doctor"]);
    assert!(good.contains("0600") && good.contains("free") && !good.contains("BAD"), "{good}");
    let bytes = std::fs::metadata(place.path()).unwrap().len();
    let content = format!("version 3, {entries} entries, {bytes} bytes in pages");
    assert!(good.contains(&content) && good.contains(" good    3."), "{good}");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(place.path(), mode).unwrap();
    let output = keybatch(&place, &["doctor"]);
    assert_eq!(output.status.code(), Some(9));
    assert!(String::from_utf8(output.stdout).unwrap().contains("0644"));
}

#[tokio::test]
async fn a_closed_pipe_ends_quietly() {
    let place = Place::new();
    place.filled().await;
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
    for format in ["table", "json", "jsonl", "csv"] {
        let mut command = Command::cargo_bin("keybatch").unwrap();
        command.env_clear().env("KEYBATCH_JOURNAL", place.path());
        command.args(["query", endless, "--output", format]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{format}: {output:?}");
    }
}
