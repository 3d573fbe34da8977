//! The story of one key pair, from its entries alone.

use serde::Serialize;

use super::look_for::{LookFor, Told, look_for};
use super::one_line::{one_line, particulars};
use super::suggested::Given;
use crate::domain::{Evidence, OF, Outcome, time_text};
use crate::journal::JournalError;
use crate::journal::{Reader, RunRecord};
use crate::record::Entry;
use crate::record::event::Event;
use crate::record::plan::PlanRow;

/// What happened to a row, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Story {
    /// `keybatch.story/1`.
    pub schema: &'static str,
    /// The run.
    pub run: String,
    /// Whether it was a rehearsal.
    pub sandbox: bool,
    /// The row.
    pub row: u64,
    /// The key pair's name as the manifest gives it.
    pub key_pair_name: Option<String>,
    /// Its outcome, once it has one.
    pub outcome: Option<String>,
    /// The same.
    #[serde(skip)]
    counts_as: Option<Outcome>,
    /// What that rests on.
    pub evidence: Option<String>,
    /// The outcome that the run itself determined: another one where a person or CloudTrail's record said more since.
    pub settled_outcome: Option<String>,
    /// Who said so, if anybody did.
    pub resolved_by: Option<String>,
    /// The row of an earlier run that it is, where the run plans such rows again.
    pub of: Option<OfRow>,
    /// What a person should look for, where the journal does not show what became of it.
    pub look_for: Option<LookFor>,
    /// Its entries.
    pub chapters: Vec<Chapter>,
}

/// A row of an earlier run that a run plans again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OfRow {
    /// That run.
    pub run: String,
    /// The row's number there.
    pub row: u64,
}

/// The row of the earlier run that this line is about, where its run plans such rows again: the one of the same key pair on the same
/// line of the manifest.
async fn of_row(reader: &Reader, run: &RunRecord, line: &PlanRow) -> Result<Option<OfRow>, JournalError> {
    let Event::SessionOpened(opened) = reader.entry(run.number()).await?.event else { return Ok(None) };
    let Some(of) = opened.settings.get(OF) else { return Ok(None) };
    let runs = reader.runs().await?;
    let Some(earlier) = runs.iter().find(|earlier| earlier.run.to_string() == *of) else { return Ok(None) };
    for row in reader.rows_of_name(earlier.run_no, &line.name).await? {
        let Some(first) = reader.story(earlier.run_no, row).await?.into_iter().next() else { continue };
        if let Ok(Entry { event: Event::IntentRecorded(intent), .. }) = Entry::parse(&first.body)
            && (intent.line.line, &intent.line.account, &intent.line.region) == (line.line, &line.account, &line.region)
        {
            return Ok(Some(OfRow { run: of.clone(), row }));
        }
    }
    Ok(None)
}

/// An entry of the story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Chapter {
    /// Its number.
    pub seq: u64,
    /// When it was written.
    pub at: Option<String>,
    /// Its kind.
    pub kind: &'static str,
    /// One line.
    pub gist: String,
    /// More: (label, value).
    pub particulars: Vec<(&'static str, String)>,
    /// The body as it is stored.
    #[serde(skip)]
    pub body: String,
}

/// A word that names no row of a run.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// No row has this number or name.
    #[error("the run has no row {wanted:?}")]
    Unknown {
        /// As given.
        wanted: String,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What a word is that says so itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exact {
    Name,
    Row,
}

/// The rows that `wanted` names: a row's number, or a key pair's name. A name that consists of digits is meant where
/// a row has it and no row has that number; `name:` and `row:` before it leave no choice.
///
/// # Errors
/// Where there is none.
pub async fn rows(reader: &Reader, run: &RunRecord, wanted: &str) -> Result<Vec<u64>, RowError> {
    let (wanted, exact) = match wanted.split_once(':') {
        Some(("name", name)) => (name, Some(Exact::Name)),
        Some(("row", row)) => (row, Some(Exact::Row)),
        _ => (wanted, None),
    };
    if exact != Some(Exact::Name)
        && let Ok(row) = wanted.parse::<u64>()
        && !reader.story(run.run_no, row).await?.is_empty()
    {
        return Ok(vec![row]);
    }
    let rows = match exact {
        Some(Exact::Row) => Vec::new(),
        _ => reader.rows_of_name(run.run_no, wanted).await?,
    };
    if rows.is_empty() { Err(RowError::Unknown { wanted: wanted.to_owned() }) } else { Ok(rows) }
}

/// The story of a row. An entry that cannot be read is shown as such. Commands that it suggests repeat what was `given`.
///
/// # Errors
/// Where the journal cannot be read.
pub async fn story(reader: &Reader, run: &RunRecord, row: u64, given: &Given) -> Result<Story, JournalError> {
    let entries = reader.story(run.run_no, row).await?;
    let mut story = Story {
        schema: "keybatch.story/1",
        run: run.run.to_string(),
        sandbox: run.sandbox,
        row,
        key_pair_name: None,
        outcome: None,
        counts_as: None,
        evidence: None,
        settled_outcome: None,
        resolved_by: None,
        of: None,
        look_for: None,
        chapters: Vec::with_capacity(entries.len()),
    };
    let (mut read, mut line) = (Vec::with_capacity(entries.len()), None);
    for stored in entries {
        let chapter = match Entry::parse(&stored.body) {
            Ok(entry) => {
                story.learn(&entry.event);
                let chapter = Chapter {
                    seq: stored.seq,
                    at: Some(time_text(entry.at)),
                    kind: entry.event.kind(),
                    gist: one_line(&entry),
                    particulars: particulars(&entry.event),
                    body: stored.body,
                };
                if let Event::IntentRecorded(intent) = &entry.event {
                    line = Some(intent.line.clone());
                }
                read.push(entry);
                chapter
            }
            Err(error) => Chapter {
                seq: stored.seq,
                at: None,
                kind: "unreadable",
                gist: error.to_string(),
                particulars: Vec::new(),
                body: stored.body,
            },
        };
        story.chapters.push(chapter);
    }
    let outcome = story.counts_as;
    story.look_for = look_for(reader, run, Told { row, entries: &read, outcome }, given).await?;
    if let Some(line) = line {
        story.of = of_row(reader, run, &line).await?;
    }
    Ok(story)
}

impl Story {
    fn learn(&mut self, event: &Event) {
        match event {
            Event::IntentRecorded(intent) => self.key_pair_name = Some(intent.line.name.clone()),
            Event::RowSettled(settled) => self.settle(settled.outcome, settled.evidence),
            Event::AttemptFinished(finished) => {
                if let Some((outcome, evidence)) = finished.settled() {
                    self.settle(outcome, evidence);
                }
            }
            Event::RowResolved(told) => {
                self.count_as(told.outcome, told.evidence);
                self.resolved_by = Some(told.by.clone());
            }
            _ => {}
        }
    }

    fn settle(&mut self, outcome: Outcome, evidence: Evidence) {
        self.count_as(outcome, evidence);
        self.settled_outcome.clone_from(&self.outcome);
    }

    fn count_as(&mut self, outcome: Outcome, evidence: Evidence) {
        self.counts_as = Some(outcome);
        self.outcome = Some(outcome.as_str().to_owned());
        self.evidence = Some(evidence.as_str().to_owned());
    }
}
