//! Every sequence of steps up to a length, judged twice: by [`Row`], which remembers a few facts, and by rules that read
//! the whole history each time, worded as the recovery table words them.

mod longer;

use super::*;

const LONGEST: usize = 6;

/// What happens to a row: one of its entries, or that another session begins.
type Move = Option<RowEvent>;

fn moves() -> Vec<Move> {
    let classes = [
        Class::Succeeded,
        Class::Pending,
        Class::OperationFailed,
        Class::NotFound,
        Class::Throttled,
        Class::Refused,
        Class::Unanswered,
    ];
    let mut steps: Vec<RowEvent> = [1, 2, 3].map(|attempt| RowEvent::Started { attempt }).into();
    steps.extend([Class::Succeeded, Class::OperationFailed, Class::Pending].map(|class| RowEvent::Polled { class }));
    let bare = |attempt| classes.map(|class| RowEvent::Finished { attempt, class, settled: None });
    steps.extend([1, 2].into_iter().flat_map(bare));
    let deciding =
        [(Class::Succeeded, Outcome::Deleted), (Class::Refused, Outcome::Failed), (Class::Throttled, Outcome::Failed)];
    steps.extend([1, 2].into_iter().flat_map(|attempt| {
        deciding.map(|(class, outcome)| RowEvent::Finished {
            attempt,
            class,
            settled: Some((outcome, Evidence::Answer)),
        })
    }));
    steps.extend(
        [Found::Same, Found::Other, Found::NotFound, Found::NoAnswer].map(|found| RowEvent::Observed { found }),
    );
    steps.extend([Found::Operation, Found::Unfinished, Found::NoOperation].map(|found| RowEvent::Searched { found }));
    steps.into_iter().map(Some).chain([None]).collect()
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
struct Oracle<'a>(Verdict, &'a [Move]);

impl<'a> Oracle<'a> {
    fn steps(&self) -> impl Iterator<Item = RowEvent> + 'a {
        self.1.iter().copied().flatten()
    }

    fn attempts(&self) -> usize {
        self.steps().filter(|step| matches!(step, RowEvent::Started { .. })).count()
    }

    /// What happened since the last attempt began; everything, where none did.
    fn since(&self) -> &'a [Move] {
        let last = self.1.iter().rposition(|step| matches!(step, Some(RowEvent::Started { .. })));
        last.map_or(self.1, |last| &self.1[last..])
    }

    fn since_has(&self, wanted: RowEvent) -> bool {
        self.since().contains(&Some(wanted))
    }

    /// The classes of all answers, an attempt without one being none.
    fn answers(&self) -> Vec<Option<Class>> {
        let mut answers = Vec::new();
        for step in self.steps() {
            match step {
                RowEvent::Started { .. } => answers.push(None),
                RowEvent::Finished { class, .. } => *answers.last_mut().unwrap() = Some(class),
                _ => {}
            }
        }
        answers
    }

    /// What came back for the last attempt; none where it has no answer.
    fn last_answer(&self) -> Option<Class> {
        self.answers().last().copied().flatten()
    }

    fn is_in_flight(&self) -> bool {
        self.attempts() > 0 && self.last_answer().is_none() && !self.since().contains(&None)
    }

    /// The readings of the key pair in `moves`.
    fn looks(moves: &[Move]) -> Vec<Found> {
        let found = moves.iter().filter_map(|step| match step {
            Some(RowEvent::Observed { found }) => Some(*found),
            _ => None,
        });
        found.collect()
    }

    /// Those of them that found something.
    fn readings(moves: &[Move]) -> Vec<Found> {
        Self::looks(moves).into_iter().filter(|found| *found != Found::NoAnswer).collect()
    }

    fn last_search(&self) -> Option<Found> {
        self.since().iter().rev().find_map(|step| match step {
            Some(RowEvent::Searched { found }) => Some(*found),
            _ => None,
        })
    }

    /// Whether the history showed an operation that had not ended, ever since the last attempt.
    fn is_named(&self) -> bool {
        self.since_has(RowEvent::Searched { found: Found::Unfinished })
    }

    /// Whether an operation was found that had not ended, and was not seen to have failed since.
    fn is_unfinished(&self) -> bool {
        let found = self.1.iter().rposition(|step| *step == Some(RowEvent::Searched { found: Found::Unfinished }));
        found.is_some_and(|found| !self.1[found..].contains(&Some(RowEvent::Polled { class: Class::OperationFailed })))
    }

    fn has_seen_success(&self) -> bool {
        let succeeded = [RowEvent::Polled { class: Class::Succeeded }, RowEvent::Searched { found: Found::Operation }];
        (0..self.1.len())
            .any(|place| !self.is_of_others(place) && succeeded.iter().any(|step| self.1[place] == Some(*step)))
    }

    /// Whether an operation was asked for there that neither an answer nor the history had named: that of another run.
    fn is_of_others(&self, place: usize) -> bool {
        if !matches!(self.1[place], Some(RowEvent::Polled { .. })) {
            return false;
        }
        let before = Oracle(self.0, &self.1[..place]);
        before.last_answer() != Some(Class::Pending) && !before.is_named()
    }

    /// Whether such an operation was not seen to have failed, or to have succeeded at any time, since the last attempt.
    fn others_may_act(&self) -> bool {
        let first = self.1.len() - self.since().len();
        let polls = (first..self.1.len()).filter(|place| self.is_of_others(*place)).map(|place| self.1[place]);
        let polls: Vec<_> = polls.collect();
        let is = |step: &Move, class| *step == Some(RowEvent::Polled { class });
        polls.iter().any(|step| is(step, Class::Succeeded))
            || polls.last().is_some_and(|step| !is(step, Class::OperationFailed))
    }

    /// Whether the key pair was not seen since operations of other runs were looked for.
    fn is_unread(&self) -> bool {
        let looked = |place: &usize| match self.1[*place] {
            Some(RowEvent::Searched { .. }) => Oracle(self.0, &self.1[..*place]).attempts() == 0,
            _ => self.is_of_others(*place),
        };
        let same = self.1.iter().rposition(|step| *step == Some(RowEvent::Observed { found: Found::Same }));
        (0..self.1.len()).rfind(looked).is_some_and(|looked| same.is_none_or(|same| same < looked))
    }

    fn last_may_have_acted(&self) -> bool {
        self.attempts() > 0 && !self.last_answer().is_some_and(Class::is_refusal_before_execution)
    }

    /// Where nothing but this outcome can follow.
    fn decided(&self) -> Option<(Outcome, Evidence)> {
        if self.attempts() == 0 {
            return match Self::looks(self.1).last()? {
                Found::NotFound => Some((Outcome::Absent, Evidence::Inventory)),
                Found::Other => Some((Outcome::Skipped, Evidence::Note)),
                _ => None,
            };
        }
        if self.last_answer()? != Class::Pending {
            return None;
        }
        let at = |wanted: RowEvent| self.since().iter().position(|step| *step == Some(wanted));
        let succeeded = at(RowEvent::Polled { class: Class::Succeeded });
        let named = at(RowEvent::Searched { found: Found::Unfinished });
        let own = succeeded.is_some_and(|at| named.is_none_or(|named| at < named));
        own.then_some((Outcome::Deleted, Evidence::Operation))
    }

    /// Whether this answer to the attempt in flight alone decides the row so, or leaves it open as it must.
    fn allows_answer(&self, class: Class, settled: Option<(Outcome, Evidence)>) -> bool {
        let answers = self.answers();
        let lost = answers.iter().rev().skip(1).any(|answer| matches!(answer, None | Some(Class::Unanswered)));
        match class {
            Class::Succeeded => settled == Some((Outcome::Deleted, Evidence::Answer)),
            Class::Refused if lost => settled.is_none(),
            Class::Refused => settled == Some((Outcome::Failed, Evidence::Answer)),
            Class::Throttled => true,
            _ => settled.is_none(),
        }
    }

    fn allows(&self, next: RowEvent) -> bool {
        if let Some((outcome, evidence)) = self.decided() {
            // Not even that, where it is still shown.
            let is_shown = evidence == Evidence::Operation && Self::readings(self.since()).last() == Some(&Found::Same);
            return next == RowEvent::Settled { outcome, evidence } && !is_shown;
        }
        if let RowEvent::Finished { attempt, class, settled } = next {
            let is_its = self.is_in_flight() && attempt as usize == self.attempts();
            return is_its && self.allows_answer(class, settled);
        }
        if self.is_in_flight() {
            return false;
        }
        match next {
            RowEvent::Settled { outcome, evidence } => self.allows_outcome(outcome, evidence),
            _ if self.0 != Verdict::Delete => false,
            RowEvent::Started { attempt } => self.allows_attempt(attempt),
            _ => true,
        }
    }

    fn allows_attempt(&self, attempt: u32) -> bool {
        if attempt as usize != self.attempts() + 1 {
            return false;
        }
        if matches!(Self::readings(self.1).last(), Some(Found::Other | Found::NotFound)) {
            return false;
        }
        match self.last_answer() {
            Some(Class::Refused) => return false,
            Some(Class::Pending) if !self.since_has(RowEvent::Polled { class: Class::OperationFailed }) => {
                return false;
            }
            _ => {}
        }
        if self.is_unfinished() || self.has_seen_success() || self.others_may_act() || self.is_unread() {
            return false;
        }
        !self.last_may_have_acted() || Self::readings(self.since()).last() == Some(&Found::Same)
    }

    fn allows_outcome(&self, outcome: Outcome, evidence: Evidence) -> bool {
        let tried = self.attempts() > 0;
        let looked = Self::looks(self.since()).last().copied();
        let since = Self::readings(self.since()).last().copied().filter(|_| tried);
        match (outcome, evidence) {
            (Outcome::Skipped, Evidence::Note) => match self.0 {
                Verdict::Skip => true,
                Verdict::Delete if tried => self.was_never_executed() && since == Some(Found::Other),
                Verdict::Delete if looked == Some(Found::Same) => {
                    self.is_unfinished() || self.has_seen_success() || self.others_may_act()
                }
                Verdict::Delete => matches!(looked, Some(Found::Other | Found::NoAnswer)),
                Verdict::Absent => false,
            },
            (Outcome::Absent, Evidence::Inventory) => match self.0 {
                Verdict::Absent => true,
                Verdict::Delete if tried => {
                    let said = self.last_answer() == Some(Class::NotFound);
                    self.was_never_executed() && since == Some(Found::NotFound) && !said
                }
                Verdict::Delete => looked == Some(Found::NotFound),
                Verdict::Skip => false,
            },
            (Outcome::Absent, Evidence::Answer) => {
                let said = self.last_answer() == Some(Class::NotFound);
                self.was_never_executed() && since == Some(Found::NotFound) && said
            }
            (Outcome::Deleted, Evidence::Operation) => {
                let harmless = |answer: &Option<Class>| matches!(answer, Some(Class::Refused | Class::NotFound));
                let acted = !self.answers().iter().all(harmless);
                let named = self.last_answer() == Some(Class::Pending) && since != Some(Found::Same);
                acted && self.has_seen_success() && (named || matches!(since, Some(Found::NotFound | Found::Other)))
            }
            (Outcome::Gone, Evidence::Readback) => {
                let search = self.last_search();
                let asked = self.last_answer() == Some(Class::Pending) || search.is_some();
                let not_there = matches!(since, Some(Found::NotFound | Found::Other));
                !self.only_refused() && not_there && asked && search != Some(Found::Operation)
            }
            (Outcome::Failed, evidence) => self.allows_failure(evidence, since),
            (Outcome::InDoubt, Evidence::Tried) => match looked {
                Some(Found::Same) => {
                    let pending = self.last_answer() == Some(Class::Pending);
                    let named = pending || self.is_named() || self.is_unfinished();
                    tried && (named || self.has_seen_success() || self.others_may_act())
                }
                looked => tried && looked == Some(Found::NoAnswer),
            },
            // The others follow from the last answer alone.
            _ => false,
        }
    }

    /// Whether each attempt was answered, and with a refusal.
    fn only_refused(&self) -> bool {
        let refused =
            |answer: &Option<Class>| matches!(answer, Some(Class::Refused | Class::NotFound | Class::Throttled));
        self.answers().iter().all(refused)
    }

    /// Whether none of its requests was executed, as far as the history can say.
    fn was_never_executed(&self) -> bool {
        let search = self.last_search();
        let asked = search.is_some() || !self.answers().contains(&Some(Class::Throttled));
        self.only_refused() && asked && search != Some(Found::Operation)
    }

    fn allows_failure(&self, evidence: Evidence, since: Option<Found>) -> bool {
        if self.is_unfinished() || self.has_seen_success() || self.others_may_act() {
            return false;
        }
        let first = self.1.iter().position(|step| matches!(step, Some(RowEvent::Started { .. })));
        let answer = self.last_answer();
        match evidence {
            Evidence::Answer => {
                matches!(answer, Some(Class::Refused | Class::Throttled)) && matches!(since, None | Some(Found::Same))
            }
            Evidence::Operation => {
                let polled = self.since_has(RowEvent::Polled { class: Class::OperationFailed });
                let failed = answer == Some(Class::OperationFailed) || (answer == Some(Class::Pending) && polled);
                failed && since == Some(Found::Same)
            }
            Evidence::Readback if matches!(answer, Some(Class::Pending | Class::OperationFailed)) => false,
            Evidence::Readback => match since {
                Some(found) => found == Found::Same,
                None => {
                    let survived = first.is_some_and(|first| Self::readings(&self.1[first..]).contains(&Found::Same));
                    survived && !self.last_may_have_acted()
                }
            },
            _ => false,
        }
    }
}

#[test]
fn facts_and_history_judge_every_sequence_alike() {
    let mut judged = 0_u64;
    for verdict in [Verdict::Delete, Verdict::Skip, Verdict::Absent] {
        walk((Row::new(verdict), 1), verdict, &mut Vec::new(), &moves(), &mut judged);
    }
    assert!(judged > 1_000_000, "{judged}");
}

fn walk((row, session): (Row, u16), verdict: Verdict, history: &mut Vec<Move>, moves: &[Move], judged: &mut u64) {
    for outcome in OUTCOMES {
        for evidence in EVIDENCE {
            let step = RowEvent::Settled { outcome, evidence };
            let mut next = row;
            let allowed = next.step(step, session).is_ok();
            assert_eq!(allowed, Oracle(verdict, history).allows(step), "{verdict:?} {history:?} then {step:?}");
            assert_eq!(allowed, next.settled);
            if allowed {
                let follows = |step: &Move| step.is_some_and(|step| next.clone().step(step, session).is_ok());
                assert!(!moves.iter().any(follows), "nothing follows an outcome");
                assert!(next.step(step, session).is_err(), "there is one outcome");
            }
            *judged += 1;
        }
    }
    if history.len() == LONGEST {
        return;
    }
    for step in moves {
        let mut next = row;
        let (allowed, session) = match step {
            Some(step) => {
                let allowed = next.step(*step, session).is_ok();
                assert_eq!(allowed, Oracle(verdict, history).allows(*step), "{verdict:?} {history:?} then {step:?}");
                (allowed, session)
            }
            // Once is enough, and before anything happened it makes no difference.
            None => (session == 1 && !history.is_empty(), session + 1),
        };
        *judged += 1;
        if matches!(step, Some(RowEvent::Finished { settled: Some(_), .. })) {
            assert_eq!(allowed, next.settled);
            let follows = |step: &Move| step.is_some_and(|step| next.clone().step(step, session).is_ok());
            assert!(!allowed || !moves.iter().any(follows), "nothing follows an outcome");
        } else if allowed {
            history.push(*step);
            walk((next, session), verdict, history, moves, judged);
            history.pop();
        }
    }
}

#[test]
fn a_row_is_small() {
    assert!(size_of::<Row>() <= 28, "verify holds one for each row on its way: {}", size_of::<Row>());
}
