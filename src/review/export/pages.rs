//! The rows of a run, read page by page and handed to a sink.

use super::exported::{Exported, Row, Stopped};
use super::sink::{ExportError, Sink};
use super::source::Source;
use crate::journal::{Cell, JournalError, ReviewRow};

/// The most rows of a page. A row as the database hands it over takes several times the memory of its text.
const MOST_ROWS: u32 = 256;

/// How many bytes a page is meant to have: rows may be a megabyte long.
const PAGE_BYTES: usize = 1024 * 1024;

/// Hands the rows of `source` to `sink`. A journal that cannot be read on ends the export where it stops.
///
/// # Errors
/// If the sink does not take them.
pub async fn export(source: &Source, sink: &mut (dyn Sink + '_)) -> Result<Exported, ExportError> {
    let mut exported = Exported::default();
    let outcome = source.names.iter().position(|name| name == "outcome");
    sink.begin(source).await?;
    let mut pages = Pages::of(source).await;
    loop {
        let rows = pages.next().await;
        if rows.is_empty() {
            break;
        }
        let rows: Vec<_> = rows.into_iter().filter(|row| source.filter.takes(&source.names, &row.review)).collect();
        exported.rows += rows.len() as u64;
        for row in &rows {
            let word = outcome.and_then(|index| row.review.cells.get(index)).and_then(Cell::as_text);
            *exported.outcomes.entry(word.unwrap_or_default().to_owned()).or_default() += 1;
        }
        sink.page(source, &rows).await?;
    }
    exported.stopped = pages.stopped;
    sink.end(source, &mut exported).await?;
    Ok(exported)
}

/// The rows of a run on their way.
struct Pages<'a> {
    source: &'a Source,
    after: u64,
    limit: u32,
    /// The only rows that are wanted, the last one first.
    only: Option<Vec<u64>>,
    stopped: Option<Stopped>,
}

impl<'a> Pages<'a> {
    async fn of(source: &'a Source) -> Self {
        let mut pages = Self { source, after: 0, limit: 16, only: None, stopped: None };
        if let Some(name) = &source.filter.name {
            match source.reader.rows_of_name(source.run.run_no, name).await {
                Ok(mut rows) => {
                    rows.reverse();
                    pages.only = Some(rows);
                }
                Err(error) => pages.stopped = Some(Stopped { after: 0, error }),
            }
        }
        pages
    }

    /// The next rows; none after the last one, and where the journal stops.
    async fn next(&mut self) -> Vec<Row> {
        if self.stopped.is_some() {
            return Vec::new();
        }
        let mut rows = Vec::new();
        let read = self.read().await;
        let read = read.unwrap_or_else(|error| {
            self.stopped = Some(Stopped { after: self.after, error });
            Vec::new()
        });
        for review in read {
            match self.source.sheet.row(&review) {
                Ok(cells) => {
                    self.after = review.row;
                    rows.push(Row { review, cells });
                }
                Err(error) => {
                    self.stopped = Some(Stopped { after: self.after, error });
                    break;
                }
            }
        }
        rows
    }

    async fn read(&mut self) -> Result<Vec<ReviewRow>, JournalError> {
        let (reader, run_no) = (&self.source.reader, self.source.run.run_no);
        if let Some(only) = &mut self.only {
            let Some(row) = only.pop() else { return Ok(Vec::new()) };
            let found = reader.review(run_no, row.saturating_sub(1), 1, None).await?;
            return Ok(found.into_iter().filter(|found| found.row == row).collect());
        }
        let rows = match reader.review(run_no, self.after, self.limit, None).await {
            // Of a page that is damaged somewhere, the rows before that can be read.
            Err(_) if self.limit > 1 => {
                self.limit = 1;
                reader.review(run_no, self.after, 1, None).await?
            }
            read => read?,
        };
        let bytes: usize = rows.iter().map(bytes).sum();
        if self.limit > 1 && !rows.is_empty() {
            let fit = PAGE_BYTES * rows.len() / bytes.max(1);
            self.limit = u32::try_from(fit).unwrap_or(MOST_ROWS).clamp(2, MOST_ROWS);
        }
        Ok(rows)
    }
}

/// About how much memory a row takes.
fn bytes(row: &ReviewRow) -> usize {
    let text = |cell: &Cell| cell.as_text().map_or(0, str::len);
    row.intent.len() + row.cells.iter().map(text).sum::<usize>()
}
