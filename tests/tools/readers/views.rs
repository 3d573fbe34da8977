//! The reviewers' views in the programs that reviewers have: every value of every view is the one that the plain `sqlite3`
//! shell shows, also where an entry's body is no JSON.
//!
//! The programs come from the virtual environment of `tests/tools/readers/requirements.txt`. Where one is not
//! installed, the others are compared, and the test is ignored.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::harness::ignore;
use crate::shell;
use crate::support::{Act, Bench, Effect, Live};

/// A reader of `tests/tools/readers/read_views.py`, the folder of the environment that comes before its packages, and a file that
/// is there where it is installed.
const READERS: [(&str, &str, &str); 8] = [
    ("sqlite3", "", ""),
    ("pandas", "", "pandas/__init__.py"),
    ("sqlite-utils", "", "sqlite_utils/__init__.py"),
    ("datasette", "", "datasette/__init__.py"),
    ("datasette", "datasette-next", "datasette/__init__.py"),
    ("duckdb", "", "duckdb_extension_sqlite_scanner/__init__.py"),
    ("duckdb-text", "", "duckdb/__init__.py"),
    ("duckdb-text", "duckdb-next", "duckdb/__init__.py"),
];

pub(super) const VIEWS: [&str; 9] =
    ["runs", "intents", "attempts", "operations", "errors", "approvals", "overrides", "checkpoints", "entries"];

/// Bodies that are no JSON, or not the JSON that an entry is. None of them is written by keybatch.
pub(super) const NO_ENTRIES: [&str; 19] = [
    "",
    " ",
    "not json",
    r#"{"at":"2026-"#,
    r#"{"at":"x"} and more"#,
    "{'at':'x'}",
    r#"{"row":007}"#,
    r#"{"run":"x","seq":1,"session":"y"}"#,
    r#"{"run":99999999999999999999999,"session":-1}"#,
    "null",
    "5",
    r#""text""#,
    "[]",
    r#"{"json":"not json","operation":"abc","row":99999999999999999999999,"http_status":true,"line":-1}"#,
    r#"{"json":"[1,2","operation":null,"row":1e3,"run":["a"],"line":null,"kind":"operation_polled"}"#,
    r#"{"json":"{\"operation\":{\"id\":5,\"isTerminal\":\"true\",\"errorCode\":400,\"location\":\"x\"}}","row":7.0,"line":"x"}"#,
    r#"{"cause":"error","error":{"code":null},"headers":{"x-amzn-errortype":"A#B"},"json":"{\"__type\":\"C\"}"}"#,
    r#"{"cause":"error","error":7,"headers":["x"],"json":"{\"__type\":7,\"code\":{},\"message\":[],\"docs\":true,\"tip\":null}"}"#,
    r#"{"line":{"line":"x","observation":[],"conditions":7,"annotations":5,"reason":{}},"row":1}"#,
];

/// A journal with every outcome and with bodies of every kind.
pub(super) fn journal_of_everything() -> Bench {
    let bench = Bench::new();
    let acts = [
        ("slow", Act::slow(2, "Succeeded")),
        ("found", Act::cut().with(Effect::Delete)),
        ("gone", Act::cut().with(Effect::Vanish)),
        ("recreated", Act::cut().with(Effect::DeleteAndRecreate)),
        ("denied", Act::denied().saying("=1+1 \u{1b}[31mred \u{1f511}")),
        ("failed", Act::failed_operation()),
        ("throttled", Act::throttle()),
        ("page", Act::html_503()),
        ("empty", Act::empty_200()),
        ("cut-short", Act::truncated()),
        ("endless", Act::never()),
        (
            "odd",
            Act::raw(200, "application/x-amz-json-1.1", r#"{"operation":{"id":5,"status":true,"errorCode":4.50}}"#),
        ),
        ("odd-error", Act::raw(400, "application/x-amz-json-1.1", r#"{"__type":"InvalidInputException","code":7}"#)),
        (
            "odd-name",
            Act::raw(
                400,
                "application/x-amz-json-1.1",
                r##"{"__type":"\u00e9\ud83d\udd11.x#Inv\u00e4lid#y,z:http://x#y","Message":"e\u0301 \u001b","docs":["d"],"tip":""}"##,
            ),
        ),
        ("header", Act::raw(400, "application/x-amz-json-1.1", r#"{"message":"m","code":"","tip":null}"#)),
        ("long", Act::raw(500, "text/html", Box::leak("<p>&#9888;</p>".repeat(6000).into_boxed_str()))),
    ];
    let mut rows = "key_pair_name,reason,ticket,note\nplain,\"a \"\"reason\"\"\",OPS-1,\n".to_owned();
    bench.world.key("plain");
    for (name, act) in acts {
        bench.world.key(name);
        bench.world.script("DeleteKeyPair", name, [act]);
        // What JSON escapes, and what programs may count as one character or as several.
        rows += &format!(
            "{name},,,\"\u{1}\u{b}\t\u{1b}[2J\u{1f}\u{7f} \\u001B \"\" / e\u{301} \u{1f468}\u{200d}\u{1f469}\u{2028}\"\n"
        );
    }
    bench.world.always("DeleteKeyPair", "denied", Act::denied().saying("=1+1 \u{1b}[31mred \u{1f511}"));
    rows += "never-was,,,\nplain,\"a \"\"reason\"\"\",OPS-1,\n";
    bench.run(&bench.file("first.csv", rows), &["--reason", "old ones"]).exits(6);
    interrupted(&bench);
    bench
}

/// A run that was killed: rows that are unsettled or not attempted.
fn interrupted(bench: &Bench) {
    let names = bench.world.keys("left", 3);
    let before = bench.world.arrived("DeleteKeyPair").len();
    bench.world.script("DeleteKeyPair", "*", [Act::hang()]);
    let live: Live = bench.spawn_run(&bench.manifest(&names), &["--concurrency", "1", "--attempt-timeout", "60s"]);
    bench.world.wait_for_deletes(before + 1);
    live.kill();
}

/// A copy as `.backup` makes it, which is one file, and what SQL does to it once nothing forbids it any more.
pub(super) fn copy(bench: &Bench, name: &str, sql: &str) -> PathBuf {
    let path = bench.home().join(name);
    assert!(shell::write(&bench.journal(), &format!(".backup {}", path.display())).0);
    let triggers =
        shell::read(&path, "SELECT 'DROP TRIGGER ' || name || ';' FROM sqlite_master WHERE type = 'trigger'");
    let (done, said) = shell::write(&path, &format!("PRAGMA foreign_keys = OFF; {triggers} {sql}"));
    assert!(done, "{said}");
    path
}

/// What no run above has: an approval (which no command writes yet), overrides with and without a run, and a body that is not
/// UTF-8.
pub(super) const CRAFTED: &str = r#"
    INSERT INTO entry SELECT max(seq) + 1, '{"at":"2026-11-29T12:00:00.000001Z","by":"amelie","kind":"plan_approved","override":"o",'
        || '"plan_root":"r","signature":"s","signer":"amelie","ticket":"OPS-1","why":"it \"is\" so"}', zeroblob(32) FROM entry;
    INSERT INTO milestone SELECT (SELECT max(seq) FROM entry), run_no, 'plan_approved' FROM run LIMIT 1;
    INSERT INTO entry SELECT max(seq) + 1, (SELECT body FROM entry ORDER BY seq DESC LIMIT 1), zeroblob(32) FROM entry;
    INSERT INTO milestone SELECT (SELECT max(seq) FROM entry), run_no, 'override_used' FROM run LIMIT 1;
    INSERT INTO milestone VALUES (0, NULL, 'override_used');
    UPDATE entry SET body = replace(replace(body, '"text":"<html', '"base64":"PGh0bWw+/w=='), '"text":', '"base64":')
        WHERE seq = (SELECT finished_seq FROM attempt JOIN intent USING (run_no, row_no) WHERE key_pair_name = 'page' LIMIT 1);
    UPDATE entry SET body = replace(body, '"http_status"', '"headers":{"x-amzn-errortype":"ns#OddException:http://x#y, More"},"http_status"')
        WHERE seq IN (SELECT finished_seq FROM attempt JOIN intent USING (run_no, row_no) WHERE key_pair_name = 'header')"#;

/// Every row of what was read, in an order of its own.
fn sorted(rows: &Value) -> Vec<String> {
    let mut rows: Vec<String> = rows.as_array().unwrap().iter().map(Value::to_string).collect();
    rows.sort();
    rows
}

/// What the shell shows for each of these statements.
fn shown_by_the_shell(journal: &Path, read: &Map<String, Value>) -> Map<String, Value> {
    let rows = |name: &String| {
        let sql = if name.contains(' ') { name.clone() } else { format!("SELECT * FROM {name}") };
        let shown = shell::read(journal, &format!(".mode json\n{sql}"));
        let rows = if shown.is_empty() { json!([]) } else { serde_json::from_str(&shown).unwrap() };
        (name.clone(), rows)
    };
    read.keys().map(rows).collect()
}

/// The environment with the readers.
pub(super) fn environment() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "how the caller of the tests says where the clients are")]
    let named = std::env::var("KEYBATCH_CLIENTS_VENV").ok().map(PathBuf::from);
    let venv = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv-clients"));
    if !venv.join("bin/python3").exists() {
        ignore(format!("no reader but the shell is installed: {} is missing", venv.display()));
    }
    venv
}

/// Where the environment has its packages, or those of a folder of their own.
pub(super) fn packages(venv: &Path, folder: &str) -> PathBuf {
    let library = std::fs::read_dir(venv.join("lib")).unwrap().next().unwrap().unwrap().path();
    if folder.is_empty() { library.join("site-packages") } else { venv.join(folder) }
}

/// Ends the test as ignored where a reader is missing; what the others show was compared.
pub(super) fn all_were_there(missing: &[String]) {
    if !missing.is_empty() {
        ignore(format!("not installed: {}", missing.join(", ")));
    }
}

/// Compares every value that every reader shows with what the shell shows. Returns the readers that are not installed.
#[track_caller]
fn alike(journals: &[PathBuf]) -> Vec<String> {
    let venv = environment();
    let mut missing = Vec::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/readers/read_views.py");
    let mut expected = Vec::new();
    for (reader, folder, file) in READERS {
        let packages = packages(&venv, folder);
        if !packages.join(file).exists() {
            missing.push(format!("{folder} {reader}").trim().to_owned());
            continue;
        }
        let mut command = Command::new(venv.join("bin/python3"));
        command.env("PYTHONPATH", if folder.is_empty() { "" } else { packages.to_str().unwrap() });
        let done = command.arg(&script).arg(reader).args(journals).output().unwrap();
        let (said, failed) = (String::from_utf8(done.stdout).unwrap(), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "{folder} {reader}\n{failed}");
        let seen: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(seen.len(), journals.len());
        if expected.is_empty() {
            let shown =
                |(journal, seen): (&PathBuf, &Value)| shown_by_the_shell(journal, seen["read"].as_object().unwrap());
            expected = journals.iter().zip(&seen).map(shown).collect();
        }
        for ((journal, seen), expected) in journals.iter().zip(&seen).zip(&expected) {
            for (name, rows) in expected {
                let who = format!("{name} in {reader} {}, {}", seen["version"], journal.display());
                let (shown, found) = (sorted(rows), sorted(&seen["read"][name]));
                assert_eq!(shown.len(), found.len(), "{who}");
                for (shown, found) in shown.iter().zip(&found) {
                    assert_eq!(shown, found, "{who}");
                }
            }
        }
    }
    missing
}

/// `keybatch query`, which reads with the SQLite that keybatch is built with, shows what the shell shows.
#[track_caller]
fn query_agrees(bench: &mut Bench, journals: &[PathBuf]) {
    for journal in journals {
        bench.move_journal(journal.clone());
        for view in VIEWS {
            let sql = format!("SELECT * FROM {view}");
            let shown = shell::read(journal, &format!(".mode json\n{sql}"));
            let shown = if shown.is_empty() { json!([]) } else { serde_json::from_str(&shown).unwrap() };
            assert_eq!(sorted(&shown), sorted(&Value::Array(bench.query(&sql))), "{view} of {}", journal.display());
        }
    }
}

/// "Views that mean the same in every reader": until 0.1.0 `char(10)` in one view kept DuckDB from listing anything, and
/// `json_extract` gave it JSON with quotation marks.
// SEMANTICS: P71
fn every_reader_sees_the_same_values() {
    shell::needs("sqlite3");
    let mut bench = journal_of_everything();
    let journal = copy(&bench, "all.db", CRAFTED);
    let outcomes =
        shell::read(&journal, "SELECT group_concat(outcome, ' ') FROM (SELECT DISTINCT outcome FROM intents)");
    for outcome in ["deleted", "gone", "absent", "skipped", "failed", "in_doubt", "unsettled", "not_attempted"] {
        assert!(outcomes.split(' ').any(|found| found == outcome), "no row is {outcome}: {outcomes}");
    }
    for view in ["errors", "operations", "approvals", "overrides", "checkpoints"] {
        assert_ne!(shell::read(&journal, &format!("SELECT count(*) FROM {view}")), "0", "{view} is empty");
    }
    let error = |name: &str| {
        let sql = "SELECT error_type || '/' || error_code || '/' || error_message || '/' || ifnull(error_tip, '-') FROM attempts \
                   WHERE key_pair_name = '";
        shell::read(&journal, &format!("{sql}{name}' LIMIT 1"))
    };
    assert_eq!(error("odd-name"), "Inv\u{e4}lid#y/Inv\u{e4}lid#y/e\u{301} \u{1b}/");
    assert_eq!(error("header"), "OddException/OddException/m/-");
    let kinds = "SELECT count(DISTINCT CASE WHEN json_valid(raw_body) THEN 'json' ELSE substr(raw_body, 1, 5) END) FROM attempts";
    assert_ne!(shell::read(&journal, kinds), "1", "no odd body");
    let before = std::fs::read(&journal).unwrap();
    query_agrees(&mut bench, std::slice::from_ref(&journal));
    let missing = alike(std::slice::from_ref(&journal));
    assert!(before == std::fs::read(&journal).unwrap(), "a reader changed the journal");
    all_were_there(&missing);
}

/// A body that is no JSON hides what it would say, and nothing else; a view that cannot be read at all would hide everything
/// from whoever looks into an altered journal.
fn a_body_that_is_no_json_breaks_no_view() {
    shell::needs("sqlite3");
    let mut bench = journal_of_everything();
    let count = |journal: &Path, view: &str| shell::read(journal, &format!("SELECT count(*) FROM {view}"));
    let values: Vec<String> =
        NO_ENTRIES.iter().enumerate().map(|(n, body)| format!("({n}, '{}')", body.replace('\'', "''"))).collect();
    let (all, values) = (values.len(), values.join(", "));
    // Each entry has another of these bodies in each journal, or its own.
    let journals = [0, 5, 10].map(|shift| {
        let sql = format!(
            "{CRAFTED}; WITH odd (n, body) AS (VALUES {values}) UPDATE entry \
             SET body = (SELECT odd.body FROM odd WHERE odd.n = (seq + {shift}) % {all}) WHERE seq % 4 > 0"
        );
        let journal = copy(&bench, &format!("odd{shift}.db"), &sql);
        for view in ["intents", "attempts", "errors", "checkpoints"] {
            assert_eq!(count(&journal, view), count(&bench.journal(), view), "{view}");
        }
        assert_eq!(count(&journal, "entries"), count(&journal, "entry"));
        journal
    });
    query_agrees(&mut bench, &journals);
    all_were_there(&alike(&journals));
}

crate::harness::tests![every_reader_sees_the_same_values, a_body_that_is_no_json_breaks_no_view];
