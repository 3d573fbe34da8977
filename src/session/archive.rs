//! To archive a journal whose runs are over: it is sealed, and a new one that names it takes its place. Nothing is sent.

use std::path::PathBuf;

use super::error::{Refusal, Sent, SessionError};
use super::host::Host;
use super::in_journal::in_journal;
use super::open::OpenJournal;
use super::opened::housekeeping;
use super::operator::{Moment, Notice};
use super::order::Order;
use crate::domain::OutcomeCounts;
use crate::journal::{ARCHIVE, Location, Reader, RunState, is_sealed};
use crate::record::Draft;
use crate::record::checkpoint::{Checkpoint, base64};
use crate::record::event::{Event, Previous, Requests, SessionClosed};

/// What was archived.
#[derive(Debug)]
pub struct Archived {
    /// Where the archived journal is now.
    pub archive: PathBuf,
    /// Its head.
    pub head: Checkpoint,
    /// Its runs.
    pub runs: u64,
    /// Rows in doubt of its real runs, of which nothing more can be said from now on.
    pub in_doubt: u64,
    /// The journal that took its place.
    pub journal: Location,
    /// The id of that.
    pub journal_id: String,
}

/// Archives the journal. None if a signal came before it was sealed: then nothing was changed.
///
/// # Errors
/// As [`Refusal`] says. The journal is where it was, then.
pub async fn archive<H: Host>(host: &H, order: &Order) -> Result<Option<Archived>, SessionError> {
    in_journal(host, order, (ARCHIVE, Sent::Nothing), async |open| Box::pin(seal(host, order, open)).await).await
}

async fn seal<H: Host>(host: &H, order: &Order, open: OpenJournal) -> Result<Archived, SessionError> {
    let records = open.reader.runs().await?;
    let unfinished: Vec<_> = records.iter().filter(|record| !is_over(&record.state)).cloned().collect();
    if !unfinished.is_empty() {
        return Err(SessionError::new(Refusal::NotOver(unfinished)));
    }
    if records.is_empty() {
        return Err(SessionError::new(Refusal::NothingToArchive));
    }
    // However large it is: later nobody looks at it for a long time.
    if let Some(report) = host.verify().await.map_err(SessionError::outside)?
        && !report.verdict.is_sound()
    {
        return Err(SessionError::new(Refusal::Changed { detail: report.detail }));
    }
    let in_doubt = in_doubt(&open.reader).await?;
    // From here on, a signal changes nothing any more.
    host.stops().hand_over();
    // One that was interrupted after that is sealed already.
    if !is_sealed(&open.reader).await? {
        let mut opened = housekeeping(host.new_id(), ARCHIVE, order);
        open.remember(host, order, &mut opened).await?;
        let closed = SessionClosed { requests: Requests::default(), elapsed_ms: 0 };
        let drafts = [Event::SessionOpened(opened), Event::SessionClosed(closed)].map(Draft::of).to_vec();
        open.journal.append(drafts).await?;
        open.journal.checkpoint().await?;
        open.anchored(host).await;
    }
    let head = open.close(host).await?;
    host.operator().notice(Notice::Checkpoint(Moment::Ended, &head));
    let previous = Previous { id: head.journal_id.clone(), size: head.size, root: base64(&head.root) };
    let journal_id = host.new_id().to_string();
    // The lock is held until the new journal is there.
    let archive = host.archive(&open.at, previous, journal_id.clone()).await?;
    Ok(Archived { archive, head, runs: records.len() as u64, in_doubt, journal: open.at.clone(), journal_id })
}

/// Whether nothing can follow. A state that a newer version writes may be any.
fn is_over(state: &RunState) -> bool {
    matches!(state, RunState::Finished | RunState::Abandoned)
}

/// Rows in doubt of real runs.
async fn in_doubt(reader: &Reader) -> Result<u64, SessionError> {
    let mut all = 0;
    for record in reader.runs().await?.iter().filter(|record| !record.sandbox) {
        let OutcomeCounts { in_doubt, .. } = reader.counts(record).await?;
        all += in_doubt;
    }
    Ok(all)
}
