//! What is true of one row: the naive side, which knows nothing of how rows are decided.

use jiff::Timestamp;

/// What has the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Pair {
    Original,
    Nobody,
    Another,
}

/// An operation that is not terminal, and whether it will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Pending {
    Succeeds,
    Fails,
    Never,
}

/// What is true.
#[derive(Debug, Clone)]
pub(crate) struct Truth {
    pub(crate) now: Timestamp,
    pub(crate) pair: Pair,
    /// Whether a request of ours deleted the original.
    pub(crate) by_us: bool,
    /// Until when an attempt may still take effect.
    pub(crate) late: Option<Timestamp>,
    /// Until when a request of which nothing came back may still be delivered.
    pub(crate) ghost: Option<Timestamp>,
    /// Whether it was one of those that deleted the original.
    pub(crate) by_ghost: bool,
    /// Whether the journal has an attempt that may have been executed, as far as it tells.
    pub(crate) acted: bool,
    /// When a delete of this name succeeded, by when its operation was created.
    pub(crate) deleted_at: Vec<Timestamp>,
    /// When the operation was created that is still to take effect.
    pub(crate) due_since: Timestamp,
    /// While which times a request of ours may have been under way, those of lost entries too.
    pub(crate) risky: Vec<(Timestamp, Timestamp)>,
    /// Requests that left, those of lost entries too.
    pub(crate) sends: u32,
    /// Whether entries were lost, and that was accepted.
    pub(crate) lost: bool,
    /// Whether the operation that the journal knows is an older one than the last: it had failed.
    pub(crate) outdated: bool,
    /// Whether another key pair had the name, where several may.
    pub(crate) was_other: bool,
    /// Whether an operation of an earlier run may still take effect.
    pub(crate) earlier_op: bool,
    /// Until when requests of an earlier run could be delivered, as this one began.
    pub(crate) haunted_until: Option<Timestamp>,
    pub(crate) pending: Option<Pending>,
    /// The operation of the last request.
    pub(crate) operation: String,
    /// Whether that was seen to have failed.
    pub(crate) ended: bool,
    /// Whether an operation that was accepted is still to take effect.
    pub(crate) due: bool,
    /// Whether the service would not say which operations there are.
    pub(crate) unsearchable: bool,
    /// Whether the last reading that was recorded showed the original, and none of our attempts may have changed that.
    pub(crate) sure: bool,
    /// Whether any request left.
    pub(crate) sent: bool,
}

impl Truth {
    /// The key pair of the plan is there, and nothing was sent.
    pub(crate) fn at(now: Timestamp) -> Self {
        Self {
            now,
            pair: Pair::Original,
            by_us: false,
            late: None,
            ghost: None,
            by_ghost: false,
            acted: false,
            deleted_at: Vec::new(),
            due_since: now,
            risky: Vec::new(),
            sends: 0,
            lost: false,
            outdated: false,
            was_other: false,
            earlier_op: false,
            haunted_until: None,
            pending: None,
            operation: String::new(),
            ended: false,
            due: false,
            unsearchable: false,
            sure: true,
            sent: false,
        }
    }

    /// Whether a delete succeeded while a request of ours may have been under way.
    pub(crate) fn was_risky(&self) -> bool {
        self.deleted_at.iter().any(|at| self.risky.iter().any(|(from, to)| from <= at && at <= to))
    }
}
