//! The rows that nobody knows the end of, by a naive reading.

use keybatch::domain::{Outcome, RunId, Target};
use keybatch::journal::UnclearRow;
use keybatch::record::plan::PlanRow;

use super::history::{History, Row, Run};

/// Whether it was asked for and nothing says what became of it.
fn is_unclear(row: &Row) -> bool {
    let now = row.resolved.map(|(_, outcome, _)| outcome).or(row.settled.map(|(outcome, _)| outcome));
    !row.attempts.is_empty() && now.is_none_or(|outcome| matches!(outcome, Outcome::InDoubt | Outcome::Gone))
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
