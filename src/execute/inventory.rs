//! A target's inventory, read again during a run for rows whose observation became too old before their first request.
//! It is read page by page if that takes fewer requests than reading key by key.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::shared::Shared;
use crate::domain::{Failure, KeyPair};
use crate::journal::JournalError;
use crate::lane::Lane;
use crate::lane::found_error;
use crate::lightsail::Lightsail;
use crate::record::event::{Event, Found, Observed, Source};

/// The most key pairs that are kept in memory (about 400 bytes each, 20 MB in all). A larger target is read key by key.
const MOST_KEPT: usize = 50_000;

/// A target's inventory, refreshed when it is needed.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    kept: Mutex<Kept>,
    /// Rows of the target that have no outcome yet.
    pub(super) rows_left: AtomicU64,
}

#[derive(Debug, Default)]
struct Kept {
    /// By name; `None` where two key pairs of that name were listed.
    pairs: HashMap<String, Option<Seen>>,
    /// When its first page was asked for.
    oldest: Option<Timestamp>,
    /// Pages that the last reading took; from the plan at first.
    pages: u64,
    /// Too large to keep, too slow to be of use, or not readable: key by key from now on.
    given_up: bool,
    /// The names for which the target was listed. It is never listed twice for the same name: what was too old then
    /// would be too old again.
    listed_for: HashSet<String>,
}

/// A key pair as a page listed it.
#[derive(Debug, Clone)]
struct Seen {
    pair: KeyPair,
    /// Before the page was asked for: it may have been made long before its answer came.
    at: Timestamp,
}

impl Inventory {
    pub(super) fn new(pages: u64, rows_left: u64) -> Self {
        let kept = Kept { pages, ..Kept::default() };
        Self { kept: Mutex::new(kept), rows_left: AtomicU64::new(rows_left) }
    }

    /// The key pair of that name and when it was seen; `None` if it should be read by itself. A name that is missing
    /// from a listing proves nothing here: while key pairs are being deleted, one may shift between two pages.
    pub(super) async fn look_up<L: Lightsail>(
        &self,
        shared: &Shared,
        lane: &Lane<L>,
        target_no: i64,
        name: &str,
    ) -> Result<Option<(KeyPair, Timestamp)>, JournalError> {
        let mut kept = self.kept.lock().await;
        // Half of the permitted age, so that what is taken from it is still good when its turn comes.
        let fresh = SignedDuration::try_from(shared.settings.max_observation_age / 2).unwrap_or(SignedDuration::MAX);
        let good = kept.seen(name, shared.scribe.now(), fresh);
        if good.is_some() || kept.given_up {
            return Ok(good);
        }
        // As long as the last listing is fresh, another one would not show more.
        let now = shared.scribe.now();
        let is_good = kept.oldest.is_some_and(|at| is_fresh(at, now, fresh));
        let rows_left = self.rows_left.load(Ordering::Relaxed);
        if is_good || kept.pages.max(1) >= rows_left || !kept.listed_for.insert(name.to_owned()) {
            return Ok(None);
        }
        tracing::debug!(target_no, pages = kept.pages, "reading the inventory again");
        kept.refresh(shared, lane, target_no, rows_left).await?;
        let now = shared.scribe.now();
        // The next listing would be as slow: its first pages would be too old before its last page came.
        kept.given_up |= !kept.oldest.is_some_and(|at| is_fresh(at, now, fresh));
        Ok(kept.seen(name, now, fresh))
    }
}

/// Whether what was seen at `at` is younger than `fresh`. A time in the future is another clock's, and its age unknown.
fn is_fresh(at: Timestamp, now: Timestamp, fresh: SignedDuration) -> bool {
    now >= at && now.duration_since(at) < fresh
}

impl Kept {
    /// What was seen of `name`, if that is one key pair and still fresh.
    fn seen(&self, name: &str, now: Timestamp, fresh: SignedDuration) -> Option<(KeyPair, Timestamp)> {
        let seen = self.pairs.get(name)?.as_ref()?;
        is_fresh(seen.at, now, fresh).then(|| (seen.pair.clone(), seen.at))
    }

    /// Takes in a key pair of a page. A page may repeat one of the page before it; if it shows two different key pairs
    /// of one name, the listing says nothing about either.
    fn take_in(&mut self, pair: KeyPair, at: Timestamp) {
        match self.pairs.entry(pair.name.clone()) {
            Entry::Vacant(place) => {
                place.insert(Some(Seen { pair, at }));
            }
            Entry::Occupied(mut place) => {
                let known = place.get().as_ref().map(|seen| seen.pair.identity.same_as(&pair.identity));
                place.insert((known == Some(Some(true))).then_some(Seen { pair, at }));
            }
        }
    }

    /// Reads all pages, or gives up if that fails or takes more requests than reading key by key.
    async fn refresh<L: Lightsail>(
        &mut self,
        shared: &Shared,
        lane: &Lane<L>,
        target_no: i64,
        rows_left: u64,
    ) -> Result<(), JournalError> {
        let region = lane.target.region.clone();
        let mut token: Option<String> = None;
        (self.pages, self.oldest) = (0, None);
        self.pairs.clear();
        loop {
            let patience = shared.settings.settle_timeout;
            let at = shared.scribe.now();
            let page = lane.read(patience, || lane.port.get_key_pairs(&region, token.as_deref())).await?;
            self.pages += 1;
            self.oldest = self.oldest.or(Some(at));
            let (found, next, error) = match page.reply.result {
                Ok(answer) => {
                    let now = shared.scribe.now();
                    for pair in answer.items {
                        lane.sightings.note(&pair.name, Some(&pair.identity), now);
                        self.take_in(pair, at);
                    }
                    (Found::Listed, answer.next, None)
                }
                Err(error) => (found_error(error.class), None, Some(error)),
            };
            let failed = error.is_some();
            // A page of the inventory is many key pairs: each row's own observation is with the row. An error is kept whole.
            let exchange = if failed { page.reply.exchange } else { page.reply.exchange.without_body() };
            let seen = Observed {
                requests: page.requests,
                throttled: page.throttled,
                account: Some(lane.target.account.clone()),
                region: Some(region.clone()),
                failure: Failure::of(error, &exchange),
                exchange,
                ..Observed::of(Source::GetKeyPairs, found)
            };
            shared.scribe.write(Event::Observed(Box::new(seen))).await?;
            let endless = next.is_some() && (next == token || self.pages >= rows_left);
            if failed || endless || self.pairs.len() > MOST_KEPT || shared.control.is_stopping(target_no) {
                self.given_up = true;
                self.pairs.clear();
                return Ok(());
            }
            token = next;
            if token.is_none() {
                return Ok(());
            }
        }
    }
}
