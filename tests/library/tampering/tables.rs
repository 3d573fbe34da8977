//! The tables that are derived from the entries, cell by cell and row by row, and the head.

use keybatch::journal::sqlite::{Replay, Snapshot};
use keybatch::journal::{PROJECTIONS, SUMMED};
use keybatch::record::Entry;
use keybatch::verify::Verdict;
use sqlx::Row as _;

use super::sample::{Copy, bodies, column, raw, run, sample, whole};
use crate::story::{Place, story};

/// As many drafts of the story leave an attempt in flight, and rows without an outcome.
const IN_THE_MIDDLE: usize = 44;

/// Whether the large tables add up to what the entries say.
async fn add_up(copy: &Copy) -> bool {
    let mut replay = Replay::create(copy.path().parent().unwrap(), "sums").await.unwrap();
    replay.hide().await.unwrap();
    let entries: Vec<Entry> = bodies(&copy.path()).await.iter().map(|body| Entry::parse(body).unwrap()).collect();
    for page in entries.chunks(7) {
        replay.project(page).await.unwrap();
    }
    let mut snapshot = Snapshot::open(&copy.path()).await.unwrap();
    snapshot.begin().await.unwrap();
    let agrees = snapshot.agrees_with(&replay).await.unwrap();
    snapshot.end().await;
    agrees
}

/// (name, whether it is a text) of the columns of a table.
async fn columns(copy: &Copy, table: &str) -> Vec<(String, bool)> {
    let mut connection = raw(&copy.path()).await;
    let query = sqlx::query("SELECT name, type = 'TEXT' FROM pragma_table_info(?)").bind(table);
    query.fetch_all(&mut connection).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[test]
fn every_cell_of_every_projection_is_compared() {
    let copy = Copy::new();
    let mut count = 0;
    for table in PROJECTIONS {
        let columns = run(columns(&copy, table));
        assert!(!columns.is_empty(), "{table}");
        for (name, is_text) in columns {
            // The first and the last row by this column; a null becomes something, something becomes something else.
            for order in if whole() { &["ASC", "DESC"][..] } else { &["DESC"] } {
                let other = if is_text { "'x' ||" } else { "7777 +" };
                let set = format!("{name} = {other} coalesce({name}, {})", if is_text { "''" } else { "0" });
                let keys = run(column(
                    &copy.path(),
                    &format!("SELECT group_concat(name) FROM pragma_table_info('{table}') WHERE pk > 0"),
                ));
                let key = &keys[0];
                let row = format!("({key}) = (SELECT {key} FROM {table} ORDER BY {name} {order} LIMIT 1)");
                copy.put(&sample().file);
                run(copy.tamper(&format!("UPDATE {table} SET {set} WHERE {row}")));
                let report = run(copy.verify());
                assert_eq!(report.verdict, Verdict::ProjectionMismatch, "{table}.{name}: {report:?}");
                assert!(report.detail.contains(table) && report.expected != report.found, "{report:?}");
                assert_eq!(run(add_up(&copy)), !SUMMED.contains(&table), "{table}.{name}");
                count += 1;
            }
        }
    }
    eprintln!("{count} cells of projections");
}

#[test]
fn rows_of_projections_are_counted() {
    let copy = Copy::new();
    let mut count = 0;
    for table in PROJECTIONS {
        let columns = run(columns(&copy, table));
        let first = &columns[0].0;
        let rows: usize =
            run(column(&copy.path(), &format!("SELECT CAST(count(*) AS TEXT) FROM {table}")))[0].parse().unwrap();
        assert!(rows > 0, "{table} is in use");
        let keys = run(column(
            &copy.path(),
            &format!("SELECT group_concat(name) FROM pragma_table_info('{table}') WHERE pk > 0"),
        ));
        let key = &keys[0];
        let mut cases: Vec<String> = (0..rows)
            .step_by(if whole() { 1 } else { 9 })
            .map(|row| format!("DELETE FROM {table} WHERE ({key}) = (SELECT {key} FROM {table} LIMIT 1 OFFSET {row})"))
            .collect();
        cases.push(format!("DELETE FROM {table}"));
        let others: Vec<&str> = columns.iter().skip(1).map(|(name, _)| name.as_str()).collect();
        let rest = others.join(", ");
        let new = if columns[0].1 { format!("'x' || {first}") } else { format!("8888 + {first}") };
        // These have something else that is unique.
        let rest = match table {
            "run" => rest.replacen("run_id", "'x'", 1),
            "target" => rest.replacen("account_id", "'x'", 1),
            _ => rest,
        };
        cases.push(format!("INSERT INTO {table} SELECT {new}, {rest} FROM {table} LIMIT 1"));
        for statements in cases {
            copy.put(&sample().file);
            run(copy.tamper(&statements));
            let report = run(copy.verify());
            assert_eq!(report.verdict, Verdict::ProjectionMismatch, "{statements}: {report:?}");
            assert_eq!(run(add_up(&copy)), !SUMMED.contains(&table), "{statements}");
            count += 1;
        }
    }
    eprintln!("{count} rows of projections removed or added");
}

#[test]
fn the_large_tables_of_a_sound_journal_add_up() {
    let copy = Copy::new();
    assert!(run(add_up(&copy)));
    // Names that keep a row from being worked on, but not from being recorded.
    for name in ["", " ", "a b  c", "-", ".", "key\u{0}pair", "\u{1f511}\u{e9}", "1", "'"] {
        copy.put(&sample().file);
        let mut bodies = sample().bodies.clone();
        let quoted = serde_json::to_string(name).unwrap();
        for body in &mut bodies {
            *body = body.replace("\"name\":\"key-3\"", &format!("\"name\":{quoted}"));
        }
        assert_ne!(bodies, sample().bodies);
        run(copy.rewrite(&bodies));
        assert!(!run(add_up(&copy)), "{name:?}");
        let hex = super::sample::hex(name.as_bytes());
        run(copy.tamper(&format!(
            "UPDATE intent SET key_pair_name = CAST(x'{hex}' AS TEXT) WHERE key_pair_name = 'key-3'"
        )));
        assert!(run(add_up(&copy)), "{name:?}");
    }
}

#[test]
fn what_only_looks_like_the_same_does_not_add_up() {
    let settled = "UPDATE intent SET settled_seq = NULL, outcome = NULL, evidence = NULL WHERE row_no = 1";
    let cases = [
        "UPDATE intent SET outcome = '' WHERE outcome IS NULL".to_owned(),
        "UPDATE intent SET outcome = '.' WHERE outcome IS NULL".to_owned(),
        "UPDATE intent SET evidence = '', outcome = '' WHERE outcome IS NULL".to_owned(),
        "UPDATE intent SET outcome = outcome || ' ' WHERE outcome IS NOT NULL".to_owned(),
        "UPDATE intent SET verdict = verdict || '.'".to_owned(),
        "UPDATE intent SET verdict = '', outcome = verdict || outcome".to_owned(),
        settled.to_owned(),
        // What one row lost another one has.
        format!(
            "CREATE TEMP TABLE kept AS SELECT settled_seq, outcome, evidence FROM intent WHERE row_no = 1; {settled}; \
             UPDATE intent SET (settled_seq, outcome, evidence) = (SELECT * FROM kept) \
             WHERE outcome IS NULL AND row_no <> 1; DROP TABLE kept"
        ),
        "UPDATE attempt SET class = '' WHERE class IS NULL".to_owned(),
        "UPDATE attempt SET finished_seq = NULL".to_owned(),
        "UPDATE attempt SET (started_seq, finished_seq) = (finished_seq, started_seq) WHERE class IS NOT NULL"
            .to_owned(),
        "UPDATE row_entry SET row_no = row_no + 100, seq = seq - 100".to_owned(),
        "UPDATE intent SET run_no = run_no - 9223372036854775807 - 2".to_owned(),
    ];
    // In the middle of a run: an attempt is in flight, rows have no outcome yet.
    let file = run(async {
        let place = Place::new();
        let journal = place.journal().await;
        for draft in story().into_iter().take(IN_THE_MIDDLE) {
            journal.append(vec![draft]).await.unwrap();
        }
        journal.close().await.unwrap();
        std::fs::read(place.path()).unwrap()
    });
    let copy = Copy::of(&file);
    assert!(run(add_up(&copy)));
    for statements in cases {
        copy.put(&file);
        run(copy.tamper(&statements));
        assert!(!run(add_up(&copy)), "{statements}");
        assert_eq!(run(copy.verify()).verdict, Verdict::ProjectionMismatch, "{statements}");
    }
}

#[test]
fn every_part_of_the_head_is_compared() {
    let cases = [
        ("UPDATE head SET size = size + 1", Verdict::Truncated, true),
        ("UPDATE head SET size = 9223372036854775807", Verdict::Truncated, true),
        ("UPDATE head SET size = size - 1", Verdict::Altered, true),
        ("UPDATE head SET size = 0", Verdict::Altered, true),
        ("UPDATE head SET size = -1", Verdict::Altered, true),
        ("UPDATE head SET root = zeroblob(32)", Verdict::Altered, false),
        ("UPDATE head SET root = x''", Verdict::Altered, false),
        ("UPDATE head SET frontier = zeroblob(length(frontier))", Verdict::Altered, false),
        ("UPDATE head SET frontier = x''", Verdict::Altered, false),
        ("UPDATE head SET frontier = CAST(frontier || x'00' AS BLOB)", Verdict::Altered, false),
        ("UPDATE head SET checkpoint_size = checkpoint_size - 1", Verdict::ProjectionMismatch, false),
        ("UPDATE head SET checkpoint_size = NULL", Verdict::ProjectionMismatch, false),
        ("UPDATE head SET checkpoint_at = '2026-01-01T00:00:00.000000Z'", Verdict::ProjectionMismatch, false),
        ("UPDATE head SET checkpoint_size = NULL, checkpoint_at = NULL", Verdict::ProjectionMismatch, false),
        ("DELETE FROM head", Verdict::Altered, false),
        ("UPDATE head SET id = 1", Verdict::Altered, false),
        ("INSERT INTO head SELECT 1, size, root, frontier, NULL, NULL FROM head", Verdict::Altered, false),
    ];
    let copy = Copy::new();
    for (statements, verdict, named) in cases {
        copy.put(&sample().file);
        run(copy.tamper(statements));
        let report = run(copy.verify());
        assert_eq!((report.verdict, report.first_bad.is_some()), (verdict, named), "{statements}: {report:?}");
        // The entries are those that the checkpoint saw, and that is said; but the journal is not sound.
        let report = run(copy.verify_outside());
        assert_eq!((report.verdict, report.proved_up_to), (verdict, Some(sample().checkpoint.size)), "{report:?}");
    }
}
