//! A pacer that shares its rate with other runners: it sends in the slots that it is granted, and in no others.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::limiter::Limiter;
use super::slots::Common;
use super::{Pacer, State};
use crate::domain::is_same_rate;
use crate::journal::Slots;

/// How many slots a pacer could use soon, and what it believes of the common rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wanted {
    /// How many more. 0 where it only has another rate to tell.
    pub count: u32,
    /// The rate that it believes permitted, in requests per second.
    pub per_s: f64,
    /// Of which version of the common rate that is a change or a copy; 0 before it knows any.
    pub version: u64,
}

impl Pacer {
    /// From now on requests leave only in slots that are [granted](Self::grant). `wake` is notified when it is worthwhile to ask for some at
    /// once: somebody begins to wait and none is held, or the rate fell.
    pub fn share(&self, wake: Arc<Notify>) {
        let mut state = self.state();
        if state.waiting > 0 {
            wake.notify_one();
        }
        state.common.get_or_insert_with(|| Common::new(wake));
        drop(state);
        self.changed.notify_one();
    }

    /// How many more slots it could use within `ahead`: no more than requests wait, nor than the rate's share of that time, of which those
    /// that it holds are taken off. Nothing where no slots are needed, and where there is nothing to say.
    pub fn wanted(&self, ahead: Duration) -> Option<Wanted> {
        let now = self.origin.elapsed();
        let mut state = self.state();
        let State { rule, common, waiting, .. } = &mut *state;
        let (rate, common) = (rule.rate()?, common.as_mut()?);
        let could = (*waiting).min(common.most(rate, ahead)).saturating_sub(common.held(now));
        let is_told = common.per_s.is_none_or(|known| is_same_rate(known, rate));
        if could == 0 && is_told {
            return None;
        }
        common.named = Some(rate);
        Some(Wanted { count: u32::try_from(could).unwrap_or(u32::MAX), per_s: rate, version: common.version })
    }

    /// Adds slots that were granted to what was [`wanted`](Self::wanted) at `asked_at`, and takes over the common rate, as far as this runner
    /// knows nothing newer. They count from now, when the answer has come; why is said where they are kept.
    pub fn grant(&self, slots: Slots, asked_at: Instant) {
        let (now, asked) = (self.origin.elapsed(), asked_at.saturating_duration_since(self.origin));
        let mut state = self.state();
        let State { rule, common, last, .. } = &mut *state;
        let Some(common) = common.as_mut() else { return };
        rule.others_admitted(common.passed(now));
        common.add(&slots, asked, now);
        let is_first = common.version == 0;
        (common.version, common.per_s) = (slots.version, Some(slots.per_s));
        let is_own = common.named.is_some_and(|named| is_same_rate(named, slots.per_s));
        let is_above_cut = common.cut.is_some_and(|cut| slots.per_s > cut && !is_same_rate(slots.per_s, cut));
        if !is_above_cut {
            common.cut = None;
        }
        // What others made of the rate does not take back that this runner was throttled: it says so again, of the new version. And
        // what it named itself is older than what it knows now.
        if !is_above_cut && (!is_own || is_first) {
            let from = rule.rate();
            let until = common.last().unwrap_or(now);
            if let Some(pause) = rule.adopt(slots.per_s, is_first && slots.version > 1, now, until) {
                common.pause(now + pause);
            }
            if let Some(rate) = rule.rate().filter(|rate| from != Some(*rate)) {
                let limiter = Limiter::new(rate, last.unwrap_or(now));
                self.limiter.store(Some(Arc::new(limiter)));
            }
        }
        drop(state);
        self.changed.notify_one();
        self.departed.notify_one();
    }
}

#[cfg(test)]
mod tests;
