//! One state of a run, read page by page.

use jiff::Timestamp;

use super::row_filter::RowFilter;
use super::sheet::{Sheet, manifest_columns};
use super::sink::{ExportError, Exported, Row, Sink, Stopped};
use crate::journal::{Cell, JournalError, Reader, ReviewRow, RunRecord};
use crate::record::Entry;
use crate::record::checkpoint::{Checkpoint, base64};
use crate::review::as_text::cell_text;

/// The schema of what an export says about itself.
pub(super) const SCHEMA: &str = "keybatch.export/1";

/// The most rows of a page.
const MOST_ROWS: u32 = 1_000;

/// How many bytes a page is meant to have: rows may be a megabyte long.
const PAGE_BYTES: usize = 2 * 1024 * 1024;

/// A run as it was at one head of the journal, and which of its rows are wanted.
#[derive(Debug)]
pub struct Source {
    reader: Reader,
    run: RunRecord,
    filter: RowFilter,
    /// The names of the columns of the view `intents`.
    pub(super) names: Vec<String>,
    pub(super) sheet: Sheet,
    /// The head, as a checkpoint; none if it cannot be read.
    pub checkpoint: Option<Checkpoint>,
    /// When the head's last entry was written.
    pub(super) at: Option<Timestamp>,
    program: String,
    /// What the view `runs` says of the run.
    pub(super) run_facts: Vec<(String, Option<String>)>,
}

impl Source {
    /// The rows of `run` that `filter` takes. The caller has the reader hold still. `program` is the version of keybatch.
    ///
    /// # Errors
    /// If the journal cannot be read at all.
    pub async fn of(reader: &Reader, run: &RunRecord, filter: RowFilter, program: &str) -> Result<Self, JournalError> {
        let names = reader.review_columns().await?;
        let columns = match run.manifest_seq {
            Some(seq) => reader.entry(seq).await.map(|entry| manifest_columns(entry.event)),
            None => Ok(Vec::new()),
        };
        // Without them, rows still have all that the journal says of them.
        let columns = columns.unwrap_or_default();
        let (checkpoint, at) = head(reader).await;
        Ok(Self {
            sheet: Sheet::new(&names, columns, run),
            run_facts: run_facts(reader, run).await.unwrap_or_default(),
            reader: reader.clone(),
            run: run.clone(),
            filter,
            names,
            checkpoint,
            at,
            program: program.to_owned(),
        })
    }

    /// What the export says about itself.
    pub(super) fn about(&self) -> Vec<(String, String)> {
        let mut about = vec![
            ("schema", SCHEMA.to_owned()),
            ("keybatch", self.program.clone()),
            ("run_id", self.run.run.to_string()),
            ("sandbox", self.run.sandbox.to_string()),
        ];
        if let Some(head) = &self.checkpoint {
            about.push(("origin", format!("keybatch/{}", head.journal_id)));
            about.push(("size", head.size.to_string()));
            about.push(("root", base64(&head.root)));
        }
        let filters = self.filter.words();
        let mut about: Vec<_> = about.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        about.extend(filters.into_iter().map(|(name, value)| (format!("filter_{name}"), value)));
        about
    }

    /// The same with what is known at the end.
    pub(super) fn about_all(&self, exported: &Exported) -> Vec<(String, String)> {
        let mut about = self.about();
        about.push(("rows".to_owned(), exported.rows.to_string()));
        about.push(("complete".to_owned(), exported.stopped.is_none().to_string()));
        if let Some(stopped) = &exported.stopped {
            about.push(("stopped_after_row".to_owned(), stopped.after.to_string()));
        }
        about
    }
}

/// The head, and when its last entry was written, as far as they can be read.
async fn head(reader: &Reader) -> (Option<Checkpoint>, Option<Timestamp>) {
    let Ok((size, root)) = reader.head().await else { return (None, None) };
    let id = reader.journal_id().await.ok().flatten().unwrap_or_default();
    let checkpoint = Checkpoint::of(&id, size, &root).filter(|_| size > 0 && !id.is_empty());
    let last = match size.checked_sub(1) {
        Some(seq) => reader.stored(seq).await.ok(),
        None => None,
    };
    (checkpoint, last.and_then(|last| Entry::parse(&last.body).ok()).map(|entry| entry.at))
}

async fn run_facts(reader: &Reader, run: &RunRecord) -> Result<Vec<(String, Option<String>)>, JournalError> {
    let (names, rows) = reader.runs_view().await?;
    let id = run.run.to_string();
    let own = rows.into_iter().find(|row| row.iter().any(|cell| cell.as_text() == Some(&id)));
    Ok(names.into_iter().zip(own.unwrap_or_default()).map(|(name, cell)| (name, cell_text(&cell))).collect())
}

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
