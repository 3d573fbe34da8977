//! One event of each kind: with every field that it can have, and with none that it can do without.

mod parts;

use std::collections::BTreeMap;

use super::plans::{approved, sealed, signed};
use keybatch::domain::{
    ApiError, Cause, Class, ErrorText, Evidence, Exchange, Failure, Identity, Observation, Operation, Outcome,
    OutcomeCounts, RawBody, Settings, Shown,
};
use keybatch::record::anchored::{AnchorFailure, CheckpointAnchored, Receipt};
use keybatch::record::control_used::{ControlUsed, Controlled};
use keybatch::record::event::{
    AttachedFile, AttemptFinished, AttemptStarted, CheckpointMade, Found, IntentRecorded, JournalCreated, LostHead,
    ManifestIngested, Observed, OperationPolled, OverrideUsed, Previous, RateChanged, Requests, RowResolved,
    RowSettled, RunAbandoned, RunFinished, RunStarted, RunStopped, SessionAccount, SessionClosed, SessionOpened,
    Source, TargetStopped, Today,
};
use keybatch::record::lease::{AnswerLate, LeaseEnd, LeaseEnded, LeaseTaken};
use keybatch::record::plan::{Note, PlanObservation, PlanRow, Severity, Verdict};
use keybatch::record::{Entry, Event};
use parts::{bare_exchange, exchange, failure, manifest, map, observation, operation, shown, text};

pub(crate) const JOURNAL_ID: &str = "0198c0de-0000-7000-8000-000000000001";
const RUN: &str = "0198c0de-0000-7000-8000-00000000000a";
const SESSION: &str = "0198c0de-0000-7000-8000-00000000000b";
const ROOT: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The entry that `event` becomes at place `seq`: a microsecond and a second later each, of one session, in row 1 where
/// a kind has a row.
pub(crate) fn entry(seq: u64, event: Event) -> Entry {
    let is_first = matches!(event, Event::JournalCreated(_));
    // A run's number is that of the session that began it, which is the second entry.
    let run = matches!(event, Event::RunStopped(_) | Event::RowResolved(_) | Event::Reconciled(_)).then_some(1);
    let of_row = matches!(
        event,
        Event::IntentRecorded(_)
            | Event::AttemptStarted(_)
            | Event::AttemptFinished(_)
            | Event::OperationPolled(_)
            | Event::Observed(_)
            | Event::RowSettled(_)
            | Event::RowResolved(_)
            | Event::AnswerLate(_)
    );
    let at = 1_790_000_000_000_000 + i64::try_from(seq).unwrap() * 1_000_001;
    Entry {
        seq,
        at: jiff::Timestamp::from_microsecond(at).unwrap(),
        session: (!is_first).then_some(1),
        run,
        row: of_row.then_some(1),
        event,
    }
}

/// Every field set.
#[expect(clippy::too_many_lines, reason = "one entry of each kind, with every field set")]
pub(crate) fn full() -> Vec<Event> {
    vec![
        Event::JournalCreated(JournalCreated {
            previous: Some(Previous { id: RUN.into(), size: 93, root: ROOT.into() }),
            journal_id: JOURNAL_ID.into(),
            format: "keybatch.journal/2".into(),
            action: "lightsail:DeleteKeyPair".into(),
            version: "0.1.0".into(),
        }),
        Event::SessionOpened(Box::new(SessionOpened {
            run_id: text(RUN),
            session_id: SESSION.into(),
            command: "run".into(),
            version: "0.1.0".into(),
            commit: text("0123abc"),
            host: "bastion".into(),
            user: "amelie".into(),
            pid: 4_242,
            login_uid: Some(1_000),
            claims: map([("GITHUB_ACTOR", "amelie-dev".to_owned())]),
            caller_arn: text("arn:aws:sts::111122223333:assumed-role/cleanup/amelie"),
            profile: text("cleanup"),
            credentials_source: text("profile cleanup: sso session corp"),
            account: text("111122223333"),
            accounts: vec![SessionAccount {
                account: "444455556666".into(),
                caller_arn: "arn:aws:sts::444455556666:assumed-role/cleanup/keybatch".into(),
                profile: text("cleanup"),
                credentials_source: text("[accounts.\"444455556666\"]: role arn:aws:iam::444455556666:role/cleanup"),
            }],
            endpoint: text("https://lightsail.{region}.amazonaws.com"),
            sandbox: false,
            settings: map([("max_attempts", "5".to_owned())]),
            settings_sha256: DIGEST.into(),
            attempt_timeout_ms: Some(15_000),
            reason: text("quarterly clean-up"),
            ticket: text("SEC-1412"),
            continues_from: text(ROOT),
            not_remembered: text("/home/amelie/.local/state: Permission denied"),
            policy_sha256: text(DIGEST),
            machine_policy_sha256: text(DIGEST),
        })),
        Event::ManifestIngested(manifest()),
        Event::OverrideUsed(OverrideUsed {
            which: "accept-rollback".into(),
            by: "amelie".into(),
            why: text("the disk failed, and the newest copy was kept"),
            lost: vec![LostHead { size: 9, root: ROOT.into(), known_from: "/mnt/audit/checkpoints.txt".into() }],
        }),
        Event::IntentRecorded(Box::new(IntentRecorded {
            line: PlanRow {
                row: 1,
                line: 2,
                name: "ci-runner".into(),
                account: "111122223333".into(),
                region: "eu-central-1".into(),
                conditions: map([("expected_fingerprint", "3f:9a:1c:77".to_owned())]),
                reason: text("left by Jonas"),
                ticket: text("SEC-1412"),
                observation: Some(PlanObservation::new(observation().identity, observation().tags)),
                verdict: Verdict::Delete,
                notes: vec![Note { severity: Severity::Warn, kind: "in_use".into(), text: "1 instance(s)".into() }],
                annotations: map([("Büro", "Köln 🗝".to_owned())]),
            },
            page: Some(3),
            today: Some(Today {
                verdict: Verdict::Skip,
                notes: vec![Note { severity: Severity::Skip, kind: "drift_plan".into(), text: "another one".into() }],
                observation: Some(PlanObservation::new(observation().identity, observation().tags)),
            }),
        })),
        Event::PlanSealed(Box::new(sealed(&manifest(), DIGEST, ROOT))),
        Event::Reconciled(Box::new(super::reconciled::full())),
        Event::CheckpointMade(CheckpointMade { size: 6, root: ROOT.into() }),
        Event::CheckpointAnchored(CheckpointAnchored {
            size: 6,
            root: ROOT.into(),
            program: "git-anchor".into(),
            elapsed_ms: 48,
            exit_code: Some(1),
            failure: Some(AnchorFailure::Exit),
            detail: text("no route to host"),
            receipt: Receipt { text: text("4f2a\n"), base64: text("MIL/"), bytes: Some(70_000), cut: true },
        }),
        approved(ROOT),
        signed(ROOT),
        Event::RunStarted(RunStarted {
            plan_root: ROOT.into(),
            deletes: 1,
            confirmed_by: "prompt".into(),
            settings: Settings { rate: text("5/s"), ..Settings::default() },
        }),
        Event::AttemptStarted(AttemptStarted { attempt: 1 }),
        Event::AttemptFinished(Box::new(AttemptFinished {
            attempt: 1,
            class: Class::Unanswered,
            exchange: exchange(),
            shown: shown(),
            failure: failure(Cause::Timeout),
            outcome: Some(Outcome::Failed),
            evidence: Some(Evidence::Answer),
            detail: text("InvalidInputException: no such thing"),
        })),
        Event::OperationPolled(Box::new(OperationPolled {
            operation_id: "8f0a7c1e-0000-4000-8000-000000000002".into(),
            class: Class::Pending,
            requests: 2,
            throttled: 1,
            exchange: exchange(),
            shown: shown(),
            failure: failure(Cause::Error),
        })),
        Event::Observed(Box::new(Observed {
            source: Source::GetKeyPair,
            found: Found::Same,
            requests: 1,
            throttled: 0,
            account: text("111122223333"),
            region: text("eu-central-1"),
            observation: Some(observation()),
            operation: Some(operation()),
            failure: failure(Cause::Error),
            exchange: exchange(),
        })),
        Event::RowSettled(RowSettled {
            outcome: Outcome::Gone,
            evidence: Evidence::Readback,
            detail: text("there before our request and not there now"),
            rests_on: vec![4, 8, 9, 11],
        }),
        Event::RowResolved(RowResolved {
            outcome: Outcome::Deleted,
            evidence: Evidence::Person,
            because: "CloudTrail has a DeleteKeyPair with our request id".into(),
            by: "jonas".into(),
            file: Some(AttachedFile { name: "evidence/events.json".into(), sha256: DIGEST.into(), bytes: 0 }),
            event_id: text("6b1d2f9e-0000-4000-8000-000000000004"),
            rests_on: vec![12, 13],
        }),
        Event::RateChanged(RateChanged {
            account: "111122223333".into(),
            region: "eu-central-1".into(),
            from_per_s: "2.000".into(),
            to_per_s: "4.000".into(),
            learned_per_s: text("3.600"),
            learned_is_limit: Some(true),
            why: "doubled".into(),
        }),
        Event::ControlUsed(ControlUsed {
            what: Controlled::Rate,
            per_s: text("2.500"),
            by: "amelie".into(),
            uid: Some(1000),
            database_role: None,
        }),
        Event::RunStopped(RunStopped {
            why: "refused".into(),
            detail: text("1 fault"),
            faults: map([("manifest::name_pattern", 1)]),
            manifest: Some(manifest()),
            targets: vec![TargetStopped {
                account: "000000000000".into(),
                region: "us-east-1".into(),
                why: "refused_for_all".into(),
                detail: text("ExpiredTokenException"),
            }],
        }),
        Event::RunFinished(RunFinished { rows: 1, outcomes: OutcomeCounts { gone: 1, ..OutcomeCounts::default() } }),
        Event::RunAbandoned(RunAbandoned {
            because: "the key pairs stay".into(),
            by: "ops".into(),
            rows: 2,
            outcomes: OutcomeCounts { gone: 1, not_attempted: 1, ..OutcomeCounts::default() },
        }),
        Event::SessionClosed(SessionClosed {
            requests: Requests { delete: 1, read: 4, throttled: 1 },
            elapsed_ms: 1_250,
        }),
        Event::LeaseTaken(LeaseTaken {
            account: "111122223333".into(),
            region: "eu-central-1".into(),
            rows: vec![(1, 40), (52, 52)],
            lasts_ms: 33_000,
            skew_ms: Some(-412),
        }),
        Event::LeaseEnded(Box::new(LeaseEnded {
            of: 1,
            why: LeaseEnd::Left,
            stopped: Some("max_duration".into()),
            detail: text("after 30 minutes"),
            targets: vec![TargetStopped {
                account: "111122223333".into(),
                region: "eu-central-1".into(),
                why: "all_denied".into(),
                detail: text("AccessDeniedException"),
            }],
        })),
        Event::AnswerLate(Box::new(AnswerLate {
            attempt: 1,
            class: Class::Unanswered,
            exchange: exchange(),
            shown: shown(),
            failure: failure(Cause::Timeout),
        })),
    ]
}

/// As little as possible, in the same order.
#[expect(clippy::too_many_lines, reason = "one entry of each kind, with no field that may be absent")]
pub(crate) fn bare() -> Vec<Event> {
    full()
        .into_iter()
        .map(|event| match event {
            Event::SessionOpened(opened) => Event::SessionOpened(Box::new(SessionOpened {
                run_id: None,
                attempt_timeout_ms: None,
                commit: None,
                login_uid: None,
                claims: BTreeMap::new(),
                caller_arn: None,
                profile: None,
                credentials_source: None,
                account: None,
                accounts: Vec::new(),
                endpoint: None,
                reason: None,
                ticket: None,
                continues_from: None,
                not_remembered: None,
                policy_sha256: None,
                machine_policy_sha256: None,
                ..*opened
            })),
            Event::JournalCreated(created) => Event::JournalCreated(JournalCreated { previous: None, ..created }),
            Event::OverrideUsed(used) => Event::OverrideUsed(OverrideUsed { why: None, lost: Vec::new(), ..used }),
            Event::IntentRecorded(intent) => Event::IntentRecorded(Box::new(IntentRecorded {
                line: PlanRow {
                    conditions: BTreeMap::new(),
                    reason: None,
                    ticket: None,
                    observation: None,
                    notes: Vec::new(),
                    annotations: BTreeMap::new(),
                    ..intent.line
                },
                page: None,
                today: None,
            })),
            Event::PlanSealed(mut sealed) => {
                sealed.targets.iter_mut().for_each(|target| target.instances = None);
                let header = &mut sealed.header;
                (header.expires_at, header.ticket, header.reason, header.policy_sha256) = (None, None, None, None);
                Event::PlanSealed(sealed)
            }
            Event::RunStarted(mut started) => {
                started.settings.rate = None;
                Event::RunStarted(started)
            }
            Event::AttemptFinished(finished) => Event::AttemptFinished(Box::new(AttemptFinished {
                exchange: bare_exchange(),
                shown: Shown::default(),
                failure: Failure::default(),
                outcome: None,
                evidence: None,
                detail: None,
                ..*finished
            })),
            Event::OperationPolled(polled) => Event::OperationPolled(Box::new(OperationPolled {
                exchange: bare_exchange(),
                shown: Shown::of(Some(Operation::default()), &bare_exchange()),
                failure: Failure::because(Some(Cause::Error)),
                ..*polled
            })),
            Event::Observed(observed) => Event::Observed(Box::new(Observed {
                account: None,
                region: None,
                observation: Some(Observation {
                    identity: Identity::default(),
                    tags: BTreeMap::new(),
                    ..observation()
                }),
                operation: None,
                failure: Failure::default(),
                exchange: bare_exchange(),
                ..*observed
            })),
            Event::RowSettled(settled) => Event::RowSettled(RowSettled { detail: None, ..settled }),
            Event::RowResolved(told) => Event::RowResolved(RowResolved { file: None, event_id: None, ..told }),
            Event::RateChanged(changed) => {
                Event::RateChanged(RateChanged { learned_per_s: None, learned_is_limit: None, ..changed })
            }
            Event::ControlUsed(used) => Event::ControlUsed(ControlUsed {
                what: Controlled::Pause,
                per_s: None,
                uid: None,
                database_role: text("runner"),
                ..used
            }),
            Event::RunStopped(stopped) => Event::RunStopped(RunStopped {
                detail: None,
                faults: BTreeMap::new(),
                manifest: None,
                targets: Vec::new(),
                ..stopped
            }),
            Event::CheckpointAnchored(anchored) => Event::CheckpointAnchored(CheckpointAnchored {
                exit_code: None,
                failure: None,
                detail: None,
                receipt: Receipt::default(),
                ..anchored
            }),
            Event::LeaseTaken(taken) => Event::LeaseTaken(LeaseTaken { skew_ms: None, ..taken }),
            Event::LeaseEnded(ended) => {
                Event::LeaseEnded(Box::new(LeaseEnded { stopped: None, detail: None, targets: Vec::new(), ..*ended }))
            }
            Event::AnswerLate(late) => Event::AnswerLate(Box::new(AnswerLate {
                exchange: bare_exchange(),
                shown: Shown::default(),
                failure: Failure::default(),
                ..*late
            })),
            Event::Reconciled(told) => Event::Reconciled(Box::new(super::reconciled::bare(*told))),
            same => same,
        })
        .collect()
}
