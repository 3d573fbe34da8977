//! What the workers of a session share.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::control::Control;
use super::ghost::Ghosts;
use super::sentences::doubtful_detail;
use crate::domain::{Outcome, Settings, Target};
use crate::journal::{Roster, Scribe};

/// Receives the name of a key pair whose request waits, and for how long.
pub type OnWaiting = Box<dyn Fn(&str, Duration) + Send + Sync>;

/// The settings of the run, what its rows share, and where everything is recorded.
pub struct Shared {
    /// Writes its entries.
    pub scribe: Scribe,
    /// Its number in the journal.
    pub run_no: i64,
    /// Whether another session made the plan.
    pub resumed: bool,
    /// Whether the run is being abandoned: nothing more is requested, and every row that may have been requested is
    /// settled.
    pub is_given_up: bool,
    /// What is shared with other runners, where the session shares the run.
    pub runner: Option<Runner>,
    /// Its settings.
    pub settings: Settings,
    /// Limits, stopping, and what neighbours show.
    pub control: Arc<Control>,
    /// How many deletes may be in flight at once.
    pub in_flight: Arc<Semaphore>,
    /// What other runs sent that may still be delivered.
    pub ghosts: Arc<Ghosts>,
    /// Receives each outcome, for the progress display.
    pub on_settled: Box<dyn Fn(Outcome) + Send + Sync>,
    /// Receives the name of a key pair whose request waits, and for how long.
    pub on_waiting: OnWaiting,
}

/// A session that shares its run with others.
#[derive(Clone)]
pub struct Runner {
    /// The number of the session's first entry.
    pub session: u64,
    /// Which rows are whose, and when whose requests may leave.
    pub roster: Arc<dyn Roster>,
    /// The sessions of which it has recorded that their leases have lapsed.
    pub(super) told: Arc<tokio::sync::Mutex<BTreeSet<u64>>>,
}

impl Runner {
    /// The session whose first entry has this number.
    pub fn new(session: u64, roster: Arc<dyn Roster>) -> Self {
        Self { session, roster, told: Arc::default() }
    }

    /// Whether its leases outlast an attempt that begins now. One that outlived them might still take effect when another runner has the
    /// row, and its answer would come late.
    fn outlasts(&self, attempt: Duration) -> bool {
        self.roster.left() > attempt
    }
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("session", &self.session).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("run_no", &self.run_no).field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// How often a row whose lease is too short looks whether it was renewed.
const RENEWAL: Duration = Duration::from_millis(50);

impl Shared {
    /// Whether an attempt may begin: always where the session has the run for itself.
    pub(super) fn may_begin(&self) -> bool {
        let attempt = self.settings.attempt_time().dead_after_start();
        self.runner.as_ref().is_none_or(|runner| runner.outlasts(attempt))
    }

    /// Waits until an attempt may begin.
    pub(super) async fn leased(&self) {
        while !self.may_begin() {
            tokio::time::sleep(RENEWAL).await;
        }
    }

    pub(super) fn settled(&self, target_no: i64, target: &Target, outcome: Outcome) {
        if let Some(cause) = self.control.settled(target_no, outcome) {
            self.control.stop_target(target_no, cause, doubtful_detail(target));
        }
        (self.on_settled)(outcome);
    }
}
