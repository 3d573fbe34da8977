//! Several runners keep to one rate: what one of them learns of the others.

use std::time::Duration;

use super::{BACK_OFF, EVENTS, Empty, PAUSE, Phase, RateRule, SEARCH_ABOVE};
use crate::domain::is_same_rate;

impl RateRule {
    /// Takes over the rate that all runners keep to, at most the own cap, without announcing it: whoever changed it did. Returns how long
    /// nothing is to leave, if it fell: then another runner was throttled, and throttles of requests that leave before `until` belong to the
    /// same event. A rate that is `known` was learned before this rule saw anything.
    pub fn adopt(&mut self, per_s: f64, is_known: bool, at: Duration, until: Duration) -> Option<Duration> {
        let (from, to) = (self.rate?, per_s.min(self.cap));
        if is_known && self.limit.is_none() {
            (self.limit, self.phase) = (Some(to / BACK_OFF), Phase::Settled);
        }
        if is_same_rate(from, to) {
            return None;
        }
        (self.rate, self.announced, self.round) = (Some(to), Some(to), None);
        self.steady = (at, self.admitted);
        if to > from {
            if let Some(limit) = self.limit.filter(|limit| to > *limit) {
                self.phase = if to < limit * SEARCH_ABOVE { Phase::Probing } else { Phase::Searching };
            }
            return None;
        }
        let limit = to / BACK_OFF;
        self.remember_fall(limit, at);
        if self.throttles.len() == EVENTS {
            self.throttles.pop_front();
        }
        self.throttles.push_back(Empty { at, admitted: self.admitted });
        (self.limit, self.phase, self.climbed_s) = (Some(limit), Phase::Settled, 0.0);
        let pause = PAUSE.max(Duration::from_secs_f64(1.0 / to));
        self.event_ends = until.max(at + pause);
        Some(pause)
    }

    /// So many requests of other runners left, and count as admitted: the service's limit is for all of them, and a rate that they use
    /// together is used.
    pub fn others_admitted(&mut self, count: u32) {
        self.admitted += u64::from(count);
        if let Some((_, answers)) = &mut self.round {
            *answers += count;
        }
    }
}
