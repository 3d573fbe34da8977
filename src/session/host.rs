//! What a session is given to work with: its journal's place, its service, its clock, its operator. The command line gives the
//! real ones; a test gives others.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::anchoring::Anchor;
use super::error::Outside;
use super::live::AtWork;
use super::operator::Operator;
use super::place::{Connection, Way};
use super::signing::Signing;
use super::stops::Stops;
use crate::domain::{Clock, RunId};
use crate::journal::heads::{Heads, HeadsError, Remembered};
use crate::journal::stage::Stage;
use crate::journal::{EntryStore, Holder, Inbox, Journal, JournalError, Location, Reader, Roster, WriterOptions};
use crate::lightsail::Lightsail;
use crate::record::checkpoint::Checkpoint;
use crate::record::event::Previous;
use crate::record::ssh::Program;
use crate::verify::Report;

/// What a session is given to work with.
pub trait Host: Send + Sync {
    /// What requests go through.
    type Port: Lightsail;

    /// What keeps the journal's entries.
    type Store: EntryStore;

    /// What keeps other sessions out of it until it is dropped.
    type Hold: Send + Sync + 'static;

    /// Who is asked and notified.
    fn operator(&self) -> &Arc<dyn Operator>;

    /// What stops the session.
    fn stops(&self) -> &Stops;

    /// A clock that starts now.
    fn clock(&self) -> Arc<dyn Clock>;

    /// The id of a new run, journal or session.
    fn new_id(&self) -> uuid::Uuid;

    /// Takes the journal for `holder`.
    ///
    /// # Errors
    /// [`JournalError::Locked`] where another session has it.
    fn hold(&self, at: &Location, holder: &Holder) -> impl Future<Output = Result<Self::Hold, JournalError>>;

    /// Joins the runners that share a run of the journal, with leases that last so long.
    ///
    /// # Errors
    /// [`JournalError::Locked`] where a session has the journal for itself; [`JournalError::Unusable`] if the journal cannot be shared.
    fn join(
        &self,
        at: &Location,
        holder: &Holder,
        lasts: std::time::Duration,
    ) -> impl Future<Output = Result<Self::Hold, JournalError>> {
        let _ = (holder, lasts);
        let path = at.beside().to_owned();
        let reason = "several runners share only a journal in PostgreSQL".into();
        std::future::ready(Err(JournalError::Unusable { path, reason }))
    }

    /// What the runners share, for one that joined them with this hold.
    fn roster(&self, hold: &Self::Hold) -> Option<Arc<dyn Roster>> {
        let _ = hold;
        None
    }

    /// Opens the journal that was taken for writing, where entries get their time from `clock`; makes it if there is none.
    fn store(
        &self,
        at: &Location,
        hold: &Self::Hold,
        clock: Arc<dyn Clock>,
    ) -> impl Future<Output = Result<Self::Store, JournalError>>;

    /// Puts a new journal with this id in the place of this one, which is closed and is `previous`. Returns where the old one
    /// is now.
    fn archive(
        &self,
        at: &Location,
        previous: Previous,
        new_id: String,
    ) -> impl Future<Output = Result<PathBuf, JournalError>> {
        let _ = (previous, new_id);
        let path = at.beside().to_owned();
        std::future::ready(Err(JournalError::Unusable { path, reason: "it cannot be archived here".into() }))
    }

    /// Where the archived journal with this id lies, of this journal.
    fn archived_at(&self, at: &Location, id: &str) -> PathBuf {
        at.beside().with_file_name(id)
    }

    /// Opens it for reading.
    fn reader(&self, at: &Location) -> impl Future<Output = Result<Reader, JournalError>>;

    /// Starts the writer.
    fn start(&self, store: Self::Store, options: WriterOptions) -> impl Future<Output = Result<Journal, JournalError>>;

    /// A scratch database in `directory`, for the plan of a run.
    fn stage(&self, directory: &Path, run: RunId) -> impl Future<Output = Result<Stage, JournalError>>;

    /// A file that holds the newest entries of the journal while another program has it open.
    fn log_in_use(&self, at: &Location) -> Option<PathBuf>;

    /// What `verify` says of the configured journal; nothing where the host does not verify it.
    fn verify(&self) -> impl Future<Output = Result<Option<Report>, Outside>>;

    /// What this machine remembers of journals; where it cannot, why.
    fn heads(&self) -> Result<Arc<dyn HeadMemory>, String>;

    /// What signs the checkpoints of its sessions; none where nothing does.
    fn signing(&self) -> Option<Signing> {
        None
    }

    /// What checkpoints are handed to; none where they are handed to nothing.
    fn anchor(&self) -> Option<Arc<dyn Anchor>> {
        None
    }

    /// What a session with this hold is asked through the journal itself; nothing where that is not the way.
    fn inbox(&self, hold: &Self::Hold) -> Option<Arc<dyn Inbox>> {
        let _ = hold;
        None
    }

    /// Lets other processes ask something of a session at work, through its inbox where it has one, until what this returns is closed or
    /// dropped; nothing where the host lets nobody. Whatever prevents it does not prevent the work. What the session was asked before
    /// has been done when this ends.
    fn listen(
        &self,
        at_work: Arc<dyn AtWork>,
        inbox: Option<Arc<dyn Inbox>>,
    ) -> impl Future<Output = Option<Box<dyn Listening>>> {
        let _ = (at_work, inbox);
        std::future::ready(None)
    }

    /// Verifies signatures that cannot be verified in the process.
    fn program(&self) -> Arc<dyn Program + Send + Sync + '_>;

    /// The region of rows that name none, where one is configured.
    fn default_region(&self) -> impl Future<Output = Result<Option<String>, Outside>>;

    /// Makes the world of a rehearsal ready: that of the order, or one that holds `key_pairs`. Returns its name.
    fn world(&self, key_pairs: Vec<NamedPair>) -> Result<String, Outside>;

    /// Connects to the service.
    fn connect(&self, way: Way<'_>) -> impl Future<Output = Result<Connection<Self::Port>, Outside>>;
}

/// What other processes reach a session by; they no longer do when this is dropped.
pub trait Listening: Send {
    /// Answers what was asked, and nothing more.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// What a machine remembers of journals (I12).
pub trait HeadMemory: fmt::Debug + Send + Sync {
    /// The newest head of the journal of that id, if there is one.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn read(&self, id: &str) -> Result<Option<Remembered>, HeadsError>;

    /// Remembers `head`, of the journal at `journal`.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn remember(&self, head: &Checkpoint, journal: &Path) -> Result<(), HeadsError>;
}

impl HeadMemory for Heads {
    fn read(&self, id: &str) -> Result<Option<Remembered>, HeadsError> {
        Heads::read(self, id)
    }

    fn remember(&self, head: &Checkpoint, journal: &Path) -> Result<(), HeadsError> {
        Heads::remember(self, head, journal)
    }
}

/// A key pair that a manifest names, as a rehearsal's world may hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPair {
    /// Its account; none for that of the credentials.
    pub account: Option<String>,
    /// Its region.
    pub region: String,
    /// Its name.
    pub name: String,
    /// The fingerprint that the row expects.
    pub fingerprint: Option<String>,
    /// The arn that the row expects.
    pub arn: Option<String>,
    /// The creation time that the row expects.
    pub created_at: Option<Timestamp>,
}
