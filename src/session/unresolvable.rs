//! Why nothing can be said of a row.

use crate::domain::{Outcome, RunId};
use crate::review::RowError;

/// Why nothing can be said of a row.
#[derive(Debug, thiserror::Error)]
pub enum Unresolvable {
    /// The run went on while records were held against it.
    #[error("run {run} went on while the records were read, so they were held against a part of it")]
    WentOn {
        /// The run.
        run: RunId,
    },
    /// The run has no such row.
    #[error(transparent)]
    NoSuchRow(RowError),
    /// Several rows of the run name the key pair.
    #[error("{} rows of the run name the key pair {wanted:?}: {}", rows.len(), listed(rows))]
    SeveralRows {
        /// As given.
        wanted: String,
        /// Their numbers.
        rows: Vec<u64>,
    },
    /// The row has no outcome of which more could be said.
    #[error("row {row}, {name}, has no outcome yet: the run itself must determine it first")]
    NotSettled {
        /// The run.
        run: RunId,
        /// The row.
        row: u64,
        /// The key pair that it names.
        name: String,
    },
    /// What became of the row is shown by the journal.
    #[error("row {row}, {name}, is {}, which the journal shows: only a row that is in doubt or gone can be resolved", in_words(*outcome))]
    NotDoubtful {
        /// The run.
        run: RunId,
        /// The row.
        row: u64,
        /// The key pair that it names.
        name: String,
        /// Its outcome.
        outcome: Outcome,
    },
    /// That cannot be said of the row.
    #[error("row {row}, {name}, is {}: it cannot be resolved as {}", in_words(*now), in_words(*wanted))]
    NotPossible {
        /// The row.
        row: u64,
        /// The key pair that it names.
        name: String,
        /// What it counts as.
        now: Outcome,
        /// What was to be said.
        wanted: Outcome,
        /// What can be said of it.
        possible: &'static [Outcome],
    },
}

fn listed(rows: &[u64]) -> String {
    rows.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

fn in_words(outcome: Outcome) -> String {
    outcome.as_str().replace('_', " ")
}
