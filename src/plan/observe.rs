//! Looking before planning: which key pairs there are, and which of them instances were made with.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::Ordering;

use futures_util::future::try_join;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::error::{PlanError, foreign};
use super::planner::Planner;
use super::unacknowledged::Unacknowledged;
use crate::domain::{Class, Failure, Identity, KeyPair};
use crate::journal::stage::Stage;
use crate::lane::{Lane, Reading};
use crate::lightsail::{Instance, Lightsail, ListingPage};
use crate::policy::guard::IfInUse;
use crate::record::Draft;
use crate::record::event::{Event, Found, Observed, Source, TargetInventory};
use crate::record::plan::PlanObservation;

/// Readings that may be on their way to the disk while the next one is made. A disk that lags behind by more makes the
/// next one wait.
pub(super) const READINGS_AHEAD: usize = 32;

/// How often a page that gets no usable answer is asked for. Planning changes nothing, so giving up is cheap.
pub(super) const TRIES: u32 = 5;

/// Pages of one listing at most: 200 key pairs each are two million, beyond which a service that never ends its
/// listing is more likely than an account of that size.
pub(super) const MOST_PAGES: u64 = 100_000;

/// A key pair of the inventory, as it is staged: arn, creation time, fingerprint, tags, and the place among all readings of
/// the page that showed it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Seen(Option<String>, Option<String>, Option<String>, BTreeMap<String, String>, usize);

impl Seen {
    /// What was seen, and where.
    pub(super) fn split(self) -> (PlanObservation, usize) {
        let Self(arn, created_at, fingerprint, tags, place) = self;
        (PlanObservation { arn, created_at, fingerprint, tags }, place)
    }
}

/// What was read for a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inventory {
    pub(super) targets: Vec<TargetInventory>,
    /// The number of each reading's entry, by the reading's place among all.
    pub(super) readings: Vec<u64>,
}

/// What the targets share while they are observed.
pub(super) struct Observing<'a> {
    pub(super) stage: Mutex<&'a mut Stage>,
    /// A reading need not be durable before the next one; all of them must be before anything follows from them.
    pub(super) readings: Unacknowledged,
}

impl<L: Lightsail> Planner<L> {
    /// Reads the inventory of one target and its instances into the stage.
    pub(super) async fn observe(&self, lane: &Lane<L>, shared: &Observing<'_>) -> Result<TargetInventory, PlanError> {
        let region = &lane.target.region;
        let mut inventory = TargetInventory {
            account: lane.target.account.clone(),
            region: region.clone(),
            key_pairs: 0,
            pages: 0,
            instances: None,
        };
        let mut token: Option<String> = None;
        let mut seen = Vec::new();
        loop {
            let action = "lightsail:GetKeyPairs";
            let request = || lane.port.get_key_pairs(region, token.as_deref());
            let listing = self.listing(lane, &shared.readings, Source::GetKeyPairs, action, request);
            // A page is staged while the next one is on its way.
            let staging =
                async { Ok(shared.stage.lock().await.put_seen(&lane.target, &std::mem::take(&mut seen)).await?) };
            let ((page, place), ()): ((ListingPage<KeyPair>, usize), ()) = try_join(listing, staging).await?;
            inventory.pages += 1;
            inventory.key_pairs += page.items.len() as u64;
            self.tally.key_pairs.fetch_add(page.items.len() as u64, Ordering::Relaxed);
            seen.extend(page.items.into_iter().map(|pair| seen_row(pair, place)));
            if !self.goes_on(lane, action, &mut token, page.next, inventory.pages)? {
                break;
            }
        }
        shared.stage.lock().await.put_seen(&lane.target, &seen).await?;
        inventory.instances = self.instances(lane, shared).await?;
        Ok(inventory)
    }

    /// Reads which key pair names instances were made with. Where that is not permitted, it matters only to those who
    /// asked for a stricter treatment than a warning.
    async fn instances(&self, lane: &Lane<L>, shared: &Observing<'_>) -> Result<Option<u64>, PlanError> {
        let region = &lane.target.region;
        let (mut token, mut pages, mut instances) = (None::<String>, 0, 0);
        loop {
            let action = "lightsail:GetInstances";
            let request = || lane.port.get_instances(region, token.as_deref());
            let page: Result<(ListingPage<Instance>, usize), PlanError> =
                self.listing(lane, &shared.readings, Source::GetInstances, action, request).await;
            let page = match page {
                Ok((page, _)) => page,
                Err(PlanError::Journal(error)) => return Err(error.into()),
                Err(_) if self.if_in_use == IfInUse::Warn => return Ok(None),
                Err(error) => return Err(error),
            };
            pages += 1;
            instances += page.items.len() as u64;
            self.tally.instances.fetch_add(page.items.len() as u64, Ordering::Relaxed);
            let used: Vec<_> =
                page.items.into_iter().filter_map(|instance| Some((instance.ssh_key_name?, instance.name))).collect();
            shared.stage.lock().await.put_used(&lane.target, &used).await?;
            if !self.goes_on(lane, action, &mut token, page.next, pages)? {
                return Ok(Some(instances));
            }
        }
    }

    /// Asks for one page, again where no usable answer comes, and records what it cost. Returns the place of its reading among
    /// all, too.
    async fn listing<T, F>(
        &self,
        lane: &Lane<L>,
        readings: &Unacknowledged,
        source: Source,
        action: &'static str,
        request: impl Fn() -> F,
    ) -> Result<(T, usize), PlanError>
    where
        F: Future<Output = crate::domain::Reply<T>>,
    {
        let mut tries = 0;
        loop {
            let Reading { reply, requests, throttled } = lane.read(self.patience, &request).await?;
            tries += 1;
            if lane.is_foreign(&reply.exchange) {
                return Err(foreign(lane, &reply.exchange));
            }
            let error = reply.result.as_ref().err().cloned();
            let found = error.as_ref().map_or(Found::Listed, |error| crate::lane::found_error(error.class));
            // A page is many key pairs: each row's own observation is in its intent. An error is kept whole.
            let exchange = if error.is_some() { reply.exchange } else { reply.exchange.without_body() };
            let seen = Observed {
                requests,
                throttled,
                account: Some(lane.target.account.clone()),
                region: Some(lane.target.region.clone()),
                failure: Failure::of(error.clone(), &exchange),
                exchange,
                ..Observed::of(source, found)
            };
            let place = readings.append(vec![Draft::of(Event::Observed(Box::new(seen)))]).await?;
            let error = match reply.result {
                Ok(page) => return Ok((page, place)),
                Err(error) => error,
            };
            let said = error.summary();
            let (target, class, error) = (lane.target.clone(), error.class, Some(Box::new(error)));
            match class {
                Class::Denied => return Err(PlanError::NotPermitted { action, target, said }),
                Class::RefusedForAll | Class::Refused | Class::NotFound => {
                    return Err(PlanError::Unreadable { action, target, said, error });
                }
                _ if tries >= TRIES => return Err(PlanError::Unreadable { action, target, said, error }),
                _ => crate::lane::pause(tries).await,
            }
        }
    }

    /// Whether a listing has another page. One that repeats its token, or never ends, is not the whole: what it does not
    /// list must not pass for absent.
    fn goes_on(
        &self,
        lane: &Lane<L>,
        action: &'static str,
        token: &mut Option<String>,
        next: Option<String>,
        pages: u64,
    ) -> Result<bool, PlanError> {
        if next.is_some() && (next == *token || pages >= MOST_PAGES) {
            let said = format!("its pages do not end (page {pages})");
            return Err(PlanError::Unreadable { action, target: lane.target.clone(), said, error: None });
        }
        *token = next;
        Ok(token.is_some())
    }
}

/// What is staged of a key pair of the inventory.
fn seen_row(pair: KeyPair, place: usize) -> (String, String) {
    let KeyPair { name, identity: Identity { arn, created_at, fingerprint }, tags } = pair;
    let seen = Seen(arn, created_at, fingerprint, tags, place);
    let body = serde_json::to_string(&seen).unwrap_or_default();
    (name, body)
}
