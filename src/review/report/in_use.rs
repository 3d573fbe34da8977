//! Key pairs whose public key instances may keep, as the plan's inventory knew them.

use super::facts::InUse;
use crate::journal::{JournalError, Reader, RunRecord};
use crate::review::still_using::pairs_in_use;

/// How many rows are listed.
const LISTED: usize = 1_000;

/// The rows, and how many more there are than are listed.
pub(super) async fn in_use(reader: &Reader, run: &RunRecord) -> Result<(Vec<InUse>, u64), JournalError> {
    let (pairs, more) = pairs_in_use(reader, run, LISTED).await?;
    let one = pairs.into_iter().map(|pair| InUse {
        row: pair.row,
        key_pair_name: pair.name,
        account: pair.target.account,
        region: pair.target.region,
        outcome: pair.outcome.as_str().to_owned(),
        instances: pair.in_use.unwrap_or_default(),
        created_at: pair.created_at,
        fingerprint: pair.fingerprint,
    });
    Ok((one.collect(), more))
}
