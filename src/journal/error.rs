//! What can go wrong with a journal.

use std::path::PathBuf;
use std::sync::Arc;

use super::holder::Holder;
use super::server::ServerTrouble;
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
    /// Its bytes are not a sound database.
    #[error("the journal {path} cannot be used: {reason}")]
    Broken {
        /// Where it is.
        path: PathBuf,
        /// What the database says, or would.
        reason: String,
        /// Whether the database reports an unreadable disk in the same words as this damage, as SQLite does.
        may_be_the_disk: bool,
    },
    /// It has no tables yet: its creation was interrupted, or its log is missing.
    #[error(
        "the journal {path} cannot be used: it is empty; either its creation was interrupted, and the next run completes it, or this is no \
         complete copy of a journal"
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
        /// Who holds it, if the file says so.
        holder: Option<Box<Holder>>,
    },
    /// Another session took it over, because this one had been silent for too long. Nothing more can be written by this one.
    #[error("another session took the journal over{}", holder.as_ref().map(|by| format!(": {by}")).unwrap_or_default())]
    FencedOff {
        /// Who, if that is known.
        holder: Option<Box<Holder>>,
    },
    /// The server that keeps it cannot be used.
    #[error("the journal {address} cannot be used: {trouble}")]
    Server {
        /// Where it is, without a password.
        address: String,
        /// Why.
        trouble: ServerTrouble,
    },
    /// An address of a database that cannot be understood, or asks for something that is not supported.
    #[error("the address of the journal cannot be used: {reason}")]
    Address {
        /// Why; never with a password in it.
        reason: String,
        /// What to do instead.
        hint: Option<String>,
    },
    /// The database refused. It is unknown whether a commit that failed took effect.
    #[error("the journal's database failed")]
    Database {
        /// The driver's error.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
        /// What is at fault.
        blame: Blame,
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
    #[error("the journal is damaged: {reason}")]
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
        /// The database's words.
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

/// What is at fault for a database's error, as far as the error tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// It does not say.
    Unknown,
    /// There is no room on the disk.
    FullDisk,
    /// The machine failed: its disk, memory, limits or locks. That says nothing about what is stored.
    Machine,
    /// What is stored is damaged, or the disk could not read it.
    DamageOrDisk,
}

/// An error of whatever stores a journal.
pub(super) trait Failure: std::error::Error + Send + Sync + 'static {
    /// What is at fault.
    fn blame(&self) -> Blame {
        Blame::Unknown
    }
}

impl Failure for std::io::Error {}

impl JournalError {
    pub(super) fn sql(source: impl Failure) -> Self {
        Self::Database { blame: source.blame(), source: Arc::new(source) }
    }

    /// Whether the disk was full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Database { blame: Blame::FullDisk, .. })
    }

    /// Whether this may be an unreadable disk instead of damage, because the database has one word for both.
    #[must_use]
    pub fn may_be_the_disk(&self) -> bool {
        match self {
            Self::Broken { may_be_the_disk, .. } | Self::Query { may_be_the_disk, .. } => *may_be_the_disk,
            error => matches!(error, Self::Database { blame: Blame::DamageOrDisk, .. }),
        }
    }

    /// Whether the machine failed, which says nothing about what is stored.
    #[must_use]
    pub fn is_of_the_machine(&self) -> bool {
        matches!(self, Self::Database { blame: Blame::Machine | Blame::FullDisk, .. } | Self::Server { .. })
    }

    /// Whether a server cannot be reached at the moment, which may pass.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        use ServerTrouble::{Busy, NotPrimary, Silent, Unreachable};
        let away = |trouble: &ServerTrouble| matches!(trouble, Unreachable { .. } | Silent { .. } | NotPrimary | Busy);
        matches!(self, Self::Server { trouble, .. } if away(trouble)) || self.is_of_the_machine()
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
