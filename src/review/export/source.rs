//! One state of a run, and what an export says about itself.

use jiff::Timestamp;

use super::exported::Exported;
use super::row_filter::RowFilter;
use super::sheet::{Sheet, manifest_columns};
use crate::journal::{JournalError, Reader, RunRecord};
use crate::record::Entry;
use crate::record::checkpoint::{Checkpoint, base64};
use crate::review::as_text::cell_text;

/// The schema of what an export says about itself.
pub(super) const SCHEMA: &str = "keybatch.export/1";

/// A run as it was at one head of the journal, and which of its rows are wanted.
#[derive(Debug)]
pub struct Source {
    pub(super) reader: Reader,
    pub(super) run: RunRecord,
    pub(super) filter: RowFilter,
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
