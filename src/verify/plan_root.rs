//! The root of a plan, computed again.

use tokio::task::{JoinHandle, spawn_blocking};

use super::background::join;
use crate::journal::JournalError;
use crate::journal::Reader;
use crate::record::checkpoint::base64;
use crate::record::merkle::Frontier;

/// How many bytes of intents are read at once, about: one page is hashed and one is read, and there may be a copy of each.
const PAGE_BYTES: usize = 1024 * 1024;

/// How many intents are read at once at most. A record of a manifest may have 1 MiB, and the ones before may have been
/// short.
const PAGE_ROWS: usize = 256;

/// How many the first page holds, before anything is known about their size.
const FIRST_PAGE: u32 = 16;

/// The root (base64) of the tree over the intents of a run as they are in the journal now, in the order of its rows: what
/// its `plan_sealed` names, where nobody changed one. A page is hashed while the next one is read.
///
/// # Errors
/// Where the database fails.
pub async fn plan_root(reader: &Reader, run_no: i64) -> Result<String, JournalError> {
    let mut hashing: JoinHandle<Frontier> = spawn_blocking(Frontier::default);
    let (mut after, mut limit) = (0, FIRST_PAGE);
    while let Some(page) = reader.intents(run_no, after, limit).await? {
        after = page.last;
        limit = next_limit(limit, page.bytes());
        let mut tree = join(hashing).await;
        hashing = spawn_blocking(move || {
            page.leaves().for_each(|leaf| tree.push(leaf));
            tree
        });
    }
    Ok(base64(&join(hashing).await.root()))
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
