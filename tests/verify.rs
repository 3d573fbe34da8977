//! What `verify` says of whole journals: sound ones at every length, and each way of tampering with one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use keybatch::audit::{Options, Report, Verdict, verify};
use keybatch::domain::{
    Class, Clock, Evidence, Exchange, Identity, Observation, Outcome, OutcomeCounts, Policy, RunId,
};
use keybatch::journal::checkpoint::{Checkpoint, base64};
use keybatch::journal::event::{self, Event, Found, Source};
use keybatch::journal::merkle::{Frontier, leaf_hash};
use keybatch::journal::sqlite::SqliteStore;
use keybatch::journal::{Draft, Entry, Journal, WriterOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

/// A clock that ticks once each time it is asked.
#[derive(Debug)]
struct Ticks(AtomicI64);

impl Clock for Ticks {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(1_790_000_000_000_000 + self.0.fetch_add(1_000, Ordering::SeqCst)).unwrap()
    }
}

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("journal.db")
    }

    fn options(&self, checkpoint: Option<Checkpoint>) -> Options {
        let scratch = Some((self.directory.path().to_owned(), "verify".to_owned()));
        Options { checkpoint, require_checkpoint: false, scratch }
    }

    async fn verify(&self) -> Report {
        verify(&self.path(), self.options(None)).await.unwrap()
    }

    async fn verify_with(&self, checkpoint: &Checkpoint) -> Report {
        verify(&self.path(), self.options(Some(checkpoint.clone()))).await.unwrap()
    }

    async fn journal(&self) -> Journal {
        let store = SqliteStore::open(&self.path()).await.unwrap();
        let options = WriterOptions {
            clock: Arc::new(Ticks(AtomicI64::new(0))),
            new_journal_id: "0198c0de-0000-4000-8000-000000000001".into(),
            on_checkpoint: Box::new(|_| Ok(())),
        };
        Journal::start(store, options).await.unwrap().0
    }

    /// A whole journal with the story below, and its last checkpoint.
    async fn filled(&self) -> Checkpoint {
        let journal = self.journal().await;
        for draft in story(&journal).await {
            journal.append(vec![draft]).await.unwrap();
        }
        journal.close().await.unwrap()
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

fn run_id(number: u128) -> RunId {
    RunId(uuid::Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_0000 + number))
}

struct Script {
    run: RunId,
    drafts: Vec<Draft>,
    /// The `seq` of the next entry.
    seq: u64,
    plan: Frontier,
}

impl Script {
    fn push(&mut self, row: Option<u64>, event: Event) -> u64 {
        self.drafts.push(Draft { run: Some(self.run), row, event });
        self.seq += 1;
        self.seq - 1
    }

    fn open(&mut self, session: &str) {
        let opened = event::SessionOpened {
            session: session.into(),
            command: "run".into(),
            version: "0.1.0".into(),
            commit: None,
            host: "host".into(),
            user: "user".into(),
            pid: 1,
            caller_arn: None,
            account: Some("123456789012".into()),
            endpoint: Some("sandbox:w".into()),
            sandbox: true,
            settings: [("rate".to_owned(), "5/s".to_owned())].into(),
            settings_sha256: "00".into(),
            reason: Some("a 'reason'\n".into()),
            ticket: None,
        };
        self.push(None, Event::SessionOpened(opened));
    }

    fn close(&mut self, session: &str) {
        let requests = event::Requests::default();
        self.push(
            None,
            Event::SessionClosed(event::SessionClosed { session: session.into(), requests, elapsed_ms: 5 }),
        );
    }

    fn ingest(&mut self, rows: u64) {
        let columns = vec!["name".into()];
        let ingested = event::ManifestIngested { name: "m.csv".into(), sha256: "ab".into(), bytes: 9, rows, columns };
        self.push(None, Event::ManifestIngested(ingested));
    }

    fn intend(&mut self, row: u64, verdict: event::Verdict) -> u64 {
        let at = Timestamp::from_second(1_789_999_000).unwrap();
        let identity = Identity { arn: Some(format!("arn:{row}")), ..Identity::default() };
        let intent = event::IntentRecorded {
            line: row + 1,
            key_pair_name: format!("key-{row}"),
            account: "123456789012".into(),
            region: if row % 2 == 0 { "eu-west-1" } else { "us-east-1" }.into(),
            fields: Default::default(),
            annotations: [("ö\u{1}\"=".to_owned(), "=1+\u{1f600}".to_owned())].into(),
            observation: Some(Observation { identity, tags: Default::default(), at }),
            verdict,
            expected_fingerprint: None,
            notes: Vec::new(),
        };
        self.push(Some(row), Event::IntentRecorded(Box::new(intent)))
    }

    fn start(&mut self, row: u64, attempt: u32) -> u64 {
        let region = if row % 2 == 0 { "eu-west-1" } else { "us-east-1" };
        let started = event::AttemptStarted { attempt, key_pair_name: format!("key-{row}"), region: region.into() };
        self.push(Some(row), Event::AttemptStarted(started))
    }

    fn finish(&mut self, row: u64, attempt: u32, class: Class) -> u64 {
        let finished = event::AttemptFinished {
            attempt,
            class,
            cause: None,
            exchange: Exchange { http_status: Some(200), elapsed_us: 7, ..Exchange::default() },
            operation: None,
            error: None,
        };
        self.push(Some(row), Event::AttemptFinished(Box::new(finished)))
    }

    fn observe(&mut self, row: Option<u64>, source: Source, found: Found) -> u64 {
        let seen = event::Observed {
            source,
            found,
            requests: 2,
            throttled: 1,
            account: None,
            region: None,
            observation: None,
            operation: None,
            error: None,
            exchange: Exchange::default(),
        };
        self.push(row, Event::Observed(Box::new(seen)))
    }

    fn poll(&mut self, row: u64, class: Class) -> u64 {
        let polled = event::OperationPolled {
            operation_id: "op".into(),
            class,
            requests: 1,
            throttled: 0,
            exchange: Exchange::default(),
            operation: None,
            error: None,
        };
        self.push(Some(row), Event::OperationPolled(Box::new(polled)))
    }

    fn settle(&mut self, row: u64, outcome: Outcome, evidence: Evidence, rests_on: &[u64]) {
        let settled =
            event::RowSettled { outcome, evidence, detail: Some("so it is".into()), rests_on: rests_on.to_vec() };
        self.push(Some(row), Event::RowSettled(settled));
    }

    /// The numbers and times of entries are known only when they are written, so the plan is hashed from what will be.
    fn seal(&mut self, rows: u64, deletes: u64, skips: u64, absents: u64) -> String {
        let plan_root = base64(&self.plan.root());
        let targets = Vec::new();
        let sealed = event::PlanSealed { plan_root: plan_root.clone(), rows, deletes, skips, absents, targets };
        self.push(None, Event::PlanSealed(sealed));
        plan_root
    }
}

/// Two runs in which most of what can happen, happens. Intents must be hashed into the plan with the number and time
/// that they will have, so the first part is written while the drafts are made.
async fn story(journal: &Journal) -> Vec<Draft> {
    use event::Verdict::{Absent, Delete, Skip};
    let mut script = Script { run: run_id(1), drafts: Vec::new(), seq: 1, plan: Frontier::default() };
    script.open("s1");
    script.ingest(10);
    script.observe(None, Source::GetKeyPairs, Found::Listed);
    let verdicts = [Delete, Delete, Delete, Skip, Absent, Delete, Delete, Delete, Delete, Delete];
    let intents: Vec<u64> = (1..).zip(verdicts).map(|(row, verdict)| script.intend(row, verdict)).collect();
    for draft in script.drafts.drain(..) {
        let (run, row, event) = (draft.run, draft.row, draft.event.clone());
        let is_intent = matches!(event, Event::IntentRecorded(_));
        let stamp = journal.append(vec![draft]).await.unwrap()[0];
        if is_intent {
            script.plan.push(Entry { seq: stamp.seq, at: stamp.at, run, row, event }.seal().unwrap().leaf);
        }
    }
    let plan_root = script.seal(10, 8, 1, 1);
    let policy = Policy::default();
    let started = event::RunStarted { plan_root, deletes: 8, confirmed_by: "yes".into(), policy };
    script.push(None, Event::RunStarted(started));
    script.settle(4, Outcome::Skipped, Evidence::Note, &[intents[3]]);
    script.settle(5, Outcome::Absent, Evidence::Inventory, &[3, intents[4]]);
    // A plain success.
    script.start(1, 1);
    let answer = script.finish(1, 1, Class::Succeeded);
    script.settle(1, Outcome::Deleted, Evidence::Answer, &[answer]);
    // Throttled, then not there although nothing took effect before.
    script.start(2, 1);
    script.finish(2, 1, Class::Throttled);
    script.start(2, 2);
    script.finish(2, 2, Class::NotFound);
    let gone = script.observe(Some(2), Source::GetKeyPair, Found::NotFound);
    script.settle(2, Outcome::Gone, Evidence::Readback, &[gone]);
    let change = event::RateChanged {
        account: "123456789012".into(),
        region: "us-east-1".into(),
        from_per_s: "1".into(),
        to_per_s: "0.5".into(),
        why: "throttled".into(),
    };
    script.push(None, Event::RateChanged(change));
    // Unanswered, then found in the history.
    script.start(3, 1);
    script.finish(3, 1, Class::Unanswered);
    script.observe(Some(3), Source::GetKeyPair, Found::NotFound);
    let operation = script.observe(Some(3), Source::GetOperationsForResource, Found::Operation);
    script.settle(3, Outcome::Deleted, Evidence::Operation, &[operation]);
    // Pending, polled.
    script.start(6, 1);
    script.finish(6, 1, Class::Pending);
    let polled = script.poll(6, Class::Succeeded);
    script.settle(6, Outcome::Deleted, Evidence::Operation, &[polled]);
    // Left dangling by a crash.
    script.start(7, 1);
    script.open("s2");
    script.observe(Some(7), Source::GetKeyPair, Found::Same);
    script.start(7, 2);
    let refused = script.finish(7, 2, Class::Refused);
    script.settle(7, Outcome::Failed, Evidence::Answer, &[refused]);
    let stopped = event::RunStopped { why: "signal".into(), detail: None, faults: Default::default(), manifest: None };
    script.push(None, Event::RunStopped(stopped.clone()));
    script.close("s2");
    script.open("s3");
    // In doubt, absent by answer, and one that survives.
    script.start(8, 1);
    let unanswered = script.finish(8, 1, Class::Unanswered);
    let silent = script.observe(Some(8), Source::GetKeyPair, Found::NoAnswer);
    script.settle(8, Outcome::InDoubt, Evidence::Tried, &[unanswered, silent]);
    script.start(9, 1);
    let vanished = script.finish(9, 1, Class::NotFound);
    script.settle(9, Outcome::Absent, Evidence::Answer, &[vanished]);
    script.start(10, 1);
    script.finish(10, 1, Class::Unanswered);
    let same = script.observe(Some(10), Source::GetKeyPair, Found::Same);
    script.settle(10, Outcome::Failed, Evidence::Readback, &[same]);
    let outcomes =
        OutcomeCounts { deleted: 3, gone: 1, absent: 2, skipped: 1, failed: 2, in_doubt: 1, not_attempted: 0 };
    script.push(None, Event::RunFinished(event::RunFinished { rows: 10, outcomes }));
    script.close("s3");
    script.open("s4");
    script.close("s4");
    // A manifest that was refused.
    script.run = run_id(2);
    script.open("s5");
    script.push(None, Event::RunStopped(event::RunStopped { why: "refused".into(), ..stopped }));
    script.close("s5");
    script.drafts
}

#[tokio::test]
async fn a_sound_journal_is_sound_at_every_length_while_it_is_written() {
    let place = Place::new();
    let journal = place.journal().await;
    let drafts = story(&journal).await;
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
        ("UPDATE run SET state = 'finished' WHERE run_no = 2", Verdict::ProjectionMismatch),
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
    let drafts = story(&journal).await;
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
        "\"evidence\":\"answer\",\"kind\":\"row_settled\",\"outcome\":\"deleted\"",
    );
    let cases = [
        // The plan no longer has the root that was sealed.
        ("\"key_pair_name\":\"key-3\"", "\"key_pair_name\":\"key-0\"", Verdict::Altered),
        (from_gone, to_deleted, Verdict::IllegalHistory),
        ("\"class\":\"succeeded\"", "\"class\":\"unanswered\"", Verdict::IllegalHistory),
        ("\"found\":\"same\"", "\"found\":\"other\"", Verdict::IllegalHistory),
        ("\"attempt\":2", "\"attempt\":3", Verdict::IllegalHistory),
        ("\"deletes\":8", "\"deletes\":7", Verdict::IllegalHistory),
        ("\"in_doubt\":1", "\"in_doubt\":0", Verdict::IllegalHistory),
        ("\"kind\":\"run_started\"", "\"kind\":\"run_started\",\"l\": 1", Verdict::IllegalHistory),
        ("\"kind\":\"rate_changed\"", "\"kind\":\"reconciled\"", Verdict::CannotVerify),
        ("\"rests_on\":[3,", "\"rests_on\":[2,", Verdict::IllegalHistory),
        ("\"v\":1", "\"v\":2", Verdict::CannotVerify),
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
    for draft in story(&journal).await {
        journal.append(vec![draft]).await.unwrap();
    }
    let checkpoint = journal.checkpoint(None).await.unwrap();
    // The write-ahead log, cut at several lengths and then missing.
    let copy = Place::new();
    let wal = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
    let log = std::fs::read(wal(&place.path())).unwrap();
    for part in [log.len(), log.len() - 1, log.len() / 2, log.len() / 3, 0] {
        std::fs::copy(place.path(), copy.path()).unwrap();
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

#[tokio::test]
async fn a_damaged_file_is_read_as_far_as_it_goes() {
    let place = Place::new();
    place.filled().await;
    let whole = std::fs::read(place.path()).unwrap();
    assert!(whole.len() > 8 * 4096);
    for page in 0..whole.len() / 4096 {
        let mut damaged = whole.clone();
        damaged[page * 4096..(page + 1) * 4096].fill(0xA5);
        std::fs::write(place.path(), &damaged).unwrap();
        let report = place.verify().await;
        assert!(!report.verdict.is_sound(), "page {page}: {report:?}");
    }
    for length in [0, 10, 4096, whole.len() / 2, whole.len() - 4096] {
        std::fs::write(place.path(), &whole[..length]).unwrap();
        let report = place.verify().await;
        assert!(!report.verdict.is_sound(), "{length} bytes: {report:?}");
    }
    std::fs::remove_file(place.path()).unwrap();
    assert!(verify(&place.path(), place.options(None)).await.is_err());
}
