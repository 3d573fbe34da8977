//! Which outcome the entries of a row show.

use super::row_event::Seen;
use super::{Other, Row};
use crate::domain::{Class, Evidence, Outcome};
use crate::record::event::Found;
use crate::record::plan::Verdict;

impl Row {
    pub(super) fn settle(&mut self, outcome: Outcome, evidence: Evidence) -> Result<(), &'static str> {
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
                Verdict::Delete => match self.look {
                    Some(Found::Same) => self.unfinished || self.operation_succeeded || self.others_may_act(),
                    look => matches!(look, Some(Found::Other | Found::NoAnswer | Found::Denied)),
                },
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
        let named = self.answered() == Some(Class::Pending) || self.named || self.unfinished;
        named || self.operation_succeeded || self.others_may_act()
    }

    /// Whether the operation of another run may yet delete it, or did.
    pub(super) fn others_may_act(&self) -> bool {
        matches!(self.other, Other::Open | Other::Succeeded)
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
        Ok(holds && !self.unfinished && !self.operation_succeeded && !self.others_may_act())
    }
}
