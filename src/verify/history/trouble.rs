//! Why an entry cannot stand where it does.

use crate::record::EntryError;

/// Why an entry cannot stand where it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::verify) enum Trouble {
    /// The order of entries cannot have been produced.
    Illegal(String),
    /// A root that an entry names is not that of what is there.
    Root { what: &'static str, expected: String, found: String },
}

impl From<&str> for Trouble {
    fn from(why: &str) -> Self {
        Self::Illegal(why.to_owned())
    }
}

/// What an unreadable body means for the whole: a newer format is no sign of tampering.
pub(in crate::verify) fn is_newer(error: &EntryError) -> bool {
    matches!(error, EntryError::Newer { .. } | EntryError::Unknown { .. })
}
