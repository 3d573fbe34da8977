//! A session on a run: what its work and its end need.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::accounts::Connections;
use super::host::Host;
use super::open::OpenJournal;
use super::order::Order;
use super::policy::Policy;
use super::sum_up::Known;
use crate::domain::{OutcomeCounts, RunId, Settings, Target};
use crate::execute::Runner;
use crate::execute::ghost::Ghosts;
use crate::journal::{JournalError, Reader, RunRecord, Scribe};
use crate::lane::pace::Pacer;
use crate::lane::rate::{Learned, RateCap};
use crate::lane::{Counts, Lane};

/// A session on a run: what its work and its end need.
pub(super) struct Session<'a, H: Host> {
    pub(super) host: &'a H,
    pub(super) order: Order,
    pub(super) open: OpenJournal,
    pub(super) run: RunId,
    /// What it shares with other runners, if it does.
    pub(super) runner: Option<Runner>,
    pub(super) sandbox: bool,
    /// Whether another session made the plan.
    pub(super) resumed: bool,
    pub(super) counts: Arc<Counts>,
    pub(super) began: tokio::time::Instant,
    /// The outcomes that the run had before this session.
    pub(super) before: OutcomeCounts,
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

impl<H: Host> Session<'_, H> {
    /// A lane of a target, starting from the rate that was learned for it; none if its account is not reached.
    pub(super) async fn lane(
        &self,
        connections: &Connections<H::Port>,
        target: Target,
        settings: &Settings,
    ) -> Result<Option<Arc<Lane<H::Port>>>, JournalError> {
        let cap = rate_cap(settings, &self.order.policy, &target);
        lane(Some(&self.open.reader), connections, target, cap, self.scribe(), &self.counts).await
    }

    /// Writes the entries of the session.
    pub(super) fn scribe(&self) -> Scribe {
        Scribe { journal: self.open.journal.clone(), clock: Arc::clone(&self.open.clock) }
    }

    pub(super) async fn record(&self) -> Result<RunRecord, JournalError> {
        let runs = self.open.reader.runs().await?;
        let found = runs.into_iter().find(|record| record.run == self.run);
        found.ok_or_else(|| JournalError::damaged(format!("run {} is not in it", self.run)))
    }
}

/// A lane of a target, starting from the rate that `past` has of it; none if its account is not reached.
pub(super) async fn lane<L>(
    past: Option<&Reader>,
    connections: &Connections<L>,
    target: Target,
    cap: RateCap,
    scribe: Scribe,
    counts: &Arc<Counts>,
) -> Result<Option<Arc<Lane<L>>>, JournalError> {
    let Some(port) = connections.port(&target).map(Arc::clone) else { return Ok(None) };
    let learned = match past {
        Some(reader) => rate(reader, &connections.place.endpoint, &target).await?,
        None => None,
    };
    let learned = learned.and_then(|(rate, is_limit)| Some(Learned { rate_per_s: rate.parse().ok()?, is_limit }));
    Ok(Some(Arc::new(Lane {
        port,
        target,
        world: connections.place.world.clone(),
        pacer: Pacer::new(cap, learned),
        scribe,
        counts: Arc::clone(counts),
        read_at: Default::default(),
        sightings: Default::default(),
    })))
}

/// The rate that was learned last for a target, in this journal or in one that was archived before it.
async fn rate(reader: &Reader, endpoint: &str, target: &Target) -> Result<Option<(String, bool)>, JournalError> {
    for reader in std::iter::once(reader).chain(reader.archived().iter().rev()) {
        if let Some(found) = reader.rate(endpoint, target).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The cap in a target: that of the settings (it was validated when it was typed), or a lower one of the policy.
pub(super) fn rate_cap(settings: &Settings, policy: &Policy, target: &Target) -> RateCap {
    let own = settings.rate.as_deref().and_then(|rate| rate.parse().ok()).unwrap_or(RateCap::None);
    own.at_most(policy.limits.rate_per_s(target))
}
