//! Verifies a journal: every entry's hash, form and place, the head, the order of events, the projections, and the
//! checkpoints that the reviewer brings.
//!
//! ```text
//!   integrity and schema
//!   snapshot ──pages──► check (hash, canonical form, fields; two pages at once)
//!                          │ in order
//!                          ▼
//!                  tree, history ──entries──► replay: small tables into a scratch database, sums of the large ones
//!                                                ▼
//!                                             compare; where the sums differ, replay all
//! ```
//!
//! Reads only, in one snapshot, so that a running session disturbs nothing. A damaged journal is read as far as it
//! goes. Holds 14 bytes for each row of a large journal, never the entries themselves. SQLite also calls a database
//! damaged if the disk could not read it. So before this is reported, the files are read without SQLite and judged once
//! more.

use std::path::Path;

use tokio::sync::mpsc;
use tokio::task::{spawn, spawn_blocking};

use super::background::{PAGES_AHEAD, Read, check_integrity, join, read_pages, unreadable, with_cause};
use super::beside;
use super::claims::Claimed;
use super::head::has_no_bytes;
use super::history::Trouble;
use super::options::Options;
use super::projections::Replayed;
use super::report::{AcceptedRollback, Finding, Report, Verdict};
use super::scan::{Checked, check};
use super::work::Work;
use crate::domain::Target;
use crate::journal::JournalError;
use crate::journal::open::{read_through, snapshot};
use crate::journal::{Location, Replay, SchemaDifference, Snapshot};
use crate::record::Entry;
use crate::record::checkpoint::base64;
use crate::record::event::Event;
use crate::record::plan::PlanRow;

/// Verifies a journal.
///
/// # Errors
/// If there is no journal. Whatever is wrong with an existing one is in the report.
pub async fn verify(journal: impl Into<Location>, options: Options) -> Result<Report, JournalError> {
    let journal = journal.into();
    let mut work = judge(&journal, options).await?;
    let file = journal.file().filter(|_| work.findings.doubted()).map(Path::to_owned);
    let Some(file) = file else { return Ok(work.report()) };
    if let Err(error) = join(spawn_blocking(move || read_through(&file))).await {
        work.findings.blame(format!("the journal cannot be read: {error}"));
        return Ok(work.report());
    }
    // The files can be read now: a temporary failure of the disk is over, and real damage is found again.
    Ok(judge(&journal, work.into_options()).await?.report())
}

/// Everything that one pass over the journal shows.
async fn judge(journal: &Location, options: Options) -> Result<Work, JournalError> {
    let mut work = Work::new(options);
    // Taken, so that whoever waits learns it where there is no snapshot.
    let beside = work.options.beside.take();
    let mut snapshot = match snapshot(journal).await {
        Ok(snapshot) => snapshot,
        Err(error @ (JournalError::Missing { .. } | JournalError::Server { .. })) => return Err(error),
        Err(error) => {
            work.findings.add(unopened(journal, &error));
            work.check_emptied(journal, &error);
            return Ok(work);
        }
    };
    let replay = work.prepare_replay(&mut *snapshot).await;
    if let Err(error) = beside::begin(&mut *snapshot, beside).await {
        work.findings.add(unreadable(None, &error));
        return Ok(work);
    }
    // On a connection of its own, because it takes as long as reading everything does.
    let integrity = spawn(check_integrity(journal.clone()));
    work.check_schema(&mut *snapshot).await;
    let (mut snapshot, replayed) = work.read(journal, snapshot, replay).await;
    join(integrity).await.into_iter().for_each(|finding| work.findings.add(finding));
    work.check_head(&mut *snapshot).await;
    work.check_marks(&mut *snapshot).await;
    work.check_checkpoints();
    let snapshot = work.compare_projections(snapshot, replayed).await;
    snapshot.end().await;
    Ok(work)
}

impl Work {
    /// Makes room for a replay, if there may be any.
    async fn prepare_replay(&mut self, snapshot: &mut dyn Snapshot) -> Option<Box<dyn Replay>> {
        let (directory, name) = self.options.scratch.clone()?;
        match snapshot.replay(&directory, &name).await {
            Ok(replay) => Some(replay),
            Err(error) => {
                let why =
                    format!("the projections cannot be compared: {} ({})", with_cause(&error), directory.display());
                self.findings.add(Finding::of_the_machine(why));
                None
            }
        }
    }

    /// Whether tables, triggers and views are those that keybatch makes.
    async fn check_schema(&mut self, snapshot: &mut dyn Snapshot) {
        match snapshot.schema_differences().await {
            Ok(differences) => {
                let (replication, differences): (Vec<_>, Vec<_>) =
                    differences.into_iter().partition(SchemaDifference::is_of_replication);
                if !replication.is_empty() {
                    let names: Vec<_> = replication.iter().map(|table| table.name.as_str()).collect();
                    let names = names.join(" and ");
                    self.warnings
                        .push(format!("the file holds Litestream's own {names}, which no reader of the journal uses"));
                }
                if let Some(first) = differences.first() {
                    let more = differences.len() - 1;
                    let more =
                        if more == 0 { String::new() } else { format!(", and {more} more are not as they should be") };
                    self.schema = Some(Finding::new(Verdict::Altered, None, format!("{}{more}", first.told())));
                }
            }
            Err(error) => self.findings.add(unreadable(None, &error)),
        }
    }

    /// Reads all entries, and replays them as long as they make sense.
    async fn read(
        &mut self,
        journal: &Location,
        snapshot: Box<dyn Snapshot>,
        replay: Option<Box<dyn Replay>>,
    ) -> (Box<dyn Snapshot>, Replayed) {
        let (pages_in, mut pages) = mpsc::channel(PAGES_AHEAD);
        let reading = spawn(read_pages(snapshot, pages_in, self.demands.reads_lines()));
        let mut replayed = replay.map(Ok);
        while let Some(read) = pages.recv().await {
            let page = match read {
                Read::Page(page) => join(page).await,
                Read::Broken { at, error } => {
                    self.whole = false;
                    let mut finding = unreadable(u64::try_from(at).ok(), &error);
                    finding.detail = format!("entry {at} cannot be read: {}", finding.detail);
                    self.findings.add(finding);
                    break;
                }
            };
            let entries = self.take_page(page);
            self.check_suspects(journal).await;
            if let Some(Ok(replay)) = replayed.as_mut().filter(|_| self.judging)
                && let Err(error) = replay.project(&entries).await
            {
                replayed = Some(Err(error));
            }
        }
        drop(pages);
        (join(reading).await, replayed)
    }

    /// Rows of one plan whose names have the same hash: whether two of them ask for the same key pair, their intents say.
    async fn check_suspects(&mut self, journal: &Location) {
        let suspects = self.history.take_suspects();
        if suspects.is_empty() || !self.judging {
            return;
        }
        // The other connection is reading ahead; what this one reads was read before.
        let mut snapshot = match snapshot(journal).await {
            Ok(snapshot) => snapshot,
            Err(error) => return self.findings.add(unreadable(None, &error)),
        };
        self.judge_suspects(&mut *snapshot, suspects).await;
        snapshot.end().await;
    }

    async fn judge_suspects(&mut self, snapshot: &mut dyn Snapshot, suspects: Vec<(u64, u64)>) {
        for (one, other) in suspects {
            let (Some(first), Some(second)) = (named_by(snapshot, one).await, named_by(snapshot, other).await) else {
                continue;
            };
            if first == second {
                let detail = format!("entry {other} plans to delete the same key pair as entry {one}");
                return self.bad(Finding::new(Verdict::IllegalHistory, Some(other), detail));
            }
        }
    }

    /// Takes a page's entries in order. What it returns may be replayed, unless one of them was bad.
    fn take_page(&mut self, page: Vec<Checked>) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(page.len());
        for checked in page {
            if let Some(entry) = self.take(checked) {
                entries.push(entry);
            }
        }
        entries
    }

    fn take(&mut self, Checked { seq, leaf, stored, entry, claimed }: Checked) -> Option<Entry> {
        let expected = self.tree.size();
        let number = u64::try_from(seq).ok();
        if number != Some(expected) && self.whole {
            let detail = format!("entry {expected} is missing: entry {seq} is in its place");
            self.bad(Finding::new(Verdict::Altered, Some(expected), detail));
            self.whole = false;
        }
        if let Some(stored) = stored {
            let finding = Finding::new(
                Verdict::Altered,
                number,
                format!("entry {seq} does not have the hash that was recorded with it"),
            );
            self.bad(finding.hashes(base64(&stored), base64(&leaf)));
        }
        let entry = match entry {
            Ok(entry) => Some(entry),
            Err((verdict, why)) => {
                self.bad(Finding::new(verdict, number, format!("entry {seq} is not what an entry looks like: {why}")));
                None
            }
        };
        let judged = entry.filter(|_| self.judging);
        if let Some(entry) = &judged {
            self.judge(entry, claimed);
            self.covering.take(entry);
            if let Event::JournalCreated(created) = &entry.event {
                self.previous.clone_from(&created.previous);
            }
        }
        self.tree.push(leaf);
        if let Some(size) = self.checkpoints.compare(&self.tree, self.whole) {
            self.covering.cover(size);
        }
        judged
    }

    /// A finding after which the order of entries proves nothing.
    fn bad(&mut self, finding: Finding) {
        self.judging = false;
        self.findings.add(finding);
    }

    fn judge(&mut self, entry: &Entry, claimed: Claimed) {
        let stepped = self.history.step(entry, claimed);
        if let (Ok(()), Event::OverrideUsed(used)) = (&stepped, &entry.event)
            && used.accepts_rollback()
        {
            self.rollbacks.push(AcceptedRollback::new(entry, used));
        }
        match stepped.and_then(|()| self.check_inner(entry)) {
            Ok(()) => self.demands.step(entry, &self.history),
            Err(Trouble::Illegal(why)) => {
                let detail = format!("entry {} cannot follow what is before it: {why}", entry.seq);
                self.bad(Finding::new(Verdict::IllegalHistory, Some(entry.seq), detail));
            }
            Err(Trouble::Root { what, expected, found }) => {
                let detail = format!(
                    "entry {} names another root of {what} than the entries have: one of those from {} on was rewritten, \
                     hash and all",
                    entry.seq, self.last_good
                );
                self.bad(Finding::new(Verdict::Altered, Some(entry.seq), detail).hashes(expected, found));
            }
        }
    }

    /// A checkpoint among the entries names the tree that is before it, and so does what opens a session.
    fn check_inner(&mut self, entry: &Entry) -> Result<(), Trouble> {
        let made = match &entry.event {
            Event::CheckpointMade(made) => made,
            Event::SessionOpened(opened) => {
                let root = base64(&self.tree.root());
                return match &opened.continues_from {
                    Some(from) if *from != root => {
                        Err(Trouble::Root { what: "all entries", expected: from.clone(), found: root })
                    }
                    _ => Ok(()),
                };
            }
            _ => return Ok(()),
        };
        if made.size != self.tree.size() {
            return Err(Trouble::Illegal(format!("its checkpoint is of {} entries", made.size)));
        }
        let root = base64(&self.tree.root());
        if made.root != root {
            return Err(Trouble::Root { what: "all entries", expected: made.root.clone(), found: root });
        }
        self.last_good = made.size;
        self.last_checkpoint = Some((made.size, entry.at));
        Ok(())
    }
}

/// Name and region of the key pair that an intent names.
async fn named_by(snapshot: &mut dyn Snapshot, seq: u64) -> Option<(String, Target)> {
    let page = snapshot.single(i64::try_from(seq).ok()?).await.ok()?;
    let checked = check(&page, false).into_iter().next()?;
    match checked.entry.ok()?.event {
        Event::IntentRecorded(intent) => {
            let PlanRow { name, account, region, .. } = intent.line;
            Some((name, Target { account, region }))
        }
        _ => None,
    }
}

/// A file that cannot be opened as a journal: damaged, or not of a kind that this keybatch knows.
fn unopened(journal: &Location, error: &JournalError) -> Finding {
    if journal.file().is_some_and(has_no_bytes) {
        return Finding::new(Verdict::CannotVerify, None, "the journal is empty: nothing was ever written to it");
    }
    match error {
        // These errors concern the kind of file or database, not damage.
        JournalError::Unusable { .. } | JournalError::Unmade { .. } | JournalError::OldFormat { .. } => {
            Finding::new(Verdict::CannotVerify, None, error.to_string())
        }
        _ => unreadable(None, error),
    }
}

#[cfg(test)]
mod tests;
