//! From an earlier run to the stage: those of its rows that had one of some outcomes, as the run's plan has them. No file is read.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::domain::{DEFAULT_KEY_PAIR, Retriable};
use crate::journal::stage::{Stage, StageRow};
use crate::journal::{JournalError, Reader, ReviewRow, RunRecord};
use crate::manifest::{Faults, Ingested};
use crate::policy::guard::INVALID_ROW;
use crate::policy::{Before, StagedRow};
use crate::record::Entry;
use crate::record::event::{Event, ManifestIngested};
use crate::record::plan::{PlanObservation, PlanRow};

/// Rows that are read and staged at once.
const PAGE: u32 = 1_000;

/// The rules that these rows may call for, as the command line lifts them.
#[derive(Debug, Clone, Copy)]
pub struct Lifted {
    /// Whether invalid rows are skipped once more.
    pub skip_invalid: bool,
    /// Whether rows may name the default key pair.
    pub allow_default_key_pair: bool,
}

/// The rows that were staged.
#[derive(Debug)]
pub struct StagedRows {
    /// What is known of their manifest, of which these rows alone count.
    pub ingested: Ingested,
    /// How many had each of the outcomes.
    pub counts: BTreeMap<Retriable, u64>,
}

/// Rows that could not be staged.
#[derive(Debug, thiserror::Error)]
pub enum StageRowsError {
    /// A row calls for a rule to be lifted that is not.
    #[error("row {row} of run {run}, {name:?}, {what}")]
    Needs {
        /// The run.
        run: String,
        /// The row.
        row: u64,
        /// What it has in the name's column.
        name: String,
        /// Why.
        what: &'static str,
        /// The flag that lifts it.
        flag: &'static str,
    },
    /// The journal or the scratch database failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Stages the rows of this run that have one of these outcomes now. Those for one of these `accounts` are in targets of that account, all
/// others in those of the home account.
///
/// # Errors
/// As [`StageRowsError`] says; what is in the stage then is void.
pub async fn stage_rows(
    stage: &mut Stage,
    reader: &Reader,
    run: &RunRecord,
    only: &BTreeSet<Retriable>,
    (accounts, lifted): (&BTreeSet<String>, Lifted),
) -> Result<StagedRows, StageRowsError> {
    let mut selected = Selected::new(reader, run, only);
    let (mut number, mut counts) = (0, BTreeMap::new());
    loop {
        let mut batch = Vec::new();
        while batch.len() < PAGE as usize
            && let Some((outcome, row)) = selected.next().await?
        {
            number += 1;
            *counts.entry(outcome).or_default() += 1;
            batch.push(stage_row(number, line_of(&row)?, &run.run.to_string(), (accounts, lifted))?);
        }
        if batch.is_empty() {
            break;
        }
        stage.put_rows(&batch).await?;
    }
    Ok(StagedRows { ingested: Ingested { rows: number, ..manifest_of(reader, run).await? }, counts })
}

/// What is known of the run's manifest.
async fn manifest_of(reader: &Reader, run: &RunRecord) -> Result<Ingested, JournalError> {
    let missing = || JournalError::damaged(format!("run {} has no manifest", run.run));
    let Event::ManifestIngested(read) = reader.entry(run.manifest_seq.ok_or_else(missing)?).await?.event else {
        return Err(missing());
    };
    let ManifestIngested { name, sha256, bytes, rows, columns } = read;
    let faults = Faults::new(&name);
    Ok(Ingested {
        name,
        sha256,
        bytes,
        rows,
        invalid_rows: 0,
        columns,
        near_misses: Vec::new(),
        unknown_annotations: Vec::new(),
        faults,
    })
}

fn line_of(row: &ReviewRow) -> Result<PlanRow, JournalError> {
    let entry = Entry::parse(&row.intent).map_err(|error| JournalError::Entry(error.into()))?;
    match entry.event {
        Event::IntentRecorded(intent) => Ok(intent.line),
        _ => Err(JournalError::damaged(format!("entry {} is no intent", entry.seq))),
    }
}

fn stage_row(
    number: u64,
    line: PlanRow,
    run: &str,
    (accounts, lifted): (&BTreeSet<String>, Lifted),
) -> Result<StageRow, StageRowsError> {
    let faults: Vec<_> =
        line.notes.iter().filter(|note| note.kind == INVALID_ROW).map(|note| note.text.clone()).collect();
    let (is_valid, row) = (faults.is_empty(), line.row);
    let needs = |what, flag| StageRowsError::Needs { run: run.to_owned(), row, name: line.name.clone(), what, flag };
    if !is_valid && !lifted.skip_invalid {
        return Err(needs("is invalid", "--skip-invalid"));
    }
    if is_valid && line.name == DEFAULT_KEY_PAIR && !lifted.allow_default_key_pair {
        return Err(needs("names the default key pair", "--allow-default-key-pair"));
    }
    let named = line.conditions.get("account_id").cloned();
    let account = Some(line.account).filter(|account| accounts.contains(account)).unwrap_or_default();
    let identity = line.observation.as_ref().map(PlanObservation::identity);
    let body = StagedRow {
        line: line.line,
        name: (!is_valid).then(|| line.name.clone()),
        account: named.clone().filter(|_| is_valid),
        arn: line.conditions.get("arn").cloned(),
        created_at: line.conditions.get("created_at").and_then(|text| crate::manifest::moment(text)),
        conditions: line.conditions,
        reason: line.reason,
        ticket: line.ticket,
        annotations: line.annotations,
        faults,
        before: Some(Box::new(Before { run: run.to_owned(), identity })),
        ..StagedRow::default()
    };
    let body = serde_json::to_string(&body).unwrap_or_default();
    // An invalid row is staged without name and region: it is not looked at.
    let (region, name) = if is_valid { (line.region, line.name) } else { Default::default() };
    Ok(StageRow { row: number, account, region, name, named: named.filter(|_| is_valid), body })
}

/// The rows of a run that have one of some outcomes, in the order of their numbers. Holds a page of each outcome.
struct Selected<'a> {
    reader: &'a Reader,
    run_no: i64,
    of: Vec<OfOutcome>,
}

/// Those with one outcome.
struct OfOutcome {
    outcome: Retriable,
    page: VecDeque<ReviewRow>,
    /// The last row that was read.
    after: u64,
    is_over: bool,
}

impl<'a> Selected<'a> {
    fn new(reader: &'a Reader, run: &RunRecord, only: &BTreeSet<Retriable>) -> Self {
        let of = |outcome: &Retriable| OfOutcome { outcome: *outcome, page: VecDeque::new(), after: 0, is_over: false };
        Self { reader, run_no: run.run_no, of: only.iter().map(of).collect() }
    }

    async fn next(&mut self) -> Result<Option<(Retriable, ReviewRow)>, JournalError> {
        for of in self.of.iter_mut().filter(|of| of.page.is_empty() && !of.is_over) {
            let page = self.reader.review(self.run_no, of.after, PAGE, Some(of.outcome.as_str())).await?;
            of.is_over = page.is_empty();
            of.after = page.last().map_or(of.after, |last| last.row);
            of.page.extend(page);
        }
        let first = self.of.iter_mut().filter(|of| !of.page.is_empty());
        let first = first.min_by_key(|of| of.page.front().map(|row| row.row));
        Ok(first.and_then(|of| Some((of.outcome, of.page.pop_front()?))))
    }
}
