//! The one task that writes. It commits everything that is queued at once (group commit), and acknowledges after the
//! commit is durable. While one batch is on its way to the disk, the next one is numbered, stamped, sealed and hashed.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::batch::{Ack, Batch, Sealer};
use super::checkpoint::Checkpoint;
use super::event::{Event, JournalCreated};
use super::merkle::{Frontier, Hash};
use super::{Draft, EntryStore, JournalError};
use crate::domain::{Clock, RunId};

/// How many requests may wait for the writer. A full queue makes the callers wait, which bounds memory.
const QUEUE: usize = 1024;

/// The format that a new journal names in its first entry.
const FORMAT: &str = "keybatch.journal/1";

/// What is called with each checkpoint after it is durable.
pub type OnCheckpoint = Box<dyn FnMut(&Checkpoint) -> std::io::Result<()> + Send>;

/// What the writer needs from outside.
pub struct WriterOptions {
    /// Where entries get their time from.
    pub clock: Arc<dyn Clock>,
    /// The id of the journal, if it turns out to be new.
    pub new_journal_id: String,
    /// Called with each checkpoint.
    pub on_checkpoint: OnCheckpoint,
}

impl fmt::Debug for WriterOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriterOptions").field("new_journal_id", &self.new_journal_id).finish_non_exhaustive()
    }
}

/// Where and when an entry was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Its number.
    pub seq: u64,
    /// Its time.
    pub at: Timestamp,
    /// Its hash.
    pub leaf: Hash,
}

/// The handle to the writer; clones share it.
#[derive(Debug, Clone)]
pub struct Journal {
    queue: mpsc::Sender<Command>,
    id: Arc<str>,
}

#[derive(Debug)]
enum Command {
    Append { drafts: Vec<Draft>, ack: Ack<Vec<Stamp>> },
    Checkpoint { run: Option<RunId>, ack: Ack<Checkpoint> },
    Close { ack: Ack<Checkpoint> },
}

impl Journal {
    /// Starts the writer on `store`, and makes the first entry of a new journal.
    ///
    /// # Errors
    /// Where the head cannot be read or the first entry cannot be written.
    pub async fn start<S: EntryStore>(
        store: S,
        options: WriterOptions,
    ) -> Result<(Self, JoinHandle<()>), JournalError> {
        let (journal, work) = Self::begin(store, options).await?;
        Ok((journal, tokio::spawn(work)))
    }

    /// The same on a thread of its own. A commit is a dozen steps, each of them waited for: as a task among others it would
    /// wait behind every request that is being made, at each of them, and every row waits for the commit.
    ///
    /// # Errors
    /// As [`Journal::start`]; also where there cannot be another thread.
    pub async fn start_apart<S: EntryStore>(store: S, options: WriterOptions) -> Result<Self, JournalError> {
        let (journal, work) = Self::begin(store, options).await?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(JournalError::sql)?;
        let thread = std::thread::Builder::new().name("journal".into());
        thread.spawn(move || runtime.block_on(work)).map_err(JournalError::sql)?;
        Ok(journal)
    }

    async fn begin<S: EntryStore>(
        mut store: S,
        options: WriterOptions,
    ) -> Result<(Self, impl Future<Output = ()> + Send), JournalError> {
        let head = store.head().await?;
        let known = store.journal_id().await?;
        let id: Arc<str> = known.as_deref().unwrap_or(&options.new_journal_id).into();
        let WriterOptions { clock, on_checkpoint, .. } = options;
        let mut writer =
            Writer { store, durable: head.clone(), sealer: Sealer::new(head, Arc::clone(&id), clock), on_checkpoint };
        if known.is_none() {
            let created = JournalCreated {
                journal_id: id.to_string(),
                format: FORMAT.into(),
                version: env!("CARGO_PKG_VERSION").into(),
            };
            writer.create(Draft { run: None, row: None, event: Event::JournalCreated(created) }).await?;
        }
        let (queue, commands) = mpsc::channel(QUEUE);
        Ok((Self { queue, id }, writer.work(commands)))
    }

    /// The journal's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Appends `drafts`, in order and together, and returns when they are durable.
    ///
    /// # Errors
    /// Any error means that nothing more will be written, and that it is *unknown* whether these entries are there.
    pub async fn append(&self, drafts: Vec<Draft>) -> Result<Vec<Stamp>, JournalError> {
        self.ask(|ack| Command::Append { drafts, ack }).await
    }

    /// Makes a checkpoint of everything that is there.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub async fn checkpoint(&self, run: Option<RunId>) -> Result<Checkpoint, JournalError> {
        self.ask(|ack| Command::Checkpoint { run, ack }).await
    }

    /// Closes the store in order and returns the final head.
    ///
    /// # Errors
    /// As [`Journal::append`]; also where the store did not close cleanly.
    pub async fn close(self) -> Result<Checkpoint, JournalError> {
        self.ask(|ack| Command::Close { ack }).await
    }

    async fn ask<T>(&self, command: impl FnOnce(Ack<T>) -> Command) -> Result<T, JournalError> {
        let (ack, answer) = oneshot::channel();
        self.queue.send(command(ack)).await.map_err(|_| JournalError::Closed)?;
        answer.await.map_err(|_| JournalError::Closed)?
    }
}

struct Writer<S> {
    store: S,
    /// The head that is durable; the sealer's is ahead of it.
    durable: Frontier,
    sealer: Sealer,
    on_checkpoint: OnCheckpoint,
}

impl<S: EntryStore> Writer<S> {
    async fn work(mut self, commands: mpsc::Receiver<Command>) {
        let mut inbox = Inbox { commands, next: Batch::default(), then: None, failed: Ok(()) };
        let error = loop {
            match self.serve(&mut inbox).await {
                Ok(Then::Checkpoint { run, ack }) => {
                    let made = self.checkpoint(run).await;
                    let ended = made.as_ref().err().cloned();
                    let _ = ack.send(made);
                    if let Some(error) = ended {
                        break error;
                    }
                }
                Ok(Then::Close { ack }) => {
                    let _ = ack.send(self.close().await);
                    return;
                }
                Ok(Then::End) => {
                    if let Err(error) = self.store.close().await {
                        tracing::debug!(%error, "the journal was not closed in order");
                    }
                    return;
                }
                Err(error) => break error,
            }
        };
        // A connection whose transaction failed must not be used again.
        drop(self.store);
        inbox.refuse_all(&error).await;
    }

    /// Commits batch after batch, until something else is to be done. Everything before that is durable then.
    async fn serve(&mut self, inbox: &mut Inbox) -> Result<Then, JournalError> {
        loop {
            inbox.gather(&mut self.sealer)?;
            if !inbox.next.is_empty() {
                self.commit(inbox).await?;
            } else if let Some(then) = inbox.then.take() {
                return Ok(then);
            } else {
                inbox.advance(&mut self.sealer).await;
            }
        }
    }

    /// Commits the batch that is sealed, and acknowledges it after it is durable. What comes meanwhile is sealed for the next.
    async fn commit(&mut self, inbox: &mut Inbox) -> Result<(), JournalError> {
        let mut batch = std::mem::take(&mut inbox.next);
        let (entries, to) = (std::mem::take(&mut batch.entries), self.sealer.head.clone());
        let committed = {
            let mut committing = pin!(self.store.commit(entries, &self.durable, &to));
            loop {
                tokio::select! {
                    biased;
                    committed = &mut committing => break committed,
                    () = inbox.advance(&mut self.sealer) => {}
                }
            }
        };
        let result = committed.and_then(|()| {
            self.durable = to;
            batch.checkpoint.as_ref().map_or(Ok(()), |checkpoint| hand_on(&mut self.on_checkpoint, checkpoint))
        });
        batch.answer(&result);
        result
    }

    /// Commits a batch that nobody waits for, with nothing beside it.
    async fn commit_alone(&mut self, batch: Batch) -> Result<(), JournalError> {
        self.store.commit(batch.entries, &self.durable, &self.sealer.head).await?;
        self.durable = self.sealer.head.clone();
        batch.checkpoint.map_or(Ok(()), |checkpoint| hand_on(&mut self.on_checkpoint, &checkpoint))
    }

    /// The first entry of a new journal.
    async fn create(&mut self, draft: Draft) -> Result<(), JournalError> {
        let mut batch = Batch::default();
        self.sealer.seal(draft, &mut batch)?;
        self.commit_alone(batch).await?;
        // A copy without its log must not look like a journal that was never made.
        self.store.consolidate().await
    }

    async fn checkpoint(&mut self, run: Option<RunId>) -> Result<Checkpoint, JournalError> {
        let covered = self.sealer.head();
        let mut batch = Batch::default();
        self.sealer.checkpoint(run, &mut batch)?;
        self.commit_alone(batch).await?;
        self.store.consolidate().await?;
        Ok(covered)
    }

    /// Closes the store, and hands the final head on as a checkpoint: it covers every entry, the last one that names a
    /// checkpoint too.
    async fn close(mut self) -> Result<Checkpoint, JournalError> {
        let head = self.sealer.head();
        self.store.close().await?;
        if self.sealer.has_uncovered() {
            hand_on(&mut self.on_checkpoint, &head)?;
        }
        Ok(head)
    }
}

fn hand_on(on_checkpoint: &mut OnCheckpoint, checkpoint: &Checkpoint) -> Result<(), JournalError> {
    on_checkpoint(checkpoint).map_err(|error| JournalError::Checkpoint { reason: error.to_string() })
}

/// What was asked for and is not on its way to the disk.
struct Inbox {
    commands: mpsc::Receiver<Command>,
    /// The batch that is being sealed.
    next: Batch,
    /// What waits until everything before it is durable. Nothing is taken up after it.
    then: Option<Then>,
    /// Why an entry could not be sealed.
    failed: Result<(), JournalError>,
}

enum Then {
    Checkpoint {
        run: Option<RunId>,
        ack: Ack<Checkpoint>,
    },
    Close {
        ack: Ack<Checkpoint>,
    },
    /// Nobody is left who could ask for anything.
    End,
}

impl Inbox {
    fn takes_more(&self) -> bool {
        self.failed.is_ok() && self.then.is_none() && self.next.has_room()
    }

    fn take(&mut self, command: Option<Command>) {
        match command {
            Some(Command::Append { drafts, ack }) => self.next.take(drafts, ack),
            Some(Command::Checkpoint { run, ack }) => self.then = Some(Then::Checkpoint { run, ack }),
            Some(Command::Close { ack }) => self.then = Some(Then::Close { ack }),
            None => self.then = Some(Then::End),
        }
    }

    /// Seals one more entry. Says whether there was one.
    fn seal(&mut self, sealer: &mut Sealer) -> bool {
        let sealed = self.failed.clone().and_then(|()| sealer.advance(&mut self.next));
        self.failed = sealed.as_ref().map(|_| ()).map_err(Clone::clone);
        sealed.unwrap_or(false)
    }

    /// Takes up and seals what is there, without waiting for more.
    fn gather(&mut self, sealer: &mut Sealer) -> Result<(), JournalError> {
        loop {
            while self.seal(sealer) {}
            match self.takes_more().then(|| self.commands.try_recv()) {
                Some(Ok(command)) => self.take(Some(command)),
                Some(Err(_)) | None => return self.failed.clone(),
            }
        }
    }

    /// Seals one more entry, or else waits for something to take up: for ever where nothing more may be. Nothing is lost
    /// where that is cut short.
    async fn advance(&mut self, sealer: &mut Sealer) {
        if self.seal(sealer) {
            return;
        }
        if !self.takes_more() {
            return std::future::pending().await;
        }
        let command = self.commands.recv().await;
        self.take(command);
    }

    /// After the first error every caller gets it, until the last handle is gone.
    async fn refuse_all(mut self, error: &JournalError) {
        std::mem::take(&mut self.next).answer(&Err(error.clone()));
        match self.then.take() {
            Some(Then::Checkpoint { ack, .. } | Then::Close { ack }) => drop(ack.send(Err(error.clone()))),
            Some(Then::End) | None => {}
        }
        while let Some(command) = self.commands.recv().await {
            match command {
                Command::Append { ack, .. } => drop(ack.send(Err(error.clone()))),
                Command::Checkpoint { ack, .. } | Command::Close { ack } => drop(ack.send(Err(error.clone()))),
            }
        }
    }
}
