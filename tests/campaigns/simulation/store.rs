//! The writing side of the journal in memory: commits that fail or end the session, before or after they took hold.

use std::sync::Arc;
use std::time::Duration;

use keybatch::domain::Clock as _;
use keybatch::journal::{Appended, Blame, Cadence, EntryStore, Head, JournalError, LastCheckpoint};
use keybatch::record::event::Event;
use keybatch::record::{Draft, Entry};

use super::fate::happens;
use super::ledger::{Handle, Sim};

/// How a commit ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Commit {
    Holds,
    Fails { holds: bool },
    Dies { holds: bool },
}

/// The writing side of a session.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) handle: Handle,
    /// Where the session left the head.
    left: Option<Head>,
    /// After an error it must not be used again.
    failed: bool,
}

impl Store {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle, left: None, failed: false }
    }
}

impl EntryStore for Store {
    async fn head(&mut self) -> Result<Head, JournalError> {
        let now = self.handle.time.now();
        let sim = self.handle.sim();
        let last = sim.ledger.bodies.last().map(|body| Entry::parse(body).unwrap().at);
        let made = sim.ledger.bodies.iter().rev().find(|body| body.contains(r#""kind":"checkpoint_made""#));
        let checkpoint = made.and_then(|body| {
            let entry = Entry::parse(body).unwrap();
            let Event::CheckpointMade(made) = &entry.event else { return None };
            Some(LastCheckpoint { size: made.size, at: entry.at })
        });
        let head = Head::new(sim.ledger.head.clone(), last, checkpoint, now);
        self.left = Some(head.clone());
        Ok(head)
    }

    async fn journal_id(&mut self) -> Result<Option<String>, JournalError> {
        Ok(self.handle.sim().ledger.journal_id.clone())
    }

    async fn append(&mut self, drafts: Vec<Draft>, cadence: Option<Cadence>) -> Result<Appended, JournalError> {
        let left = self.left.clone().unwrap();
        // Before the work begins, what is only read has no fate of its own.
        let is_read = |draft: &Draft| matches!(draft.event, Event::Observed(_) | Event::RateChanged(_));
        let is_quiet = self.handle.sim().world.is_eve && drafts.iter().all(is_read);
        let batch = left.seal(drafts, cadence, || self.handle.time.now())?;
        let (commit, delay) = if is_quiet {
            (Commit::Holds, Duration::ZERO)
        } else {
            let mut sim = self.handle.sim();
            let Sim { world, ledger, .. } = &mut *sim;
            if self.failed {
                world.breaks("I9: the store is used after it failed".into());
            }
            let troubled = ledger.started && happens(&mut world.rng, world.faults.commit);
            let slow = happens(&mut world.rng, world.faults.slow);
            let delay = if slow { world.rng.u64(200..8_000) } else { world.rng.u64(0..6) };
            let commit = match (troubled, world.rng.u32(0..4)) {
                (false, _) => Commit::Holds,
                (true, kind) if kind < 2 => Commit::Fails { holds: kind == 0 },
                (true, kind) => Commit::Dies { holds: kind == 2 },
            };
            (commit, Duration::from_millis(delay))
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if matches!(commit, Commit::Holds | Commit::Fails { holds: true } | Commit::Dies { holds: true }) {
            self.handle.take_hold(left.mark(), &(batch.entries, batch.head.tree().clone()));
        }
        match commit {
            Commit::Holds => {
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                self.left = Some(batch.head);
                Ok(batch.appended)
            }
            Commit::Fails { holds } => {
                self.failed = true;
                let now = self.handle.time.now_us();
                self.handle.sim().world.note(now, || format!("a commit fails; it took hold: {holds}"));
                let source = Arc::new(std::io::Error::other("disk I/O error"));
                Err(JournalError::Database { source, blame: Blame::Machine })
            }
            Commit::Dies { holds } => {
                let now = self.handle.time.now_us();
                self.handle.sim().world.note(now, || format!("the session dies in a commit; it took hold: {holds}"));
                self.handle.death.notify_one();
                std::future::pending().await
            }
        }
    }

    async fn consolidate(&mut self) -> Result<(), JournalError> {
        Ok(())
    }

    async fn close(self) -> Result<(), JournalError> {
        Ok(())
    }
}
