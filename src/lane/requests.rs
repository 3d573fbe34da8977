//! One target: its pacer, its requests, and what they cost. Every request of a run, reads too, goes through here.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backoff::backoff_ceiling;
use super::pace::{Pacer, Permit};
use super::rate::RateChange;
use super::sightings::Sightings;
use crate::domain::{Class, Exchange, Reply, SANDBOX_HEADER, Target};
use crate::journal::{JournalError, Scribe};
use crate::record::event::{Event, RateChanged, Requests};

/// A target as a session sees it.
#[derive(Debug)]
pub struct Lane<L> {
    /// The service.
    pub port: Arc<L>,
    /// Account and region.
    pub target: Target,
    /// The id of the sandbox that every answer must name; `None` where no answer may name one.
    pub world: Option<String>,
    /// Its rate.
    pub pacer: Pacer,
    /// Where changes of its rate are recorded, under the run that the requests are made for.
    pub scribe: Scribe,
    /// What was sent, over all targets of the session.
    pub counts: Arc<Counts>,
    /// When a key pair was first read as a trial: reading is permitted, then.
    pub read_at: OnceLock<Timestamp>,
    /// What was seen in passing.
    pub sightings: Sightings,
}

/// Requests of a session.
#[derive(Debug, Default)]
pub struct Counts {
    /// DeleteKeyPair requests.
    pub deletes: AtomicU64,
    /// All other Lightsail requests.
    pub reads: AtomicU64,
    /// Those of either kind that were throttled.
    pub throttled: AtomicU64,
}

impl Counts {
    /// What was sent so far.
    #[must_use]
    pub fn so_far(&self) -> Requests {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Requests { delete: of(&self.deletes), read: of(&self.reads), throttled: of(&self.throttled) }
    }
}

/// A reading, and what it cost.
#[derive(Debug)]
pub struct Reading<T> {
    /// The last answer.
    pub reply: Reply<T>,
    /// Requests that it took.
    pub requests: u64,
    /// How many of them were throttled.
    pub throttled: u64,
}

impl<L> Lane<L> {
    /// Makes one reading. Throttled requests are repeated until `patience` is over; nothing else is.
    ///
    /// # Errors
    /// Where a change of the rate cannot be recorded.
    pub async fn read<T, F>(&self, patience: Duration, request: impl Fn() -> F) -> Result<Reading<T>, JournalError>
    where
        F: Future<Output = Reply<T>>,
    {
        let permit = self.pacer.acquire().await;
        self.read_with(permit, &CancellationToken::new(), patience, request).await
    }

    /// The same with a permit that was obtained before. Once `stopping` is cancelled, nothing is repeated.
    ///
    /// # Errors
    /// Where a change of the rate cannot be recorded.
    pub async fn read_with<T, F>(
        &self,
        mut permit: Permit,
        stopping: &CancellationToken,
        patience: Duration,
        request: impl Fn() -> F,
    ) -> Result<Reading<T>, JournalError>
    where
        F: Future<Output = Reply<T>>,
    {
        let began = Instant::now();
        let (mut requests, mut throttled) = (0, 0);
        loop {
            let reply = request().await;
            requests += 1;
            self.counts.reads.fetch_add(1, Ordering::Relaxed);
            let class = reply.result.as_ref().err().map(|error| error.class);
            let change = self.report(permit, class == Some(Class::Throttled), reply.exchange.http_status.is_some());
            self.record(change).await?;
            if class != Some(Class::Throttled) {
                return Ok(Reading { reply, requests, throttled });
            }
            throttled += 1;
            if began.elapsed() >= patience || stopping.is_cancelled() {
                return Ok(Reading { reply, requests, throttled });
            }
            pause(u32::try_from(throttled).unwrap_or(u32::MAX)).await;
            permit = self.pacer.acquire().await;
        }
    }

    /// Whether an answer comes from another place than the one that said who the caller is: a sandbox instead of AWS, AWS
    /// instead of a sandbox, or another sandbox. Services can be redirected one by one.
    #[must_use]
    pub fn is_foreign(&self, exchange: &Exchange) -> bool {
        exchange.http_status.is_some() && exchange.headers.get(SANDBOX_HEADER) != self.world.as_ref()
    }

    /// Tells the pacer how a request fared. One without an answer says nothing about the rate.
    pub fn report(&self, permit: Permit, throttled: bool, answered: bool) -> Option<RateChange> {
        if throttled {
            self.counts.throttled.fetch_add(1, Ordering::Relaxed);
        }
        if answered { self.pacer.report(permit, throttled) } else { None }
    }

    /// Records a change of the rate that is worth an entry.
    ///
    /// # Errors
    /// Where the journal cannot be written.
    pub async fn record(&self, change: Option<RateChange>) -> Result<(), JournalError> {
        let Some(change) = change.filter(|change| change.announce) else { return Ok(()) };
        tracing::debug!(target = %self.target, from = ?change.from, to = ?change.to, "rate changed");
        let learned = self.pacer.learned();
        let event = RateChanged {
            account: self.target.account.clone(),
            region: self.target.region.clone(),
            from_per_s: rate_text(change.from),
            to_per_s: rate_text(change.to),
            learned_per_s: learned.map(|learned| rate_text(Some(learned.rate_per_s))),
            learned_is_limit: learned.map(|learned| learned.is_limit),
            why: change.why.as_str().to_owned(),
        };
        self.scribe.write(Event::RateChanged(event)).await
    }
}

impl<L> AsRef<Pacer> for Lane<L> {
    fn as_ref(&self) -> &Pacer {
        &self.pacer
    }
}

/// Waits for a random part of the level's waiting period (full jitter), so that rows that failed together do not come
/// back together.
pub(crate) async fn pause(level: u32) {
    if level > 0 {
        let ceiling_ms = u64::try_from(backoff_ceiling(level - 1).as_millis()).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=ceiling_ms))).await;
    }
}

/// A rate as the journal keeps it: a decimal, because canonical JSON has no exact fractions.
fn rate_text(rate: Option<f64>) -> String {
    rate.map_or_else(|| "unlimited".to_owned(), |rate| format!("{rate:.3}"))
}
