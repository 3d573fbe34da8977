//! A row as the caller gets it: validated, or rejected with what could be read of it.

use jiff::Timestamp;

use super::kind::FaultKind;
use super::meaning::Meaning;

/// The region's default key pair. Only it needs a fingerprint to be deleted (the API's own rule), and only it can
/// come back by itself when an instance is created without a key pair.
pub const DEFAULT_KEY_PAIR: &str = "LightsailDefaultKeyPair";

/// Where a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowPlace {
    /// The row's number, from 1; the header and blank lines have none.
    pub row: u64,
    /// Line it starts at, from 1.
    pub line: u64,
    /// Offset of its first byte in the file.
    pub start: u64,
    /// Offset just after its last byte, without its line end.
    pub end: u64,
}

/// What one record of a manifest becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A row without faults of its own.
    Row(Row),
    /// A row with faults, for a caller that records it as skipped.
    Invalid(InvalidRow),
}

/// A row without faults of its own. Empty fields are `None`; values are exactly as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where it is.
    pub place: RowPlace,
    /// Name of the key pair: 2 to 255 of `[A-Za-z0-9_-]`, no dash at the ends.
    pub name: String,
    /// Region, shaped like one. It agrees with the ARN's.
    pub region: Option<String>,
    /// Account, 12 digits. It agrees with the ARN's.
    pub account_id: Option<String>,
    /// The fingerprint that the key pair must have; opaque, so compare it exactly.
    pub expected_fingerprint: Option<String>,
    /// The ARN the key pair must have.
    pub arn: Option<KeyPairArn>,
    /// When the key pair must have been created.
    pub created_at: Option<CreatedAt>,
    /// Why it is to be deleted.
    pub reason: Option<String>,
    /// Where that was decided.
    pub ticket: Option<String>,
    /// Every other column with its value, even if it is empty, in the order of the columns.
    pub annotations: Vec<(String, String)>,
}

impl Row {
    /// The region of the row: its own column, else its ARN's.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref().or_else(|| self.arn.as_ref().map(|arn| arn.region.as_str()))
    }

    /// The account of the row: its own column, else its ARN's.
    #[must_use]
    pub fn account_id(&self) -> Option<&str> {
        self.account_id.as_deref().or_else(|| self.arn.as_ref().map(|arn| arn.account_id.as_str()))
    }
}

/// A row with faults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRow {
    /// Where it is.
    pub place: RowPlace,
    /// The value in the name's column, exactly as written, if the row has that cell. **Not validated**: defuse
    /// it before it is shown ([`Shown`](super::Shown)) and never put it into a request.
    pub name: Option<String>,
    /// The values of the other columns with a meaning, under the same conditions as `name`.
    pub cells: Vec<(Meaning, String)>,
    /// Every other column with its value, as in a valid row.
    pub annotations: Vec<(String, String)>,
    /// What is wrong with it; never empty.
    pub faults: Vec<FaultKind>,
}

/// The ARN of a key pair, with the parts that matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPairArn {
    /// As written.
    pub text: String,
    /// Its region.
    pub region: String,
    /// Its account, 12 digits.
    pub account_id: String,
}

/// A moment, and its original text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedAt {
    /// As written: RFC 3339 or epoch seconds.
    pub text: String,
    /// The moment.
    pub at: Timestamp,
}
