//! The entries of a row, reduced to what legality depends on.

use crate::domain::{Class, Evidence, Outcome};
use crate::record::event::Found;

/// What a reading of the key pair found, where it found anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Same,
    Other,
    NotFound,
}

/// An entry of the row, reduced to what legality depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::verify) enum RowEvent {
    Started {
        attempt: u32,
    },
    /// With the outcome and its evidence, where the answer alone decides the row.
    Finished {
        attempt: u32,
        class: Class,
        settled: Option<(Outcome, Evidence)>,
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
