//! The entries of one kind that say something of a run as a whole.

use crate::journal::{JournalError, Reader, RunRecord};
use crate::record::Entry;

/// The run's entries of one kind.
pub(super) async fn entries(reader: &Reader, run: &RunRecord, kind: &str) -> Result<Vec<Entry>, JournalError> {
    let stored = reader.milestones_of(run.run_no, kind).await?;
    stored.iter().map(|stored| Entry::parse(&stored.body).map_err(|error| JournalError::Entry(error.into()))).collect()
}
