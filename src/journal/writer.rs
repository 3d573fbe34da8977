//! The one task that writes. It numbers, stamps, seals and hashes entries, commits everything that is queued at once
//! (group commit), and acknowledges after the commit is durable.

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{EntryStore, JournalError};
use crate::domain::{Clock, RunId, micros};
use crate::record::checkpoint::{Checkpoint, base64};
use crate::record::event::{CheckpointMade, Event, JournalCreated, PREVIOUS};
use crate::record::merkle::{Frontier, Hash};
use crate::record::{Draft, Entry};

/// How many entries one transaction takes at most: one full chunk of the largest statement. More would only make
/// the first of them wait longer.
const MAX_BATCH: usize = 256;

/// How many requests may wait for the writer. A full queue makes the callers wait, which bounds memory.
const QUEUE: usize = 1024;

/// A checkpoint is made at the latest after this many entries…
const CHECKPOINT_ENTRIES: u64 = 1_000;

/// …or this long after the last one, once something was written.
const CHECKPOINT_AGE: SignedDuration = SignedDuration::from_secs(60);

/// The format that a new journal names in its first entry.
const FORMAT: &str = "keybatch.journal/2";

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

type Ack<T> = oneshot::Sender<Result<T, JournalError>>;

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
        let mut writer = Writer {
            store: Some(store),
            since_checkpoint: 0,
            last_checkpoint: options.clock.now(),
            head,
            id: Arc::clone(&id),
            options,
        };
        if known.is_none() {
            let created = JournalCreated {
                journal_id: id.to_string(),
                format: FORMAT.into(),
                version: env!("CARGO_PKG_VERSION").into(),
            };
            writer.commit(vec![Draft { run: None, row: None, event: Event::JournalCreated(created) }]).await?;
            // A copy without its log must not look like a journal that was never made.
            writer.consolidate().await?;
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
    /// `None` after the first error: a connection whose transaction failed must not be used again.
    store: Option<S>,
    head: Frontier,
    since_checkpoint: u64,
    last_checkpoint: Timestamp,
    id: Arc<str>,
    options: WriterOptions,
}

impl<S: EntryStore> Writer<S> {
    async fn work(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.recv().await {
            let ended = match command {
                Command::Append { drafts, ack } => self.group(drafts, ack, &mut commands).await,
                Command::Checkpoint { run, ack } => answer(ack, self.checkpoint(run).await),
                Command::Close { ack } => {
                    let _ = ack.send(self.close().await);
                    return;
                }
            };
            if let Err(error) = ended {
                self.store = None;
                return refuse_all(&error, commands).await;
            }
        }
        if let Some(store) = self.store.take()
            && let Err(error) = store.close().await
        {
            tracing::debug!(%error, "the journal was not closed in order");
        }
    }

    /// Commits `first` together with whatever else is queued, and acknowledges each.
    async fn group(
        &mut self,
        first: Vec<Draft>,
        ack: Ack<Vec<Stamp>>,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Result<(), JournalError> {
        let mut acks = vec![(first.len(), ack)];
        let mut drafts = first;
        let mut other = None;
        while drafts.len() < MAX_BATCH {
            match commands.try_recv() {
                Ok(Command::Append { drafts: more, ack }) => {
                    acks.push((more.len(), ack));
                    drafts.extend(more);
                }
                Ok(command) => {
                    other = Some(command);
                    break;
                }
                Err(_) => break,
            }
        }
        let result = self.commit_with_checkpoint(drafts).await;
        let mut stamps = result.clone().unwrap_or_default().into_iter();
        for (count, ack) in acks {
            let own = result.as_ref().map(|_| stamps.by_ref().take(count).collect()).map_err(Clone::clone);
            let _ = ack.send(own);
        }
        if let Err(error) = result {
            other.into_iter().for_each(|command| refuse(command, &error));
            return Err(error);
        }
        match other {
            Some(Command::Checkpoint { run, ack }) => answer(ack, self.checkpoint(run).await),
            Some(Command::Close { ack }) => {
                let _ = ack.send(self.close().await);
                Err(JournalError::Closed)
            }
            Some(Command::Append { .. }) | None => Ok(()),
        }
    }

    /// Commits `drafts`, preceded by a checkpoint where one is due.
    async fn commit_with_checkpoint(&mut self, mut drafts: Vec<Draft>) -> Result<Vec<Stamp>, JournalError> {
        let age = self.options.clock.now().duration_since(self.last_checkpoint);
        let due = self.since_checkpoint >= CHECKPOINT_ENTRIES || (self.since_checkpoint > 0 && age >= CHECKPOINT_AGE);
        if !due {
            return self.commit(drafts).await;
        }
        let checkpoint = self.checkpoint_text();
        drafts.insert(0, checkpoint_draft(None, &checkpoint));
        let stamps = self.commit(drafts).await?;
        self.made(&checkpoint)?;
        // It covers neither its own entry nor those that came with it.
        self.since_checkpoint = stamps.len() as u64;
        Ok(stamps.into_iter().skip(1).collect())
    }

    async fn checkpoint(&mut self, run: Option<RunId>) -> Result<Checkpoint, JournalError> {
        let checkpoint = self.checkpoint_text();
        self.commit(vec![checkpoint_draft(run, &checkpoint)]).await?;
        self.made(&checkpoint)?;
        // Its own entry is not covered.
        self.since_checkpoint = 1;
        self.consolidate().await?;
        Ok(checkpoint)
    }

    /// Closes the store, and hands the final head on as a checkpoint: it covers every entry, the last one that names a
    /// checkpoint too.
    async fn close(&mut self) -> Result<Checkpoint, JournalError> {
        let head = self.checkpoint_text();
        let store = self.store.take().ok_or(JournalError::Closed)?;
        store.close().await?;
        if self.since_checkpoint > 0 {
            self.made(&head)?;
        }
        Ok(head)
    }

    fn made(&mut self, checkpoint: &Checkpoint) -> Result<(), JournalError> {
        self.since_checkpoint = 0;
        self.last_checkpoint = self.options.clock.now();
        let handed_on = (self.options.on_checkpoint)(checkpoint);
        handed_on.map_err(|error| JournalError::Checkpoint { reason: error.to_string() })
    }

    async fn consolidate(&mut self) -> Result<(), JournalError> {
        self.store.as_mut().ok_or(JournalError::Closed)?.consolidate().await
    }

    fn checkpoint_text(&self) -> Checkpoint {
        Checkpoint { journal_id: self.id.to_string(), size: self.head.size(), root: self.head.root() }
    }

    async fn commit(&mut self, drafts: Vec<Draft>) -> Result<Vec<Stamp>, JournalError> {
        let store = self.store.as_mut().ok_or(JournalError::Closed)?;
        let mut to = self.head.clone();
        let mut batch = Vec::with_capacity(drafts.len());
        let mut stamps = Vec::with_capacity(drafts.len());
        for Draft { run, row, mut event } in drafts {
            if let Event::RowSettled(settled) = &mut event {
                let previous = to.size().saturating_sub(1);
                settled.rests_on.iter_mut().filter(|seq| **seq == PREVIOUS).for_each(|seq| *seq = previous);
            }
            if let Event::SessionOpened(opened) = &mut event {
                opened.continues_from = Some(base64(&to.root()));
            }
            let entry = Entry { seq: to.size(), at: micros(self.options.clock.now()), run, row, event };
            let sealed = entry.seal().map_err(JournalError::entry)?;
            to.push(sealed.leaf);
            stamps.push(Stamp { seq: entry.seq, at: entry.at, leaf: sealed.leaf });
            batch.push((entry, sealed));
        }
        store.commit(batch, &self.head, &to).await?;
        self.since_checkpoint += stamps.len() as u64;
        self.head = to;
        Ok(stamps)
    }
}

fn checkpoint_draft(run: Option<RunId>, checkpoint: &Checkpoint) -> Draft {
    let made = CheckpointMade { size: checkpoint.size, root: base64(&checkpoint.root) };
    Draft { run, row: None, event: Event::CheckpointMade(made) }
}

fn answer<T>(ack: Ack<T>, result: Result<T, JournalError>) -> Result<(), JournalError> {
    let ended = result.as_ref().map(|_| ()).map_err(Clone::clone);
    let _ = ack.send(result);
    ended
}

/// After the first error every caller gets it, until the last handle is gone.
async fn refuse_all(error: &JournalError, mut commands: mpsc::Receiver<Command>) {
    while let Some(command) = commands.recv().await {
        refuse(command, error);
    }
}

fn refuse(command: Command, error: &JournalError) {
    match command {
        Command::Append { ack, .. } => drop(ack.send(Err(error.clone()))),
        Command::Checkpoint { ack, .. } | Command::Close { ack } => drop(ack.send(Err(error.clone()))),
    }
}
