//! The precise reasons behind a fault, distinguished because each needs a different fix.

use std::fmt;

use super::show::{Shown, is_treacherous};

/// One character as messages show it: visible ones in backquotes, others by code point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glyph(pub char);

impl fmt::Display for Glyph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ' ' => f.write_str("a space"),
            '\t' => f.write_str("a tab"),
            '\n' | '\r' => f.write_str("a line break"),
            c if is_treacherous(c) => write!(f, "an invisible character (U+{:04X})", u32::from(c)),
            c if !c.is_ascii() => write!(f, "`{c}` (U+{:04X})", u32::from(c)),
            c => write!(f, "`{c}`"),
        }
    }
}

/// Why no column was recognized as the one that holds the names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderTrouble {
    /// The only column's name holds this delimiter: the file is not separated by commas.
    Delimiter(char),
    /// This column's name is nearly one of the spellings.
    Near {
        /// The column as written.
        written: Shown,
        /// The spelling it is close to.
        meant: &'static str,
    },
    /// A cell of the first line looks like a row's: the header itself is missing.
    NoHeader,
    /// None of these.
    Other,
}

/// Where a row's fields beyond the header's seem to come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surplus {
    /// They are empty: the row ends with too many commas.
    Empty,
    /// One field, and the row begins with a number: R's `write.table` numbers the rows and gives that column no name.
    RowNumber,
    /// Anything else: probably a comma inside a value.
    Value,
}

/// What a file that is not UTF-8 seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Encoding {
    /// A byte order mark, or every other byte zero.
    #[error("it seems to be UTF-16")]
    Utf16,
    /// A byte order mark of four bytes.
    #[error("it seems to be UTF-32")]
    Utf32,
    /// A ZIP archive, as every .xlsx and .ods is.
    #[error("it is a ZIP archive, perhaps a spreadsheet")]
    Zip,
    /// Compressed by gzip.
    #[error("it is compressed by gzip")]
    Gzip,
    /// A byte that UTF-8 does not allow there.
    #[error("byte 0x{0:02X} is not valid here; it seems to be Windows-1252 or another one-byte encoding")]
    OneByte(u8),
}

/// Why a text is not a key pair's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameTrouble {
    /// White space, or something invisible, at either end.
    #[error("it begins or ends with {0}")]
    Edge(Glyph),
    /// An ARN.
    #[error("it is an ARN")]
    Arn,
    /// Fewer than two characters.
    #[error("it is shorter than 2 characters")]
    TooShort,
    /// More than 255 characters.
    #[error("it has {0} characters, more than 255")]
    TooLong(usize),
    /// A dash at either end.
    #[error("it begins or ends with a dash")]
    Dash,
    /// A character that names never have.
    #[error("character {1} is {0}")]
    Character(Glyph, usize),
}

/// What stands in place of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegionTrouble {
    /// White space around a region.
    Space,
    /// Capital letters.
    Case,
    /// An availability zone.
    Zone,
    /// The name that a console shows, with the code or without.
    Name,
    /// Anything else.
    Other,
}

/// What happened to an account id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountTrouble {
    /// This many digits, fewer than 12: a spreadsheet drops leading zeros.
    LeadingZeros(usize),
    /// `1.23457E+11`: a spreadsheet rounded it.
    Scientific,
    /// The right digits, with dashes or white space between them.
    Separators,
    /// Anything else.
    Other,
}

/// Why a text is not a key pair's ARN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArnTrouble {
    /// Not the parts of an ARN, or white space in it.
    #[error("it is not shaped arn:<partition>:lightsail:<region>:<account>:KeyPair/<uuid>")]
    Shape,
    /// Of another service.
    #[error("its service is not lightsail")]
    Service,
    /// The region part.
    #[error("its region is not a region")]
    Region,
    /// The account part.
    #[error("its account is not 12 digits")]
    Account,
    /// Not a key pair.
    #[error("its resource is not a KeyPair")]
    Resource,
    /// `KeyPair/` without a UUID.
    #[error("what follows KeyPair/ is not a UUID")]
    Uuid,
}

/// What stands in place of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeTrouble {
    /// A time without offset could be any of 24 moments.
    NoOffset,
    /// Epoch milliseconds or finer.
    NotSeconds,
    /// `1.7E+09`: rounded by a spreadsheet.
    Scientific,
    /// `8/14/2019 10:30:00 AM`: converted to a local form.
    Reformatted,
    /// `43691.4375`: days since 1900.
    DayNumber,
    /// Anything else.
    Other,
}

/// Why a text is not a fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintTrouble {
    /// White space, a control or an invisible character.
    #[error("it contains {0}")]
    Character(Glyph),
    /// An apostrophe or quotation marks around it.
    #[error("there are quotation marks around it")]
    Wrapped,
    /// More than 255 characters.
    #[error("it has {0} characters, more than 255")]
    TooLong(usize),
}
