//! The entry of a reconciliation: with every field that it can have, and with none that it can do without.

use keybatch::record::event::{AttachedFile, Contradiction, Reconciled, ReconciledAttempts, UnexplainedEvent};

const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Every field set.
pub(super) fn full() -> Reconciled {
    let text = |text: &str| Some(text.to_owned());
    Reconciled {
        files: vec![AttachedFile { name: "trail/events.json.gz".into(), sha256: DIGEST.into(), bytes: 0 }],
        file_count: 1,
        files_sha256: DIGEST.into(),
        from: "2026-09-21T14:13:20Z".into(),
        until: "2026-09-21T14:13:38Z".into(),
        records: 7,
        events: 3,
        unreadable: 1,
        attempts: ReconciledAttempts { confirmed: 0, not_seen: 0, contradicted: 1, not_sent: 0 },
        contradictions: vec![Contradiction {
            row: 1,
            attempt: 1,
            says: vec!["succeeded".into()],
            event_id: text("6b1d2f9e-0000-4000-8000-000000000005"),
        }],
        unexplained: 1,
        findings: vec![UnexplainedEvent {
            event_id: "6b1d2f9e-0000-4000-8000-000000000006".into(),
            event_time: "2026-09-21T14:13:30Z".into(),
            key_pair_name: text("ci-runner"),
            account: text("111122223333"),
            region: "eu-central-1".into(),
            by: text("arn:aws:iam::111122223333:user/somebody"),
            source_ip: text("203.0.113.7"),
            user_agent: text("aws-cli/2.17.0"),
            error_code: text("AccessDenied"),
            why: "another_caller".into(),
        }],
        resolves: 0,
        by: "jonas".into(),
    }
}

/// No field that it can do without.
pub(super) fn bare(told: Reconciled) -> Reconciled {
    let contradictions = told.contradictions.into_iter().map(|one| Contradiction { event_id: None, ..one });
    let findings = told.findings.into_iter().map(|one| UnexplainedEvent {
        key_pair_name: None,
        account: None,
        by: None,
        source_ip: None,
        user_agent: None,
        error_code: None,
        ..one
    });
    let (contradictions, findings) = (contradictions.collect::<Vec<_>>(), findings.collect::<Vec<_>>());
    Reconciled { contradictions, findings, ..told }
}
