//! The legality of a history, entry by entry as it is written: what [`verify`](super::verify) says of a file, said of
//! bodies that are at hand. Pure; it needs no database.

use super::history::{History, Trouble};
use super::words;
use crate::journal::Entry;
use crate::journal::checkpoint::base64;
use crate::journal::event::Event;
use crate::journal::merkle::{Frontier, leaf_hash};

/// A history so far. After the first entry that cannot be, the rest says nothing.
#[derive(Debug, Default)]
pub struct Sequence {
    tree: Frontier,
    history: History,
}

impl Sequence {
    /// Takes the next body, or says why it cannot follow what is before it.
    ///
    /// # Errors
    /// The reason, in the words of `verify`.
    pub fn take(&mut self, body: &str) -> Result<(), String> {
        let entry = Entry::parse(body).map_err(|error| error.to_string())?;
        let expected = self.tree.size();
        if entry.seq != expected {
            return Err(format!("entry {} is in the place of entry {expected}", entry.seq));
        }
        let leaf = leaf_hash(body.as_bytes());
        let facts = words::of(&entry)?;
        self.history.step(&entry, facts, leaf).map_err(|trouble| match trouble {
            Trouble::Illegal(why) => why,
            Trouble::Root { what, expected, found } => format!("the root of {what} is {found}, not {expected}"),
        })?;
        if let Event::CheckpointMade(made) = &entry.event
            && (made.size != expected || made.root != base64(&self.tree.root()))
        {
            return Err("it names a checkpoint of other entries than are before it".into());
        }
        self.tree.push(leaf);
        Ok(())
    }

    /// How many entries were taken.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.tree.size()
    }
}
