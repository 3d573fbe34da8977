//! What a journal says about its own past: the root that it had at a given size, and the rollbacks that were accepted.

use sqlx::sqlite::SqliteRow;

use super::column::{get, number};
use super::read::{SqliteReader, parsed};
use super::sql;
use crate::journal::JournalError;
use crate::record::checkpoint::base64;
use crate::record::merkle::{Frontier, Hash};
use crate::record::{Entry, Event};

/// Leaves that are read at once: 320 KB.
const PAGE: u64 = 10_000;

impl SqliteReader {
    /// The root, in base64, of the first `size` entries; `None` if there are fewer.
    ///
    /// It is in the head, or in the entry of that number if this is a checkpoint or opens a session. Otherwise it is computed from
    /// the leaves. This verifies nothing: it guards against accidents.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn root_at(&self, size: u64) -> Result<Option<String>, JournalError> {
        let (entries, root) = self.head().await?;
        if size >= entries {
            return Ok((size == entries).then_some(root));
        }
        match self.entry(size).await?.event {
            Event::CheckpointMade(made) if made.size == size => return Ok(Some(made.root)),
            Event::SessionOpened(opened) if opened.continues_from.is_some() => return Ok(opened.continues_from),
            _ => {}
        }
        let mut tree = Frontier::default();
        while tree.size() < size {
            let before = tree.size();
            for leaf in self.leaves(before, size).await? {
                tree.push(leaf);
            }
            if tree.size() == before {
                return Err(JournalError::damaged(format!("entry {before} is missing")));
            }
        }
        Ok(Some(base64(&tree.root())))
    }

    /// The next leaves from `from` on, below `to`.
    async fn leaves(&self, from: u64, to: u64) -> Result<Vec<Hash>, JournalError> {
        let query = sqlx::query(sql::LEAVES).bind(number(from)).bind(number(to)).bind(number(PAGE));
        let leaf = |row: &SqliteRow| {
            Hash::try_from(get::<&[u8]>(row, 0)?).map_err(|_| JournalError::damaged("a leaf is not 32 bytes long"))
        };
        self.all(query, leaf).await
    }

    /// The entries by which rollbacks were accepted, in order.
    ///
    /// # Errors
    /// If the database fails, or one of them cannot be read.
    pub async fn accepted_rollbacks(&self) -> Result<Vec<Entry>, JournalError> {
        self.all(sqlx::query(sql::ROLLBACKS), |row| parsed(row, 0)).await
    }
}
