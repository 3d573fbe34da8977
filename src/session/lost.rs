//! What is known of a journal from elsewhere, and that it does not have (I12).

use std::fmt;
use std::path::PathBuf;

use crate::journal::Location;
use crate::record::checkpoint::Checkpoint;

/// Heads that were seen of a journal, and that it does not have.
#[derive(Debug, Clone)]
pub struct LostEntries {
    /// The journal.
    pub journal: Location,
    /// How many entries it has.
    pub entries: u64,
    /// What it lacks, the largest first.
    pub missing: Vec<KnownHead>,
}

impl LostEntries {
    /// How many entries the largest of the heads has.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.missing.first().map_or(0, |known| known.head.size)
    }

    /// Whether the journal is older than the largest of them; else it has other entries.
    #[must_use]
    pub fn is_rollback(&self) -> bool {
        self.most() > self.entries
    }
}

impl fmt::Display for LostEntries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, entries, most) = (&self.journal, self.entries, self.most());
        if self.is_rollback() {
            write!(
                f,
                "the journal {path} was rolled back: it has {entries} entries, but a newer one with {most} entries is known"
            )
        } else {
            write!(
                f,
                "the journal {path} was forked: it has {entries} entries, but another copy of it has other entries among \
                 its first {most}"
            )
        }
    }
}

/// A head that was seen outside the journal.
#[derive(Debug, Clone)]
pub struct KnownHead {
    /// The head.
    pub head: Checkpoint,
    /// The file that says so.
    pub file: PathBuf,
    /// Where the journal with this head was; a file of checkpoints does not say.
    pub journal: Option<String>,
}
