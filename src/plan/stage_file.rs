//! From a plan's file to the stage: the file is checked to its last byte while it is copied, and only the copy is used.

use std::collections::BTreeSet;
use std::io::BufRead;

use tokio::sync::mpsc;

use super::stage::StageError;
use crate::domain::parse_time;
use crate::journal::JournalError;
use crate::journal::stage::{Stage, StageRow};
use crate::manifest::{Faults, Ingested, secret_in};
use crate::policy::StagedRow;
use crate::record::plan::file::PlanReader;
use crate::record::plan::{PlanHeader, PlanRow, PlanSeal, Verdict};

/// Rows that go to the stage in one statement.
const BATCH: usize = 1_000;

/// Batches that may wait for the stage.
const AHEAD: usize = 2;

/// Columns that the rows of a plan may have together: far more than a manifest has, and few enough to remember.
const MOST_COLUMNS: usize = 4_096;

/// The column of the name in what is recorded of the manifest: a plan does not keep how it was spelled.
const NAME: &str = "key_pair_name";

/// A plan that was copied.
#[derive(Debug)]
pub struct StagedPlan {
    /// Its first line.
    pub header: PlanHeader,
    /// Its last line.
    pub seal: PlanSeal,
    /// What is known of its manifest.
    pub ingested: Ingested,
}

/// Copies the plan that is read from `input` into `stage`. Rows for one of these `accounts` are in targets of that account, all others
/// in those of the home account.
///
/// # Errors
/// As [`StageError`] says; what is in the stage then is void.
pub async fn stage_plan(
    stage: &mut Stage,
    input: impl BufRead + Send + 'static,
    accounts: &BTreeSet<String>,
) -> Result<StagedPlan, StageError> {
    let accounts = accounts.clone();
    let (sender, mut batches) = mpsc::channel::<Vec<StageRow>>(AHEAD);
    let reading = tokio::task::spawn_blocking(move || read(input, &accounts, &sender));
    let mut staged = Ok(());
    while let Some(batch) = batches.recv().await {
        if staged.is_ok() {
            staged = stage.put_rows(&batch).await;
        }
    }
    staged.map_err(StageError::Stage)?;
    reading.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

fn read(
    input: impl BufRead,
    accounts: &BTreeSet<String>,
    batches: &mpsc::Sender<Vec<StageRow>>,
) -> Result<StagedPlan, StageError> {
    let mut reader = PlanReader::open(input)?;
    let header = reader.header().clone();
    refuse_secrets(1, header_texts(&header))?;
    let mut columns = BTreeSet::new();
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(row) = reader.next()? {
        let line = row.row + 1;
        check(&header, &row).map_err(|what| StageError::PlanRow { line, what })?;
        refuse_secrets(line, texts(&row))?;
        for column in row.conditions.keys().chain(row.annotations.keys()) {
            if !columns.contains(column) {
                columns.insert(column.clone());
            }
        }
        if columns.len() > MOST_COLUMNS {
            let what = format!("the plan has more than {MOST_COLUMNS} columns");
            return Err(StageError::PlanRow { line, what });
        }
        batch.push(stage_row(row, accounts));
        if batch.len() == BATCH {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
            send(batches, full)?;
        }
    }
    send(batches, batch)?;
    let seal = reader.seal().cloned().ok_or(StageError::Stage(JournalError::Closed))?;
    let ingested = Ingested {
        name: header.manifest.name.clone(),
        sha256: header.manifest.sha256.clone(),
        bytes: header.manifest.bytes,
        rows: header.manifest.rows,
        invalid_rows: 0,
        columns: std::iter::once(NAME.to_owned()).chain(columns).collect(),
        near_misses: Vec::new(),
        unknown_annotations: Vec::new(),
        faults: Faults::new(&header.manifest.name),
    };
    Ok(StagedPlan { header, seal, ingested })
}

fn send(batches: &mpsc::Sender<Vec<StageRow>>, batch: Vec<StageRow>) -> Result<(), StageError> {
    batches.blocking_send(batch).map_err(|_| StageError::Stage(JournalError::Closed))
}

/// What a row of a plan must be beside its form.
fn check(header: &PlanHeader, row: &PlanRow) -> Result<(), String> {
    if !header.callers.iter().any(|caller| caller.account == row.account) {
        return Err(format!("the row is for account {}, which the header does not name", row.account));
    }
    if row.verdict != Verdict::Skip && !crate::manifest::is_key_pair_name(&row.name) {
        return Err("the row names no key pair".to_owned());
    }
    if row.verdict == Verdict::Delete && !row.observation.as_ref().is_some_and(|seen| seen.identity().is_known()) {
        return Err("the row does not say which key pair is to be deleted".to_owned());
    }
    let created = row.conditions.get("created_at");
    if created.is_some_and(|text| crate::manifest::moment(text).is_none()) {
        return Err("its condition created_at is no time".to_owned());
    }
    let seen = row.observation.as_ref().and_then(|seen| seen.created_at.as_deref());
    if seen.is_some_and(|text| parse_time(text).is_none()) {
        return Err("the creation time in its observation is not a valid time".to_owned());
    }
    Ok(())
}

fn texts(row: &PlanRow) -> impl Iterator<Item = &str> {
    let cells = row.conditions.iter().chain(&row.annotations).flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    let said = [row.reason.as_deref(), row.ticket.as_deref(), Some(row.name.as_str())].into_iter().flatten();
    cells.chain(said).chain(row.notes.iter().map(|note| note.text.as_str()))
}

fn header_texts(header: &PlanHeader) -> impl Iterator<Item = &str> {
    let said = [header.reason.as_deref(), header.ticket.as_deref()].into_iter().flatten();
    said.chain(header.settings.values().map(String::as_str))
}

/// The journal keeps everything forever: a plan that was made by another program is not trusted to be free of secrets.
fn refuse_secrets<'a>(line: u64, mut texts: impl Iterator<Item = &'a str>) -> Result<(), StageError> {
    match texts.find_map(secret_in) {
        None => Ok(()),
        Some(secret) => Err(StageError::PlanRow { line, what: format!("it contains {secret}") }),
    }
}

fn stage_row(row: PlanRow, accounts: &BTreeSet<String>) -> StageRow {
    let (number, named) = (row.row, Some(row.account.clone()));
    let account = named.clone().filter(|account| accounts.contains(account)).unwrap_or_default();
    // A row that is skipped is not looked at: it has no name to be joined with anything.
    let (region, name) = match row.verdict {
        Verdict::Skip => Default::default(),
        Verdict::Delete | Verdict::Absent => (row.region.clone(), row.name.clone()),
    };
    let conditions = &row.conditions;
    let staged = StagedRow {
        line: row.line,
        account: named.clone(),
        arn: conditions.get("arn").cloned(),
        created_at: conditions.get("created_at").and_then(|text| crate::manifest::moment(text)),
        conditions: conditions.clone(),
        planned: Some(Box::new(row)),
        ..StagedRow::default()
    };
    let body = serde_json::to_string(&staged).unwrap_or_default();
    StageRow { row: number, account, region, name, named, body }
}
