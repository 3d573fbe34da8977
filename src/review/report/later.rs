//! What was signed, and what was said of the run after it had left its rows.

use super::facts::{PlanSignature, Reconciliation, Resolution};
use crate::domain::{Evidence, time_text};
use crate::journal::{EntryFilter, JournalError, Reader, RunRecord};
use crate::record::Entry;
use crate::record::event::Event;
use crate::review::milestones::entries;

/// How many of what was said of rows is listed.
const LISTED: usize = 1_000;

/// How many such entries are read at once.
const PAGE: u32 = 1_000;

/// The signatures by who made the plan and by who ran it. Whether they hold is not judged here.
pub(super) async fn signatures(reader: &Reader, run: &RunRecord) -> Result<Vec<PlanSignature>, JournalError> {
    let signed = entries(reader, run, "plan_signed").await?;
    let signature = |entry: Entry| match entry.event {
        Event::PlanSigned(signed) => Some(PlanSignature {
            at: time_text(entry.at),
            role: signed.role,
            key: signed.key,
            plan_root: signed.plan_root,
        }),
        _ => None,
    };
    Ok(signed.into_iter().filter_map(signature).collect())
}

/// What was said of rows, in order, and how many times more than is listed.
pub(super) async fn resolutions(reader: &Reader, run: &RunRecord) -> Result<(Vec<Resolution>, u64), JournalError> {
    let kind = Some("row_resolved".to_owned());
    let filter = EntryFilter { run: Some(run.run_no), kind, ..EntryFilter::default() };
    let (mut listed, mut more) = (Vec::new(), 0);
    let Some(mut next) = reader.resolved_after(run.run_no).await? else { return Ok((listed, more)) };
    loop {
        let page = reader.matching(&filter, next, PAGE).await?;
        let Some(last) = page.last() else { return Ok((listed, more)) };
        next = last.seq + 1;
        for found in page {
            if listed.len() >= LISTED {
                more += 1;
                continue;
            }
            listed.extend(resolution(Entry::parse(&found.body).map_err(|error| JournalError::Entry(error.into()))?));
        }
    }
}

fn resolution(entry: Entry) -> Option<Resolution> {
    let (row, Event::RowResolved(said)) = (entry.row?, entry.event) else { return None };
    Some(Resolution {
        row,
        at: time_text(entry.at),
        by: said.by,
        command: if said.evidence == Evidence::Cloudtrail { "reconcile" } else { "resolve" },
        outcome: said.outcome.as_str().to_owned(),
        because: said.because,
        event_id: said.event_id,
    })
}

/// Each time records of CloudTrail were compared with the run.
pub(super) async fn reconciliations(reader: &Reader, run: &RunRecord) -> Result<Vec<Reconciliation>, JournalError> {
    let made = entries(reader, run, "reconciled").await?;
    let reconciliation = |entry: Entry| match entry.event {
        Event::Reconciled(found) => Some(Reconciliation {
            at: time_text(entry.at),
            by: found.by,
            from: found.from,
            until: found.until,
            files: found.file_count,
            files_sha256: found.files_sha256,
            events: found.events,
            unreadable: found.unreadable,
            attempts: found.attempts,
            unexplained: found.unexplained,
            resolves: found.resolves,
        }),
        _ => None,
    };
    Ok(made.into_iter().filter_map(reconciliation).collect())
}
