//! The tables that are derived from entries: whatever is changed in one of them is found when they are rebuilt.

use keybatch::journal::projections::{TABLES, Table};
use keybatch::journal::{EntryStore as _, PROJECTIONS, Replay, SUMMED, Snapshot};
use keybatch::record::Entry;
use sqlx::Row as _;

use super::Postgres;
use super::server::Database;
use crate::conformance::histories::{closed, history, write};
use crate::harness::tests;

tests![; async the_tables_are_those_of_the_migrations, every_changed_value_of_a_projection_is_found,
    rows_that_are_missing_or_too_many_are_found, damage_among_the_entries_is_read_page_by_page];

async fn filled() -> Postgres {
    let place = Postgres::new().await;
    for seed in 0..4 {
        let mut store = place.store(super::clock_at(seed)).await;
        write(&mut store, history(seed)).await;
        store.append(vec![keybatch::journal::checkpoint_draft(), closed(1)], None).await.unwrap();
        store.close().await.unwrap();
    }
    place
}

/// The snapshot and what was rebuilt of all entries, with their rows where `rows` says so.
async fn rebuilt(place: &Postgres, rows: bool) -> (Box<dyn Snapshot>, Box<dyn Replay>) {
    let scratch = tempfile::tempdir().unwrap();
    let mut snapshot = place.snapshot().await;
    let mut replay = snapshot.replay(scratch.path(), "r").await.unwrap();
    for pass in 0..=u8::from(rows) {
        snapshot.begin().await.unwrap();
        let mut next = 0;
        loop {
            let page = snapshot.page(next).await.unwrap();
            let Some(last) = page.last() else { break };
            let parsed = page.entries().map(|(_, body, _)| Entry::parse(std::str::from_utf8(body).unwrap()).unwrap());
            let parsed: Vec<_> = parsed.collect();
            if pass == 0 {
                replay.project(&parsed).await.unwrap();
            } else {
                replay.project_rows(&parsed).await.unwrap();
            }
            next = last + 1;
        }
    }
    (snapshot, replay)
}

/// The tables that differ, and whether the sums of the large ones agree.
async fn found(place: &Postgres) -> (Vec<&'static str>, bool) {
    let (mut snapshot, replay) = rebuilt(place, true).await;
    let agrees = snapshot.agrees_with(&*replay).await.unwrap();
    replay.finish().await.unwrap();
    let mut differ = Vec::new();
    for table in PROJECTIONS {
        let difference = snapshot.first_difference(table).await.unwrap();
        if let Some((here, there)) = difference {
            assert_ne!(here, there);
            differ.push(table);
        }
    }
    snapshot.end().await;
    (differ, agrees)
}

async fn the_tables_are_those_of_the_migrations() {
    let database = Database::with_schema().await;
    for Table { name, columns, key } in &TABLES {
        let sql = format!(
            "SELECT attname::text, attnum = ANY (conkey) FROM pg_attribute JOIN pg_constraint ON conrelid = attrelid AND contype = 'p' \
             WHERE attrelid = 'keybatch.{name}'::regclass AND attnum > 0 ORDER BY attnum"
        );
        let rows = database.sql(&sql).await.unwrap();
        let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(names, *columns);
        let keys = rows.iter().map(|row| row.get::<bool, _>(1));
        assert!(keys.eq((0..columns.len()).map(|place| place < *key)), "{name}");
    }
}

async fn every_changed_value_of_a_projection_is_found() {
    let place = filled().await;
    assert_eq!(found(&place).await, (vec![], true));
    let connection = &mut place.database.connect(super::server::ADMIN).await;
    // Nothing keeps the owner from this.
    super::server::run(connection, "SET session_replication_role = replica").await.unwrap();
    for table in &TABLES {
        super::server::run(
            connection,
            &format!("CREATE TEMP TABLE kept_{0} AS SELECT * FROM keybatch.{0}", table.name),
        )
        .await
        .unwrap();
        let triggers = format!("ALTER TABLE keybatch.{} DISABLE TRIGGER ALL", table.name);
        super::server::run(connection, &triggers).await.unwrap();
    }
    let mut count = 0;
    for table in &TABLES {
        for column in table.columns {
            let value = match *column {
                "state" => "'planning'",
                "verdict" => "CASE verdict WHEN 'delete' THEN 'skip' ELSE 'delete' END",
                "is_limit" | "sandbox" => "9",
                _ => &*format!("CASE WHEN {column} IS NULL THEN '9'::{} END", column_type(table, column)),
            };
            // The last row has most of the columns; where one cannot be null, it becomes another value.
            let row =
                format!("ctid = (SELECT ctid FROM keybatch.{0} ORDER BY {column} DESC NULLS LAST LIMIT 1)", table.name);
            let set = async |connection: &mut _, value: &str| {
                let sql = format!("UPDATE keybatch.{} SET {column} = {value} WHERE {row}", table.name);
                super::server::run(connection, &sql).await
            };
            let changed = set(connection, value).await;
            if changed.is_err() {
                let other = format!("(SELECT ({column}::text || '9')::{})", column_type(table, column));
                set(connection, &other).await.unwrap();
            }
            let (differ, agrees) = found(&place).await;
            assert_eq!(differ, [table.name], "{column}");
            assert_eq!(agrees, !SUMMED.contains(&table.name), "{}.{column}", table.name);
            let back = format!("DELETE FROM keybatch.{0}; INSERT INTO keybatch.{0} SELECT * FROM kept_{0}", table.name);
            super::server::run(connection, &back).await.unwrap();
            count += 1;
        }
    }
    assert_eq!(found(&place).await, (vec![], true), "{count} values were changed and put back");
}

fn column_type(table: &Table, column: &str) -> &'static str {
    let texts = [
        "run_id",
        "stopped_by",
        "started_at",
        "finished_at",
        "manifest",
        "manifest_sha256",
        "plan_root",
        "account_id",
        "principal_arn",
        "operator",
        "endpoint",
        "reason",
        "ticket",
        "region",
        "key_pair_name",
        "outcome",
        "evidence",
        "class",
        "kind",
        "rate_per_s",
        "root",
        "made_at",
    ];
    if texts.contains(&column) && table.columns.contains(&column) { "text" } else { "bigint" }
}

async fn rows_that_are_missing_or_too_many_are_found() {
    let place = filled().await;
    let connection = &mut place.database.connect(super::server::ADMIN).await;
    super::server::run(connection, "SET session_replication_role = replica").await.unwrap();
    for table in &TABLES {
        let name = table.name;
        let prepare = format!(
            "ALTER TABLE keybatch.{name} DISABLE TRIGGER ALL; CREATE TEMP TABLE kept AS SELECT * FROM keybatch.{name}"
        );
        super::server::run(connection, &prepare).await.unwrap();
        let first = format!("ctid = (SELECT ctid FROM keybatch.{name} LIMIT 1)");
        let keyless = format!(
            "ALTER TABLE keybatch.{name} DROP CONSTRAINT {name}_pkey CASCADE; \
             INSERT INTO keybatch.{name} SELECT * FROM kept LIMIT 1"
        );
        let cases = [
            format!("DELETE FROM keybatch.{name} WHERE {first}"),
            format!("DELETE FROM keybatch.{name}"),
            format!("UPDATE keybatch.{name} SET {0} = {1} WHERE {first}", table.columns[0], other_key(table)),
            // The table of runs has another key that keeps this out.
            if name == "run" || name == "target" { "DELETE FROM keybatch.run WHERE false".into() } else { keyless },
        ];
        for (number, case) in cases.iter().enumerate() {
            super::server::run(connection, case).await.unwrap();
            let (differ, agrees) = found(&place).await;
            let is_changed = !case.ends_with("false");
            assert_eq!(differ, if is_changed { vec![name] } else { vec![] }, "{number}: {case}");
            assert_eq!(agrees, !(is_changed && SUMMED.contains(&name)), "{case}");
            let back = format!("DELETE FROM keybatch.{name}; INSERT INTO keybatch.{name} SELECT * FROM kept");
            super::server::run(connection, &back).await.unwrap();
        }
        super::server::run(connection, "DROP TABLE kept").await.unwrap();
    }
}

fn other_key(table: &Table) -> &'static str {
    if table.name == "rate" { "'another'" } else { "8888" }
}

/// A gap, an entry that is no text of ours, and a leaf that is none.
async fn damage_among_the_entries_is_read_page_by_page() {
    let place = filled().await;
    let sql = "SET session_replication_role = replica; ALTER TABLE keybatch.entry DISABLE TRIGGER ALL; \
               ALTER TABLE keybatch.entry DROP CONSTRAINT entry_leaf_check; ALTER TABLE keybatch.entry ALTER leaf DROP NOT NULL; \
               ALTER TABLE keybatch.entry ALTER body DROP NOT NULL; \
               DELETE FROM keybatch.entry WHERE seq = 20; UPDATE keybatch.entry SET leaf = 'x' WHERE seq = 22; \
               UPDATE keybatch.entry SET leaf = NULL, body = NULL WHERE seq = 25";
    place.database.sql(sql).await.unwrap();
    let mut snapshot = place.snapshot().await;
    snapshot.begin().await.unwrap();
    let (mut next, mut seqs, mut strange) = (0, Vec::new(), Vec::new());
    loop {
        let page = snapshot.page(next).await.unwrap();
        let Some(last) = page.last() else { break };
        for (seq, body, leaf) in page.entries() {
            seqs.push(seq);
            if leaf == [0; 32] {
                strange.push((seq, body.is_empty()));
            }
        }
        next = last + 1;
    }
    let head = snapshot.head().await.unwrap().unwrap();
    assert!(seqs.iter().copied().eq((0..head.size).filter(|seq| *seq != 20)));
    assert_eq!(strange, [(22, false), (25, true)]);
    snapshot.end().await;
}
