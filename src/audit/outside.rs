//! What the head says of the entries, and what a checkpoint from outside does.

use std::path::Path;

use super::report::{Finding, Verdict};
use super::tasks::unreadable;
use super::verify::{Work, has_no_bytes};
use crate::journal::JournalError;
use crate::journal::checkpoint::{Checkpoint, base64};
use crate::journal::merkle::Hash;
use crate::journal::sqlite::Snapshot;

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
        let Some(checkpoint) = self.options.checkpoint.clone().filter(|checkpoint| checkpoint.size > 0) else { return };
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
            Ok(Some((name, expected, found))) => {
                let detail = format!("the file's {name} was changed");
                let finding = Finding::new(Verdict::Altered, None, detail);
                self.findings.add(finding.hashes(expected.to_string(), found.to_string()));
            }
            Err(error) => self.findings.add(unreadable(None, &error)),
        }
    }

    /// Compares with the checkpoint that was brought.
    pub(super) fn check_outside(&mut self) {
        let Some(checkpoint) = self.options.checkpoint.clone() else { return };
        let size = self.tree.size();
        if let Some(id) = self.history.journal_id().filter(|id| *id != checkpoint.journal_id) {
            let detail = "the checkpoint is of another journal";
            let finding = Finding::new(Verdict::CannotVerify, None, detail);
            return self
                .findings
                .add(finding.hashes(format!("keybatch/{}", checkpoint.journal_id), format!("keybatch/{id}")));
        }
        let expected = checkpoint.to_text();
        let ours =
            |size, root: &Hash| Checkpoint { journal_id: checkpoint.journal_id.clone(), size, root: *root }.to_text();
        match self.root_then {
            Some(root) if root == checkpoint.root => self.proved_up_to = Some(checkpoint.size),
            Some(root) if self.whole => {
                let detail = format!(
                    "the first {} entries are not those that the checkpoint saw: the journal has another past",
                    checkpoint.size
                );
                self.findings
                    .add(Finding::new(Verdict::Forked, None, detail).hashes(expected, ours(checkpoint.size, &root)));
            }
            None if self.whole => {
                let detail = format!(
                    "the checkpoint saw {} entries, and only {size} are there: the rest was cut off, or an older copy was put in \
                     its place",
                    checkpoint.size
                );
                let finding = Finding::new(Verdict::Truncated, Some(size), detail);
                self.findings.add(finding.hashes(expected, ours(size, &self.tree.root())));
            }
            _ => {}
        }
    }
}
