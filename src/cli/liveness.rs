//! Whether a session is working on a run. The journal alone does not show it: a killed process leaves `running` behind.

use super::Ui;
use crate::journal::open::is_held;
use crate::journal::{Location, RunState};
use crate::session::again::INTERRUPTED;

/// Determines the state of a run as commands show it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Liveness {
    /// Whether the journal's lock is certainly free.
    is_free: bool,
}

impl Liveness {
    /// Of the journal at this moment.
    pub(super) async fn of(journal: &Location) -> Self {
        Self { is_free: is_held(journal).await == Some(false) }
    }

    /// `interrupted` for a run that the journal shows as active although no process is working on it.
    pub(super) fn state(self, stored: &str) -> &str {
        if self.is_free && RunState::from(stored).is_at_work() { INTERRUPTED } else { stored }
    }
}

/// The command that continues a run in this state (as stored).
pub(super) fn goes_on_with(stored: &str, run: &str, ui: &Ui) -> Option<String> {
    (RunState::from(stored) == RunState::Running).then(|| ui.suggested(["resume", run]))
}
