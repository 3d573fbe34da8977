//! Whether a session may continue a journal (I12): not if it is older than one that this machine or the file of checkpoints
//! has seen, and not if it has diverged from it. And what a session remembers of its journal for later sessions.
//!
//! This guards against accidents, such as a restored backup; `verify` guards against people.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checkpoints::{Newest, newest, not_carried_on, recorded};
use super::error::{KnownHead, LostEntries, Refusal, Sent, SessionError};
use super::host::HeadMemory;
use super::operator::{Notice, Operator};
use super::order::Order;
use crate::journal::heads::HeadsError;
use crate::journal::{JournalError, Reader};
use crate::record::checkpoint::base64;
use crate::record::event::{ACCEPT_ROLLBACK, Event, LostHead, OverrideUsed};

/// What is remembered of journals, or why nothing can be.
pub type Heads = Result<Arc<dyn HeadMemory>, String>;

/// Refuses a journal that does not have a head which was seen of it, unless that is accepted. Returns the entry which
/// says so, that must become durable before any other.
pub(super) async fn admit(
    order: &Order,
    operator: &dyn Operator,
    heads: &Heads,
    reader: &Reader,
    checkpoint_to: Option<&Path>,
) -> Result<Option<OverrideUsed>, SessionError> {
    let Compared { known: _, missing, unusable } = compare(heads, reader, checkpoint_to).await?;
    // This guards against accidents, so a head that cannot be compared does not stop the session.
    unusable.iter().for_each(|why| operator.notice(Notice::HeadNotCompared(why)));
    let accept = order.rollback.accept;
    if missing.is_empty() {
        if accept {
            operator.notice(Notice::RollbackNotNeeded);
        }
        return Ok(None);
    }
    if !accept {
        let (entries, _) = reader.head().await?;
        let lost = LostEntries { journal: order.journal.clone(), entries, missing };
        return Err(SessionError::new(Refusal::LostEntries(lost)).sent(Sent::Nothing));
    }
    let mut lost: Vec<LostHead> = missing.iter().map(lost_head).collect();
    lost.dedup_by(|one, other| one.size == other.size && one.root == other.root);
    let (by, why) = (order.who.user.clone(), order.rollback.because.clone());
    Ok(Some(OverrideUsed { which: ACCEPT_ROLLBACK.into(), by, why, lost }))
}

fn lost_head(known: &KnownHead) -> LostHead {
    let known_from = known.file.to_string_lossy().into_owned();
    LostHead { size: known.head.size, root: base64(&known.head.root), known_from }
}

/// The journal beside the heads that were seen of it.
#[derive(Debug)]
pub struct Compared {
    /// Entries of the largest head that is known, and the file that says so.
    pub known: Option<(u64, PathBuf)>,
    /// What the journal lacks, the largest first.
    pub missing: Vec<KnownHead>,
    /// What could not be compared with, and why.
    pub unusable: Vec<String>,
}

/// Compares the journal with each head that this machine and the files of checkpoints have seen of it. Only reads.
///
/// # Errors
/// Where the journal cannot be read.
pub async fn compare(heads: &Heads, reader: &Reader, checkpoint_to: Option<&Path>) -> Result<Compared, JournalError> {
    let mut known = Vec::new();
    let mut unusable = Vec::new();
    if let Some(id) = reader.journal_id().await? {
        let mut take = |found: Result<Vec<KnownHead>, String>| match found {
            Ok(found) => known.extend(found),
            Err(why) => unusable.push(why),
        };
        take(remembered(heads, &id).map(|found| found.into_iter().collect()));
        for file in files(reader, checkpoint_to).await? {
            take(in_file(&file, &id));
        }
    }
    let largest = known.iter().max_by_key(|known| known.head.size).map(|known| (known.head.size, known.file.clone()));
    Ok(Compared { known: largest, missing: missing(reader, known).await?, unusable })
}

/// The files of checkpoints: the one that is named, and those that unfinished runs append to.
async fn files(reader: &Reader, named: Option<&Path>) -> Result<Vec<PathBuf>, JournalError> {
    let mut files: Vec<PathBuf> = named.map(Path::to_owned).into_iter().collect();
    for record in reader.runs().await? {
        if !record.state.is_unfinished() {
            continue;
        }
        let recorded = recorded(reader, record.run_no, "checkpoint_to")
            .await?
            .map(PathBuf::from)
            .filter(|path| not_carried_on(path).is_none());
        files.extend(recorded.filter(|path| !files.contains(path)));
    }
    Ok(files)
}

/// What the state directory has of this journal.
fn remembered(heads: &Heads, id: &str) -> Result<Option<KnownHead>, String> {
    let Ok(heads) = heads else { return Ok(None) };
    match heads.read(id) {
        Ok(found) => Ok(found.map(|found| KnownHead { head: found.head, file: found.file, journal: found.journal })),
        Err(HeadsError::NotOurs { .. }) => Ok(None),
        Err(error @ HeadsError::Damaged { .. }) => {
            Err(format!("{error}: the journal was not compared with it, {REPLACED}"))
        }
        Err(error) => Err(format!("{error}: whether the journal was rolled back cannot be determined from it")),
    }
}

/// What happens to a file that holds no head.
const REPLACED: &str = "and the next session that is not a rehearsal replaces it; you may delete it";

/// The newest records of this journal in the file of checkpoints.
fn in_file(path: &Path, id: &str) -> Result<Vec<KnownHead>, String> {
    let Newest { last, largest } = newest(path, id)
        .map_err(|error| format!("cannot compare the journal with the checkpoints in {}: {error}", path.display()))?;
    // Both are the same, but where files were put together or a journal went on that was forked.
    let largest = largest.filter(|largest| last.as_ref() != Some(largest));
    let known = |head| KnownHead { head, file: path.to_owned(), journal: None };
    Ok(last.into_iter().chain(largest).map(known).collect())
}

/// Those heads that the journal neither has nor has been accepted without, the largest first.
async fn missing(reader: &Reader, known: Vec<KnownHead>) -> Result<Vec<KnownHead>, JournalError> {
    let mut missing = Vec::new();
    for known in known {
        if reader.root_at(known.head.size).await?.as_deref() != Some(&base64(&known.head.root)) {
            missing.push(known);
        }
    }
    if !missing.is_empty() {
        for entry in reader.accepted_rollbacks().await? {
            let Event::OverrideUsed(used) = entry.event else { continue };
            missing.retain(|known| {
                let root = base64(&known.head.root);
                !used.lost.iter().any(|lost| lost.size == known.head.size && lost.root == root)
            });
        }
    }
    missing.sort_by_key(|known| std::cmp::Reverse(known.head.size));
    Ok(missing)
}
