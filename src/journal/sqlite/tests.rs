//! What the tables hold after a journal was written in several sessions, cell for cell: `verify` makes them again with the
//! code that made them, and would make the same mistake.

mod open;
mod read;
mod review;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, Row as _};

use super::open::open_reader;
use super::*;
use crate::domain::{Clock, Settings};
use crate::journal::{EntryStore as _, JournalError, TreeHead};
use crate::record::checkpoint::base64;
use crate::record::merkle::Frontier;
use crate::record::{Draft, Entry};

pub(super) const ONE: &str = "0198c0de-0000-7000-8000-000000000001";
const TWO: &str = "0198c0de-0000-7000-8000-000000000002";
const THREE: &str = "0198c0de-0000-7000-8000-000000000003";

fn opened(session: &str, more: Value) -> Value {
    let mut fields = json!({ "kind": "session_opened", "session_id": session, "command": "run", "version": "0.1.0",
                             "host": "h", "user": "u", "pid": 1, "sandbox": false, "settings": {}, "settings_sha256": "" });
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    fields
}

fn closed() -> Value {
    let requests = json!({ "delete": 0, "read": 0, "throttled": 0 });
    json!({ "kind": "session_closed", "requests": requests, "elapsed_ms": 1 })
}

pub(super) fn intended(row: u64, name: &str, region: &str, verdict: &str, notes: Value) -> Value {
    let line = json!({ "row": row, "line": row + 1, "name": name, "account": "1", "region": region, "verdict": verdict,
                       "notes": notes });
    json!({ "kind": "intent_recorded", "row": row, "line": line })
}

fn begun(row: u64, attempt: u64) -> Value {
    json!({ "kind": "attempt_started", "row": row, "attempt": attempt })
}

fn ended(row: u64, attempt: u64, class: &str) -> Value {
    json!({ "kind": "attempt_finished", "row": row, "attempt": attempt, "class": class, "elapsed_us": 1 })
}

fn settled(row: u64, outcome: &str, evidence: &str) -> Value {
    json!({ "kind": "row_settled", "row": row, "outcome": outcome, "evidence": evidence, "rests_on": [] })
}

fn rate(learned: Value, more: Value) -> Value {
    let mut fields = json!({ "kind": "rate_changed", "account": "1", "region": "r1", "from_per_s": "1", "to_per_s": "2",
                             "learned_per_s": learned, "why": "doubled" });
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    fields
}

fn manifest(kind: &str, name: &str, rows: u64) -> Value {
    json!({ "kind": kind, "name": name, "sha256": format!("hash of {name}"), "bytes": 1, "rows": rows, "columns": [] })
}

fn sealed(rows: u64) -> Value {
    let header = json!({ "schema": "s", "action": "a", "plan_id": "p", "made_at": "t", "made_by": "b",
                         "manifest": { "name": "m", "sha256": "s", "bytes": 1, "rows": rows }, "endpoint": "e",
                         "callers": [], "settings": {}, "version": "0" });
    let seal = json!({ "schema": "s", "rows": rows, "targets": [], "root": "P", "rows_root": "R" });
    json!({ "kind": "plan_sealed", "header": header, "seal": seal, "targets": [] })
}

fn started() -> Value {
    json!({ "kind": "run_started", "plan_root": "P", "deletes": 0, "confirmed_by": "yes", "settings": Settings::default() })
}

fn observed(row: Option<u64>, requests: u64, throttled: u64) -> Value {
    json!({ "kind": "observed", "row": row, "source": "get_key_pair", "found": "no_answer", "requests": requests,
            "throttled": throttled, "elapsed_us": 1 })
}

/// The numbers of the second and the third run below.
pub(super) const TWO_NO: i64 = 23;
pub(super) const THREE_NO: i64 = 33;

/// What each session wrote, a batch each: as long as the list of events.
#[expect(clippy::too_many_lines, reason = "a journal with everything in it, entry by entry")]
pub(super) fn sessions() -> Vec<Vec<(Option<&'static str>, Value)>> {
    let of = |run, events: Vec<Value>| events.into_iter().map(|event| (Some(run), event)).collect::<Vec<_>>();
    let own = |event: Value| vec![(None, event)];
    let twice = json!([{ "severity": "skip", "note": "duplicate", "text": "twice" }]);
    vec![
        own(json!({ "kind": "journal_created", "journal_id": "j", "format": "keybatch.journal/2", "action": "a",
                    "version": "0.1.0" })),
        of(
            ONE,
            vec![
                opened(
                    "s1",
                    json!({ "account": "1", "caller_arn": "c", "endpoint": "e", "reason": "why", "ticket": "T" }),
                ),
                observed(None, 3, 1),
                json!({ "kind": "override_used", "override": "skip-invalid", "by": "u" }),
                manifest("manifest_ingested", "m", 6),
                intended(1, "k1", "r1", "delete", json!([])),
                intended(2, "k2", "r2", "delete", json!([])),
                intended(3, "k3", "r1", "delete", json!([])),
                intended(4, "k1", "r1", "skip", twice),
                intended(5, "k5", "r3", "absent", json!([])),
                sealed(5),
                json!({ "kind": "checkpoint_made", "size": 11, "root": "R" }),
                started(),
                begun(1, 1),
                ended(1, 1, "succeeded"),
                settled(1, "deleted", "answer"),
                begun(2, 1),
                ended(2, 1, "throttled"),
                begun(2, 2),
                rate(json!("3.5"), json!({ "learned_is_limit": true })),
                rate(Value::Null, json!({})),
                json!({ "kind": "run_stopped", "why": "signal" }),
                closed(),
            ],
        ),
        of(
            TWO,
            vec![
                opened("s2", json!({ "sandbox": true })),
                json!({ "kind": "run_stopped", "why": "refused", "manifest": manifest("", "n", 2) }),
                closed(),
            ],
        ),
        of(
            ONE,
            vec![
                opened("s3", json!({ "account": "1", "endpoint": "e" })),
                observed(Some(2), 2, 1),
                json!({ "kind": "operation_polled", "row": 2, "operation_id": "o", "class": "unanswered", "requests": 1,
                        "throttled": 0, "elapsed_us": 1 }),
                observed(Some(3), 0, 0),
                begun(3, 1),
                ended(3, 1, "not_sent"),
                settled(4, "skipped", "note"),
            ],
        ),
        of(
            THREE,
            vec![
                opened("s4", json!({ "account": "1", "endpoint": "f" })),
                manifest("manifest_ingested", "o", 1),
                intended(1, "k1", "r1", "absent", json!([])),
                sealed(1),
                started(),
                settled(1, "absent", "inventory"),
                rate(json!("2.5"), json!({})),
                json!({ "kind": "run_finished", "rows": 1, "outcomes": { "deleted": 0, "gone": 0, "absent": 1, "skipped": 0,
                        "failed": 0, "in_doubt": 0, "not_attempted": 0 } }),
                closed(),
            ],
        ),
        own(json!({ "kind": "checkpoint_made", "size": 42, "root": "S" })),
    ]
}

/// A clock that shows as many seconds as there were entries before each of them.
#[derive(Debug)]
struct Ticks(AtomicI64);

impl Clock for Ticks {
    fn now(&self) -> Timestamp {
        let second = self.0.fetch_add(1, Ordering::Relaxed);
        "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
    }
}

/// Opens the journal, whose head is learnt, for the batch behind `entries`.
async fn store(path: &Path, entries: usize) -> SqliteStore {
    let entries = i64::try_from(entries).unwrap();
    let mut store = SqliteStore::open(path, Arc::new(Ticks(AtomicI64::new(entries - 1)))).await.unwrap();
    store.head().await.unwrap();
    store
}

/// Each batch is written by a store of its own.
pub(super) async fn write(path: &Path, batches: Vec<Vec<(Option<&str>, Value)>>) -> Vec<Entry> {
    let mut all = Vec::new();
    let mut to = Frontier::default();
    let mut runs = HashMap::new();
    for batch in batches {
        let mut store = store(path, all.len()).await;
        let mut drafts = Vec::new();
        let mut session = None;
        for (run, mut body) in batch {
            let seq = to.size();
            body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            (body["v"], body["seq"]) = (crate::record::ENTRY_VERSION.into(), seq.into());
            body["at"] = format!("2026-01-01T00:{:02}:{:02}.000000Z", seq / 60, seq % 60).into();
            if body["kind"] == "session_opened" {
                body["continues_from"] = base64(&to.root()).into();
                session = Some(seq);
                match runs.get(&run) {
                    Some(number) => body["run"] = json!(number),
                    None => body["run_id"] = json!(run),
                }
                runs.entry(run).or_insert(seq);
            }
            match (session, run.and_then(|_| runs.get(&run))) {
                (Some(session), _) => body["session"] = session.into(),
                // What is written without opening a session names its run itself.
                (None, Some(number)) => body["run"] = json!(number),
                (None, None) => {}
            }
            let entry = Entry::parse(&body.to_string()).unwrap();
            to.push(entry.seal().unwrap().leaf);
            let Entry { run, row, event, .. } = entry.clone();
            all.push(entry);
            drafts.push(Draft { run, row, event });
        }
        let appended = store.append(drafts, None).await.unwrap();
        assert_eq!(appended.head, TreeHead { size: to.size(), root: to.root() });
        assert_eq!(store.head().await.unwrap().tree(), &to);
        assert_eq!(store.journal_id().await.unwrap().as_deref(), Some("j"));
        store.consolidate().await.unwrap();
        // A plain copy of the file has it all.
        let copy = path.with_extension("copy");
        std::fs::copy(path, &copy).unwrap();
        let copied = SqliteReader::open(&copy).await.unwrap().head().await.unwrap();
        assert_eq!(copied, (to.size(), base64(&to.root())));
        store.close().await.unwrap();
    }
    all
}

/// The rows of a table, by its key.
async fn rows(connection: &mut SqliteConnection, table: &str) -> Vec<String> {
    let columns =
        sqlx::query(sqlx::AssertSqlSafe(format!("SELECT group_concat(name) FROM pragma_table_info('{table}')")));
    let columns: String = columns.fetch_one(&mut *connection).await.unwrap().get(0);
    let sql = format!("SELECT json_array({columns}) FROM {table} ORDER BY {columns}");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// One list for each table, cell for cell.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "what each table holds, table by table")]
async fn the_tables_hold_what_the_entries_say() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    write(&path, sessions()).await;
    let mut connection = open_reader(&path).await.unwrap();
    let run = |number: i64, rest: &str| {
        let id = [1, TWO_NO, THREE_NO].iter().position(|one| *one == number).map(|at| [ONE, TWO, THREE][at]).unwrap();
        format!(r#"[{number},"{id}",{rest}]"#)
    };
    let at = |second: u8| format!(r#""2026-01-01T00:00:{second:02}.000000Z""#);
    let runs = [
        run(
            1,
            &format!(
                r#""running",null,{},null,2,"m","hash of m",6,"P","1","c","u@h","e",0,"why","T",6,2,4,10,12"#,
                at(1)
            ),
        ),
        run(
            TWO_NO,
            &format!(
                r#""abandoned","refused",{},{},1,"n","hash of n",2,null,null,null,"u@h",null,1,null,null,0,0,24,null,null"#,
                at(23),
                at(24)
            ),
        ),
        run(
            THREE_NO,
            &format!(
                r#""finished",null,{},{},1,"o","hash of o",1,"P","1",null,"u@h","f",0,null,null,0,0,34,36,37"#,
                at(33),
                at(40)
            ),
        ),
    ];
    assert_eq!(rows(&mut connection, "run").await, runs);
    let checkpoints = [format!(r#"[11,11,"R",{}]"#, at(11)), format!(r#"[42,42,"S",{}]"#, at(42))];
    assert_eq!(rows(&mut connection, "checkpoint").await, checkpoints);
    let expected: [(&str, &[&str]); 6] = [
        ("target", &[r#"[1,1,"1","r1"]"#, r#"[2,1,"1","r2"]"#, r#"[3,1,"1","r3"]"#, r#"[4,33,"1","r1"]"#]),
        (
            "intent",
            &[
                r#"[1,1,1,"k1","delete",5,15,"deleted","answer"]"#,
                r#"[1,2,2,"k2","delete",6,null,null,null]"#,
                r#"[1,3,1,"k3","delete",7,null,null,null]"#,
                r#"[1,4,1,"k1","skip",8,32,"skipped","note"]"#,
                r#"[1,5,3,"k5","absent",9,null,null,null]"#,
                r#"[33,1,4,"k1","absent",35,38,"absent","inventory"]"#,
            ],
        ),
        (
            "attempt",
            &[
                r#"[1,1,1,13,14,"succeeded"]"#,
                r#"[1,2,1,16,17,"throttled"]"#,
                "[1,2,2,18,null,null]",
                r#"[1,3,1,30,31,"not_sent"]"#,
            ],
        ),
        ("row_entry", &["[1,2,27]", "[1,2,28]", "[1,3,29]"]),
        (
            "milestone",
            &[
                r#"[1,1,"session_opened"]"#,
                r#"[2,1,"observed"]"#,
                r#"[3,1,"override_used"]"#,
                r#"[4,1,"manifest_ingested"]"#,
                r#"[10,1,"plan_sealed"]"#,
                r#"[11,1,"checkpoint_made"]"#,
                r#"[12,1,"run_started"]"#,
                r#"[19,1,"rate_changed"]"#,
                r#"[20,1,"rate_changed"]"#,
                r#"[21,1,"run_stopped"]"#,
                r#"[22,1,"session_closed"]"#,
                r#"[23,23,"session_opened"]"#,
                r#"[24,23,"run_stopped"]"#,
                r#"[25,23,"session_closed"]"#,
                r#"[26,1,"session_opened"]"#,
                r#"[33,33,"session_opened"]"#,
                r#"[34,33,"manifest_ingested"]"#,
                r#"[36,33,"plan_sealed"]"#,
                r#"[37,33,"run_started"]"#,
                r#"[39,33,"rate_changed"]"#,
                r#"[40,33,"run_finished"]"#,
                r#"[41,33,"session_closed"]"#,
            ],
        ),
        ("rate", &[r#"["e","1","r1","3.5",1,19]"#, r#"["f","1","r1","2.5",0,39]"#]),
    ];
    for (table, expected) in expected {
        assert_eq!(rows(&mut connection, table).await, expected, "{table}");
    }
    connection.close().await.unwrap();
}

pub(super) fn plan(rows: u64) -> Vec<(Option<&'static str>, Value)> {
    (1..=rows).map(|row| (Some(ONE), intended(row, &format!("k{row}"), "r1", "delete", json!([])))).collect()
}

/// Whatever the sizes of the statements are: each row is written once, and nothing that only fills one up.
#[tokio::test]
async fn any_number_of_entries_is_written() {
    for rows in [1, 2, 3, 5, 9, 31, 33, 64, 65, 255, 256, 257, 600] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.db");
        let mut batch = sessions().swap_remove(0);
        batch.push((Some(ONE), opened("s1", json!({ "account": "1" }))));
        // In two sessions, of which the second finds the target that the first made.
        let mut first = plan(rows);
        let second = first.split_off(first.len() / 3);
        let batches = [batch, first, second].into_iter().filter(|batch| !batch.is_empty());
        let entries = write(&path, batches.collect()).await;
        let mut connection = open_reader(&path).await.unwrap();
        let sql =
            "SELECT count(*), min(row_no), max(row_no), count(DISTINCT seq), (SELECT count(*) FROM entry) FROM intent";
        let counts = sqlx::query(sql).fetch_one(&mut connection).await.unwrap();
        let counts: [i64; 5] = std::array::from_fn(|index| counts.get(index));
        let (rows, all) = (i64::try_from(rows).unwrap(), i64::try_from(entries.len()).unwrap());
        assert_eq!(counts, [rows, 1, rows, rows, all]);
        connection.close().await.unwrap();
    }
}

/// Another process moved it meanwhile.
#[tokio::test]
async fn a_head_that_was_moved_is_not_moved_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    let all = write(&path, sessions()).await;
    let Entry { run, row, event, .. } = all.last().unwrap().clone();
    let next = || vec![Draft { run, row, event: event.clone() }];
    let mut late = store(&path, all.len()).await;
    let mut other = store(&path, all.len()).await;
    let moved = other.append(next(), None).await.unwrap().head;
    other.close().await.unwrap();
    let refused = late.append(next(), None).await;
    assert!(matches!(refused, Err(JournalError::HeadMoved { size }) if size == all.len() as u64), "{refused:?}");
    drop(late);
    assert_eq!(store(&path, all.len()).await.head().await.unwrap().mark(), moved);
}

#[test]
fn the_smallest_statement_that_takes_all_rows_is_chosen() {
    let sizes = |rows: usize| sql::CHUNKS[sql::chunk(rows)];
    assert_eq!([1, 2, 3, 4, 5, 64, 65, 256, 257].map(sizes), [1, 2, 4, 4, 8, 64, 256, 256, 256]);
}
