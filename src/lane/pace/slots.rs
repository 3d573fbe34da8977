//! What one runner holds of a rate that it shares: the slots that it was granted, and what it knows of the others.
//!
//! **From when a slot counts.** The journal's database meant a slot for its own now plus `after`. A runner only knows that this now lay
//! between its question and the answer. Counting from the question would let a slow question (one that waited for a lock, say) use its
//! slots before the others' earlier ones; counted from the answer, no slot is ever used earlier than it was meant. It may be used later,
//! and what is used later comes on top of what others send then. So lateness is bounded twice. Of the slots that are past, one alone
//! may still be used, beside those of the last 10 ms: that is the one request per runner by which the sum may exceed the rate. And
//! none is used more than 100 ms after it was meant at the earliest, which is counted from the question, and from how long the quickest
//! question took: a database far away is no reason to send nothing. What a runner slept through is lost. Nor does a request leave that
//! waited much longer than usual for its start to become durable, unless it is the only one of its runner that is on its way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::journal::Slots;

/// Past slots that are used all the same; the pacer says why.
const CATCH_UP: Duration = Duration::from_millis(10);
/// How long after its time a slot may be used.
const LATE: Duration = Duration::from_millis(100);
/// How much longer than usual it may take from a slot to the departure of its request.
const LEAVES_LATE: Duration = Duration::from_millis(50);
/// A longer queue for the common rate than this is of no use: it only delays everybody, and is lost with a runner that dies.
const QUEUE: Duration = Duration::from_millis(200);
/// How much of the rate, in seconds of it, a runner holds at first.
const FIRST_S: f64 = 0.1;
/// By how much that grows with each answer that finds the queue short, and by which part it shrinks where it is long. So all come to
/// hold about the same, as connections share a line.
const GROW_S: f64 = 0.02;
const SHRINK: f64 = 0.85;
/// The most that it holds: the longest time that anybody asks ahead for.
const MOST_S: f64 = 1.0;

/// What one runner holds of a rate that it shares. Times are since the pacer's origin.
#[derive(Debug)]
pub(super) struct Common {
    /// Wakes whoever asks for slots.
    pub(super) wake: Arc<Notify>,
    /// The version of the common rate that was seen last; 0 before the first.
    pub(super) version: u64,
    /// The rate that was named when slots were asked for last.
    pub(super) named: Option<f64>,
    /// The rate that all keep to, as it was seen last.
    pub(super) per_s: Option<f64>,
    /// A rate that this runner was cut to, until all keep to it.
    pub(super) cut: Option<f64>,
    /// When it was cut last: what was granted to an older question is not used.
    cut_at: Duration,
    /// Nothing leaves before.
    resume: Duration,
    slots: VecDeque<Slot>,
    /// How much of the rate it holds at most, in seconds of it.
    holds_s: f64,
    /// How long the quickest question took, lately.
    quickest: Option<Duration>,
    /// How long the quickest request took to leave after its slot, lately: until its start was durable.
    quickest_left: Option<Duration>,
    /// The end of what was granted last, where the others' slots begin.
    end: Option<Duration>,
    /// Slots of others: until when they pass, and how many.
    others: VecDeque<(Duration, f64)>,
    /// Passed, and not yet told.
    passed: f64,
}

/// When one request may leave.
#[derive(Debug, Clone, Copy)]
struct Slot {
    from: Duration,
    until: Duration,
}

impl Common {
    pub(super) fn new(wake: Arc<Notify>) -> Self {
        Self {
            wake,
            version: 0,
            named: None,
            per_s: None,
            cut: None,
            cut_at: Duration::ZERO,
            resume: Duration::ZERO,
            slots: VecDeque::new(),
            holds_s: FIRST_S,
            quickest: None,
            quickest_left: None,
            end: None,
            others: VecDeque::new(),
            passed: 0.0,
        }
    }

    /// Whether a slot can be used now; if not, when the first one can, as far as that is known.
    pub(super) fn due(&mut self, now: Duration) -> Result<(), Option<Duration>> {
        self.drop_missed(now);
        if now < self.resume {
            return Err(Some(self.resume));
        }
        match self.slots.front() {
            Some(slot) if slot.from <= now => Ok(()),
            slot => Err(slot.map(|slot| slot.from)),
        }
    }

    /// Uses the slot that is due.
    pub(super) fn take(&mut self) {
        self.slots.pop_front();
    }

    /// How many slots can still be used.
    pub(super) fn held(&mut self, now: Duration) -> usize {
        self.drop_missed(now);
        self.slots.len()
    }

    /// How many slots to hold at most, at this rate, for so long ahead.
    pub(super) fn most(&self, rate: f64, ahead: Duration) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate is positive, and casts saturate"
        )]
        let most = (rate * self.holds_s.min(ahead.as_secs_f64())) as usize;
        most.max(1)
    }

    /// The rate of this runner fell: what it holds was granted for a higher one.
    pub(super) fn fall(&mut self, now: Duration, resume: Duration) {
        self.slots.clear();
        self.cut_at = now;
        self.resume = self.resume.max(resume);
    }

    /// Nothing leaves before `resume`.
    pub(super) fn pause(&mut self, resume: Duration) {
        self.resume = self.resume.max(resume);
    }

    /// The time of the last slot.
    pub(super) fn last(&self) -> Option<Duration> {
        self.slots.back().map(|slot| slot.from)
    }

    /// Adds what was granted to a question of `asked`, and answered `now`.
    pub(super) fn add(&mut self, granted: &Slots, asked: Duration, now: Duration) {
        let took = now.saturating_sub(asked);
        let quickest = lately(&mut self.quickest, took);
        let start = now + granted.after;
        let end = start + granted.every * granted.count;
        self.count_others(start, granted);
        self.end = Some(end);
        if granted.count == 0 || granted.after > QUEUE {
            self.holds_s *= SHRINK;
        } else {
            self.holds_s = (self.holds_s + GROW_S).min(MOST_S);
        }
        if asked < self.cut_at {
            return;
        }
        for number in 0..granted.count {
            let after = granted.after + granted.every * number;
            // Answers do not all take equally long.
            let from = (now + after).max(self.last().unwrap_or_default());
            self.slots.push_back(Slot { from, until: asked + quickest + after + LATE });
        }
    }

    /// Whether a request would leave late that is ready so long after its slot. A journal that is always slow is no reason to waste slots:
    /// only where that changes, more leave than were meant to.
    pub(super) fn leaves_late(&mut self, took: Duration) -> bool {
        took > lately(&mut self.quickest_left, took) + LEAVES_LATE
    }

    /// Between what was granted before and now lie the slots of others, if the rate was in use all the time: where it was not, the
    /// first slot is at once.
    fn count_others(&mut self, start: Duration, granted: &Slots) {
        let Some(end) = self.end.filter(|end| !granted.after.is_zero() && *end < start) else { return };
        self.others.push_back((start, (start - end).as_secs_f64() * granted.per_s));
    }

    /// How many slots of others have passed since this was asked last.
    pub(super) fn passed(&mut self, now: Duration) -> u32 {
        while let Some((_, count)) = self.others.pop_front_if(|(until, _)| *until <= now) {
            self.passed += count;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts saturate")]
        let whole = self.passed as u32;
        self.passed -= f64::from(whole);
        whole
    }

    /// Of the slots that are past, keeps those of the last moment, or else the newest.
    fn drop_missed(&mut self, now: Duration) {
        while let Some(first) = self.slots.front() {
            let is_newest = self.slots.get(1).is_none_or(|second| second.from > now);
            let is_missed = first.until < now || (first.from + CATCH_UP < now && !is_newest);
            if !is_missed {
                break;
            }
            self.slots.pop_front();
        }
    }
}

/// The quickest of late, after one more that took so long: slowly forgotten, for a database that moved further away.
fn lately(quickest: &mut Option<Duration>, took: Duration) -> Duration {
    *quickest.insert(quickest.map_or(took, |known| took.min(known + known / 8 + Duration::from_millis(1))))
}
