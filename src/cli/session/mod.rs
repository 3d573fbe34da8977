//! A session on a run: the journal that it opens, the checks that may refuse it, its beginning, its work, and its end.
//!
//! - `open`: the journal and its lock; a journal that lost entries is refused
//! - `admit`: the checks that may refuse to continue a run
//! - `begin`: the entry that a session begins with
//! - `resume`, `probe`: continuing a run that another session began
//! - `work`, `end`: processing the rest of the run, and what is recorded and reported at its end

mod admit;
mod begin;
mod end;
mod open;
mod probe;
mod resume;
mod work;

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::Context;
use super::connect::Connection;
use super::options::{SessionOptions, rate_cap};
use super::signals::Signals;
use super::sum_up::Known;
use crate::domain::{OutcomeCounts, RunId, Settings};
use crate::execute::ghost::Ghosts;
use crate::journal::sqlite::RunRecord;
use crate::journal::{JournalError, Scribe};
use crate::lane::pace::Pacer;
use crate::lane::rate::Learned;
use crate::lane::{Counts, Lane};
use crate::lightsail::aws::AwsLightsail;

pub(super) use begin::session_opened;
pub(super) use end::print_checkpoint;
pub(super) use open::{OpenJournal, draft};
pub(super) use resume::{Resumed, already_finished, carry_on, go_on_with};

/// A session on a run: what its work and its end need.
pub(super) struct Session<'a> {
    pub(super) context: &'a Context,
    pub(super) options: &'a SessionOptions,
    pub(super) open: OpenJournal,
    pub(super) run: RunId,
    pub(super) session: String,
    pub(super) sandbox: bool,
    /// Whether another session made the plan.
    pub(super) resumed: bool,
    pub(super) counts: Arc<Counts>,
    pub(super) signals: Signals,
    pub(super) began: tokio::time::Instant,
    /// The outcomes that the run had before this session.
    pub(super) before: OutcomeCounts,
    /// Whether the journal is kept: that of a dry run is not.
    pub(super) is_kept: bool,
    /// Why the run is being abandoned, if it is.
    pub(super) because: Option<String>,
    /// What the journal had when the work began, for a summary where it can no longer be read.
    pub(super) known: OnceLock<Known>,
    /// The outcomes that this session recorded.
    pub(super) settled: Arc<Mutex<OutcomeCounts>>,
    /// How long it took, once it has ended.
    pub(super) took: OnceLock<Duration>,
    /// What other runs sent that may still be delivered.
    pub(super) ghosts: Arc<Ghosts>,
}

impl Session<'_> {
    /// A lane of a target, starting from the rate that was learned for it.
    pub(super) async fn lane(
        &self,
        connection: &Connection,
        target: crate::domain::Target,
        settings: &Settings,
    ) -> Result<Arc<Lane<AwsLightsail>>, JournalError> {
        let learned = self.open.reader.rate(&connection.endpoint, &target).await?;
        let learned = learned.and_then(|(rate, is_limit)| Some(Learned { rate_per_s: rate.parse().ok()?, is_limit }));
        Ok(Arc::new(Lane {
            port: Arc::clone(&connection.port),
            target,
            world: connection.world.clone(),
            pacer: Pacer::new(rate_cap(settings), learned),
            scribe: self.scribe(),
            counts: Arc::clone(&self.counts),
            read_at: Default::default(),
            sightings: Default::default(),
        }))
    }

    /// Writes this run's entries.
    pub(crate) fn scribe(&self) -> Scribe {
        Scribe { run: self.run, journal: self.open.journal.clone(), clock: Arc::clone(&self.open.clock) }
    }

    pub(super) async fn record(&self) -> Result<RunRecord, JournalError> {
        let runs = self.open.reader.runs().await?;
        let found = runs.into_iter().find(|record| record.run == self.run);
        found.ok_or_else(|| JournalError::damaged(format!("run {} is not in it", self.run)))
    }
}
