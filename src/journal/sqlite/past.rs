//! What a journal says about its own past: the root that it had at a given size, and the rollbacks that were accepted.

use sqlx::sqlite::SqliteRow;

use super::column::{bytes, get, number};
use super::read::{SqliteReader, parsed};
use super::sql;
use crate::journal::{JournalError, StoryEntry};
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
            for leaf in self.leaves(tree.size(), size).await? {
                tree.push(leaf);
            }
        }
        Ok(Some(base64(&tree.root())))
    }

    /// The next leaves from entry `from` on, below `to`.
    ///
    /// # Errors
    /// If the database fails, or the entry there is missing or has no hash.
    pub async fn leaves(&self, from: u64, to: u64) -> Result<Vec<Hash>, JournalError> {
        let to = to.min(from.saturating_add(PAGE));
        let query = sqlx::query(sql::LEAF_PAGE).bind(number(from)).bind(number(to));
        let page = |row: &SqliteRow| Ok((get::<i64>(row, 0)?, get::<Option<i64>>(row, 1)?, bytes(row, 2)?));
        let (count, last, leaves) = self.one(query, page).await?;
        let (hashes, rest) = leaves.as_chunks::<32>();
        let is_whole = rest.is_empty()
            && u64::try_from(count) == Ok(to.saturating_sub(from))
            && u64::try_from(hashes.len()) == Ok(to.saturating_sub(from))
            && last.and_then(|last| u64::try_from(last).ok()).is_some_and(|last| last + 1 == to);
        if is_whole {
            return Ok(hashes.to_vec());
        }
        // One of them is missing, or its hash is none: those before it.
        let query = sqlx::query(sql::LEAVES).bind(number(from)).bind(number(to));
        let leaf = |row: &SqliteRow| Ok((get::<i64>(row, 0)?, Hash::try_from(bytes(row, 1)?).ok()));
        let rows = self.all(query, leaf).await?;
        let expected = (number(from)..).zip(rows);
        let whole: Vec<Hash> = expected.map_while(|(expected, (seq, leaf))| leaf.filter(|_| seq == expected)).collect();
        if whole.is_empty() {
            return Err(JournalError::damaged(format!("entry {from} is missing, or has no hash")));
        }
        Ok(whole)
    }

    /// One entry as it is stored.
    ///
    /// # Errors
    /// If the database fails, or there is none of that number.
    pub async fn stored(&self, seq: u64) -> Result<StoryEntry, JournalError> {
        let found = self.all(sqlx::query(sql::BODY).bind(number(seq)), |row| get(row, 0)).await?.pop();
        let body = found.ok_or_else(|| JournalError::damaged(format!("entry {seq} is missing")))?;
        Ok(StoryEntry { seq, body })
    }

    /// The entries by which rollbacks were accepted, in order.
    ///
    /// # Errors
    /// If the database fails, or one of them cannot be read.
    pub async fn accepted_rollbacks(&self) -> Result<Vec<Entry>, JournalError> {
        self.all(sqlx::query(sql::ROLLBACKS), |row| parsed(row, 0)).await
    }
}
