//! The header: which column means what. Every column without a meaning is an annotation.
//!
//! A name is recognized by exact spelling, with white space around it ignored. A column that is *nearly* spelt like
//! a meaningful one stays an annotation, as the manifest's contract has it, but is noted: somebody who writes
//! `Expected_Fingerprint` believes that it will be compared.

use std::collections::HashMap;
use std::io::Read;

use super::fault::Faults;
use super::kind::FaultKind;
use super::scan::Scanner;
use super::show::Shown;
use super::trouble::HeaderTrouble;

/// What a column can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Meaning {
    /// The key pair's name; the one required column.
    Name,
    /// The fingerprint it must have.
    ExpectedFingerprint,
    /// The region it is in.
    Region,
    /// The account it belongs to.
    AccountId,
    /// The ARN it must have.
    Arn,
    /// When it must have been created.
    CreatedAt,
    /// Why it is to be deleted.
    Reason,
    /// Where that was decided.
    Ticket,
}

impl Meaning {
    /// All of them, in the order of their declaration.
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

    /// The accepted spellings; the first is the canonical one.
    #[must_use]
    pub fn spellings(self) -> &'static [&'static str] {
        match self {
            Self::Name => &["key_pair_name", "keyPairName", "name"],
            Self::ExpectedFingerprint => &["expected_fingerprint", "expectedFingerprint", "fingerprint"],
            Self::Region => &["region"],
            Self::AccountId => &["account_id"],
            Self::Arn => &["arn"],
            Self::CreatedAt => &["created_at"],
            Self::Reason => &["reason"],
            Self::Ticket => &["ticket"],
        }
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|meaning| meaning.spellings().contains(&name))
    }
}

/// A column that is kept as an annotation though its name is close to one with a meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearMiss {
    /// The column's position, from 1.
    pub column: usize,
    /// Its name as written, defused.
    pub written: Shown,
    /// The spelling it is close to.
    pub meant: &'static str,
}

/// The columns of one manifest.
#[derive(Debug)]
pub(super) struct Columns {
    meaning: [Option<usize>; Meaning::ALL.len()],
    /// The columns without a meaning, in their order: index and name.
    pub(super) annotations: Vec<(usize, String)>,
    /// All names as written.
    pub(super) written: Vec<String>,
    pub(super) near_misses: Vec<NearMiss>,
}

impl Columns {
    /// Reads the header. All that is wrong with it is reported, and then there are no columns.
    pub(super) fn read<R: Read>(scanner: &Scanner<R>, faults: &mut Faults) -> Option<Self> {
        let (header, cells) = (scanner.extent(), scanner.cells());
        let written: Vec<String> = cells.iter().map(|cell| cell.value(scanner.values()).to_owned()).collect();
        let mut columns =
            Self { meaning: Default::default(), annotations: Vec::new(), written: Vec::new(), near_misses: Vec::new() };
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let mut sound = true;
        for (index, (name, cell)) in written.iter().zip(cells).enumerate() {
            let trimmed = name.trim();
            let meaning = Meaning::of(trimmed);
            let first = meaning.and_then(|meaning| columns.index(meaning)).or_else(|| seen.get(trimmed).copied());
            let kind = if trimmed.is_empty() {
                FaultKind::ColumnUnnamed(index + 1)
            } else if let Some(first) = first {
                let (name, first_name) = (Shown::new(name), Shown::new(&written[first]));
                FaultKind::ColumnRepeated { column: index + 1, name, first: first + 1, first_name }
            } else {
                seen.insert(trimmed, index);
                match meaning {
                    Some(meaning) => columns.meaning[meaning as usize] = Some(index),
                    None => columns.annotations.push((index, name.clone())),
                }
                continue;
            };
            faults.push_at(kind, header, cell.span.clone());
            sound = false;
        }
        columns.note_near_misses();
        if columns.index(Meaning::Name).is_none() {
            let trouble = columns.header_trouble(&written);
            faults.push_at(FaultKind::NameColumnMissing(trouble), header, 0..scanner.content_end());
            return None;
        }
        columns.written = written;
        sound.then_some(columns)
    }

    /// The position of the column with this meaning, from 0.
    pub(super) fn index(&self, meaning: Meaning) -> Option<usize> {
        self.meaning[meaning as usize]
    }

    fn note_near_misses(&mut self) {
        let missing: Vec<_> = Meaning::ALL.into_iter().filter(|meaning| self.index(*meaning).is_none()).collect();
        for (index, name) in &self.annotations {
            if let Some(meant) = missing.iter().find_map(|meaning| near(name, *meaning)) {
                self.near_misses.push(NearMiss { column: index + 1, written: Shown::new(name), meant });
            }
        }
    }

    fn header_trouble(&self, written: &[String]) -> HeaderTrouble {
        if let [only] = written
            && let Some(delimiter) = [';', '\t', '|'].into_iter().find(|c| only.contains(*c))
        {
            return HeaderTrouble::Delimiter(delimiter);
        }
        let names = Meaning::Name.spellings();
        if let Some(miss) = self.near_misses.iter().find(|miss| names.contains(&miss.meant)) {
            return HeaderTrouble::Near { written: miss.written.clone(), meant: miss.meant };
        }
        let looks_like_data = |cell: &String| cell.starts_with("arn:") || cell.ends_with(|c: char| c.is_ascii_digit());
        if written.iter().any(looks_like_data) { HeaderTrouble::NoHeader } else { HeaderTrouble::Other }
    }
}

/// The spelling of `meaning` that `name` is close to, though it is none of them.
fn near(name: &str, meaning: Meaning) -> Option<&'static str> {
    let plain = plain(name);
    let synonyms: &[&str] = match meaning {
        Meaning::Name => &["keypair", "keypairs", "keyname", "key"],
        Meaning::ExpectedFingerprint => &["keyfingerprint", "keypairfingerprint"],
        Meaning::Region => &["regionname", "awsregion"],
        Meaning::AccountId => &["account", "accountnumber", "awsaccount", "awsaccountid"],
        Meaning::Arn => &["keypairarn", "resourcearn"],
        Meaning::CreatedAt => &["created", "creationdate", "createdate"],
        Meaning::Reason | Meaning::Ticket => &[],
    };
    if synonyms.contains(&plain.as_str()) {
        return meaning.spellings().first().copied();
    }
    meaning.spellings().iter().copied().find(|spelling| {
        let spelling = self::plain(spelling);
        // One slip in five letters is a slip; in `name` or `arn` it would be another word (`note`, `arm`).
        spelling == plain || (spelling.len() >= 6 && distance_at_most(&spelling, &plain, spelling.len() / 5))
    })
}

/// Letters and digits alone, in lower case: `Key Pair-Name` and `keyPairName` become the same.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether `a` becomes `b` by at most `limit` insertions, deletions and replacements of characters.
fn distance_at_most(a: &str, b: &str, limit: usize) -> bool {
    // A header cell may have 64 KiB: lengths that differ too much are not compared at all.
    if b.len() > a.len() + 4 * limit {
        return false;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, cb) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()] <= limit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_near() {
        for (name, meaning, meant) in [
            ("Key Pair Name", Meaning::Name, Some("key_pair_name")),
            ("NAME", Meaning::Name, Some("name")),
            ("key_pair_nmae", Meaning::Name, Some("key_pair_name")),
            ("createdAt", Meaning::CreatedAt, Some("created_at")),
            ("expected_fingerprnt", Meaning::ExpectedFingerprint, Some("expected_fingerprint")),
            ("awsRegion", Meaning::Region, Some("region")),
            ("accountId", Meaning::AccountId, Some("account_id")),
            ("note", Meaning::Name, None),
            ("owner", Meaning::Name, None),
            ("season", Meaning::Ticket, None),
        ] {
            assert_eq!(near(name, meaning), meant, "{name}");
        }
    }

    #[test]
    fn distances() {
        assert!(distance_at_most("kitten", "sitting", 3) && !distance_at_most("kitten", "sitting", 2));
        assert!(distance_at_most("", "", 0) && distance_at_most("abc", "ab", 1));
        assert!(!distance_at_most("abc", &"x".repeat(100_000), 2));
    }
}
