//! From the manifest to the stage: every row is read once, validated, and kept on disk until the inventory is there.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use tokio::sync::mpsc;

use crate::journal::JournalError;
use crate::journal::stage::{Stage, StageRow};
use crate::manifest::{self, Claim, Duplicate, Fault, Faults, Ingested, Item, Meaning, ReadError, Row, RowPlace};
use crate::policy::StagedRow;
use crate::record::plan::file::PlanFault;

/// Rows that go to the stage in one statement.
const BATCH: usize = 1_000;

/// Batches that may wait for the stage: the reader is ahead of it by so many at most.
const AHEAD: usize = 2;

/// Pairs of rows that are compared at once.
const TWINS_PAGE: u32 = 500;

/// A manifest that could not be staged.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// It cannot be read.
    #[error("{name} cannot be read: {reason}")]
    Input {
        /// The file.
        name: String,
        /// The operating system's reason.
        reason: String,
    },
    /// It is refused, with everything that is wrong with it, and what is known of it where it was read to its end.
    #[error("{}", .0.summary())]
    Refused(Box<Faults>, Option<Box<Ingested>>),
    /// It is no plan, or not the one that was sealed.
    #[error("the plan is refused: {0}")]
    Plan(#[from] PlanFault),
    /// The plan says something that no plan of keybatch says.
    #[error("line {line} of the plan is refused: {what}")]
    PlanRow {
        /// The line of the file.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// The scratch database failed.
    #[error("the manifest's rows cannot be staged")]
    Stage(#[source] JournalError),
}

/// Reads `input` into `stage`. With `skip_invalid`, invalid rows are staged with what is wrong with them. If the configuration
/// says how `accounts` are reached, rows are in targets of the account that they name, whichever that is; otherwise each is in one of
/// the home account.
///
/// # Errors
/// As [`StageError`] says; what is in the stage then is void.
pub async fn stage_manifest(
    stage: &mut Stage,
    name: &str,
    input: impl Read + Send + 'static,
    options: manifest::Options,
    (skip_invalid, accounts): (bool, &BTreeSet<String>),
) -> Result<Ingested, StageError> {
    let (sender, mut batches) = mpsc::channel::<Vec<StageRow>>(AHEAD);
    let (file, accounts) = (name.to_owned(), accounts.clone());
    let reading = tokio::task::spawn_blocking(move || read(&file, input, &options, &accounts, &sender));
    let mut staged = Ok(());
    while let Some(batch) = batches.recv().await {
        if staged.is_ok() {
            staged = stage.put_rows(&batch).await;
        }
    }
    staged.map_err(StageError::Stage)?;
    let ingested = match reading.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())) {
        Ok(ingested) => ingested,
        Err(ReadError::Refused(faults)) => return Err(StageError::Refused(Box::new(faults), None)),
        Err(ReadError::Input { source, .. }) => {
            return Err(StageError::Input { name: name.to_owned(), reason: source.to_string() });
        }
        Err(ReadError::Sink(Gone)) => return Err(StageError::Stage(JournalError::Closed)),
    };
    if !skip_invalid && !ingested.faults.is_empty() {
        return Err(StageError::Refused(Box::new(ingested.faults.clone()), Some(Box::new(ingested))));
    }
    Ok(ingested)
}

/// The stage is gone.
#[derive(Debug)]
struct Gone;

fn read(
    name: &str,
    input: impl Read,
    options: &manifest::Options,
    accounts: &BTreeSet<String>,
    batches: &mpsc::Sender<Vec<StageRow>>,
) -> Result<Ingested, ReadError<Gone>> {
    let mut batch = Vec::with_capacity(BATCH);
    let ingested = manifest::read(name, input, options, |item| {
        batch.push(stage_row(item, accounts));
        if batch.len() == BATCH {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
            return batches.blocking_send(full).map_err(|_| Gone);
        }
        Ok(())
    })?;
    batches.blocking_send(batch).map_err(|_| ReadError::Sink(Gone))?;
    Ok(ingested)
}

fn stage_row(item: Item, accounts: &BTreeSet<String>) -> StageRow {
    match item {
        Item::Row(row) => {
            let (number, region, name) = (row.place.row, row.region().unwrap_or_default().to_owned(), row.name.clone());
            let staged = staged(row);
            let body = json(&staged);
            let named = staged.account;
            let account = named.clone().filter(|_| !accounts.is_empty()).unwrap_or_default();
            StageRow { row: number, account, region, name, named, body }
        }
        Item::Invalid(invalid) => {
            let mut cells: BTreeMap<_, _> =
                invalid.cells.into_iter().filter_map(|(meaning, value)| cell(meaning, &value)).collect();
            let staged = StagedRow {
                line: invalid.place.line,
                extent: (invalid.place.start, invalid.place.end),
                name: invalid.name,
                reason: cells.remove(Meaning::Reason.spellings()[0]),
                ticket: cells.remove(Meaning::Ticket.spellings()[0]),
                conditions: cells,
                annotations: annotations(invalid.annotations),
                faults: invalid.faults.iter().map(|kind| format!("{}: {kind}", kind.code())).collect(),
                ..StagedRow::default()
            };
            // Staged without name and region: it cannot be a duplicate, and no request goes to its region.
            StageRow {
                row: invalid.place.row,
                account: String::new(),
                region: String::new(),
                name: String::new(),
                named: None,
                body: json(&staged),
            }
        }
    }
}

/// A cell that is not empty, by the canonical name of its column.
fn cell(meaning: Meaning, value: &str) -> Option<(String, String)> {
    let name = meaning.spellings().first()?;
    (!value.is_empty()).then(|| ((*name).to_owned(), value.to_owned()))
}

/// The annotations that say something. An empty one is kept where its column is called like one with a meaning, so that
/// an export does not take the other column's value for it.
fn annotations(annotations: Vec<(String, String)>) -> BTreeMap<String, String> {
    annotations.into_iter().filter(|(column, value)| !value.is_empty() || Meaning::of(column).is_some()).collect()
}

fn json(staged: &StagedRow) -> String {
    serde_json::to_string(staged).unwrap_or_default()
}

fn staged(row: Row) -> StagedRow {
    let account = row.account_id().map(str::to_owned);
    let conditions = [
        (Meaning::ExpectedFingerprint, row.expected_fingerprint.as_ref()),
        (Meaning::Region, row.region.as_ref()),
        (Meaning::AccountId, row.account_id.as_ref()),
        (Meaning::Arn, row.arn.as_ref().map(|arn| &arn.text)),
        (Meaning::CreatedAt, row.created_at.as_ref().map(|created| &created.text)),
    ];
    let conditions = conditions.into_iter().filter_map(|(meaning, value)| cell(meaning, value?)).collect();
    StagedRow {
        line: row.place.line,
        extent: (row.place.start, row.place.end),
        name: None,
        account,
        arn: row.arn.map(|arn| arn.text),
        created_at: row.created_at.map(|created| created.at),
        conditions,
        reason: row.reason.filter(|text| !text.is_empty()),
        ticket: row.ticket.filter(|text| !text.is_empty()),
        annotations: annotations(row.annotations),
        differs: Vec::new(),
        faults: Vec::new(),
        before: None,
        planned: None,
    }
}

/// Compares all rows that name the same key pair. Contradicting ones are a fault each, or, with `skip_invalid`, make
/// both rows invalid: which of them was meant is not for a program to guess.
///
/// # Errors
/// Where the scratch database fails.
pub async fn compare_twins(stage: &mut Stage, file: &str, skip_invalid: bool) -> Result<Faults, JournalError> {
    let mut faults = Faults::new(file);
    let mut after = 0;
    loop {
        let page = stage.twins(after, TWINS_PAGE).await?;
        let Some(last) = page.last() else { return Ok(faults) };
        after = last.later.0;
        for twins in page {
            let (Some(first), Some(later)) = (parse(&twins.first.1), parse(&twins.later.1)) else { continue };
            if !first.faults.is_empty() || !later.faults.is_empty() {
                continue;
            }
            let Duplicate::Contradicting(differing) = claim(&first, &twins.name).compare(&claim(&later, &twins.name))
            else {
                note_difference(stage, &first, twins.later.0, later).await?;
                continue;
            };
            if skip_invalid {
                let text = format!("manifest::contradiction: differs from another row of this name in {differing:?}");
                for ((row, _), mut staged) in [(twins.first, first), (twins.later, later)] {
                    staged.faults.push(text.clone());
                    stage.replace(row, &json(&staged)).await?;
                }
                continue;
            }
            let (first, later) = (place(twins.first.0, &first), place(twins.later.0, &later));
            faults.push(Fault::contradiction(file, &twins.name, first, later, differing));
        }
    }
}

/// A row that asks for the same deletion for another reason, or with other annotations, is no exact duplicate.
async fn note_difference(
    stage: &mut Stage,
    first: &StagedRow,
    row: u64,
    mut later: StagedRow,
) -> Result<(), JournalError> {
    let columns = |staged: &StagedRow| -> std::collections::BTreeMap<String, String> {
        let said = [("reason", &staged.reason), ("ticket", &staged.ticket)].into_iter();
        let said = said.filter_map(|(name, text)| Some((name.to_owned(), text.clone()?)));
        said.chain(staged.annotations.clone()).collect()
    };
    let (one, other) = (columns(first), columns(&later));
    let names: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
    later.differs = names.into_iter().filter(|name| one.get(*name) != other.get(*name)).cloned().collect();
    if later.differs.is_empty() { Ok(()) } else { stage.replace(row, &json(&later)).await }
}

/// Reads what was staged of a row.
fn parse(body: &str) -> Option<StagedRow> {
    serde_json::from_str(body).ok()
}

fn claim<'a>(staged: &'a StagedRow, name: &'a str) -> Claim<'a> {
    Claim {
        name,
        // Rows are twins only within a target, wherever that was written.
        region: None,
        account_id: staged.account.as_deref(),
        expected_fingerprint: staged.expected_fingerprint(),
        arn: staged.arn.as_deref(),
        created_at: staged.created_at,
    }
}

fn place(row: u64, staged: &StagedRow) -> RowPlace {
    RowPlace { row, line: staged.line, start: staged.extent.0, end: staged.extent.1 }
}
