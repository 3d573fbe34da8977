//! Histories that stores are filled with, and the questions that the stores are then asked.

use std::fmt::Debug;

use fastrand::Rng;
use jiff::Timestamp;
use keybatch::domain::{RunId, Target};
use keybatch::journal::{EntryFilter, EntryStore, JournalError, Reader, RunRecord, RunState, TreeHead};
use keybatch::record::{Draft, Event};
use serde_json::{Value, json};

use crate::story::event_of;

fn run_id(number: u128) -> RunId {
    RunId(uuid::Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_0000 + number))
}

/// In a draft of a history: the run that was begun last, whose number [`write`] knows.
const LAST_RUN: u64 = u64::MAX;

fn draft(run: Option<u64>, row: Option<u64>, kind: &str, fields: &Value) -> Draft {
    Draft { run, row, event: event_of(kind, fields) }
}

/// The first entry of a journal.
pub(crate) fn created() -> Draft {
    draft(None, None, "journal_created", &json!({ "journal_id": "j", "format": "f", "action": "a", "version": "0" }))
}

/// An entry that changes nothing.
pub(crate) fn closed(elapsed_ms: u64) -> Draft {
    let Event::SessionClosed(mut closed) =
        event_of("session_closed", &json!({ "requests": nothing(), "elapsed_ms": 0 }))
    else {
        panic!("not the kind that was asked for")
    };
    closed.elapsed_ms = elapsed_ms;
    Draft { run: None, row: None, event: Event::SessionClosed(closed) }
}

/// The opening of a session without a run.
pub(super) fn opening() -> Draft {
    draft(None, None, "session_opened", &opened())
}

fn nothing() -> Value {
    json!({ "delete": 0, "read": 0, "throttled": 0 })
}

/// Drafts that do not fit into any of the histories below.
pub(super) fn misfits() -> Vec<Draft> {
    let unknown = Some(9_999);
    vec![draft(unknown, None, "plan_sealed", &sealed(0)), draft(unknown, Some(1), "attempt_started", &started(1))]
}

fn sealed(rows: u64) -> Value {
    let header = json!({ "schema": "s", "action": "a", "plan_id": "p", "made_at": "t", "made_by": "b",
                         "manifest": { "name": "m", "sha256": "s", "bytes": 1, "rows": rows }, "endpoint": "e",
                         "callers": [], "settings": {}, "version": "0" });
    let seal = json!({ "schema": "s", "rows": rows, "targets": [], "root": "P", "rows_root": "R" });
    json!({ "header": header, "seal": seal, "targets": [] })
}

fn started(attempt: u32) -> Value {
    json!({ "attempt": attempt })
}

/// Writes a history behind what is there, with the first entry of a journal where there is none, and returns the head.
pub(crate) async fn write(store: &mut impl EntryStore, batches: Vec<Vec<Draft>>) -> TreeHead {
    let mut head = store.head().await.unwrap().mark();
    let first = (head.size == 0).then(|| vec![created()]);
    let mut last_run = None;
    for mut batch in first.into_iter().chain(batches) {
        for (draft, seq) in batch.iter_mut().zip(head.size..) {
            if matches!(&draft.event, Event::SessionOpened(opened) if opened.run_id.is_some()) {
                last_run = Some(seq);
            }
            draft.run = if draft.run == Some(LAST_RUN) { last_run } else { draft.run };
        }
        head = store.append(batch, None).await.unwrap().head;
    }
    head
}

/// A history of some runs; each seed has others. It is not one that `verify` would accept.
pub(crate) fn history(seed: u64) -> Vec<Vec<Draft>> {
    let mut rng = Rng::with_seed(seed);
    let mut drafts = Vec::new();
    for number in 0..rng.u64(1..=3) {
        let mut run = Run { id: run_id(u128::from(seed * 10 + number)), rng: rng.fork(), drafts: Vec::new() };
        run.live();
        drafts.append(&mut run.drafts);
        if rng.bool() {
            // By a session without a run.
            drafts.push(opening());
            drafts.push(draft(None, None, "override_used", &json!({ "override": "accept-rollback", "by": "u" })));
        }
    }
    let mut batches = Vec::new();
    while !drafts.is_empty() {
        let rest = drafts.split_off(rng.usize(1..=20).min(drafts.len()));
        batches.push(std::mem::replace(&mut drafts, rest));
    }
    batches
}

/// What a session's beginning says.
fn opened() -> Value {
    json!({ "session_id": "s", "command": "run", "version": "0", "host": "h", "user": "u", "pid": 1, "sandbox": false,
            "settings": {}, "settings_sha256": "", "continues_from": "R" })
}

struct Run {
    id: RunId,
    rng: Rng,
    drafts: Vec<Draft>,
}

impl Run {
    fn push(&mut self, kind: &str, fields: Value) {
        self.drafts.push(draft(None, None, kind, &fields));
    }

    fn push_row(&mut self, row: u64, kind: &str, fields: Value) {
        self.drafts.push(draft(None, Some(row), kind, &fields));
    }

    /// The session that begins it, or one that goes on with it.
    fn open(&mut self, begins: bool) {
        let ticket = self.rng.bool().then_some("T-1");
        let own =
            json!({ "account": "1", "endpoint": *self.rng.choice(&["e", "f"]).unwrap(), "sandbox": self.rng.bool() });
        let mut fields = opened();
        let object = fields.as_object_mut().unwrap();
        object.extend(own.as_object().unwrap().clone());
        object.extend(ticket.map(|ticket| ("ticket".to_owned(), ticket.into())));
        object.extend(begins.then(|| ("run_id".to_owned(), self.id.to_string().into())));
        self.drafts.push(draft((!begins).then_some(LAST_RUN), None, "session_opened", &fields));
    }

    fn live(&mut self) {
        self.open(true);
        let rows = self.rng.u64(1..=9);
        let manifest = json!({ "name": "m", "sha256": "hash", "bytes": 1, "rows": rows, "columns": [] });
        if self.rng.u32(0..5) == 0 {
            return self.push("run_stopped", json!({ "why": "refused", "manifest": manifest }));
        }
        self.push("manifest_ingested", manifest);
        let observed = self.observed();
        self.push("observed", observed);
        for row in 1..=rows {
            let intent = self.intent(row);
            self.push_row(row, "intent_recorded", intent);
        }
        if self.rng.u32(0..5) == 0 {
            return;
        }
        self.push("plan_sealed", sealed(rows));
        let settings = keybatch::domain::Settings::default();
        self.push(
            "run_started",
            json!({ "plan_root": "P", "deletes": 0, "confirmed_by": "yes", "settings": settings }),
        );
        if self.rng.bool() {
            let taken =
                json!({ "account": "1", "region": "r1", "rows": [[1, rows]], "lasts_ms": 10_000, "skew_ms": "-7" });
            self.push("lease_taken", taken);
            self.push("lease_ended", json!({ "of": 1, "why": "lapsed" }));
        }
        for row in 1..=rows {
            self.row(row);
        }
        if self.rng.bool() {
            let learned = self.rng.u32(1..9).to_string();
            let (region, is_limit) = (*self.rng.choice(&["r1", "r2"]).unwrap(), self.rng.bool());
            self.push(
                "rate_changed",
                json!({ "account": "1", "region": region, "from_per_s": "1", "to_per_s": "2",
                "learned_per_s": learned, "learned_is_limit": is_limit, "why": "doubled" }),
            );
        }
        if self.rng.bool() {
            let what = *self.rng.choice(&["pause", "continue", "stop"]).unwrap();
            self.push("control_used", json!({ "what": what, "by": "u", "uid": 1000 }));
        }
        let outcomes = json!({ "deleted": 0, "gone": 0, "absent": 0, "skipped": 0, "failed": 0, "in_doubt": 0, "not_attempted": 0 });
        match self.rng.u32(0..5) {
            0 => self.push("run_finished", json!({ "rows": rows, "outcomes": outcomes })),
            1 => self.push("run_abandoned", json!({ "because": "b", "by": "u", "rows": rows, "outcomes": outcomes })),
            2 => self.push("run_stopped", json!({ "why": "signal" })),
            3 => {
                self.push("run_stopped", json!({ "why": "signal" }));
                self.push("session_closed", json!({ "requests": nothing(), "elapsed_ms": 7 }));
                self.open(false);
            }
            _ => {}
        }
    }

    fn observed(&mut self) -> Value {
        let requests = self.rng.u64(0..3);
        json!({ "source": "get_key_pair", "found": "no_answer", "requests": requests, "throttled": requests / 2, "elapsed_us": 1 })
    }

    fn intent(&mut self, row: u64) -> Value {
        let verdict = *self.rng.choice(&["delete", "delete", "delete", "skip", "absent"]).unwrap();
        let kind = *self.rng.choice(&["duplicate", "recreated", "in_use"]).unwrap();
        let severity = *self.rng.choice(&["skip", "warn"]).unwrap();
        let notes =
            if self.rng.bool() { json!([{ "severity": severity, "note": kind, "text": "t" }]) } else { json!([]) };
        let name = format!("k{}", self.rng.u64(1..=6));
        let region = *self.rng.choice(&["r1", "r2", "r3"]).unwrap();
        let line = json!({ "row": row, "line": row + 1, "name": name, "account": "1", "region": region,
                           "verdict": verdict, "notes": notes });
        let mut intent = json!({ "line": line });
        if self.rng.bool() {
            intent["line"]["observation"] = json!({ "arn": format!("arn:{name}"), "created_at": "2026-01-01T00:00:00Z",
                                                    "fingerprint": "f" });
            // Whatever the first entry is: a store looks the number up, and `verify` judges it.
            intent["page"] = json!(0);
        }
        if self.rng.u32(0..3) == 0 {
            let kind = *self.rng.choice(&["drift_plan", "recreated"]).unwrap();
            intent["today"] =
                json!({ "verdict": verdict, "notes": [{ "severity": severity, "note": kind, "text": "t" }] });
            if self.rng.bool() {
                intent["today"]["observation"] = json!({ "arn": format!("arn:{name}-2"), "fingerprint": "f" });
            }
        }
        intent
    }

    /// What becomes of a row.
    fn row(&mut self, row: u64) {
        for attempt in 1..=self.rng.u32(0..3) {
            self.push_row(row, "attempt_started", started(attempt));
            if self.rng.u32(0..4) == 0 {
                if self.rng.bool() {
                    let late = json!({ "attempt": attempt, "class": "unanswered", "elapsed_us": 1 });
                    self.push_row(row, "answer_late", late);
                }
                return;
            }
            let classes = ["throttled", "not_sent", "denied", "unanswered", "refused"];
            let class = *self.rng.choice(&classes).unwrap();
            self.push_row(row, "attempt_finished", json!({ "attempt": attempt, "class": class, "elapsed_us": 1 }));
            if self.rng.bool() {
                let observed = self.observed();
                self.push_row(row, "observed", observed);
            }
        }
        let pairs = [
            ("deleted", "operation"),
            ("gone", "readback"),
            ("absent", "inventory"),
            ("skipped", "note"),
            ("failed", "answer"),
            ("in_doubt", "tried"),
        ];
        if self.rng.bool() {
            let (outcome, evidence) = *self.rng.choice(&pairs).unwrap();
            self.push_row(row, "row_settled", json!({ "outcome": outcome, "evidence": evidence, "rests_on": [] }));
            for outcome in ["deleted", "absent"].into_iter().take(self.rng.usize(0..6).saturating_sub(3)) {
                let told =
                    json!({ "outcome": outcome, "evidence": "person", "because": "b", "by": "u", "rests_on": [] });
                self.drafts.push(draft(Some(LAST_RUN), Some(row), "row_resolved", &told));
            }
        }
    }
}

/// An answer, with what was asked.
fn told(question: &str, answer: Result<impl Debug, JournalError>) -> String {
    format!("{question}: {:?}", answer.map_err(|error| error.to_string()))
}

/// What a reader says of everything.
pub(crate) async fn answers(reader: &Reader) -> Vec<String> {
    let mut answers = vec![
        told("runs", reader.runs().await),
        told("head", reader.head().await),
        told("rollbacks", reader.accepted_rollbacks().await),
        told("rows anywhere", reader.rows_anywhere(Some("k2"), None, 5).await),
        told("rows anywhere", reader.rows_anywhere(None, Some(3), 9).await),
    ];
    for endpoint in ["e", "f"] {
        for region in ["r1", "r2"] {
            let target = Target { account: "1".into(), region: region.into() };
            answers.push(told("rate", reader.rate(endpoint, &target).await));
        }
    }
    for run in reader.runs().await.unwrap() {
        answers.extend(of_run(reader, &run).await);
    }
    let filter = EntryFilter::default;
    for wanted in [
        filter(),
        EntryFilter { run: Some(1), ..filter() },
        EntryFilter { kind: Some("attempt_finished".into()), ..filter() },
        EntryFilter { row: Some(2), name: Some("k1".into()), ..filter() },
        EntryFilter { until: Some("2026-11-29T08:00:01Z".into()), ..filter() },
        EntryFilter { outcome: Some("deleted".into()), ..filter() },
        EntryFilter { outcome: Some("unsettled".into()), ..filter() },
        EntryFilter { outcome: Some("not_attempted".into()), ..filter() },
    ] {
        answers.push(told("last matching", reader.last_matching(&wanted, 4).await));
        answers.push(told("matching", reader.matching(&wanted, 5, 9).await));
    }
    answers
}

async fn of_run(reader: &Reader, run: &RunRecord) -> Vec<String> {
    let number = run.run_no;
    let mut answers = vec![
        told("counts", reader.counts(run).await),
        told("attempts", reader.attempts(number).await),
        told("targets", reader.targets(number).await),
        told("pending counts", reader.pending_counts(number).await),
        told("about", reader.about(number).await),
        told("superfluous", reader.superfluous(number).await),
        told("milestones", reader.milestones(number).await),
        told("sessions", reader.milestones_of(number, "session_opened").await),
        told("controls", reader.milestones_of(number, "control_used").await),
        told("ends of leases", reader.milestones_of(number, "lease_ended").await),
        told("rows of a name", reader.rows_of_name(number, "k1").await),
        told("names", reader.past_names(number, 2, 3).await),
        told("open", reader.open_attempts(run.run, "e", "1", Timestamp::MIN).await),
        told("unclear", reader.unclear_rows(run.run, "e", "1").await),
        told("open later", reader.open_attempts(run.run, "e", "1", Timestamp::MAX).await),
    ];
    for target in reader.targets(number).await.unwrap() {
        let target = target.target_no;
        for flag in [false, true] {
            answers.push(told("to delete", reader.names_to_delete(number, target, flag, 2).await));
            answers.push(told("pending", reader.pending_rows(number, target, 1, 3, flag).await));
        }
    }
    for after in [(0, 0), (1, 1), (2, 9)] {
        for limit in [1, 100] {
            answers.push(told("attempts", reader.attempts_of(number, after, limit).await));
        }
    }
    for row in 0..=10 {
        answers.push(told("story", reader.story(number, row).await));
    }
    if let Some((_, names)) = reader.past_names(number, 0, 100).await.unwrap() {
        let names: Vec<(String, String, String, u64)> = serde_json::from_str(&names).unwrap();
        let numbers = json!(names.iter().map(|(.., seq)| seq).collect::<Vec<_>>()).to_string();
        let seen: Result<Value, _> =
            reader.past_seen(number, &numbers).await.map(|seen| serde_json::from_str(&seen).unwrap());
        answers.push(told("seen", seen));
    }
    assert!(!matches!(run.state, RunState::Other(_)), "{run:?}");
    answers
}
