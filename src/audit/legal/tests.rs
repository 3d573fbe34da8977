//! Every sequence of steps up to a length, judged twice: by [`Row`], which remembers a few facts, and by rules that read
//! the whole history each time, worded as the recovery table words them.

use super::*;

const LONGEST: usize = 5;

fn steps() -> Vec<Step> {
    let classes = [
        Class::Succeeded,
        Class::Pending,
        Class::OperationFailed,
        Class::NotFound,
        Class::Throttled,
        Class::Refused,
        Class::Unanswered,
    ];
    let mut steps = vec![
        Step::Started { attempt: 1, session: 1 },
        Step::Started { attempt: 2, session: 1 },
        Step::Started { attempt: 2, session: 2 },
        Step::Started { attempt: 3, session: 2 },
        Step::Polled { class: Class::Succeeded },
        Step::Polled { class: Class::OperationFailed },
    ];
    steps.extend([1, 2].into_iter().flat_map(|attempt| classes.map(|class| Step::Finished { attempt, class })));
    steps.extend([Found::Same, Found::Other, Found::NotFound, Found::NoAnswer].map(|found| Step::Observed { found }));
    steps.extend([Found::Operation, Found::Unfinished, Found::NoOperation].map(|found| Step::Searched { found }));
    steps
}

const OUTCOMES: [Outcome; 6] =
    [Outcome::Deleted, Outcome::Gone, Outcome::Absent, Outcome::Skipped, Outcome::Failed, Outcome::InDoubt];
const EVIDENCE: [Evidence; 7] = [
    Evidence::Answer,
    Evidence::Operation,
    Evidence::Cloudtrail,
    Evidence::Readback,
    Evidence::Inventory,
    Evidence::Note,
    Evidence::Tried,
];

/// What the whole history says.
struct Oracle<'a>(Verdict, &'a [Step]);

impl Oracle<'_> {
    fn attempts(&self) -> usize {
        self.1.iter().filter(|step| matches!(step, Step::Started { .. })).count()
    }

    fn last_start(&self) -> Option<usize> {
        self.1.iter().rposition(|step| matches!(step, Step::Started { .. }))
    }

    /// What came back for the last attempt; none where it has no answer.
    fn last_answer(&self) -> Option<Class> {
        self.1[self.last_start()?..].iter().find_map(|step| match step {
            Step::Finished { class, .. } => Some(*class),
            _ => None,
        })
    }

    /// The readings of the key pair from this step on that found something.
    fn readings(&self, from: usize) -> Vec<Found> {
        let found = self.1[from..].iter().filter_map(|step| match step {
            Step::Observed { found: found @ (Found::Same | Found::Other | Found::NotFound) } => Some(*found),
            _ => None,
        });
        found.collect()
    }

    fn has(&self, wanted: Step) -> bool {
        self.1.contains(&wanted)
    }

    /// Whether an attempt may have taken effect: all but the refusals before execution.
    fn may_have_acted(&self) -> bool {
        let refusals = self
            .1
            .iter()
            .filter(|step| matches!(step, Step::Finished { class, .. } if class.is_refusal_before_execution()));
        refusals.count() < self.attempts()
    }

    fn last_may_have_acted(&self) -> bool {
        self.attempts() > 0 && !self.last_answer().is_some_and(Class::is_refusal_before_execution)
    }

    /// Whether an operation was found that had not ended, and was not seen to have failed since.
    fn is_unfinished(&self) -> bool {
        let found = self.1.iter().rposition(|step| *step == Step::Searched { found: Found::Unfinished });
        found.is_some_and(|found| !self.1[found..].contains(&Step::Polled { class: Class::OperationFailed }))
    }

    fn allows(&self, next: Step) -> bool {
        match next {
            Step::Started { attempt, session } => self.allows_attempt(attempt, session),
            Step::Finished { attempt, .. } => {
                self.last_start().is_some() && self.last_answer().is_none() && attempt as usize == self.attempts()
            }
            Step::Polled { .. } | Step::Searched { .. } => self.attempts() > 0,
            Step::Observed { .. } => true,
            Step::Settled { outcome, evidence } => self.allows_outcome(outcome, evidence),
        }
    }

    fn allows_attempt(&self, attempt: u32, next_session: u16) -> bool {
        if self.0 != Verdict::Delete || attempt as usize != self.attempts() + 1 {
            return false;
        }
        if matches!(self.readings(0).last(), Some(Found::Other | Found::NotFound)) {
            return false;
        }
        let Some(last) = self.last_start() else { return true };
        match (self.last_answer(), self.1[last]) {
            // Dangling: only another session may find it so.
            (None, Step::Started { session, .. }) if session == next_session => return false,
            (Some(Class::Succeeded | Class::Refused), _) => return false,
            _ => {}
        }
        let succeeded = [Step::Polled { class: Class::Succeeded }, Step::Searched { found: Found::Operation }];
        if self.is_unfinished() || succeeded.into_iter().any(|step| self.has(step)) {
            return false;
        }
        !self.last_may_have_acted() || self.readings(last).last() == Some(&Found::Same)
    }

    fn allows_outcome(&self, outcome: Outcome, evidence: Evidence) -> bool {
        use Class::{Denied, NotFound, OperationFailed, Refused, SetupInProgress, Succeeded, Throttled};
        let tried = self.attempts() > 0;
        let since = self.last_start().map(|last| self.readings(last)).unwrap_or_default();
        let first = self.1.iter().position(|step| matches!(step, Step::Started { .. }));
        match (outcome, evidence) {
            (Outcome::Deleted, Evidence::Answer) => self.last_answer() == Some(Succeeded),
            (Outcome::Deleted, Evidence::Operation) => {
                let seen =
                    self.has(Step::Polled { class: Succeeded }) || self.has(Step::Searched { found: Found::Operation });
                let named = self.last_answer() == Some(Class::Pending);
                tried && seen && (named || since.last() == Some(&Found::NotFound))
            }
            (Outcome::Gone, Evidence::Readback) => matches!(since.last(), Some(Found::NotFound | Found::Other)),
            (Outcome::Absent, Evidence::Inventory) => {
                let unseen = self.0 == Verdict::Absent || self.readings(0).last() == Some(&Found::NotFound);
                unseen && !self.may_have_acted()
            }
            (Outcome::Absent, Evidence::Answer) => self.attempts() == 1 && self.last_answer() == Some(NotFound),
            (Outcome::Skipped, Evidence::Note) => !tried,
            (Outcome::Failed, _) if self.is_unfinished() => false,
            (Outcome::Failed, Evidence::Answer) => {
                self.last_answer().is_some_and(|class| [Refused, Denied, Throttled, SetupInProgress].contains(&class))
            }
            (Outcome::Failed, Evidence::Operation) => {
                let failed = self.has(Step::Polled { class: OperationFailed });
                (failed || self.last_answer() == Some(OperationFailed)) && since.last() == Some(&Found::Same)
            }
            (Outcome::Failed, Evidence::Readback) => {
                let survived = first.is_some_and(|first| self.readings(first).contains(&Found::Same));
                match since.last() {
                    Some(Found::Same) => true,
                    Some(_) => false,
                    None => survived && !self.last_may_have_acted(),
                }
            }
            (Outcome::InDoubt, Evidence::Tried) => tried,
            _ => false,
        }
    }
}

#[test]
fn facts_and_history_judge_every_sequence_alike() {
    let mut judged = 0_u64;
    for verdict in [Verdict::Delete, Verdict::Skip, Verdict::Absent] {
        walk(Row::new(verdict), verdict, &mut Vec::new(), &steps(), &mut judged);
    }
    assert!(judged > 1_000_000, "{judged}");
}

fn walk(row: Row, verdict: Verdict, history: &mut Vec<Step>, steps: &[Step], judged: &mut u64) {
    for outcome in OUTCOMES {
        for evidence in EVIDENCE {
            let step = Step::Settled { outcome, evidence };
            let mut next = row;
            let allowed = next.step(step).is_ok();
            assert_eq!(allowed, Oracle(verdict, history).allows(step), "{verdict:?} {history:?} then {step:?}");
            assert_eq!(allowed, next.settled);
            if allowed {
                assert!(steps.iter().all(|step| next.step(*step).is_err()), "nothing follows an outcome");
                assert!(next.step(Step::Settled { outcome, evidence }).is_err(), "there is one outcome");
            }
            *judged += 1;
        }
    }
    if history.len() == LONGEST {
        return;
    }
    for step in steps {
        let mut next = row;
        let allowed = next.step(*step).is_ok();
        assert_eq!(allowed, Oracle(verdict, history).allows(*step), "{verdict:?} {history:?} then {step:?}");
        *judged += 1;
        if allowed {
            history.push(*step);
            walk(next, verdict, history, steps, judged);
            history.pop();
        }
    }
}

#[test]
fn a_row_is_small() {
    assert!(size_of::<Row>() <= 20, "verify holds one for each row of a journal: {}", size_of::<Row>());
}
