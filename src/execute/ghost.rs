//! What other runs sent for a key pair, and may still delete it. A request without any answer is a *ghost*: it may be delivered
//! until its signature is too old to be accepted. What a row's own run sent is in its [`RowState`](super::row::RowState).

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::attempt::{Answer, Attempt, LeftOpen};
use crate::domain::{AttemptTime, Class, Target};
use crate::record::Entry;
use crate::record::event::Event;

/// What other runs left open of one key pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The earliest time at which it may be requested; `None` if there is no limit.
    pub until: Option<Timestamp>,
    /// What to look for before that.
    pub open: LeftOpen,
    /// The latest entry by which one of them asked for it.
    pub seq: u64,
}

/// The key pairs of which other runs left something open.
#[derive(Debug, Default)]
pub struct Ghosts(HashMap<(Target, String), Held>);

impl Ghosts {
    /// Notes what a run left open that asked for a key pair by the entry `seq`, and until when nobody else may ask for it. Requests come
    /// in their order: what was left open before the last of them was looked for then.
    pub fn hold(&mut self, target: Target, name: String, (open, seq): (LeftOpen, u64), until: Option<Timestamp>) {
        let before = self.0.get(&(target.clone(), name.clone())).and_then(|held| held.until);
        self.0.insert((target, name), Held { until: before.max(until), open, seq });
    }

    /// What is known of this key pair.
    #[must_use]
    pub fn of(&self, target: &Target, name: &str) -> Option<&Held> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&(target.clone(), name.to_owned()))
    }
}

/// Until when an attempt of another run holds its key pair, by its entries: until it is surely dead and, if there was
/// no answer at all, until its signature, which is accepted for `life`, is too old as well. `time` is what its session
/// gave it.
#[must_use]
pub fn held_until(
    (started, finished, time): (&Entry, Option<&Entry>, Option<AttemptTime>),
    life: Duration,
    now: Timestamp,
) -> Option<Timestamp> {
    let Event::AttemptStarted(start) = &started.event else { return None };
    // A start that lies in the future was written under another clock: from now on is late enough.
    let started_at = started.at.min(now);
    let mut attempt = Attempt { number: start.attempt, started_at, started_seq: started.seq, time, answer: None };
    let dead_at = started_at.saturating_add(time.unwrap_or(AttemptTime::DEFAULT).dead_after_start());
    let mut silent = true;
    if let Some(Entry { at, seq, event: Event::AttemptFinished(answered), .. }) = finished {
        let left_at = at.saturating_sub(Duration::from_micros(answered.exchange.elapsed_us));
        attempt.started_at = attempt.started_at.max(left_at.unwrap_or(Timestamp::MIN)).min(now);
        silent = answered.class == Class::Unanswered && answered.exchange.http_status.is_none();
        attempt.answer = Some(Answer {
            class: answered.class,
            at: *at,
            seq: *seq,
            operation_id: None,
            summary: None,
            earlier_session: true,
        });
    }
    let life = if silent { life } else { Duration::ZERO };
    let signed = attempt.signed_at().saturating_add(life).ok().filter(|_| !life.is_zero());
    dead_at.ok().max(signed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Cause, Exchange};
    use crate::record::event::{AttemptFinished, AttemptStarted};

    const LIFE: Duration = Duration::from_secs(300);

    const TIME: AttemptTime = AttemptTime { timeout: Duration::from_secs(15) };

    fn entry(seconds: i64, event: Event) -> Entry {
        let at = Timestamp::from_second(1_800_000_000 + seconds).unwrap();
        Entry { seq: u64::try_from(seconds).unwrap(), at, session: Some(1), run: None, row: Some(1), event }
    }

    fn started() -> Entry {
        entry(0, Event::AttemptStarted(AttemptStarted { attempt: 1 }))
    }

    fn finished(seconds: i64, http_status: Option<u16>) -> Entry {
        let exchange = Exchange { http_status, elapsed_us: 15_000_000, ..Exchange::default() };
        let (class, cause) = (Class::Unanswered, Some(Cause::Timeout));
        entry(seconds, Event::AttemptFinished(Box::new(AttemptFinished::of(1, class, cause, exchange))))
    }

    /// Seconds after its start until which it holds its key pair.
    fn held(finished: Option<&Entry>, life: Duration, now: i64) -> i64 {
        let now = started().at.saturating_add(Duration::from_secs(now.unsigned_abs())).unwrap();
        held_until((&started(), finished, Some(TIME)), life, now).unwrap().duration_since(started().at).as_secs()
    }

    // SEMANTICS: P20
    #[test]
    fn a_request_without_any_answer_holds_its_key_pair_for_its_signatures_life() {
        // Timeout 15 s, grace 3 s; a start alone may have left 3 s later.
        assert_eq!(held(None, LIFE, 1000), 300 + 3 + 3);
        assert_eq!(held(Some(&finished(17, None)), LIFE, 1000), 2 + 300 + 3);
        assert_eq!(held(Some(&finished(17, Some(500))), LIFE, 1000), 15 + 3 + 3, "a status is an answer");
        assert_eq!(held(None, Duration::ZERO, 1000), 15 + 3 + 3, "it must be dead all the same (I3)");
    }

    #[test]
    fn a_start_in_the_future_counts_from_now() {
        let past = started().at.saturating_sub(Duration::from_secs(50)).unwrap();
        let until = held_until((&started(), None, Some(TIME)), LIFE, past).unwrap();
        assert_eq!(until.duration_since(past).as_secs(), 306);
    }

    #[test]
    fn the_latest_ghost_counts() {
        let mut ghosts = Ghosts::default();
        let target = |account: &str, region: &str| Target { account: account.into(), region: region.into() };
        let here = target("a", "r");
        assert_eq!(ghosts.of(&here, "kp"), None);
        let at = started().at;
        let later = at.saturating_add(LIFE).unwrap();
        let operation = |id: &str| LeftOpen::Operation(id.into());
        let opens = [(operation("first"), at), (LeftOpen::Request, later), (operation("last"), at)];
        for (seq, (open, until)) in (1..).zip(opens) {
            ghosts.hold(here.clone(), "kp".into(), (open.clone(), seq), Some(until));
            assert_eq!(ghosts.of(&here, "kp").map(|held| (&held.open, held.seq)), Some((&open, seq)));
        }
        assert_eq!(ghosts.of(&here, "kp").and_then(|held| held.until), Some(later));
        assert!(LeftOpen::Request < operation(""), "of one request, its operation comes last");
        for other in [target("a", "s"), target("b", "r")] {
            assert_eq!(ghosts.of(&other, "kp"), None, "{other}");
        }
    }
}
