//! Validates a record: every field by itself, then the fields against one another.

use super::columns::Columns;
use super::kind::FaultKind;
use super::meaning::Meaning;
use super::options::Options;
use super::placeholder::is_placeholder;
use super::row::{DEFAULT_KEY_PAIR, InvalidRow, Item, Row, RowPlace};
use super::scan::Cell;
use super::show::Shown;
use super::trouble::Surplus;
use super::value;

/// A fault and the index of its field; `None` if it is about the record as a whole.
pub(super) type FaultAt = (FaultKind, Option<usize>);

/// A record that is to become a row.
pub(super) struct Record<'a> {
    pub(super) values: &'a str,
    pub(super) cells: &'a [Cell],
    pub(super) place: RowPlace,
    /// Whether it ends with a line break.
    pub(super) ended: bool,
    /// The cells that hold a secret. Nothing after this reads their values, and `found` already names them.
    pub(super) hidden: &'a [usize],
}

impl<'a> Record<'a> {
    /// The row, or what is wrong with it, which is also added to `found`.
    pub(super) fn check(&self, columns: &Columns, options: &Options, found: &mut Vec<FaultAt>) -> Item {
        let mut findings = Findings { record: self, columns, found };
        if let Some(row) = findings.row(options) {
            return Item::Row(row);
        }
        let readable = |meaning| columns.index(meaning).and_then(|index| self.value(index)).map(str::to_owned);
        Item::Invalid(InvalidRow {
            place: self.place,
            name: readable(Meaning::Name),
            cells: Meaning::ALL
                .into_iter()
                .filter(|meaning| *meaning != Meaning::Name)
                .filter_map(|meaning| Some((meaning, readable(meaning)?)))
                .collect(),
            annotations: annotations(columns, self),
            faults: found.iter().map(|(kind, _)| kind.clone()).collect(),
        })
    }

    pub(super) fn value(&self, index: usize) -> Option<&'a str> {
        self.cells.get(index).filter(|_| !self.hidden.contains(&index)).map(|cell| cell.value(self.values))
    }
}

/// Collects what is wrong with a record while its fields are read.
struct Findings<'a, 'f> {
    record: &'a Record<'a>,
    columns: &'a Columns,
    found: &'f mut Vec<FaultAt>,
}

impl Findings<'_, '_> {
    fn row(&mut self, options: &Options) -> Option<Row> {
        let (found, expected) = (self.record.cells.len(), self.columns.written.len());
        // Spreadsheets write no empty cells at a row's end. They are supplied unless the file may have been cut off.
        if found > expected || found < expected && !self.record.ended {
            // Then it is unknown which field belongs to which column; validating them would only add noise.
            let surplus = (found > expected).then(|| self.surplus(expected));
            let at = (found > expected).then_some(expected);
            self.found.push((FaultKind::FieldCount { found, expected, surplus }, at));
            return None;
        }
        let name = self.field(Meaning::Name, value::name);
        let named_at = self.columns.index(Meaning::Name);
        let hidden = named_at.is_some_and(|index| self.record.hidden.contains(&index));
        if name.is_none() && self.written(Meaning::Name).is_none() && !hidden {
            self.found.push((FaultKind::NameMissing, named_at));
        }
        let region = self.field(Meaning::Region, value::region);
        let account_id = self.field(Meaning::AccountId, value::account_id);
        let expected_fingerprint = self.field(Meaning::ExpectedFingerprint, value::fingerprint);
        let arn = self.field(Meaning::Arn, value::arn);
        let created_at = self.field(Meaning::CreatedAt, value::created_at);
        if let Some(arn) = &arn {
            self.agree("region", &arn.region, region.as_deref());
            self.agree("account_id", &arn.account_id, account_id.as_deref());
        }
        if name.as_deref() == Some(DEFAULT_KEY_PAIR) {
            self.default_key_pair(options);
        }
        let row = Row {
            place: self.record.place,
            name: name?,
            region,
            account_id,
            expected_fingerprint,
            arn,
            created_at,
            reason: self.written(Meaning::Reason).map(str::to_owned),
            ticket: self.written(Meaning::Ticket).map(str::to_owned),
            annotations: annotations(self.columns, self.record),
        };
        self.found.is_empty().then_some(row)
    }

    /// What the fields from `expected` on seem to come from.
    fn surplus(&self, expected: usize) -> Surplus {
        let value = |index: usize| self.record.value(index).unwrap_or_default();
        let count = self.record.cells.len();
        if (expected..count).all(|index| value(index).trim().is_empty()) {
            return Surplus::Empty;
        }
        let number = value(0).trim();
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        if is_number && count == expected + 1 { Surplus::RowNumber } else { Surplus::Value }
    }

    /// The text in the column with this meaning, if there is such a column and it is not empty.
    fn written(&self, meaning: Meaning) -> Option<&str> {
        self.record.value(self.columns.index(meaning)?).filter(|value| !value.is_empty())
    }

    /// The validated value of a field; `None` also if it is faulty, which is then recorded.
    fn field<T>(&mut self, meaning: Meaning, judge: impl FnOnce(&str) -> Result<T, FaultKind>) -> Option<T> {
        let written = self.written(meaning)?;
        let judged = if meaning.is_guard() && is_placeholder(written) {
            Err(FaultKind::Placeholder { column: meaning.canonical(), value: Shown::new(written) })
        } else {
            judge(written)
        };
        judged.map_err(|kind| self.found.push((kind, self.columns.index(meaning)))).ok()
    }

    fn agree(&mut self, column: &'static str, in_arn: &str, in_row: Option<&str>) {
        if let Some(in_row) = in_row.filter(|in_row| *in_row != in_arn) {
            let (in_arn, in_row) = (Shown::new(in_arn), Shown::new(in_row));
            let kind = FaultKind::ArnDisagrees { column, in_arn, in_row };
            self.found.push((kind, self.columns.index(Meaning::Arn)));
        }
    }

    fn default_key_pair(&mut self, options: &Options) {
        let at = self.columns.index(Meaning::Name);
        if !options.allow_default_key_pair {
            self.found.push((FaultKind::DefaultProtected, at));
        }
        if self.written(Meaning::ExpectedFingerprint).is_none() {
            self.found.push((FaultKind::DefaultUnconfirmed, at));
        }
    }
}

/// Every column without a meaning, with the record's text there.
fn annotations(columns: &Columns, record: &Record<'_>) -> Vec<(String, String)> {
    let value = |index: usize| record.value(index).unwrap_or_default().to_owned();
    columns.annotations.iter().map(|annotation| (annotation.name.clone(), value(annotation.index))).collect()
}
