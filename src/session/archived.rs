//! Journals that were archived before the present one: what earlier runs know of key pairs is in them, too (I4).

use std::path::{Path, PathBuf};

use super::error::{Refusal, SessionError};
use super::host::Host;
use crate::journal::{JournalError, Reader};
use crate::record::Event;
use crate::record::event::Previous;

/// The command of the session that seals a journal. Nothing is written to it after that.
pub(super) const ARCHIVE: &str = "archive";

/// More archives than this are no chain that anybody made by hand; a circle is none at all.
const MOST: usize = 1_000;

/// The journal that this one continues, as its first entry says.
pub(super) async fn previous(reader: &Reader) -> Result<Option<Previous>, JournalError> {
    // One that is new has no entry yet.
    if reader.journal_id().await?.is_none() {
        return Ok(None);
    }
    Ok(match reader.entry(0).await?.event {
        Event::JournalCreated(created) => created.previous,
        _ => None,
    })
}

/// `reader`, of the journal at `path`, with the journals that were archived before it.
///
/// # Errors
/// If one of them is not where it was put, or is not what it was: then it is unknown what earlier runs did.
pub(super) async fn with_archived<H: Host>(host: &H, path: &Path, reader: Reader) -> Result<Reader, SessionError> {
    let at = |id: &str| host.archived_at(path, id);
    let archived = archives(&reader, at, async |place: PathBuf| host.reader(&place).await).await?;
    Ok(reader.with_archived(archived))
}

/// The journals that were archived before that of `reader`, the oldest first: `at` says where the one with an id lies, and `read`
/// opens it.
///
/// # Errors
/// If one of them is not where it was put, or its head is not what it was.
pub async fn archives(
    reader: &Reader,
    at: impl Fn(&str) -> PathBuf,
    read: impl AsyncFn(PathBuf) -> Result<Reader, JournalError>,
) -> Result<Vec<Reader>, SessionError> {
    let mut archived = Vec::new();
    let mut next = previous(reader).await?;
    while let Some(named) = next {
        let place = at(&named.id);
        let found = match read(place.clone()).await {
            Ok(found) => is_it(&found, &named).await.map(|()| found),
            Err(error) => Err(error.to_string()),
        };
        let found = found.map_err(|why| missing(place, named.id, why))?;
        if archived.len() >= MOST {
            return Err(JournalError::damaged("it names itself as an earlier journal").into());
        }
        next = previous(&found).await?;
        archived.push(found);
    }
    archived.reverse();
    Ok(archived)
}

/// Whether an archived journal has the head that its successor names.
async fn is_it(reader: &Reader, named: &Previous) -> Result<(), String> {
    let id = reader.journal_id().await.map_err(|error| error.to_string())?;
    let (size, root) = reader.head().await.map_err(|error| error.to_string())?;
    if id.as_deref() != Some(named.id.as_str()) || size != named.size || root != named.root {
        return Err("it is not the journal that was archived".into());
    }
    Ok(())
}

fn missing(place: PathBuf, id: String, why: String) -> SessionError {
    SessionError::new(Refusal::ArchiveMissing { place, id, why })
}

/// Whether the journal is sealed: its last session archived it, or was about to. A session of that command which closes a run
/// that died while planning has that in between, and seals nothing.
pub(super) async fn is_sealed(reader: &Reader) -> Result<bool, JournalError> {
    if reader.journal_id().await?.is_none() {
        return Ok(false);
    }
    let (size, _) = reader.head().await?;
    let Some(last) = size.checked_sub(1) else { return Ok(false) };
    let Some(session) = reader.entry(last).await?.session else { return Ok(false) };
    match reader.entry(session).await?.event {
        Event::SessionOpened(opened) if opened.command == ARCHIVE => {
            Ok(session < last && matches!(reader.entry(session + 1).await?.event, Event::SessionClosed(_)))
        }
        _ => Ok(false),
    }
}
