//! The rows of an inventory: kept in files until all regions are listed, and then written in the requested form.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, Seek as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::cli::Format;
use crate::cli::ui::{BOM, Ui};
use crate::domain::Target;
use crate::journal::Cell;
use crate::manifest::Meaning;
use crate::plan::select::Listed;
use crate::review::{csv_cell, json_object};

/// The columns: those that `run` understands, and then annotations.
fn columns() -> [&'static str; 8] {
    [
        Meaning::Name.canonical(),
        Meaning::Region.canonical(),
        Meaning::AccountId.canonical(),
        Meaning::Arn.canonical(),
        Meaning::CreatedAt.canonical(),
        Meaning::ExpectedFingerprint.canonical(),
        "tags",
        "used_by",
    ]
}

/// A row.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    name: String,
    arn: Option<String>,
    created_at: Option<String>,
    fingerprint: Option<String>,
    tags: BTreeMap<String, String>,
    used_by: Option<Vec<String>>,
}

impl Row {
    fn cells(self, target: &Target) -> [Option<String>; 8] {
        let tags = self.tags.iter().map(|(key, value)| format!("{key}={value}"));
        let (tags, used_by) = (tags.collect::<Vec<_>>().join("; "), self.used_by.unwrap_or_default().join("; "));
        [
            Some(self.name),
            Some(target.region.clone()),
            Some(target.account.clone()),
            self.arn,
            self.created_at,
            self.fingerprint,
            Some(tags).filter(|text| !text.is_empty()),
            Some(used_by).filter(|text| !text.is_empty()),
        ]
    }

    fn object(self, target: &Target) -> String {
        let values = [
            json!(self.name),
            json!(target.region),
            json!(target.account),
            json!(self.arn),
            json!(self.created_at),
            json!(self.fingerprint),
            json!(self.tags),
            json!(self.used_by),
        ];
        json_object(columns().into_iter().zip(values))
    }
}

/// The rows of one target, in a file that no directory names: it is gone when this is.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) target: Target,
    pub(super) count: u64,
    file: BufWriter<File>,
}

impl Rows {
    /// None yet.
    ///
    /// # Errors
    /// If there can be no file in `directory`.
    pub(super) fn none(target: Target, directory: &Path) -> io::Result<Self> {
        let path = directory.join(format!(".keybatch-inventory-{}", Uuid::new_v4()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(Self { target, count: 0, file: BufWriter::new(file) })
    }

    /// Adds one.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn add(&mut self, listed: Listed) -> io::Result<()> {
        let Listed { pair, used_by } = listed;
        let row = Row {
            name: pair.name,
            arn: pair.identity.arn,
            created_at: pair.identity.created_at,
            fingerprint: pair.identity.fingerprint,
            tags: pair.tags,
            used_by,
        };
        serde_json::to_writer(&mut self.file, &row)?;
        self.count += 1;
        self.file.write_all(b"\n")
    }

    /// Gives each to `show`, in order.
    fn each(self, mut show: impl FnMut(&Target, Row) -> io::Result<()>) -> io::Result<()> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        for line in BufReader::new(file).lines() {
            show(&self.target, serde_json::from_str(&line?)?)?;
        }
        Ok(())
    }
}

/// Writes all rows to standard output as a table, which people read.
pub(super) fn table(ui: &Ui, all: Vec<Rows>) -> io::Result<()> {
    let mut stream = ui.stream(&columns())?;
    for rows in all {
        rows.each(|target, row| stream.row(&row.cells(target).map(|cell| cell.map_or(Cell::Null, Cell::Text))))?;
    }
    stream.end()
}

/// Writes all rows to `out`, for programs; a table is written as CSV.
pub(super) fn write(ui: &Ui, all: Vec<Rows>, out: impl Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    match ui.format {
        Format::Table | Format::Csv => {
            if ui.bom {
                out.write_all(BOM)?;
            }
            let mut csv = csv::Writer::from_writer(&mut out);
            csv.write_record(columns()).map_err(io::Error::other)?;
            for rows in all {
                rows.each(|target, row| {
                    let cells = row.cells(target).map(|cell| csv_cell(&cell.unwrap_or_default()));
                    csv.write_record(cells).map_err(io::Error::other)
                })?;
            }
            csv.flush()?;
        }
        Format::Json => {
            let mut before = "[\n";
            for rows in all {
                rows.each(|target, row| {
                    write!(out, "{}{}", std::mem::replace(&mut before, ",\n"), row.object(target))
                })?;
            }
            out.write_all(if before == "[\n" { b"[]\n" } else { b"\n]\n" })?;
        }
        Format::Jsonl => {
            for rows in all {
                rows.each(|target, row| writeln!(out, "{}", row.object(target)))?;
            }
        }
    }
    out.flush()
}
