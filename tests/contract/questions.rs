//! `query`: the shipped questions with their parameters, what is listed of them and of the views, SQL from standard input, where an
//! error is, and what is said of a journal that is damaged, changed or newer.

use std::os::unix::fs::FileExt as _;

use serde_json::{Value, json};

use crate::support::{Act, Bench, Done, Effect};

/// A question's answer.
fn ask(bench: &Bench, name: &str, parameters: &[&str]) -> Vec<Value> {
    let mut args = vec!["query", "--name", name, "--output", "json"];
    parameters.iter().for_each(|parameter| args.extend(["--param", parameter]));
    let done = bench.keybatch(&args).exits(0);
    let Value::Array(rows) = done.json() else { panic!("no rows\n{done}") };
    rows
}

/// The names of the key pairs in an answer.
fn names(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["key_pair_name"].as_str().unwrap()).collect()
}

/// Two runs: the first for OPS-1 with a bad day in it, the second for OPS-2; then a rehearsal for OPS-1.
fn journal() -> Bench {
    let mut bench = Bench::new();
    for name in ["plain", "used", "busy", "lost", "dark", "denied", "again", "later"] {
        bench.world.key(name);
    }
    let in_use = (("us-east-1".to_owned(), "web-1".to_owned()), "used".to_owned());
    bench.world.state().instances.push(in_use);
    bench.world.script("DeleteKeyPair", "busy", [Act::throttle()]);
    bench.world.script("DeleteKeyPair", "lost", [Act::cut().with(Effect::Delete)]);
    bench.world.script(
        "DeleteKeyPair",
        "dark",
        [Act::cut().with(Effect::Delete).and(|state| {
            state.always.insert(("GetKeyPair".to_owned(), "dark".to_owned()), Act::server_error());
        })],
    );
    for name in ["lost", "dark"] {
        bench.world.always("GetOperationsForResource", name, Act::empty_object());
    }
    bench.world.always("DeleteKeyPair", "denied", Act::denied());
    let rows = "name,ticket\nplain,\nused,OWN-7\nbusy,\nlost,\ndark,\ndenied,\nnever-was,\nagain,\n\"bad name!\",\n";
    let more = ["--ticket", "OPS-1", "--skip-invalid", "--settle-timeout", "1s", "--concurrency", "1"];
    bench.run(&bench.file("first.csv", rows), &more).exits(6);
    bench.world.key("again");
    bench.set("LOGNAME", "nobody-believes-this");
    bench.run(&bench.file("second.csv", "name\nagain\nlater\n"), &["--ticket", "OPS-2"]).exits(0);
    bench.run(&bench.file("third.csv", "name\nplay\n"), &["--ticket", "OPS-1", "--sandbox"]).exits(0);
    bench
}

/// Each question gives what was planted, and rehearsals only if they are asked for.
// SEMANTICS: P94
#[test]
fn each_question_finds_what_was_planted() {
    let bench = journal();
    let ask = |name: &str, parameters: &[&str]| ask(&bench, name, parameters);
    let first = ["plain", "used", "busy", "lost", "again"];
    assert_eq!(names(&ask("deletions-for-ticket", &["ticket=OPS-1"])), first);
    assert_eq!(names(&ask("deletions-for-ticket", &["ticket=OWN-7"])), ["used"]);
    assert_eq!(names(&ask("deletions-for-ticket", &["ticket=OPS-1", "sandbox=only"])), ["play"]);
    assert_eq!(ask("deletions-for-ticket", &["ticket=OPS-1", "sandbox=yes"]).len(), 6);
    assert_eq!(ask("deletions-for-ticket", &["ticket=' OR 1 = 1 --"]), Vec::<Value>::new());
    let all = [&first[..], &["again", "later"]].concat();
    let sender = bench.query("SELECT body ->> '$.user' AS name, body ->> '$.caller_arn' AS arn FROM entries WHERE kind = 'session_opened' LIMIT 1");
    for person in ["name", "arn"] {
        let person = format!("person={}", sender[0][person].as_str().unwrap());
        assert_eq!(names(&ask("deletions-by-person", &[&person])), all, "{person}");
    }
    assert_eq!(ask("deletions-by-person", &["person=nobody"]), Vec::<Value>::new());
    let mut in_time = ask("deletions-in-time", &["since=1h"]);
    assert_eq!(in_time.len(), all.len());
    let third = in_time.remove(2)["attempted_at"].as_str().unwrap().to_owned();
    assert_eq!(
        ask("deletions-in-time", &[&format!("since={third}")]).len(),
        all.len() - 2,
        "the first two are earlier"
    );
    let before = ask("deletions-in-time", &["since=1h", &format!("until={third}")]);
    assert_eq!(before.len(), 2, "that time itself is not before it");
    assert_eq!(ask("deletions-in-time", &["since=2020-01-01", "until=2020-01-02"]), Vec::<Value>::new());
    let history = ask("key-pair-history", &["key_pair=again"]);
    assert_eq!(history.len(), 2);
    assert!(history[0]["created_at"] != history[1]["created_at"], "{history:?}");
    assert_eq!((&history[0]["ticket"], &history[1]["ticket"]), (&json!("OPS-1"), &json!("OPS-2")));
    assert_eq!(ask("key-pair-history", &["key_pair=again", "region=eu-west-1"]), Vec::<Value>::new());
    assert_eq!(names(&ask("in-doubt", &[])), ["dark"]);
    assert_eq!(ask("in-doubt", &["run=latest"]), Vec::<Value>::new());
    assert_eq!(names(&ask("not-deleted", &[])), ["denied", "never-was", "bad name!"]);
    assert_eq!(names(&ask("readback-only", &[])), ["lost"]);
    let used = ask("deleted-but-in-use", &[]);
    assert_eq!(names(&used), ["used"]);
    assert!(used[0]["in_use"].as_str().unwrap().contains("web-1"), "{used:?}");
    let retried = ask("retries-and-throttles", &[]);
    assert_eq!(names(&retried), ["busy"]);
    assert_eq!((&retried[0]["requests"], &retried[0]["throttled"]), (&json!(2), &json!(1)));
    let lifted = ask("all-overrides", &[]);
    assert_eq!(lifted.iter().map(|row| row["override"].as_str().unwrap()).collect::<Vec<_>>(), ["skip-invalid"]);
    assert_eq!(ask("approvals-per-run", &[])[0]["approved"], "nobody approved it");
    let sums = ask("run-sums", &[]);
    assert_eq!(sums.len(), 2);
    assert!(sums.iter().all(|run| run["adds_up"] == "yes"), "{sums:?}");
    let counts =
        ["rows", "deleted", "gone", "absent", "skipped", "failed", "in_doubt"].map(|name| sums[0][name].clone());
    assert_eq!(counts, [9, 4, 1, 1, 1, 1, 1].map(Value::from));
    // What is missing from the sum shows.
    let run = format!("run={}", sums[0]["run_id"].as_str().unwrap());
    assert_eq!(ask("run-sums", &[&run]), sums[..1]);
    // Nobody takes an empty answer for the whole truth where there are rehearsals alone.
    let none = bench.keybatch(&["query", "--name", "key-pair-history", "--param", "key_pair=play"]).exits(0);
    assert!(none.stderr.contains("--param sandbox=yes"), "{none}");
    assert_eq!(names(&ask("key-pair-history", &["key_pair=play", "sandbox=yes"])), ["play"]);
}

fn refused(bench: &Bench, args: &[&str], code: &str, said: &[&str]) -> Done {
    let done = bench.keybatch(&[&["query", "--output", "json"], args].concat()).exits(2);
    assert_eq!(done.json()["code"], code, "{done}");
    for said in said {
        assert!(done.stderr.contains(said), "{said}\n{done}");
    }
    done
}

/// A name that is misspelled, and parameters that are missing, unknown, given twice or unusable.
#[test]
fn what_does_not_fit_a_question_is_named() {
    let bench = Bench::new();
    bench.world.key("one");
    bench.run(&bench.manifest(&["one"]), &[]).exits(0);
    refused(&bench, &["--name", "in-dubt"], "usage.arguments", &["similar", "'in-doubt'"]);
    let ticket = ["--name", "deletions-for-ticket"];
    let with = |more: &'static [&'static str]| [&ticket[..], more].concat();
    let code = "query.parameter";
    refused(&bench, &ticket, code, &["missing: ticket", "--param ticket=VALUE", "stands in the manifest"]);
    refused(&bench, &with(&["--param", "tiket=x"]), code, &["no parameter \"tiket\"", "did you mean ticket?"]);
    refused(&bench, &with(&["--param", "ticket=x", "--param", "ticket=y"]), code, &["more than once"]);
    refused(&bench, &with(&["--param", "ticket=x", "--param", "sandbox=maybe"]), code, &["neither yes, no nor only"]);
    refused(&bench, &["--name", "deletions-in-time", "--param", "since=yesterday"], code, &["since", "2026-11-29"]);
    refused(&bench, &["SELECT :a, :b", "--param", "a=1"], code, &["missing: b"]);
    refused(&bench, &["SELECT 1", "--param", "a=1"], code, &["no parameter \"a\""]);
    refused(&bench, &["SELECT ?1", "--param", "a=1"], "query.statement", &["a parameter has no name"]);
    refused(&bench, &["--name", "in-doubt", "SELECT 1"], "usage.arguments", &["cannot be used with"]);
    refused(&bench, &[], "usage.arguments", &["--name", "--list", "--schema"]);
    assert_eq!(
        bench.keybatch(&["query", "SELECT :a AS a, ':a' AS b", "--param", ":a=';--", "--output", "json"]).json(),
        json!([{ "a": "';--", "b": ":a" }])
    );
}

/// `--list`, `--schema` and `--sql` need no journal; what they list can be asked.
#[test]
fn questions_and_views_are_listed_without_a_journal() {
    let bench = Bench::new();
    let list = bench.keybatch(&["query", "--list", "--output", "json"]).exits(0).json();
    let people = bench.keybatch(&["query", "--list"]).exits(0);
    let schema = bench.keybatch(&["query", "--schema", "--output", "json"]).exits(0).json();
    let views = bench.keybatch(&["query", "--schema=runs"]).exits(0);
    assert!(
        views.stdout.starts_with("runs: ")
            && views.stdout.contains("  not_attempted")
            && !views.stdout.contains("intents: "),
        "{views}"
    );
    assert!(!bench.journal().exists());
    bench.world.key("one");
    bench.run(&bench.manifest(&["one"]), &[]).exits(0);
    assert!(list.as_array().unwrap().len() >= 9);
    for question in list.as_array().unwrap() {
        let name = question["name"].as_str().unwrap();
        assert!(people.stdout.contains(&format!("{name}\n  {}", question["title"].as_str().unwrap())), "{people}");
        let sql = bench.keybatch(&["query", "--name", name, "--sql"]).exits(0).stdout;
        assert_eq!(sql.trim_end(), question["sql"].as_str().unwrap());
        let of = |field: &str| {
            question[field].as_str().unwrap().split_whitespace().map(|name| format!("{name}=2h")).collect::<Vec<_>>()
        };
        let required = of("parameters");
        ask(&bench, name, &required.iter().map(String::as_str).collect::<Vec<_>>());
    }
    // The columns are those that the journal has, in their order.
    for view in
        ["runs", "intents", "attempts", "operations", "errors", "approvals", "overrides", "checkpoints", "entries"]
    {
        let columns = bench.query(&format!("SELECT name FROM pragma_table_info('{view}')"));
        let described = schema.as_array().unwrap().iter().filter(|row| row["view"] == view);
        let described: Vec<_> =
            described.map(|row| (row["column"].clone(), !row["meaning"].as_str().unwrap().is_empty())).collect();
        let columns: Vec<_> = columns.into_iter().map(|row| (row["name"].clone(), true)).collect();
        assert_eq!(described, columns, "{view}");
    }
}

/// An error has line and column, and what was meant if that is near.
#[test]
fn an_error_shows_its_place() {
    let bench = Bench::new();
    bench.world.key("one");
    bench.run(&bench.manifest(&["one"]), &[]).exits(0);
    for (sql, line, column, hint) in [
        ("SELECT outcom FROM intents", 1, 8, "did you mean outcome?"),
        ("SELECT *\nFROM intnts", 2, 6, "did you mean intents?"),
        ("SELECT outcome\nFRM intents", 2, 5, "--schema"),
        ("SELECT (SELECT error, FROM runs) FROM runs", 1, 23, "--schema"),
        ("SELECT 1 FROM runs WHERE", 1, 25, "--schema"),
        ("SELECT 'ä', rows FROM runs WHERE nowhere = :a", 1, 34, "--schema"),
        ("WITH a AS (SELECT nothing FROM runs) SELECT * FROM a", 1, 19, "--schema"),
    ] {
        let more: &[&str] = if sql.contains(":a") { &["--param", "a=1"] } else { &[] };
        let done = refused(&bench, &[&[sql], more].concat(), "query.statement", &[hint]);
        let fault = &done.json()["faults"][0];
        assert_eq!((&fault["line"], &fault["column"]), (&json!(line), &json!(column)), "{sql}\n{done}");
    }
    // What fails only while it runs has no place.
    let done = refused(&bench, &["SELECT json(body || 'x') FROM entries"], "query.statement", &["malformed"]);
    assert_eq!(done.json()["faults"], json!([]));
}

/// SQL from standard input, whole and bounded.
#[test]
fn a_statement_comes_from_standard_input() {
    let bench = Bench::new();
    bench.world.key("one");
    bench.run(&bench.manifest(&["one"]), &[]).exits(0);
    let sql = "-- mine\nSELECT outcome, :t AS t\nFROM intents;\n";
    let done = bench.keybatch_fed(&["query", "-", "--param", "t=x", "--output", "json"], sql).exits(0);
    assert_eq!(done.json(), json!([{ "outcome": "deleted", "t": "x" }]));
    bench.keybatch_fed(&["query", "-"], "").exits(2);
    let long = format!("SELECT 1 -- {}", "x".repeat(1 << 20));
    let done = bench.keybatch_fed(&["query", "-"], &long).exits(2);
    assert!(done.stderr.contains("longer than"), "{done}");
}

/// Nothing that a statement can say writes, opens another file or loads code.
// SEMANTICS: P95
#[test]
fn no_statement_does_more_than_read() {
    let bench = Bench::new();
    bench.world.key("one");
    bench.run(&bench.manifest(&["one"]), &[]).exits(0);
    let before = std::fs::read(bench.journal()).unwrap();
    for sql in [
        "WITH a AS (SELECT 1) DELETE FROM entry",
        "WITH a AS (SELECT 1) INSERT INTO run SELECT * FROM run",
        "WITH a AS (SELECT 1) UPDATE head SET size = 0",
        "WITH a AS (SELECT 1) REPLACE INTO head SELECT * FROM head",
        "EXPLAIN SELECT 1; DELETE FROM entry",
        "ATTACH 'stolen.db' AS x",
        "SELECT load_extension('./evil')",
        "SELECT writefile('stolen.db', 'x')",
        "SELECT readfile('/etc/passwd')",
        "SELECT * FROM pragma_journal_mode('DELETE')",
        "PRAGMA query_only = OFF",
        "VACUUM INTO 'stolen.db'",
        "/**/ BEGIN",
        "REINDEX",
    ] {
        let done = bench.keybatch(&["query", sql, "--output", "json"]);
        assert_eq!(done.code, Some(2), "{sql}\n{done}");
    }
    assert!(!bench.home().join("work/stolen.db").exists());
    assert_eq!(std::fs::read(bench.journal()).unwrap(), before);
    bench.verify().exits(0);
}

/// A journal of a later version is shown as far as it is known, and sessions still refuse it.
// SEMANTICS: P96
#[test]
fn a_newer_journal_is_read_as_far_as_it_is_known() {
    let bench = Bench::new();
    let keys = bench.world.keys("key", 2);
    let manifest = bench.manifest(&keys);
    bench.run(&manifest, &[]).exits(0);
    let file = std::fs::OpenOptions::new().write(true).open(bench.journal()).unwrap();
    // `user_version`, a big-endian number.
    file.write_all_at(&99_u32.to_be_bytes(), 60).unwrap();
    for args in [&["query", "SELECT * FROM runs"][..], &["query", "--name", "run-sums"], &["log"], &["show"], &["runs"]]
    {
        let done = bench.keybatch(args).exits(0);
        assert!(done.stderr.contains("warning: a newer keybatch wrote this journal (version 99"), "{args:?}\n{done}");
        assert!(!done.stdout.is_empty(), "{args:?}\n{done}");
    }
    bench.run(&manifest, &[]).exits(9);
}

/// A view that shows something else than keybatch's own is not believed in silence.
#[test]
fn changed_views_are_said_to_be_changed() {
    let bench = Bench::new();
    let keys = bench.world.keys("key", 2);
    bench.run(&bench.manifest(&keys), &[]).exits(0);
    let quiet = bench.keybatch(&["query", "SELECT 1"]).exits(0);
    assert_eq!(quiet.stderr, "");
    // The text of a view in the file's schema, as long as it was, wherever it stands.
    let mut bytes = std::fs::read(bench.journal()).unwrap();
    let (old, new) = (b"class NOT IN ('succeeded', 'pending')", b"class NOT IN ('succeeded', 'denied') ");
    let places: Vec<_> = (0..bytes.len() - old.len()).filter(|at| bytes[*at..].starts_with(old)).collect();
    for at in places {
        bytes[at..at + new.len()].copy_from_slice(new);
    }
    std::fs::write(bench.journal(), bytes).unwrap();
    for args in [&["query", "SELECT * FROM errors", "--quiet"][..], &["log"], &["runs"]] {
        let done = bench.keybatch(args).exits(0);
        assert!(done.stderr.contains("the view errors was changed") && done.stderr.contains("verify"), "{done}");
    }
}

/// In a damaged journal, what can be read is printed, and the error says after how many rows reading stopped.
#[test]
fn damage_is_named_with_how_far_reading_came() {
    let bench = Bench::new();
    let keys = bench.world.keys("key", 400);
    bench.run(&bench.manifest(&keys), &[]).exits(0);
    let all = bench.query("SELECT seq FROM entries").len();
    let bytes = std::fs::read(bench.journal()).unwrap();
    // The page that holds an entry from the middle.
    let body = format!("\"name\":\"{}\"", keys[200]);
    let at = bytes.windows(body.len()).position(|window| window == body.as_bytes()).unwrap();
    let page = usize::from(u16::from_be_bytes(bytes[16..18].try_into().unwrap()));
    let file = std::fs::OpenOptions::new().write(true).open(bench.journal()).unwrap();
    file.write_all_at(&[0xEE; 512], (at / page * page) as u64).unwrap();
    let done = bench.keybatch(&["query", "SELECT seq FROM entries", "--output", "jsonl"]).exits(9);
    let mut lines: Vec<Value> = done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let error = lines.pop().unwrap();
    assert_eq!(error["code"], "journal.damaged", "{done}");
    assert!(!lines.is_empty() && lines.len() < all, "{} of {all}\n{}", lines.len(), done.stderr);
    let stopped = format!("reading stopped after {} rows, which are not the whole answer", lines.len());
    assert!(done.stderr.contains(&stopped) && done.stderr.contains("keybatch verify"), "{stopped}\n{}", done.stderr);
    // Rows that lie elsewhere are still read.
    assert_eq!(bench.query("SELECT run_id, rows, deleted FROM runs").len(), 1);
}
