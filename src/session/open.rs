//! Opening the journal for a session, and closing it in order.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::anchoring::{Anchors, Beside};
use super::archived::with_archived;
use super::checkpoints::{Sink, hand_on, not_carried_on, recorded};
use super::error::{Refusal, Sent, SessionError};
use super::host::Host;
use super::memory::Memory;
use super::opened::housekeeping;
use super::operator::{Notice, Operator};
use super::order::Order;
use super::rollback;
use super::used::refuse_used;
use crate::domain::{Clock, time_text};
use crate::journal::{
    ARCHIVE, EntryStore as _, Holder, Inbox, Journal, JournalError, Location, Reader, Roster, RunRecord, RunState,
    WriterOptions, is_sealed,
};
use crate::record::{Draft, StopReason};

use crate::record::checkpoint::Checkpoint;
use crate::record::event::{Event, OverrideUsed, Requests, RunStopped, SessionClosed, SessionOpened};

/// A journal that this process may write.
pub(super) struct OpenJournal {
    pub(super) journal: Journal,
    pub(super) reader: Reader,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) at: Location,
    sink: Sink,
    pub(super) anchors: Anchors,
    memory: Memory,
    /// What it shares with other runners, if it shares the journal.
    pub(super) roster: Option<Arc<dyn Roster>>,
    /// What it is asked through the journal.
    pub(super) inbox: Option<Arc<dyn Inbox>>,
    _anchoring: Option<Beside>,
    _hold: Box<dyn Any + Send + Sync>,
}

/// For which command the journal is taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taking {
    pub(super) command: &'static str,
    /// How long the leases last of a runner that shares it with others. Whoever has it alone has none.
    pub(super) shares: Option<Duration>,
}

impl From<&'static str> for Taking {
    fn from(command: &'static str) -> Self {
        Self { command, shares: None }
    }
}

impl OpenJournal {
    /// Takes the journal and opens it, unless it lost entries (I12). Runs that died while planning are closed.
    pub(super) async fn open<H: Host>(
        host: &H,
        taking: impl Into<Taking>,
        order: &Order,
        at: &Location,
        checkpoint_to: Option<&Path>,
    ) -> Result<Self, SessionError> {
        let taken = Self::take(host, taking.into(), order, at, checkpoint_to);
        taken.await.map_err(|error| error.sent(Sent::Nothing))
    }

    async fn take<H: Host>(
        host: &H,
        taking: Taking,
        order: &Order,
        at: &Location,
        checkpoint_to: Option<&Path>,
    ) -> Result<Self, SessionError> {
        let (clock, command) = (host.clock(), taking.command);
        let hold = hold(host, taking, order, at, &clock).await?;
        let roster = host.roster(&hold).filter(|_| taking.shares.is_some());
        let inbox = host.inbox(&hold);
        let store = host.store(at, &hold, Arc::clone(&clock)).await?;
        let reader = host.reader(at).await?;
        let operator = &**host.operator();
        let (sink, anchors, memory) = (Sink::default(), Anchors::default(), Memory::default());
        let admitted = async {
            let accepted = rollback::admit(order, operator, &host.heads(), &reader, checkpoint_to).await?;
            checkpoint_to.map_or(Ok(()), |path| sink.open(path))?;
            if command != ARCHIVE && is_sealed(&reader).await? {
                return Err(SessionError::new(Refusal::Sealed { path: at.beside().to_owned() }));
            }
            let whole = match with_archived(host, at, reader.clone()).await {
                // What is settled and resolved here does not depend on them.
                Err(_) if command != "run" => reader.clone(),
                whole => whole?,
            };
            Ok::<_, SessionError>((accepted, whole))
        };
        let (accepted, reader) = match admitted.await {
            Ok(admitted) => admitted,
            Err(refused) => {
                reader.release().await;
                // If closing fails, the files stay as after a crash.
                let _closed = store.close().await;
                return Err(refused);
            }
        };
        let writer = WriterOptions {
            new_journal_id: host.new_id().to_string(),
            on_checkpoint: hand_on(
                sink.clone(),
                anchors.clone(),
                memory.clone(),
                host.signing(),
                Arc::clone(host.operator()),
            ),
        };
        let journal = host.start(store, writer).await?;
        let begin =
            |anchor| anchors.begin(anchor, journal.clone(), (Arc::clone(host.operator()), host.stops().clone()));
        let anchoring = host.anchor().map(begin);
        let (at, hold) = (at.clone(), Box::new(hold));
        let open = Self {
            journal,
            reader,
            clock,
            at,
            sink,
            anchors,
            memory,
            roster,
            inbox,
            _anchoring: anchoring,
            _hold: hold,
        };
        if taking.shares.is_some() {
            // Whoever has the journal alone keeps house.
            return Ok(open);
        }
        let opened = housekeeping(host.new_id(), command, order);
        open.keep_house(operator, opened, accepted).await?;
        Ok(open)
    }

    /// The later of two clocks: this machine's, and that of the journal's last entry. An entry is never older than the one before it, so
    /// that what is decided by an earlier time would not be what the journal shows.
    pub(super) async fn now(&self) -> Result<Timestamp, JournalError> {
        let (now, (size, _)) = (self.clock.now(), self.reader.head().await?);
        match size.checked_sub(1) {
            Some(last) => Ok(self.reader.entry(last).await?.at.max(now)),
            None => Ok(now),
        }
    }

    /// Waits until the checkpoints that were made are anchored. A second signal ends the wait.
    pub(super) async fn anchored<H: Host>(&self, host: &H) {
        tokio::select! {
            biased;
            _failed = self.anchors.settled() => {}
            () = host.stops().hurried() => {}
        }
    }

    /// Why the last checkpoint that was to be signed is not; none where it is.
    pub(super) fn unsigned(&self) -> Option<String> {
        self.sink.unsigned()
    }

    /// Closes the journal so that one file is left: see [`Reader::release`]. Where another program keeps the write-ahead
    /// log in use, says which files belong together.
    pub(super) async fn close<H: Host>(&self, host: &H) -> Result<Checkpoint, JournalError> {
        self.reader.release().await;
        for archived in self.reader.archived() {
            archived.release().await;
        }
        let head = self.journal.clone().close().await?;
        if let Some(log) = host.log_in_use(&self.at) {
            host.operator().notice(Notice::LogInUse { journal: self.at.beside(), log: &log });
        }
        Ok(head)
    }

    /// Where a session exits without closing the journal, says which files belong together until the next one.
    pub(super) fn say_what_belongs_together<H: Host>(&self, host: &H) {
        if let Some(log) = host.log_in_use(&self.at) {
            host.operator().notice(Notice::LogLeft { journal: self.at.beside(), log: &log });
        }
    }

    /// The order of a session that continues a run: if it names no file of checkpoints, the run's own is used.
    pub(super) async fn carried_on(
        &self,
        operator: &dyn Operator,
        order: &Order,
        record: &RunRecord,
    ) -> Result<Order, SessionError> {
        let order = self.taken_on(operator, order, record).await?;
        if let Some(path) = &order.checkpoint_to {
            operator.notice(Notice::CheckpointsTo(path));
        }
        Ok(order)
    }

    /// As [`Self::carried_on`], but does not say where checkpoints go: perhaps there are none.
    pub(super) async fn taken_on(
        &self,
        operator: &dyn Operator,
        order: &Order,
        record: &RunRecord,
    ) -> Result<Order, SessionError> {
        let mut order = order.clone();
        // A command is never taken from a journal.
        if !self.anchors.is_on()
            && let Some(program) = recorded(&self.reader, record.run_no, "checkpoint_exec").await?
        {
            operator.notice(Notice::NoLongerAnchored(&program));
        }
        if order.checkpoint_to.is_none()
            && let Some(path) = recorded(&self.reader, record.run_no, "checkpoint_to").await?
        {
            let path = PathBuf::from(path);
            if let Some(why) = not_carried_on(&path) {
                operator.notice(Notice::CheckpointsNoLongerTo(&path, why));
                return Ok(order);
            }
            refuse_used(Some(&path), &self.at, &[])?;
            self.sink.open(&path)?;
            order.checkpoint_to = Some(path);
        }
        Ok(order)
    }

    /// Makes the machine remember the journal's head from now on, unless the session is a rehearsal; if it cannot, the
    /// entry that opens the session says so.
    pub(super) async fn remember<H: Host>(
        &self,
        host: &H,
        order: &Order,
        opened: &mut SessionOpened,
    ) -> Result<(), JournalError> {
        // The journal of a dry run is temporary.
        if opened.sandbox || self.at != order.journal {
            return Ok(());
        }
        let (size, root) = self.reader.head().await?;
        let head = Checkpoint::of(self.journal.id(), size, &root);
        let head = head.ok_or_else(|| JournalError::damaged("the head's root is not a hash"))?;
        if let Err(why) = self.memory.begin(host.heads(), (&self.at, self.roster.is_some()), &head) {
            host.operator().notice(Notice::NotRemembered(&why));
            opened.not_remembered = Some(why);
        }
        Ok(())
    }

    /// Records, in a session of its own, that a rollback was accepted, and closes the runs that died while planning.
    async fn keep_house(
        &self,
        operator: &dyn Operator,
        opened: Box<SessionOpened>,
        accepted: Option<OverrideUsed>,
    ) -> Result<(), SessionError> {
        let mut drafts = vec![Draft::of(Event::SessionOpened(opened))];
        let rollbacks = self.reader.accepted_rollbacks().await?;
        let most = accepted.as_ref().map(most_lost);
        drafts.extend(accepted.map(|used| Draft::of(Event::OverrideUsed(used))));
        let mut closed = Vec::new();
        for record in self.reader.runs().await? {
            if record.state != RunState::Planning {
                continue;
            }
            // It may have been sealed, started and executed.
            let lost = most.is_some() || rollbacks.last().is_some_and(|entry| Some(entry.seq) > record.manifest_seq);
            let sent = if lost {
                "the entries after that were lost, so it is unknown what was sent"
            } else {
                "nothing was sent"
            };
            let stopped =
                RunStopped::new(StopReason::Abandoned, Some(format!("its process died while planning; {sent}")));
            drafts.push(Draft::of_run(record.number(), Event::RunStopped(stopped)));
            closed.push(Notice::DeadPlanClosed { run: record.run, lost });
        }
        if drafts.len() == 1 {
            return Ok(());
        }
        drafts.push(Draft::of(Event::SessionClosed(SessionClosed { requests: Requests::default(), elapsed_ms: 0 })));
        self.journal.append(drafts).await?;
        most.into_iter().for_each(|most| operator.notice(Notice::RollbackAccepted(most)));
        closed.into_iter().for_each(|closed| operator.notice(closed));
        Ok(())
    }
}

/// The size of the largest head that the journal continues without.
fn most_lost(used: &OverrideUsed) -> u64 {
    used.lost.iter().map(|lost| lost.size).max().unwrap_or_default()
}

/// How long a session waits for the lock. A killed process holds it for a moment after its killer went on: until the kernel
/// has closed its files, which takes as long as a write to the disk that was under way.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// How often it looks. Short beside what a session takes to begin, and long beside the microseconds that a look takes.
const LOCK_LOOKED_AT: Duration = Duration::from_millis(50);

/// Takes the journal, after a short wait where another session holds it.
async fn hold<H: Host>(
    host: &H,
    taking: Taking,
    order: &Order,
    at: &Location,
    clock: &Arc<dyn Clock>,
) -> Result<H::Hold, JournalError> {
    let until = tokio::time::Instant::now() + LOCK_PATIENCE;
    loop {
        let holder = Holder {
            command: taking.command.to_owned(),
            pid: order.who.pid,
            host: order.who.host.clone(),
            since: time_text(clock.now()),
        };
        let taken = match taking.shares {
            Some(lasts) => host.join(at, &holder, lasts).await,
            None => host.hold(at, &holder).await,
        };
        match taken {
            Err(JournalError::Locked { .. }) if tokio::time::Instant::now() < until => {}
            taken => return taken,
        }
        tokio::time::sleep(LOCK_LOOKED_AT).await;
    }
}
