//! Pages of a journal as they are read for `verify`.

use serde_json::json;
use sqlx::ConnectOptions as _;

use super::super::tests::{ONE, intended, plan, sessions, write};
use super::*;
use crate::record::Entry;
use crate::record::merkle::Hash;

fn page(seqs: &[i64]) -> EntryPage {
    let mut page = EntryPage::default();
    seqs.iter().for_each(|seq| page.push(*seq, &seq.to_le_bytes(), &[7; 32]));
    page
}

fn told(page: &EntryPage) -> Vec<(i64, Vec<u8>, Hash)> {
    page.entries().map(|(seq, body, leaf)| (seq, body.to_vec(), leaf)).collect()
}

fn written(entries: &[Entry]) -> Vec<(i64, Vec<u8>, Hash)> {
    let sealed = entries.iter().map(|entry| entry.seal().unwrap());
    sealed.map(|sealed| (i64::try_from(sealed.seq).unwrap(), sealed.body.into_bytes(), sealed.leaf)).collect()
}

/// Changes the file behind the journal's back.
async fn execute(path: &Path, statements: &str) {
    let mut connection = sqlx::sqlite::SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[test]
fn numbers_ascend_from_where_they_were_asked_for() {
    for (seqs, from, ascends) in [
        (&[][..], 5, true),
        (&[5], 5, true),
        (&[5, 6, 9], 4, true),
        (&[5, 6, 9], 6, false),
        (&[5, 5], 5, false),
        (&[6, 5], 5, false),
    ] {
        assert_eq!(page(seqs).ascends_from(from), ascends, "{seqs:?} from {from}");
    }
    assert_eq!((page(&[]).last(), page(&[3, 4]).last()), (None, Some(4)));
}

/// Small entries come in pages that grow, large ones in pages of some 100 KB.
#[tokio::test]
async fn pages_hold_all_entries_and_are_of_a_good_size() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    let mut batches = sessions();
    batches.truncate(2);
    batches[1].truncate(1);
    let mut small = batches.clone();
    small.push(plan(600));
    let all = write(&path, small).await;
    let mut snapshot = Snapshot::open(&path).await.unwrap();
    let (mut read, mut sizes) = (Vec::new(), Vec::new());
    loop {
        let page = snapshot.page(read.len() as i64).await.unwrap();
        let Some(last) = page.last() else { break };
        read.extend(told(&page));
        assert_eq!(last + 1, read.len() as i64);
        sizes.push(page.len());
    }
    assert_eq!(read, written(&all));
    assert_eq!(sizes, [16, 32, 64, 128, 256, 106]);
    snapshot.end().await;

    for (length, expected) in [(40_000, [16, 2, 2]), (60_000, [16, 1, 1])] {
        let large = directory.path().join(format!("{length}.db"));
        let mut intent = intended(1, "k", "r", "delete", json!([]));
        intent["line"]["annotations"] = json!({ "a": "x".repeat(length) });
        let rows = (1..=40).map(|row| {
            intent["row"] = row.into();
            (Some(ONE), intent.clone())
        });
        let mut batches = batches.clone();
        batches.push(rows.collect());
        write(&large, batches).await;
        let mut snapshot = Snapshot::open(&large).await.unwrap();
        let (mut from, mut sizes) = (0, Vec::new());
        for _ in expected {
            let page = snapshot.page(from).await.unwrap();
            from += page.len() as i64;
            sizes.push(page.len());
        }
        assert_eq!(sizes, expected, "{length}");
        snapshot.end().await;
    }
}

#[tokio::test]
async fn a_page_whose_parts_do_not_fit_is_read_row_by_row() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    let all = written(&write(&path, sessions()).await);
    let at_once = async |snapshot: &mut Snapshot, from: i64, limit: i64| {
        let row =
            sqlx::query(sql::ENTRY_PAGE).bind(from).bind(limit).fetch_one(&mut snapshot.connection).await.unwrap();
        page_of(&row).unwrap()
    };
    let mut snapshot = Snapshot::open(&path).await.unwrap();
    for (from, limit) in [(0, 1), (0, 9), (7, 4), (40, 9), (99, 9)] {
        let end = all.len().min((from + limit) as usize);
        let expected = all.get(from as usize..end).unwrap_or_default();
        let page = at_once(&mut snapshot, from, limit).await.expect("it fits");
        assert_eq!(told(&page), expected);
        assert_eq!(told(&snapshot.page_by_rows(from, limit).await.unwrap()), expected);
    }
    assert_eq!(told(&snapshot.single(20).await.unwrap()), all[20..21]);
    assert_eq!(snapshot.heads().await.unwrap(), 1);
    snapshot.end().await;
    for (statement, kept) in [
        ("DELETE FROM entry WHERE seq = 20", 8),
        ("UPDATE entry SET leaf = x'00' WHERE seq = 20", 9),
        ("INSERT INTO head VALUES (1, 0, zeroblob(32), x'', NULL, NULL)", 9),
    ] {
        let copy = directory.path().join("copy.db");
        std::fs::copy(&path, &copy).unwrap();
        let triggers = "DROP TRIGGER entry_not_removed; DROP TRIGGER entry_not_changed;";
        execute(&copy, &format!("PRAGMA ignore_check_constraints = ON; {triggers} {statement}")).await;
        let mut snapshot = Snapshot::open(&copy).await.unwrap();
        let whole = statement.starts_with("INSERT");
        assert_eq!(at_once(&mut snapshot, 15, 9).await.is_some(), whole, "{statement}");
        let page = snapshot.page(15).await.unwrap();
        let kept_leaf = |(seq, _, leaf): &(i64, Vec<u8>, Hash)| *seq != 20 || whole || *leaf == [0; 32];
        assert!(told(&page).iter().all(kept_leaf), "{statement}");
        assert_eq!(page.entries().filter(|(seq, ..)| *seq < 24).count(), kept, "{statement}");
        assert_eq!(snapshot.heads().await.unwrap(), if whole { 2 } else { 1 });
        snapshot.end().await;
    }
}

#[tokio::test]
async fn the_state_that_is_read_stands_still() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    write(&path, sessions()).await;
    let mut snapshot = Snapshot::open(&path).await.unwrap();
    // What is compared may be larger than memory.
    let kept = sqlx::query_scalar::<_, i64>("PRAGMA temp_store").fetch_one(&mut snapshot.connection).await.unwrap();
    assert_eq!(kept, 1, "in a file");
    let before = snapshot.head().await.unwrap().unwrap();
    for stands in [true, false] {
        if stands {
            snapshot.begin().await.unwrap();
        }
        execute(&path, "UPDATE head SET size = size + 1").await;
        let now = snapshot.head().await.unwrap().unwrap();
        assert_eq!(now == before, stands);
        if stands {
            sqlx::query("COMMIT").execute(&mut snapshot.connection).await.unwrap();
        }
    }
    snapshot.end().await;
}

#[tokio::test]
async fn a_damaged_page_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    write(&path, sessions()).await;
    let mut snapshot = Snapshot::open(&path).await.unwrap();
    assert_eq!(snapshot.integrity().await.unwrap(), None);
    let of_milestones = "SELECT rootpage * page_size FROM sqlite_schema, pragma_page_size WHERE name = 'milestone'";
    let end: i64 = sqlx::query_scalar(of_milestones).fetch_one(&mut snapshot.connection).await.unwrap();
    snapshot.end().await;
    let mut bytes = std::fs::read(&path).unwrap();
    let end = usize::try_from(end).unwrap();
    bytes[end - 4_096..end].fill(0xA5);
    std::fs::write(&path, bytes).unwrap();
    let mut snapshot = Snapshot::open(&path).await.unwrap();
    let said = snapshot.integrity().await.unwrap();
    assert!(said.as_ref().is_some_and(|(said, of_the_machine)| said != "ok" && !of_the_machine), "{said:?}");
    snapshot.end().await;
}
