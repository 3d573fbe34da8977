//! What the journal's head, the marks of its file, and the checkpoints that were brought say of the entries.

use std::path::Path;

use super::background::unreadable;
use super::report::{Finding, Verdict};
use super::work::Work;
use crate::domain::time_text;
use crate::journal::Snapshot;
use crate::journal::{JournalError, Location};
use crate::record::checkpoint::{Checkpoint, base64};
use crate::record::merkle::Hash;

/// What a file without marks most likely is.
const DUMPED: &str = "as in a copy made with .dump, which keeps neither: copy a journal with .backup or VACUUM INTO instead, and verify that";

impl Work {
    /// The head names all entries and their root.
    pub(super) async fn check_head(&mut self, snapshot: &mut dyn Snapshot) {
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
        } else {
            self.check_kept_checkpoint(head.checkpoint);
        }
    }

    /// The last checkpoint that is kept with the head is the last one among the entries.
    fn check_kept_checkpoint(&mut self, (size, at): (Option<i64>, Option<String>)) {
        let last = self.last_checkpoint;
        let (covered, made_at) = (last.map(|(size, _)| size), last.map(|(_, at)| time_text(at)));
        if !self.judging || (size, at.as_ref()) == (covered.and_then(|size| i64::try_from(size).ok()), made_at.as_ref())
        {
            return;
        }
        let told = |size: Option<String>, at: Option<String>| match (size, at) {
            (None, None) => "none".to_owned(),
            (size, at) => {
                format!("{} entries at {}", size.as_deref().unwrap_or("no"), at.as_deref().unwrap_or("no time"))
            }
        };
        let found = told(size.map(|size| size.to_string()), at);
        let expected = told(covered.map(|size| size.to_string()), made_at);
        let detail = format!("the head says of the last checkpoint: {found}; the entries say: {expected}");
        self.findings.add(Finding::new(Verdict::ProjectionMismatch, None, detail).hashes(expected, found));
    }

    /// A journal without even its tables, beside a checkpoint that covers entries of it: its log or the file was
    /// removed.
    pub(super) fn check_emptied(&mut self, journal: &Location, error: &JournalError) {
        let Some(checkpoint) = &self.options.checkpoint else { return };
        if !matches!(error, JournalError::Unmade { .. }) && !journal.file().is_some_and(has_no_bytes) {
            return;
        }
        let detail = format!("the checkpoint saw {} entries, and the journal holds nothing at all", checkpoint.size);
        let finding = Finding::new(Verdict::Truncated, Some(0), detail);
        self.findings.add(finding.hashes(checkpoint.to_text(), "nothing"));
    }

    /// The marks by which the file is known for a journal of this version.
    pub(super) async fn check_marks(&mut self, snapshot: &mut dyn Snapshot) {
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

    /// Reports where the checkpoints that were brought differ from the entries.
    pub(super) fn check_checkpoints(&mut self) {
        if let Some(why) = self.options.bad_signature.clone() {
            self.findings.add(Finding::new(Verdict::BadSignature, None, why));
        }
        if let Some(why) = self.options.unverified_signature.clone() {
            self.findings.add(Finding::of_the_machine(why));
        }
        let Some(checkpoint) = &self.options.checkpoint else { return };
        let size = self.tree.size();
        if let Some(id) = self.history.journal_id().filter(|id| *id != checkpoint.journal_id) {
            let detail = "the checkpoint is of another journal";
            let finding = Finding::new(Verdict::CannotVerify, None, detail);
            self.checkpoints.disown();
            self.covering.disown();
            return self
                .findings
                .add(finding.hashes(format!("keybatch/{}", checkpoint.journal_id), format!("keybatch/{id}")));
        }
        let text =
            |size, root: &Hash| Checkpoint { journal_id: checkpoint.journal_id.clone(), size, root: *root }.to_text();
        if let Some((size, expected, found)) = self.checkpoints.forked() {
            let detail =
                format!("the first {size} entries are not those that the checkpoint saw: the journal has another past");
            let finding = Finding::new(Verdict::Forked, None, detail);
            self.findings.add(finding.hashes(text(size, &expected), text(size, &found)));
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

/// Whether nothing was ever written to the file.
pub(super) fn has_no_bytes(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.len() == 0)
}
