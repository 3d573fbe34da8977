//! Journals that are sealed: nothing may be appended to them any more.

use super::error::JournalError;
use super::reader::Reader;
use crate::record::event::Event;

/// The command of the session that seals a journal. Nothing is written to it after that.
pub const ARCHIVE: &str = "archive";

/// Whether the journal is sealed: its last session archived it, or was about to. A session of that command which closes a run
/// that died while planning has that in between, and seals nothing.
///
/// # Errors
/// If it cannot be read.
pub async fn is_sealed(reader: &Reader) -> Result<bool, JournalError> {
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
