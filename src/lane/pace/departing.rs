//! Requests on their way from the queue to their departure: their starts become durable before they leave.

use super::on_the_way::MOMENT;
use super::{Pacer, Permit};

/// A request on its way from its permit to its departure.
#[derive(Debug)]
#[must_use = "dropped when the request leaves"]
pub struct Departing<'a> {
    pacer: &'a Pacer,
    is_permitted: bool,
}

impl Pacer {
    /// Waits for room among the requests whose start is on its way to the disk; taken before a permit, and dropped when
    /// the request leaves. When a slow commit ends, all requests that waited for it leave at once: this keeps them to
    /// the rate's share of a moment, however slow the disk is.
    pub async fn depart(&self) -> Departing<'_> {
        loop {
            let departed = self.departed.notified();
            tokio::pin!(departed);
            departed.as_mut().enable();
            {
                let mut on_the_way = self.on_the_way();
                if on_the_way.all < self.room() {
                    on_the_way.all += 1;
                    if on_the_way.all < self.room() {
                        // A faster rate makes room for several.
                        self.departed.notify_one();
                    }
                    return Departing { pacer: self, is_permitted: false };
                }
            }
            departed.await;
        }
    }

    fn room(&self) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate is positive, and casts saturate"
        )]
        let share = |rate: f64| ((rate * MOMENT.as_secs_f64()) as usize).max(1);
        let Some(rate) = self.rate() else { return usize::MAX };
        // Others who share the rate wait for the same database.
        self.state().common.as_ref().map_or_else(|| share(rate), |common| common.most(rate, MOMENT))
    }
}

impl Departing<'_> {
    /// Waits until the request may leave, as soon as its start is durable.
    pub async fn acquire(&mut self) -> Permit {
        let permit = self.pacer.acquire().await;
        self.pacer.on_the_way().permitted += 1;
        self.is_permitted = true;
        permit
    }

    /// The permit with which the request may leave now that its start is durable: another one if that took much longer than usual,
    /// as where the database was away, and others of this runner wait for the same. Whoever shares the rate waited too, and what all of
    /// them held back would leave at once. One alone may leave: of each runner, never more than one does.
    pub async fn unless_late(&mut self, permit: Permit) -> Permit {
        let took = self.pacer.origin.elapsed().saturating_sub(permit.left);
        let is_late = self.pacer.state().common.as_mut().is_some_and(|common| common.leaves_late(took));
        if !is_late || self.pacer.on_the_way().permitted <= 1 {
            return permit;
        }
        self.give_back();
        self.acquire().await
    }

    fn give_back(&mut self) {
        if std::mem::take(&mut self.is_permitted) {
            self.pacer.on_the_way().permitted -= 1;
        }
    }
}

impl Drop for Departing<'_> {
    fn drop(&mut self) {
        self.give_back();
        self.pacer.on_the_way().all -= 1;
        self.pacer.departed.notify_one();
    }
}
