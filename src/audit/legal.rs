//! What may happen to one row, in which order: the mirror image of the table by which rows are decided.
//!
//! Pure, and independent of the code that decides: it knows what each step *needs*, not which one is chosen. What it
//! refuses cannot have been produced by keybatch, not even by one that was killed at any moment.

use crate::domain::{Class, Evidence, Outcome};
use crate::journal::event::{Found, Verdict};

/// What is known of a row after some of its entries. `verify` holds one for each row that is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    verdict: Verdict,
    attempts: u32,
    /// The session of the run in which the last attempt began.
    session: u16,
    /// Whether the last attempt has no answer yet.
    open: bool,
    /// What came back for the last attempt that has an answer.
    last: Option<Class>,
    /// Whether no attempt so far can have taken effect.
    harmless: bool,
    /// What the last reading of the key pair found.
    seen: Option<Seen>,
    /// The same, of those after the last attempt.
    seen_since: Option<Seen>,
    /// Whether the key pair of the plan was seen after any attempt.
    survived: bool,
    /// Whether an operation was found that is not known to have ended.
    unfinished: bool,
    /// Whether a later look found the operation that deleted it.
    operation_succeeded: bool,
    /// Whether a later look found that the operation failed.
    operation_failed: bool,
    settled: bool,
}

/// What a reading of the key pair found, where it found anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Same,
    Other,
    NotFound,
}

/// An entry of the row, reduced to what legality depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// In the run's session of this number.
    Started {
        attempt: u32,
        session: u16,
    },
    Finished {
        attempt: u32,
        class: Class,
    },
    Polled {
        class: Class,
    },
    /// The key pair was read.
    Observed {
        found: Found,
    },
    /// The operation history was.
    Searched {
        found: Found,
    },
    Settled {
        outcome: Outcome,
        evidence: Evidence,
    },
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
            harmless: true,
            seen: None,
            seen_since: None,
            survived: false,
            unfinished: false,
            operation_succeeded: false,
            operation_failed: false,
            settled: false,
        }
    }

    /// Takes the next entry of the row, or says why it cannot be.
    pub(super) fn step(&mut self, step: Step) -> Result<(), &'static str> {
        if self.settled {
            return Err("the row has its outcome already");
        }
        match step {
            Step::Started { attempt, session } => self.start(attempt, session),
            Step::Finished { attempt, class } => self.finish(attempt, class),
            Step::Polled { class } => self.poll(class),
            Step::Observed { found } => {
                self.observe(found);
                Ok(())
            }
            Step::Searched { found } => self.search(found),
            Step::Settled { outcome, evidence } => self.settle(outcome, evidence),
        }
    }

    fn start(&mut self, attempt: u32, session: u16) -> Result<(), &'static str> {
        if self.verdict != Verdict::Delete {
            return Err("the plan does not say that this row is to be deleted");
        }
        if attempt != self.attempts.saturating_add(1) {
            return Err("attempts are numbered from 1 without gaps");
        }
        if self.open && session == self.session {
            return Err("another attempt of the row is still in flight");
        }
        if matches!(self.seen, Some(Seen::Other | Seen::NotFound)) {
            return Err("the key pair of the plan was last seen to be gone");
        }
        if matches!(self.last, Some(Class::Succeeded | Class::Refused)) && !self.open {
            return Err("the last answer was final");
        }
        if self.must_look() && self.seen_since != Some(Seen::Same) {
            return Err("the last attempt may have taken effect, and nobody looked before this one");
        }
        // Nothing says that the history must have been searched: sessions of version 0.1 did not.
        if self.unfinished || self.operation_succeeded {
            return Err("an operation of an earlier attempt was found that had not failed");
        }
        // One that never got an answer may have taken effect.
        let harmless = self.harmless && !self.open;
        *self = Self { attempts: attempt, session, open: true, harmless, seen_since: None, ..*self };
        Ok(())
    }

    /// Whether the key pair must be read before another attempt: unless the last one is known to have been refused
    /// before it could do anything.
    fn must_look(&self) -> bool {
        self.attempts > 0 && (self.open || !self.last.is_some_and(Class::is_refusal_before_execution))
    }

    fn finish(&mut self, attempt: u32, class: Class) -> Result<(), &'static str> {
        if !self.open || attempt != self.attempts {
            return Err("no such attempt of the row is in flight");
        }
        self.open = false;
        self.last = Some(class);
        self.harmless &= class.is_refusal_before_execution();
        Ok(())
    }

    fn poll(&mut self, class: Class) -> Result<(), &'static str> {
        if self.attempts == 0 {
            return Err("an operation was asked for that no attempt can have begun");
        }
        self.operation_succeeded |= class == Class::Succeeded;
        self.operation_failed |= class == Class::OperationFailed;
        // That one is over.
        self.unfinished &= class != Class::OperationFailed;
        Ok(())
    }

    fn observe(&mut self, found: Found) {
        let seen = match found {
            Found::Same => Seen::Same,
            Found::Other => Seen::Other,
            Found::NotFound => Seen::NotFound,
            _ => return,
        };
        self.seen = Some(seen);
        if self.attempts > 0 {
            self.seen_since = Some(seen);
            self.survived |= seen == Seen::Same;
        }
    }

    fn search(&mut self, found: Found) -> Result<(), &'static str> {
        if self.attempts == 0 {
            return Err("an operation was looked for that no attempt can have begun");
        }
        self.operation_succeeded |= found == Found::Operation;
        self.unfinished |= found == Found::Unfinished;
        Ok(())
    }

    fn settle(&mut self, outcome: Outcome, evidence: Evidence) -> Result<(), &'static str> {
        let answered = if self.open { None } else { self.last };
        let tried = self.attempts > 0;
        let holds = match (outcome, evidence) {
            (Outcome::Deleted, Evidence::Answer) => answered == Some(Class::Succeeded),
            // Unless our answer named it, an operation alone does not show that the key pair of the plan is gone.
            (Outcome::Deleted, Evidence::Operation) => {
                let named = answered == Some(Class::Pending);
                tried && self.operation_succeeded && (named || self.seen_since == Some(Seen::NotFound))
            }
            (Outcome::InDoubt, Evidence::Tried) => tried,
            (Outcome::Gone, Evidence::Readback) => {
                tried && matches!(self.seen_since, Some(Seen::NotFound | Seen::Other))
            }
            (Outcome::Absent, Evidence::Inventory) => {
                let unseen = self.verdict == Verdict::Absent || self.seen == Some(Seen::NotFound);
                unseen && self.harmless && !self.open
            }
            (Outcome::Absent, Evidence::Answer) => self.attempts == 1 && answered == Some(Class::NotFound),
            (Outcome::Skipped, Evidence::Note) => !tried,
            (Outcome::Failed, Evidence::Answer) => {
                matches!(answered, Some(Class::Refused | Class::Denied | Class::Throttled | Class::SetupInProgress))
            }
            (Outcome::Failed, Evidence::Operation) => {
                let failed = self.operation_failed || answered == Some(Class::OperationFailed);
                failed && self.seen_since == Some(Seen::Same)
            }
            (Outcome::Failed, Evidence::Readback) => {
                let unseen = matches!(self.seen_since, Some(Seen::NotFound | Seen::Other));
                self.seen_since == Some(Seen::Same) || (self.survived && !self.must_look() && !unseen)
            }
            _ => return Err("no row ends in this outcome with this evidence"),
        };
        let may_come = outcome == Outcome::Failed && self.unfinished;
        if !holds || may_come {
            return Err("its entries do not show what the outcome says");
        }
        self.settled = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
