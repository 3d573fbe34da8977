//! A target's inventory read again in mid-run, for rows whose observation has become too old before they were asked
//! for. Read page by page where that takes fewer requests than reading key by key.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::Shared;
use super::lane::Lane;
use crate::domain::KeyPair;
use crate::journal::event::{Event, Found, Observed, Source};
use crate::journal::{Draft, JournalError};
use crate::lightsail::Lightsail;

/// How many key pairs are kept in memory at most (about 400 bytes each, 20 MB in all). A larger target is read key by
/// key.
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
    at: Option<Timestamp>,
    pairs: HashMap<String, KeyPair>,
    /// Pages that the last reading took; from the plan at first.
    pages: u64,
    /// Too large to keep, or not readable: key by key from now on.
    given_up: bool,
}

impl Inventory {
    pub(super) fn new(pages: u64, rows_left: u64) -> Self {
        let kept = Kept { pages, ..Kept::default() };
        Self { kept: Mutex::new(kept), rows_left: AtomicU64::new(rows_left) }
    }

    /// The key pair of that name and when it was seen; `None` where it should be read by itself. That a listing does not
    /// show a name proves nothing here: while key pairs are being deleted, its pages may shift past one.
    pub(super) async fn look_up<L: Lightsail>(
        &self,
        shared: &Shared,
        lane: &Lane<L>,
        target_no: i64,
        name: &str,
    ) -> Result<Option<(KeyPair, Timestamp)>, JournalError> {
        let mut kept = self.kept.lock().await;
        let now = shared.clock.now();
        // Half of the permitted age, so that what is taken from it is still good when its turn comes.
        let fresh = SignedDuration::try_from(shared.policy.max_observation_age / 2).unwrap_or(SignedDuration::MAX);
        let is_fresh = kept.at.is_some_and(|at| now >= at && now.duration_since(at) < fresh);
        if !is_fresh {
            let cheaper = kept.pages.max(1) < self.rows_left.load(Ordering::Relaxed);
            if kept.given_up || !cheaper {
                return Ok(None);
            }
            tracing::debug!(target_no, pages = kept.pages, "reading the inventory again");
            kept.refresh(shared, lane, self.rows_left.load(Ordering::Relaxed)).await?;
            if kept.given_up {
                return Ok(None);
            }
        }
        Ok(kept.at.and_then(|at| Some((kept.pairs.get(name)?.clone(), at))))
    }
}

impl Kept {
    /// Reads all pages, or gives up: where that takes more requests than reading key by key, or cannot be done.
    async fn refresh<L: Lightsail>(
        &mut self,
        shared: &Shared,
        lane: &Lane<L>,
        rows_left: u64,
    ) -> Result<(), JournalError> {
        let at = shared.clock.now();
        let region = lane.target.region.clone();
        let mut token: Option<String> = None;
        (self.pages, self.at) = (0, None);
        self.pairs.clear();
        loop {
            let patience = shared.policy.settle_timeout;
            let page = lane.read(patience, || lane.port.get_key_pairs(&region, token.as_deref())).await?;
            self.pages += 1;
            let (found, next, error) = match page.reply.result {
                Ok(answer) => {
                    self.pairs.extend(answer.items.into_iter().map(|pair| (pair.name.clone(), pair)));
                    (Found::Listed, answer.next, None)
                }
                Err(error) => (super::worker::found_error(error.class), None, Some(error)),
            };
            let seen = Observed {
                source: Source::GetKeyPairs,
                found,
                requests: page.requests,
                throttled: page.throttled,
                account: Some(lane.target.account.clone()),
                region: Some(region.clone()),
                observation: None,
                operation: None,
                error,
                // A page of the inventory is many key pairs: each row's own observation is with the row.
                exchange: page.reply.exchange.without_body(),
            };
            let failed = seen.error.is_some();
            let draft = Draft { run: Some(shared.run), row: None, event: Event::Observed(Box::new(seen)) };
            shared.journal.append(vec![draft]).await?;
            let endless = next.is_some() && (next == token || self.pages >= rows_left);
            if failed || endless || self.pairs.len() > MOST_KEPT || shared.control.is_stopping() {
                self.given_up = true;
                self.pairs.clear();
                return Ok(());
            }
            token = next;
            if token.is_none() {
                self.at = Some(at);
                return Ok(());
            }
        }
    }
}
