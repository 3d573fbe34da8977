//! Two real runs of signed plans, written through the library with keys that are always the same.

use keybatch::record::Draft;
use keybatch::record::approval;
use keybatch::record::event::{self, Event, PlanSealed};
use keybatch::record::plan::{self, PlanHeader, PlanObservation, PlanRow, PlanSeal, Sealing, Verdict as Planned};
use keybatch::record::ssh::{Answer, Program, Question, Signers};
use serde_json::{Value, json};
use ssh_key::{HashAlg, LineEnding, PrivateKey, private::Ed25519Keypair};

use super::journals::{bodies, run, sample};
use crate::story::{Place, event_of};

const ACCOUNT: &str = "123456789012";
const ENDPOINT: &str = "https://lightsail.{region}.amazonaws.com";

/// The key of a person, which is always the same.
pub(super) fn key(person: &str) -> PrivateKey {
    let mut seed = [7; 32];
    seed[..person.len()].copy_from_slice(person.as_bytes());
    PrivateKey::from(Ed25519Keypair::from_seed(&seed))
}

pub(super) fn fingerprint(person: &str) -> String {
    key(person).public_key().fingerprint(HashAlg::Sha256).to_string()
}

pub(super) fn signature(person: &str, namespace: &str, text: &str) -> String {
    key(person).sign(namespace, HashAlg::Sha512, text.as_bytes()).unwrap().to_pem(LineEnding::LF).unwrap()
}

pub(super) fn approval_by(person: &str, signer: &str, root: &str, text: &str) -> Value {
    json!({ "kind": "plan_approved", "signer": signer, "plan_root": root, "key": fingerprint(person),
            "signature": signature(person, "plan@keybatch", text) })
}

pub(super) fn signed_by(person: &str, role: &str, root: &str, text: &str) -> Value {
    let namespace = if role == "maker" { "maker@keybatch" } else { "checkpoint@keybatch" };
    json!({ "kind": "plan_signed", "role": role, "plan_root": root, "key": fingerprint(person),
            "signature": signature(person, namespace, text) })
}

pub(super) fn event(value: &Value) -> Event {
    event_of(value["kind"].as_str().unwrap(), value)
}

/// Everybody has a key; Max has a second one.
pub(super) fn signers() -> Signers {
    let people =
        [("anna", "anna"), ("ben", "ben"), ("max", "max"), ("max", "second"), ("rosa", "rosa"), ("eve", "eve")];
    let line = |(name, of): (&str, &str)| format!("{name} {}\n", key(of).public_key().to_openssh().unwrap());
    Signers::parse(&people.map(line).concat())
}

pub(super) struct NoProgram;

impl Program for NoProgram {
    fn verify(&self, _: &Question<'_>) -> Answer {
        Answer::Unavailable("none is needed".into())
    }
}

/// What is needed to sign a plan.
#[derive(Debug, Clone)]
pub(super) struct Signable {
    pub(super) root: String,
    pub(super) text: String,
}

/// Two real runs of plans in files: the first under four eyes, approved by Anna and Ben, made by Max and run by Rosa in two sessions; the
/// second approved by Anna.
pub(super) struct Story {
    pub(super) file: Vec<u8>,
    pub(super) bodies: Vec<String>,
    pub(super) first: Signable,
    pub(super) second: Signable,
}

pub(super) fn opened(number: u128, begins: bool) -> Event {
    let settings = json!({ "sign_key": fingerprint("rosa") });
    let digest = keybatch::domain::sha256(settings.to_string().as_bytes());
    let mut fields = json!({ "session_id": format!("session {number}"), "command": "run", "version": "0.1.0", "host": "h", "user": "u",
        "pid": 1, "caller_arn": "arn:aws:iam::123456789012:user/u", "account": ACCOUNT, "endpoint": ENDPOINT, "sandbox": false,
        "settings": settings, "settings_sha256": digest, "attempt_timeout_ms": 15_000 });
    if begins {
        fields["run_id"] = uuid::Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_0000 + number).to_string().into();
    } else {
        fields["command"] = "resume".into();
    }
    event_of("session_opened", &fields)
}

/// The plan of a file with one key pair to delete, or one that is absent.
fn sealed(number: u128, deletes: bool) -> (PlanRow, PlanHeader, PlanSeal) {
    let verdict = if deletes { Planned::Delete } else { Planned::Absent };
    let observation = deletes.then(|| PlanObservation { arn: Some("arn:1".into()), ..PlanObservation::default() });
    let line =
        PlanRow { line: 2, observation, ..PlanRow::of(1, "key-1".into(), ACCOUNT.into(), "us-east-1".into(), verdict) };
    let header = PlanHeader {
        schema: plan::PLAN_SCHEMA.into(),
        action: plan::ACTION.into(),
        plan_id: uuid::Uuid::from_u128(0x0198_c0de_0000_7000_9000_0000_0000_0000 + number).to_string(),
        made_at: "2026-09-20T00:00:00.000000Z".into(),
        made_by: "max@host".into(),
        expires_at: Some("2026-09-30T00:00:00.000000Z".into()),
        ticket: None,
        reason: None,
        manifest: plan::PlanManifest { name: "m.csv".into(), sha256: format!("ab{number}"), bytes: 9, rows: 1 },
        endpoint: ENDPOINT.into(),
        callers: vec![plan::PlanCaller { account: ACCOUNT.into(), arn: "arn".into() }],
        settings: Default::default(),
        policy_sha256: None,
        version: "0.1.0".into(),
    };
    let mut sealing = Sealing::default();
    sealing.push(ACCOUNT, "us-east-1", verdict, line.leaf().unwrap());
    let seal = sealing.seal(&header).unwrap();
    (line, header, seal)
}

/// The fields of an entry of the sample, for another journal.
pub(super) fn borrowed(kind: &str, row: Option<u64>) -> Event {
    let is_meant = |body: &Value| body["kind"] == kind && body["row"].as_u64() == row;
    let mut parsed = sample().bodies.iter().map(|body| serde_json::from_str(body).unwrap());
    let body: Value = parsed.find(is_meant).unwrap();
    event_of(kind, &body)
}

/// A run up to its start. Returns what was to be signed.
pub(super) fn begin(
    drafts: &mut Vec<Draft>,
    number: u128,
    deletes: bool,
    signed: impl Fn(&Signable) -> Vec<Value>,
) -> Signable {
    let (line, header, seal) = sealed(number, deletes);
    let plan = Signable { root: seal.root.clone(), text: approval::text(&header, &seal) };
    let ingested = event::ManifestIngested {
        name: header.manifest.name.clone(),
        sha256: header.manifest.sha256.clone(),
        bytes: 9,
        rows: 1,
        columns: vec!["name".into()],
    };
    drafts.push(Draft::of(opened(number, true)));
    drafts.push(Draft::of(Event::ManifestIngested(ingested)));
    // Its number is that of its place: nothing is before it but the journal's first entry.
    let page = deletes.then_some(drafts.len() as u64 + 1);
    drafts.push(Draft::of(borrowed("observed", None)));
    let intent = event::IntentRecorded { line, page, today: None };
    drafts.push(Draft { run: None, row: Some(1), event: Event::IntentRecorded(Box::new(intent)) });
    let read = json!({ "account": ACCOUNT, "region": "us-east-1", "key_pairs": 1, "pages": 1 });
    let targets = vec![serde_json::from_value(read).unwrap()];
    drafts.push(Draft::of(Event::PlanSealed(Box::new(PlanSealed { header, seal, targets }))));
    drafts.extend(signed(&plan).iter().map(|signed| Draft::of(event(signed))));
    let started = event::RunStarted {
        plan_root: plan.root.clone(),
        deletes: u64::from(deletes),
        confirmed_by: "yes".into(),
        settings: Default::default(),
    };
    drafts.push(Draft::of(Event::RunStarted(started)));
    plan
}

pub(super) fn close(drafts: &mut Vec<Draft>, delete: u64) {
    let requests = event::Requests { delete, ..event::Requests::default() };
    drafts.push(Draft::of(Event::SessionClosed(event::SessionClosed { requests, elapsed_ms: 5 })));
}

pub(super) fn finish(drafts: &mut Vec<Draft>, outcomes: Value) {
    let outcomes = serde_json::from_value(outcomes).unwrap();
    drafts.push(Draft::of(Event::RunFinished(event::RunFinished { rows: 1, outcomes })));
}

pub(super) fn counts(outcome: &str) -> Value {
    let mut counts = serde_json::to_value(keybatch::domain::OutcomeCounts::default()).unwrap();
    counts[outcome] = 1.into();
    counts
}

/// What is to be written, and what was signed.
pub(super) fn drafts() -> (Vec<Draft>, [Signable; 2]) {
    let mut drafts = Vec::new();
    let first = begin(&mut drafts, 1, true, |plan| {
        let Signable { root, text } = plan;
        vec![
            signed_by("max", "maker", root, text),
            signed_by("rosa", "session", root, text),
            approval_by("anna", "anna", root, text),
            approval_by("ben", "ben", root, text),
        ]
    });
    drafts.push(Draft::of(Event::RunStopped(event::RunStopped::new("signal", None))));
    close(&mut drafts, 0);
    drafts.push(Draft { run: Some(1), row: None, event: opened(11, false) });
    drafts.push(Draft::of(event(&signed_by("rosa", "session", &first.root, &first.text))));
    let of_row = |event| Draft { run: None, row: Some(1), event };
    drafts.push(of_row(borrowed("attempt_started", Some(1))));
    drafts.push(of_row(borrowed("attempt_finished", Some(1))));
    finish(&mut drafts, counts("deleted"));
    close(&mut drafts, 1);
    let second = begin(&mut drafts, 2, false, |plan| vec![approval_by("anna", "anna", &plan.root, &plan.text)]);
    let page = drafts.len() as u64 - 4;
    let settled = json!({ "outcome": "absent", "evidence": "inventory", "rests_on": [page, page + 1] });
    drafts.push(of_row(event_of("row_settled", &settled)));
    finish(&mut drafts, counts("absent"));
    close(&mut drafts, 0);
    (drafts, [first, second])
}

pub(super) fn story() -> Story {
    let (drafts, [first, second]) = drafts();
    let place = Place::new();
    let (file, bodies) = run(async {
        let journal = place.journal().await;
        for draft in drafts {
            journal.append(vec![draft]).await.unwrap();
        }
        journal.close().await.unwrap();
        (std::fs::read(place.path()).unwrap(), bodies(&place.path()).await)
    });
    Story { file, bodies, first, second }
}
