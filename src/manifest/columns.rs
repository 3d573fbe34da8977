//! The header: which column means what. Every column without a meaning is an annotation.
//!
//! No manifest is read with fewer guards than it was written with. So an annotation whose values look like a region, a
//! fingerprint or the like is a fault if the row has no such guard, unless the caller declares it an annotation; and one
//! whose name is merely close to that of a meaningful column is noted.

use std::collections::HashMap;
use std::io::Read;

use super::fault::Faults;
use super::first_line::{FirstLine, delimiter_between_quotes, is_quoted_name};
use super::kind::FaultKind;
use super::looks::looks;
use super::meaning::{Meaning, fold};
use super::near::{hinted, near};
use super::scan::{Cell, Scanner};
use super::secret::{self, Secret};
use super::show::Shown;
use super::snippet::Extent;
use super::trouble::HeaderTrouble;

/// A column that is kept as an annotation though its name is close to one with a meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearMiss {
    /// The column's position, from 1.
    pub column: usize,
    /// The column's name as written, defused.
    pub written: Shown,
    /// The spelling that the name is close to.
    pub meant: &'static str,
}

/// A column without a meaning.
#[derive(Debug)]
pub(super) struct Annotation {
    /// Its position, from 0.
    pub(super) index: usize,
    /// Its name as written.
    pub(super) name: String,
    /// What its name hints at.
    hinted: Option<Meaning>,
    /// Whether its values are still examined: not if the caller declared it an annotation, or a fault has been reported.
    watched: bool,
}

/// The columns of one manifest.
#[derive(Debug)]
pub(super) struct Columns {
    meaning: [Option<usize>; Meaning::ALL.len()],
    /// The columns without a meaning, in their order.
    pub(super) annotations: Vec<Annotation>,
    /// All names as written.
    pub(super) written: Vec<String>,
    pub(super) near_misses: Vec<NearMiss>,
    /// Declared annotations that match no column.
    pub(super) unknown_annotations: Vec<String>,
    /// What the columns' names say about the content of their cells; empty if none says anything.
    secrets: Vec<(usize, Secret)>,
    /// Whether an earlier line began a private key that has not ended.
    in_private_key: bool,
}

impl Columns {
    /// Reads the header. Everything that is wrong with it is reported, and then there are no columns. The columns named in
    /// `declared` are annotations, whatever their names.
    pub(super) fn read<R: Read>(scanner: &Scanner<R>, declared: &[String], faults: &mut Faults) -> Option<Self> {
        let (header, cells) = (scanner.extent(), scanner.cells());
        let written: Vec<String> = cells.iter().map(|cell| cell.value(scanner.values()).to_owned()).collect();
        if secrets_in_header(&written, cells, header, faults) {
            return None;
        }
        if let Some(first) = FirstLine::of(&written) {
            faults.push_at(FaultKind::FirstLine(first), header, 0..scanner.content_end());
            return None;
        }
        let (declared, unknown_annotations) = find_declared(declared, &written);
        let mut undeclared = written.iter().zip(&declared).filter(|(_, declared)| !**declared);
        if undeclared.any(|(name, _)| is_quoted_name(name)) {
            faults.push_at(FaultKind::FirstLine(FirstLine::QuotedName), header, 0..scanner.content_end());
            return None;
        }
        let mut columns = Self {
            meaning: Default::default(),
            annotations: Vec::new(),
            written: Vec::new(),
            near_misses: Vec::new(),
            unknown_annotations,
            secrets: Vec::new(),
            in_private_key: false,
        };
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let mut sound = true;
        for (index, (name, cell)) in written.iter().zip(cells).enumerate() {
            let trimmed = name.trim();
            let meaning = Meaning::of(trimmed).filter(|_| !declared[index]);
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
                    None => columns.annotations.push(Annotation {
                        index,
                        name: name.clone(),
                        hinted: hinted(trimmed),
                        watched: !declared[index],
                    }),
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
        let secret = |(index, name): (usize, &String)| Some((index, secret::named(name)?));
        columns.secrets = written.iter().enumerate().filter_map(secret).collect();
        columns.written = written;
        sound.then_some(columns)
    }

    /// The cause, if it is clear, of a first line whose quoting is not that of CSV.
    pub(super) fn explain_malformed<R: Read>(scanner: &Scanner<R>) -> Option<FaultKind> {
        let written: Vec<String> = scanner.cells().iter().map(|cell| cell.value(scanner.values()).to_owned()).collect();
        if let Some(delimiter) = delimiter_between_quotes(scanner.extent().text) {
            return Some(FaultKind::NameColumnMissing(HeaderTrouble::Delimiter(delimiter)));
        }
        let clear =
            |first: &FirstLine| matches!(first, FirstLine::Json | FirstLine::Markup | FirstLine::MisreadByteOrderMark);
        FirstLine::of(&written).filter(clear).map(FaultKind::FirstLine)
    }

    /// The position of the column with this meaning, from 0.
    pub(super) fn index(&self, meaning: Meaning) -> Option<usize> {
        self.meaning[meaning as usize]
    }

    /// Examines the annotations of a record, whose cells `value` returns, and reports columns that seem to hold a guard that
    /// the row does not have elsewhere. Each column is reported once.
    pub(super) fn unread<'v>(&mut self, value: impl Fn(usize) -> &'v str) -> Vec<(FaultKind, usize)> {
        let mut unread = Vec::new();
        for annotation in self.annotations.iter_mut().filter(|annotation| annotation.watched) {
            let text = value(annotation.index);
            let Some(looks) = looks(text, &annotation.name, annotation.hinted) else { continue };
            let guard = self.meaning[looks.meaning() as usize];
            if guard.is_some_and(|index| !value(index).trim().is_empty()) {
                continue;
            }
            annotation.watched = false;
            self.near_misses.retain(|miss| miss.column != annotation.index + 1);
            let (column, name, value) = (annotation.index + 1, Shown::new(&annotation.name), Shown::new(text));
            let empty = guard.is_some();
            unread.push((FaultKind::ColumnUnread { column, name, looks, value, empty }, annotation.index));
        }
        unread
    }

    /// The cells of a record that hold a secret. Takes the record's fields in order, and all of them as one text.
    pub(super) fn secrets<'v>(
        &mut self,
        values: &str,
        cells: impl Iterator<Item = &'v str> + Clone,
    ) -> Vec<(usize, Secret)> {
        if std::mem::take(&mut self.in_private_key) {
            let mut all = cells.clone();
            if let (Some(line), None) = (all.next(), all.next())
                && secret::continues_private_key(line)
            {
                self.in_private_key = !secret::ends_private_key(line);
                return vec![(0, Secret::PrivateKey)];
            }
        }
        if self.secrets.is_empty() && !secret::suspected(values) {
            return Vec::new();
        }
        let beside_key_id = secret::has_key_id(values) || cells.clone().any(secret::has_key_id);
        let mut found = Vec::new();
        for (index, cell) in cells.enumerate() {
            let named = self.secrets.iter().find(|(column, _)| *column == index).map(|(_, secret)| *secret);
            if let Some(secret) = secret::find(cell, named, beside_key_id) {
                self.in_private_key |= secret == Secret::PrivateKey && secret::begins_private_key(cell);
                found.push((index, secret));
            }
        }
        found
    }

    fn note_near_misses(&mut self) {
        let missing: Vec<_> = Meaning::ALL.into_iter().filter(|meaning| self.index(*meaning).is_none()).collect();
        for Annotation { index, name, .. } in self.annotations.iter().filter(|annotation| annotation.watched) {
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

/// Reports the cells of the first line that hold a secret, as in a file without a header.
fn secrets_in_header(written: &[String], cells: &[Cell], header: Extent<'_>, faults: &mut Faults) -> bool {
    let beside_key_id = written.iter().any(|name| secret::has_key_id(name));
    let mut any = false;
    for (index, name) in written.iter().enumerate() {
        if let Some(secret) = secret::find(name, None, beside_key_id) {
            faults.push_bare(
                FaultKind::SecretInHeader { column: index + 1, secret },
                header.place(cells[index].span.start),
            );
            any = true;
        }
    }
    any
}

/// Which columns are declared to be annotations, and which declarations match none. An exact match takes precedence over
/// similar names; one declaration may hold several names, separated by commas.
fn find_declared(declared: &[String], written: &[String]) -> (Vec<bool>, Vec<String>) {
    let (mut found, mut unknown) = (vec![false; written.len()], Vec::new());
    let mut mark = |name: &str| {
        let exact = |column: &String| column.trim() == name.trim();
        let any_exact = written.iter().any(exact);
        let folded = fold(name);
        let mut hit = false;
        for (index, column) in written.iter().enumerate() {
            if if any_exact { exact(column) } else { !folded.is_empty() && fold(column) == folded } {
                (found[index], hit) = (true, true);
            }
        }
        hit
    };
    for name in declared {
        if !mark(name) {
            unknown.extend(
                name.split(',').map(str::trim).filter(|name| !name.is_empty() && !mark(name)).map(str::to_owned),
            );
        }
    }
    (found, unknown)
}
