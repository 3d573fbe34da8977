//! Exports as SQLite: the tables `rows`, `run` and `export`, in a file of their own. It is no journal.

use std::io;

use super::exported::{Exported, Row};
use super::sink::{Done, ExportError, Sink};
use super::source::Source;
use crate::journal::open::MOST_COLUMNS;
use crate::journal::{Cell, ColumnKind, JournalError, TableFile};

/// A SQLite database. The caller begins the file, and makes it durable afterwards.
#[must_use]
pub fn database(file: Box<dyn TableFile>) -> Box<dyn Sink> {
    Box::new(Database { file: Some(file) })
}

struct Database {
    /// None once it is closed.
    file: Option<Box<dyn TableFile>>,
}

impl Database {
    fn file(&mut self) -> Result<&mut Box<dyn TableFile>, ExportError> {
        self.file.as_mut().ok_or_else(|| ExportError::Write(io::ErrorKind::BrokenPipe.into()))
    }

    async fn make(&mut self, source: &Source) -> Result<(), ExportError> {
        let columns = source.sheet.typed();
        if columns.len() > MOST_COLUMNS {
            return Err(ExportError::TooWide { columns: columns.len(), most: MOST_COLUMNS, format: "SQLite" });
        }
        self.file()?.table("rows", &columns, source.sheet.key()).await.map_err(failed)
    }

    async fn finish(&mut self, source: &Source, exported: &Exported) -> Result<(), ExportError> {
        let run = source.run_facts.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let mut about: Vec<_> =
            source.about_all(exported).into_iter().map(|(name, value)| (name, Some(value))).collect();
        about.extend(source.checkpoint.as_ref().map(|head| ("checkpoint".to_owned(), Some(head.to_text()))));
        self.facts("run", run).await?;
        self.facts("export", about).await?;
        let Some(file) = self.file.take() else { return Ok(()) };
        file.close().await.map_err(failed)
    }

    /// A table of names and values.
    async fn facts(&mut self, table: &str, facts: Vec<(String, Option<String>)>) -> Result<(), ExportError> {
        let columns = ["name", "value"].map(|name| (name.to_owned(), ColumnKind::Text));
        let file = self.file()?;
        file.table(table, &columns, None).await.map_err(failed)?;
        let rows: Vec<_> = facts
            .into_iter()
            .map(|(name, value)| vec![Cell::Text(name), value.map_or(Cell::Null, Cell::Text)])
            .collect();
        file.insert(table, &rows).await.map_err(failed)
    }
}

impl Sink for Database {
    fn begin<'a>(&'a mut self, source: &'a Source) -> Done<'a> {
        Box::pin(self.make(source))
    }

    fn page<'a>(&'a mut self, _source: &'a Source, rows: &'a [Row]) -> Done<'a> {
        Box::pin(async move {
            let cells: Vec<_> = rows.iter().map(|row| row.cells.clone()).collect();
            self.file()?.insert("rows", &cells).await.map_err(failed)
        })
    }

    fn end<'a>(&'a mut self, source: &'a Source, exported: &'a mut Exported) -> Done<'a> {
        Box::pin(self.finish(source, exported))
    }
}

/// What failed is the export, not the journal.
fn failed(error: JournalError) -> ExportError {
    let kind = if error.is_full() { io::ErrorKind::StorageFull } else { io::ErrorKind::Other };
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    ExportError::Write(io::Error::new(kind, cause.unwrap_or_else(|| error.to_string())))
}
