//! What the fold itself promises; what follows from it is tested beside `decide`.

use jiff::SignedDuration;

use super::*;
use crate::domain::{Exchange, Observation, Operation};
use crate::journal::event::{AttemptFinished, AttemptStarted, Observed, OperationPolled};

/// A row of which one thing after another becomes known, a second apart.
struct Life {
    row: RowState,
    now: Timestamp,
    seq: u64,
}

impl Life {
    fn new() -> Self {
        let intent = IntentRecorded {
            line: 2,
            key_pair_name: "kp".into(),
            account: "1".into(),
            region: "r".into(),
            fields: Default::default(),
            annotations: Default::default(),
            observation: None,
            verdict: Verdict::Delete,
            expected_fingerprint: None,
            notes: Vec::new(),
        };
        Self { row: RowState::new(0, &intent), now: Timestamp::UNIX_EPOCH, seq: 0 }
    }

    fn then(mut self, event: &Event) -> Self {
        self.seq += 1;
        self.now = self.now.saturating_add(SignedDuration::from_secs(1)).unwrap();
        self.row.apply(self.seq, self.now, event);
        self
    }

    fn asked(self) -> Self {
        let attempt = self.row.attempts + 1;
        let (key_pair_name, region) = ("kp".into(), "r".into());
        self.then(&Event::AttemptStarted(AttemptStarted { attempt, key_pair_name, region }))
    }

    fn answered(self, class: Class, id: Option<&str>) -> Self {
        let attempt = self.row.attempts;
        let (exchange, cause, operation, error) = (Exchange::default(), None, id.map(operation), None);
        let finished = AttemptFinished { attempt, class, cause, exchange, operation, error };
        self.then(&Event::AttemptFinished(Box::new(finished)))
    }

    fn searched(self, found: Found, id: Option<&str>) -> Self {
        self.observed(Source::GetOperationsForResource, found, id, None)
    }

    fn observed(self, source: Source, found: Found, id: Option<&str>, observation: Option<Observation>) -> Self {
        let observed = Observed {
            source,
            found,
            requests: 1,
            throttled: 0,
            account: None,
            region: None,
            observation,
            operation: id.map(operation),
            error: None,
            exchange: Exchange::default(),
        };
        self.then(&Event::Observed(Box::new(observed)))
    }

    fn polled(self, class: Class) -> Self {
        let operation_id = self.row.operation_id().unwrap_or_default().to_owned();
        let (exchange, operation, error) = (Exchange::default(), None, None);
        let polled = OperationPolled { operation_id, class, requests: 1, throttled: 0, exchange, operation, error };
        self.then(&Event::OperationPolled(Box::new(polled)))
    }
}

fn operation(id: &str) -> Operation {
    Operation { id: Some(id.to_owned()), ..Operation::default() }
}

#[test]
fn each_operation_has_its_own_time_to_end_in() {
    let life = Life::new().asked().answered(Class::Unanswered, None).searched(Found::Unfinished, Some("first"));
    let begun = life.now;
    assert_eq!(life.row.polls, Tries { since: Some(begun), count: 0 });
    let life = life.polled(Class::Pending).polled(Class::OperationFailed);
    assert_eq!(life.row.polls, Tries { since: Some(begun), count: 2 });
    // A history that is not up to date shows it again: that does not make it any younger.
    let life = life.searched(Found::Unfinished, Some("first")).polled(Class::OperationFailed);
    assert_eq!(life.row.polls, Tries { since: Some(begun), count: 3 });
    let life = life.searched(Found::Unfinished, Some("second"));
    assert_eq!(life.row.polls, Tries { since: Some(life.now), count: 0 });
    // Nor does one between the two.
    let life = life.polled(Class::OperationFailed).searched(Found::Unfinished, Some("first"));
    assert_eq!(life.row.polls.count, 1);
}

#[test]
fn the_answers_operation_has_a_time_of_its_own_too() {
    let life = Life::new().asked().answered(Class::Pending, Some("ours"));
    assert_eq!(life.row.polls, Tries { since: Some(life.now), count: 0 });
    let life = life.polled(Class::OperationFailed).searched(Found::Unfinished, Some("other"));
    assert_eq!(life.row.polls, Tries { since: Some(life.now), count: 0 });
    // Another attempt knows of none of them.
    let life = life.asked().answered(Class::Pending, Some("ours"));
    assert_eq!((life.row.polls, life.row.polled.len()), (Tries { since: Some(life.now), count: 0 }, 1));
}

#[test]
fn operations_without_end_do_not_get_time_without_end() {
    let mut life = Life::new().asked().answered(Class::Unanswered, None);
    for number in 0..100 {
        life = life.searched(Found::Unfinished, Some(&number.to_string())).polled(Class::OperationFailed);
    }
    assert_eq!(life.row.polled.len(), MOST_POLLED);
    assert_eq!(life.row.polls.count as usize, 100 - MOST_POLLED + 1);
}

#[test]
fn a_search_is_over_with_the_operation_that_it_found() {
    let found = |life: &Life| life.row.search.as_ref().map(|look| look.found);
    let life = Life::new().asked().answered(Class::Unanswered, None).searched(Found::Unfinished, Some("theirs"));
    let life = life.polled(Class::Pending).polled(Class::Unanswered);
    assert_eq!(found(&life), Some(Found::Unfinished), "it is still under way");
    assert_eq!(found(&life.polled(Class::OperationFailed)), None, "the history may know of another");
    let life = Life::new().asked().answered(Class::Pending, Some("ours")).searched(Found::NoOperation, None);
    assert_eq!(found(&life.polled(Class::OperationFailed)), Some(Found::NoOperation), "it was the answer's own");
}

#[test]
fn only_the_key_pair_of_the_plan_confirms_it() {
    let seen_at = Timestamp::from_second(1_000).unwrap();
    let seen = || Some(Observation { identity: Identity::default(), tags: Default::default(), at: seen_at });
    for found in [Found::Other, Found::NotFound, Found::NoAnswer, Found::Denied] {
        let life = Life::new().observed(Source::GetKeyPair, found, None, seen());
        assert_eq!(life.row.confirmed_at, None, "{found:?}");
    }
    let life = Life::new().observed(Source::GetKeyPair, Found::Same, None, seen());
    assert_eq!(life.row.confirmed_at, Some(seen_at), "when it was seen, not when that was written down");
    let life = Life::new().observed(Source::GetKeyPair, Found::Same, None, None);
    assert_eq!(life.row.confirmed_at, Some(life.now));
}
