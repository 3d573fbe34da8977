//! What happens to key pairs, in the form of the record.

use serde::Serialize;

/// Something happened to a key pair.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Effect {
    pub(super) effect: Change,
    pub(super) region: String,
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) operation: String,
    /// The request that caused it, or at which the script demanded it.
    pub(super) by: u64,
    pub(super) who: Who,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    Deleted,
    Created,
}

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Who {
    Caller,
    SomebodyElse,
}
