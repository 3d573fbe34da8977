//! The same runs recorded in a file and in PostgreSQL are told alike by every command that reads.

use std::path::Path;

use serde_json::Value;

use super::bench;
use crate::harness::tests;
use crate::support::{Act, Bench, Effect};

tests![; async the_same_history_is_told_alike_from_a_file_and_from_postgresql];

const VIEWS: [&str; 9] =
    ["runs", "intents", "attempts", "operations", "errors", "approvals", "overrides", "checkpoints", "entries"];

const QUESTIONS: [&str; 12] = [
    "deletions-for-ticket --param ticket=OPS-1",
    "deletions-by-person --param person=arn:aws:iam::123456789012:user/tester",
    "deletions-in-time --param since=2020-01-01",
    "key-pair-history --param key_pair=key-02",
    "in-doubt",
    "not-deleted",
    "readback-only",
    "deleted-but-in-use",
    "retries-and-throttles",
    "all-overrides",
    "approvals-per-run",
    "run-sums",
];

/// A run with one row at least of most outcomes, and a second one.
fn work(bench: &Bench) {
    let mut names = bench.world.keys("key", 6);
    names.push("never-there".into());
    names.push("not a name".into());
    bench.world.script("DeleteKeyPair", "key-02", [Act::throttle()]);
    bench.world.script("DeleteKeyPair", "key-03", [Act::cut().with(Effect::Delete)]);
    bench.world.always("DeleteKeyPair", "key-04", Act::denied());
    bench.world.script("DeleteKeyPair", "key-05", [Act::slow(1, "Succeeded")]);
    bench.world.script("DeleteKeyPair", "key-06", [Act::server_error()]);
    let flags = ["--concurrency", "1", "--ticket", "OPS-1", "--rate", "unlimited", "--skip-invalid"];
    bench.run(&bench.manifest(&names), &flags).exits_one_of(&[3, 4]);
    if bench.query("SELECT * FROM runs").is_empty() {
        names.pop();
        bench.run(&bench.manifest(&names), &flags[..6]).exits(3);
    }
    let second = bench.world.keys("second", 2);
    bench.run(&bench.manifest(&second), &["--concurrency", "1"]).exits(0);
}

/// What differs from one run to the next is blanked: ids, times, hashes and the place of the journal.
fn blanked(bench: &Bench, text: &str) -> String {
    let text = text.replace(&bench.journal().display().to_string(), "JOURNAL");
    let text = text
        .replace(&bench.home().display().to_string(), "HOME")
        .replace(bench.world.url().trim_start_matches("http://"), "ENDPOINT");
    let mut blanked = String::new();
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || "-:.+/=_".contains(c);
    let mut rest = &*text;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            // With what it escapes.
            '\\' => 2,
            first if is_of_word(first) => rest.find(|c| !is_of_word(c)).unwrap_or(rest.len()),
            first => first.len_utf8(),
        };
        let (word, after) = rest.split_at(end);
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let number = word.trim_start_matches(':');
        let is_fraction = number.contains('.') && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        // A hash has digits or more letters than any word.
        let changes = (word.len() >= 20 && (digits >= 4 || word.len() > 38)) || is_fraction;
        blanked.push_str(if changes { "#" } else { word });
        rest = after;
    }
    blanked
}

/// Takes away what is measured, or is another one each time.
fn unmeasured(value: &mut Value) {
    const MEASURED: [&str; 10] = [
        "seq",
        "leaf",
        "body",
        "elapsed_ms",
        "elapsed_us",
        "raw_body",
        "request_id",
        "operation_id",
        "fingerprint",
        "endpoint",
    ];
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !MEASURED.contains(&name.as_str()));
            members.values_mut().for_each(unmeasured);
        }
        Value::Array(values) => values.iter_mut().for_each(unmeasured),
        _ => {}
    }
}

/// The rows of an answer, without the columns that measure.
fn rows(bench: &Bench, args: &[&str]) -> Vec<Value> {
    let done = bench.keybatch(&[args, &["--output", "jsonl"]].concat()).exits(0);
    let lines = done.stdout.lines().map(|line| {
        let mut row: Value = serde_json::from_str(&blanked(bench, line)).unwrap();
        unmeasured(&mut row);
        row
    });
    lines.collect()
}

#[track_caller]
fn alike(file: &Bench, server: &Bench, args: &[&str]) {
    let (one, other) = (rows(file, args), rows(server, args));
    assert_eq!(one.len(), other.len(), "{args:?}");
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one, other, "{args:?}");
    }
}

fn written(bench: &Bench, args: &str, name: &str) -> usize {
    let to = bench.home().join(name).display().to_string();
    let words: Vec<_> = args.split(' ').chain(["-o", &to]).collect();
    bench.keybatch(&words).exits(0);
    let bytes = std::fs::read(Path::new(&to)).unwrap();
    assert!(!bytes.is_empty());
    bytes.len()
}

// SEMANTICS: P146
async fn the_same_history_is_told_alike_from_a_file_and_from_postgresql() {
    let ((server, _database), file) = (bench().await, Bench::new());
    work(&file);
    work(&server);
    for view in VIEWS {
        let order = match view {
            "entries" => "kind, run_id, coalesce(row_no, 0), seq",
            "checkpoints" => "size",
            "intents" => "run_id, row_no",
            "runs" | "approvals" | "overrides" => "run_id",
            _ => "run_id, row_no, 3, 4",
        };
        alike(&file, &server, &["query", &format!("SELECT * FROM {view} ORDER BY {order}")]);
    }
    for question in QUESTIONS {
        let words: Vec<_> = ["query", "--name"].into_iter().chain(question.split(' ')).collect();
        alike(&file, &server, &words);
    }
    assert!(
        rows(
            &server,
            &["query", "--name", "deletions-by-person", "--param", "person=arn:aws:iam::123456789012:user/tester"]
        )
        .len()
            >= 2
    );
    let oldest = server.query("SELECT min(run_id) AS run FROM runs")[0]["run"].as_str().unwrap().to_owned();
    let oldest_of_file = file.query("SELECT min(run_id) AS run FROM runs")[0]["run"].as_str().unwrap().to_owned();
    for words in
        ["runs", "show RUN 3", "show RUN key-04", "show key-05", "log -n 0 --kind attempt_finished", "export RUN"]
    {
        let of = |bench: &Bench, run: &str| {
            let words = words.replace("RUN", run);
            rows(bench, &words.split(' ').collect::<Vec<_>>())
        };
        assert_eq!(of(&file, &oldest_of_file), of(&server, &oldest), "{words}");
    }
    for (bench, run) in [(&file, &oldest_of_file), (&server, &oldest)] {
        for format in ["csv", "jsonl", "json", "parquet", "xlsx", "sqlite"] {
            written(bench, &format!("export {run} --output {format}"), &format!("rows.{format}"));
        }
        for format in ["html", "md", "text", "json"] {
            written(bench, &format!("report {run} --format {format}"), &format!("report.{format}"));
        }
        let checkpoint = bench.home().join("c").display().to_string();
        written(bench, "checkpoint", "c");
        written(bench, &format!("prove {run} 1"), "p");
        written(bench, &format!("prove --consistency {checkpoint}"), "q");
        let proof = bench.home().join("p").display().to_string();
        bench.keybatch(&["verify", &proof, "--checkpoint", &checkpoint]).exits(0);
        let verified = bench.keybatch(&["verify", "--checkpoint", &checkpoint, "--output", "json"]).exits(0).json();
        assert_eq!(verified["verdict"], "verified");
        bench.keybatch(&["instances", "--still-using", run]).exits(0);
    }
    let told = |bench: &Bench, name: &str| blanked(bench, &std::fs::read_to_string(bench.home().join(name)).unwrap());
    assert_eq!(told(&file, "rows.csv"), told(&server, "rows.csv"));
    let report = std::fs::read_to_string(server.home().join("report.text")).unwrap();
    assert!(
        report.contains("FROM keybatch.intents") && report.contains("keybatch journal copy postgres://"),
        "{report}"
    );
}
