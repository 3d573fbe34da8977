//! Operations that may still be under way: of this row, and of what another run of the journal asked for, where nothing shows
//! how that ended. That may still delete the key pair, so it is looked for before anything else is sent (I3).

use jiff::Timestamp;

use super::attempt::LeftOpen;
use super::row::RowState;
use crate::domain::Class;
use crate::record::event::Found;

impl RowState {
    /// Whether an operation is known that the last answer did not name, and that had not ended: the history showed it, or
    /// another run left it open.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.is_found_unfinished() || matches!(self.left_open, Some(LeftOpen::Operation(_)))
    }

    pub(super) fn is_found_unfinished(&self) -> bool {
        self.search.as_ref().is_some_and(|look| look.found == Found::Unfinished)
    }

    /// The operation to ask for: the one that the history showed, else the one that another run left open, else the one that
    /// the last answer named.
    #[must_use]
    pub fn operation_id(&self) -> Option<&str> {
        if let Some(found) = self.search.as_ref().filter(|look| look.found == Found::Unfinished) {
            return found.operation_id.as_deref();
        }
        if let Some(LeftOpen::Operation(id)) = &self.left_open {
            return Some(id);
        }
        self.last.as_ref()?.answer.as_ref()?.operation_id.as_deref()
    }

    /// What this row's run left open, as far as the journal tells.
    #[must_use]
    pub fn leaves_open(&self) -> Option<LeftOpen> {
        let poll = self.poll.as_ref();
        let has_ended = poll
            .is_some_and(|poll| !poll.from_history && matches!(poll.class, Class::Succeeded | Class::OperationFailed));
        let is_pending = self.last_class() == Some(Class::Pending) && !has_ended;
        if self.is_unfinished() || is_pending {
            // Without an id, only the history can show it.
            return Some(self.operation_id().map_or(LeftOpen::Request, |id| LeftOpen::Operation(id.to_owned())));
        }
        self.is_unanswered().then_some(LeftOpen::Request)
    }

    /// Another run left this open, whose last attempt is older than the entry `seq`, and a session takes the row up at `now`.
    /// It is nothing new to a row whose own last attempt came later: it was looked for before that.
    pub fn inherit(&mut self, open: &LeftOpen, seq: u64, now: Timestamp) {
        // What may have been lost with entries is no attempt before which anything was looked for.
        let is_older = self.lost_at.is_none() && self.last.as_ref().is_some_and(|last| last.started_seq > seq);
        if is_older || self.last_class() == Some(Class::Pending) {
            return;
        }
        // What was found before that request says nothing of it.
        self.search = self.search.take().filter(|search| search.seq > seq || search.found == Found::Unfinished);
        if let LeftOpen::Operation(id) = open {
            (self.look, self.poll, self.unread) = (None, None, true);
            self.begin_polls(now, Some(id));
        }
        self.left_open = Some(open.clone());
    }
}
