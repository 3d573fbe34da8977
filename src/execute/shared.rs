//! What the workers of a session share.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::control::Control;
use super::detail::doubtful_detail;
use super::ghost::Ghosts;
use crate::domain::{Outcome, Settings, Target};
use crate::journal::Scribe;

/// Told the name of a key pair that is not asked for yet, and for how long.
pub type OnWaiting = Box<dyn Fn(&str, Duration) + Send + Sync>;

/// The settings of the run, what its rows share, and where everything is recorded.
pub struct Shared {
    /// Writes its entries.
    pub scribe: Scribe,
    /// Its number in the journal.
    pub run_no: i64,
    /// Whether another session made the plan.
    pub resumed: bool,
    /// Whether nothing more is to be asked for, and everything that may have been asked for is to be settled: the run is being
    /// abandoned.
    pub is_given_up: bool,
    /// Its settings.
    pub settings: Settings,
    /// Limits, stopping, and what neighbours show.
    pub control: Arc<Control>,
    /// How many deletes may be in flight at once.
    pub in_flight: Arc<Semaphore>,
    /// What other runs sent that may still be delivered.
    pub ghosts: Arc<Ghosts>,
    /// Told each outcome, for the progress that people see.
    pub on_settled: Box<dyn Fn(Outcome) + Send + Sync>,
    /// Told the name of a key pair that is not asked for yet, and for how long.
    pub on_waiting: OnWaiting,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("run_no", &self.run_no).field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn settled(&self, target_no: i64, target: &Target, outcome: Outcome) {
        if let Some(cause) = self.control.settled(target_no, outcome) {
            self.control.stop_target(target_no, cause, doubtful_detail(target));
        }
        (self.on_settled)(outcome);
    }
}
