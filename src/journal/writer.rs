//! The only task that writes. It hands everything that is queued to the store at once (group commit). The store numbers, stamps and
//! seals it; the task acknowledges it once the commit is durable.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::commands::{Ack, Command, Group, refuse};
use super::head::{Appended, Cadence, Stamp, TreeHead, checkpoint_draft};
use super::late::{answers, record, refuse_all};
use super::meter::Meter;
use super::{EntryStore, JournalError, OnUnrecorded};
use crate::record::Draft;
use crate::record::checkpoint::Checkpoint;
use crate::record::event::{Event, JournalCreated, Previous};
use crate::record::plan::ACTION;

/// How long a transaction waits for others to join it where there was a crowd a moment ago, and fewer than half of it are here. A
/// commit costs as much for one row as for many; without this, every other one is for one or two rows, because the first answer
/// of a commit makes the first request of the next.
const GATHERING: Duration = Duration::from_millis(1);

/// How many requests may wait for the writer. A full queue makes the callers wait, which bounds memory.
const QUEUE: usize = 1024;

/// When a checkpoint is due at the latest.
const CADENCE: Cadence = Cadence { entries: 1_000, age: SignedDuration::from_secs(60) };

/// The format that a new journal names in its first entry.
const FORMAT: &str = "keybatch.journal/2";

/// Why a checkpoint was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// Somebody asked for it.
    Asked,
    /// The journal was closed: no entry can follow.
    Closed,
    /// Enough entries or time had passed.
    Due,
    /// The journal failed: these entries were durable before, wherever the session after this one finds it.
    Failed,
}

impl Occasion {
    /// Whether no entry can follow.
    #[must_use]
    pub fn is_last(self) -> bool {
        matches!(self, Self::Closed | Self::Failed)
    }
}

/// Called with each checkpoint after it is durable.
pub type OnCheckpoint = Box<dyn FnMut(&Checkpoint, Occasion) -> std::io::Result<()> + Send>;

/// What the writer needs from its caller.
pub struct WriterOptions {
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

/// The handle to the writer; clones share it.
#[derive(Debug, Clone)]
pub struct Journal {
    queue: mpsc::Sender<Command>,
    id: Arc<str>,
    meter: Arc<Meter>,
}

impl Journal {
    /// Starts the writer on `store`, and makes the first entry of a new journal.
    ///
    /// # Errors
    /// If the head cannot be read or the first entry cannot be written.
    pub async fn start<S: EntryStore>(
        store: S,
        options: WriterOptions,
    ) -> Result<(Self, JoinHandle<()>), JournalError> {
        let (journal, work) = Self::begin(store, options).await?;
        Ok((journal, tokio::spawn(work)))
    }

    /// Does the same on a thread of its own. A commit has a dozen steps, and the writer waits for each of them. As one task among
    /// others it would wait behind every request in progress at each step, and every row waits for the commit.
    ///
    /// # Errors
    /// As [`Journal::start`]; also if no further thread can be started.
    pub async fn start_apart<S: EntryStore>(store: S, options: WriterOptions) -> Result<Self, JournalError> {
        let (journal, work) = Self::begin(store, options).await?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(JournalError::sql)?;
        let thread = std::thread::Builder::new().name("journal".into());
        thread.spawn(move || runtime.block_on(work)).map_err(JournalError::sql)?;
        Ok(journal)
    }

    /// Makes the first entry of a new journal that continues an archived one, and closes it.
    ///
    /// # Errors
    /// If there is an entry already, or it cannot be written.
    pub async fn found<S: EntryStore>(
        mut store: S,
        journal_id: String,
        previous: Previous,
    ) -> Result<(), JournalError> {
        if store.head().await?.mark().size > 0 {
            return Err(JournalError::damaged("a journal that is to be new has entries"));
        }
        let created = JournalCreated {
            journal_id,
            format: FORMAT.into(),
            action: ACTION.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            previous: Some(previous),
        };
        store.append(vec![Draft::of(Event::JournalCreated(created))], None).await?;
        store.consolidate().await?;
        store.close().await
    }

    async fn begin<S: EntryStore>(
        mut store: S,
        options: WriterOptions,
    ) -> Result<(Self, impl Future<Output = ()> + Send), JournalError> {
        let head = store.head().await?;
        let known = store.journal_id().await?;
        let meter = Arc::new(Meter::default());
        meter.begin(&head);
        let head = head.mark();
        let id: Arc<str> = known.as_deref().unwrap_or(&options.new_journal_id).into();
        let (unrecorded, id_of_writer) = (store.unrecorded(), Arc::clone(&id));
        let mut writer = Writer {
            store: Some(store),
            head,
            covered: head.size,
            crowd: 0,
            id: id_of_writer,
            meter: Arc::clone(&meter),
            options,
            unrecorded,
        };
        if known.is_none() {
            let created = JournalCreated {
                journal_id: id.to_string(),
                format: FORMAT.into(),
                action: ACTION.into(),
                version: env!("CARGO_PKG_VERSION").into(),
                previous: None,
            };
            writer.commit(vec![Draft::of(Event::JournalCreated(created))], None).await?;
            // A copy without its log must not look like a journal that was never made.
            writer.consolidate().await?;
        }
        let (queue, commands) = mpsc::channel(QUEUE);
        Ok((Self { queue, id, meter }, writer.work(commands)))
    }

    /// The journal's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the writer counts as it works.
    #[must_use]
    pub fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Appends `drafts`, in order and together, and returns when they are durable.
    ///
    /// # Errors
    /// Any error means that nothing more will be written, and that it is *unknown* whether these entries are there.
    pub async fn append(&self, drafts: Vec<Draft>) -> Result<Vec<Stamp>, JournalError> {
        self.ask(|ack| Command::Append { drafts, ack }).await
    }

    /// Makes a checkpoint of all entries.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub async fn checkpoint(&self) -> Result<Checkpoint, JournalError> {
        self.ask(|ack| Command::Checkpoint { ack }).await
    }

    /// Closes the store in order and returns the final head.
    ///
    /// # Errors
    /// As [`Journal::append`]; also if the store did not close cleanly.
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
    /// The head after the last commit.
    head: TreeHead,
    /// How many entries the last checkpoint covered that was handed on, or how many there were when this session began.
    covered: u64,
    /// How many requests the last transaction answered.
    crowd: usize,
    id: Arc<str>,
    meter: Arc<Meter>,
    options: WriterOptions,
    /// Who is told what cannot be recorded.
    unrecorded: Option<OnUnrecorded>,
}

impl<S: EntryStore> Writer<S> {
    async fn work(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.recv().await {
            let ended = match command {
                Command::Append { drafts, ack } => self.group(drafts, ack, &mut commands).await,
                Command::Checkpoint { ack } => answer(ack, self.checkpoint().await),
                Command::Close { ack } => {
                    let _ = ack.send(self.close().await);
                    return;
                }
            };
            if let Err(error) = ended {
                self.hand_on_the_last();
                // One that was fenced off may still take late answers.
                let store = self.store.take().filter(|_| matches!(error, JournalError::FencedOff { .. }));
                return refuse_all(&error, commands, self.unrecorded, store).await;
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
        let mut group = Group { acks: vec![(first.len(), ack)], drafts: first, other: None };
        group.take(commands);
        if group.is_small(self.crowd) {
            tokio::time::sleep(GATHERING).await;
            group.take(commands);
        }
        let Group { drafts, acks, other } = group;
        self.crowd = acks.len();
        let held = self.unrecorded.as_ref().map(|_| answers(&drafts)).unwrap_or_default();
        let result = self.commit(drafts, Some(CADENCE)).await.map(|appended| appended.stamps);
        if let (Err(error), Some(tell)) = (&result, &self.unrecorded) {
            // Before anybody learns of it, and ends the process.
            tell(&record(self.store.as_mut(), error, held).await);
        }
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
            Some(Command::Checkpoint { ack }) => answer(ack, self.checkpoint().await),
            Some(Command::Close { ack }) => {
                let _ = ack.send(self.close().await);
                Err(JournalError::Closed)
            }
            Some(Command::Append { .. }) | None => Ok(()),
        }
    }

    async fn checkpoint(&mut self) -> Result<Checkpoint, JournalError> {
        let made = self.commit(vec![checkpoint_draft()], None).await?.checkpoint;
        self.consolidate().await?;
        let made = made.ok_or_else(|| JournalError::damaged("a checkpoint was asked for, and none was made"))?;
        Ok(self.checkpoint_of(made))
    }

    /// Closes the store, and hands the final head on as a checkpoint. It covers every entry, including the last one that names
    /// a checkpoint.
    async fn close(&mut self) -> Result<Checkpoint, JournalError> {
        let store = self.store.take().ok_or(JournalError::Closed)?;
        store.close().await?;
        if self.head.size > self.covered {
            self.hand_on(self.head, Occasion::Closed)?;
        }
        Ok(self.checkpoint_of(self.head))
    }

    fn hand_on(&mut self, head: TreeHead, why: Occasion) -> Result<(), JournalError> {
        self.covered = head.size;
        let checkpoint = self.checkpoint_of(head);
        let handed_on = (self.options.on_checkpoint)(&checkpoint, why);
        handed_on.map_err(|error| JournalError::Checkpoint { reason: error.to_string() })
    }

    /// A database may come back without the last entries, a file from a backup: the next session is to notice (I12).
    fn hand_on_the_last(&mut self) {
        if self.head.size > self.covered
            && let Err(error) = self.hand_on(self.head, Occasion::Failed)
        {
            tracing::debug!(%error, "the last head of a journal that failed was not handed on");
        }
    }

    async fn consolidate(&mut self) -> Result<(), JournalError> {
        self.store.as_mut().ok_or(JournalError::Closed)?.consolidate().await
    }

    fn checkpoint_of(&self, head: TreeHead) -> Checkpoint {
        Checkpoint { journal_id: self.id.to_string(), size: head.size, root: head.root }
    }

    /// Commits `drafts`, and hands on the checkpoint that was made with them, if any.
    async fn commit(&mut self, drafts: Vec<Draft>, cadence: Option<Cadence>) -> Result<Appended, JournalError> {
        let store = self.store.as_mut().ok_or(JournalError::Closed)?;
        let why = if cadence.is_some() { Occasion::Due } else { Occasion::Asked };
        let began = tokio::time::Instant::now();
        let appended = store.append(drafts, cadence).await?;
        self.meter.committed(&appended, began.elapsed());
        self.head = appended.head;
        if let Some(made) = appended.checkpoint {
            self.hand_on(made, why)?;
        }
        Ok(appended)
    }
}

fn answer<T>(ack: Ack<T>, result: Result<T, JournalError>) -> Result<(), JournalError> {
    let ended = result.as_ref().map(|_| ()).map_err(Clone::clone);
    let _ = ack.send(result);
    ended
}
