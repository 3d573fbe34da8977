//! Opening the journal for a session, and closing it in order.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::cli::Context;
use crate::cli::checkpoints::{self, Sink};
use crate::cli::error::{CliError, Sent};
use crate::cli::memory::Memory;
use crate::cli::options::SessionOptions;
use crate::cli::rollback::{self, RollbackOptions};
use crate::domain::{Clock, RunId, SystemClock, time_text};
use crate::journal::sqlite::{RunRecord, SqliteReader, SqliteStore, log_in_use};
use crate::journal::{EntryStore as _, Holder, Journal, JournalError, Lock, RunState, WriterOptions};
use crate::record::Draft;
use crate::record::checkpoint::Checkpoint;
use crate::record::event::{Event, RunStopped, SessionOpened};

/// A journal that this process may write.
pub(crate) struct OpenJournal {
    pub(crate) journal: Journal,
    pub(crate) reader: SqliteReader,
    pub(crate) clock: Arc<dyn Clock>,
    path: PathBuf,
    sink: Sink,
    memory: Memory,
    _lock: Lock,
}

impl OpenJournal {
    /// Takes the lock, and opens the journal at `path` unless it lost entries (I12). Runs that died while planning are closed.
    pub(crate) async fn open(
        context: &Context,
        command: &str,
        path: &Path,
        checkpoint_to: Option<&Path>,
        rollback: &RollbackOptions,
    ) -> Result<Self, CliError> {
        let taken = Self::take(context, command, path, checkpoint_to, rollback);
        taken.await.map_err(|error| error.sent(Sent::Nothing))
    }

    async fn take(
        context: &Context,
        command: &str,
        path: &Path,
        checkpoint_to: Option<&Path>,
        rollback: &RollbackOptions,
    ) -> Result<Self, CliError> {
        let mut lock = lock(path).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        lock.sign(&Holder {
            command: command.to_owned(),
            pid: std::process::id(),
            host: context.environment.host(),
            since: time_text(clock.now()),
        });
        let store = SqliteStore::open(path, Arc::clone(&clock)).await?;
        let reader = SqliteReader::open(path).await?;
        let (sink, memory) = (Sink::default(), Memory::default());
        let admitted = async {
            let accepted = rollback::admit(context, &reader, checkpoint_to, rollback).await?;
            checkpoint_to.map_or(Ok(()), |path| sink.open(path))?;
            Ok::<_, CliError>(accepted)
        };
        let accepted = match admitted.await {
            Ok(accepted) => accepted,
            Err(refused) => {
                reader.release().await;
                // If closing fails, the files stay as after a crash.
                let _closed = store.close().await;
                return Err(refused);
            }
        };
        let writer = WriterOptions {
            new_journal_id: Uuid::now_v7().to_string(),
            on_checkpoint: checkpoints::hand_on(sink.clone(), memory.clone()),
        };
        let journal = Journal::start_apart(store, writer).await?;
        if let Some(used) = accepted {
            let said = rollback::accepted(&used);
            journal.append(vec![Draft { run: None, row: None, event: Event::OverrideUsed(used) }]).await?;
            context.ui.say(&said);
        }
        let open = Self { journal, reader, clock, path: path.to_owned(), sink, memory, _lock: lock };
        open.close_dead_plans(context).await?;
        Ok(open)
    }

    /// Closes the journal so that one file is left: see [`SqliteReader::release`]. Where another program keeps the write-ahead
    /// log in use, says which files belong together.
    pub(crate) async fn close(&self, context: &Context) -> Result<Checkpoint, JournalError> {
        self.reader.release().await;
        let head = self.journal.clone().close().await?;
        if let Some(log) = log_in_use(&self.path) {
            context.ui.say(&format!(
                "another program has the journal open, so its newest entries are still in {}; until that program closes it, \
                 copy {} and that file together",
                log.display(),
                self.path.display()
            ));
        }
        Ok(head)
    }

    /// Where a session exits without closing the journal, says which files belong together until the next one.
    pub(super) fn say_what_belongs_together(&self, context: &Context) {
        if let Some(log) = log_in_use(&self.path) {
            context.ui.say(&format!(
                "the journal's newest entries are still in {}; until the next session, copy {} and that file together",
                log.display(),
                self.path.display()
            ));
        }
    }

    /// The options of a session that continues a run: if they name no file of checkpoints, the run's own is used.
    pub(crate) async fn carried_on(
        &self,
        context: &Context,
        options: &SessionOptions,
        record: &RunRecord,
    ) -> Result<SessionOptions, CliError> {
        let mut options = options.clone();
        if options.checkpoint_to.is_none()
            && let Some(path) = checkpoints::recorded(&self.reader, record.run_no).await?
        {
            if let Some(why) = checkpoints::not_carried_on(&path) {
                let shown = crate::cli::shown(&path.to_string_lossy());
                context.ui.say(&format!(
                    "checkpoints are no longer appended to {shown}: {why}; name a file with --checkpoint-to"
                ));
                return Ok(options);
            }
            checkpoints::refuse_used(Some(&path), &self.path, &[])?;
            self.sink.open(&path)?;
            options.checkpoint_to = Some(path);
        }
        if let Some(path) = &options.checkpoint_to {
            context.ui.talk(format!("checkpoints are appended to {}", crate::cli::shown(&path.to_string_lossy())));
        }
        Ok(options)
    }

    /// Makes the machine remember the journal's head from now on, unless the session is a rehearsal; if it cannot, the
    /// entry that opens the session says so.
    pub(crate) async fn remember(&self, context: &Context, opened: &mut SessionOpened) -> Result<(), JournalError> {
        // The journal of a dry run is temporary.
        if opened.sandbox || self.path != context.journal {
            return Ok(());
        }
        let (size, root) = self.reader.head().await?;
        let head = Checkpoint::of(self.journal.id(), size, &root);
        let head = head.ok_or_else(|| JournalError::damaged("the head's root is not a hash"))?;
        if let Err(why) = self.memory.begin(context, &self.path, &head) {
            let said = crate::cli::shown(&why);
            context.ui.say(&format!("warning: an older copy of the journal would not be recognised later: {said}"));
            opened.not_remembered = Some(why);
        }
        Ok(())
    }

    async fn close_dead_plans(&self, context: &Context) -> Result<(), CliError> {
        let rollbacks = self.reader.accepted_rollbacks().await?;
        for record in self.reader.runs().await? {
            if record.state != RunState::Planning {
                continue;
            }
            // It may have been sealed, started and executed.
            let lost = rollbacks.last().is_some_and(|entry| Some(entry.seq) > record.manifest_seq);
            let sent = if lost {
                "the entries after that were lost, so it is unknown what was sent"
            } else {
                "nothing was sent"
            };
            let stopped = RunStopped::new("abandoned", Some(format!("its process died while planning; {sent}")));
            self.journal.append(vec![draft(record.run, Event::RunStopped(stopped))]).await?;
            let run = record.run;
            context.ui.talk(format!("run {run} died while planning: {sent}; it was closed as abandoned"));
        }
        Ok(())
    }
}

/// How long a session waits for the lock. A killed process holds it for a moment after its killer went on: until the kernel
/// has closed its files, which takes as long as a write to the disk that was under way.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// How often it looks. Short beside what a session takes to begin, and long beside the microseconds that a look takes.
const LOCK_LOOKED_AT: Duration = Duration::from_millis(50);

/// Takes the lock, after a short wait where another session holds it.
async fn lock(path: &Path) -> Result<Lock, JournalError> {
    let until = tokio::time::Instant::now() + LOCK_PATIENCE;
    loop {
        match Lock::take(path) {
            Err(JournalError::Locked { .. }) if tokio::time::Instant::now() < until => {}
            taken => return taken,
        }
        tokio::time::sleep(LOCK_LOOKED_AT).await;
    }
}

pub(crate) fn draft(run: RunId, event: Event) -> Draft {
    Draft { run: Some(run), row: None, event }
}
