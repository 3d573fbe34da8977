//! What a column can mean, and by which names it is recognized.
//!
//! Names are matched without regard to case, white space, `_`, `-`, `.` and `/`, so that `createdAt`, `Created At` and
//! `location/regionName` mean what their author or exporter meant.

/// What a column can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Meaning {
    /// The key pair's name; the one required column.
    Name,
    /// The fingerprint that the key pair must have.
    ExpectedFingerprint,
    /// The region that the key pair is in.
    Region,
    /// The account that the key pair belongs to.
    AccountId,
    /// The ARN that the key pair must have.
    Arn,
    /// When the key pair must have been created.
    CreatedAt,
    /// Why the key pair is to be deleted.
    Reason,
    /// Where the deletion was decided.
    Ticket,
}

impl Meaning {
    /// All meanings, in the order of their declaration.
    pub const ALL: [Self; 8] = [
        Self::Name,
        Self::ExpectedFingerprint,
        Self::Region,
        Self::AccountId,
        Self::Arn,
        Self::CreatedAt,
        Self::Reason,
        Self::Ticket,
    ];

    /// The accepted spellings; the first is the canonical one. Case and separators do not matter.
    #[must_use]
    pub fn spellings(self) -> &'static [&'static str] {
        match self {
            Self::Name => &["key_pair_name", "keyPairName", "name"],
            Self::ExpectedFingerprint => &["expected_fingerprint", "fingerprint"],
            Self::Region => &["region", "location.regionName"],
            Self::AccountId => &["account_id"],
            Self::Arn => &["arn"],
            Self::CreatedAt => &["created_at"],
            Self::Reason => &["reason"],
            Self::Ticket => &["ticket"],
        }
    }

    /// The canonical spelling.
    #[must_use]
    pub fn canonical(self) -> &'static str {
        self.spellings().first().copied().unwrap_or_default()
    }

    /// The meaning of a column of this name.
    #[must_use]
    pub fn of(column: &str) -> Option<Self> {
        // Nearly every cell ends here, and each of them may be asked about.
        let first = folded(column).next()?;
        let is = |spelling: &str| folded(spelling).next() == Some(first) && folded(spelling).eq(folded(column));
        Self::ALL.into_iter().find(|meaning| meaning.spellings().iter().any(|spelling| is(spelling)))
    }

    /// Whether a deletion depends on it.
    pub(super) fn is_guard(self) -> bool {
        match self {
            Self::ExpectedFingerprint | Self::Region | Self::AccountId | Self::Arn | Self::CreatedAt => true,
            Self::Name | Self::Reason | Self::Ticket => false,
        }
    }
}

/// A column's name in the form that is compared: in lower case, without white space, `_`, `-`, `.` and `/`.
pub(crate) fn fold(name: &str) -> String {
    folded(name).collect()
}

fn folded(name: &str) -> impl Iterator<Item = char> {
    let separator = |c: &char| c.is_whitespace() || matches!(c, '_' | '-' | '.' | '/');
    name.chars().filter(move |c| !separator(c)).flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The API's own field names, flattened by jq, Miller, pandas (dots), csvkit and VisiData (slashes), and
    // PowerShell's Export-Csv (capitals).
    #[test]
    fn spellings_of_the_api_and_of_exporters() {
        for (column, meaning) in [
            ("Region", Some(Meaning::Region)),
            ("REGION", Some(Meaning::Region)),
            ("location.regionName", Some(Meaning::Region)),
            ("location/regionName", Some(Meaning::Region)),
            ("Location_RegionName", Some(Meaning::Region)),
            ("Arn", Some(Meaning::Arn)),
            ("CreatedAt", Some(Meaning::CreatedAt)),
            ("created-at", Some(Meaning::CreatedAt)),
            ("Fingerprint", Some(Meaning::ExpectedFingerprint)),
            ("expectedFingerprint", Some(Meaning::ExpectedFingerprint)),
            ("Account ID", Some(Meaning::AccountId)),
            ("accountId", Some(Meaning::AccountId)),
            (" Key Pair Name ", Some(Meaning::Name)),
            ("key\u{a0}pair\u{a0}name", Some(Meaning::Name)),
            ("TICKET", Some(Meaning::Ticket)),
            ("AWS Region", None),
            ("Availability Zone", None),
            ("RESOURCE_UID", None),
            ("names", None),
            ("", None),
        ] {
            assert_eq!(Meaning::of(column), meaning, "{column:?}");
        }
    }
}
