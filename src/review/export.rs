//! What became of each row of a run, as a file: CSV that continues the manifest's own columns, or one JSON object a line
//! with everything the view `intents` knows. Streams: a million rows take no more memory than a thousand.

use std::io::{self, Write};

use super::as_text::{cell_json, cell_text, csv_cell, json_object};
use crate::journal::JournalError;
use crate::journal::{Cell, Reader, ReviewRow, RunRecord};
use crate::manifest::Meaning;
use crate::record::Entry;
use crate::record::event::Event;
use crate::record::plan::PlanRow;

/// How many rows are read at once.
const PAGE: u32 = 1_000;

/// The columns that follow the manifest's own, as the view `intents` calls them.
const ADDED: [&str; 18] = [
    "account_id",
    "region",
    "arn",
    "fingerprint",
    "created_at",
    "outcome",
    "evidence",
    "detail",
    "attempts",
    "operation_id",
    "request_id",
    "error_code",
    "error_message",
    "attempted_at",
    "settled_at",
    "operator",
    "row_no",
    "run_id",
];

/// The last column: whether all this was a rehearsal.
const SANDBOX: &str = "sandbox";

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// One JSON array of the same objects.
    Json,
}

/// An export that did not complete.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// What was read cannot be written.
    #[error("the export cannot be written")]
    Write(#[source] io::Error),
}

/// Writes all rows of `run` to `out`, and returns how many there were.
///
/// # Errors
/// Where the journal cannot be read or `out` does not take it.
pub async fn export(
    reader: &Reader,
    run: &RunRecord,
    format: ExportFormat,
    out: &mut (impl Write + Send),
) -> Result<u64, ExportError> {
    let names = reader.review_columns().await?;
    match format {
        ExportFormat::Csv => {
            let columns = match run.manifest_seq {
                Some(seq) => manifest_columns(reader.entry(seq).await?.event),
                None => Vec::new(),
            };
            let sheet = Sheet::new(&names, columns, run.sandbox);
            let mut writer = csv::Writer::from_writer(out);
            writer.write_record(sheet.header()).map_err(into_io).map_err(ExportError::Write)?;
            let count = each_row(reader, run, |row| {
                writer.write_record(sheet.record(row)?).map_err(into_io).map_err(ExportError::Write)
            });
            let count = count.await?;
            writer.flush().map_err(ExportError::Write)?;
            Ok(count)
        }
        ExportFormat::Jsonl | ExportFormat::Json => {
            let [begin, between, end] =
                if format == ExportFormat::Json { ["[\n", ",\n", "\n]\n"] } else { ["", "\n", "\n"] };
            out.write_all(begin.as_bytes()).map_err(ExportError::Write)?;
            let mut before = "";
            let count = each_row(reader, run, |row| {
                let object = object(&names, row);
                write!(out, "{}{object}", std::mem::replace(&mut before, between)).map_err(ExportError::Write)
            });
            let count = count.await?;
            if count > 0 || format == ExportFormat::Json {
                out.write_all(end.as_bytes()).map_err(ExportError::Write)?;
            }
            out.flush().map_err(ExportError::Write)?;
            Ok(count)
        }
    }
}

async fn each_row(
    reader: &Reader,
    run: &RunRecord,
    mut take: impl FnMut(&ReviewRow) -> Result<(), ExportError>,
) -> Result<u64, ExportError> {
    let (mut after, mut count) = (0, 0);
    loop {
        let rows = reader.review(run.run_no, after, PAGE, None).await?;
        let Some(last) = rows.last() else { return Ok(count) };
        after = last.row;
        count += rows.len() as u64;
        rows.iter().try_for_each(&mut take)?;
    }
}

fn manifest_columns(event: Event) -> Vec<String> {
    match event {
        Event::ManifestIngested(ingested) => ingested.columns,
        Event::RunStopped(stopped) => stopped.manifest.map(|manifest| manifest.columns).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// How rows become records of CSV.
struct Sheet {
    /// The manifest's columns, as written.
    columns: Vec<String>,
    /// Where the added ones are in the view.
    added: [Option<usize>; ADDED.len()],
    sandbox: bool,
}

impl Sheet {
    fn new(names: &[String], columns: Vec<String>, sandbox: bool) -> Self {
        let columns = if columns.is_empty() { vec!["key_pair_name".to_owned()] } else { columns };
        Self { columns, added: ADDED.map(|added| names.iter().position(|name| name == added)), sandbox }
    }

    fn header(&self) -> Vec<String> {
        // Two columns of one meaning (`Region` and `region`) would make the export a faulty manifest.
        let alike = |column: &str, name: &str| Meaning::of(name).is_some() && Meaning::of(column) == Meaning::of(name);
        let taken = |name: &str| self.columns.iter().any(|column| column.trim() == name || alike(column, name));
        let added = ADDED.into_iter().chain([SANDBOX]);
        // An export may have been made a manifest, and that one's export again.
        let added = added.map(|name| {
            let mut name = name.to_owned();
            while taken(&name) {
                name.insert_str(0, "keybatch_");
            }
            name
        });
        self.columns.iter().map(|column| csv_cell(column)).chain(added).collect()
    }

    fn record(&self, row: &ReviewRow) -> Result<Vec<String>, ExportError> {
        let entry = Entry::parse(&row.intent).map_err(|error| JournalError::Entry(error.into()))?;
        let Event::IntentRecorded(intent) = entry.event else {
            let reason = format!("entry {} is not the intent of row {}", entry.seq, row.row);
            return Err(JournalError::Damaged { reason }.into());
        };
        let own = self.columns.iter().map(|column| csv_cell(written(&intent.line, column).unwrap_or_default()));
        let added = self.added.iter().map(|index| {
            let cell = index.and_then(|index| row.cells.get(index)).and_then(cell_text);
            csv_cell(&cell.unwrap_or_default())
        });
        let sandbox = if self.sandbox { SANDBOX } else { "" };
        Ok(own.chain(added).chain([sandbox.to_owned()]).collect())
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
            cell if name == SANDBOX => cell_json(&cell.clone().into_boolean()),
            cell => cell_json(cell),
        };
        (name.as_str(), value)
    });
    json_object(fields)
}

/// What the manifest had in this column; nothing where the cell was empty.
fn written<'a>(line: &'a PlanRow, column: &str) -> Option<&'a str> {
    // A column may be an annotation although its name has a meaning: where `--annotation` said so.
    let annotation = line.annotations.get(column).map(String::as_str);
    if annotation.is_some() {
        return annotation;
    }
    match Meaning::of(column) {
        None => None,
        Some(Meaning::Name) => Some(&line.name),
        Some(Meaning::Reason) => line.reason.as_deref(),
        Some(Meaning::Ticket) => line.ticket.as_deref(),
        Some(meaning) => line.conditions.get(meaning.spellings()[0]).map(String::as_str),
    }
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
    use crate::record::plan::Verdict;

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

    #[test]
    fn no_column_has_the_name_of_another() {
        let header = |columns: &[&str]| {
            let columns = columns.iter().copied().map(str::to_owned).collect();
            Sheet::new(&[], columns, false).header()
        };
        let mut own = vec!["name"];
        for _ in 0..3 {
            let header = header(&own);
            assert_eq!(header[..own.len()], own);
            assert_eq!(header.len(), own.len() + ADDED.len() + 1);
            let different: std::collections::BTreeSet<_> = header.iter().collect();
            assert_eq!(different.len(), header.len(), "{header:?}");
            own.push(["outcome", "keybatch_outcome", "sandbox"][own.len() - 1]);
        }
        assert_eq!(header(&["name", " outcome"])[7..9], ["keybatch_outcome", "evidence"]);
        assert_eq!(header(&[])[..2], ["key_pair_name", "account_id"]);
        let alike = header(&["Name", "AccountId", "location/regionName", "expected_fingerprint"]);
        let added = ["keybatch_account_id", "keybatch_region", "arn", "keybatch_fingerprint", "created_at"];
        assert_eq!(alike[4..9], added, "no two columns of one meaning");
    }

    /// Whatever the manifest called a column.
    #[test]
    fn a_manifest_finds_its_cells_again_under_each_spelling() {
        let cell = |name: &str| (name.to_owned(), format!("of {name}"));
        let conditions = ["account_id", "arn", "created_at", "expected_fingerprint", "region"].map(cell).into();
        let line = PlanRow {
            conditions,
            reason: Some("of reason".into()),
            ticket: Some("of ticket".into()),
            annotations: [("Owner ".to_owned(), "amelie".to_owned())].into(),
            ..PlanRow::of(1, "of key_pair_name".into(), "1".into(), "r".into(), Verdict::Skip)
        };
        for meaning in Meaning::ALL {
            for spelling in meaning.spellings() {
                let expected = format!("of {}", meaning.spellings()[0]);
                assert_eq!(written(&line, &format!(" {spelling}")), Some(&*expected), "{spelling}");
            }
        }
        assert_eq!((written(&line, "Owner "), written(&line, "Owner")), (Some("amelie"), None));
    }
}
