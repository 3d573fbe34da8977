//! What earlier runs of this journal know of the names of a plan.

use crate::journal::JournalError;
use crate::journal::Reader;
use crate::journal::stage::Stage;

/// Rows of an earlier run that are looked at together: enough that a statement's cost does not count, and a page of some
/// hundred kilobytes.
const PAGE: u32 = 2_000;

/// An earlier run against the same service, in one of the accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Its number.
    pub run_no: i64,
    /// Its id.
    pub run: String,
    /// Whether its manifest had the same bytes.
    pub same_manifest: bool,
}

/// Puts what `earlier` runs, the oldest first, know of the stage's names into the stage: one pass over their rows.
///
/// # Errors
/// Where the journal or the scratch database fails.
pub async fn learn(stage: &mut Stage, reader: &Reader, earlier: &[Earlier]) -> Result<(), JournalError> {
    for earlier in earlier {
        let mut after = i64::MIN;
        while let Some((last, names)) = reader.past_names(earlier.run_no, after, PAGE).await? {
            after = last;
            let among = stage.among(&names).await?;
            if among != "[]" {
                let seen = reader.past_seen(earlier.run_no, &among).await?;
                stage.put_known(&earlier.run, earlier.same_manifest, &seen).await?;
            }
        }
    }
    Ok(())
}
