//! Whether anybody is at work on a run. The journal alone cannot say: what a killed process wrote last is `running`.

use std::path::Path;

use crate::journal::{Lock, RunState};

/// The word for a run that nobody works on although the journal has no end of its session.
pub(super) const INTERRUPTED: &str = "interrupted";

/// The state of a run as commands say it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Liveness {
    /// Whether the journal's lock is free for certain.
    is_free: bool,
}

impl Liveness {
    /// Of the journal at this moment.
    pub(super) fn of(journal: &Path) -> Self {
        Self { is_free: Lock::is_held(journal) == Some(false) }
    }

    /// `interrupted` for what the journal has as at work while nobody is.
    pub(super) fn state(self, stored: &str) -> &str {
        if self.is_free && RunState::from(stored).is_at_work() { INTERRUPTED } else { stored }
    }
}

/// The state of a run for a session that has the lock itself, so that no other works on it.
pub(super) fn at_rest(stored: &RunState) -> &str {
    Liveness { is_free: true }.state(stored.as_str())
}

/// The command that goes on with a run in this state, as the journal has it.
pub(super) fn goes_on_with(stored: &str, run: &str) -> Option<String> {
    (RunState::from(stored) == RunState::Running).then(|| format!("keybatch resume {run}"))
}
