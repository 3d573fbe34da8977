//! The attempts of a run, each with its entries and what became of its row.

use keybatch::domain::Target;
use keybatch::journal::AttemptRecord;
use keybatch::record::plan::PlanRow;

use super::Kept;
use super::history::Run;

/// All of them, in the order of the rows.
pub(super) fn attempts(kept: &Kept, run: &Run) -> Vec<AttemptRecord> {
    let body = |seq: u64| kept.entries[usize::try_from(seq).unwrap()].1.body.clone();
    let mut all = Vec::new();
    for (number, row) in &run.rows {
        for (attempt, own) in (1..).zip(&row.attempts) {
            let PlanRow { account, region, name, .. } = row.intent.line.clone();
            all.push(AttemptRecord {
                row: *number,
                attempt,
                is_only: row.attempts.len() == 1,
                target: Target { account, region },
                name,
                started: body(own.started),
                finished: own.finished.as_ref().map(|(seq, _)| body(*seq)),
                outcome: row.counts_as().map(|(outcome, evidence)| (outcome.to_string(), evidence.as_str().into())),
            });
        }
    }
    all
}
