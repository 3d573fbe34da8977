//! What the fold itself promises; what follows from it is tested beside `decide`.

use jiff::SignedDuration;

use super::*;
use crate::domain::{Exchange, Operation};
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
        let observed = Observed {
            source: Source::GetOperationsForResource,
            found,
            requests: 1,
            throttled: 0,
            account: None,
            region: None,
            observation: None,
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
