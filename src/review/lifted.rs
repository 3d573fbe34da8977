//! The safety rules that were lifted for a run, and rollbacks of the journal that were accepted while it was open.

use serde::Serialize;

use super::milestones::entries;
use crate::domain::{counted, time_text};
use crate::journal::{JournalError, Reader, RunReader as _, RunRecord};
use crate::record::Entry;
use crate::record::event::{Event, LostHead, OverrideUsed};

/// A safety rule that was lifted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Override {
    /// When.
    pub at: String,
    /// The flag, without dashes; or `policy.` and the rule that `--override` named.
    pub which: String,
    /// By whom.
    pub by: String,
    /// In the operator's words.
    pub why: Option<String>,
    /// Of an accepted rollback: the heads that had been seen, and that the journal did not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<LostHead>,
    /// Of an accepted rollback: how many entries the journal had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub had: Option<u64>,
}

impl Override {
    fn new(entry: &Entry, used: OverrideUsed) -> Self {
        // The entry of the session that accepted it is the first one that the journal got since.
        let had = used.accepts_rollback().then(|| entry.session.unwrap_or(entry.seq));
        let OverrideUsed { which, by, why, lost } = used;
        Self { at: time_text(entry.at), which, by, why, lost, had }
    }

    /// The flag as it was given.
    #[must_use]
    pub fn flag(&self) -> String {
        flag(&self.which)
    }

    /// What an accepted rollback says of the journal.
    #[must_use]
    pub fn lost_text(&self) -> Option<String> {
        let seen = self.lost.iter().map(|lost| lost.size).max().unwrap_or_default();
        let had = counted(self.had?, "entry", "entries");
        Some(format!("the journal had {had}, and {seen} had been seen: what came after is lost"))
    }

    /// Whether it accepts that entries were lost.
    #[must_use]
    pub fn accepts_rollback(&self) -> bool {
        self.had.is_some()
    }
}

/// The flag by which a rule was lifted, as it was given.
pub(super) fn flag(which: &str) -> String {
    which.strip_prefix("policy.").map_or_else(|| format!("--{which}"), |rule| format!("--override {rule}"))
}

/// The safety rules that were lifted for `run`. A rollback names no run; it concerns the one that it was accepted for, and each one that
/// was planned by then and had not ended: a lost entry may have been a request of it.
///
/// # Errors
/// Where the journal cannot be read.
pub(super) async fn lifted(reader: &Reader, run: &RunRecord) -> Result<Vec<Override>, JournalError> {
    let mut found = entries(reader, run, "override_used").await?;
    let rollbacks = reader.rollbacks().await?;
    if !rollbacks.is_empty() {
        let sessions: Vec<_> = entries(reader, run, "session_opened").await?.iter().map(|entry| entry.seq).collect();
        let mut end = None;
        for kind in ["run_finished", "run_abandoned"] {
            end = end.max(entries(reader, run, kind).await?.last().map(|entry| entry.seq));
        }
        let is_open = |entry: &Entry| {
            run.sealed_seq.is_some_and(|sealed| entry.seq > sealed && end.is_none_or(|end| entry.seq < end))
        };
        let is_own = |entry: &Entry| entry.session.is_some_and(|session| sessions.contains(&session));
        found.extend(rollbacks.into_iter().filter(|entry| is_open(entry) || is_own(entry)));
    }
    found.sort_by_key(|entry| entry.seq);
    let one = |entry: Entry| match entry.event.clone() {
        Event::OverrideUsed(used) => Some(Override::new(&entry, used)),
        _ => None,
    };
    Ok(found.into_iter().filter_map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_of_a_policy_is_named_as_it_was_overridden() {
        assert_eq!(flag("policy.maximum_percent"), "--override maximum_percent");
        assert_eq!(flag("accept-changes"), "--accept-changes");
    }
}
