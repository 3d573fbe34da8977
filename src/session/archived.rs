//! Journals that were archived before the present one: what earlier runs know of key pairs is in them, too (I4).

use std::path::PathBuf;

use super::error::{Refusal, SessionError};
use super::host::Host;
use crate::journal::{JournalError, Location, Reader};
use crate::record::Event;
use crate::record::event::Previous;

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

/// `reader`, of this journal, with the journals that were archived before it.
///
/// # Errors
/// If one of them is not where it was put, or is not what it was: then it is unknown what earlier runs did.
pub(super) async fn with_archived<H: Host>(
    host: &H,
    journal: &Location,
    reader: Reader,
) -> Result<Reader, SessionError> {
    let at = |id: &str| host.archived_at(journal, id);
    let archived = archives(&reader, at, async |place: PathBuf| host.reader(&place.into()).await).await?;
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
        let found = found.map_err(|why| missing(place.clone(), named.id, why))?;
        if archived.len() >= MOST {
            return Err(JournalError::damaged("it names itself as an earlier journal").into());
        }
        next = previous(&found).await?;
        archived.push(found.at_place(place));
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
