//! Everything that can be wrong with a manifest, each with a stable code. `hint` says what to do about it.
//!
//! Faults of a *row* affect that row alone, and `--skip-invalid` may skip it. Faults of the *file* make it uncertain what
//! its rows are, so nothing that was read from such a file may be used.

use super::first_line::FirstLine;
use super::looks::Looks;
use super::secret::Secret;
use super::show::Shown;
use super::trouble::{
    AccountTrouble, ArnTrouble, Encoding, FingerprintTrouble, HeaderTrouble, NameTrouble, RegionTrouble, Surplus,
    TimeTrouble,
};

/// What is wrong, with the values that show it. `Display` is one sentence without the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultKind {
    /// File: no record at all.
    #[error("the manifest is empty")]
    Empty,
    /// File: a header and nothing else.
    #[error("the manifest has a header but no rows")]
    NoRows,
    /// File: the first line is not a header.
    #[error("{0}")]
    FirstLine(FirstLine),
    /// File: a second header with other columns, below the first line.
    #[error("there is another header here, and its columns differ from the first one's")]
    HeaderChanged,
    /// Row: a repetition of the header.
    #[error("the header is repeated here")]
    HeaderRepeated,
    /// File: no column holds names.
    #[error("there is no `key_pair_name` column")]
    NameColumnMissing(HeaderTrouble),
    /// File: two columns of the same name or meaning.
    #[error("column {column}, `{name}`, repeats column {first}, `{first_name}`")]
    ColumnRepeated {
        /// Position of the repetition, from 1.
        column: usize,
        /// Its name.
        name: Shown,
        /// Position of the first of the two, from 1.
        first: usize,
        /// Its name.
        first_name: Shown,
    },
    /// File: a column whose name is empty or white space. Holds its position, from 1.
    #[error("column {0} has no name")]
    ColumnUnnamed(usize),
    /// File: the values of a column without a meaning look like a guard that no other column provides.
    #[error(
        "column {column}, `{name}`, has no meaning to keybatch, but `{value}` looks like {}, and {} `{}`", looks.noun(),
        if *empty { "this row has none in its column for" } else { "no column is called" }, looks.meaning().canonical()
    )]
    ColumnUnread {
        /// Position of the column, from 1.
        column: usize,
        /// Its name.
        name: Shown,
        /// What its first such value looks like.
        looks: Looks,
        /// That value.
        value: Shown,
        /// Whether there is a column for that guard, which is empty in this row.
        empty: bool,
    },
    /// File: not UTF-8.
    #[error("the manifest is not UTF-8 text: {0}")]
    Encoding(Encoding),
    /// File: a NUL byte.
    #[error("there is a NUL byte in the manifest")]
    Nul,
    /// File: a field longer than [`MAX_FIELD_BYTES`](super::MAX_FIELD_BYTES).
    #[error("a field is longer than {} KiB", super::MAX_FIELD_BYTES / 1024)]
    FieldTooLong {
        /// Whether it began with a quote, which may never have been closed.
        quoted: bool,
    },
    /// File: a record longer than [`MAX_RECORD_BYTES`](super::MAX_RECORD_BYTES).
    #[error("a record is longer than {} KiB", super::MAX_RECORD_BYTES / 1024)]
    RecordTooLong,
    /// File: it ends inside a quoted field.
    #[error("the quote opened here is never closed")]
    QuoteUnclosed,
    /// File: a quote in a field that does not begin with one.
    #[error("there is a quote inside a field that does not begin with one")]
    QuoteInBareField,
    /// File: text between a closing quote and the next comma.
    #[error("there is text after a closing quote")]
    TextAfterQuote,
    /// File: a carriage return that does not end a line.
    #[error("there is a carriage return without a line feed outside quotes")]
    BareCarriageReturn,
    /// Row: a cell holds a secret, which must not be kept, so it is neither shown nor passed on.
    #[error("{} holds {secret}", place_of(*column, name.as_ref()))]
    Secret {
        /// Position of the cell, from 1.
        column: usize,
        /// Its column's name.
        name: Option<Shown>,
        /// What it holds.
        secret: Secret,
    },
    /// File: the first line holds a secret, which must not be kept.
    #[error("cell {column} of the first line holds {secret}")]
    SecretInHeader {
        /// Position of the cell, from 1.
        column: usize,
        /// What it holds.
        secret: Secret,
    },
    /// Row: more fields than the header, or fewer in a file that may have been cut off.
    #[error(
        "the {} {found} field{}, but the header has {expected}",
        if found < expected { "last row ends without a line break and has only" } else { "row has" },
        if *found == 1 { "" } else { "s" }
    )]
    FieldCount {
        /// Fields in the row.
        found: usize,
        /// Fields in the header.
        expected: usize,
        /// Where fields beyond the header's seem to come from, if there are any.
        surplus: Option<Surplus>,
    },
    /// Row: no name.
    #[error("the key pair's name is missing")]
    NameMissing,
    /// Row: a name that Lightsail does not allow.
    #[error("`{value}` is not a key pair name: {trouble}")]
    NamePattern {
        /// The value.
        value: Shown,
        /// Why it is invalid.
        trouble: NameTrouble,
    },
    /// Row: a placeholder where a condition should be.
    #[error("`{value}` is a placeholder, not {}", with_article(column))]
    Placeholder {
        /// The column, by its canonical name.
        column: &'static str,
        /// The word.
        value: Shown,
    },
    /// Row: not shaped like a region.
    #[error("`{value}` is not a region")]
    Region {
        /// The value.
        value: Shown,
        /// What it seems to be.
        trouble: RegionTrouble,
    },
    /// Row: not 12 digits.
    #[error("`{value}` is not an account id of 12 digits")]
    AccountId {
        /// The value.
        value: Shown,
        /// What seems to have happened to it.
        trouble: AccountTrouble,
    },
    /// Row: not the ARN of a Lightsail key pair.
    #[error("`{value}` is not the ARN of a Lightsail key pair: {trouble}")]
    Arn {
        /// The value.
        value: Shown,
        /// Why it is invalid.
        trouble: ArnTrouble,
    },
    /// Row: the ARN lies in another region or account than the row says.
    #[error("the ARN names the {column} `{in_arn}`, but the row's own column says `{in_row}`")]
    ArnDisagrees {
        /// `region` or `account_id`.
        column: &'static str,
        /// The value inside the ARN.
        in_arn: Shown,
        /// The value of the column.
        in_row: Shown,
    },
    /// Row: not a time.
    #[error("`{value}` is not a time")]
    CreatedAt {
        /// The value.
        value: Shown,
        /// What it seems to be.
        trouble: TimeTrouble,
    },
    /// Row: a fingerprint that no API returns.
    #[error("`{value}` is not a fingerprint: {trouble}")]
    Fingerprint {
        /// The value.
        value: Shown,
        /// Why it is invalid.
        trouble: FingerprintTrouble,
    },
    /// Row: the default key pair without `expected_fingerprint`.
    #[error("the default key pair cannot be deleted without its `expected_fingerprint`")]
    DefaultUnconfirmed,
    /// Row: the default key pair, and it was not allowed.
    #[error("the default key pair is protected")]
    DefaultProtected,
    /// Row: contradicts an earlier row about the same key pair.
    #[error(
        "row {row} (line {line}) contradicts row {first_row} (line {first_line}) about `{name}`: \
         they differ in {}", differing.join(", ")
    )]
    Contradiction {
        /// The key pair both rows name.
        name: Shown,
        /// The earlier row's number.
        first_row: u64,
        /// Its line.
        first_line: u64,
        /// The later row's number.
        row: u64,
        /// Its line.
        line: u64,
        /// Columns in which they differ.
        differing: Vec<&'static str>,
    },
}

fn with_article(column: &str) -> String {
    let article = if column.starts_with(['a', 'e']) { "an" } else { "a" };
    format!("{article} `{column}`")
}

fn place_of(column: usize, name: Option<&Shown>) -> String {
    name.map_or_else(|| format!("cell {column} of the row"), |name| format!("column {column}, `{name}`,"))
}

impl FaultKind {
    /// The stable code, such as `manifest::name_pattern`; codes are never renamed.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "manifest::empty",
            Self::NoRows => "manifest::no_rows",
            Self::FirstLine(_) => "manifest::first_line",
            Self::HeaderChanged => "manifest::header_changed",
            Self::HeaderRepeated => "manifest::header_repeated",
            Self::NameColumnMissing(_) => "manifest::column_missing",
            Self::ColumnRepeated { .. } => "manifest::column_repeated",
            Self::ColumnUnnamed(_) => "manifest::column_unnamed",
            Self::ColumnUnread { .. } => "manifest::column_unread",
            Self::Encoding(_) => "manifest::encoding",
            Self::Nul => "manifest::nul",
            Self::FieldTooLong { .. } => "manifest::field_too_long",
            Self::RecordTooLong => "manifest::record_too_long",
            Self::QuoteUnclosed => "manifest::quote_unclosed",
            Self::QuoteInBareField => "manifest::quote_in_bare_field",
            Self::TextAfterQuote => "manifest::text_after_quote",
            Self::BareCarriageReturn => "manifest::bare_carriage_return",
            Self::Secret { .. } | Self::SecretInHeader { .. } => "manifest::secret",
            Self::FieldCount { .. } => "manifest::field_count",
            Self::NameMissing => "manifest::name_missing",
            Self::NamePattern { .. } => "manifest::name_pattern",
            Self::Placeholder { .. } => "manifest::placeholder",
            Self::Region { .. } => "manifest::region",
            Self::AccountId { .. } => "manifest::account_id",
            Self::Arn { .. } => "manifest::arn",
            Self::ArnDisagrees { .. } => "manifest::arn_disagrees",
            Self::CreatedAt { .. } => "manifest::created_at",
            Self::Fingerprint { .. } => "manifest::fingerprint",
            Self::DefaultUnconfirmed => "manifest::default_unconfirmed",
            Self::DefaultProtected => "manifest::default_protected",
            Self::Contradiction { .. } => "manifest::contradiction",
        }
    }

    /// Whether the fault affects the whole file, so that none of its rows can be trusted and skipping rows does not help.
    #[must_use]
    pub fn is_of_file(&self) -> bool {
        match self {
            Self::Empty
            | Self::NoRows
            | Self::FirstLine(_)
            | Self::HeaderChanged
            | Self::NameColumnMissing(_)
            | Self::ColumnRepeated { .. }
            | Self::ColumnUnnamed(_)
            | Self::ColumnUnread { .. }
            | Self::Encoding(_)
            | Self::Nul
            | Self::FieldTooLong { .. }
            | Self::RecordTooLong
            | Self::QuoteUnclosed
            | Self::QuoteInBareField
            | Self::TextAfterQuote
            | Self::SecretInHeader { .. }
            | Self::BareCarriageReturn => true,
            Self::HeaderRepeated
            | Self::Secret { .. }
            | Self::FieldCount { .. }
            | Self::NameMissing
            | Self::NamePattern { .. }
            | Self::Placeholder { .. }
            | Self::Region { .. }
            | Self::AccountId { .. }
            | Self::Arn { .. }
            | Self::ArnDisagrees { .. }
            | Self::CreatedAt { .. }
            | Self::Fingerprint { .. }
            | Self::DefaultUnconfirmed
            | Self::DefaultProtected
            | Self::Contradiction { .. } => false,
        }
    }
}
