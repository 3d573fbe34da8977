//! All that there is to report: the files are read, and the attempts that there is something to say of are named.

use std::collections::HashMap;
use std::path::PathBuf;

use super::super::code::Code;
use super::super::error::{CliError, Sent};
use super::super::exit::Exit;
use super::files::{Files, Found};
use super::missing::{Missing, missing};
use super::reading::{Reading, read};
use crate::domain::Class;
use crate::journal::{AttemptRecord, JournalError, Reader, RunRecord};
use crate::record::Entry;
use crate::record::event::{Event, Found as Seen, Source};
use crate::review::reconcile::{LoadError, MOST_FINDINGS, Reconciliation, Shown, Standing, load};
use crate::review::trail::Glancer;
use crate::session;

/// How many attempts are read at once.
const PAGE: u32 = 500;

/// All that there is to report.
pub(super) struct Report {
    pub(super) run: RunRecord,
    pub(super) found: Reconciliation,
    pub(super) read: Reading,
    pub(super) files_sha256: String,
    pub(super) missing: Vec<Missing>,
    /// The first attempts that a record contradicts, and that no record shows.
    pub(super) contradicted: Vec<Attempt>,
    pub(super) not_seen: Vec<Attempt>,
    pub(super) proven: Vec<ProvenRow>,
}

/// An attempt with what became of it.
pub(super) struct Attempt {
    pub(super) number: usize,
    pub(super) record: AttemptRecord,
    pub(super) started_at: String,
}

/// A row that a record shows to be deleted.
pub(super) struct ProvenRow {
    pub(super) row: u64,
    pub(super) attempt: u32,
    pub(super) name: String,
    pub(super) outcome: String,
    pub(super) shown: Shown,
}

/// Reads the files, and then once more the attempts, to name them.
pub(super) async fn report(places: &[PathBuf], reader: &Reader, run: RunRecord) -> Result<Report, CliError> {
    let mut join = load(reader, &run).await?;
    let files = Files::of(places);
    let mut read_so_far = Reading::default();
    let glancer = Glancer::default();
    for found in &files.found {
        match found {
            Found::File(path) => read(path, &mut join, &glancer, &mut read_so_far),
            Found::Unreadable(path, error) => read_so_far.fault(&path.to_string_lossy(), None, error.to_string()),
        }
    }
    if read_so_far.hashes.is_empty() && read_so_far.fault_count == 0 {
        return Err(CliError::new(Exit::Environment, "there is no file of CloudTrail's records to read")
            .code(Code::CloudTrail)
            .hint(
                "in folders, files that end with .json, .jsonl, .ndjson or one of these and .gz are read; name others",
            )
            .sent(Sent::Nothing));
    }
    let found = join.finish();
    let missing = missing(&found, &read_so_far, files.passed_over);
    let mut report = Report {
        run,
        found,
        files_sha256: read_so_far.all_sha256(),
        read: read_so_far,
        missing,
        contradicted: Vec::new(),
        not_seen: Vec::new(),
        proven: Vec::new(),
    };
    name(reader, &mut report).await?;
    Ok(report)
}

/// Names the attempts that there is something to say of.
async fn name(reader: &Reader, report: &mut Report) -> Result<(), CliError> {
    let proven: HashMap<usize, Shown> = report.found.proven().map(|(number, shown)| (number, shown.clone())).collect();
    let (mut contradicted, mut not_seen, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    each_attempt(reader, report, |attempt| {
        if let Some(shown) = proven.get(&attempt.number) {
            let AttemptRecord { row, attempt, name, outcome, .. } = &attempt.record;
            let outcome = outcome.as_ref().map(|(outcome, _)| outcome.clone()).unwrap_or_default();
            // A row is proven once, by its first attempt.
            if rows.last().is_none_or(|last: &ProvenRow| last.row != *row) {
                rows.push(ProvenRow {
                    row: *row,
                    attempt: *attempt,
                    name: name.clone(),
                    outcome,
                    shown: shown.clone(),
                });
            }
        }
        let list = match report.found.standing(attempt.number) {
            Standing::Contradicted => &mut contradicted,
            Standing::NotSeen => &mut not_seen,
            Standing::Confirmed | Standing::NotSent => return Ok(()),
        };
        if list.len() < MOST_FINDINGS {
            list.push(attempt);
        }
        Ok(())
    })
    .await?;
    let mut clear = Vec::new();
    for row in rows {
        if !is_still_there(reader, &report.run, row.row).await? {
            clear.push(row);
        }
    }
    (report.contradicted, report.not_seen, report.proven) = (contradicted, not_seen, clear);
    Ok(())
}

/// Whether the key pair was still there when the run last read it: then no record shows that it is deleted.
async fn is_still_there(reader: &Reader, run: &RunRecord, row: u64) -> Result<bool, CliError> {
    let mut is_there = false;
    for entry in reader.story(run.run_no, row).await? {
        let entry = Entry::parse(&entry.body).map_err(|error| JournalError::Entry(error.into()))?;
        match entry.event {
            Event::AttemptStarted(_) => is_there = false,
            Event::Observed(seen) if seen.source == Source::GetKeyPair => match seen.found {
                Seen::Same => is_there = true,
                Seen::Other | Seen::NotFound => is_there = false,
                _ => {}
            },
            _ => {}
        }
    }
    Ok(is_there)
}

/// Hands on each attempt of the run, in the order of its rows.
pub(super) async fn each_attempt(
    reader: &Reader,
    report: &Report,
    mut take: impl FnMut(Attempt) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let (mut after, mut number) = ((0, 0), 0);
    loop {
        let page = reader.attempts_of(report.run.run_no, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = (last.row, last.attempt);
        for record in page {
            if !report.found.is_of(number, &record.target.region, &record.name) {
                return Err(session::Unresolvable::WentOn { run: report.run.run }.into());
            }
            let started_at = at(&record.started);
            take(Attempt { number, record, started_at })?;
            number += 1;
        }
    }
    if number == report.found.scope.attempts {
        Ok(())
    } else {
        Err(session::Unresolvable::WentOn { run: report.run.run }.into())
    }
}

/// When an entry was written.
fn at(body: &str) -> String {
    #[derive(serde::Deserialize)]
    struct At {
        at: String,
    }
    serde_json::from_str(body).map(|At { at }| at).unwrap_or_default()
}

/// What came back for an attempt.
pub(super) fn class_of(record: &AttemptRecord) -> Option<Class> {
    #[derive(serde::Deserialize)]
    struct Finished {
        class: Class,
    }
    serde_json::from_str(record.finished.as_deref()?).ok().map(|Finished { class }| class)
}

impl From<LoadError> for CliError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Journal(error) => error.into(),
            LoadError::TooMany(error) => Self::from_error(Exit::Environment, &error),
        }
    }
}
