//! Copies the entries of a journal from one store to another, as they stand: the same bytes, the same root, and the projections that the
//! same projector makes of them. What is in memory at once does not grow with the journal.

use super::JournalError;
use super::head::TreeHead;
use super::open::Store;
use super::snapshot::Snapshot;
use super::store::Import;
use crate::record::merkle::{Frontier, leaf_hash};
use crate::record::{Entry, Sealed};

/// How many entries a transaction takes at least, unless their bodies are large.
const ENTRIES: usize = 500;

/// How many bytes of bodies are enough for a transaction.
const BYTES: usize = 1 << 20;

impl Import for Store {
    async fn import(&mut self, entries: Vec<(Entry, Sealed)>) -> Result<TreeHead, JournalError> {
        match self {
            Self::File(store) => store.import(entries).await,
            Self::Server(store, _) => store.import(entries).await,
        }
    }
}

/// Whether the journal of `snapshot`, which was begun, begins with the entries of this head.
///
/// # Errors
/// If it cannot be read.
pub async fn begins_with(snapshot: &mut dyn Snapshot, head: TreeHead) -> Result<bool, JournalError> {
    let (mut tree, mut next) = (Frontier::default(), 0);
    while tree.size() < head.size {
        let page = snapshot.page(next).await?;
        let Some(last) = page.last() else { return Ok(false) };
        let missing = usize::try_from(head.size - tree.size()).unwrap_or(usize::MAX);
        page.entries().take(missing).for_each(|(_, body, _)| tree.push(leaf_hash(body)));
        next = last + 1;
    }
    Ok(tree.root() == head.root)
}

/// Copies what `to` lacks of the journal of `from`, which was begun, is sound, and begins with what `to` holds
/// ([`begins_with`]). `told` learns after each transaction how many entries are there. Dropped half-way, it leaves `to` with whole
/// transactions. Returns the head of the copy.
///
/// # Errors
/// If `from` cannot be read, or `to` does not take an entry.
pub async fn copy(from: &mut dyn Snapshot, to: &mut impl Import, told: impl Fn(u64)) -> Result<TreeHead, JournalError> {
    let mut head = to.head().await?.mark();
    let mut next = i64::try_from(head.size).map_err(|_| JournalError::damaged("the head's size is no number"))?;
    let (mut batch, mut bytes) = (Vec::new(), 0);
    loop {
        let page = from.page(next).await?;
        let last = page.last();
        bytes += page.bytes();
        for (seq, body, leaf) in page.entries() {
            batch.push(as_it_stands(seq, body, leaf)?);
        }
        if !batch.is_empty() && (batch.len() >= ENTRIES || bytes >= BYTES || last.is_none()) {
            head = to.import(std::mem::take(&mut batch)).await?;
            bytes = 0;
            told(head.size);
        }
        match last {
            Some(last) => next = last + 1,
            None => return Ok(head),
        }
    }
}

/// An entry and the very bytes of it.
fn as_it_stands(seq: i64, body: &[u8], leaf: [u8; 32]) -> Result<(Entry, Sealed), JournalError> {
    let body = std::str::from_utf8(body).map_err(|_| JournalError::damaged("an entry is not UTF-8"))?;
    let seq = u64::try_from(seq).map_err(|_| JournalError::damaged("an entry has no number"))?;
    let entry = Entry::parse(body).map_err(JournalError::entry)?;
    Ok((entry, Sealed { seq, body: body.to_owned(), leaf }))
}
