//! What the head says of the entries, and what a checkpoint from outside does.

use std::path::Path;

use super::report::{Finding, Verdict};
use super::tasks::unreadable;
use super::walk::{Options, Work, has_no_bytes};
use crate::journal::JournalError;
use crate::journal::sqlite::Snapshot;
use crate::record::checkpoint::{Checkpoint, base64};
use crate::record::merkle::{Frontier, Hash};

/// What a file without marks most likely is.
const DUMPED: &str = "as in a copy made with .dump, which keeps neither: copy a journal with .backup or VACUUM INTO instead, and verify that";

impl Work {
    /// The head names all entries and their root.
    pub(super) async fn check_head(&mut self, snapshot: &mut Snapshot) {
        if !self.whole {
            return;
        }
        let entries = self.tree.size();
        let head = match snapshot.head().await {
            Ok(head) => head,
            Err(error) => return self.findings.add(unreadable(None, &error)),
        };
        match snapshot.heads().await {
            Ok(0 | 1) => {}
            Ok(_) => self.findings.add(Finding::new(Verdict::Altered, None, "a second head was added")),
            Err(error) => self.findings.add(unreadable(None, &error)),
        }
        let Some(head) = head else {
            if entries > 0 {
                self.findings.add(Finding::new(Verdict::Altered, None, "the head was removed"));
            }
            return;
        };
        let size = u64::try_from(head.size).unwrap_or(0);
        let counts = |finding: Finding| finding.hashes(head.size.to_string(), entries.to_string());
        let root = self.tree.root();
        if size > entries {
            let detail = format!("the head is of {size} entries, and only {entries} are there");
            self.findings.add(counts(Finding::new(Verdict::Truncated, Some(entries), detail)));
        } else if size < entries {
            let detail = format!("the head is of {size} entries, but {entries} are there");
            self.findings.add(counts(Finding::new(Verdict::Altered, Some(size), detail)));
        } else if head.root != root {
            let detail = format!(
                "the head names another root than the entries have: it was changed, or one of the entries from {} on was \
                 rewritten, hash and all",
                self.last_good
            );
            let found = base64(&root);
            let expected = Hash::try_from(head.root).map_or_else(|_| "no hash".to_owned(), |root| base64(&root));
            self.findings.add(Finding::new(Verdict::Altered, None, detail).hashes(expected, found));
        } else if head.frontier != self.tree.to_bytes() {
            self.findings.add(Finding::new(Verdict::Altered, None, "the head's frontier is not that of the entries"));
        }
    }

    /// A journal without even its tables, beside a checkpoint that saw entries in it: its log was taken away, or the file.
    pub(super) fn check_emptied(&mut self, path: &Path, error: &JournalError) {
        let Some(checkpoint) = &self.options.checkpoint else { return };
        if !matches!(error, JournalError::Unmade { .. }) && !has_no_bytes(path) {
            return;
        }
        let detail = format!("the checkpoint saw {} entries, and the journal holds nothing at all", checkpoint.size);
        let finding = Finding::new(Verdict::Truncated, Some(0), detail);
        self.findings.add(finding.hashes(checkpoint.to_text(), "nothing"));
    }

    /// The marks by which the file is known for a journal of this version.
    pub(super) async fn check_marks(&mut self, snapshot: &mut Snapshot) {
        match snapshot.wrong_mark().await {
            Ok(None) => {}
            Ok(Some(mark)) => {
                let name = mark.name;
                let detail = match mark.dumped {
                    true => format!("{name} and user_version of the file are 0, {DUMPED}"),
                    false => format!("the file's {name} was changed"),
                };
                let finding = Finding::new(Verdict::Altered, None, detail);
                self.findings.add(finding.hashes(mark.expected.to_string(), mark.found.to_string()));
            }
            Err(error) => self.findings.add(unreadable(None, &error)),
        }
    }

    /// Says where the checkpoints that were brought are not what the entries have.
    pub(super) fn check_outside(&mut self) {
        let Some(checkpoint) = &self.options.checkpoint else { return };
        let size = self.tree.size();
        if let Some(id) = self.history.journal_id().filter(|id| *id != checkpoint.journal_id) {
            let detail = "the checkpoint is of another journal";
            let finding = Finding::new(Verdict::CannotVerify, None, detail);
            self.outside.proved = 0;
            return self
                .findings
                .add(finding.hashes(format!("keybatch/{}", checkpoint.journal_id), format!("keybatch/{id}")));
        }
        let text =
            |size, root: &Hash| Checkpoint { journal_id: checkpoint.journal_id.clone(), size, root: *root }.to_text();
        if let Some((size, expected, found)) = &self.outside.forked {
            let detail =
                format!("the first {size} entries are not those that the checkpoint saw: the journal has another past");
            let finding = Finding::new(Verdict::Forked, None, detail);
            self.findings.add(finding.hashes(text(*size, expected), text(*size, found)));
        }
        if checkpoint.size > size && self.whole {
            let detail = format!(
                "the checkpoint saw {} entries, and only {size} are there: the rest was cut off, or an older copy was put in \
                 its place",
                checkpoint.size
            );
            let finding = Finding::new(Verdict::Truncated, Some(size), detail);
            self.findings.add(finding.hashes(checkpoint.to_text(), text(size, &self.tree.root())));
        }
    }
}

/// The checkpoints of the journal that were brought, compared as the entries come.
#[derive(Debug, Default)]
pub(super) struct Outside {
    /// All of them, the smallest last.
    all: Vec<(u64, Hash)>,
    /// How many of these are still to come.
    ahead: usize,
    /// The size of the largest that agreed; none has no entries.
    proved: u64,
    /// The first that did not: its size and root, and the root that the entries have.
    forked: Option<(u64, Hash, Hash)>,
}

impl Outside {
    /// Those of `options`; what covers nothing is taken out of them.
    pub(super) fn new(options: &mut Options) -> Self {
        options.checkpoint = options.checkpoint.take().filter(|checkpoint| checkpoint.size > 0);
        let mut all = std::mem::take(&mut options.further);
        all.retain(|(size, _)| *size > 0);
        all.extend(options.checkpoint.as_ref().map(|checkpoint| (checkpoint.size, checkpoint.root)));
        all.sort_unstable_by(|one, other| other.cmp(one));
        Self { ahead: all.len(), all, proved: 0, forked: None }
    }

    /// Compares those that cover what is in `tree` now; `whole` unless a gap says that it is not the journal's any more.
    pub(super) fn compare(&mut self, tree: &Frontier, whole: bool) {
        let size = tree.size();
        while let Some((_, expected)) = self.all[..self.ahead].last().copied().filter(|(next, _)| *next <= size) {
            self.ahead -= 1;
            let found = tree.root();
            if !whole {
                continue;
            }
            if found == expected {
                self.proved = size;
            } else {
                self.forked = self.forked.or(Some((size, expected, found)));
            }
        }
    }

    /// Those that were brought, to be compared anew.
    pub(super) fn into_all(self) -> Vec<(u64, Hash)> {
        self.all
    }

    /// How many entries the largest one proves that agrees; none where none does.
    pub(super) fn proved_up_to(&self) -> Option<u64> {
        (self.proved > 0).then_some(self.proved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree_at(count: u8) -> Frontier {
        let mut tree = Frontier::default();
        (0..count).for_each(|leaf| tree.push([leaf; 32]));
        tree
    }

    fn seen(size: u8) -> (u64, Hash) {
        (u64::from(size), tree_at(size).root())
    }

    /// Nine entries, the checkpoint of the largest of `seen`, and the others beside it.
    fn compared(mut seen: Vec<(u64, Hash)>) -> Outside {
        seen.sort_unstable();
        let (size, root) = seen.pop().unwrap();
        let checkpoint = Some(Checkpoint { journal_id: "a".into(), size, root });
        let mut outside = Outside::new(&mut Options { checkpoint, further: seen, ..Options::default() });
        (1..=9).for_each(|size| outside.compare(&tree_at(size), true));
        outside
    }

    #[test]
    fn every_checkpoint_is_compared_and_the_largest_that_agrees_proves() {
        let outside = compared(vec![seen(9), seen(3), seen(3), seen(7)]);
        assert_eq!((outside.proved_up_to(), outside.forked), (Some(9), None));
        for bad in [1, 2, 3, 9, 12] {
            let outside = compared(vec![seen(9), seen(3), seen(7), (bad, [9; 32])]);
            assert_eq!(outside.proved_up_to(), Some(9), "{bad}");
            assert_eq!(outside.forked.map(|(size, ..)| size), Some(bad).filter(|bad| *bad <= 9));
        }
        let outside = compared(vec![(9, [0; 32]), seen(3), seen(7)]);
        assert_eq!((outside.proved_up_to(), outside.forked.is_some()), (Some(7), true));
        let again = compared(outside.into_all());
        assert_eq!((again.proved_up_to(), again.forked.is_some()), (Some(7), true), "compared anew");
    }

    #[test]
    fn one_of_no_entries_counts_as_none() {
        let mut options = Options {
            checkpoint: Some(Checkpoint { journal_id: "a".into(), size: 0, root: tree_at(0).root() }),
            further: vec![(0, [0; 32])],
            ..Options::default()
        };
        let mut outside = Outside::new(&mut options);
        outside.compare(&tree_at(3), true);
        assert_eq!((options.checkpoint, outside.proved_up_to(), outside.forked), (None, None, None));
    }
}
