//! What a reviewer demands by a policy, held against a run that breaks each of its rules: as no honest run under it can, so it is written
//! through the library.

use std::sync::Arc;

use keybatch::domain::sha256;
use keybatch::policy::parse;
use keybatch::record::Draft;
use keybatch::record::event::{self, Event, PlanSealed};
use keybatch::record::plan::{self, Note, PlanHeader, PlanObservation, PlanRow, Sealing, Severity, Verdict as Planned};
use keybatch::record::ssh::{Answer, Program, Question};
use keybatch::verify::{BroughtPolicy, Demand, Options, Report, RunDemands, verify};
use serde_json::{Value, json};

use crate::story::{Place, event_of};

const ACCOUNT: &str = "123456789012";
const ENDPOINT: &str = "https://lightsail.{region}.amazonaws.com";
const POLICY: &str = "the run's policy";

struct NoProgram;

impl Program for NoProgram {
    fn verify(&self, _: &Question<'_>) -> Answer {
        Answer::Unavailable("none is needed".into())
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// What differs between the runs.
#[derive(Debug, Clone, Default)]
struct Case {
    sandbox: bool,
    without_annotations: bool,
    instances: Option<u64>,
    /// The rules that it lifts.
    lifted: Vec<&'static str>,
}

/// The rows: two to delete, and one that a guard skipped.
fn rows() -> Vec<PlanRow> {
    let seen = |row: u64, created_at: &str, tags: &[(&str, &str)]| PlanObservation {
        arn: Some(format!("arn:{row}")),
        created_at: Some(created_at.into()),
        fingerprint: None,
        tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
    };
    let of = |row: u64, name: &str, verdict| PlanRow::of(row, name.into(), ACCOUNT.into(), "us-east-1".into(), verdict);
    let note = |severity, kind: &str| Note { severity, kind: kind.into(), text: "so it is".into() };
    vec![
        PlanRow {
            line: 2,
            observation: Some(seen(1, "2020-01-01T00:00:00.000Z", &[("env", "prod-eu")])),
            ticket: Some("OPS-1".into()),
            annotations: [("Owner Team".to_owned(), "build".to_owned())].into(),
            ..of(1, "prod-web", Planned::Delete)
        },
        PlanRow {
            line: 3,
            observation: Some(seen(2, "2026-09-20T00:00:00.000Z", &[])),
            notes: vec![note(Severity::Warn, "in_use")],
            ..of(2, "young", Planned::Delete)
        },
        PlanRow {
            line: 4,
            observation: Some(seen(3, "2026-09-20T00:00:00.000Z", &[("keep", "")])),
            notes: vec![note(Severity::Skip, "protected_name")],
            ..of(3, "break-glass", Planned::Skip)
        },
    ]
}

fn drafts(case: &Case) -> Vec<Draft> {
    let mut settings = serde_json::Map::new();
    if !case.lifted.is_empty() {
        settings.insert("override".into(), case.lifted.join(",").into());
        settings.insert("override_because".into(), "for once".into());
    }
    if case.without_annotations {
        settings.insert("without_annotations".into(), "true".into());
    }
    let digest = sha256(Value::from(settings.clone()).to_string().as_bytes());
    let endpoint = if case.sandbox { "sandbox:w" } else { ENDPOINT };
    let opened = json!({ "session_id": "s", "run_id": uuid::Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_0001).to_string(),
        "command": "run", "version": "0.1.0", "host": "h", "user": "u", "pid": 1, "account": ACCOUNT, "endpoint": endpoint,
        "sandbox": case.sandbox, "settings": settings, "settings_sha256": digest, "policy_sha256": POLICY });
    let mut drafts = vec![Draft::of(event_of("session_opened", &opened))];
    let manifest = json!({ "name": "m.csv", "sha256": "ab", "bytes": 9, "rows": 3, "columns": ["name"] });
    drafts.push(Draft::of(event_of("manifest_ingested", &manifest)));
    for rule in &case.lifted {
        let used = json!({ "override": format!("policy.{rule}"), "by": "u", "why": "for once" });
        drafts.push(Draft::of(event_of("override_used", &used)));
    }
    let page = drafts.len() as u64 + 1;
    let listed = json!({ "source": "get_key_pairs", "found": "listed", "requests": 1, "throttled": 0, "account": ACCOUNT,
        "region": "us-east-1", "elapsed_us": 7, "http_status": 200 });
    drafts.push(Draft::of(event_of("observed", &listed)));
    let mut sealing = Sealing::default();
    for line in rows() {
        sealing.push(&line.account, &line.region, line.verdict, line.leaf().unwrap());
        let row = Some(line.row);
        let intent = event::IntentRecorded { line, page: Some(page), today: None };
        drafts.push(Draft { run: None, row, event: Event::IntentRecorded(Box::new(intent)) });
    }
    let header = PlanHeader {
        schema: plan::PLAN_SCHEMA.into(),
        action: plan::ACTION.into(),
        plan_id: uuid::Uuid::from_u128(0x0198_c0de_0000_7000_9000_0000_0000_0001).to_string(),
        made_at: "2026-09-21T00:00:00.000000Z".into(),
        made_by: "u@h".into(),
        expires_at: None,
        ticket: None,
        reason: None,
        manifest: plan::PlanManifest { name: "m.csv".into(), sha256: "ab".into(), bytes: 9, rows: 3 },
        endpoint: endpoint.into(),
        callers: vec![plan::PlanCaller { account: ACCOUNT.into(), arn: "arn".into() }],
        settings: Default::default(),
        policy_sha256: Some(POLICY.into()),
        version: "0.1.0".into(),
    };
    let seal = sealing.seal(&header).unwrap();
    let plan_root = seal.root.clone();
    let read =
        json!({ "account": ACCOUNT, "region": "us-east-1", "key_pairs": 4, "pages": 1, "instances": case.instances });
    let targets = vec![serde_json::from_value(read).unwrap()];
    drafts.push(Draft::of(Event::PlanSealed(Box::new(PlanSealed { header, seal, targets }))));
    let started = event::RunStarted { plan_root, deletes: 2, confirmed_by: "yes".into(), settings: Default::default() };
    drafts.push(Draft::of(Event::RunStarted(started)));
    let change =
        json!({ "account": ACCOUNT, "region": "us-east-1", "from_per_s": "1", "to_per_s": "4", "why": "borne" });
    drafts.push(Draft::of(event_of("rate_changed", &change)));
    drafts.push(Draft::of(Event::RunStopped(event::RunStopped::new("signal", None))));
    drafts
}

/// What `verify` says of that run under that policy.
fn judged(case: &Case, policy: &str) -> (Report, Vec<RunDemands>) {
    let place = Place::new();
    let rules = parse(policy.as_bytes()).unwrap_or_else(|faults| panic!("{policy}: {faults:?}"));
    let report = run(async {
        let journal = place.journal().await;
        for draft in drafts(case) {
            journal.append(vec![draft]).await.unwrap();
        }
        journal.close().await.unwrap();
        let policies = vec![BroughtPolicy { sha256: POLICY.into(), rules }];
        let program = Arc::new(NoProgram);
        let demand = Some(Demand { approvals: 0, four_eyes: false, signers: None, program, policies });
        verify(&place.path(), Options { demand, ..Options::default() }).await.unwrap()
    });
    let demands = report.demands.clone().unwrap();
    (report, demands)
}

/// The rules that the run breaks under that policy, and the rows.
fn broken(case: &Case, policy: &str) -> Vec<(&'static str, Option<u64>)> {
    let (report, demands) = judged(case, policy);
    let found: Vec<_> = demands.iter().flat_map(|run| &run.violations).map(|one| (one.rule, one.row)).collect();
    assert_eq!(report.accepted, found.is_empty(), "{policy}: {report:?}");
    found
}

// SEMANTICS: P102
#[test]
fn each_rule_convicts_what_breaks_it_and_nothing_else() {
    let case = Case { instances: Some(1), ..Case::default() };
    for (breaks, keeps, expected) in [
        (
            "accounts = [\"111122223333\"]",
            format!("accounts = [\"{ACCOUNT}\"]"),
            vec![("accounts", Some(1)), ("accounts", Some(2))],
        ),
        ("regions = []", "regions = [\"us-*\"]".into(), vec![("regions", Some(1)), ("regions", Some(2))]),
        ("endpoints = [\"sandbox\"]", "endpoints = [\"aws\"]".into(), vec![("endpoints", None)]),
        (
            "protected_names = [\"prod-*\"]",
            "protected_names = [\"break-*\"]".into(),
            vec![("protected_names", Some(1))],
        ),
        (
            "protected_tags = [\"env=prod*\"]",
            "protected_tags = [\"keep\", \"env=test\"]".into(),
            vec![("protected_tags", Some(1))],
        ),
        ("minimum_age = \"25h\"", "minimum_age = \"24h\"".into(), vec![("minimum_age", Some(2))]),
        ("maximum_deletes = 1", "maximum_deletes = 2".into(), vec![("maximum_deletes", None)]),
        ("maximum_percent = 49.99", "maximum_percent = 50".into(), vec![("maximum_percent", None)]),
        ("if_in_use = \"skip\"", "if_in_use = \"warn\"".into(), vec![("if_in_use", Some(2))]),
        ("if_in_use = \"refuse\"", String::new(), vec![("if_in_use", Some(2))]),
        (
            "[required_columns]\nticket = \"*\"",
            "[required_columns]\nname = \"*\"".into(),
            vec![("required_columns", Some(2))],
        ),
        ("[required_columns]\n\"owner-team\" = \"*\"", String::new(), vec![("required_columns", Some(2))]),
        (
            "[required_columns]\nOwner_Team = \"core\"",
            String::new(),
            vec![("required_columns", Some(1)), ("required_columns", Some(2))],
        ),
        ("approvals = 1", "approvals = 0".into(), vec![("approvals", None)]),
        ("four_eyes = true", "four_eyes = false".into(), vec![("approvals", None)]),
        (
            "[rates]\n\"*/us-*\" = \"3/s\"",
            "[rates]\n\"*/us-*\" = \"4/s\"\n\"*/eu-*\" = \"1/s\"".into(),
            vec![("rates", None)],
        ),
    ] {
        assert_eq!(broken(&case, breaks), expected, "{breaks}");
        assert_eq!(broken(&case, &keeps), [], "{keeps}");
    }
    // All of them at once, the first named in the verdict.
    let all = "regions = []\nmaximum_deletes = 1\nprotected_names = [\"prod-*\"]\n";
    let (report, demands) = judged(&case, all);
    assert_eq!((demands[0].violation_count, report.first_bad), (4, Some(4)), "{report:?}");
    assert!(report.detail.contains("does not allow") && report.detail.contains("and 3 more"), "{report:?}");
    // A rehearsal of the same is judged by nobody.
    let rehearsal = Case { sandbox: true, ..case };
    assert!(judged(&rehearsal, all).1.is_empty());
}

// SEMANTICS: P102
#[test]
fn what_was_lifted_counts_as_overridden_if_the_policy_permits_it() {
    let case = Case { lifted: vec!["maximum_deletes", "regions"], ..Case::default() };
    let text = "maximum_deletes = 1\nregions = [\"eu-*\"]\noverridable = [\"maximum_deletes\"]\n";
    let (report, demands) = judged(&case, text);
    let rules: Vec<_> = demands[0].violations.iter().map(|one| one.rule).collect();
    assert_eq!(rules, ["regions", "regions"], "{report:?}");
    let overridden: Vec<_> = demands[0].overridden.iter().map(|one| (one.rule.as_str(), one.permitted)).collect();
    assert_eq!(overridden, [("maximum_deletes", true), ("regions", false)]);
    assert_eq!(demands[0].overridden[0].why.as_deref(), Some("for once"));
    assert_eq!(broken(&case, "maximum_deletes = 1\noverridable = [\"maximum_deletes\"]\n"), []);
}

// SEMANTICS: P102
#[test]
fn what_the_journal_does_not_show_is_said() {
    let case = Case { without_annotations: true, ..Case::default() };
    let not_judged = |case: &Case, policy: &str| {
        let (_, demands) = judged(case, policy);
        demands[0].not_judged.iter().map(|one| one.rule).collect::<Vec<_>>()
    };
    // A column without a meaning is in no line; a ticket is.
    let text = "if_in_use = \"skip\"\n[required_columns]\n\"cost centre\" = \"*\"\n[rates]\n\"*/*\" = \"9/s\"\n";
    assert_eq!(not_judged(&case, text), ["required_columns", "if_in_use", "rates"]);
    assert_eq!(broken(&case, "[required_columns]\n\"cost centre\" = \"*\"\n"), []);
    assert_eq!(broken(&case, "[required_columns]\nticket = \"*\"\n"), [("required_columns", Some(2))]);
    let listed = Case { instances: Some(0), ..Case::default() };
    assert_eq!(not_judged(&listed, "if_in_use = \"skip\"\n"), [""; 0]);
}
