//! A page of an operation history, as far as it must agree with the attempts of its row.

use jiff::Timestamp;

/// The last page of a history, and what its entry says was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::verify) struct HistoryPage {
    /// Those of its operations that may be deletes of a key pair, in order; none where the page cannot be read.
    pub(in crate::verify) operations: Option<Vec<Listed>>,
    /// Whether no page came before it.
    pub(in crate::verify) is_only: bool,
    /// Whether none follows it.
    pub(in crate::verify) is_last: bool,
    /// The operation that the entry shows.
    pub(in crate::verify) shown: Option<Listed>,
}

/// An operation that may be the delete of a key pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::verify) struct Listed {
    /// The hash of its id.
    pub(in crate::verify) id: Option<u64>,
    /// That of the name of the key pair.
    pub(in crate::verify) name: Option<u64>,
    /// Whether it says that it is a delete.
    pub(in crate::verify) is_delete: bool,
    pub(in crate::verify) state: Progress,
    pub(in crate::verify) created: Option<Created>,
    /// Whether it is the one that the entry shows.
    pub(in crate::verify) is_shown: bool,
}

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::verify) enum Progress {
    Succeeded,
    Failed,
    /// It has not ended, as far as it says.
    Open,
}

/// When an operation was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::verify) struct Created {
    /// To the millisecond.
    pub(in crate::verify) at: Timestamp,
    /// Whether that is a whole second; none where it depends on how its last digits are read.
    pub(in crate::verify) whole: Option<bool>,
}
