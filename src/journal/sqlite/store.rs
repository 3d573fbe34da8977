//! The writing side: one transaction for a batch of entries, their projections and the head.

use std::path::Path;
use std::sync::Arc;

use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::apply::{apply, insert_entries};
use super::column::{get, number, unsigned};
use super::open::{close_writer, copy_log, open_writer};
use super::sql;
use crate::domain::{Clock, Target, parse_time, time_text};
use crate::journal::changes::Changes;
use crate::journal::project::{KnownRun, Projector};
use crate::journal::{
    Appended, Batch, Cadence, EntryStore, Head, Import, JournalError, LastCheckpoint, RunState, TreeHead,
};
use crate::record::merkle::Frontier;
use crate::record::{Draft, Entry, Sealed};

/// A journal in SQLite, open for writing. It owns the only connection that writes.
#[derive(Debug)]
pub struct SqliteStore {
    connection: SqliteConnection,
    projector: Projector,
    clock: Arc<dyn Clock>,
    left: Left,
}

/// Where this session left the head.
#[derive(Debug)]
enum Left {
    /// It has not read the head yet.
    Unknown,
    At(Head),
    /// An append failed, or was dropped half-way: it is unknown whether its entries are there.
    Lost,
}

impl SqliteStore {
    /// Opens or creates the journal at `path`. The caller holds the lock. Entries get their time from `clock`.
    ///
    /// # Errors
    /// If the file cannot be used: it is not a journal, is from a newer keybatch, on a network file system, or not writable.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, JournalError> {
        let mut connection = open_writer(path).await?;
        let row = sqlx::query(sql::LAST_TARGET).fetch_one(&mut connection).await.map_err(JournalError::sql)?;
        Ok(Self { connection, projector: Projector::after(unsigned(&row, 0)?), clock, left: Left::Unknown })
    }

    fn usable(&self) -> Result<(), JournalError> {
        if matches!(self.left, Left::Lost) { Err(JournalError::Closed) } else { Ok(()) }
    }

    /// Loads what the projector needs about a run of an earlier session.
    async fn learn(&mut self, run: u64) -> Result<(), JournalError> {
        let query = sqlx::query(sql::KNOWN_RUN).bind(number(run));
        let found = query.fetch_optional(&mut self.connection).await.map_err(JournalError::sql)?;
        let Some(row) = found else { return Ok(()) };
        let query = sqlx::query(sql::TARGETS_OF_RUN).bind(number(run));
        let targets = query.fetch_all(&mut self.connection).await.map_err(JournalError::sql)?;
        let target = |row| Ok((Target { account: get(row, 1)?, region: get(row, 2)? }, unsigned(row, 0)?));
        let known = KnownRun {
            endpoint: get(&row, 0)?,
            state: RunState::from(get::<&str>(&row, 1)?),
            is_started: get(&row, 2)?,
            targets: targets.iter().map(target).collect::<Result<_, JournalError>>()?,
        };
        self.projector.know(run, known);
        Ok(())
    }

    /// Begins a transaction, reads the head under its lock, and compares it with the one that this session left, in one round trip.
    /// If they differ, another process wrote, and this one must stop.
    ///
    /// From here on, an error leaves the transaction open. The connection is then only closed, which rolls the transaction back.
    async fn lock(&mut self, left: TreeHead) -> Result<(), JournalError> {
        let found =
            sqlx::query(sql::LOCK_HEAD).fetch_optional(&mut self.connection).await.map_err(JournalError::sql)?;
        let is_left = match &found {
            None => left.size == 0,
            Some(row) => get::<i64>(row, 0)? == number(left.size) && get::<&[u8]>(row, 1)? == left.root,
        };
        if is_left { Ok(()) } else { Err(JournalError::HeadMoved { size: left.size }) }
    }

    /// Makes known what the projector must know of earlier entries to project this one.
    async fn recall(&mut self, entry: &Entry) -> Result<(), JournalError> {
        if let Some(session) = self.projector.unknown_session(entry) {
            let query = sqlx::query(sql::BODY).bind(number(session));
            let found = query.fetch_optional(&mut self.connection).await.map_err(JournalError::sql)?;
            if let Some(row) = found {
                self.projector.know_session(&Entry::parse(get(&row, 0)?).map_err(JournalError::entry)?);
            }
        }
        match self.projector.run_of(entry) {
            Some(run) if !self.projector.knows(run) => self.learn(run).await,
            _ => Ok(()),
        }
    }

    /// Writes a batch behind the head that is locked, and commits.
    async fn write(&mut self, left: TreeHead, batch: Batch) -> Result<Appended, JournalError> {
        let (entries, sealed): (Vec<Entry>, Vec<Sealed>) = batch.entries.into_iter().unzip();
        let mut changes = Changes::default();
        for entry in &entries {
            self.recall(entry).await?;
            self.projector.project(entry, &mut changes)?;
        }
        insert_entries(&mut self.connection, sealed).await?;
        apply(&mut self.connection, changes).await?;
        self.commit(left, &batch.head).await?;
        self.left = Left::At(batch.head);
        Ok(batch.appended)
    }

    /// Moves the head and commits.
    async fn commit(&mut self, from: TreeHead, to: &Head) -> Result<(), JournalError> {
        let statement = if from.size == 0 { sql::INSERT_HEAD } else { sql::MOVE_HEAD };
        let TreeHead { size, root } = to.mark();
        let query = sqlx::query(statement).bind(number(size)).bind(root.to_vec()).bind(to.tree().to_bytes());
        let checkpoint = to.checkpoint();
        let query =
            query.bind(checkpoint.map(|last| number(last.size))).bind(checkpoint.map(|last| time_text(last.at)));
        query.execute(&mut self.connection).await.map(drop).map_err(JournalError::sql)
    }
}

impl EntryStore for SqliteStore {
    async fn head(&mut self) -> Result<Head, JournalError> {
        self.usable()?;
        let found = sqlx::query(sql::HEAD).fetch_optional(&mut self.connection).await.map_err(JournalError::sql)?;
        let (tree, checkpoint) = found.as_ref().map(stored).transpose()?.unwrap_or_default();
        let found =
            sqlx::query(sql::LAST_TIME).fetch_optional(&mut self.connection).await.map_err(JournalError::sql)?;
        let last: Option<String> = found.map(|row| get(&row, 0)).transpose()?.flatten();
        let head = Head::new(tree, last.as_deref().and_then(parse_time), checkpoint, self.clock.now());
        self.left = Left::At(head.clone());
        Ok(head)
    }

    async fn journal_id(&mut self) -> Result<Option<String>, JournalError> {
        self.usable()?;
        let found =
            sqlx::query(sql::JOURNAL_ID).fetch_optional(&mut self.connection).await.map_err(JournalError::sql)?;
        found.map(|row| get(&row, 0)).transpose()
    }

    async fn append(&mut self, drafts: Vec<Draft>, cadence: Option<Cadence>) -> Result<Appended, JournalError> {
        if matches!(self.left, Left::Unknown) {
            self.head().await?;
        }
        // It stays lost unless all of this succeeds.
        let Left::At(left) = std::mem::replace(&mut self.left, Left::Lost) else { return Err(JournalError::Closed) };
        self.lock(left.mark()).await?;
        let batch = left.seal(drafts, cadence, || self.clock.now())?;
        self.write(left.mark(), batch).await
    }

    async fn consolidate(&mut self) -> Result<(), JournalError> {
        self.usable()?;
        copy_log(&mut self.connection).await
    }

    async fn close(self) -> Result<(), JournalError> {
        if matches!(self.left, Left::Lost) {
            return self.connection.close().await.map_err(JournalError::sql);
        }
        close_writer(self.connection).await
    }
}

impl Import for SqliteStore {
    async fn import(&mut self, entries: Vec<(Entry, Sealed)>) -> Result<TreeHead, JournalError> {
        if matches!(self.left, Left::Unknown) {
            self.head().await?;
        }
        let Left::At(left) = std::mem::replace(&mut self.left, Left::Lost) else { return Err(JournalError::Closed) };
        let batch = left.follow(entries)?;
        self.lock(left.mark()).await?;
        Ok(self.write(left.mark(), batch).await?.head)
    }
}

/// The tree and the last checkpoint that the row of the head says.
fn stored(row: &SqliteRow) -> Result<(Frontier, Option<LastCheckpoint>), JournalError> {
    let size: i64 = get(row, 0)?;
    let (root, bytes): (Vec<u8>, Vec<u8>) = (get(row, 1)?, get(row, 2)?);
    let size = u64::try_from(size).map_err(|_| JournalError::damaged("the head's size is negative"))?;
    let frontier = Frontier::from_bytes(size, &bytes).map_err(|error| JournalError::damaged(error.to_string()))?;
    if frontier.root().as_slice() != root {
        return Err(JournalError::damaged("the head's root does not belong to its frontier"));
    }
    let (size, at): (Option<i64>, Option<String>) = (get(row, 3)?, get(row, 4)?);
    let checkpoint = match (size.map(u64::try_from), at.as_deref().map(parse_time)) {
        (None, None) => None,
        (Some(Ok(size)), Some(Some(at))) => Some(LastCheckpoint { size, at }),
        _ => return Err(JournalError::damaged("the head's last checkpoint has no size or no time")),
    };
    Ok((frontier, checkpoint))
}
