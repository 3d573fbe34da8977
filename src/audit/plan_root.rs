//! The root of a plan, computed again.

use tokio::task::{JoinHandle, spawn_blocking};

use super::tasks::join;
use crate::journal::JournalError;
use crate::journal::checkpoint::base64;
use crate::journal::merkle::Frontier;
use crate::journal::sqlite::SqliteReader;

/// Intents that are read at once.
const PAGE: u32 = 1_000;

/// The root (base64) of the tree over the intents of a run as they are in the journal now, in the order of its rows: what
/// its `plan_sealed` names, where nobody changed one. A page is hashed while the next one is read.
///
/// # Errors
/// Where the database fails.
pub async fn plan_root(reader: &SqliteReader, run_no: i64) -> Result<String, JournalError> {
    let mut hashing: JoinHandle<Frontier> = spawn_blocking(Frontier::default);
    let mut after = 0;
    while let Some(page) = reader.intents(run_no, after, PAGE).await? {
        after = page.last;
        let mut tree = join(hashing).await;
        hashing = spawn_blocking(move || {
            page.leaves().for_each(|leaf| tree.push(leaf));
            tree
        });
    }
    Ok(base64(&join(hashing).await.root()))
}
