//! Exports as xlsx: text cells, real dates, filters, and a sheet of totals. Each sheet's rows go to a file of their own that has no
//! name, until the workbook is put together.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

use super::exported::{Exported, Row};
use super::quiet::caught;
use super::sink::{Done, ExportError, Sink, done};
use super::source::Source;
use crate::domain::parse_time;
use crate::journal::{Cell, ColumnKind};

/// The rows of a sheet, without the header. More go to further sheets.
const SHEET_ROWS: u32 = 1_048_575;

/// The characters of a cell, counted as UTF-16 does.
const CELL_CHARACTERS: usize = 32_767;

/// The columns of a sheet.
const SHEET_COLUMNS: usize = 16_384;

/// From so many bytes of text on, the workbook's parts may be larger than 4 GiB, and need the form for that.
const LARGE: u64 = 1024 * 1024 * 1024;

/// A day's milliseconds, and the days from the beginning of Excel's count to 1970.
const DAY_MS: f64 = 86_400_000.0;
const DAYS_TO_1970: f64 = 25_569.0;

/// The first day that Excel counts as people do: 1 March 1900. Earlier times stay text.
const FIRST_DAY: f64 = 61.0;

/// An xlsx workbook. While it is made, its rows lie in files without a name in `scratch`.
#[must_use]
pub fn workbook<'w>(out: impl Write + Send + 'w, scratch: &Path) -> Box<dyn Sink + 'w> {
    Box::new(Xlsx::new(out, scratch, SHEET_ROWS))
}

struct Xlsx<W> {
    out: W,
    scratch: PathBuf,
    /// The most rows of a sheet.
    most: u32,
    book: Workbook,
    header: Vec<String>,
    kinds: Vec<ColumnKind>,
    /// How many sheets of rows there are, and how many rows the last one has.
    sheets: usize,
    rows: u32,
    bytes: u64,
    date: Format,
    bold: Format,
}

impl<W: Write + Send> Xlsx<W> {
    fn new(out: W, scratch: &Path, most: u32) -> Self {
        Self {
            out,
            scratch: scratch.to_owned(),
            most,
            book: Workbook::new(),
            header: Vec::new(),
            kinds: Vec::new(),
            sheets: 0,
            rows: 0,
            bytes: 0,
            date: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss.000"),
            bold: Format::new().set_bold(),
        }
    }

    fn start(&mut self, source: &Source) -> Result<(), ExportError> {
        self.header = source.sheet.header();
        self.kinds = source.sheet.typed().into_iter().map(|(_, kind)| kind).collect();
        if self.header.len() > SHEET_COLUMNS {
            return Err(ExportError::TooWide { columns: self.header.len(), most: SHEET_COLUMNS, format: "xlsx" });
        }
        for name in &self.header {
            fits(name, 0, name)?;
        }
        self.book.set_tempdir(&self.scratch).map_err(failed)?;
        // Equal exports are equal files: the time of now is nowhere in them.
        let at = source.at.map_or(0, |at| at.as_second());
        let created = ExcelDateTime::from_timestamp(at).map_err(failed)?;
        self.book.set_properties(&DocProperties::new().set_creation_datetime(&created));
        self.next_sheet()
    }

    fn next_sheet(&mut self) -> Result<(), ExportError> {
        self.end_sheet()?;
        self.sheets += 1;
        self.rows = 0;
        let name = if self.sheets == 1 { "rows".to_owned() } else { format!("rows {}", self.sheets) };
        let sheet = self.book.add_worksheet_with_constant_memory().map_err(failed)?;
        sheet.set_name(name).map_err(failed)?;
        sheet.set_freeze_panes(1, 0).map_err(failed)?;
        for (column, (name, kind)) in (0..).zip(self.header.iter().zip(&self.kinds)) {
            let width = if *kind == ColumnKind::Time { 24 } else { 16 };
            sheet.set_column_width(column, width).map_err(failed)?;
            sheet.write_string_with_format(0, column, name, &self.bold).map_err(failed)?;
        }
        Ok(())
    }

    /// Gives the last sheet its filters.
    fn end_sheet(&mut self) -> Result<(), ExportError> {
        let Some(index) = self.sheets.checked_sub(1) else { return Ok(()) };
        let last = u16::try_from(self.header.len().saturating_sub(1)).unwrap_or(u16::MAX);
        let sheet = self.book.worksheet_from_index(index).map_err(failed)?;
        sheet.autofilter(0, 0, self.rows, last).map(drop).map_err(failed)
    }

    fn take(&mut self, rows: &[Row]) -> Result<(), ExportError> {
        for row in rows {
            if self.rows == self.most {
                self.next_sheet()?;
            }
            self.rows += 1;
            let sheet = self.book.worksheet_from_index(self.sheets - 1).map_err(failed)?;
            for (column, (cell, kind)) in (0..).zip(row.cells.iter().zip(&self.kinds)) {
                if let Cell::Text(text) = cell {
                    fits(text, row.review.row, &self.header[usize::from(column)])?;
                    self.bytes += text.len() as u64;
                }
                self.bytes += 32;
                write(sheet, (self.rows, column), cell, *kind, &self.date).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, source: &Source, exported: &mut Exported) -> Result<(), ExportError> {
        self.end_sheet()?;
        exported.sheets = self.sheets;
        let sheet = self.book.add_worksheet();
        sheet.set_name("totals").map_err(failed)?;
        sheet.set_column_width(0, 28).map_err(failed)?;
        sheet.set_column_width(1, 60).map_err(failed)?;
        let mut row = 0;
        let mut line = |name: &str, value: &Cell| {
            sheet.write_string_with_format(row, 0, name, &self.bold).map_err(failed)?;
            if let Cell::Text(text) = value {
                fits(text, 0, name)?;
            }
            write(sheet, (row, 1), value, ColumnKind::Text, &self.date).map_err(failed)?;
            row += 1;
            Ok::<_, ExportError>(())
        };
        let number = |number: u64| Cell::Integer(i64::try_from(number).unwrap_or(i64::MAX));
        line("rows in this export", &number(exported.rows))?;
        for (outcome, count) in &exported.outcomes {
            line(outcome, &number(*count))?;
        }
        line("sheets of rows", &number(self.sheets as u64))?;
        line("times are in", &Cell::Text("UTC".to_owned()))?;
        for (name, value) in source.about_all(exported) {
            line(&format!("export: {name}"), &Cell::Text(value))?;
        }
        for (name, value) in &source.run_facts {
            line(&format!("run: {name}"), &value.clone().map_or(Cell::Null, Cell::Text))?;
        }
        self.book.use_zip_large_file(self.bytes > LARGE);
        self.book.save_to_writer(&mut self.out).map_err(failed)?;
        self.out.flush().map_err(ExportError::Write)
    }

    /// The library writes to its scratch file without an error to return: what fails there, it panics with.
    fn guarded(&mut self, work: impl FnOnce(&mut Self) -> Result<(), ExportError>) -> Result<(), ExportError> {
        caught(|| work(self)).unwrap_or_else(|| {
            let why = format!("the scratch file in {} cannot be written", self.scratch.display());
            Err(ExportError::Write(io::Error::other(why)))
        })
    }
}

impl<W: Write + Send> Sink for Xlsx<W> {
    fn begin<'a>(&'a mut self, source: &'a Source) -> Done<'a> {
        done(self.start(source))
    }

    fn page<'a>(&'a mut self, _source: &'a Source, rows: &'a [Row]) -> Done<'a> {
        done(self.guarded(|book| book.take(rows)))
    }

    fn end<'a>(&'a mut self, source: &'a Source, exported: &'a mut Exported) -> Done<'a> {
        done(self.guarded(|book| book.finish(source, exported)))
    }
}

/// Texts stay texts: neither formulas nor numbers, whatever they look like.
fn write(
    sheet: &mut Worksheet,
    (row, column): (u32, u16),
    cell: &Cell,
    kind: ColumnKind,
    date: &Format,
) -> Result<(), XlsxError> {
    match (cell, kind) {
        (Cell::Text(text), ColumnKind::Time) => match serial(text) {
            Some(serial) => sheet.write_number_with_format(row, column, serial, date)?,
            None => sheet.write_string(row, column, text)?,
        },
        (Cell::Text(text), _) => sheet.write_string(row, column, text)?,
        (Cell::Boolean(flag), _) => sheet.write_boolean(row, column, *flag)?,
        #[expect(clippy::cast_precision_loss, reason = "Excel has no other numbers, and rows are far fewer than 2^53")]
        (Cell::Integer(number), _) => sheet.write_number(row, column, *number as f64)?,
        (Cell::Real(number), _) => sheet.write_number(row, column, *number)?,
        (Cell::Null | Cell::Blob(_), _) => sheet,
    };
    Ok(())
}

/// A time as Excel counts: days since the end of 1899, in UTC. To the millisecond, as readers show it: a double of today's days is
/// exact to about a microsecond, so that what lies between two milliseconds would be rounded up by one reader and down by another.
fn serial(text: &str) -> Option<f64> {
    let at = parse_time(text)?.round(jiff::Unit::Millisecond).ok()?;
    #[expect(clippy::cast_precision_loss, reason = "the times of 4 digits of a year are below 2^53 milliseconds")]
    let days = at.as_millisecond() as f64 / DAY_MS + DAYS_TO_1970;
    (days >= FIRST_DAY).then_some(days)
}

fn fits(text: &str, row: u64, column: &str) -> Result<(), ExportError> {
    // Most texts are short by their bytes alone.
    if text.len() <= CELL_CHARACTERS || text.encode_utf16().count() <= CELL_CHARACTERS {
        return Ok(());
    }
    let column: String = column.chars().take(80).collect();
    Err(ExportError::TooLong { row, column, most: CELL_CHARACTERS })
}

fn failed(error: XlsxError) -> ExportError {
    ExportError::Write(match error {
        XlsxError::IoError(error) | XlsxError::TempFileError(_, error) => error,
        XlsxError::ZipError(error) => error.into(),
        error => io::Error::other(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::ReviewRow;

    fn row(row: u64, text: &str) -> Row {
        let review = ReviewRow { row, intent: String::new(), cells: Vec::new() };
        Row { review, cells: vec![Cell::Text(text.to_owned())] }
    }

    fn book(most: u32, scratch: &Path) -> Xlsx<Vec<u8>> {
        let mut book = Xlsx::new(Vec::new(), scratch, most);
        (book.header, book.kinds) = (vec!["name".to_owned()], vec![ColumnKind::Text]);
        book.book.set_tempdir(scratch).unwrap();
        book.next_sheet().unwrap();
        book
    }

    #[test]
    fn rows_that_do_not_fit_on_a_sheet_go_to_the_next_one() {
        let scratch = tempfile::tempdir().unwrap();
        let mut book = book(2, scratch.path());
        let rows: Vec<_> = (1..=5).map(|number| row(number, "x")).collect();
        book.take(&rows[..2]).unwrap();
        assert_eq!((book.sheets, book.rows), (1, 2), "a full sheet begins no other one");
        book.take(&rows[2..]).unwrap();
        assert_eq!((book.sheets, book.rows), (3, 1));
        book.end_sheet().unwrap();
        let names: Vec<_> = book.book.worksheets().iter().map(Worksheet::name).collect();
        assert_eq!(names, ["rows", "rows 2", "rows 3"]);
        book.book.save_to_writer(&mut book.out).unwrap();
        assert!(book.out.starts_with(b"PK"));
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "scratch files have no name");
    }

    /// Excel counts a character outside the first plane as two.
    #[test]
    fn a_cell_holds_as_many_characters_as_excel_counts() {
        let scratch = tempfile::tempdir().unwrap();
        let mut book = book(9, scratch.path());
        let fit = "\u{1f600}".repeat(CELL_CHARACTERS / 2);
        book.take(&[row(1, &fit)]).unwrap();
        let refused = book.take(&[row(2, &format!("{fit}\u{1f600}"))]).unwrap_err();
        assert!(matches!(refused, ExportError::TooLong { row: 2, .. }), "{refused}");
    }

    #[test]
    fn times_are_days_since_the_end_of_1899() {
        assert_eq!(serial("1970-01-01T12:00:00Z"), Some(25_569.5));
        assert_eq!(serial("2026-11-29T23:00:00-01:00"), serial("2026-11-30T00:00:00.000000Z"));
        assert_eq!((serial("1899-12-31T00:00:00Z"), serial("no time")), (None, None));
    }

    #[test]
    fn times_are_whole_milliseconds_that_every_reader_rounds_alike() {
        for (exact, whole) in [
            ("2026-11-30T22:38:50.483499Z", "2026-11-30T22:38:50.483Z"),
            ("2026-11-30T22:38:50.4835Z", "2026-11-30T22:38:50.484Z"),
            ("2026-11-30T23:59:59.9999Z", "2026-12-01T00:00:00Z"),
        ] {
            assert_eq!(serial(exact), serial(whole), "{exact}");
        }
    }
}
