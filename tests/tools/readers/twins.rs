//! The reviewer's views in PostgreSQL: every value of every column is, as text, the one that SQLite's views show of the same tables,
//! also where an entry's body is no JSON.

use std::collections::BTreeMap;
use std::path::Path;

use fastrand::Rng;
use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::views::{CRAFTED, NO_ENTRIES, VIEWS, copy, journal_of_everything};
use crate::postgres::{ADMIN, Database};
use crate::shell;

/// The tables, each behind those that it refers to.
const TABLES: [&str; 11] = [
    "entry",
    "head",
    "checkpoint",
    "run",
    "target",
    "intent",
    "attempt",
    "row_entry",
    "milestone",
    "rate",
    "resolution",
];

/// What SQLite's shell shows of a statement.
fn shown(journal: &Path, sql: &str) -> Vec<Map<String, Value>> {
    let shown = shell::read(journal, &format!(".mode json\n{sql}"));
    if shown.is_empty() { Vec::new() } else { serde_json::from_str(&shown).unwrap() }
}

/// Puts the tables of a journal in SQLite into an empty one in PostgreSQL.
async fn bring(journal: &Path, into: &mut PgConnection) {
    // Its row is there from the beginning.
    sqlx::raw_sql("ALTER TABLE keybatch.head DISABLE TRIGGER ALL; DELETE FROM keybatch.head")
        .execute(&mut *into)
        .await
        .unwrap();
    for table in TABLES {
        let columns: Vec<String> = shown(journal, &format!("SELECT name, type FROM pragma_table_info('{table}')"))
            .iter()
            .map(|column| {
                let name = column["name"].as_str().unwrap();
                if column["type"] == "BLOB" { format!("'\\x' || hex({name}) AS {name}") } else { name.to_owned() }
            })
            .collect();
        let rows = shown(journal, &format!("SELECT {} FROM {table}", columns.join(", ")));
        let sql = format!(
            "INSERT INTO keybatch.{table} SELECT * FROM json_populate_recordset(NULL::keybatch.{table}, $1::json)"
        );
        let rows = serde_json::to_string(&rows).unwrap();
        sqlx::query(AssertSqlSafe(sql)).bind(rows).execute(&mut *into).await.unwrap();
    }
}

/// Names and values in their order, with numbers as text.
fn as_text(row: &str) -> Vec<(String, Option<String>)> {
    let row: BTreeMap<String, Value> = serde_json::from_str(row).unwrap();
    let text = |value: Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    row.into_iter().map(|(name, value)| (name, text(value))).collect()
}

fn sorted(rows: impl Iterator<Item = String>) -> Vec<Vec<(String, Option<String>)>> {
    let mut rows: Vec<_> = rows.map(|row| as_text(&row)).collect();
    rows.sort();
    rows
}

async fn names(connection: &mut PgConnection, view: &str) -> Vec<String> {
    let sql = "SELECT attname::text FROM pg_attribute WHERE attrelid = ('keybatch.' || $1)::regclass ORDER BY attnum";
    let rows = sqlx::query(sql).bind(view).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Compares all views of a journal.
async fn are_the_same(journal: &Path) {
    let database = Database::with_schema().await;
    let mut connection = database.connect(ADMIN).await;
    bring(journal, &mut connection).await;
    for view in VIEWS.into_iter().chain(["row_outcome"]) {
        let columns = shown(journal, &format!("SELECT name FROM pragma_table_info('{view}')"));
        let columns: Vec<_> = columns.iter().map(|column| column["name"].as_str().unwrap().to_owned()).collect();
        assert_eq!(names(&mut connection, view).await, columns, "{view}");
        let sql = format!("SELECT row_to_json(v)::text FROM keybatch.{view} AS v");
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
        let found = sorted(rows.iter().map(|row| row.get(0)));
        let expected = sorted(
            shown(journal, &format!("SELECT * FROM {view}")).into_iter().map(|row| Value::Object(row).to_string()),
        );
        assert_eq!(found.len(), expected.len(), "{view} of {}", journal.display());
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{view} of {}", journal.display());
        }
    }
    connection.close().await.unwrap();
}

/// Columns hold numbers or texts, and texts are compared by their bytes, whatever the database's own rules are.
async fn columns_are_whole_numbers_or_texts_that_compare_by_bytes() {
    let database = Database::with_schema().await;
    let mut connection = database.connect(ADMIN).await;
    let sql = "SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, NULL) || coalesce(' ' || l.collname, '') \
               FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid LEFT JOIN pg_collation AS l ON l.oid = a.attcollation \
               WHERE c.relkind = 'v' AND c.relnamespace = 'keybatch'::regnamespace AND NOT \
               (a.atttypid = 'bigint'::regtype OR (a.atttypid = 'text'::regtype AND l.collname = 'C'))";
    let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
    let others: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(others, Vec::<String>::new());
    connection.close().await.unwrap();
}

fn every_view_shows_in_postgresql_what_it_shows_in_sqlite() {
    shell::needs("sqlite3");
    let bench = journal_of_everything();
    let journal = copy(&bench, "all.db", CRAFTED);
    crate::harness::wait_for(are_the_same(&journal));
}

fn a_body_that_is_no_json_breaks_no_view_in_postgresql() {
    shell::needs("sqlite3");
    let bench = journal_of_everything();
    let values: Vec<String> =
        NO_ENTRIES.iter().enumerate().map(|(n, body)| format!("({n}, '{}')", body.replace('\'', "''"))).collect();
    let (all, values) = (values.len(), values.join(", "));
    for shift in [0, 5, 10] {
        let sql = format!(
            "{CRAFTED}; WITH odd (n, body) AS (VALUES {values}) UPDATE entry \
             SET body = (SELECT odd.body FROM odd WHERE odd.n = (seq + {shift}) % {all}) WHERE seq % 4 > 0"
        );
        crate::harness::wait_for(are_the_same(&copy(&bench, &format!("odd{shift}.db"), &sql)));
    }
}

/// Changes a member of an object, at any depth, also in JSON that is kept as text. Two kinds of values are left out, because views show
/// them differently: true and false where a text belongs (SQLite shows 1 and 0), and numbers with a fraction or an exponent or of more
/// than 18 digits (SQLite shows its own spelling).
fn strange(value: &mut Value, rng: &mut Rng) {
    let odd = [
        json!(null),
        json!(5),
        json!(-1),
        json!(123_456_789_012_345_678_i64),
        json!(""),
        json!("x"),
        json!("{"),
        json!("17"),
        json!([]),
        json!(["a", {}]),
        json!({}),
        json!({ "id": "y", "code": 7, "message": "\u{1b}\"" }),
        json!("a\\u001b#b:c,d"),
        json!("\u{1f511}\u{e9}\u{b}"),
        json!("{\"operation\":{\"id\":\"z\",\"location\":[]}}"),
        json!("#"),
    ];
    match value {
        Value::Object(members) if !members.is_empty() => {
            let name = rng.choice(members.keys().cloned().collect::<Vec<_>>()).unwrap();
            match rng.u32(0..8) {
                0 => drop(members.remove(&name)),
                1..=3 => *members.get_mut(&name).unwrap() = rng.choice(odd).unwrap(),
                _ => strange(members.get_mut(&name).unwrap(), rng),
            }
        }
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(mut inner @ Value::Object(_)) => {
                strange(&mut inner, rng);
                *text = inner.to_string();
            }
            _ => *value = rng.choice(odd).unwrap(),
        },
        _ => *value = rng.choice(odd).unwrap(),
    }
}

/// Whatever a member of a body is replaced by.
fn values_that_no_entry_has_are_shown_alike() {
    shell::needs("sqlite3");
    let bench = journal_of_everything();
    let plain = copy(&bench, "plain.db", CRAFTED);
    let entries = shown(&plain, "SELECT seq, body FROM entry");
    for seed in 0..5 {
        let mut rng = Rng::with_seed(seed);
        let mut changes = String::new();
        for entry in &entries {
            let Ok(mut body) = serde_json::from_str::<Value>(entry["body"].as_str().unwrap()) else { continue };
            for _ in 0..rng.u32(0..4) {
                strange(&mut body, &mut rng);
            }
            let body = body.to_string().replace('\'', "''");
            changes += &format!("; UPDATE entry SET body = '{body}' WHERE seq = {}", entry["seq"]);
        }
        crate::harness::wait_for(are_the_same(&copy(
            &bench,
            &format!("strange{seed}.db"),
            &format!("{CRAFTED}{changes}"),
        )));
    }
}

/// JSON that names a character which PostgreSQL cannot store shows all that can be stored; SQLite's views show the same but for
/// that character.
async fn a_character_that_cannot_be_stored_hides_nothing_else() {
    let database = Database::with_schema().await;
    let mut connection = database.connect(ADMIN).await;
    let bodies = [
        (r#"{"at":"a","kind":"x\u0000y"}"#, Some("a"), Some("x\u{fffd}y")),
        (r#"{"at":"\ud800","kind":"\\u0000 \\\u0000"}"#, Some("\u{fffd}"), Some("\\u0000 \\\u{fffd}")),
        (r#"{"at":"\udc00\ud83d\udd11\ud83d","kind":"k"}"#, Some("\u{fffd}\u{1f511}\u{fffd}"), Some("k")),
        (r#"{"at":"a","kind":"\ud8","v":2}"#, None, None),
        (r#"{"at":"a","kind":"k","more":"\u0000\u0000"}"#, Some("a"), Some("k")),
    ];
    let sql = "INSERT INTO keybatch.entry SELECT n - 1, body, decode(repeat('00', 32), 'hex') \
               FROM unnest($1::text[]) WITH ORDINALITY AS b (body, n)";
    let given: Vec<&str> = bodies.iter().map(|(body, ..)| *body).collect();
    sqlx::query(sql).bind(given).execute(&mut connection).await.unwrap();
    let rows = sqlx::query("SELECT at, kind, body FROM keybatch.entries ORDER BY seq").fetch_all(&mut connection).await;
    let rows = rows.unwrap();
    assert_eq!(rows.len(), bodies.len());
    for (row, (body, at, kind)) in rows.iter().zip(bodies) {
        let shown: (Option<String>, Option<String>) = (row.get(0), row.get(1));
        assert_eq!((shown.0.as_deref(), shown.1.as_deref()), (at, kind), "{body}");
        assert_eq!(row.get::<&str, _>(2), body);
    }
    connection.close().await.unwrap();
}

crate::harness::tests![
    every_view_shows_in_postgresql_what_it_shows_in_sqlite,
    a_body_that_is_no_json_breaks_no_view_in_postgresql,
    values_that_no_entry_has_are_shown_alike;
    async columns_are_whole_numbers_or_texts_that_compare_by_bytes, a_character_that_cannot_be_stored_hides_nothing_else,
];
