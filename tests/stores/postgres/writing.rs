//! Writing: what is durable, what is refused, and who holds the journal.

use keybatch::journal::EntryStore as _;
use keybatch::journal::postgres::{Hold, PostgresStore, migrate};
use keybatch::record::Draft;
use keybatch::record::merkle::leaf_hash;
use serde_json::json;
use sqlx::Row as _;

use super::server::Database;
use super::{clock, holder};
use crate::conformance::histories::{closed, created};
use crate::harness::tests;
use crate::story::event_of;

tests![; async
    an_address_a_schema_a_hold_and_a_batch_make_a_journal,
    every_text_is_kept_as_it_is,
    a_plan_of_many_rows_is_one_batch
];

async fn an_address_a_schema_a_hold_and_a_batch_make_a_journal() {
    let database = Database::with_schema().await;
    let address = database.address();
    assert_eq!(migrate(&address).await.unwrap(), 4, "a second migration finds nothing to do");
    let hold = Hold::take(&address, &holder("run")).await.unwrap();
    let mut store = PostgresStore::open(&address, hold.epoch(), clock()).await.unwrap();
    assert_eq!(store.journal_id().await.unwrap(), None);
    let first = store.append(vec![created(), closed(1)], None).await.unwrap();
    let second = store.append(vec![closed(2)], None).await.unwrap();
    assert_eq!((first.head.size, second.head.size), (2, 3));
    assert_eq!(store.journal_id().await.unwrap().as_deref(), Some("j"));
    store.close().await.unwrap();
    let rows = database.sql("SELECT seq, body, leaf FROM keybatch.entry ORDER BY seq").await.unwrap();
    let leaves: Vec<Vec<u8>> = rows.iter().map(|row| row.get("leaf")).collect();
    assert!(
        leaves.iter().map(|leaf| &leaf[..]).eq(first.stamps.iter().chain(&second.stamps).map(|stamp| &stamp.leaf[..]))
    );
    hold.release().await;
    let by_socket = Hold::take(&Database::parse(&database.socket_url()), &holder("run")).await.unwrap();
    by_socket.release().await;
}

/// Texts that are something else in SQL, in an array or in JSON.
const STRANGE: [&str; 12] = [
    "",
    "NULL",
    "it's",
    "a\\b\\\\c\\",
    "{\"a\",b}",
    "$k$, $k1$ and $k",
    "line\nbreak\r\n\ttab",
    "\u{1}\u{1b}\u{7f}\u{85}\u{2028}",
    "\\u0000 \\x00 %00",
    "'); DROP SCHEMA keybatch CASCADE; --",
    "\u{10ffff}\u{1f511}\u{202e}\u{feff}",
    "/* */ -- $$ :a ?1 $1",
];

fn begun() -> Draft {
    let opened = json!({ "session_id": "s", "run_id": "0198c0de-0000-7000-8000-000000000001", "command": "run", "version": "0",
                         "host": "h", "user": "u", "pid": 1, "sandbox": false, "settings": {}, "settings_sha256": "",
                         "endpoint": "e", "reason": STRANGE.concat(), "continues_from": "R" });
    Draft::of(event_of("session_opened", &opened))
}

fn intent(row: u64, name: &str, region: &str) -> Draft {
    let line = json!({ "row": row, "line": row, "name": name, "account": "1", "region": region, "verdict": "skip", "notes": [] });
    Draft { run: Some(1), row: Some(row), event: event_of("intent_recorded", &json!({ "line": line })) }
}

async fn every_text_is_kept_as_it_is() {
    let database = Database::with_schema().await;
    let hold = Hold::take(&database.address(), &holder("run")).await.unwrap();
    let mut store = PostgresStore::open(&database.address(), hold.epoch(), clock()).await.unwrap();
    store.append(vec![created(), begun()], None).await.unwrap();
    let intents = (1..).zip(STRANGE).map(|(row, text)| intent(row, text, text)).collect();
    let appended = store.append(intents, None).await.unwrap();
    let texts = async |query: &str| {
        let rows = database.sql(query).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect::<Vec<String>>()
    };
    assert_eq!(texts("SELECT key_pair_name FROM keybatch.intent ORDER BY row_no").await, STRANGE);
    assert_eq!(texts("SELECT region FROM keybatch.target ORDER BY target_no").await, STRANGE);
    assert_eq!(texts("SELECT reason FROM keybatch.run").await, [STRANGE.concat()]);
    let bodies = texts("SELECT body FROM keybatch.entry WHERE seq > 1 ORDER BY seq").await;
    let leaves = bodies.iter().map(|body| leaf_hash(body.as_bytes()));
    assert!(leaves.eq(appended.stamps.iter().map(|stamp| stamp.leaf)));
    // Targets that are known from the tables keep their numbers.
    let mut again = PostgresStore::open(&database.address(), hold.epoch(), clock()).await.unwrap();
    again.append((13..).zip(STRANGE).map(|(row, text)| intent(row, "n", text)).collect(), None).await.unwrap();
    assert_eq!(texts("SELECT region FROM keybatch.target ORDER BY target_no").await, STRANGE);
    let both = "SELECT count(*)::text FROM keybatch.intent AS a JOIN keybatch.intent AS b ON b.row_no = a.row_no + 12 \
                AND b.target_no = a.target_no";
    assert_eq!(texts(both).await, ["12"]);
}

async fn a_plan_of_many_rows_is_one_batch() {
    let database = Database::with_schema().await;
    let hold = Hold::take(&database.address(), &holder("run")).await.unwrap();
    let mut store = PostgresStore::open(&database.address(), hold.epoch(), clock()).await.unwrap();
    store.append(vec![created(), begun()], None).await.unwrap();
    let rows = 20_000;
    let long = "x".repeat(200);
    store.append((1..=rows).map(|row| intent(row, &long, "r")).collect(), None).await.unwrap();
    let counted = database.sql("SELECT count(*), max(row_no) FROM keybatch.intent").await.unwrap();
    assert_eq!((counted[0].get::<i64, _>(0), counted[0].get::<i64, _>(1)), (20_000, 20_000));
}
