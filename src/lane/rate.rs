//! The rate rule: how many requests per second a target is asked to bear, learned from its answers.
//!
//! Pure: no clock, no I/O, no async. Time is a `Duration` since an origin of the caller's choice. It promises that the cap is
//! never exceeded, that a rate which is not used is not raised, and that one congestion event lowers the rate once. Who
//! sends, and how, is the business of [`pace`](super::pace); how several runners keep to one rate, that of `adopt`.
//!
//! The service is taken for a token bucket of unknown size and unknown refill rate (the *limit*). A throttle shows
//! an empty bucket, so between two throttles as many requests were admitted as tokens flowed in, give or take one:
//! that measures the limit, and the longer the span the better.
//!
//! - **Searching**: the rate doubles with every round in which it was used, until the first throttle.
//! - **Settled**: a throttle pauses the target for a moment and sets the rate just below the measured limit. The
//!   rate returns to the limit during the first half of a plateau, stays there during the second, then probes
//!   above it with an excess that doubles again and again. A probe that rises far without a throttle is a search.
//! - The plateau is as long as the measurement is good, and short for some minutes after the limit fell: what fell
//!   is expected to come back, and only asking finds out.

mod adopt;
mod change;
mod hold;

use std::collections::VecDeque;
use std::time::Duration;

pub use change::{Learned, RateChange, RateWhy};

use crate::domain::CAP_PER_S;
pub use crate::domain::{RateCap, RateParseError};

/// Where learning starts without a cap, per second. No rate is published; 1 to 2 is believed safe.
const START_PER_S: f64 = 2.0;
/// Where learning starts under an explicit cap, per second: an operator who sets a rate considers at least this much
/// safe, and a smaller cap is kept exactly from the first request on.
const START_CAPPED_PER_S: f64 = 5.0;
/// The slowest rate that is learned, one per four seconds: no account is known to permit less, and a service that
/// refuses everything for an hour must not leave a rate at which its recovery would go unnoticed.
const SLOWEST_PER_S: f64 = 0.25;
/// A learned rate is entered this far below: the limit may have moved between the sessions.
const LEARNED: f64 = 0.9;

/// What a rate is judged over while searching: half a second at 2/s is one doubling per second (two answers), and
/// the first requests of a fast target are not spent on slow rates.
const SEARCH_ROUND: Duration = Duration::from_millis(500);
/// What a rate is judged over when settled.
const ROUND: Duration = Duration::from_secs(1);
/// The fewest answers in a round: one alone would make a rate of any gap.
const ROUND_ANSWERS: u32 = 2;
/// A rate counts as used when this part of it was answered. Latency jitter moves an answer or two over a round's
/// edge; a load that is limited by something else soon shows half the rate or less.
const USED: f64 = 0.75;

/// How far below the measured limit the rate settles: the bucket gains some tokens against jitter.
const BACK_OFF: f64 = 0.95;
/// The shortest pause after a throttle: requests in flight are answered before more are sent. The bucket is empty and
/// refills meanwhile, so nothing is lost unless it holds less than a tenth of a second's tokens.
const PAUSE: Duration = Duration::from_millis(100);
/// A throttle `n` requests after the last one, without a probe, shows an excess of about `1/n`: so much is taken off,
/// times this, and at most the second.
const EARLY: f64 = 0.8;
const EARLY_MAX: f64 = 0.25;
/// An early throttle after so many requests shows that the measured limit is no underestimate.
const CONFIRMED_REQUESTS: f64 = 8.0;

/// The plateau in requests, shortest and longest: one throttle per 150 requests or so costs less than 1 %.
const PLATEAU_REQUESTS: (f64, f64) = (12.0, 150.0);
/// The plateau per request of the measurement that it rests on.
const PLATEAU_TRUST: f64 = 3.0;
/// The longest plateau lasts at least so many seconds: at 50/s 150 requests are gone in three.
const PLATEAU_S: f64 = 10.0;
/// The plateau, in seconds, while a fall is remembered: with the probe below (0.1 to 0.5 in 2.3 s) and two doublings
/// of the search, a limit that came back is found within 15 s.
const PLATEAU_FALLEN_S: f64 = 6.0;
/// The plateau, in requests, of a learned rate that no throttle of this session has confirmed.
const PLATEAU_LEARNED: f64 = 6.0;
/// A limit below this part of the last well-known one has fallen, and is remembered so for so long.
const FALLEN: f64 = 0.75;
const FALLEN_FOR: Duration = Duration::from_secs(300);
/// A measurement over so many admitted requests is good to 1/16, and counts as well known.
const KNOWN_REQUESTS: f64 = 16.0;

/// The excess with which a probe starts, as part of the limit, and the seconds in which it doubles.
const PROBE: f64 = 0.02;
const PROBE_DOUBLING_S: f64 = 2.0;
/// The same where the limit is not well known: an underestimate must not last.
const PROBE_UNKNOWN_DOUBLING_S: f64 = 1.0;
/// The same while a fall is remembered.
const PROBE_FALLEN: (f64, f64) = (0.1, 1.0);
/// Below so many requests per second a probe is stretched, so that each doubling is tried by three requests.
const PROBE_REQUESTS: f64 = 3.0;
/// A probe that came this far: the limit is not what it was.
const SEARCH_ABOVE: f64 = 1.5;

/// A rate that has not changed for so long is held by the cap or by the load, not by the search.
const STEADY: Duration = Duration::from_secs(5);
/// If such a rate is throttled after `n` requests, they drained a bucket of about this size, so that the rate is too
/// high by this part of `n`.
const BUCKET: f64 = 10.0;
/// How many throttles are kept as ends of measurements: more would reach back to another time of the day.
const EVENTS: usize = 8;
/// Smaller rises than 0.2 % are not worth a new limiter.
const LEAST_RISE: f64 = 0.002;
/// A change is announced if it is this far from the rate announced last.
const ANNOUNCE: f64 = 0.10;

/// The rule of one target.
#[derive(Debug, Clone)]
pub struct RateRule {
    /// Never exceeded; requests per second.
    cap: f64,
    /// What somebody makes of the cap meanwhile.
    hold: change::Hold,
    rate: Option<f64>,
    phase: Phase,
    /// The limit of the service as far as known, and how many requests its measurement spans.
    limit: Option<f64>,
    rests_on: f64,
    /// An early throttle has confirmed the limit from above: the next probe's throttle teaches nothing new.
    confirmed: bool,
    /// The limit when it was last well known, and what it had fallen from, until when.
    well_known: Option<f64>,
    fallen_from: Option<(f64, Duration)>,
    /// Requests admitted so far.
    admitted: u64,
    throttles: VecDeque<Empty>,
    /// Throttles of requests that left before belong to the last event.
    event_ends: Duration,
    /// Start of the round and the answers in it; the rate achieved in the last full round.
    round: Option<(Duration, u32)>,
    achieved: f64,
    /// Seconds since the last throttle in which the rate was used.
    climbed_s: f64,
    /// When the rate changed last, and the requests admitted until then.
    steady: (Duration, u64),
    announced: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Searching,
    Settled,
    /// Settled, and above the plateau.
    Probing,
}

/// A moment at which the bucket was empty, and the requests admitted until then.
#[derive(Debug, Clone, Copy)]
struct Empty {
    at: Duration,
    admitted: u64,
}

impl RateRule {
    /// A rule under `cap` that starts a little below `learned` (what an earlier session's [`learned`](Self::learned)
    /// said, requests per second), or low.
    pub fn new(cap: RateCap, learned: Option<Learned>) -> Self {
        let learned = learned.filter(|learned| learned.rate_per_s.is_finite() && learned.rate_per_s > 0.0);
        let limit = learned.filter(|learned| learned.is_limit).map(|learned| learned.rate_per_s);
        let borne = learned.map(|learned| learned.rate_per_s);
        let (ceiling, start) = match cap {
            RateCap::None => (CAP_PER_S.1, Some(START_PER_S)),
            RateCap::Below(rate) => (rate.max(CAP_PER_S.0).min(CAP_PER_S.1), Some(START_PER_S)),
            RateCap::PerSecond(rate) => (rate.max(CAP_PER_S.0).min(CAP_PER_S.1), Some(START_CAPPED_PER_S)),
            RateCap::Unlimited => (CAP_PER_S.1, None),
        };
        let rate = start.map(|start| {
            // A rate that was only sustained is no reason to start lower than without any knowledge.
            let start = borne.map_or(start, |rate| start.max(rate * LEARNED));
            limit.map_or(start, |limit| limit * LEARNED).max(SLOWEST_PER_S).min(ceiling)
        });
        let phase = if limit.is_some() && rate.is_some() { Phase::Settled } else { Phase::Searching };
        Self {
            cap: ceiling,
            hold: change::Hold::below(ceiling),
            rate,
            phase,
            limit,
            rests_on: 0.0,
            confirmed: false,
            well_known: None,
            fallen_from: None,
            admitted: 0,
            throttles: VecDeque::with_capacity(EVENTS),
            event_ends: Duration::ZERO,
            round: None,
            achieved: 0.0,
            climbed_s: 0.0,
            steady: (Duration::ZERO, 0),
            announced: rate,
        }
    }

    /// The rate now, in requests per second; `None` is unlimited.
    pub fn rate(&self) -> Option<f64> {
        self.rate
    }

    /// What the next session should start from: the limit, once a throttle has shown it, else the rate that was
    /// sustained.
    pub fn learned(&self) -> Option<Learned> {
        let borne = (self.achieved > 0.0).then_some(Learned { rate_per_s: self.achieved, is_limit: false });
        match (self.limit, self.phase) {
            (None, _) => borne,
            (Some(limit), Phase::Searching) => {
                Some(Learned { rate_per_s: limit.max(self.achieved), is_limit: limit >= self.achieved })
            }
            (Some(limit), Phase::Settled | Phase::Probing) => Some(Learned { rate_per_s: limit, is_limit: true }),
        }
    }

    /// Takes note of an answer that came `at`, to a request that had `left` earlier, and says what changes. An answer
    /// that is no throttle means *admitted*, whatever else it says; an unanswered request means nothing here.
    pub fn on_answer(&mut self, left: Duration, at: Duration, throttled: bool) -> Option<RateChange> {
        if self.rate.is_none() {
            None
        } else if !throttled {
            self.on_admitted(at)
        } else if left < self.event_ends {
            None
        } else {
            Some(self.on_throttle(at))
        }
    }

    fn on_admitted(&mut self, at: Duration) -> Option<RateChange> {
        self.admitted += 1;
        let Some((start, answers)) = self.round else {
            self.round = Some((at, 0));
            return None;
        };
        let (answers, took) = (answers + 1, at.saturating_sub(start));
        let round = if self.phase == Phase::Searching { SEARCH_ROUND } else { ROUND };
        if took < round || answers < ROUND_ANSWERS {
            self.round = Some((start, answers));
            return None;
        }
        self.round = Some((at, 0));
        self.achieved = f64::from(answers) / took.as_secs_f64();
        let rate = self.rate?;
        if self.achieved < rate * USED {
            return None;
        }
        let (to, why) = match (self.phase, self.limit) {
            (Phase::Settled | Phase::Probing, Some(limit)) => {
                (limit * self.climb(limit, at, took.as_secs_f64()), RateWhy::Increased)
            }
            _ => (rate * 2.0, RateWhy::Doubled),
        };
        // A load that is limited by something else must not inflate the rate.
        let to = to.min(2.0 * self.achieved).min(self.cap);
        if to <= rate * (1.0 + LEAST_RISE) {
            return None;
        }
        self.steady = (at, self.admitted);
        Some(self.change(to, why, Duration::ZERO))
    }

    /// Where the rate should stand after `took_s` more seconds of use, as a multiple of the limit.
    fn climb(&mut self, limit: f64, at: Duration, took_s: f64) -> f64 {
        self.climbed_s += took_s;
        let (shortest, longest) = PLATEAU_REQUESTS;
        let trusted = (PLATEAU_TRUST * self.rests_on).clamp(shortest, longest.max(PLATEAU_S * limit)) / limit;
        let stretch = (PROBE_REQUESTS / limit).max(1.0);
        let (plateau_s, probe, doubling_s) = if self.fallen_from.is_some_and(|(_, until)| at < until) {
            (PLATEAU_FALLEN_S, PROBE_FALLEN.0, PROBE_FALLEN.1)
        } else if self.throttles.is_empty() {
            (PLATEAU_LEARNED / limit, PROBE, PROBE_UNKNOWN_DOUBLING_S)
        } else if self.rests_on < KNOWN_REQUESTS {
            (trusted, PROBE, PROBE_UNKNOWN_DOUBLING_S * stretch)
        } else {
            (trusted, PROBE, PROBE_DOUBLING_S * stretch)
        };
        if self.climbed_s < plateau_s {
            return BACK_OFF + (1.0 - BACK_OFF) * (2.0 * self.climbed_s / plateau_s).min(1.0);
        }
        let multiple = 1.0 + probe * ((self.climbed_s - plateau_s) / doubling_s).exp2();
        self.phase = if multiple < SEARCH_ABOVE { Phase::Probing } else { Phase::Searching };
        multiple.min(SEARCH_ABOVE)
    }

    fn on_throttle(&mut self, at: Duration) -> RateChange {
        let tried = self.tried(at);
        let limit = self.limit_after(tried, at).max(SLOWEST_PER_S).min(CAP_PER_S.1);
        self.remember_fall(limit, at);
        if self.throttles.len() == EVENTS {
            self.throttles.pop_front();
        }
        self.throttles.push_back(Empty { at, admitted: self.admitted });
        self.limit = Some(limit);
        self.phase = Phase::Settled;
        self.climbed_s = 0.0;
        self.round = None;
        self.steady = (at, self.admitted);
        let to = (limit * BACK_OFF).min(tried).max(SLOWEST_PER_S).min(self.rate.unwrap_or(self.cap));
        let pause = PAUSE.max(Duration::from_secs_f64(1.0 / to));
        self.event_ends = at + pause;
        self.change(to, RateWhy::Throttled, pause)
    }

    /// The limit, now that a rate that was `tried` was throttled.
    fn limit_after(&mut self, tried: f64, at: Duration) -> f64 {
        match (self.phase, self.limit) {
            (Phase::Settled | Phase::Probing, Some(limit)) if self.phase == Phase::Settled || tried < limit => {
                let since = self.admitted - self.throttles.back().map_or(0, |last| last.admitted);
                self.confirmed = since as f64 >= CONFIRMED_REQUESTS;
                let (low, high) = self.measure(at);
                (limit.min(tried / BACK_OFF) * (1.0 - (EARLY / (since as f64 + 1.0)).min(EARLY_MAX))).min(high).max(low)
            }
            (Phase::Probing, Some(limit)) => {
                let (low, high) = self.measure(at);
                if std::mem::take(&mut self.confirmed) {
                    return limit.min(high).max(low);
                }
                // Tokens that ran over are in no measurement. Where the probe got far, the limit may be an
                // underestimate: try half the way, and let an early throttle confirm or correct it.
                ((limit + tried) / 2.0).max(low)
            }
            // What was known before the search is the best guess still, if the search agrees.
            (Phase::Searching, Some(limit)) if tried / 2.0 < limit && limit < tried => {
                let (low, high) = self.measure(at);
                limit.min(high).max(low)
            }
            _ => {
                self.throttles.clear();
                self.rests_on = 0.0;
                let (since, admitted) = self.steady;
                let sent = (self.admitted - admitted).max(1) as f64;
                let part = if at.saturating_sub(since) < STEADY { 0.5 } else { (1.0 - BUCKET / sent).max(0.5) };
                tried * part
            }
        }
    }

    /// The limits that agree with the throttles so far, the newest first, as long as they agree with each other:
    /// over a span with `n` admitted, the limit is at least `n - 1` tokens, and at most `n + 1` and one more for each
    /// throttle between, whose token may have run over.
    fn measure(&mut self, at: Duration) -> (f64, f64) {
        let (mut low, mut high) = (0.0_f64, f64::INFINITY);
        self.rests_on = 0.0;
        for (between, empty) in self.throttles.iter().rev().enumerate() {
            let span_s = at.saturating_sub(empty.at).as_secs_f64();
            if span_s <= 0.0 {
                continue;
            }
            let admitted = (self.admitted - empty.admitted) as f64;
            let (at_least, at_most) = ((admitted - 1.0) / span_s, (admitted + 1.0 + between as f64) / span_s);
            if at_least > high || at_most < low {
                break;
            }
            (low, high) = (low.max(at_least), high.min(at_most));
            self.rests_on = admitted;
        }
        (low, high)
    }

    fn remember_fall(&mut self, limit: f64, at: Duration) {
        let former = self.fallen_from.filter(|(_, until)| at < *until);
        self.fallen_from = match self.well_known {
            Some(known) if limit < known * FALLEN => {
                Some((former.map_or(known, |(from, _)| from.max(known)), at + FALLEN_FOR))
            }
            _ => former.filter(|(from, _)| limit < from * FALLEN),
        };
        if self.rests_on >= KNOWN_REQUESTS {
            self.well_known = Some(limit);
        }
    }

    /// The rate that was throttled: the one in force, unless the load has used less of it for long.
    fn tried(&self, at: Duration) -> f64 {
        match self.rate {
            None => self.achieved_until(at),
            Some(rate) if at.saturating_sub(self.steady.0) < STEADY => rate,
            Some(rate) if self.achieved > 0.0 && self.achieved < rate * USED => self.achieved,
            Some(rate) => rate,
        }
    }

    /// The rate achieved lately, for want of a rate that was set.
    fn achieved_until(&self, at: Duration) -> f64 {
        let running = self.round.map_or(0.0, |(start, answers)| {
            f64::from(answers) / at.saturating_sub(start).max(SEARCH_ROUND).as_secs_f64()
        });
        self.achieved.max(running).max(START_PER_S)
    }

    fn change(&mut self, to: f64, why: RateWhy, pause: Duration) -> RateChange {
        let first = why == RateWhy::Throttled && self.throttles.len() == 1;
        let announce = first || self.announced.is_none_or(|told| (to / told - 1.0).abs() >= ANNOUNCE);
        if announce {
            self.announced = Some(to);
        }
        RateChange { from: self.rate.replace(to), to: Some(to), why, pause, announce }
    }
}

#[cfg(test)]
mod simulation;

#[cfg(test)]
mod tests;
