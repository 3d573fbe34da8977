//! What may happen to one row, in which order: the mirror image of the table by which rows are decided.
//!
//! Pure, and independent of the code that decides: it knows what each step *needs*, not which one is chosen. What it
//! refuses cannot have been produced by keybatch, not even by one that was killed at any moment.

mod outcomes;
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
    /// The operation of another run, if it was asked for.
    other: Other,
    /// Whether the key pair must be read before an attempt because of what other runs sent.
    unread: bool,
    /// Whether entries were lost that may have requested its deletion: as if there had been one more request, without
    /// an answer.
    lost: bool,
    settled: bool,
}

/// What polling last showed of an operation that no entry of the row names: one that another run left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Other {
    None,
    /// It is not known to have ended.
    Open,
    /// It succeeded: its key pair is not there, whatever else is shown.
    Succeeded,
    Failed,
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
            other: Other::None,
            unread: false,
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
        if self.others_may_act() {
            return Err("an operation of another run is not known to have failed");
        }
        if self.unread {
            return Err("the key pair was not read since what other runs sent was looked for");
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
            other: Other::None,
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
            // Only another run can have named it.
            self.unread = true;
            self.other = match class {
                _ if self.other == Other::Succeeded => Other::Succeeded,
                Class::Succeeded => Other::Succeeded,
                Class::OperationFailed => Other::Failed,
                _ => Other::Open,
            };
            return Ok(());
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
        self.unread &= seen != Seen::Same;
        if self.tried() {
            self.seen_since = Some(seen);
            self.survived |= seen == Seen::Same;
        }
        Ok(())
    }

    fn search(&mut self, found: Found) -> Result<(), &'static str> {
        // Before any attempt, what other runs sent is looked for.
        self.unread |= !self.tried();
        if matches!(found, Found::Same | Found::Other | Found::NotFound | Found::Listed) {
            return Err("a search of operations finds no such thing");
        }
        self.search = Some(found);
        self.operation_succeeded |= found == Found::Operation;
        self.unfinished |= found == Found::Unfinished;
        self.named |= found == Found::Unfinished;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
