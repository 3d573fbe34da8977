//! Which sessions of a run have no end yet. Whether their processes still live, the journal alone does not show.

use std::collections::BTreeSet;

use super::milestones::entries;
use crate::domain::time_text;
use crate::journal::{EntryFilter, JournalError, Reader, RunRecord};
use crate::record::Entry;
use crate::record::event::Event;
use crate::record::lease::LeaseEnd;

/// The command of a session that shares its run with others.
const SHARES: &str = "work";

/// How many entries are read at once.
const PAGE: u32 = 1_000;

/// A session without an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtWork {
    /// Its number.
    pub session: u64,
    /// The command.
    pub command: String,
    /// The process.
    pub pid: u32,
    /// Its machine.
    pub host: String,
    /// Its user.
    pub user: String,
    /// When it was opened.
    pub since: String,
}

/// Which runners' leases have lapsed, as far as was read.
#[derive(Debug, Clone, Default)]
pub struct Lapsed {
    from: i64,
    sessions: BTreeSet<u64>,
}

/// The sessions of a run that have no end, the oldest first: runners that share it, or the one session that has it for itself. `lapsed`
/// is kept from one time to the next, so that only what is new is read.
///
/// # Errors
/// If the journal cannot be read.
pub async fn sessions_at_work(
    reader: &Reader,
    run: &RunRecord,
    lapsed: &mut Lapsed,
) -> Result<Vec<AtWork>, JournalError> {
    let size = reader.head().await?.0;
    let closed = entries(reader, run, "session_closed").await?;
    let closed: BTreeSet<u64> = closed.into_iter().filter_map(|entry| entry.session).collect();
    let mut open = Vec::new();
    for entry in entries(reader, run, "session_opened").await? {
        let Event::SessionOpened(opened) = entry.event else { continue };
        let at_work = AtWork {
            session: entry.seq,
            command: opened.command,
            pid: opened.pid,
            host: opened.host,
            user: opened.user,
            since: time_text(entry.at),
        };
        // One that has the journal for itself ends those before it, and a runner ends such a one.
        open.retain(|before: &AtWork| at_work.command == SHARES && before.command == SHARES);
        open.push(at_work);
    }
    open.retain(|one| !closed.contains(&one.session));
    if let Some(first) = open.first().filter(|one| one.command == SHARES) {
        lapsed.read(reader, run, i64::try_from(first.session).unwrap_or(i64::MAX)).await?;
        lapsed.from = i64::try_from(size).unwrap_or(i64::MAX);
        open.retain(|one| !lapsed.sessions.contains(&one.session));
    }
    Ok(open)
}

impl Lapsed {
    /// Reads on, not before the entry of that number.
    async fn read(&mut self, reader: &Reader, run: &RunRecord, not_before: i64) -> Result<(), JournalError> {
        let filter =
            EntryFilter { run: Some(run.run_no), kind: Some("lease_ended".to_owned()), ..EntryFilter::default() };
        let mut next = self.from.max(not_before);
        loop {
            let page = reader.matching(&filter, next, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            next = last.seq.saturating_add(1);
            for found in &page {
                let entry = Entry::parse(&found.body).map_err(|error| JournalError::Entry(error.into()))?;
                if let Event::LeaseEnded(ended) = entry.event
                    && ended.why == LeaseEnd::Lapsed
                {
                    self.sessions.insert(ended.of);
                }
            }
        }
    }
}
