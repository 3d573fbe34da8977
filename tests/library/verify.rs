//! What `verify` says about whole journals: sound ones of every length, and each way of tampering with one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use keybatch::journal::open;
use keybatch::record::checkpoint::Checkpoint;
use keybatch::record::merkle::{Frontier, leaf_hash};
use keybatch::record::{Draft, Event};
use keybatch::verify::{Options, Report, Verdict, has_root, verify};
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use crate::story::{PAGE, Place, event_of, opened, story};

impl Place {
    fn options(&self, checkpoint: Option<Checkpoint>) -> Options {
        let scratch = Some((self.directory.path().to_owned(), "verify".to_owned()));
        Options { checkpoint, require_checkpoint: false, scratch, ..Options::default() }
    }

    async fn verify(&self) -> Report {
        verify(&self.path(), self.options(None)).await.unwrap()
    }

    /// Of a file in which there may be no end to be reached.
    async fn verify_in_time(&self) -> Report {
        tokio::time::timeout(Duration::from_secs(60), self.verify()).await.unwrap()
    }

    async fn verify_with(&self, checkpoint: &Checkpoint) -> Report {
        verify(&self.path(), self.options(Some(checkpoint.clone()))).await.unwrap()
    }

    /// Changes the database behind keybatch's back, triggers out of the way and then back in place.
    async fn tamper(&self, statements: &str) {
        let mut connection = raw(&self.path()).await;
        let triggers = sqlx::query("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'");
        let triggers: Vec<(String, String)> =
            triggers.fetch_all(&mut connection).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
        for (name, _) in &triggers {
            execute(&mut connection, &format!("DROP TRIGGER {name}")).await;
        }
        execute(&mut connection, statements).await;
        for (_, sql) in &triggers {
            execute(&mut connection, sql).await;
        }
        connection.close().await.unwrap();
    }

    async fn bodies(&self) -> Vec<String> {
        let mut connection = raw(&self.path()).await;
        let rows = sqlx::query("SELECT body FROM entry ORDER BY seq").fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Writes these bodies instead, with right leaves and a right head: what somebody does who knows the format.
    async fn rewrite(&self, bodies: &[String]) {
        let mut tree = Frontier::default();
        let mut statements = "DELETE FROM entry;".to_owned();
        for (seq, body) in bodies.iter().enumerate() {
            let leaf = leaf_hash(body.as_bytes());
            tree.push(leaf);
            let body = body.replace('\'', "''");
            statements += &format!("INSERT INTO entry VALUES ({seq}, '{body}', x'{}');", hex(&leaf));
        }
        let (size, root, frontier) = (tree.size(), hex(&tree.root()), hex(&tree.to_bytes()));
        statements += &format!("UPDATE head SET size = {size}, root = x'{root}', frontier = x'{frontier}';");
        self.tamper(&format!("PRAGMA foreign_keys = OFF; {statements}")).await;
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn raw(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).foreign_keys(false).pragma("synchronous", "OFF").connect().await.unwrap()
}

async fn execute(connection: &mut SqliteConnection, sql: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

#[tokio::test]
async fn a_sound_journal_is_sound_at_every_length_while_it_is_written() {
    let place = Place::new();
    let journal = place.journal().await;
    let drafts = story();
    let mut seen = None;
    for (number, draft) in drafts.into_iter().enumerate() {
        journal.append(vec![draft]).await.unwrap();
        let report = place.verify().await;
        assert_eq!(report.verdict, Verdict::SelfConsistent, "after draft {number}: {report:?}");
        if number == 20 {
            let text = format!("keybatch/{}\n{}\n{}\n", journal.id(), report.entries, report.root);
            seen = Some(Checkpoint::parse_last(&text).unwrap());
        }
    }
    let seen = seen.unwrap();
    let report = place.verify_with(&seen).await;
    assert_eq!((report.verdict, report.proved_up_to), (Verdict::Verified, Some(seen.size)), "{report:?}");
    journal.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_at_work_disturbs_nothing() {
    let place = Place::new();
    let journal = place.journal().await;
    let drafts = story();
    let writing = tokio::spawn(async move {
        for draft in drafts {
            journal.append(vec![draft]).await.unwrap();
        }
        // Checkpoints as fast as they can be made.
        for _ in 0..2_000 {
            journal.checkpoint().await.unwrap();
        }
        journal
    });
    let mut grown = Vec::new();
    while !writing.is_finished() {
        let report = place.verify().await;
        assert_eq!(report.verdict, Verdict::SelfConsistent, "{report:?}");
        grown.push(report.entries);
    }
    assert!(grown.len() > 3 && grown.is_sorted(), "{grown:?}");
    writing.await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn an_outside_checkpoint_proves_what_it_saw() {
    let place = Place::new();
    let checkpoint = place.filled().await;
    let report = place.verify_with(&checkpoint).await;
    assert_eq!((report.verdict, report.proved_up_to), (Verdict::Verified, Some(report.entries)), "{report:?}");
    assert_eq!(report.runs, 2);
    let other = Checkpoint { journal_id: "another".into(), ..checkpoint };
    assert_eq!(place.verify_with(&other).await.verdict, Verdict::CannotVerify);
    let mut options = place.options(None);
    options.require_checkpoint = true;
    let report = verify(&place.path(), options).await.unwrap();
    assert_eq!((report.verdict, report.accepted), (Verdict::SelfConsistent, false));
    assert!(report.detail.contains("nothing outside to compare with"));
}

#[tokio::test]
async fn a_flipped_bit_in_any_entry_is_found_where_it_is() {
    let place = Place::new();
    place.filled().await;
    let bodies = place.bodies().await;
    for (seq, body) in bodies.iter().enumerate() {
        // One character of the time, a place further in each entry: the body stays JSON.
        let at = body.find("\"at\":\"").unwrap() + 6 + seq % 4;
        let mut flipped = body.clone().into_bytes();
        flipped[at] ^= 1;
        let flipped = String::from_utf8(flipped).unwrap().replace('\'', "''");
        place.tamper(&format!("UPDATE entry SET body = '{flipped}' WHERE seq = {seq}")).await;
        let report = place.verify().await;
        assert_eq!((report.verdict, report.first_bad), (Verdict::Altered, Some(seq as u64)), "{report:?}");
        assert!(report.expected.is_some() && report.expected != report.found);
        assert!(report.warnings.iter().any(|warning| warning.contains("not compared")), "{report:?}");
        let body = body.replace('\'', "''");
        place.tamper(&format!("UPDATE entry SET body = '{body}' WHERE seq = {seq}")).await;
    }
    assert_eq!(place.verify().await.verdict, Verdict::SelfConsistent);
}

#[tokio::test]
async fn removed_swapped_repeated_and_added_rows_are_found() {
    let cases = [
        ("DELETE FROM entry WHERE seq = 20", Verdict::Altered, Some(20)),
        ("DELETE FROM entry WHERE seq = 0", Verdict::Altered, Some(0)),
        (
            "UPDATE entry SET seq = -5 WHERE seq = 20; UPDATE entry SET seq = 20 WHERE seq = 21; \
             UPDATE entry SET seq = 21 WHERE seq = -5",
            Verdict::Altered,
            Some(20),
        ),
        (
            "UPDATE entry SET body = (SELECT body FROM entry WHERE seq = 20), leaf = (SELECT leaf FROM entry WHERE seq = 20) \
             WHERE seq = 21",
            Verdict::Altered,
            Some(21),
        ),
        (
            "INSERT INTO entry SELECT (SELECT max(seq) + 1 FROM entry), body, leaf FROM entry WHERE seq = 9",
            Verdict::Altered,
            None,
        ),
        ("INSERT INTO entry SELECT -1, body, leaf FROM entry WHERE seq = 9", Verdict::Altered, Some(0)),
        ("UPDATE entry SET leaf = zeroblob(32) WHERE seq = 9", Verdict::Altered, Some(9)),
        ("DELETE FROM entry WHERE seq = (SELECT max(seq) FROM entry)", Verdict::Truncated, None),
    ];
    for (statements, verdict, first_bad) in cases {
        let place = Place::new();
        place.filled().await;
        place.tamper(statements).await;
        let report = place.verify().await;
        assert_eq!(report.verdict, verdict, "{statements}: {report:?}");
        assert!(first_bad.is_none() || report.first_bad == first_bad, "{statements}: {report:?}");
    }
}

#[tokio::test]
async fn an_edited_head_projection_trigger_or_view_is_found() {
    let cases = [
        ("UPDATE head SET size = size + 1", Verdict::Truncated),
        ("UPDATE head SET size = size - 1", Verdict::Altered),
        ("UPDATE head SET root = zeroblob(32)", Verdict::Altered),
        ("UPDATE head SET frontier = zeroblob(length(frontier))", Verdict::Altered),
        ("DELETE FROM head", Verdict::Altered),
        ("UPDATE intent SET outcome = 'deleted' WHERE row_no = 8", Verdict::ProjectionMismatch),
        ("UPDATE intent SET key_pair_name = 'x' WHERE row_no = 8", Verdict::ProjectionMismatch),
        ("DELETE FROM attempt WHERE row_no = 2 AND attempt = 1", Verdict::ProjectionMismatch),
        ("INSERT INTO attempt VALUES (1, 4, 1, 5, 6, 'succeeded')", Verdict::ProjectionMismatch),
        ("UPDATE run SET reads = 0 WHERE run_no = 1", Verdict::ProjectionMismatch),
        ("UPDATE run SET state = 'finished' WHERE run_no > 1", Verdict::ProjectionMismatch),
        ("DELETE FROM checkpoint; DELETE FROM row_entry", Verdict::ProjectionMismatch),
        ("UPDATE milestone SET kind = 'x' WHERE seq = 1", Verdict::ProjectionMismatch),
        ("UPDATE rate SET rate_per_s = '9'", Verdict::ProjectionMismatch),
        ("DROP VIEW errors", Verdict::Altered),
        ("DROP VIEW errors; CREATE VIEW errors AS SELECT 1", Verdict::Altered),
        ("CREATE TRIGGER t AFTER INSERT ON entry BEGIN SELECT 1; END", Verdict::Altered),
        ("CREATE TABLE t (a)", Verdict::Altered),
    ];
    for (statements, verdict) in cases {
        let place = Place::new();
        place.filled().await;
        place.tamper(statements).await;
        let report = place.verify().await;
        assert_eq!(report.verdict, verdict, "{statements}: {report:?}");
    }
    let place = Place::new();
    place.filled().await;
    let mut connection = raw(&place.path()).await;
    execute(&mut connection, "DROP TRIGGER entry_not_removed").await;
    connection.close().await.unwrap();
    let report = place.verify().await;
    assert_eq!(report.verdict, Verdict::Altered);
    assert!(report.detail.contains("entry_not_removed"), "{}", report.detail);
}

#[tokio::test]
async fn what_is_cut_off_shows_against_an_outside_checkpoint_alone() {
    let place = Place::new();
    let checkpoint = place.filled().await;
    let bodies = place.bodies().await;
    // An older copy of the journal, as it was after its first run.
    let older = Place::new();
    let journal = older.journal().await;
    let drafts = story();
    for draft in drafts.into_iter().take(30) {
        journal.append(vec![draft]).await.unwrap();
    }
    journal.close().await.unwrap();
    let report = older.verify().await;
    assert_eq!(report.verdict, Verdict::SelfConsistent, "{report:?}");
    let report = older.verify_with(&checkpoint).await;
    assert_eq!(report.verdict, Verdict::Truncated, "{report:?}");
    assert!(report.entries < bodies.len() as u64);
}

#[tokio::test]
async fn another_past_is_a_fork() {
    let place = Place::new();
    let checkpoint = place.filled().await;
    let mut bodies = place.bodies().await;
    let closed = bodies.len() - 1;
    assert!(bodies[closed].contains("session_closed"));
    bodies[closed] = bodies[closed].replace("\"elapsed_ms\":5", "\"elapsed_ms\":6");
    place.rewrite(&bodies).await;
    let report = place.verify().await;
    assert_eq!(report.verdict, Verdict::SelfConsistent, "{report:?}");
    let report = place.verify_with(&checkpoint).await;
    assert_eq!((report.verdict, report.proved_up_to), (Verdict::Forked, None), "{report:?}");
    assert!(report.expected.unwrap().starts_with("keybatch/") && report.found.unwrap().starts_with("keybatch/"));
}

#[tokio::test]
async fn a_rewritten_history_must_still_be_one_that_can_have_happened() {
    let (from_gone, to_deleted) = (
        "\"evidence\":\"readback\",\"kind\":\"row_settled\",\"outcome\":\"gone\"",
        "\"evidence\":\"operation\",\"kind\":\"row_settled\",\"outcome\":\"deleted\"",
    );
    let cases = [
        // The plan no longer has the root that was sealed.
        ("\"name\":\"key-3\"", "\"name\":\"key-0\"", Verdict::Altered),
        (from_gone, to_deleted, Verdict::IllegalHistory),
        ("\"class\":\"succeeded\"", "\"class\":\"unanswered\"", Verdict::IllegalHistory),
        ("\"found\":\"same\"", "\"found\":\"other\"", Verdict::IllegalHistory),
        ("\"attempt\":2", "\"attempt\":3", Verdict::IllegalHistory),
        ("\"deletes\":8", "\"deletes\":7", Verdict::IllegalHistory),
        ("\"in_doubt\":1", "\"in_doubt\":0", Verdict::IllegalHistory),
        ("\"kind\":\"run_started\"", "\"kind\":\"run_started\",\"l\": 1", Verdict::IllegalHistory),
        ("\"kind\":\"rate_changed\"", "\"kind\":\"of_a_later_version\"", Verdict::CannotVerify),
        ("\"rests_on\":[3,", "\"rests_on\":[2,", Verdict::IllegalHistory),
        ("\"v\":2", "\"v\":3", Verdict::CannotVerify),
        ("\"v\":2", "\"v\":1", Verdict::IllegalHistory),
    ];
    let place = Place::new();
    place.filled().await;
    let original = place.bodies().await;
    for (from, to, verdict) in cases {
        let mut bodies = original.clone();
        let body = bodies.iter_mut().find(|body| body.contains(from)).expect(from);
        *body = body.replace(from, to);
        place.rewrite(&bodies).await;
        let report = place.verify().await;
        assert_eq!(report.verdict, verdict, "{from}: {report:?}");
        assert!(report.first_bad.is_some(), "{from}: {report:?}");
    }
}

#[tokio::test]
async fn entries_in_another_order_or_left_out_are_refused() {
    let place = Place::new();
    place.filled().await;
    let original = place.bodies().await;
    let renumbered = |bodies: &[String]| -> Vec<String> {
        let number = |(seq, body): (usize, &String)| {
            let mut value: serde_json::Value = serde_json::from_str(body).unwrap();
            value["seq"] = seq.into();
            serde_json_canonicalizer::to_string(&value).unwrap()
        };
        bodies.iter().enumerate().map(number).collect()
    };
    for left_out in 0..original.len() {
        let mut bodies = original.clone();
        let body = bodies.remove(left_out);
        place.rewrite(&renumbered(&bodies)).await;
        let report = place.verify().await;
        // A rate is changed without leave, a listing binds nothing; all others are missed somewhere.
        assert!(!report.verdict.is_sound(), "without {body}: {report:?}");
    }
}

#[tokio::test]
async fn a_journal_that_was_just_made_or_lost_its_log_is_consistent() {
    let place = Place::new();
    let journal = place.journal().await;
    let report = place.verify().await;
    assert_eq!((report.verdict, report.entries), (Verdict::SelfConsistent, 1), "{report:?}");
    for draft in story() {
        journal.append(vec![draft]).await.unwrap();
    }
    // The write-ahead log, before any of it was copied into the database; cut at several lengths and then missing.
    let copy = Place::new();
    let wal = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
    let (database, log) = (std::fs::read(place.path()).unwrap(), std::fs::read(wal(&place.path())).unwrap());
    let checkpoint = journal.checkpoint().await.unwrap();
    for part in [log.len(), log.len().saturating_sub(1), log.len() / 2, log.len() / 3, 0] {
        std::fs::write(copy.path(), &database).unwrap();
        std::fs::write(wal(&copy.path()), &log[..part]).unwrap();
        let report = copy.verify().await;
        let legal = [Verdict::SelfConsistent, Verdict::CannotVerify].contains(&report.verdict);
        assert!(legal, "{part} bytes: {report:?}");
        let report = copy.verify_with(&checkpoint).await;
        let expected = if report.entries >= checkpoint.size { Verdict::Verified } else { Verdict::Truncated };
        assert!(report.verdict == expected || report.entries == 0, "{part} bytes: {report:?}");
    }
    journal.close().await.unwrap();
}

/// A journal of more rows than are made again at once: the row that differs is named wherever it is, and nothing else is.
#[tokio::test]
async fn the_one_row_that_differs_is_named_in_a_long_journal_too() {
    const ROWS: u64 = 9_000;
    let place = Place::new();
    let journal = place.journal().await;
    let begin = [
        opened("s"),
        event_of(
            "manifest_ingested",
            &json!({ "name": "m", "sha256": "ab", "bytes": 1, "rows": ROWS, "columns": ["name"] }),
        ),
    ];
    let begin = begin.map(Draft::of);
    let rows = (1..=ROWS).map(|row| {
        let line = json!({ "row": row, "line": row + 1, "name": format!("key-{row}"), "account": "123456789012",
                           "region": "us-east-1", "verdict": "absent" });
        Draft::of_row(row, event_of("intent_recorded", &json!({ "line": line })))
    });
    journal.append(begin.into_iter().chain(rows).collect()).await.unwrap();
    journal.close().await.unwrap();
    assert_eq!(place.verify().await.verdict, Verdict::SelfConsistent);
    for row in [1, 4_096, 4_097, 8_192, ROWS] {
        place.tamper(&format!("UPDATE intent SET key_pair_name = 'x' || key_pair_name WHERE row_no = {row}")).await;
        let report = place.verify().await;
        assert_eq!(report.verdict, Verdict::ProjectionMismatch, "{report:?}");
        assert_eq!(report.findings.len(), 1, "{report:?}");
        let told = format!("\"row_no\":{row},");
        assert!(report.detail.contains(&told) && report.detail.contains(&format!("xkey-{row}")), "{}", report.detail);
        place.tamper(&format!("UPDATE intent SET key_pair_name = substr(key_pair_name, 2) WHERE row_no = {row}")).await;
    }
    assert_eq!(place.verify().await.verdict, Verdict::SelfConsistent);
}

#[tokio::test]
async fn a_damaged_file_is_read_as_far_as_it_goes() {
    let place = Place::new();
    place.filled().await;
    let whole = std::fs::read(place.path()).unwrap();
    assert!(whole.len() > 8 * PAGE);
    for page in 0..whole.len() / PAGE {
        let mut damaged = whole.clone();
        damaged[page * PAGE..(page + 1) * PAGE].fill(0xA5);
        std::fs::write(place.path(), &damaged).unwrap();
        let report = place.verify().await;
        assert!(!report.verdict.is_sound(), "page {page}: {report:?}");
    }
    for length in [0, 10, PAGE, whole.len() / 2, whole.len() - PAGE] {
        std::fs::write(place.path(), &whole[..length]).unwrap();
        let report = place.verify().await;
        assert!(!report.verdict.is_sound(), "{length} bytes: {report:?}");
    }
    std::fs::remove_file(place.path()).unwrap();
    assert!(verify(&place.path(), place.options(None)).await.is_err());
}

/// The leaves of the table of entries: where each begins in the file, and its first entry; then the number of entries.
async fn leaves(place: &Place) -> (Vec<(usize, u64)>, u64) {
    let mut connection = raw(&place.path()).await;
    let sql =
        "SELECT (pageno - 1) * pgsize, ncell FROM dbstat WHERE name = 'entry' AND pagetype = 'leaf' ORDER BY path";
    let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let mut first = 0;
    let mut leaves = Vec::new();
    for row in rows {
        leaves.push((usize::try_from(row.get::<i64, _>(0)).unwrap(), first));
        first += u64::try_from(row.get::<i64, _>(1)).unwrap();
    }
    (leaves, first)
}

/// It is damage, and neither a gap nor a cut.
#[tokio::test]
async fn the_first_entry_that_cannot_be_read_is_named() {
    let place = Place::new();
    place.filled().await;
    let whole = std::fs::read(place.path()).unwrap();
    let (leaves, entries) = leaves(&place).await;
    assert_eq!(entries, place.bodies().await.len() as u64);
    assert!(leaves.len() > 2);
    for (page, first) in leaves {
        let mut damaged = whole.clone();
        damaged[page..page + PAGE].fill(0xA5);
        std::fs::write(place.path(), &damaged).unwrap();
        let report = place.verify_in_time().await;
        assert_eq!((report.verdict, report.first_bad, report.entries), (Verdict::Corrupt, Some(first), first));
        // With what SQLite says.
        let told =
            report.detail.contains(&format!("entry {first} cannot be read")) && report.detail.contains("malformed");
        assert!(told, "{}", report.detail);
    }
}

/// Where two leaves have changed places, SQLite gives the entries of the second where the first ones are asked for, and then
/// may give the same again and again.
#[tokio::test]
async fn entries_that_changed_places_are_missed_and_none_is_taken_twice() {
    let place = Place::new();
    place.filled().await;
    let whole = std::fs::read(place.path()).unwrap();
    let (leaves, entries) = leaves(&place).await;
    for pair in leaves.windows(2) {
        let [(page, first), (next, _)] = *pair else { unreachable!() };
        let mut swapped = whole.clone();
        swapped[page..page + PAGE].copy_from_slice(&whole[next..next + PAGE]);
        swapped[next..next + PAGE].copy_from_slice(&whole[page..page + PAGE]);
        std::fs::write(place.path(), &swapped).unwrap();
        let report = place.verify_in_time().await;
        assert_eq!((report.verdict, report.first_bad), (Verdict::Altered, Some(first)), "{report:?}");
        assert!(report.entries <= entries, "{report:?}");
    }
}

#[tokio::test]
async fn the_head_of_a_single_entry_is_compared_too() {
    let place = Place::new();
    place.filled().await;
    let bodies = place.bodies().await;
    for (statements, verdict) in [
        ("UPDATE head SET size = 1", Verdict::ProjectionMismatch),
        ("DELETE FROM head", Verdict::Altered),
        ("UPDATE head SET size = -1", Verdict::Altered),
    ] {
        place.tamper("INSERT OR IGNORE INTO head (id, size, root, frontier) VALUES (0, 1, zeroblob(32), x'')").await;
        place.rewrite(&bodies[..1]).await;
        place.tamper(statements).await;
        let report = place.verify().await;
        assert_eq!((report.verdict, report.entries), (verdict, 1), "{statements}: {report:?}");
    }
}

#[tokio::test]
async fn one_difference_of_the_schema_is_named_and_the_others_are_counted() {
    let place = Place::new();
    place.filled().await;
    for (statements, told) in [
        ("DROP VIEW errors", "the view errors was removed"),
        ("CREATE TABLE t (a)", "the view errors was removed, and 1 more"),
        ("CREATE TABLE u (a)", "the view errors was removed, and 2 more"),
    ] {
        let mut connection = raw(&place.path()).await;
        execute(&mut connection, statements).await;
        connection.close().await.unwrap();
        let report = place.verify().await;
        assert_eq!(report.verdict, Verdict::Altered, "{statements}: {report:?}");
        let whole = if told.ends_with("more") { report.detail.starts_with(told) } else { report.detail == told };
        assert!(whole, "{statements}: {}", report.detail);
    }
}

/// What could not be looked at is not called sound.
#[tokio::test]
async fn a_comparison_that_is_not_possible_is_told() {
    let place = Place::new();
    place.filled().await;
    // No room for the scratch database.
    let missing = place.directory.path().join("missing");
    let options = Options { scratch: Some((missing, "verify".to_owned())), ..Options::default() };
    let report = verify(&place.path(), options).await.unwrap();
    assert_eq!((report.verdict, report.accepted), (Verdict::CannotVerify, false), "{report:?}");
    // Bytes that are no text pass SQLite's own check, and can be compared with nothing.
    place.tamper("UPDATE intent SET key_pair_name = CAST(x'FF' AS TEXT) WHERE row_no = 8").await;
    let report = place.verify().await;
    assert_eq!(report.verdict, Verdict::ProjectionMismatch, "{report:?}");
    // A table that is gone, and one of bytes, which add up as the texts do.
    let bytes = "CREATE TEMP TABLE kept AS SELECT * FROM intent; DROP TABLE intent; \
         CREATE TABLE intent AS SELECT run_no, row_no, target_no, CAST(key_pair_name AS BLOB) AS key_pair_name, verdict, \
         seq, settled_seq, outcome, evidence FROM kept";
    for (statements, table) in [("DROP TABLE rate", "the table rate"), (bytes, "the table intent")] {
        let place = Place::new();
        place.filled().await;
        place.tamper(statements).await;
        let report = place.verify().await;
        let told = report.findings.iter().find(|finding| finding.verdict == Verdict::ProjectionMismatch);
        assert!(told.is_some_and(|told| told.detail.contains(table)), "{report:?}");
        let schema = report.findings.iter().find(|finding| finding.verdict == Verdict::Altered);
        assert!(schema.is_some_and(|schema| schema.detail.contains(table)), "{report:?}");
    }
}

/// More requests than any table can count: legal one by one, but no session can have written them.
#[tokio::test]
async fn entries_that_no_table_can_hold_are_not_called_sound() {
    const MOST: u64 = (1 << 53) - 1;
    let place = Place::new();
    place.filled().await;
    let mut bodies = place.bodies().await;
    bodies.truncate(4);
    let mut listed: serde_json::Value = serde_json::from_str(&bodies[3]).unwrap();
    assert_eq!((&listed["kind"], &listed["row"]), (&json!("observed"), &json!(null)));
    listed["requests"] = MOST.into();
    bodies.extend((4..=4 + i64::MAX as u64 / MOST).map(|seq| {
        listed["seq"] = seq.into();
        serde_json_canonicalizer::to_string(&listed).unwrap()
    }));
    place.rewrite(&bodies).await;
    let report = place.verify().await;
    assert_eq!((report.verdict, report.entries), (Verdict::CannotVerify, bodies.len() as u64), "{report:?}");
    assert!(report.detail.contains("cannot be projected"), "{report:?}");
}

/// What a `resume` looks at first in a journal that is too large to be verified whole: each intent as it is now.
#[tokio::test]
async fn a_plan_that_was_changed_has_another_root() {
    let edits = [
        "",
        "UPDATE entry SET body = replace(body, '\"line\":3', '\"line\":4')",
        "UPDATE entry SET body = replace(body, '\"line\":3', '\"line\":33')",
        "UPDATE entry SET body = CAST(body || x'00' AS TEXT) WHERE seq = (SELECT max(seq) FROM intent)",
        "UPDATE entry SET body = '' WHERE seq = (SELECT seq FROM intent LIMIT 1)",
        "DELETE FROM intent WHERE row_no = 2",
        "UPDATE intent SET seq = (SELECT seq FROM intent WHERE row_no = 3) WHERE row_no = 2",
        "UPDATE intent SET row_no = row_no + 100 WHERE row_no = 1",
    ];
    for edit in edits {
        let place = Place::new();
        place.filled().await;
        if !edit.is_empty() {
            place.tamper(edit).await;
        }
        let reader = open::reader(&place.path()).await.unwrap();
        let record = &reader.runs().await.unwrap()[0];
        let Event::PlanSealed(sealed) = reader.entry(record.sealed_seq.unwrap()).await.unwrap().event else { panic!() };
        let has_root = has_root(&reader, record.run_no, &sealed).await.unwrap();
        assert_eq!(has_root, edit.is_empty(), "{edit}");
    }
}
