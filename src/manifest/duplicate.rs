//! Two rows about the same key pair: do they agree?
//!
//! The caller, who has all rows, determines which are about the same key pair; this file only compares them. Rows
//! agree when everything that decides *what* is deleted agrees; a `reason`, a `ticket` or an annotation says only
//! why, and may differ. A field that one row leaves empty and the other does not is a difference: the two rows ask
//! for deletions under different conditions, and a program must not guess which one was meant.

use jiff::Timestamp;

use super::fault::Fault;
use super::kind::FaultKind;
use super::row::{Row, RowPlace};
use super::show::Shown;
use super::snippet::Place;

/// What a row claims about the key pair that it names. The fields are public, so that a caller may fill in a default region,
/// or build a claim from stored data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim<'a> {
    /// Name of the key pair.
    pub name: &'a str,
    /// Its region.
    pub region: Option<&'a str>,
    /// Its account.
    pub account_id: Option<&'a str>,
    /// Its fingerprint.
    pub expected_fingerprint: Option<&'a str>,
    /// Its ARN.
    pub arn: Option<&'a str>,
    /// When it was created; compared as a moment, not as text.
    pub created_at: Option<Timestamp>,
}

/// The verdict on two rows with the same name and region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Duplicate {
    /// They ask for the same deletion; the later one is superfluous.
    Exact,
    /// They differ in these columns (canonical names).
    Contradicting(Vec<&'static str>),
}

impl Row {
    /// What this row claims. Region and account come from its ARN if its own columns are empty.
    #[must_use]
    pub fn claim(&self) -> Claim<'_> {
        Claim {
            name: &self.name,
            region: self.region(),
            account_id: self.account_id(),
            expected_fingerprint: self.expected_fingerprint.as_deref(),
            arn: self.arn.as_ref().map(|arn| arn.text.as_str()),
            created_at: self.created_at.as_ref().map(|created| created.at),
        }
    }
}

impl Claim<'_> {
    /// Compares two claims that the caller considers to be about the same key pair.
    #[must_use]
    pub fn compare(&self, later: &Claim<'_>) -> Duplicate {
        let differing: Vec<_> = [
            ("key_pair_name", self.name == later.name),
            ("region", self.region == later.region),
            ("account_id", self.account_id == later.account_id),
            ("expected_fingerprint", self.expected_fingerprint == later.expected_fingerprint),
            ("arn", self.arn == later.arn),
            ("created_at", self.created_at == later.created_at),
        ]
        .into_iter()
        .filter_map(|(column, same)| (!same).then_some(column))
        .collect();
        if differing.is_empty() { Duplicate::Exact } else { Duplicate::Contradicting(differing) }
    }
}

impl Fault {
    /// The fault of two rows of `file` that contradict each other in the columns `differing`. Its place is the later row.
    #[must_use]
    pub fn contradiction(
        file: &str,
        name: &str,
        first: RowPlace,
        later: RowPlace,
        differing: Vec<&'static str>,
    ) -> Self {
        let kind = FaultKind::Contradiction {
            name: Shown::new(name),
            first_row: first.row,
            first_line: first.line,
            row: later.row,
            line: later.line,
            differing,
        };
        Self::without_text(file, kind, Place { line: later.line, column: 1, offset: later.start })
    }
}
