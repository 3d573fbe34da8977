//! A person holds the rate below the cap that was ordered, while it is at work.

use std::time::Duration;

use super::{BACK_OFF, Phase, RateRule};
use crate::domain::CAP_PER_S;

impl RateRule {
    /// Never exceeded, in requests per second.
    pub fn cap(&self) -> f64 {
        self.cap
    }

    /// From now on, at most `per_s` requests per second are permitted, and no more than before anybody said this. Returns the rate
    /// where that changes it at once: lowers it, or brings back what was permitted before it was held, as far as no throttle has
    /// shown since that this is too much. From there, it is climbed as ever.
    pub fn hold_below(&mut self, per_s: f64, at: Duration) -> Option<f64> {
        let before = std::mem::replace(&mut self.cap, per_s.max(CAP_PER_S.0).min(self.hold.ordered));
        let is_raised = self.cap > before;
        if is_raised && self.limit.is_some() {
            // The climb went on while the rate stood still.
            (self.phase, self.climbed_s) = (Phase::Settled, 0.0);
        }
        let rate = self.rate.unwrap_or(f64::INFINITY);
        let to = if rate > self.cap {
            self.hold.from.get_or_insert(rate);
            self.cap
        } else {
            let borne = self.hold.from.filter(|_| is_raised).unwrap_or(rate);
            self.hold.from = self.hold.from.filter(|from| *from > self.cap);
            let borne = self.limit.map_or(borne, |limit| borne.min(limit * BACK_OFF));
            borne.min(self.cap).max(rate)
        };
        if self.rate == Some(to) {
            return None;
        }
        (self.rate, self.announced, self.round) = (Some(to), Some(to), None);
        self.steady = (at, self.admitted);
        self.rate
    }
}
