//! A person says what became of a row: what may be said, and what follows from it.

use keybatch::domain::Outcome;
use keybatch::session::{Refusal, ResolveOrder, Sent, Unresolvable, resolve};

use super::row::Row;
use super::session::{Ended, Session};

/// The naive rule: of what was in doubt, anything but that it was never asked for; what is gone did not survive.
fn may_be_said(row: &Row, outcome: Outcome) -> bool {
    let Some((settled, _)) = row.settled else { return false };
    let withdraws = outcome == settled && row.resolved.is_some_and(|told| told != settled);
    match settled {
        Outcome::InDoubt => {
            withdraws || [Outcome::Deleted, Outcome::Gone, Outcome::Absent, Outcome::Failed].contains(&outcome)
        }
        Outcome::Gone => withdraws || [Outcome::Deleted, Outcome::Absent].contains(&outcome),
        _ => false,
    }
}

impl Session<'_> {
    /// It sends nothing and reads nothing, and writes what was said, or nothing.
    pub(crate) async fn resolves(&self, index: usize, outcome: Outcome) -> Ended {
        let before = self.mark();
        let (run, row, counted) = {
            let sim = self.handle.sim();
            let run = sim.ledger.runs.last().map(|run| run.run.to_string()).unwrap_or_default();
            (run, sim.ledger.rows[index].clone(), sim.ledger.counted())
        };
        let order = ResolveOrder {
            order: self.order(false),
            run,
            row: (index + 1).to_string(),
            outcome,
            because: "somebody looked".into(),
            file: None,
        };
        let may = may_be_said(&row, outcome);
        let ended = resolve(&self.host(0), &order).await;
        let (entries, requests, reads) = self.mark();
        if (requests, reads) != (before.1, before.2) {
            self.breaks("something is sent while a row is resolved".into());
        }
        let is_said = self.handle.sim().ledger.rows[index].entries().len() > row.entries().len();
        if is_said && !may {
            self.breaks(format!("I5: row {} is resolved as {outcome}, which cannot be said of it", index + 1));
        }
        match ended {
            Ok(Some(told)) => {
                let now = self.handle.sim().ledger.counted();
                let is_told = Some(told.settled) == row.settled.map(|(settled, _)| settled)
                    && Some(told.before) == row.outcome()
                    && told.told.rests_on.iter().map(|seq| *seq as usize).eq(rests_on(self, &row));
                if !is_said || !is_told {
                    self.breaks(format!(
                        "a row is resolved, it says, and the journal has {:?}: {told:?}",
                        (is_said, rests_on(self, &row), row.settled, row.resolved)
                    ));
                }
                let total = self.handle.sim().ledger.rows.len() as u64;
                if told.outcomes.settled() != now.settled() || told.outcomes.total() != total {
                    self.breaks(format!("I10: {:?} are told after {counted:?}, and there are {now:?}", told.outcomes));
                }
                Ended::Resolved
            }
            Ok(None) => Ended::Stopped,
            Err(error) => {
                let why = &*error.why;
                match why {
                    Refusal::Unresolvable(why) if !may && is_right(why, &row) => {
                        if entries != before.0 {
                            self.breaks("what cannot be said of a row left a trace".into());
                        }
                        if error.sent != Some(Sent::Nothing) {
                            self.breaks(format!("something was sent, it says, while a row was resolved: {error:?}"));
                        }
                        return Ended::Unresolvable;
                    }
                    Refusal::Unrecordable { .. } | Refusal::Journal(_) => {}
                    _ => self.breaks(format!("a row cannot be resolved: {error:?}")),
                }
                Ended::JournalFailed
            }
        }
    }
}

/// All that was asked for and said of the row, by number.
fn rests_on(session: &Session<'_>, row: &Row) -> Vec<usize> {
    let sim = session.handle.sim();
    let rests = |seq: &&usize| {
        let body = &sim.ledger.bodies[**seq];
        ![r#""kind":"observed""#, r#""kind":"operation_polled""#].iter().any(|kind| body.contains(kind))
    };
    row.entries().iter().filter(rests).copied().collect()
}

fn is_right(why: &Unresolvable, row: &Row) -> bool {
    match (why, row.settled.map(|(settled, _)| settled)) {
        (Unresolvable::NotSettled { .. }, None) => true,
        (Unresolvable::NotPossible { .. }, Some(Outcome::InDoubt | Outcome::Gone)) => true,
        (Unresolvable::NotDoubtful { .. }, Some(outcome)) => !matches!(outcome, Outcome::InDoubt | Outcome::Gone),
        _ => false,
    }
}
