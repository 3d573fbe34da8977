//! The writing side of the journal in memory: commits that fail or end the session, before or after they took hold. A runner's go on
//! from wherever the others left the journal.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use keybatch::domain::Clock as _;
use keybatch::journal::{
    Appended, Batch, Blame, Cadence, EntryStore, Head, JournalError, LastCheckpoint, OnUnrecorded, Stamp, TreeHead,
};
use keybatch::record::checkpoint::base64;
use keybatch::record::event::{Event, PREVIOUS};
use keybatch::record::{Draft, Entry};

use super::fate::happens;
use super::ledger::{Handle, Ledger, Sim};
use super::roster::Shared;

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
    shared: Shared,
    handle: Handle,
    /// Where the session left the head.
    left: Option<Head>,
    /// The session, as its entries name it, and since when it reads.
    session: Option<u64>,
    since: jiff::Timestamp,
    /// After an error it must not be used again.
    failed: bool,
    /// Whether it was told that it is fenced off: then there may be late answers.
    fenced: bool,
}

impl Store {
    pub(crate) fn new(shared: Shared) -> Self {
        let handle = shared.handle.clone();
        let since = handle.time.now();
        Self { shared, handle, left: None, session: None, since, failed: false, fenced: false }
    }

    fn fate(&self, drafts: &[Draft]) -> (Commit, Duration) {
        // Before the work begins, what is only read has no fate of its own.
        let is_read = |draft: &Draft| matches!(draft.event, Event::Observed(_) | Event::RateChanged(_));
        let mut sim = self.handle.sim();
        let Sim { world, ledger, .. } = &mut *sim;
        if world.is_eve && drafts.iter().all(is_read) {
            return (Commit::Holds, Duration::ZERO);
        }
        if self.failed || (self.fenced && !is_late(drafts)) {
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
    }

    /// The entries become durable, unless the session is fenced off.
    fn commit(
        &mut self,
        sealed: Option<Batch>,
        (drafts, cadence): (Vec<Draft>, Option<Cadence>),
    ) -> Result<Appended, JournalError> {
        let only_late = self.shared.is_runner && is_late(&drafts);
        let rows = own_rows(&drafts);
        {
            let now = self.handle.time.now_us();
            let mut sim = self.handle.sim();
            let run = sim.ledger.runs.last().map_or(0, |run| run.opened_seq);
            let written = sim.tenancy.write((self.shared.epoch, now), (run.cast_signed(), &rows), only_late);
            let others = written.inspect_err(|_| {
                self.fenced = true;
                sim.world.note(now, || "fenced off".into());
            })?;
            if !others.is_empty() {
                sim.world
                    .breaks(format!("the store: rows {others:?} are not leased to the runner that writes of them"));
            }
        }
        if let Some(batch) = sealed {
            let from = self.left.as_ref().map(Head::mark);
            self.handle.take_hold(from.unwrap(), &(batch.entries, batch.head.tree().clone()));
            self.left = Some(batch.head);
            return Ok(batch.appended);
        }
        let (from, batch, appended) = {
            let sim = self.handle.sim();
            let from = mark(&sim.ledger);
            let (entries, appended) = self.seal(&sim.ledger, drafts, cadence);
            let mut tree = sim.ledger.head.clone();
            entries.iter().for_each(|(_, sealed)| tree.push(sealed.leaf));
            (from, (entries, tree), appended)
        };
        self.session = opened(&batch.0).or(self.session);
        self.handle.take_hold(from, &batch);
        let decided: BTreeSet<_> =
            batch.0.iter().filter(|(entry, _)| is_decided(entry)).filter_map(|(entry, _)| entry.row).collect();
        let mut sim = self.handle.sim();
        let run = sim.ledger.runs.last().map_or(0, |run| run.opened_seq);
        sim.tenancy.decided(run.cast_signed(), &decided);
        let leaves = |(entry, _): &(Entry, _)| matches!(&entry.event, Event::LeaseEnded(ended) if Some(ended.of) == self.session);
        if batch.0.iter().any(leaves) {
            sim.tenancy.gives_back(self.shared.epoch);
        }
        let head = mark(&sim.ledger);
        Ok(Appended { head, ..appended })
    }

    /// Numbers and seals what a runner writes, behind what is there.
    fn seal(
        &self,
        ledger: &Ledger,
        drafts: Vec<Draft>,
        cadence: Option<Cadence>,
    ) -> (Vec<(Entry, keybatch::record::Sealed)>, Appended) {
        let mut tree = ledger.head.clone();
        let (mut session, mut entries, mut stamps) = (self.session, Vec::new(), Vec::new());
        let mut checkpoint = None;
        let mut all: Vec<_> = drafts.into_iter().map(|draft| (draft, true)).collect();
        let opens = matches!(all.first(), Some((Draft { event: Event::SessionOpened(_), .. }, _)));
        if !opens && cadence.is_some_and(|cadence| self.is_due(ledger, cadence)) {
            all.insert(0, (keybatch::journal::checkpoint_draft(), false));
        }
        for (Draft { run, row, mut event }, is_asked) in all {
            let seq = tree.size();
            match &mut event {
                Event::SessionOpened(opened) => {
                    session = Some(seq);
                    opened.continues_from = Some(base64(&tree.root()));
                }
                Event::RowSettled(settled) => {
                    let previous = settled.rests_on.iter_mut().filter(|on| **on == PREVIOUS);
                    previous.for_each(|on| *on = seq - 1);
                }
                Event::CheckpointMade(made) => {
                    (made.size, made.root) = (seq, base64(&tree.root()));
                    checkpoint = Some(TreeHead { size: seq, root: tree.root() });
                }
                _ => {}
            }
            let at = self.handle.time.at_least();
            let entry = Entry { seq, at, session, run, row, event };
            let sealed = entry.seal().unwrap();
            tree.push(sealed.leaf);
            if is_asked {
                stamps.push(Stamp { seq, at, leaf: sealed.leaf });
            }
            entries.push((entry, sealed));
        }
        (entries, Appended { stamps, checkpoint, head: mark(ledger) })
    }

    fn is_due(&self, ledger: &Ledger, cadence: Cadence) -> bool {
        let last = last_checkpoint(ledger);
        let uncovered = ledger.head.size() - last.map_or(0, |last| last.size);
        let from = last.map_or(self.since, |last| last.at.max(self.since));
        uncovered >= cadence.entries || (uncovered > 0 && self.handle.time.now().duration_since(from) >= cadence.age)
    }
}

fn mark(ledger: &Ledger) -> TreeHead {
    TreeHead { size: ledger.head.size(), root: ledger.head.root() }
}

fn is_late(drafts: &[Draft]) -> bool {
    drafts.iter().all(|draft| matches!(draft.event, Event::AnswerLate(_)))
}

/// The rows that a runner must have for what it writes.
fn own_rows(drafts: &[Draft]) -> BTreeSet<u64> {
    drafts.iter().filter_map(|draft| draft.row).collect()
}

fn is_decided(entry: &Entry) -> bool {
    match &entry.event {
        Event::RowSettled(_) => true,
        Event::AttemptFinished(finished) => finished.settled().is_some(),
        _ => false,
    }
}

fn opened(entries: &[(Entry, keybatch::record::Sealed)]) -> Option<u64> {
    entries.iter().rev().find(|(entry, _)| matches!(entry.event, Event::SessionOpened(_))).map(|(entry, _)| entry.seq)
}

fn last_checkpoint(ledger: &Ledger) -> Option<LastCheckpoint> {
    let made = ledger.bodies.iter().rev().find(|body| body.contains(r#""kind":"checkpoint_made""#));
    made.and_then(|body| {
        let entry = Entry::parse(body).unwrap();
        let Event::CheckpointMade(made) = &entry.event else { return None };
        Some(LastCheckpoint { size: made.size, at: entry.at })
    })
}

impl EntryStore for Store {
    async fn head(&mut self) -> Result<Head, JournalError> {
        let now = self.handle.time.now();
        let sim = self.handle.sim();
        let last = sim.ledger.bodies.last().map(|body| Entry::parse(body).unwrap().at);
        let head = Head::new(sim.ledger.head.clone(), last, last_checkpoint(&sim.ledger), now);
        (self.left, self.since) = (Some(head.clone()), now);
        Ok(head)
    }

    async fn journal_id(&mut self) -> Result<Option<String>, JournalError> {
        Ok(self.handle.sim().ledger.journal_id.clone())
    }

    async fn append(&mut self, drafts: Vec<Draft>, cadence: Option<Cadence>) -> Result<Appended, JournalError> {
        let asked = self.handle.time.now_us();
        // A session that has the journal for itself knows where it left it.
        let left = self.left.clone().filter(|_| !self.shared.is_runner);
        let sealed = left.map(|left| left.seal(drafts.clone(), cadence, || self.handle.time.now())).transpose()?;
        let (commit, delay) = self.fate(&drafts);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        self.handle.reach().await;
        let mut appended = None;
        if matches!(commit, Commit::Holds | Commit::Fails { holds: true } | Commit::Dies { holds: true }) {
            appended = Some(self.commit(sealed, (drafts, cadence))?);
        }
        match (commit, appended) {
            (Commit::Holds, Some(appended)) => {
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                self.handle.reach().await;
                self.shared.renewed(asked);
                Ok(appended)
            }
            (Commit::Fails { holds }, _) => {
                self.failed = true;
                let now = self.handle.time.now_us();
                self.handle.sim().world.note(now, || format!("a commit fails; it took hold: {holds}"));
                let source = Arc::new(std::io::Error::other("disk I/O error"));
                Err(JournalError::Database { source, blame: Blame::Machine })
            }
            (commit, _) => {
                let now = self.handle.time.now_us();
                self.handle.sim().world.note(now, || format!("the session dies in a commit: {commit:?}"));
                self.handle.seat.iter().for_each(|seat| seat.kill());
                self.handle.death.notify_one();
                std::future::pending().await
            }
        }
    }

    /// Late answers are recorded where somebody would be told of them else.
    fn unrecorded(&self) -> Option<OnUnrecorded> {
        let handle = self.handle.clone();
        let tell = move |drafts: &[Draft]| {
            let now = handle.time.now_us();
            handle.sim().world.note(now, || format!("not recorded: {} answers", drafts.len()));
        };
        self.shared.is_runner.then(|| Arc::new(tell) as OnUnrecorded)
    }

    async fn consolidate(&mut self) -> Result<(), JournalError> {
        Ok(())
    }

    async fn close(self) -> Result<(), JournalError> {
        Ok(())
    }
}
