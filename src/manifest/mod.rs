//! Reads a manifest: a CSV file whose rows name the key pairs to delete.
//!
//! [`read`] goes through the input once, holds one record at a time (so ten million rows take no more memory than
//! ten), computes the SHA-256 of the whole file on the way, and passes every row to a sink: validated, or with everything
//! that is wrong with it. Every fault is found in one pass and has a stable code, its place and a hint.
//!
//! It promises that a [`Row`] holds only what may go into a request, and that a file whose records cannot be
//! separated with certainty is refused as a whole. It knows no network, no clock, no journal and no other row: the
//! caller decides about duplicates, with [`Claim::compare`].

mod check;
mod columns;
mod duplicate;
mod fault;
mod first_line;
mod hint;
mod kind;
mod limits;
mod looks;
mod meaning;
mod near;
mod options;
mod region;
mod placeholder;
mod places;
mod row;
mod scan;
mod secret;
mod shape;
mod show;
mod snippet;
mod source;
mod trouble;
mod value;

use std::io::{self, Read};

pub use self::columns::NearMiss;
pub use self::duplicate::{Claim, Duplicate};
pub use self::fault::{Fault, Faults, MAX_KEPT_FAULTS};
pub use self::first_line::FirstLine;
pub use self::kind::FaultKind;
pub use self::limits::{MAX_FIELD_BYTES, MAX_RECORD_BYTES};
pub use self::looks::Looks;
pub use self::meaning::Meaning;
pub(crate) use self::meaning::fold;
pub use self::options::Options;
pub use self::region::{RegionFault, check_region};
pub use self::row::{CreatedAt, DEFAULT_KEY_PAIR, InvalidRow, Item, KeyPairArn, Row, RowPlace};
pub use self::secret::{Secret, secret_in};
pub use self::show::{Shown, defuse};
pub use self::snippet::Place;
pub use self::trouble::{
    AccountTrouble, ArnTrouble, Encoding, FingerprintTrouble, Glyph, HeaderTrouble, NameTrouble, RegionTrouble,
    Surplus, TimeTrouble,
};

use self::check::Record;
use self::columns::Columns;
use self::first_line::Again;
use self::scan::{Cell, Scanned, Scanner};

/// Whether a key pair can have this name.
#[must_use]
pub fn is_key_pair_name(text: &str) -> bool {
    self::value::is_name(text)
}

/// The moment that a cell of the column `created_at` names, in any of the accepted forms.
#[must_use]
pub fn moment(text: &str) -> Option<jiff::Timestamp> {
    value::created_at(text).ok().map(|created| created.at)
}

/// A manifest that was read in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingested {
    /// The name that the caller gave it, such as its path; not defused.
    pub name: String,
    /// The SHA-256 of all its bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// The number of its rows, including invalid ones, which is also the number of items that the sink got.
    pub rows: u64,
    /// How many of the rows are invalid.
    pub invalid_rows: u64,
    /// The header as written.
    pub columns: Vec<String>,
    /// Columns kept as annotations that may have been meant otherwise. Worth a warning: their values are *not* compared.
    pub near_misses: Vec<NearMiss>,
    /// Names in [`Options::annotations`] that no column has. Worth a warning.
    pub unknown_annotations: Vec<String>,
    /// What is wrong with its rows; none of these faults affects the whole file.
    pub faults: Faults,
}

/// Why a manifest could not be read in full.
#[derive(Debug, thiserror::Error)]
pub enum ReadError<E> {
    /// The input failed.
    #[error("cannot read the manifest after byte {bytes}")]
    Input {
        /// Bytes read before.
        bytes: u64,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// The sink refused to continue.
    #[error("cannot store a row of the manifest")]
    Sink(#[source] E),
    /// The file as a whole is faulty. Everything that the sink got before is void, even with `--skip-invalid`: it may have
    /// been read across the true boundaries of records.
    #[error("{0}")]
    Refused(Faults),
}

/// Reads the manifest called `name` from `input` and hands each row to `sink`, in order.
///
/// Everything is read exactly once and nothing is kept. Rows with faults go to the sink as [`Item::Invalid`], and
/// [`Ingested::faults`] says what is wrong with them: the caller either refuses the manifest because of them, or
/// skips the invalid rows.
///
/// # Errors
///
/// [`ReadError::Refused`] holds all faults found, at least one of which affects the whole file. Reading ends early if
/// nothing more can be recognised (another encoding, a limit exceeded, a faulty header); after a quoting fault it
/// continues, to report what else is wrong. [`ReadError::Sink`] is the sink's own error, [`ReadError::Input`] the input's.
pub fn read<R: Read, E>(
    name: &str,
    input: R,
    options: &Options,
    mut sink: impl FnMut(Item) -> Result<(), E>,
) -> Result<Ingested, ReadError<E>> {
    let mut faults = Faults::new(name);
    let mut scanner = Scanner::new(input);
    let columns = match next_with_values(&mut scanner, &mut faults)? {
        Scanned::Record => Columns::read(&scanner, &options.annotations, &mut faults),
        Scanned::End => {
            faults.push_bare(FaultKind::Empty, Place { line: 1, column: 1, offset: 0 });
            None
        }
        Scanned::Malformed => {
            if let Some(cause) = Columns::explain_malformed(&scanner) {
                // The quoting faults follow from that cause.
                faults = Faults::new(name);
                faults.push_at(cause, scanner.extent(), 0..scanner.content_end());
            }
            None
        }
        Scanned::Stopped => None,
    };
    let Some(mut columns) = columns else { return Err(ReadError::Refused(faults)) };
    let header = scanner.extent().place(0);

    let (mut rows, mut invalid_rows) = (0, 0);
    loop {
        match next_with_values(&mut scanner, &mut faults)? {
            Scanned::Record => {
                rows += 1;
                let item = judge(&scanner, rows, &mut columns, options, &mut faults);
                invalid_rows += u64::from(matches!(item, Item::Invalid(_)));
                sink(item).map_err(ReadError::Sink)?;
            }
            Scanned::Malformed => rows += 1,
            Scanned::End => break,
            Scanned::Stopped => return Err(ReadError::Refused(faults)),
        }
    }
    if rows == 0 {
        faults.push_bare(FaultKind::NoRows, header);
    }
    if faults.are_of_file() {
        return Err(ReadError::Refused(faults));
    }
    let (bytes, sha256) = scanner.into_digest();
    let Columns { written: columns, near_misses, unknown_annotations, .. } = columns;
    let name = name.to_owned();
    Ok(Ingested { name, sha256, bytes, rows, invalid_rows, columns, near_misses, unknown_annotations, faults })
}

fn next<R: Read, E>(scanner: &mut Scanner<R>, faults: &mut Faults) -> Result<Scanned, ReadError<E>> {
    scanner.next(faults).map_err(|source| ReadError::Input { bytes: scanner.bytes(), source })
}

/// The next record in which any cell has a value; other records are not rows.
fn next_with_values<R: Read, E>(scanner: &mut Scanner<R>, faults: &mut Faults) -> Result<Scanned, ReadError<E>> {
    loop {
        let scanned = next(scanner, faults)?;
        if scanned != Scanned::Record || !scanner.values().trim().is_empty() {
            return Ok(scanned);
        }
    }
}

/// Turns the current record into an item, and reports what is wrong with it.
fn judge<R: Read>(
    scanner: &Scanner<R>,
    row: u64,
    columns: &mut Columns,
    options: &Options,
    faults: &mut Faults,
) -> Item {
    let (extent, cells, end) = (scanner.extent(), scanner.cells(), scanner.content_end());
    let place = RowPlace { row, line: extent.line, start: extent.offset, end: extent.offset + end as u64 };
    let value = |cell: &'_ Cell| cell.value(scanner.values());
    let secrets = columns.secrets(scanner.values(), cells.iter().map(value));
    let hidden: Vec<usize> = secrets.iter().map(|(index, _)| *index).collect();
    let mut found: Vec<_> = secrets
        .into_iter()
        .map(|(index, secret)| {
            let name = columns.written.get(index).map(|name| Shown::new(name));
            (FaultKind::Secret { column: index + 1, name, secret }, Some(index))
        })
        .collect();
    if let Some(again) = first_line::again(scanner.values(), cells.iter().map(value), &columns.written) {
        let kind = match again {
            Again::Same => FaultKind::HeaderRepeated,
            Again::Other => FaultKind::HeaderChanged,
        };
        faults.push_at(kind.clone(), extent, 0..end);
        return Item::Invalid(InvalidRow {
            place,
            name: None,
            cells: Vec::new(),
            annotations: Vec::new(),
            faults: vec![kind],
        });
    }
    let record = Record { values: scanner.values(), cells, place, ended: extent.text.ends_with('\n'), hidden: &hidden };
    let item = record.check(columns, options, &mut found);
    // In a row with too many cells, it is unknown which cell belongs to which column.
    if cells.len() <= columns.written.len() {
        let unread = columns.unread(|index| record.value(index).unwrap_or_default());
        found.extend(unread.into_iter().map(|(kind, index)| (kind, Some(index))));
    }
    for (kind, cell) in found {
        let at = cell.and_then(|index| cells.get(index)).map_or(0..end, |cell| cell.span.clone());
        if hidden.is_empty() {
            faults.push_at(kind, extent, at);
        } else {
            faults.push_bare(kind, extent.place(at.start));
        }
    }
    item
}
