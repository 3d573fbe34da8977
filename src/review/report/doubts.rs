//! Rows that a person must look at: those whose outcome the journal cannot show.

use super::facts::Doubt;
use crate::domain::OutcomeCounts;
use crate::journal::{Cell, JournalError, Reader, RunRecord};
use crate::review::{Given, story};

/// How many rows of each outcome are told in full.
const TOLD: u32 = 50;

/// Those first that ask most of a person. What is `gone` is settled; only who did it is not shown.
const OF: [&str; 3] = ["in_doubt", "unsettled", "gone"];

/// The rows, and how many more there are than are told.
pub(super) async fn doubts(
    reader: &Reader,
    run: &RunRecord,
    counts: &OutcomeCounts,
) -> Result<(Vec<Doubt>, u64), JournalError> {
    let names = reader.review_columns().await?;
    let detail = names.iter().position(|name| name == "detail");
    let (mut told, mut more) = (Vec::new(), 0);
    for outcome in OF.into_iter().filter(|outcome| counts.of(outcome) > 0) {
        let rows = reader.review(run.run_no, 0, TOLD, Some(outcome)).await?;
        more += counts.of(outcome).saturating_sub(rows.len() as u64);
        for row in rows {
            let cell = detail.and_then(|index| row.cells.get(index)).and_then(Cell::as_text);
            told.push(Doubt {
                outcome: outcome.to_owned(),
                detail: cell.map(str::to_owned),
                story: story(reader, run, row.row, &Given::default()).await?,
            });
        }
    }
    Ok((told, more))
}
