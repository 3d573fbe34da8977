//! The tables that are derived from entries, as every store has them, and how a store reads those that were rebuilt beside it.

use std::path::Path;

use super::query::Cell;
use super::reader::Reading;
use super::snapshot::Replay;

/// A table that is derived from entries. Its columns hold whole numbers and texts.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns, those of its key first.
    pub columns: &'static [&'static str],
    /// How many columns its key has.
    pub key: usize,
}

/// All of them. A test of each store compares this with what its migrations make.
pub const TABLES: [Table; 9] = [
    Table {
        name: "run",
        columns: &[
            "run_no",
            "run_id",
            "state",
            "stopped_by",
            "started_at",
            "finished_at",
            "sessions",
            "manifest",
            "manifest_sha256",
            "rows",
            "plan_root",
            "account_id",
            "principal_arn",
            "operator",
            "endpoint",
            "sandbox",
            "reason",
            "ticket",
            "reads",
            "reads_throttled",
            "manifest_seq",
            "sealed_seq",
            "started_seq",
        ],
        key: 1,
    },
    Table { name: "target", columns: &["target_no", "run_no", "account_id", "region"], key: 1 },
    Table {
        name: "intent",
        columns: &[
            "run_no",
            "row_no",
            "target_no",
            "key_pair_name",
            "verdict",
            "seq",
            "settled_seq",
            "outcome",
            "evidence",
        ],
        key: 2,
    },
    Table {
        name: "attempt",
        columns: &["run_no", "row_no", "attempt", "started_seq", "finished_seq", "class"],
        key: 3,
    },
    Table { name: "row_entry", columns: &["run_no", "row_no", "seq"], key: 3 },
    Table { name: "milestone", columns: &["seq", "run_no", "kind"], key: 1 },
    Table { name: "rate", columns: &["endpoint", "account_id", "region", "rate_per_s", "is_limit", "seq"], key: 3 },
    Table { name: "checkpoint", columns: &["seq", "size", "root", "made_at"], key: 1 },
    Table { name: "resolution", columns: &["run_no", "row_no", "seq", "outcome", "evidence"], key: 2 },
];

/// The table of this name.
#[must_use]
pub fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

/// The projections that a [`Replay`] has rebuilt, once it is finished.
pub trait Rebuilt: Send {
    /// At most `limit` rows of a table after this key (from the first on where there is none), in the order of keys; texts are ordered
    /// by their bytes.
    fn rows<'a>(
        &'a mut self,
        table: &'static Table,
        after: Option<&'a [Cell]>,
        limit: u32,
    ) -> Reading<'a, Vec<Vec<Cell>>>;
}

/// Prepares a replay in a directory, under a name that nobody else uses there, and what reads it afterwards. For a store that cannot
/// rebuild anything by itself.
pub type Scratch = for<'a> fn(&'a Path, &'a str) -> Reading<'a, (Box<dyn Replay>, Box<dyn Rebuilt>)>;
