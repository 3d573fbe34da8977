//! What sessions of a run were told while they worked, and whether the one that works now is paused.

use serde::Serialize;

use super::milestones::entries;
use crate::domain::time_text;
use crate::journal::{JournalError, Reader, RunRecord};
use crate::record::Entry;
use crate::record::control_used::{ControlUsed, Controlled};
use crate::record::event::Event;

/// A session was told something while it worked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// When.
    pub at: String,
    /// The session, by its number.
    pub session: Option<u64>,
    /// What, by whom, and at which rate.
    #[serde(flatten)]
    pub used: ControlUsed,
}

impl Told {
    /// For people: what, and by whom.
    #[must_use]
    pub fn text(&self) -> String {
        controlled(&self.used)
    }
}

/// What a session at work was told, and by whom.
pub(super) fn controlled(used: &ControlUsed) -> String {
    let rate = used.per_s.as_ref().map(|per_s| format!(" of at most {per_s} per second")).unwrap_or_default();
    format!("{}{rate} by {}", used.what.as_str(), used.who())
}

/// What the sessions of a run were told, in order.
pub(super) async fn told(reader: &Reader, run: &RunRecord) -> Result<Vec<Told>, JournalError> {
    let told = |entry: Entry| match entry.event {
        Event::ControlUsed(used) => Some(Told { at: time_text(entry.at), session: entry.session, used }),
        _ => None,
    };
    Ok(entries(reader, run, "control_used").await?.into_iter().filter_map(told).collect())
}

/// Since when the session with this number is paused, by what it was told.
#[must_use]
pub fn paused_in(session: u64, told: &[Told]) -> Option<&str> {
    told.iter().filter(|one| one.session == Some(session)).fold(None, |since, one| match one.used.what {
        Controlled::Pause => since.or(Some(one.at.as_str())),
        Controlled::Rate => since,
        Controlled::Continue | Controlled::Stop => None,
    })
}

/// Since when the last session of a run is paused; it need not work any more.
///
/// # Errors
/// If the journal cannot be read.
pub async fn paused_since(reader: &Reader, run: &RunRecord) -> Result<Option<String>, JournalError> {
    let told = told(reader, run).await?;
    if told.is_empty() {
        return Ok(None);
    }
    let last = reader.milestones_of(run.run_no, "session_opened").await?.last().map(|opened| opened.seq);
    Ok(last.and_then(|last| paused_in(last, &told)).map(str::to_owned))
}
