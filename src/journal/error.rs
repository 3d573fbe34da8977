//! What can go wrong with a journal.

use std::path::PathBuf;
use std::sync::Arc;

use super::holder::Holder;
use crate::record::EntryError;

/// What went wrong with a journal. Cheap to clone: after the first one, every caller gets it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// There is none.
    #[error("there is no journal at {path}: {reason}")]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
        /// The operating system's reason.
        reason: String,
    },
    /// It cannot be used.
    #[error("the journal {path} cannot be used: {reason}")]
    Unusable {
        /// Where it is.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Its bytes are no sound database.
    #[error("the journal {path} cannot be used: {reason}")]
    Broken {
        /// Where it is.
        path: PathBuf,
        /// What SQLite says, or would.
        reason: String,
        /// SQLite says of a disk that answers EIO what it says of some damage.
        may_be_the_disk: bool,
    },
    /// It has no tables yet: its making was broken off, or its log is not beside it.
    #[error(
        "the journal {path} cannot be used: it is empty because its creation was interrupted; the next run completes it"
    )]
    Unmade {
        /// Where it is.
        path: PathBuf,
    },
    /// It has the format that came before this one.
    #[error("the journal {path} has format 1, which no release wrote; this keybatch reads and writes format 2")]
    OldFormat {
        /// Where it is.
        path: PathBuf,
    },
    /// Another session holds it.
    #[error("the journal is locked by another session ({path}){}", holder.as_ref().map(|by| format!(": {by}")).unwrap_or_default())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, where the file says so.
        holder: Option<Box<Holder>>,
    },
    /// The database refused. Whether a commit that failed is there is unknown.
    #[error("the journal's database failed")]
    Database {
        /// The driver's error.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// Another process moved the head.
    #[error("another process wrote to the journal: its head is no longer at {size} entries")]
    HeadMoved {
        /// Where this process left it.
        size: u64,
    },
    /// Its tables, triggers or views are not those that keybatch makes.
    #[error("the journal was changed: {what}")]
    Changed {
        /// What was found.
        what: String,
    },
    /// What is stored contradicts itself.
    #[error("the journal is damaged: {reason}; `keybatch verify` tells more")]
    Damaged {
        /// What was found.
        reason: String,
    },
    /// An entry that must not follow what is there.
    #[error("entry {seq} is illegal: {reason}")]
    Illegal {
        /// Its number.
        seq: u64,
        /// Why.
        reason: &'static str,
    },
    /// An entry that cannot be written or read.
    #[error(transparent)]
    Entry(#[from] Arc<EntryError>),
    /// A reviewer's own statement failed.
    #[error("the statement failed: {reason}")]
    Query {
        /// SQLite's words.
        reason: String,
        /// As in [`JournalError::Broken`].
        may_be_the_disk: bool,
    },
    /// A checkpoint could not be handed on.
    #[error("a checkpoint cannot be written: {reason}")]
    Checkpoint {
        /// Why.
        reason: String,
    },
    /// The writer is gone.
    #[error("the journal is closed")]
    Closed,
}

impl JournalError {
    pub(super) fn sql(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Database { source: Arc::new(source) }
    }

    pub(crate) fn damaged(reason: impl Into<String>) -> Self {
        Self::Damaged { reason: reason.into() }
    }

    pub(super) fn illegal(seq: u64, reason: &'static str) -> Self {
        Self::Illegal { seq, reason }
    }

    pub(super) fn entry(error: EntryError) -> Self {
        Self::Entry(Arc::new(error))
    }
}
