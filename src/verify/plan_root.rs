//! The root of a plan, computed again from the lines in the journal.

use tokio::task::{JoinHandle, spawn_blocking};

use super::background::join;
use super::canonical;
use crate::journal::JournalError;
use crate::journal::Reader;
use crate::record::checkpoint::base64;
use crate::record::event::PlanSealed;
use crate::record::merkle::leaf_hash;
use crate::record::plan::PlanTree;

/// How many bytes of intents are read at once, about: one page is hashed and one is read, and there may be a copy of each.
const PAGE_BYTES: usize = 1024 * 1024;

/// How many intents are read at once at most. A record of a manifest may have 1 MiB, and the ones before may have been
/// short.
const PAGE_ROWS: usize = 256;

/// How many the first page holds, before anything is known about their size.
const FIRST_PAGE: u32 = 16;

/// Whether the lines in the intents of a run, as they are in the journal now, have the root that its seal names: so they do
/// where nobody changed one. A page is hashed while the next one is read.
///
/// # Errors
/// Where the database fails.
pub async fn has_root(reader: &Reader, run_no: i64, sealed: &PlanSealed) -> Result<bool, JournalError> {
    let mut hashing: JoinHandle<Option<PlanTree>> = spawn_blocking(|| Some(PlanTree::default()));
    let (mut after, mut limit) = (0, FIRST_PAGE);
    while let Some(page) = reader.intents(run_no, after, limit).await? {
        after = page.last;
        limit = next_limit(limit, page.bytes());
        let tree = join(hashing).await;
        hashing = spawn_blocking(move || page.bodies().try_fold(tree?, grown));
    }
    let (Some(tree), Ok(header)) = (join(hashing).await, sealed.header.leaf()) else { return Ok(false) };
    Ok(base64(&tree.root(&header)) == sealed.seal.root)
}

/// The tree with the line of this intent; none where the body is no intent's.
fn grown(mut tree: PlanTree, body: &[u8]) -> Option<PlanTree> {
    let mut fields = Vec::with_capacity(16);
    canonical::read(std::str::from_utf8(body).ok()?, &mut fields).ok()?;
    let (_, line) = fields.iter().find(|(name, _)| *name == "line")?;
    tree.push(leaf_hash(line.as_bytes()));
    Some(tree)
}

/// How many intents the next page is to hold, after one of `rows` intents that were as long as this together.
fn next_limit(rows: u32, bytes: usize) -> u32 {
    let average = (bytes / rows as usize).max(1);
    u32::try_from((PAGE_BYTES / average).clamp(1, PAGE_ROWS)).unwrap_or(FIRST_PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_hold_about_a_mebibyte_and_not_too_many_rows() {
        const KIB: usize = 1024;
        for (rows, average, next) in [
            (FIRST_PAGE, 300, 256),
            (FIRST_PAGE, 16 * KIB, 64),
            (256, 64 * KIB, 16),
            (FIRST_PAGE, 1024 * KIB, 1),
            (1, 5_000 * KIB, 1),
            // Nobody's intents.
            (FIRST_PAGE, 0, 256),
        ] {
            assert_eq!(next_limit(rows, rows as usize * average), next, "after {rows} of {average} bytes each");
        }
    }
}
