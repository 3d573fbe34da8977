//! What may happen to one row, in which order: the mirror image of the table by which rows are decided.
//!
//! Pure, and independent of the code that decides: it knows what each step *needs*, not which one is chosen. What it
//! refuses cannot have been produced by keybatch, not even by one that was killed at any moment.

mod row_event;

use crate::domain::{Class, Evidence, Outcome};
use crate::record::event::Found;
use crate::record::plan::Verdict;
pub(super) use row_event::RowEvent;
use row_event::Seen;

/// What is known of a row after some of its entries. `verify` holds one for each row that is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    verdict: Verdict,
    attempts: u32,
    /// The session of the run in which the last attempt began.
    session: u16,
    /// Whether the last attempt has no answer yet.
    open: bool,
    /// What came back for the last attempt.
    last: Option<Class>,
    /// Whether the effect of an attempt before the last one was never determined.
    lossy: bool,
    /// Whether an attempt can have had an effect, whatever its answer was.
    acted: bool,
    /// The same, for attempts that were not refused before execution: without one, nothing of ours can have deleted it.
    executed: bool,
    /// What the last reading of the key pair found, where it found anything.
    seen: Option<Seen>,
    /// The same, of those after the last attempt.
    seen_since: Option<Seen>,
    /// What the last reading was, since the last attempt where there is one, whatever it found.
    look: Option<Found>,
    /// What the last search was since the last attempt.
    search: Option<Found>,
    /// Whether the key pair of the plan was seen after any attempt.
    survived: bool,
    /// Whether an operation was found that is not known to have ended.
    unfinished: bool,
    /// Whether one was found since the last attempt, ended or not.
    named: bool,
    /// Whether the operation that the last answer named was seen to have succeeded.
    own_succeeded: bool,
    /// Whether a later look found the operation that deleted it.
    operation_succeeded: bool,
    /// Whether polling found, since the last attempt, that an operation failed.
    operation_failed: bool,
    /// Whether entries were lost that may have requested its deletion: as if there had been one more request, without
    /// an answer.
    lost: bool,
    settled: bool,
}

impl Row {
    /// A row of which only the intent is recorded.
    pub(super) fn new(verdict: Verdict) -> Self {
        Self {
            verdict,
            attempts: 0,
            session: 0,
            open: false,
            last: None,
            lossy: false,
            acted: false,
            executed: false,
            seen: None,
            seen_since: None,
            look: None,
            search: None,
            survived: false,
            unfinished: false,
            named: false,
            own_succeeded: false,
            operation_succeeded: false,
            operation_failed: false,
            lost: false,
            settled: false,
        }
    }

    /// Entries were lost that may have requested the deletion of the key pair. A row whose operation is known continues
    /// with that operation.
    pub(super) fn lose_tail(&mut self) {
        if self.settled || self.verdict != Verdict::Delete {
            return;
        }
        (self.lost, self.executed) = (true, true);
        if self.answered() == Some(Class::Pending) || self.named {
            // What was seen before the loss says nothing about the time after it.
            (self.seen_since, self.look) = (None, None);
            return;
        }
        *self = Self {
            open: true,
            last: None,
            lossy: self.lossy || self.open || self.last == Some(Class::Unanswered),
            acted: true,
            seen_since: None,
            look: None,
            search: None,
            operation_failed: false,
            ..*self
        };
    }

    /// Whether a request for it may have been sent.
    fn tried(&self) -> bool {
        self.attempts > 0 || self.lost
    }

    /// Whether a request of ours may have deleted it: the last one was not refused before it could do anything, or an earlier
    /// one was never answered.
    pub(super) fn may_have_acted(&self) -> bool {
        let refused = |class: Class| {
            class.is_refusal_before_execution()
                || matches!(class, Class::NotSent | Class::Denied | Class::RefusedForAll)
        };
        self.attempts > 0 && (self.lossy || !self.answered().is_some_and(refused))
    }

    /// Takes the next entry of the row, written in the run's session of that number, or says why it cannot be.
    pub(super) fn step(&mut self, step: RowEvent, session: u16) -> Result<(), &'static str> {
        if self.settled {
            return Err("the row has its outcome already");
        }
        if self.verdict != Verdict::Delete && !matches!(step, RowEvent::Settled { .. }) {
            return Err("the plan does not say that this row is to be deleted");
        }
        // One task owns the row, and waits for the answer.
        if self.open && session == self.session && !matches!(step, RowEvent::Finished { .. }) {
            return Err("its attempt is still in flight");
        }
        if let Some((outcome, evidence)) = self.decided()
            && step != (RowEvent::Settled { outcome, evidence })
        {
            return Err("what came back before it is final, but this does not follow from it");
        }
        match step {
            RowEvent::Started { attempt } => self.start(attempt, session),
            RowEvent::Finished { attempt, class, settled } => self.finish(attempt, class, session, settled),
            RowEvent::Polled { class } => self.poll(class),
            RowEvent::Observed { found } => self.observe(found),
            RowEvent::Searched { found } => self.search(found),
            RowEvent::Settled { outcome, evidence } => self.settle(outcome, evidence),
        }
    }

    /// The outcome that follows from what was read or polled last, whatever else there is.
    fn decided(&self) -> Option<(Outcome, Evidence)> {
        if !self.tried() {
            return match self.look {
                Some(Found::NotFound) => Some((Outcome::Absent, Evidence::Inventory)),
                Some(Found::Other) => Some((Outcome::Skipped, Evidence::Note)),
                _ => None,
            };
        }
        let succeeded = self.answered() == Some(Class::Pending) && self.own_succeeded;
        succeeded.then_some((Outcome::Deleted, Evidence::Operation))
    }

    /// Whether the last answer is an operation that had not ended.
    pub(super) fn is_pending(&self) -> bool {
        self.answered() == Some(Class::Pending)
    }

    /// What came back for the last attempt; none where nothing did.
    fn answered(&self) -> Option<Class> {
        if self.open { None } else { self.last }
    }

    fn start(&mut self, attempt: u32, session: u16) -> Result<(), &'static str> {
        if attempt != self.attempts.saturating_add(1) {
            return Err("attempts are numbered from 1 without gaps");
        }
        if matches!(self.seen, Some(Seen::Other | Seen::NotFound)) {
            return Err("the key pair of the plan was last seen to be gone");
        }
        if self.must_look() && self.seen_since != Some(Seen::Same) {
            return Err("the last attempt may have taken effect, but the key pair was not read before this one");
        }
        // Nothing says that the history must have been searched: sessions of version 0.1 did not.
        if self.unfinished || self.operation_succeeded {
            return Err("an operation of an earlier attempt was found that had not failed");
        }
        if self.answered() == Some(Class::Pending) && !self.operation_failed {
            return Err("the operation of the last attempt is not known to have failed");
        }
        if self.answered() == Some(Class::Refused) {
            return Err("the last answer was final");
        }
        // An attempt that never got an answer may have taken effect.
        *self = Self {
            attempts: attempt,
            session,
            open: true,
            last: None,
            lossy: self.lossy || self.open || self.last == Some(Class::Unanswered),
            acted: self.acted || self.open,
            executed: self.executed || self.open,
            seen_since: None,
            look: None,
            search: None,
            named: false,
            operation_failed: false,
            ..*self
        };
        Ok(())
    }

    /// Whether the key pair must be read before another attempt: unless the last one is known to have been refused
    /// before it could do anything.
    fn must_look(&self) -> bool {
        self.tried() && !self.answered().is_some_and(Class::is_refusal_before_execution)
    }

    fn finish(
        &mut self,
        attempt: u32,
        class: Class,
        session: u16,
        settled: Option<(Outcome, Evidence)>,
    ) -> Result<(), &'static str> {
        if !self.open || attempt != self.attempts {
            return Err("no such attempt of the row is in flight");
        }
        if session != self.session {
            return Err("the session that sent the request is over");
        }
        self.open = false;
        self.last = Some(class);
        // Which operation of a name is ours depends on more than the answers: one that failed may be judged otherwise
        // later.
        self.executed |=
            matches!(class, Class::Succeeded | Class::Pending | Class::OperationFailed | Class::Unanswered);
        self.acted |= self.executed || class == Class::Throttled;
        let Some((outcome, evidence)) = settled else {
            let decides = class == Class::Succeeded || (class == Class::Refused && !self.lossy);
            return if decides { Err("it decides the row, but has no outcome") } else { Ok(()) };
        };
        let decides = match (outcome, evidence) {
            (Outcome::Deleted, Evidence::Answer) => class == Class::Succeeded,
            (Outcome::Failed, Evidence::Answer) => {
                // An earlier request may have taken effect: only a reading says that it did not.
                let is_final = matches!(class, Class::Refused | Class::Denied | Class::RefusedForAll);
                !(is_final && self.lossy)
            }
            _ => false,
        };
        if decides {
            self.settle(outcome, evidence)
        } else {
            Err("the answer alone does not say what its outcome says")
        }
    }

    fn poll(&mut self, class: Class) -> Result<(), &'static str> {
        let own = self.answered() == Some(Class::Pending);
        if !own && !self.named {
            return Err("an operation was asked for that nothing named");
        }
        self.own_succeeded |= class == Class::Succeeded && !self.named;
        self.operation_succeeded |= class == Class::Succeeded;
        self.operation_failed |= class == Class::OperationFailed;
        // That one is over.
        self.unfinished &= class != Class::OperationFailed;
        Ok(())
    }

    fn observe(&mut self, found: Found) -> Result<(), &'static str> {
        self.look = Some(found);
        let seen = match found {
            Found::Same => Seen::Same,
            Found::Other => Seen::Other,
            Found::NotFound => Seen::NotFound,
            Found::NoAnswer | Found::Denied | Found::RefusedForAll => return Ok(()),
            Found::Operation | Found::Unfinished | Found::NoOperation | Found::Listed => {
                return Err("reading a key pair finds no such thing");
            }
        };
        self.seen = Some(seen);
        if self.tried() {
            self.seen_since = Some(seen);
            self.survived |= seen == Seen::Same;
        }
        Ok(())
    }

    fn search(&mut self, found: Found) -> Result<(), &'static str> {
        if !self.tried() {
            return Err("an operation was looked for that no attempt can have begun");
        }
        if matches!(found, Found::Same | Found::Other | Found::NotFound | Found::Listed) {
            return Err("a search of operations finds no such thing");
        }
        self.search = Some(found);
        self.operation_succeeded |= found == Found::Operation;
        self.unfinished |= found == Found::Unfinished;
        self.named |= found == Found::Unfinished;
        Ok(())
    }

    fn settle(&mut self, outcome: Outcome, evidence: Evidence) -> Result<(), &'static str> {
        let tried = self.tried();
        let holds = match (outcome, evidence) {
            (Outcome::Deleted, Evidence::Answer) => self.answered() == Some(Class::Succeeded),
            (Outcome::Deleted, Evidence::Operation) => self.shows_deleted(),
            (Outcome::InDoubt, Evidence::Tried) => match self.look {
                // If no operation can still be in progress, a key pair that is still there is an answer.
                Some(Found::Same) => tried && self.may_yet_act(),
                look => tried && matches!(look, Some(Found::NoAnswer | Found::Denied)),
            },
            (Outcome::Gone, Evidence::Readback) => self.shows_gone(),
            (Outcome::Absent, Evidence::Inventory) => match self.verdict {
                Verdict::Absent => true,
                Verdict::Delete if tried => {
                    self.was_never_executed(Seen::NotFound) && self.answered() != Some(Class::NotFound)
                }
                Verdict::Delete => self.look == Some(Found::NotFound),
                Verdict::Skip => false,
            },
            (Outcome::Absent, Evidence::Answer) => {
                self.was_never_executed(Seen::NotFound) && self.answered() == Some(Class::NotFound)
            }
            (Outcome::Skipped, Evidence::Note) => match self.verdict {
                Verdict::Skip => true,
                Verdict::Delete if tried => self.was_never_executed(Seen::Other),
                Verdict::Delete => matches!(self.look, Some(Found::Other | Found::NoAnswer | Found::Denied)),
                Verdict::Absent => false,
            },
            (Outcome::Failed, _) => self.shows_failed(evidence)?,
            _ => return Err("no row ends in this outcome with this evidence"),
        };
        if !holds {
            return Err("its entries do not show what the outcome says");
        }
        self.settled = true;
        Ok(())
    }

    /// Whether an operation is known that may yet delete it, or did.
    fn may_yet_act(&self) -> bool {
        self.answered() == Some(Class::Pending) || self.named || self.unfinished || self.operation_succeeded
    }

    /// Unless our answer named it, an operation alone does not show that the key pair of the plan is gone.
    fn shows_deleted(&self) -> bool {
        let named = self.answered() == Some(Class::Pending) && self.seen_since != Some(Seen::Same);
        let acted = self.acted || self.open;
        acted && self.operation_succeeded && (named || self.is_not_there())
    }

    fn is_not_there(&self) -> bool {
        matches!(self.seen_since, Some(Seen::NotFound | Seen::Other))
    }

    /// Only if a request was sent that may have deleted it. The history was searched for the operation, unless one is
    /// known that can still show it.
    fn shows_gone(&self) -> bool {
        let asked = self.search.is_some() || self.answered() == Some(Class::Pending);
        let executed = self.executed || self.open;
        executed && self.is_not_there() && asked && self.search != Some(Found::Operation)
    }

    /// Whether it was seen so after requests none of which was executed. The history was asked about throttled ones.
    fn was_never_executed(&self, seen: Seen) -> bool {
        let asked = self.search.is_some() || !self.acted;
        let executed = self.executed || self.open;
        !executed && self.seen_since == Some(seen) && asked && self.search != Some(Found::Operation)
    }

    fn shows_failed(&self, evidence: Evidence) -> Result<bool, &'static str> {
        use Class::{Denied, OperationFailed, Pending, Refused, RefusedForAll, SetupInProgress, Throttled};
        let answered = self.answered();
        let gone = self.is_not_there();
        let holds = match evidence {
            Evidence::Answer => {
                matches!(answered, Some(Refused | Denied | RefusedForAll | Throttled | SetupInProgress)) && !gone
            }
            Evidence::Operation => {
                let failed = answered == Some(OperationFailed) || (answered == Some(Pending) && self.operation_failed);
                failed && self.seen_since == Some(Seen::Same)
            }
            Evidence::Readback => {
                let still = self.seen_since == Some(Seen::Same) || (self.survived && !self.must_look() && !gone);
                still && !matches!(answered, Some(Pending | OperationFailed))
            }
            _ => return Err("no row ends in this outcome with this evidence"),
        };
        Ok(holds && !self.unfinished && !self.operation_succeeded)
    }
}

#[cfg(test)]
mod tests;
