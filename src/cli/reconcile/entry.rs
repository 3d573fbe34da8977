//! The entry that says what was found.

use super::moment::whole;
use super::report::Report;
use crate::record::event::{Contradiction, MOST_NAMED, Reconciled, ReconciledAttempts, UnexplainedEvent};
use crate::review::reconcile::Unexplained;

/// The entry that says what was found.
pub(super) fn told(report: &Report) -> Reconciled {
    let found = &report.found;
    let counts = found.counts;
    let mut files = report.read.files.clone();
    files.sort_unstable_by(|one, other| (&one.sha256, &one.name).cmp(&(&other.sha256, &other.name)));
    let file_count = report.read.hashes.len() as u64;
    files.truncate(MOST_NAMED);
    let contradictions = report.contradicted.iter().take(MOST_NAMED).map(|attempt| Contradiction {
        row: attempt.record.row,
        attempt: attempt.record.attempt,
        says: found.against(attempt.number).into_iter().map(|(word, _)| word.to_owned()).collect(),
        event_id: found.shown(attempt.number).map(|shown| shown.id.clone()),
    });
    let finding = |Unexplained { why, event }: &Unexplained| UnexplainedEvent {
        event_id: event.id.clone(),
        event_time: event.time.to_string(),
        key_pair_name: event.name.clone(),
        account: event.account.clone(),
        region: event.region.clone(),
        by: event.by.clone(),
        source_ip: event.from.clone(),
        user_agent: event.user_agent.clone(),
        error_code: event.error_code.clone(),
        why: why.as_str().to_owned(),
    };
    Reconciled {
        files,
        file_count,
        files_sha256: report.files_sha256.clone(),
        from: whole(found.scope.window.0),
        until: whole(found.scope.window.1),
        records: found.tally.records,
        events: found.tally.events,
        unreadable: report.read.fault_count,
        attempts: ReconciledAttempts {
            confirmed: counts.confirmed,
            not_seen: counts.not_seen,
            contradicted: counts.contradicted,
            not_sent: counts.not_sent,
        },
        contradictions: contradictions.collect(),
        unexplained: found.unexplained_count,
        findings: found.unexplained.iter().take(MOST_NAMED).map(finding).collect(),
        resolves: 0,
        by: String::new(),
    }
}
