//! Opens journals: the one place outside of a store that knows which database keeps them.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::error::JournalError;
use super::head::{Appended, Cadence, Head};
use super::holder::Holder;
use super::inbox::{Inbox, Replies};
use super::location::Location;
use super::lock::Lock;
use super::postgres::{self, PostgresReader, PostgresSnapshot, PostgresStore};
use super::reader::Reader;
use super::roster::Roster;
use super::snapshot::Snapshot;
use super::sqlite::stage::SqliteStage;
use super::sqlite::{self, SqliteReader, SqliteStore, SqliteTableFile};
use super::stage::Stage;
use super::store::{EntryStore, OnUnrecorded};
use super::table_file::TableFile;
use crate::domain::Clock;
use crate::record::Draft;

pub use super::postgres::{OnAbsence, Power, SCHEMA_VERSION, excess, migrate};
pub use super::sqlite::{
    Leftovers, MOST_COLUMNS, archive, archive_path, leave_log, log_in_use, read_through, shared_file_system, version,
};

/// What keeps a journal's entries: code that has to name the type uses this one, which does not depend on the database.
pub enum Store {
    /// In a file.
    File(Box<SqliteStore>),
    /// In a database that serves several machines, and who is told what cannot be recorded there.
    Server(Box<PostgresStore>, OnUnrecorded),
}

/// Who is told what becomes of a server.
pub struct Told {
    /// When it is lost, and when it is back.
    pub on_absence: OnAbsence,
    /// What cannot be recorded there.
    pub on_unrecorded: OnUnrecorded,
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(store) => store.fmt(f),
            Self::Server(store, _) => store.fmt(f),
        }
    }
}

/// What keeps other sessions from writing, until it is dropped or the process ends. A server lets a dead session's lapse.
#[derive(Debug)]
pub enum Hold {
    /// A lock on a file of its own.
    File(Lock),
    /// A lease, or those of a runner.
    Server(postgres::Hold),
}

/// Takes the journal for `holder`. A file's is taken at once or not at all; at a server, a session that has fallen silent is waited
/// for until its lease has ended: `waits` is called once before that, with who it is as far as that is known.
///
/// # Errors
/// [`JournalError::Locked`] if another session has it.
pub async fn hold(at: &Location, holder: &Holder, waits: impl Fn(Option<&Holder>)) -> Result<Hold, JournalError> {
    if let Some(address) = at.address() {
        make_directory(at)?;
        return postgres::Hold::take_telling(address, holder, waits).await.map(Hold::Server);
    }
    let mut lock = Lock::take(at.beside())?;
    lock.sign(holder);
    Ok(Hold::File(lock))
}

/// Joins the runners that share a run of the journal, with leases that last so long. A session that has the journal for itself and has
/// fallen silent is waited for as in [`hold`].
///
/// # Errors
/// [`JournalError::Locked`] if a session has it for itself; [`JournalError::Unusable`] of a file, which nobody shares.
pub async fn join(
    at: &Location,
    holder: &Holder,
    lasts: Duration,
    waits: impl Fn(Option<&Holder>),
) -> Result<Hold, JournalError> {
    let Some(address) = at.address() else {
        let reason = "several runners share only a journal in PostgreSQL".into();
        return Err(JournalError::Unusable { path: at.beside().to_owned(), reason });
    };
    make_directory(at)?;
    postgres::Hold::join_telling(address, holder, lasts, waits).await.map(Hold::Server)
}

/// What the runners share, for one that joined them.
#[must_use]
pub fn roster(hold: &Hold) -> Option<Arc<dyn Roster>> {
    match hold {
        Hold::File(_) => None,
        Hold::Server(hold) => hold.roster(),
    }
}

/// What a session is asked while it works, through a database that serves several machines.
#[must_use]
pub fn inbox(hold: &Hold) -> Option<Arc<dyn Inbox>> {
    match hold {
        Hold::File(_) => None,
        Hold::Server(hold) => Some(hold.inbox()),
    }
}

/// Asks the sessions that work on the run with this number, and waits for their answers for so long at the most. Nothing of a file: its
/// sessions are asked through a socket.
///
/// # Errors
/// If the server cannot be used, or this user may not ask.
pub async fn ask(
    at: &Location,
    run_no: i64,
    question: (&str, &str),
    patience: Duration,
) -> Option<Result<Replies, JournalError>> {
    Some(postgres::ask(at.address()?, run_no, question, patience).await)
}

/// Where a session of a server's keeps what it has on this machine.
fn make_directory(at: &Location) -> Result<(), JournalError> {
    let directory = at.directory();
    std::fs::create_dir_all(directory).map_err(|error| JournalError::Unusable {
        path: directory.to_owned(),
        reason: format!("what a session keeps on this machine cannot be kept there: {error}"),
    })
}

/// Whether a session has the journal at this moment, alone or with others; `None` if that cannot be determined.
pub async fn is_held(at: &Location) -> Option<bool> {
    match at.address() {
        Some(address) => postgres::is_held(address).await,
        None => Lock::is_held(at.beside()),
    }
}

/// Opens the journal that was taken for writing; makes a file if there is none. Entries get their time from `clock`. A server
/// that is lost is waited for.
///
/// # Errors
/// If it cannot be used.
pub async fn held_store(at: &Location, hold: &Hold, clock: Arc<dyn Clock>, told: Told) -> Result<Store, JournalError> {
    match (hold, at.address()) {
        (Hold::Server(hold), Some(address)) => {
            let store = PostgresStore::open_with(address, hold, clock).await?;
            Ok(Store::Server(Box::new(store.telling(told.on_absence)), told.on_unrecorded))
        }
        _ => store(at.beside(), clock).await,
    }
}

/// Opens or creates the journal in the file at `path` for writing. The caller holds its lock. Entries get their time from `clock`.
///
/// # Errors
/// If it cannot be used.
pub async fn store(path: &Path, clock: Arc<dyn Clock>) -> Result<Store, JournalError> {
    Ok(Store::File(Box::new(SqliteStore::open(path, clock).await?)))
}

impl EntryStore for Store {
    async fn head(&mut self) -> Result<Head, JournalError> {
        match self {
            Self::File(store) => store.head().await,
            Self::Server(store, _) => store.head().await,
        }
    }

    async fn journal_id(&mut self) -> Result<Option<String>, JournalError> {
        match self {
            Self::File(store) => store.journal_id().await,
            Self::Server(store, _) => store.journal_id().await,
        }
    }

    async fn append(&mut self, drafts: Vec<Draft>, cadence: Option<Cadence>) -> Result<Appended, JournalError> {
        match self {
            Self::File(store) => store.append(drafts, cadence).await,
            Self::Server(store, _) => store.append(drafts, cadence).await,
        }
    }

    fn unrecorded(&self) -> Option<OnUnrecorded> {
        match self {
            Self::File(_) => None,
            Self::Server(_, on_unrecorded) => Some(Arc::clone(on_unrecorded)),
        }
    }

    async fn consolidate(&mut self) -> Result<(), JournalError> {
        match self {
            Self::File(store) => store.consolidate().await,
            Self::Server(store, _) => store.consolidate().await,
        }
    }

    async fn close(self) -> Result<(), JournalError> {
        match self {
            Self::File(store) => store.close().await,
            Self::Server(store, _) => store.close().await,
        }
    }
}

/// Opens a journal for reading.
///
/// # Errors
/// If there is none.
pub async fn reader(at: impl Into<Location>) -> Result<Reader, JournalError> {
    let at = at.into();
    match at.address() {
        Some(address) => PostgresReader::open(address).await.map(Reader::new),
        None => SqliteReader::open(at.beside()).await.map(Reader::new),
    }
}

/// As [`reader`], also if the journal is of a later version: what this keybatch does not know is not shown.
/// [`reservations`](super::ReadReview::reservations) says so.
///
/// # Errors
/// As [`reader`].
pub async fn any_reader(at: impl Into<Location>) -> Result<Reader, JournalError> {
    let at = at.into();
    match at.address() {
        Some(address) => PostgresReader::open_any(address).await.map(Reader::new),
        None => SqliteReader::open_any(at.beside()).await.map(Reader::new),
    }
}

/// Makes an empty scratch database in `directory`, under a name that nobody else uses.
///
/// # Errors
/// If the directory cannot be written.
pub async fn stage(directory: &Path, name: &str) -> Result<Stage, JournalError> {
    SqliteStage::create(directory, name).await.map(Stage::new)
}

/// Begins a database file of typed tables in the empty file at `path`.
///
/// # Errors
/// If it cannot be written.
pub async fn table_file(path: &Path) -> Result<Box<dyn TableFile>, JournalError> {
    Ok(Box::new(SqliteTableFile::begin(path).await?))
}

/// Opens a journal for `verify`. What is rebuilt of a server's goes to a scratch database of SQLite's.
///
/// # Errors
/// If there is none; `Database` if it is damaged.
pub async fn snapshot(at: impl Into<Location>) -> Result<Box<dyn Snapshot>, JournalError> {
    let at = at.into();
    Ok(match at.address() {
        Some(address) => Box::new(PostgresSnapshot::open(address, sqlite::scratch).await?),
        None => Box::new(sqlite::Snapshot::open(at.beside()).await?),
    })
}
