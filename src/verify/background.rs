//! The tasks that run in the background of a verification: reading and checking pages, SQLite's own check, and the
//! replay.

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn};

use super::report::{Finding, Verdict};
use super::scan::{Checked, check};
use crate::journal::JournalError;
use crate::journal::open::snapshot;
use crate::journal::{Location, Replay, Snapshot};

/// How many pages may wait for their turn while they are checked. With fewer, a processor is idle at times; more only
/// use memory.
pub(super) const PAGES_AHEAD: usize = 4;

/// How many entries' rows are made again at once, at least: the more, the more statements are full.
const REPLAY_BATCH: usize = 4_096;

/// What the reading task hands on, in order.
#[derive(Debug)]
pub(super) enum Read {
    Page(JoinHandle<Vec<Checked>>),
    Broken { at: i64, error: JournalError },
}

/// Reads page after page, and has each checked as soon as it is there. `whole`: the lines of plans are looked at whole.
pub(super) async fn read_pages(
    mut snapshot: Box<dyn Snapshot>,
    pages: mpsc::Sender<Read>,
    whole: bool,
) -> Box<dyn Snapshot> {
    let mut next = i64::MIN;
    let mut singly = false;
    loop {
        let read = if singly { snapshot.single(next).await } else { snapshot.page(next).await };
        let at = next.max(0);
        let (message, after) = match read {
            Ok(page) if page.ascends_from(next) => {
                let Some(last) = page.last() else { return snapshot };
                // On the runtime's own threads: less than a millisecond each, and nothing else is waiting for them. Threads
                // for blocking work would be more than there are processors, with an allocator's arena each.
                (Read::Page(spawn(async move { check(&page, whole) })), last.checked_add(1))
            }
            // Somewhere in this page: entry after entry, to find out where.
            _ if !singly => {
                singly = true;
                continue;
            }
            Ok(_) => {
                let error = JournalError::damaged("other entries come than are asked for");
                (Read::Broken { at, error }, None)
            }
            Err(error) => (Read::Broken { at, error }, None),
        };
        if pages.send(message).await.is_err() {
            return snapshot;
        }
        // Nothing follows what cannot be read, or the largest number that there is.
        let Some(after) = after else { return snapshot };
        next = after;
    }
}

/// Makes the rows of the large tables, too, which were only summed: reads all entries once more. They were found good
/// before.
pub(super) async fn replay_rows(
    snapshot: Box<dyn Snapshot>,
    mut replay: Box<dyn Replay>,
) -> (Box<dyn Snapshot>, Result<Box<dyn Replay>, JournalError>) {
    let (pages_in, pages) = mpsc::channel(PAGES_AHEAD);
    let reading = spawn(read_pages(snapshot, pages_in, false));
    let done = replay_pages(&mut *replay, pages).await;
    (join(reading).await, done.map(|()| replay))
}

async fn replay_pages(replay: &mut dyn Replay, mut pages: mpsc::Receiver<Read>) -> Result<(), JournalError> {
    let mut batch = Vec::with_capacity(REPLAY_BATCH);
    while let Some(read) = pages.recv().await {
        match read {
            Read::Page(page) => batch.extend(join(page).await.into_iter().filter_map(|checked| checked.entry.ok())),
            Read::Broken { error, .. } => return Err(error),
        }
        if batch.len() >= REPLAY_BATCH {
            replay.project_rows(&batch).await?;
            batch.clear();
        }
    }
    replay.project_rows(&batch).await
}

/// What the database itself says.
pub(super) async fn check_integrity(journal: Location) -> Option<Finding> {
    let mut snapshot = match snapshot(&journal).await {
        Ok(snapshot) => snapshot,
        // It was opened a moment ago, so the file is not what fails now.
        Err(error) => return Some(Finding::of_the_machine(with_cause(&error))),
    };
    let said = snapshot.integrity().await;
    snapshot.end().await;
    match said {
        Ok(None) => None,
        Ok(Some((said, true))) => {
            let detail = format!("SQLite could not read the database: {}", said.replace('\n', " "));
            Some(Finding::of_the_machine(detail))
        }
        Ok(Some((said, false))) => {
            let detail = format!("SQLite says that the database is damaged: {}", said.replace('\n', " "));
            Some(Finding::doubted(Verdict::Corrupt, detail))
        }
        Err(error) => Some(unreadable(None, &error)),
    }
}

/// The result of a task; a panic in it continues here.
pub(super) async fn join<T>(task: JoinHandle<T>) -> T {
    match task.await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// What an error says of the journal: that it is damaged, unless it was the machine that failed.
pub(super) fn unreadable(seq: Option<u64>, error: &JournalError) -> Finding {
    Finding { seq, ..unless_of_the_machine(Verdict::Corrupt, error, with_cause(error)) }
}

/// What an error says of the journal where it would be this verdict, unless it was the machine that failed.
pub(super) fn unless_of_the_machine(verdict: Verdict, error: &JournalError, detail: String) -> Finding {
    if error.is_of_the_machine() { Finding::of_the_machine(detail) } else { Finding::doubted(verdict, detail) }
}

/// An error and its cause in one sentence.
pub(super) fn with_cause(error: &JournalError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
