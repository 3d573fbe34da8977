//! `export` as a file: its formats, its filters, the head beside it, and what is refused.

use std::path::PathBuf;

use parquet::basic::{LogicalType, TimeUnit, Type};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::Value;

use crate::support::{Act, Bench, Done, Live, binary};

const FORMATS: [&str; 6] = ["csv", "jsonl", "json", "parquet", "sqlite", "xlsx"];

/// A finished run: two rows deleted, one refused, one absent.
fn a_run() -> Bench {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    bench.world.always("DeleteKeyPair", &names[1], Act::denied().saying("=1+1"));
    let rows = "key-01,=1+1,007\nkey-02,,null\nkey-03,c,NA\nnever-was,d,1e5\n";
    let manifest = bench.file("rows.csv", format!("key_pair_name,note,code\n{rows}"));
    bench.run(&manifest, &[]).exits(3);
    std::fs::create_dir(bench.home().join("out")).unwrap();
    bench
}

fn exported(bench: &Bench, format: &str, name: &str, more: &[&str]) -> (Done, PathBuf) {
    let path = bench.home().join("out").join(name);
    let to = path.display().to_string();
    let args = [&["export", "latest", "--output", format, "-o", &to], more].concat();
    (bench.keybatch(&args), path)
}

/// What is in the directory of the exports.
fn files(bench: &Bench) -> Vec<String> {
    let listed = std::fs::read_dir(bench.home().join("out")).unwrap();
    let mut names: Vec<_> = listed.map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn rows_of(path: &PathBuf) -> Vec<Row> {
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    reader.get_row_iter(None).unwrap().map(Result::unwrap).collect()
}

fn text(row: &Row, name: &str) -> Option<String> {
    let (_, field) = row.get_column_iter().find(|(column, _)| *column == name).unwrap();
    match field {
        Field::Str(text) => Some(text.clone()),
        Field::Null => None,
        other => panic!("{name} is {other:?}"),
    }
}

fn names(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| text(row, "key_pair_name").unwrap()).collect()
}

// SEMANTICS: P126
#[test]
fn equal_exports_are_equal_files_with_the_head_beside_them() {
    let bench = a_run();
    let head = bench.keybatch(&["checkpoint"]).exits(0).stdout;
    for format in FORMATS {
        let (done, one) = exported(&bench, format, &format!("one.{format}"), &[]);
        assert!(done.exits(0).stderr.contains("4 rows written"), "{format}");
        let (done, two) = exported(&bench, format, &format!("two.{format}"), &[]);
        done.exits(0);
        assert!(std::fs::read(&one).unwrap() == std::fs::read(&two).unwrap(), "{format} differs");
        let beside = one.with_file_name(format!("one.{format}.checkpoint"));
        assert_eq!(std::fs::read_to_string(&beside).unwrap(), head, "{format}");
        let beside = beside.display().to_string();
        bench.keybatch(&["verify", "--checkpoint", &beside, "--require-checkpoint"]).exits(0);
    }
    // No log, no scratch file, nothing unfinished.
    assert_eq!(files(&bench).len(), 4 * FORMATS.len(), "{:?}", files(&bench));
}

#[test]
fn a_parquet_file_has_plain_strings_times_in_utc_and_the_head_inside() {
    let bench = a_run();
    let (done, path) = exported(&bench, "parquet", "rows.parquet", &[]);
    done.exits(0);
    let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    let metadata = reader.metadata().file_metadata();
    let kind = |name: &str| {
        let columns = metadata.schema_descr().columns();
        let column = columns.iter().find(|column| column.name() == name).unwrap();
        (column.physical_type(), column.logical_type_ref().cloned(), column.self_type().is_optional())
    };
    for word in
        ["key_pair_name", "note", "code", "outcome", "evidence", "account_id", "request_id", "run_id", "endpoint"]
    {
        assert_eq!(kind(word), (Type::BYTE_ARRAY, Some(LogicalType::String), true), "{word}");
    }
    for time in ["created_at", "attempted_at", "settled_at"] {
        assert_eq!(kind(time), (Type::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS)), true), "{time}");
    }
    // Readers make fractions of whole numbers that may be absent.
    assert_eq!((kind("attempts"), kind("row_no")), ((Type::INT64, None, false), (Type::INT64, None, false)));
    assert_eq!(kind("sandbox"), (Type::BOOLEAN, None, false));
    let inside = metadata.key_value_metadata().unwrap();
    let value = |name: &str| inside.iter().find(|pair| pair.key == format!("keybatch.{name}")).unwrap().value.clone();
    let head = bench.keybatch(&["checkpoint"]).exits(0).stdout;
    assert_eq!(value("checkpoint").unwrap().trim(), head.trim());
    assert_eq!((value("complete"), value("rows")), (Some("true".into()), Some("4".into())));
    let rows = rows_of(&path);
    let codes: Vec<_> = rows.iter().map(|row| text(row, "code").unwrap()).collect();
    assert_eq!(codes, ["007", "null", "NA", "1e5"], "texts stay texts");
    assert_eq!((text(&rows[0], "note").as_deref(), text(&rows[1], "note")), (Some("=1+1"), None), "verbatim");
    assert_eq!(text(&rows[1], "error_message").as_deref(), Some("=1+1"));
}

#[test]
fn filters_choose_rows_in_every_format() {
    let bench = a_run();
    let of = |more: &[&str]| {
        let name = format!("{}.parquet", more.join("_").replace([':', '/'], "_"));
        let (done, path) = exported(&bench, "parquet", &name, more);
        done.exits(0);
        let csv = bench.keybatch(&[&["export", "latest"], more].concat()).exits(0).stdout;
        let jsonl = bench.keybatch(&[&["export", "latest", "--output", "jsonl"], more].concat()).exits(0).stdout;
        let found = names(&rows_of(&path));
        let by_csv: Vec<_> =
            csv::Reader::from_reader(csv.as_bytes()).records().map(|row| row.unwrap()[0].to_owned()).collect();
        let by_json = jsonl.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["key_pair_name"].clone());
        assert_eq!(by_csv, found, "{more:?}");
        assert_eq!(by_json.collect::<Vec<_>>(), found, "{more:?}");
        found
    };
    assert_eq!(of(&["--outcome", "failed,absent"]), ["key-02", "never-was"]);
    assert_eq!(of(&["--name", "key-03"]), ["key-03"]);
    assert_eq!(of(&["--name", "key-03", "--outcome", "failed"]), [""; 0]);
    assert_eq!(of(&["--since", "1h"]).len(), 4);
    assert_eq!(of(&["--since", "2200-01-01"]).len(), 0);
    assert_eq!(of(&["--until", "2200-01-01"]).len(), 4);
    let settled = bench.query("SELECT settled_at FROM intents WHERE key_pair_name = 'key-03'");
    let at = settled[0]["settled_at"].as_str().unwrap();
    let (since, until) = (of(&["--since", at]), of(&["--until", at]));
    assert!(since.contains(&"key-03".to_owned()) && !until.contains(&"key-03".to_owned()), "{since:?} {until:?}");
    assert_eq!(since.len() + until.len(), 4, "each row is before or after");
    for format in FORMATS {
        let (done, path) = exported(&bench, format, &format!("none.{format}"), &["--outcome", "gone"]);
        assert!(done.exits(0).stderr.contains("0 rows written"), "{format}");
        assert!(path.exists(), "{format}");
    }
    let json = std::fs::read_to_string(bench.home().join("out/none.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), Value::Array(Vec::new()));
}

#[test]
fn what_cannot_be_exported_is_refused_and_leaves_nothing() {
    let bench = a_run();
    for format in ["parquet", "sqlite", "xlsx"] {
        let done = bench.keybatch(&["export", "latest", "--output", format]).exits(2);
        assert!(done.stderr.contains(&format!("-o rows.{format}")) && done.stdout.is_empty(), "{done}");
        for command in ["runs", "log", "verify"] {
            let done = bench.keybatch(&[command, "--output", format]).exits(2);
            assert!(done.stderr.contains("only `export` writes it") && done.stderr.contains("table, json"), "{done}");
        }
    }
    let done = bench.keybatch(&["export", "latest", "--outcome", "lost"]).exits(2);
    assert!(done.stderr.contains("in_doubt"), "{done}");
    // Neither the export nor its checkpoint replaces a file.
    for taken in ["rows.csv", "other.csv.checkpoint"] {
        std::fs::write(bench.home().join("out").join(taken), "mine").unwrap();
        let (done, path) = exported(&bench, "csv", taken.trim_end_matches(".checkpoint"), &[]);
        assert!(done.exits(2).stderr.contains("already exists"), "{taken}");
        assert_eq!(std::fs::read_to_string(bench.home().join("out").join(taken)).unwrap(), "mine");
        assert_eq!(path.exists(), taken == "rows.csv");
    }
    let (done, _) = exported(&bench, "xlsx", "no/such/folder.xlsx", &[]);
    done.exits(9);
    assert_eq!(files(&bench), ["other.csv.checkpoint", "rows.csv"]);
}

/// A kill between the two files of an export leaves the head alone. It is in nobody's way; what may be more than that is.
#[test]
fn the_head_that_a_killed_export_left_is_replaced_and_no_other_checkpoint_is() {
    let bench = a_run();
    let beside = bench.home().join("out/rows.csv.checkpoint");
    let head = || bench.keybatch(&["checkpoint"]).exits(0).stdout;
    let old = head();
    std::fs::write(&beside, &old).unwrap();
    bench.run(&bench.manifest(&bench.world.keys("more", 2)), &[]).exits(0);
    let new = head();
    assert_ne!(old, new);
    let (done, rows) = exported(&bench, "csv", "rows.csv", &[]);
    done.exits(0);
    assert_eq!(std::fs::read_to_string(&beside).unwrap(), new, "the head of this export");
    assert!(std::fs::read_to_string(&rows).unwrap().contains("more-01"));
    assert_eq!(files(&bench), ["rows.csv", "rows.csv.checkpoint"], "and nothing else stays");
    bench.keybatch(&["verify", "--checkpoint", beside.to_str().unwrap(), "--require-checkpoint"]).exits(0);
    std::fs::remove_file(&rows).unwrap();
    // What shows that entries are missing or were rewritten, is of another journal, or is signed, is kept.
    let lines: Vec<_> = new.lines().collect();
    let ahead = format!("{}\n{}\n{}\n\n", lines[0], lines[1].parse::<u64>().unwrap() + 1, lines[2]);
    let forked = format!("{}\n{}\n{}\n\n", lines[0], old.lines().nth(1).unwrap(), lines[2]);
    let foreign = old.replace("keybatch/", "keybatch/f");
    let signed = format!("{old}-----BEGIN SSH SIGNATURE-----\n");
    let several = format!("{old}{new}");
    for kept in [ahead, forked, foreign, signed, several, "mine".into(), String::new()] {
        std::fs::write(&beside, &kept).unwrap();
        let (done, _) = exported(&bench, "csv", "rows.csv", &[]);
        assert!(done.exits(2).stderr.contains("already exists"), "{kept}");
        assert_eq!(std::fs::read_to_string(&beside).unwrap(), kept);
        assert_eq!(files(&bench), ["rows.csv.checkpoint"]);
    }
}

/// The library that writes workbooks panics where a file cannot grow. Nobody sees that.
#[test]
fn a_workbook_that_does_not_fit_on_the_disk_is_an_error_in_our_words_and_leaves_nothing() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 40);
    let rows: String = names.iter().map(|name| format!("{name},{}\n", "x".repeat(30_000))).collect();
    let manifest = bench.file("rows.csv", format!("key_pair_name,note\n{rows}"));
    bench.run(&manifest, &[]).exits(0);
    std::fs::create_dir(bench.home().join("out")).unwrap();
    let to = bench.home().join("out/rows.xlsx").display().to_string();
    let export = |limit: &str| {
        // As on a full disk, a write fails; the signal that comes with this limit is ignored, and stays so.
        let script = "trap '' XFSZ; ulimit -f \"$1\"; shift; exec \"$@\"";
        let export = ["export", "latest", "--output", "xlsx", "-o", &to, "--journal"];
        let journal = bench.journal().display().to_string();
        let args = [&["-c", script, "sh", limit, binary()], &export[..], &[&journal]].concat();
        Live::of(bench.command_of("sh", &args).spawn().unwrap()).wait()
    };
    let done = export("500").exits(9);
    assert!(!done.stderr.contains("panicked") && !done.stderr.contains("src/"), "{done}");
    assert!(done.stderr.contains("rows.xlsx could not be written") && done.stderr.contains("free space"), "{done}");
    assert_eq!(files(&bench), [""; 0]);
    export("unlimited").exits(0);
}

/// The format may stand before the command, in a variable, or in a file of settings, as that of every command.
#[test]
fn the_format_of_an_export_is_named_like_any_other() {
    let mut bench = a_run();
    let to = |name: &str| bench.home().join("out").join(name).display().to_string();
    let (before, by_variable) = (to("before.parquet"), to("variable.parquet"));
    bench.keybatch(&["--output", "parquet", "export", "latest", "-o", &before]).exits(0);
    bench.set("KEYBATCH_OUTPUT", "parquet");
    bench.keybatch(&["export", "latest", "-o", &by_variable]).exits(0);
    assert!(std::fs::read(before).unwrap() == std::fs::read(by_variable).unwrap());
    assert!(bench.keybatch(&["runs"]).exits(2).stderr.contains("only `export`"));
}

#[test]
fn a_cell_that_is_too_long_for_xlsx_is_named_and_no_file_is_left() {
    let bench = Bench::new();
    bench.world.keys("key", 1);
    let manifest = bench.file("rows.csv", format!("key_pair_name,note\nkey-01,{}\n", "x".repeat(32_768)));
    bench.run(&manifest, &[]).exits(0);
    std::fs::create_dir(bench.home().join("out")).unwrap();
    let (done, _) = exported(&bench, "xlsx", "rows.xlsx", &[]);
    let done = done.exits(2);
    assert!(done.stderr.contains("\"note\" of row 1") && done.stderr.contains("32767"), "{done}");
    assert_eq!(files(&bench), [""; 0]);
    exported(&bench, "parquet", "rows.parquet", &[]).0.exits(0);
}

/// A kill leaves nothing under the final name, and at most a file that says that it is unfinished.
#[test]
fn a_killed_export_leaves_no_file_of_its_name() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 400);
    bench.run(&bench.manifest(&names), &["--dry-run"]).exits(0);
    bench.run(&bench.manifest(&names), &["--max-deletes", "1"]).exits(5);
    std::fs::create_dir(bench.home().join("out")).unwrap();
    let to = bench.home().join("out/rows.sqlite").display().to_string();
    for wait in [1, 20, 40, 60, 80] {
        let live = bench.spawn(&["export", "latest", "--output", "sqlite", "-o", &to]);
        std::thread::sleep(std::time::Duration::from_millis(wait));
        let done = live.kill();
        if done.code == Some(0) {
            break;
        }
        let left = files(&bench);
        let is_no_export = |name: &String| name.ends_with(".unfinished") || name.ends_with(".checkpoint");
        assert!(left.iter().all(is_no_export), "{left:?}");
        std::fs::remove_dir_all(bench.home().join("out")).unwrap();
        std::fs::create_dir(bench.home().join("out")).unwrap();
    }
}
