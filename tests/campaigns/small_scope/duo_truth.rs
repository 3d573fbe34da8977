//! What is true of one of two rows: the naive side, which knows nothing of how rows are decided.

use std::hash::{DefaultHasher, Hash as _};

use keybatch::domain::Outcome;
use keybatch::execute::row::RowState;

use super::truth::{Pair, Pending};

/// An operation that was accepted: how it will end, and whether it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Op {
    pub(crate) attempt: u32,
    pub(crate) end: Pending,
    pub(crate) ended: bool,
    /// Whether the service, asked for it, did not say that there is one. Then nothing that it does speaks against us.
    pub(crate) hidden: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Truth {
    pub(crate) pair: Pair,
    /// Whether a request of ours deleted the original, and not by an operation that was hidden.
    pub(crate) by_us: bool,
    /// Whether a delete of this name succeeded: by our request, or by anybody since the first.
    pub(crate) deleted: bool,
    /// Until when a lost request may still take effect.
    pub(crate) late: Option<u64>,
    pub(crate) ops: Vec<Op>,
    /// Whether the last reading showed the original, and none of our attempts may have changed that since.
    pub(crate) sure: bool,
    pub(crate) sent: bool,
}

impl Default for Truth {
    fn default() -> Self {
        Self {
            pair: Pair::Original,
            by_us: false,
            deleted: false,
            late: None,
            ops: Vec::new(),
            sure: true,
            sent: false,
        }
    }
}

impl Truth {
    /// Operations that have ended and are not asked for any more make no difference.
    pub(crate) fn hash_at(&self, now: u64, polled: Option<&str>, hasher: &mut DefaultHasher) {
        (self.pair as u8, self.by_us, self.deleted, self.late.map(|late| late > now)).hash(hasher);
        let asked = |op: &Op| polled == Some(op.attempt.to_string().as_str());
        let ops = self.ops.iter().map(|op| (op.end, op.ended, op.hidden, asked(op)));
        let ops: Vec<_> = ops.filter(|(_, ended, _, asked)| !ended || *asked).collect();
        (ops, self.sure, self.sent).hash(hasher);
    }

    pub(crate) fn passes(&mut self, now: u64) {
        self.late = self.late.filter(|late| *late > now);
    }

    /// A request of ours takes effect on whatever has the name.
    pub(crate) fn execute(&mut self, hidden: bool) {
        match self.pair {
            Pair::Original => self.by_us = !hidden,
            Pair::Another => {}
            Pair::Nobody => return,
        }
        (self.pair, self.deleted) = (Pair::Nobody, true);
    }

    /// Whether something of ours may still take effect, however long it takes.
    pub(crate) fn may_come(&self) -> bool {
        self.late.is_some() || self.open_op().is_some()
    }

    /// An operation that will still take effect.
    fn open_op(&self) -> Option<&Op> {
        self.ops.iter().find(|op| !op.ended && !op.hidden && op.end == Pending::Succeeds)
    }

    /// Whether an outcome is true, and stays so.
    pub(crate) fn allows(&self, outcome: Outcome, state: &RowState) -> bool {
        let gone = self.pair != Pair::Original;
        let tried = state.attempts > 0;
        match outcome {
            Outcome::Deleted => gone && self.deleted && tried,
            Outcome::Gone => gone && state.may_have_acted(),
            Outcome::Absent => gone && !self.by_us && !self.may_come(),
            Outcome::Skipped => (!tried && !self.sent) || (self.pair == Pair::Another && !self.by_us),
            Outcome::Failed => !self.by_us && !self.may_come(),
            Outcome::InDoubt => tried,
        }
    }
}
