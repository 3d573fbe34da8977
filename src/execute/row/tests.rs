//! What the fold itself promises; what follows from it is tested beside `decide`.

use jiff::SignedDuration;

use super::*;
use crate::domain::{Exchange, Failure, Observation, Operation, Settings, Shown};
use crate::execute::decide::{Denial, Situation, Step, decide};
use crate::record::event::{AttemptFinished, AttemptStarted, LostHead, Observed, OperationPolled, OverrideUsed};

/// A key pair to delete, of which nothing was observed.
pub(in crate::execute) fn line() -> PlanRow {
    PlanRow::of(1, "kp".into(), "1".into(), "r".into(), Verdict::Delete)
}

/// A row of which one thing after another becomes known, a second apart.
struct Life {
    row: RowState,
    now: Timestamp,
    seq: u64,
}

impl Life {
    fn new() -> Self {
        Self { row: RowState::new(0, &line(), None), now: Timestamp::UNIX_EPOCH, seq: 0 }
    }

    fn then(mut self, event: &Event) -> Self {
        self.seq += 1;
        self.now = self.now.saturating_add(SignedDuration::from_secs(1)).unwrap();
        self.row.apply(self.seq, self.now, event);
        self
    }

    fn asked(self) -> Self {
        let attempt = self.row.attempts + 1;
        self.then(&Event::AttemptStarted(AttemptStarted { attempt }))
    }

    fn answered(self, class: Class, id: Option<&str>) -> Self {
        self.answered_because(class, None, id)
    }

    fn answered_because(self, class: Class, cause: Option<Cause>, id: Option<&str>) -> Self {
        let attempt = self.row.attempts;
        let exchange = Exchange::default();
        let shown = Shown::of(id.map(operation), &exchange);
        let finished = AttemptFinished { shown, ..AttemptFinished::of(attempt, class, cause, exchange) };
        self.then(&Event::AttemptFinished(Box::new(finished)))
    }

    fn searched(self, found: Found, id: Option<&str>) -> Self {
        self.observed(Source::GetOperationsForResource, found, id, None)
    }

    fn observed(self, source: Source, found: Found, id: Option<&str>, observation: Option<Observation>) -> Self {
        let observed = Observed { observation, operation: id.map(operation), ..Observed::of(source, found) };
        self.then(&Event::Observed(Box::new(observed)))
    }

    fn read(self, found: Found) -> Self {
        self.observed(Source::GetKeyPair, found, None, None)
    }

    /// What follows, long after anything that was sent is dead.
    fn step(&self) -> Step {
        let now = self.now.saturating_add(SignedDuration::from_mins(2)).unwrap();
        let situation = Situation { now, denial: Denial::Unknown, answered_at: Some(now), read_at: Some(now) };
        decide(&self.row, &Settings::default(), &situation)
    }

    fn polled(self, class: Class) -> Self {
        let operation_id = self.row.operation_id().unwrap_or_default().to_owned();
        let (exchange, shown, failure) = (Exchange::default(), Shown::default(), Failure::default());
        let polled = OperationPolled { operation_id, class, requests: 1, throttled: 0, exchange, shown, failure };
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

#[test]
fn refusals_before_execution_are_counted_in_a_row() {
    let life = Life::new().asked().answered(Class::NotSent, None);
    assert_eq!((life.row.refusals, life.row.unsent, life.row.spent), (1, 1, 0));
    let life = life.asked().answered(Class::NotSent, None);
    assert_eq!((life.row.refusals, life.row.unsent, life.row.spent), (2, 2, 0));
    assert_eq!(life.row.windows, [], "nothing left this machine");
    let late = life.asked().answered_because(Class::NotSent, Some(Cause::StartedLate), None);
    assert_eq!(
        (late.row.refusals, late.row.unsent, late.row.windows.len()),
        (3, 2, 0),
        "a slow disk is no missing endpoint"
    );
    let life = Life::new().asked().answered(Class::NotSent, None);
    let first = life.now;
    let life = life.asked().answered(Class::NotSent, None);
    let life = life.asked().answered(Class::Throttled, None);
    assert_eq!((life.row.refusals, life.row.unsent, life.row.refused_since), (3, 0, Some(first)));
    let (from, to) = (life.now.saturating_sub(SignedDuration::from_secs(1)).unwrap(), Some(life.now));
    assert_eq!(life.row.windows, [Window { from, to, dead_at: None }], "it may have been executed all the same");
    let life = life.asked().answered(Class::Unanswered, None);
    assert_eq!((life.row.refusals, life.row.unsent, life.row.refused_since), (0, 0, None));
    assert_eq!((life.row.attempts, life.row.spent, life.row.windows.len()), (4, 1, 2));
}

/// One request is one operation, and none is younger than the answer that tells of it.
#[test]
fn an_operation_that_an_answer_names_is_the_only_one_of_its_attempt() {
    let lost = Life::new().asked().answered(Class::Unanswered, None);
    let window = lost.row.windows[0];
    assert_eq!(window.to, None);
    let named = lost.asked().answered(Class::Pending, Some("op"));
    assert_eq!(named.row.windows, [window], "that of the earlier attempt");
    let unnamed = named.asked().answered(Class::Pending, None);
    assert_eq!(unnamed.row.windows.len(), 2);
    assert_eq!(unnamed.row.windows[1].to, Some(unnamed.now));
}

#[test]
fn readings_without_an_answer_are_counted_until_there_is_one() {
    let look = Life::read;
    let life = look(look(Life::new().asked().answered(Class::Unanswered, None), Found::NoAnswer), Found::NoAnswer);
    assert_eq!((life.row.tries.count, life.row.searches.count), (2, 0));
    assert!(life.row.unread);
    let life = look(life, Found::Same);
    assert_eq!((life.row.tries, life.row.unread), (Tries::default(), false));
    let life = life.searched(Found::NoAnswer, None).searched(Found::NoAnswer, None);
    assert_eq!((life.row.tries.count, life.row.searches.count), (0, 2));
    // The operation that deleted it was seen: the key pair cannot be there, and a reading that says so is no answer.
    let life = look(life.searched(Found::Operation, Some("ours")), Found::Same);
    assert_eq!((life.row.tries.count, life.row.searches.count), (1, 0));
}

/// A reading that failed, and why.
fn in_vain(source: Source, found: Found, cause: Cause) -> Event {
    let failure = Failure::because(Some(cause));
    Event::Observed(Box::new(Observed { failure, ..Observed::of(source, found) }))
}

/// The last one counts, and only the connection that was never made: all else may have arrived.
#[test]
fn a_look_that_could_not_connect_says_so() {
    let lost = || Life::new().asked().answered(Class::Unanswered, None);
    let unconnected = |look: &Option<Look>| look.as_ref().unwrap().unconnected;
    for cause in [Cause::ConnectFailed, Cause::Timeout, Cause::Cut, Cause::ServerError, Cause::Unreadable] {
        for before in [Cause::ConnectFailed, Cause::Timeout] {
            let read = |cause| in_vain(Source::GetKeyPair, Found::NoAnswer, cause);
            let life = lost().then(&read(before)).then(&read(cause));
            assert_eq!(unconnected(&life.row.look), cause == Cause::ConnectFailed, "{cause:?}");
            let search = |cause| in_vain(Source::GetOperationsForResource, Found::NoAnswer, cause);
            let life = lost().then(&search(before)).then(&search(cause));
            assert_eq!(unconnected(&life.row.search), cause == Cause::ConnectFailed, "{cause:?}");
        }
    }
    // Its first page showed one, and its second could not be had.
    let found = lost().then(&in_vain(Source::GetOperationsForResource, Found::Operation, Cause::ConnectFailed));
    assert!(!unconnected(&found.row.search));
}

#[test]
fn the_operation_to_ask_for_is_the_one_under_way() {
    assert_eq!(Life::new().row.operation_id(), None);
    let life = Life::new().asked().answered(Class::Pending, Some("ours"));
    assert_eq!(life.row.operation_id(), Some("ours"));
    let life = life.searched(Found::Unfinished, Some("theirs"));
    assert_eq!(life.row.operation_id(), Some("theirs"));
    let life = life.searched(Found::Operation, Some("over"));
    assert_eq!(life.row.operation_id(), Some("ours"));
}

#[test]
fn another_session_relies_on_nothing_that_may_have_changed() {
    let reopened = |life: Life| {
        let (mut row, now) = (life.row, life.now.saturating_add(SignedDuration::from_secs(60)).unwrap());
        row.reopen(now);
        (row, now)
    };
    let look = Life::read;
    let lost = || Life::new().asked().answered(Class::Unanswered, None);

    // Never asked for: it is read anew, and nothing can have had an effect.
    let (row, _) = reopened(look(Life::new(), Found::NotFound));
    assert_eq!((row.look, row.unread, row.confirmed_at), (None, false, None));
    // After an attempt, what is gone stays gone; that it was there says nothing any more.
    for (found, kept) in [
        (Found::NotFound, true),
        (Found::Other, true),
        (Found::Same, false),
        (Found::NoAnswer, false),
        (Found::Denied, false),
        (Found::RefusedForAll, false),
    ] {
        let (row, _) = reopened(look(lost(), found));
        assert_eq!((row.look.is_some(), row.unread, row.confirmed_at), (kept, true, None), "{found:?}");
        assert!(row.last.unwrap().answer.unwrap().earlier_session);
        assert_eq!(row.tries, Tries::default());
    }
    for (found, kept) in [(Found::NoOperation, true), (Found::Operation, true), (Found::NoAnswer, false)] {
        let (row, _) = reopened(lost().searched(found, None));
        assert_eq!((row.search.is_some(), row.searches), (kept, Tries::default()), "{found:?}");
    }
    for (class, kept) in [(Class::Succeeded, true), (Class::OperationFailed, true), (Class::Pending, false)] {
        let life = Life::new().asked().answered(Class::Pending, Some("ours")).polled(class);
        let (row, now) = reopened(life);
        assert_eq!(row.poll.is_some(), kept, "{class:?}");
        assert_eq!(row.polls, Tries { since: Some(now), count: 0 });
    }
    let (row, _) = reopened(Life::new().asked().answered(Class::NotSent, None));
    assert_eq!((row.refusals, row.unsent, row.refused_since, row.polls), (0, 0, None, Tries::default()));
}

#[test]
fn an_outcome_rests_on_what_is_known_in_order() {
    let life = Life::new();
    assert_eq!(life.row.rests_on(), [0]);
    let life = life.asked().answered(Class::Unanswered, None).searched(Found::Unfinished, Some("one"));
    let life = life.polled(Class::Pending).observed(Source::GetKeyPair, Found::NotFound, None, None);
    assert_eq!(life.row.rests_on(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(life.then(&Event::RowSettled(settled())).row.settled, Some((Outcome::Gone, Evidence::Readback)));
}

fn settled() -> crate::record::event::RowSettled {
    let (outcome, evidence) = (Outcome::Gone, Evidence::Readback);
    crate::record::event::RowSettled { outcome, evidence, detail: None, rests_on: Vec::new() }
}

/// Another operation that is found and fails does not make it unseen: it is never asked for again.
#[test]
fn a_delete_that_was_seen_stays_seen() {
    let life = Life::new().asked().answered(Class::Unanswered, None).searched(Found::Unfinished, Some("one"));
    let life = life.polled(Class::Succeeded).searched(Found::Unfinished, Some("two"));
    let life = life.polled(Class::OperationFailed).searched(Found::NoOperation, None).read(Found::Same);
    assert!(life.row.delete_seen);
    assert!(matches!(life.step(), Step::Read { .. }), "{:?}", life.step());
    let life = (0..3).fold(life, |life, _| life.read(Found::Same));
    assert_eq!(life.step(), Step::Settle(Outcome::InDoubt, Evidence::Tried));
    assert!(!life.asked().row.delete_seen, "another attempt is another question");
}

/// Our operation failed, and somebody else's succeeded: only the history may say that it was ours after all.
#[test]
fn the_success_of_another_operation_is_not_claimed() {
    let life = Life::new().asked().answered(Class::Pending, Some("ours")).polled(Class::OperationFailed);
    let life = life.read(Found::NotFound).searched(Found::Unfinished, Some("theirs")).polled(Class::Succeeded);
    assert_eq!(life.step(), Step::Read { level: 0 });
    let life = life.read(Found::NotFound);
    assert_eq!(life.step(), Step::Search { level: 0 });
    let life = life.searched(Found::NoOperation, None);
    assert_eq!(life.step(), Step::Settle(Outcome::Gone, Evidence::Readback));
    let own = Life::new().asked().answered(Class::Pending, Some("ours")).polled(Class::Succeeded);
    assert_eq!(own.step(), Step::Settle(Outcome::Deleted, Evidence::Operation));
}

mod ghosts;
