//! Verifies a journal: every entry's hash, form and place, the head, the order of what happened, the projections, and a
//! checkpoint from outside.
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
//! goes. Holds 12 bytes for each row of a large journal, never the entries themselves. SQLite calls a database damaged also
//! where the disk could not read it: before that is believed, the files are read without SQLite, and judged once more.

use std::path::{Path, PathBuf};

use tokio::sync::mpsc;
use tokio::task::{spawn, spawn_blocking};

use super::history::{History, Trouble};
use super::outside::Outside;
use super::report::{AcceptedRollback, Finding, Findings, Report, Verdict};
use super::scan::Checked;
use super::tasks::{
    PAGES_AHEAD, Read, check_integrity, join, read_pages, replay_rows, unless_of_the_machine, unreadable, with_cause,
};
use super::words::Facts;
use crate::journal::JournalError;
use crate::journal::sqlite::{PROJECTIONS, Replay, SUMMED, SchemaDifference, Snapshot, read_through};
use crate::record::Entry;
use crate::record::checkpoint::{Checkpoint, base64};
use crate::record::event::Event;
use crate::record::merkle::{Frontier, Hash};

/// What a verification is given from outside. Trust comes from nothing else.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A checkpoint that was kept elsewhere; of several of the journal, the one that covers most. One of no entries shows
    /// nothing, and counts as none.
    pub checkpoint: Option<Checkpoint>,
    /// The size and the root of all others of the same journal that were brought with it, in any order.
    pub further: Vec<(u64, Hash)>,
    /// Whether a journal without one is good enough.
    pub require_checkpoint: bool,
    /// Where the scratch database for the projections may be, and a name for it that nobody else uses. Without it
    /// the projections are not compared.
    pub scratch: Option<(PathBuf, String)>,
}

/// Verifies the journal at `path`.
///
/// # Errors
/// Where there is no journal. Whatever is wrong with one that is there is in the report.
pub async fn verify(path: &Path, options: Options) -> Result<Report, JournalError> {
    let mut work = judge(path, options).await?;
    if !work.findings.doubted() {
        return Ok(work.report());
    }
    let file = path.to_owned();
    if let Err(error) = join(spawn_blocking(move || read_through(&file))).await {
        work.findings.blame(format!("the journal cannot be read: {error}"));
        return Ok(work.report());
    }
    // It can be read: what was wrong with the disk for a moment is over, and damage is found again.
    Ok(judge(path, work.into_options()).await?.report())
}

/// Everything that can be said of the journal, with one look at it.
async fn judge(path: &Path, options: Options) -> Result<Work, JournalError> {
    let mut work = Work::new(options);
    let mut snapshot = match Snapshot::open(path).await {
        Ok(snapshot) => snapshot,
        Err(error @ JournalError::Missing { .. }) => return Err(error),
        Err(error) => {
            work.findings.add(unopened(path, &error));
            work.check_emptied(path, &error);
            return Ok(work);
        }
    };
    let replay = work.prepare_replay(&mut snapshot).await;
    if let Err(error) = snapshot.begin().await {
        work.findings.add(unreadable(None, &error));
        return Ok(work);
    }
    // On a connection of its own, because it takes as long as reading everything does.
    let integrity = spawn(check_integrity(path.to_owned()));
    work.check_schema(&mut snapshot).await;
    let (mut snapshot, replayed) = work.read(snapshot, replay).await;
    join(integrity).await.into_iter().for_each(|finding| work.findings.add(finding));
    work.check_head(&mut snapshot).await;
    work.check_marks(&mut snapshot).await;
    work.check_outside();
    let snapshot = work.compare_projections(snapshot, replayed).await;
    snapshot.end().await;
    Ok(work)
}

/// A verification on its way.
pub(super) struct Work {
    pub(super) options: Options,
    pub(super) findings: Findings,
    /// What is wrong with tables, triggers and views. Last in line: what was done behind their back says more.
    pub(super) schema: Option<Finding>,
    pub(super) warnings: Vec<String>,
    pub(super) tree: Frontier,
    pub(super) history: History,
    /// Whether entries are still judged and replayed: not after the first that makes no sense.
    pub(super) judging: bool,
    /// Whether numbers and tree agree: not after a gap, or where reading broke off.
    pub(super) whole: bool,
    /// The last checkpoint among the entries that names the right root.
    pub(super) last_good: u64,
    pub(super) outside: Outside,
    /// The rollbacks that were accepted.
    pub(super) rollbacks: Vec<AcceptedRollback>,
}

impl Work {
    fn new(options: Options) -> Self {
        let mut work = Self {
            options,
            findings: Findings::default(),
            schema: None,
            warnings: Vec::new(),
            tree: Frontier::default(),
            history: History::default(),
            judging: true,
            whole: true,
            last_good: 0,
            outside: Outside::default(),
            rollbacks: Vec::new(),
        };
        work.outside = Outside::new(&mut work.options);
        work
    }

    /// What it was given, to begin anew.
    fn into_options(self) -> Options {
        Options { further: self.outside.into_all(), ..self.options }
    }

    /// Attaches a scratch database, if there may be one.
    async fn prepare_replay(&mut self, snapshot: &mut Snapshot) -> Option<Replay> {
        let (directory, name) = self.options.scratch.clone()?;
        let made = async {
            let mut replay = Replay::create(&directory, &name).await?;
            let attached = snapshot.attach(replay.path()).await;
            replay.hide().await?;
            attached.map(|()| replay)
        };
        match made.await {
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
    async fn check_schema(&mut self, snapshot: &mut Snapshot) {
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
    async fn read(&mut self, snapshot: Snapshot, replay: Option<Replay>) -> (Snapshot, Replayed) {
        let (pages_in, mut pages) = mpsc::channel(PAGES_AHEAD);
        let reading = spawn(read_pages(snapshot, pages_in));
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
            if let Some(Ok(replay)) = replayed.as_mut().filter(|_| self.judging)
                && let Err(error) = replay.project(&entries).await
            {
                replayed = Some(Err(error));
            }
        }
        drop(pages);
        (join(reading).await, replayed)
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

    fn take(&mut self, Checked { seq, leaf, stored, entry, facts }: Checked) -> Option<Entry> {
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
            self.judge(entry, facts, leaf);
        }
        self.tree.push(leaf);
        self.outside.compare(&self.tree, self.whole);
        judged
    }

    /// A finding after which the order of entries says nothing more.
    fn bad(&mut self, finding: Finding) {
        self.judging = false;
        self.findings.add(finding);
    }

    fn judge(&mut self, entry: &Entry, facts: Facts, leaf: Hash) {
        let stepped = self.history.step(entry, facts, leaf);
        if let (Ok(()), Event::OverrideUsed(used)) = (&stepped, &entry.event)
            && used.accepts_rollback()
        {
            self.rollbacks.push(AcceptedRollback::new(entry, used));
        }
        match stepped.and_then(|()| self.check_inner(&entry.event)) {
            Ok(()) => {}
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
    fn check_inner(&mut self, event: &Event) -> Result<(), Trouble> {
        let made = match event {
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
        Ok(())
    }

    async fn compare_projections(&mut self, snapshot: Snapshot, replayed: Replayed) -> Snapshot {
        let Some(replayed) = replayed else { return snapshot };
        if !self.judging || !self.whole {
            self.warnings
                .push("the projections were not compared, because the entries themselves are in question".into());
            return snapshot;
        }
        let (mut snapshot, replayed, compared) = match replayed {
            Ok(replay) => self.compare_sums(snapshot, replay).await,
            Err(error) => (snapshot, Err(error), &[][..]),
        };
        let finished = match replayed {
            Ok(replay) => replay.finish().await,
            Err(error) => Err(error),
        };
        if let Err(error) = finished {
            let detail = format!("the entries cannot be projected: {}", with_cause(&error));
            self.findings.add(unless_of_the_machine(Verdict::CannotVerify, &error, detail));
            return snapshot;
        }
        let rest = PROJECTIONS.into_iter().filter(|table| !compared.contains(table));
        self.compare_rows(&mut snapshot, rest).await;
        snapshot
    }

    /// Compares the sums of the large tables. Returns those tables of which nothing more need be said: all of them, or
    /// none, and then their rows were made again.
    async fn compare_sums(
        &mut self,
        mut snapshot: Snapshot,
        replay: Replay,
    ) -> (Snapshot, Result<Replay, JournalError>, &'static [&'static str]) {
        // What the sums presume of the tables is not sure where anything else is wrong with the file.
        let sound = self.findings.is_empty() && self.schema.is_none();
        // An error is one to be told by the comparison of rows, in the order of the tables.
        if sound && snapshot.agrees_with(&replay).await.unwrap_or(false) {
            return (snapshot, Ok(replay), &SUMMED);
        }
        let (snapshot, replayed) = replay_rows(snapshot, replay).await;
        (snapshot, replayed, &[])
    }

    /// The first row of each table that is not what the entries say.
    async fn compare_rows(&mut self, snapshot: &mut Snapshot, tables: impl Iterator<Item = &'static str>) {
        for table in tables {
            match snapshot.first_difference(table).await {
                Ok(None) => {}
                Ok(Some((here, replayed))) => {
                    let (found, expected) = (text(here), text(replayed));
                    let detail = format!("the table {table} has {found}, and the entries say {expected}");
                    let finding = Finding::new(Verdict::ProjectionMismatch, None, detail);
                    self.findings.add(finding.hashes(expected, found));
                }
                Err(error) => {
                    let detail = format!("the table {table} cannot be compared: {}", with_cause(&error));
                    self.findings.add(unless_of_the_machine(Verdict::ProjectionMismatch, &error, detail));
                }
            }
        }
    }
}

/// What became of the replay, if there is one.
type Replayed = Option<Result<Replay, JournalError>>;

/// A file that cannot be opened as a journal: damaged, or none that this keybatch knows.
fn unopened(path: &Path, error: &JournalError) -> Finding {
    if has_no_bytes(path) {
        return Finding::new(Verdict::CannotVerify, None, "the journal is empty: nothing was ever written to it");
    }
    match error {
        // About what kind of file or database it is, and not about damage.
        JournalError::Unusable { .. } | JournalError::Unmade { .. } | JournalError::OldFormat { .. } => {
            Finding::new(Verdict::CannotVerify, None, error.to_string())
        }
        _ => unreadable(None, error),
    }
}

pub(super) fn has_no_bytes(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.len() == 0)
}

fn text(row: Option<String>) -> String {
    row.unwrap_or_else(|| "no such row".to_owned())
}

#[cfg(test)]
mod tests;
