//! A small journal in which most of what can happen has happened, written through the library with a clock of its own.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use keybatch::domain::{
    ApiError, Cause, Class, Clock, ErrorText, Evidence, Exchange, Failure, Identity, Observation, Operation, Outcome,
    OutcomeCounts, RawBody, RunId, Settings, Shown, sha256,
};
use keybatch::journal::open;
use keybatch::journal::{Journal, WriterOptions};
use keybatch::record::checkpoint::Checkpoint;
use keybatch::record::event::{self, Event, Found, Source};
use keybatch::record::plan::{self, PlanObservation, PlanRow, Sealing};
use keybatch::record::{Draft, Entry};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

/// The name of a column that means mischief.
const ANNOTATION: &str = "ö\u{1}\"=";

/// Bytes of a page of these journals.
pub(crate) const PAGE: usize = 8_192;

/// A clock that ticks once each time it is asked.
#[derive(Debug)]
struct Ticks(AtomicI64);

impl Clock for Ticks {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(1_790_000_000_000_000 + self.0.fetch_add(1_000, Ordering::SeqCst)).unwrap()
    }
}

/// A directory with a journal in it.
pub(crate) struct Place {
    pub(crate) directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("journal.db")
    }

    /// A journal with pages of half the usual size: the tests that damage a page want many of them.
    pub(crate) async fn journal(&self) -> Journal {
        if !self.path().exists() {
            let options = SqliteConnectOptions::new().filename(self.path()).create_if_missing(true);
            let mut connection = options.connect().await.unwrap();
            let empty = format!("PRAGMA page_size = {PAGE}; CREATE TABLE t (x); DROP TABLE t;");
            sqlx::raw_sql(sqlx::AssertSqlSafe(empty)).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            std::fs::set_permissions(self.path(), Permissions::from_mode(0o600)).unwrap();
        }
        let store = open::store(&self.path(), Arc::new(Ticks(AtomicI64::new(0)))).await.unwrap();
        let options = WriterOptions {
            new_journal_id: "0198c0de-0000-4000-8000-000000000001".into(),
            on_checkpoint: Box::new(|_, _| Ok(())),
        };
        Journal::start(store, options).await.unwrap().0
    }

    /// A whole journal with the story below, and its last checkpoint.
    pub(crate) async fn filled(&self) -> Checkpoint {
        let journal = self.journal().await;
        for draft in story() {
            journal.append(vec![draft]).await.unwrap();
        }
        journal.close().await.unwrap()
    }
}

fn run_id(number: u128) -> RunId {
    RunId(uuid::Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_0000 + number))
}

/// An entry's event from its fields.
pub(crate) fn event_of(kind: &str, fields: &Value) -> Event {
    let mut body = fields.clone();
    (body["v"], body["seq"], body["kind"]) = (keybatch::record::ENTRY_VERSION.into(), 1.into(), kind.into());
    body["at"] = "2026-01-01T00:00:00.000000Z".into();
    Entry::parse(&body.to_string()).unwrap().event
}

/// The beginning of a session in the sandbox, without settings, and of a run.
pub(crate) fn opened(session: &str) -> Event {
    opened_run(1, session)
}

/// The same of another run.
pub(crate) fn opened_run(run: u128, session: &str) -> Event {
    let settings_sha256 = sha256(b"{}");
    event_of(
        "session_opened",
        &json!({ "session_id": session, "run_id": run_id(run).to_string(), "command": "run", "version": "0.1.0", "host": "h", "user": "u", "pid": 1,
                 "account": "123456789012", "endpoint": "sandbox:w", "sandbox": true, "settings": {},
                 "settings_sha256": settings_sha256 }),
    )
}

struct Script {
    run: RunId,
    /// The `seq` of the entry that began the run.
    run_no: Option<u64>,
    drafts: Vec<Draft>,
    /// The `seq` of each row's intent.
    intents: Vec<u64>,
    /// Deletes of this session.
    sent: u64,
    /// The `seq` of the next entry.
    seq: u64,
    plan: Sealing,
}

impl Script {
    fn push(&mut self, row: Option<u64>, event: Event) -> u64 {
        let run = self.run_no.filter(|_| matches!(event, Event::SessionOpened(_)));
        self.drafts.push(Draft { run, row, event });
        self.seq += 1;
        self.seq - 1
    }

    fn open(&mut self, session: &str) {
        self.sent = 0;
        let digest = sha256(br#"{"rate":"5/s"}"#);
        let opened = event::SessionOpened {
            run_id: self.run_no.is_none().then(|| self.run.to_string()),
            session_id: session.into(),
            command: "run".into(),
            version: "0.1.0".into(),
            commit: None,
            host: "host".into(),
            user: "user".into(),
            pid: 1,
            caller_arn: None,
            profile: None,
            credentials_source: None,
            login_uid: None,
            claims: Default::default(),
            account: Some("123456789012".into()),
            accounts: Vec::new(),
            endpoint: Some("sandbox:w".into()),
            sandbox: true,
            settings: [("rate".to_owned(), "5/s".to_owned())].into(),
            settings_sha256: digest,
            attempt_timeout_ms: Some(15_000),
            reason: Some("a 'reason'\n".into()),
            ticket: None,
            continues_from: None,
            not_remembered: None,
            policy_sha256: None,
            machine_policy_sha256: None,
        };
        let seq = self.push(None, Event::SessionOpened(Box::new(opened)));
        self.run_no.get_or_insert(seq);
    }

    /// A session of no run, in which a person says more of a row of the first one.
    fn resolve(&mut self, session: &str, row: u64, outcome: Outcome, rests_on: &[u64]) {
        let fields = json!({ "session_id": session, "command": "resolve", "version": "0.1.0", "host": "h", "user": "u", "pid": 1,
                             "sandbox": true, "settings": {}, "settings_sha256": sha256(b"{}") });
        self.drafts.push(Draft::of(event_of("session_opened", &fields)));
        let file = event::AttachedFile { name: "trail.json".into(), sha256: sha256(b"{}"), bytes: 2 };
        let told = event::RowResolved {
            outcome,
            evidence: Evidence::Person,
            because: "CloudTrail names it\n".into(),
            by: "u".into(),
            file: Some(file),
            event_id: None,
            rests_on: rests_on.into(),
        };
        self.drafts.push(Draft { run: Some(1), row: Some(row), event: Event::RowResolved(told) });
        self.sent = 0;
        self.seq += 2;
        self.close();
    }

    fn close(&mut self) {
        let requests = event::Requests { delete: self.sent, ..event::Requests::default() };
        self.push(None, Event::SessionClosed(event::SessionClosed { requests, elapsed_ms: 5 }));
    }

    fn ingest(&mut self, rows: u64) {
        let columns = vec!["name".into(), ANNOTATION.into()];
        let ingested = event::ManifestIngested { name: "m.csv".into(), sha256: "ab".into(), bytes: 9, rows, columns };
        self.push(None, Event::ManifestIngested(ingested));
    }

    fn intend(&mut self, row: u64, verdict: plan::Verdict) -> u64 {
        let skip = plan::Note { severity: plan::Severity::Skip, kind: "in_use".into(), text: "by one".into() };
        self.intents.push(self.seq);
        let (region, page) = if row.is_multiple_of(2) { ("eu-west-1", 4) } else { ("us-east-1", 3) };
        let observation = (verdict != plan::Verdict::Absent).then(|| {
            let Observation { identity, tags, at: _ } = seen(row);
            PlanObservation::new(identity, tags)
        });
        let line = PlanRow {
            line: row + 1,
            annotations: [(ANNOTATION.to_owned(), "=1+\u{1f600}".to_owned())].into(),
            notes: if verdict == plan::Verdict::Skip { vec![skip] } else { Vec::new() },
            observation,
            ..PlanRow::of(row, format!("key-{row}"), "123456789012".into(), region.into(), verdict)
        };
        self.plan.push(&line.account, region, verdict, line.leaf().unwrap());
        let page = line.observation.is_some().then_some(page);
        self.push(Some(row), Event::IntentRecorded(Box::new(event::IntentRecorded { line, page, today: None })))
    }

    fn start(&mut self, row: u64, attempt: u32) -> u64 {
        self.push(Some(row), Event::AttemptStarted(event::AttemptStarted { attempt }))
    }

    fn finish(&mut self, row: u64, attempt: u32, class: Class) -> u64 {
        self.sent += 1;
        let outcome = match class {
            Class::Succeeded => Some(Outcome::Deleted),
            Class::Refused if attempt == 1 => Some(Outcome::Failed),
            _ => None,
        };
        let status = match class {
            Class::Succeeded => Some("Succeeded"),
            Class::Pending => Some("Started"),
            _ => None,
        };
        let name = match class {
            Class::Throttled => "ThrottlingException",
            Class::NotFound => "NotFoundException",
            Class::Refused => "InvalidInputException",
            _ => "",
        };
        let operation = status.map(|status| operation(row, status));
        let (exchange, error) = match &operation {
            Some(operation) => (exchange(200, &json!({ "operation": on_the_wire(operation) })), None),
            None => refusal(name),
        };
        let finished = event::AttemptFinished {
            attempt,
            class,
            shown: Shown::of(operation, &exchange),
            failure: Failure::of(error, &exchange),
            exchange,
            outcome,
            evidence: outcome.map(|_| Evidence::Answer),
            detail: outcome.filter(|outcome| *outcome == Outcome::Failed).map(|_| "so it is".into()),
        };
        self.push(Some(row), Event::AttemptFinished(Box::new(finished)))
    }

    fn observe(&mut self, row: Option<u64>, source: Source, found: Found) -> u64 {
        let of = row.unwrap_or_default();
        let observation = (found == Found::Same).then(|| seen(of));
        let operation = (found == Found::Operation).then(|| operation(of, "Succeeded"));
        let shown: Vec<Value> = operation.iter().map(on_the_wire).collect();
        let (exchange, error) = match found {
            Found::Same => {
                let pair = json!({ "name": format!("key-{of}"), "arn": format!("arn:{of}") });
                (exchange(200, &json!({ "keyPair": pair })), None)
            }
            Found::Operation | Found::NoOperation => (exchange(200, &json!({ "operations": shown })), None),
            Found::Listed => (exchange(200, &json!({})).without_body(), None),
            Found::NotFound => refusal("NotFoundException"),
            _ => refusal(""),
        };
        let (account, region) = (None, None);
        let (requests, throttled) = (2, 1);
        let observed = event::Observed {
            source,
            found,
            requests,
            throttled,
            account,
            region,
            observation,
            operation,
            failure: Failure::of(error, &exchange),
            exchange,
        };
        self.push(row, Event::Observed(Box::new(observed)))
    }

    /// The key pairs of a region.
    fn list(&mut self, region: &str) -> u64 {
        let exchange = exchange(200, &json!({})).without_body();
        let (account, region) = (Some("123456789012".into()), Some(region.into()));
        let listed =
            event::Observed { account, region, exchange, ..event::Observed::of(Source::GetKeyPairs, Found::Listed) };
        self.push(None, Event::Observed(Box::new(listed)))
    }

    fn poll(&mut self, row: u64, class: Class) -> u64 {
        let ended = operation(row, "Succeeded");
        let exchange = exchange(200, &json!({ "operation": on_the_wire(&ended) }));
        let polled = event::OperationPolled {
            operation_id: "op".into(),
            class,
            requests: 1,
            throttled: 0,
            shown: Shown::of(Some(ended), &exchange),
            exchange,
            failure: Failure::default(),
        };
        self.push(Some(row), Event::OperationPolled(Box::new(polled)))
    }

    fn settle(&mut self, row: u64, outcome: Outcome, evidence: Evidence, rests_on: &[u64]) -> u64 {
        let intent = self.intents[usize::try_from(row).unwrap() - 1];
        let mut rests_on: Vec<u64> = rests_on.iter().copied().chain([intent]).collect();
        rests_on.sort_unstable();
        let settled = event::RowSettled { outcome, evidence, detail: Some("so it is".into()), rests_on };
        self.push(Some(row), Event::RowSettled(settled))
    }

    fn seal(&mut self, rows: u64) -> String {
        let header = plan::PlanHeader {
            schema: plan::PLAN_SCHEMA.into(),
            action: plan::ACTION.into(),
            plan_id: run_id(7).to_string(),
            made_at: "2026-01-01T00:00:00.000000Z".into(),
            made_by: "user@host".into(),
            expires_at: None,
            ticket: None,
            reason: None,
            manifest: plan::PlanManifest { name: "m.csv".into(), sha256: "ab".into(), bytes: 9, rows },
            endpoint: "sandbox:w".into(),
            callers: vec![plan::PlanCaller { account: "123456789012".into(), arn: "arn".into() }],
            settings: Default::default(),
            policy_sha256: None,
            version: "0.1.0".into(),
        };
        let seal = std::mem::take(&mut self.plan).seal(&header).unwrap();
        let target = |region: &str| event::TargetInventory {
            account: "123456789012".into(),
            region: region.into(),
            key_pairs: rows,
            pages: 1,
            instances: None,
        };
        let targets = ["eu-west-1", "us-east-1"].map(target).into();
        let root = seal.root.clone();
        self.push(None, Event::PlanSealed(Box::new(event::PlanSealed { header, seal, targets })));
        root
    }
}

/// The key pair of a row.
fn seen(row: u64) -> Observation {
    let identity = Identity { arn: Some(format!("arn:{row}")), ..Identity::default() };
    Observation { identity, tags: Default::default(), at: Timestamp::from_second(1_789_999_000).unwrap() }
}

/// What the service says of a row's delete.
fn operation(row: u64, status: &str) -> Operation {
    Operation {
        id: Some("op".into()),
        resource_name: Some(format!("key-{row}")),
        resource_type: Some("KeyPair".into()),
        // While its attempt is under way: entries are a millisecond apart.
        created_at: Some("2026-09-21T14:13:20.500Z".into()),
        is_terminal: Some(status != "Started"),
        operation_type: Some("DeleteKeyPair".into()),
        status: Some(status.into()),
        ..Operation::default()
    }
}

fn on_the_wire(operation: &Operation) -> Value {
    json!({
        "id": operation.id,
        "resourceName": operation.resource_name,
        "resourceType": operation.resource_type,
        "createdAt": 1_790_000_000.5,
        "isTerminal": operation.is_terminal,
        "operationType": operation.operation_type,
        "status": operation.status,
    })
}

fn exchange(status: u16, body: &Value) -> Exchange {
    let raw_body = RawBody::new(body.to_string().as_bytes());
    Exchange { http_status: Some(status), elapsed_us: 7, raw_body, ..Exchange::default() }
}

/// The service refuses by this name; without one it does not answer.
fn refusal(name: &str) -> (Exchange, Option<ApiError>) {
    if name.is_empty() {
        return (Exchange::default(), Some(ApiError::nothing(Class::Unanswered, Cause::Timeout)));
    }
    let text = ErrorText { error_type: Some(name.into()), code: Some(name.into()), ..ErrorText::default() };
    let error = ApiError { text, ..ApiError::nothing(Class::Unanswered, Cause::Error) };
    (exchange(400, &json!({ "__type": name })), Some(error))
}

/// Two runs in which most of what can happen, happens.
#[expect(clippy::too_many_lines, reason = "a journal told from its first entry to its last")]
pub(crate) fn story() -> Vec<Draft> {
    use plan::Verdict::{Absent, Delete, Skip};
    let (drafts, intents, plan) = (Vec::new(), Vec::new(), Sealing::default());
    let mut script = Script { run: run_id(1), run_no: None, drafts, intents, sent: 0, seq: 1, plan };
    script.open("s1");
    script.ingest(10);
    for region in ["us-east-1", "eu-west-1"] {
        script.list(region);
    }
    let verdicts = [Delete, Delete, Delete, Skip, Absent, Delete, Delete, Delete, Delete, Delete];
    for (row, verdict) in (1..).zip(verdicts) {
        script.intend(row, verdict);
    }
    let plan_root = script.seal(10);
    let settings = Settings::default();
    let started = event::RunStarted { plan_root, deletes: 8, confirmed_by: "yes".into(), settings };
    script.push(None, Event::RunStarted(started));
    script.settle(4, Outcome::Skipped, Evidence::Note, &[]);
    script.settle(5, Outcome::Absent, Evidence::Inventory, &[3]);
    // A plain success.
    script.start(1, 1);
    script.finish(1, 1, Class::Succeeded);
    // Throttled, then lost, and not there any more.
    script.start(2, 1);
    script.finish(2, 1, Class::Throttled);
    script.start(2, 2);
    script.finish(2, 2, Class::Unanswered);
    let gone = script.observe(Some(2), Source::GetKeyPair, Found::NotFound);
    script.observe(Some(2), Source::GetOperationsForResource, Found::NoOperation);
    script.settle(2, Outcome::Gone, Evidence::Readback, &[gone]);
    let change = event::RateChanged {
        account: "123456789012".into(),
        region: "us-east-1".into(),
        from_per_s: "1".into(),
        to_per_s: "0.5".into(),
        learned_per_s: Some("0.5".into()),
        learned_is_limit: Some(true),
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
    let same = script.observe(Some(7), Source::GetKeyPair, Found::Same);
    script.settle(7, Outcome::Failed, Evidence::Answer, &[refused, same]);
    let stopped = event::RunStopped::new("signal", None);
    script.push(None, Event::RunStopped(stopped.clone()));
    script.close();
    script.open("s3");
    // In doubt, absent by answer, and one that survives.
    script.start(8, 1);
    let unanswered = script.finish(8, 1, Class::Unanswered);
    let silent = script.observe(Some(8), Source::GetKeyPair, Found::NoAnswer);
    let doubt = script.settle(8, Outcome::InDoubt, Evidence::Tried, &[unanswered, silent]);
    script.start(9, 1);
    let vanished = script.finish(9, 1, Class::NotFound);
    let read = script.observe(Some(9), Source::GetKeyPair, Found::NotFound);
    script.settle(9, Outcome::Absent, Evidence::Answer, &[vanished, read]);
    script.start(10, 1);
    script.finish(10, 1, Class::Unanswered);
    let same = script.observe(Some(10), Source::GetKeyPair, Found::Same);
    script.settle(10, Outcome::Failed, Evidence::Readback, &[same]);
    let outcomes = OutcomeCounts {
        deleted: 3,
        gone: 1,
        absent: 2,
        skipped: 1,
        failed: 2,
        in_doubt: 1,
        ..OutcomeCounts::default()
    };
    script.push(None, Event::RunFinished(event::RunFinished { rows: 10, outcomes }));
    script.close();
    script.open("s4");
    script.close();
    // A manifest that was refused.
    (script.run, script.run_no) = (run_id(2), None);
    script.open("s5");
    script.push(None, Event::RunStopped(event::RunStopped { why: keybatch::record::StopReason::Refused, ..stopped }));
    script.close();
    // What became of the row in doubt, and then that this was a mistake.
    let intent = script.intents[7];
    let first = script.seq + 1;
    script.resolve("s6", 8, Outcome::Failed, &[intent, doubt]);
    script.resolve("s7", 8, Outcome::InDoubt, &[intent, unanswered, doubt, first]);
    script.drafts
}
