//! Exports in the programs that analysts have: each shows the values that the view `intents` has, and all of them the same.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::views::{all_were_there, copy, environment, journal_of_everything, packages};
use crate::shell;
use crate::support::Bench;

/// A reader of `read_exports.py`, the format that it reads, the folder of the environment that comes before its packages, and a file
/// that is there where it is installed.
const READERS: [(&str, &str, &str, &str); 7] = [
    ("sqlite3", "sqlite", "", ""),
    ("duckdb", "parquet", "", "duckdb/__init__.py"),
    ("duckdb", "parquet", "duckdb-next", "duckdb/__init__.py"),
    ("pandas", "parquet", "", "pyarrow/__init__.py"),
    ("pyarrow", "parquet", "", "pyarrow/__init__.py"),
    ("polars", "parquet", "", "polars/__init__.py"),
    ("openpyxl", "xlsx", "", "openpyxl/__init__.py"),
];

/// What the columns that every export has are called in the view.
const COLUMNS: [&str; 19] = [
    "account_id",
    "arn",
    "fingerprint",
    "created_at",
    "outcome",
    "evidence",
    "detail",
    "attempts",
    "operation_id",
    "request_id",
    "error_code",
    "error_message",
    "attempted_at",
    "settled_at",
    "operator",
    "row_no",
    "run_id",
    "sandbox",
    "endpoint",
];

fn export(bench: &Bench, run: &str, format: &str) -> PathBuf {
    let path = bench.home().join(format!("{run}.{format}"));
    bench.keybatch(&["export", run, "--output", format, "-o", &path.display().to_string()]).exits(0);
    path
}

fn read(venv: &Path, library: &Path, reader: &str, path: &Path) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/readers/read_exports.py");
    let mut command = Command::new(venv.join("bin/python3"));
    let done = command
        .env("PYTHONPATH", library)
        .env("TZ", "America/New_York")
        .arg(script)
        .arg(reader)
        .arg(path)
        .output()
        .unwrap();
    let failed = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{reader} of {}\n{failed}", path.display());
    serde_json::from_slice(&done.stdout).unwrap()
}

/// A value of the view as the readers show it: flags as flags, times with as many digits as the format has.
fn expected(column: &str, value: &Value, format: &str) -> Value {
    let is_time = ["created_at", "attempted_at", "settled_at"].contains(&column);
    match (value, format) {
        (Value::Number(flag), "parquet" | "xlsx") if column == "sandbox" => json!(flag.as_i64() == Some(1)),
        (Value::Bool(flag), "sqlite") if column == "sandbox" => json!(i64::from(*flag)),
        (Value::String(text), "parquet" | "xlsx") if is_time => {
            let at: jiff::Timestamp = text.parse().unwrap();
            let at = if format == "xlsx" { at.round(jiff::Unit::Millisecond).unwrap() } else { at };
            json!(format!("{at:.6}"))
        }
        // A spreadsheet has no other empty cell.
        (Value::String(text), _) if text.is_empty() && format == "xlsx" => Value::Null,
        (value, _) => value.clone(),
    }
}

// SEMANTICS: P127
fn every_reader_shows_the_same_export() {
    shell::needs("python3");
    let bench = journal_of_everything();
    let venv = environment();
    let runs = bench.query("SELECT run_id FROM intents GROUP BY run_id");
    assert!(!runs.is_empty());
    let mut missing = Vec::new();
    for run in &runs {
        let run = run["run_id"].as_str().unwrap();
        let rows = bench.query(&format!("SELECT * FROM intents WHERE run_id = '{run}' ORDER BY row_no"));
        for (reader, format, folder, file) in READERS {
            let library = packages(&venv, folder);
            if !library.join(file).exists() {
                missing.push(format!("{folder} {reader}").trim().to_owned());
                continue;
            }
            let path = bench.home().join(format!("{run}.{format}"));
            let path = if path.exists() { path } else { export(&bench, run, format) };
            let seen = read(&venv, &library, reader, &path);
            let who = format!("{reader} {}", seen["version"]);
            let columns: Vec<_> =
                seen["columns"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
            assert_eq!(seen["rows"].as_array().unwrap().len(), rows.len(), "{who}");
            for column in COLUMNS {
                let at = columns
                    .iter()
                    .position(|name| *name == column)
                    .unwrap_or_else(|| panic!("{who}: {column} in {columns:?}"));
                for (row, shown) in rows.iter().zip(seen["rows"].as_array().unwrap()) {
                    assert_eq!(
                        shown[at],
                        expected(column, &row[column], format),
                        "{column} of {} in {who}",
                        row["row_no"]
                    );
                }
            }
            // What the manifest had is there as it was written.
            if let Some(at) = columns.iter().position(|name| *name == "note") {
                for (row, shown) in rows.iter().zip(seen["rows"].as_array().unwrap()) {
                    let note = row["annotations"]
                        .as_str()
                        .map(|text| serde_json::from_str::<Value>(text).unwrap()["note"].clone());
                    assert_eq!(shown[at], note.unwrap_or_default(), "{who}");
                }
            }
        }
    }
    all_were_there(&missing);
}

/// The rows before the damage are a whole file, under a name that nobody takes for the export's.
fn a_damaged_journal_is_exported_as_far_as_it_can_be_read() {
    shell::needs("sqlite3");
    let mut bench = Bench::new();
    let names = bench.world.keys("key", 40);
    bench.run(&bench.manifest(&names), &[]).exits(0);
    let damage = "UPDATE entry SET body = '{}' WHERE seq = (SELECT seq FROM intent WHERE row_no = 31)";
    let journal = copy(&bench, "damaged.db", damage);
    bench.move_journal(journal);
    let csv = bench.keybatch(&["export", "latest"]);
    assert!(!matches!(csv.code, Some(0 | 101) | None), "{csv}");
    assert_eq!(csv.stdout.lines().count(), 31, "{csv}");
    assert!(csv.stderr.contains("the export stops after row 30"), "{csv}");
    let to = bench.home().join("rows.sqlite");
    let done = bench.keybatch(&["export", "latest", "--output", "sqlite", "-o", &to.display().to_string()]);
    assert!(
        done.stderr.contains("the export stops after row 30") && done.stderr.contains("rows.sqlite.partial"),
        "{done}"
    );
    assert!(!to.exists());
    let partial = to.with_file_name("rows.sqlite.partial");
    let said = shell::read(&partial, "SELECT count(*) FROM rows; SELECT value FROM export WHERE name = 'complete'");
    assert_eq!(said, "30\nfalse");
}

crate::harness::tests![every_reader_shows_the_same_export, a_damaged_journal_is_exported_as_far_as_it_can_be_read];
