//! Attempts and rows that nobody knows the end of, by a naive reading.

use jiff::Timestamp;
use keybatch::domain::{Class, Evidence, Outcome, RunId, Target};
use keybatch::journal::{OpenAttempt, RunState, UnclearRow};
use keybatch::record::plan::PlanRow;

use super::history::{Attempt, History, Row, Run};
use super::{Kept, entry};

/// Whether it was asked for and nothing says for certain what became of that.
fn is_unclear(row: &Row) -> bool {
    let now = row.resolved.map(|(_, outcome, _)| outcome).or(row.settled.map(|(outcome, _)| outcome));
    let by_history = row.settled == Some((Outcome::Deleted, Evidence::Operation));
    let is_open = now.is_none_or(|outcome| matches!(outcome, Outcome::InDoubt | Outcome::Gone));
    !row.attempts.is_empty() && (is_open || by_history)
}

/// The rows of other runs in this account of this service that were asked for, and of which nobody knows what became.
pub(super) fn unclear_rows(history: &History, run: RunId, endpoint: &str, account: &str) -> Vec<UnclearRow> {
    let concerns = |other: &&Run| other.record.run != run && other.record.endpoint.as_deref() == Some(endpoint);
    let mut unclear = Vec::new();
    for run in history.runs.iter().filter(concerns) {
        let rows = run.rows.iter().filter(|(_, row)| row.intent.line.account == account && is_unclear(row));
        unclear.extend(rows.map(|(number, row)| {
            let PlanRow { account, region, name, .. } = row.intent.line.clone();
            let (run_no, target) = (run.record.run_no, Target { account, region });
            UnclearRow { run_no, row: *number, target, key_pair_name: name }
        }));
    }
    unclear
}

/// The last attempts on rows of other runs, if nothing shows their effect.
pub(super) fn open_attempts(
    (kept, history): (&Kept, &History),
    run: RunId,
    endpoint: &str,
    account: &str,
    since: Timestamp,
) -> Vec<OpenAttempt> {
    let concerns = |other: &&Run| {
        let record = &other.record;
        let may_matter = record.state == RunState::Running || other.finished_at.is_some_and(|at| at >= since);
        record.run != run && record.endpoint.as_deref() == Some(endpoint) && may_matter
    };
    let is_open = |last: &&Attempt| last.finished.as_ref().is_none_or(|(_, class)| *class == Class::Unanswered);
    let mut open = Vec::new();
    for run in history.runs.iter().filter(concerns) {
        for row in run.rows.values().filter(|row| row.intent.line.account == account) {
            let PlanRow { account, region, .. } = row.intent.line.clone();
            open.extend(row.attempts.last().filter(is_open).map(|last| OpenAttempt {
                run: run.record.run.to_string(),
                target: Target { account: account.clone(), region: region.clone() },
                key_pair_name: row.intent.line.name.clone(),
                started: entry(kept, last.started),
                finished: last.finished.as_ref().map(|(seq, _)| entry(kept, *seq)),
                time: entry(kept, last.started).session.and_then(|seq| entry(kept, seq).event.attempt_time()),
            }));
        }
    }
    open
}
