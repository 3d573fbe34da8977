//! The legality of a history, entry by entry as it is written: what [`verify`](super::verify) says of a file, said of
//! bodies that are at hand. Pure; it needs no database.

use super::history::{History, Trouble};
use super::scan::read_one;
use crate::record::checkpoint::base64;
use crate::record::event::Event;
use crate::record::merkle::{Frontier, leaf_hash};

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
        let expected = self.tree.size();
        let (entry, claimed) = read_one(i64::try_from(expected).unwrap_or(i64::MAX), body).map_err(|(_, why)| why)?;
        let leaf = leaf_hash(body.as_bytes());
        self.history.step(&entry, claimed).map_err(|trouble| match trouble {
            Trouble::Illegal(why) => why,
            Trouble::Root { what, expected, found } => format!("the root of {what} is {found}, not {expected}"),
        })?;
        // Two names of one hash do not come up among the few rows of a sequence that is held in memory.
        if let Some((one, other)) = self.history.take_suspects().first() {
            return Err(format!("the intents in entries {one} and {other} name the same key pair"));
        }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(seq: u64, kind: &str, fields: serde_json::Value) -> String {
        let mut body = fields;
        (body["v"], body["seq"], body["kind"]) = (crate::record::ENTRY_VERSION.into(), seq.into(), kind.into());
        body["at"] = "2026-01-01T00:00:00.000000Z".into();
        body.to_string()
    }

    #[test]
    fn a_body_is_taken_where_it_can_follow() {
        let created = |seq| {
            body(seq, "journal_created", json!({ "journal_id": "j", "format": "f", "action": "a", "version": "v" }))
        };
        let mut tree = Frontier::default();
        tree.push(leaf_hash(created(0).as_bytes()));
        let opened = json!({ "session": 1, "session_id": "s", "command": "run", "version": "v", "host": "h", "user": "u",
                             "pid": 1, "sandbox": false, "settings": {}, "settings_sha256": crate::domain::sha256(b"{}") });
        let opened = body(1, "session_opened", opened);
        tree.push(leaf_hash(opened.as_bytes()));
        let made = |seq, size: u64, root: &str| {
            body(seq, "checkpoint_made", json!({ "session": 1, "size": size, "root": root }))
        };
        let root = base64(&tree.root());
        let after = |second: &str| {
            let mut sequence = Sequence::default();
            assert_eq!((sequence.size(), sequence.take(&created(0)), sequence.size()), (0, Ok(()), 1));
            sequence.take(&opened).unwrap();
            let taken = sequence.take(second).is_ok();
            assert_eq!(sequence.size(), if taken { 3 } else { 2 });
            taken
        };
        assert!(after(&made(2, 2, &root)));
        let other = base64(&Frontier::default().root());
        for refused in [created(2), made(2, 1, &root), made(2, 2, &other), made(3, 2, &root), "{}".into()] {
            assert!(!after(&refused), "{refused}");
        }
    }
}
