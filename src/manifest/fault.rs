//! A fault with its place, and the bounded collection of all of them, ready for miette.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, SourceCode};

use super::hint::hint;
use super::kind::FaultKind;
use super::secret::suspected;
use super::show::defuse;
use super::snippet::{Extent, Place, Snippet};

/// How many faults are kept; all are counted. A program can process a list of this length, and it takes at most about
/// 300 KB, even for a file of a million bad rows.
pub const MAX_KEPT_FAULTS: usize = 1_000;

/// How many faults of one code are shown in full. Nobody reads more out of fifty equal ones.
const MAX_IN_FULL: u64 = 10;

/// One fault of a manifest. `Display` is the sentence alone; [`Fault::one_line`] has the place and the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    file: Arc<str>,
    kind: FaultKind,
    place: Place,
    snippet: Option<Snippet>,
    /// Whether it is among the first with its code.
    in_full: bool,
}

impl Fault {
    /// A fault at a place whose text is no longer available, such as one found by comparing two rows after they were read.
    #[must_use]
    pub fn without_text(file: &str, kind: FaultKind, place: Place) -> Self {
        Self { file: defuse(file).into(), kind, place, snippet: None, in_full: true }
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> &FaultKind {
        &self.kind
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        hint(&self.kind)
    }

    /// The name of the manifest, defused.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// `file:line:column: what is wrong [code]`, for logs and for people who grep.
    #[must_use]
    pub fn one_line(&self) -> String {
        let Place { line, column, .. } = self.place;
        format!("{}:{line}:{column}: {} [{}]", self.file, self.kind, self.kind.code())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for Fault {}

impl Diagnostic for Fault {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.kind.code()))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.hint()))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.snippet.as_ref().map(|snippet| snippet as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = self.snippet.as_ref()?.label();
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(Some("here".into()), label))))
    }
}

/// All faults of one manifest: every fault is counted, and the first [`MAX_KEPT_FAULTS`] are kept.
///
/// `Display` is the [summary](Faults::summary). The first ten faults of each code are its related diagnostics, so that miette
/// shows them in full; the others are shown [in brief](Faults::in_brief).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    file: Arc<str>,
    kept: Vec<Fault>,
    by_code: BTreeMap<&'static str, u64>,
    of_file: bool,
}

impl Faults {
    /// An empty list for the manifest of this name.
    #[must_use]
    pub fn new(file: &str) -> Self {
        Self { file: defuse(file).into(), kept: Vec::new(), by_code: BTreeMap::new(), of_file: false }
    }

    /// Counts a fault, and keeps it while there is room.
    pub fn push(&mut self, fault: Fault) {
        let in_full = self.count(&fault.kind);
        if self.has_room() {
            self.kept.push(Fault { in_full, ..fault });
        }
    }

    /// Counts a fault at the bytes `at` of `extent`, and keeps it while there is room. Text that may hold a secret is not
    /// kept.
    pub(super) fn push_at(&mut self, kind: FaultKind, extent: Extent<'_>, at: Range<usize>) {
        let in_full = self.count(&kind);
        if self.has_room() {
            let place = extent.place(at.start);
            let snippet = (in_full && !suspected(extent.text)).then(|| extent.snippet(&self.file, at));
            self.kept.push(Fault { file: Arc::clone(&self.file), kind, place, snippet, in_full });
        }
    }

    /// Counts a fault that has a place but no text worth showing, and keeps it while there is room.
    pub(super) fn push_bare(&mut self, kind: FaultKind, place: Place) {
        self.push(Fault { file: Arc::clone(&self.file), kind, place, snippet: None, in_full: true });
    }

    /// Counts a fault, and returns whether it is to be shown in full.
    fn count(&mut self, kind: &FaultKind) -> bool {
        self.of_file |= kind.is_of_file();
        let count = self.by_code.entry(kind.code()).or_default();
        *count += 1;
        *count <= MAX_IN_FULL
    }

    fn has_room(&self) -> bool {
        self.kept.len() < MAX_KEPT_FAULTS
    }

    /// The faults that were kept, in the order in which they were found.
    #[must_use]
    pub fn kept(&self) -> &[Fault] {
        &self.kept
    }

    /// The faults that are shown in full: the first ten of each code.
    pub fn in_full(&self) -> impl Iterator<Item = &Fault> {
        self.kept.iter().filter(|fault| fault.in_full)
    }

    /// The other faults that were kept, to be shown in one line each.
    pub fn in_brief(&self) -> impl Iterator<Item = &Fault> {
        self.kept.iter().filter(|fault| !fault.in_full)
    }

    /// How many there are, kept or not.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_code.values().sum()
    }

    /// How many there are of each code.
    #[must_use]
    pub fn by_code(&self) -> &BTreeMap<&'static str, u64> {
        &self.by_code
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_code.is_empty()
    }

    /// Whether one of them affects the whole file, so that none of its rows may be used.
    #[must_use]
    pub fn are_of_file(&self) -> bool {
        self.of_file
    }

    /// One sentence: how many, in which file, of which kinds.
    #[must_use]
    pub fn summary(&self) -> String {
        let total = self.total();
        if total == 0 {
            return format!("no faults in {}", self.file);
        }
        let kinds: Vec<_> =
            self.by_code.iter().map(|(code, n)| format!("{n} {}", code.trim_start_matches("manifest::"))).collect();
        format!("{total} fault{} in {}: {}", if total == 1 { "" } else { "s" }, self.file, kinds.join(", "))
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())
    }
}

impl std::error::Error for Faults {}

impl Diagnostic for Faults {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.in_full().map(|fault| fault as &dyn Diagnostic)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_few_are_kept() {
        let mut faults = Faults::new("m.csv");
        assert_eq!(faults.summary(), "no faults in m.csv");
        let extent = Extent { text: "a b\n", line: 2, offset: 5 };
        for _ in 0..1001 {
            faults.push_at(FaultKind::NameMissing, extent, 0..3);
        }
        assert!(!faults.are_of_file());
        faults.push(Fault::without_text("m.csv", FaultKind::NoRows, extent.place(0)));
        assert!(faults.are_of_file());
        assert_eq!((faults.total(), faults.kept().len()), (1002, MAX_KEPT_FAULTS));
        assert_eq!((faults.in_full().count(), faults.in_brief().count()), (10, MAX_KEPT_FAULTS - 10));
        assert_eq!(faults.summary(), "1002 faults in m.csv: 1001 name_missing, 1 no_rows");
        assert_eq!(faults.kept()[0].one_line(), "m.csv:2:1: the key pair's name is missing [manifest::name_missing]");
    }
}
