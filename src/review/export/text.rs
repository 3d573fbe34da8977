//! Exports as text: CSV that continues the manifest's own columns, or JSON objects with everything that the view `intents` knows.

use std::io::{self, Write};

use super::exported::{Exported, Row};
use super::sink::{Done, ExportError, Sink, done};
use super::source::Source;
use crate::journal::{Cell, ReviewRow};
use crate::review::as_text::{cell_json, cell_text, csv_cell, json_object};

/// Comma-separated values with a header; formulas are defused.
#[must_use]
pub fn csv<'w>(out: impl Write + Send + 'w) -> Box<dyn Sink + 'w> {
    Box::new(Csv { writer: csv::Writer::from_writer(out) })
}

/// One JSON object a line.
#[must_use]
pub fn jsonl<'w>(out: impl Write + Send + 'w) -> Box<dyn Sink + 'w> {
    Box::new(Json { out, begin: "", between: "\n", end: "\n", is_array: false, any: false })
}

/// One JSON array of the same objects.
#[must_use]
pub fn json<'w>(out: impl Write + Send + 'w) -> Box<dyn Sink + 'w> {
    Box::new(Json { out, begin: "[\n", between: ",\n", end: "\n]\n", is_array: true, any: false })
}

struct Csv<W: Write> {
    writer: csv::Writer<W>,
}

impl<W: Write + Send> Csv<W> {
    fn record(&mut self, cells: impl Iterator<Item = String>) -> Result<(), ExportError> {
        let cells = cells.map(|cell| csv_cell(&cell));
        self.writer.write_record(cells).map_err(into_io).map_err(ExportError::Write)
    }
}

impl<W: Write + Send> Sink for Csv<W> {
    fn begin<'a>(&'a mut self, source: &'a Source) -> Done<'a> {
        done(self.record(source.sheet.header().into_iter()))
    }

    fn page<'a>(&'a mut self, _source: &'a Source, rows: &'a [Row]) -> Done<'a> {
        let text = |cell: &Cell| match cell {
            // People see at a glance that all this was a rehearsal.
            Cell::Boolean(flag) => if *flag { "sandbox" } else { "" }.to_owned(),
            cell => cell_text(cell).unwrap_or_default(),
        };
        done(rows.iter().try_for_each(|row| self.record(row.cells.iter().map(text))))
    }

    fn end<'a>(&'a mut self, _source: &'a Source, _exported: &'a mut Exported) -> Done<'a> {
        done(self.writer.flush().map_err(ExportError::Write))
    }
}

struct Json<W> {
    out: W,
    begin: &'static str,
    between: &'static str,
    end: &'static str,
    is_array: bool,
    any: bool,
}

impl<W: Write + Send> Json<W> {
    fn write(&mut self, text: &str) -> Result<(), ExportError> {
        self.out.write_all(text.as_bytes()).map_err(ExportError::Write)
    }
}

impl<W: Write + Send> Sink for Json<W> {
    fn begin<'a>(&'a mut self, _source: &'a Source) -> Done<'a> {
        done(self.write(self.begin))
    }

    fn page<'a>(&'a mut self, source: &'a Source, rows: &'a [Row]) -> Done<'a> {
        done(rows.iter().try_for_each(|row| {
            let before = if std::mem::replace(&mut self.any, true) { self.between } else { "" };
            self.write(&format!("{before}{}", object(&source.names, &row.review)))
        }))
    }

    fn end<'a>(&'a mut self, _source: &'a Source, exported: &'a mut Exported) -> Done<'a> {
        // An array that lacks rows stays without its end, so that nobody takes it for the whole.
        let end = match (self.is_array, exported.stopped.is_some()) {
            (true, true) => "\n",
            (false, _) if !self.any => "",
            _ => self.end,
        };
        done(self.write(end).and_then(|()| self.out.flush().map_err(ExportError::Write)))
    }
}

/// A row as one JSON object: the view's columns in their order.
fn object(names: &[String], row: &ReviewRow) -> String {
    let fields = names.iter().zip(&row.cells).map(|(name, cell)| {
        let value = match cell {
            // The view gives these as the text of a JSON object.
            Cell::Text(text) if name == "annotations" => {
                serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into())
            }
            cell if name == "sandbox" => cell_json(&cell.clone().into_boolean()),
            cell => cell_json(cell),
        };
        (name.as_str(), value)
    });
    json_object(fields)
}

fn into_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name of a key pair may be a word of JSON, or a number.
    #[test]
    fn only_annotations_become_objects() {
        let names = ["key_pair_name", "annotations", "sandbox"].map(str::to_owned);
        for name in ["true", "42", "{}"] {
            let cells = vec![Cell::Text(name.into()), Cell::Text(r#"{"a":"1"}"#.into()), Cell::Integer(1)];
            let row = ReviewRow { row: 1, intent: String::new(), cells };
            let expected = format!(r#"{{"key_pair_name":"{name}","annotations":{{"a":"1"}},"sandbox":true}}"#);
            assert_eq!(object(&names, &row), expected);
        }
    }
}
