//! What may still be delivered, and what is known where entries were lost.

use super::*;

/// Seconds after the attempt's start; the default time has a grace of 3 s.
fn signed_after(life: &Life, begun: Timestamp) -> Option<i64> {
    life.row.signed_at.map(|at| at.duration_since(begun).as_secs())
}

// SEMANTICS: P20
#[test]
fn only_a_request_of_which_nothing_came_back_may_still_be_delivered() {
    let life = Life::new().asked();
    let begun = life.now;
    assert_eq!(signed_after(&life, begun), Some(3 + 3), "its start may have taken as long as it may to become durable");
    let cut = life.answered(Class::Unanswered, None);
    assert_eq!(signed_after(&cut, begun), Some(1 + 3), "its answer says when it left");
    assert_eq!(cut.row.held_until(Duration::from_secs(300)), begun.saturating_add(Duration::from_secs(304)).ok());
    assert_eq!(cut.row.held_until(Duration::ZERO), None);
    assert!(cut.row.clone().may_have_acted());
    for class in [Class::Throttled, Class::NotSent, Class::NotFound, Class::Denied, Class::Refused] {
        let answered = Life::new().asked().answered(class, None);
        assert_eq!(answered.row.signed_at, None, "{class:?}");
        assert!(!answered.row.may_have_acted(), "{class:?}");
    }
    let mut row = Life::new().asked().row;
    let exchange = Exchange { http_status: Some(503), ..Exchange::default() };
    let (class, cause) = (Class::Unanswered, Some(Cause::ServerError));
    let finished = AttemptFinished::of(1, class, cause, exchange);
    row.apply(2, begun, &Event::AttemptFinished(Box::new(finished)));
    assert!(row.signed_at.is_none() && row.may_have_acted(), "any status is an answer");
}

#[test]
fn a_signature_of_the_future_counts_from_now() {
    let mut life = Life::new().asked();
    let earlier = life.now.saturating_sub(SignedDuration::from_hours(1)).unwrap();
    life.row.reopen(earlier);
    assert_eq!(life.row.signed_at, Some(earlier));
}

/// A rollback was accepted: entries were lost that may have asked for any row.
fn rollback_accepted() -> Event {
    let lost = vec![LostHead { size: 9, root: "r".into(), known_from: "k".into() }];
    Event::OverrideUsed(OverrideUsed { which: "accept-rollback".into(), by: "b".into(), why: None, lost })
}

#[test]
fn a_lost_attempt_is_searched_and_read_and_never_absent() {
    let lost = || {
        let mut life = Life::new();
        life.row.apply(7, life.now, &rollback_accepted());
        life
    };
    assert_eq!((lost().row.attempts, lost().row.spent, lost().row.rests_on()), (0, 0, vec![0, 7]));
    assert_eq!(lost().step(), Step::Search { level: 0 });
    let searched = || lost().searched(Found::NoOperation, None);
    assert_eq!(searched().step(), Step::Read { level: 0 });
    let gone = searched().read(Found::NotFound).searched(Found::NoOperation, None);
    assert_eq!(gone.step(), Step::Settle(Outcome::Gone, Evidence::Readback));
    assert!(matches!(searched().read(Found::Same).step(), Step::WaitOut(_)), "it may still be delivered");
    let refused = searched().read(Found::Same).asked().answered(Class::NotFound, None).read(Found::NotFound);
    let refused = refused.searched(Found::NoOperation, None);
    assert_eq!(refused.step(), Step::Settle(Outcome::Gone, Evidence::Readback));
}

#[test]
fn an_operation_that_is_known_hides_no_attempt_that_was_lost() {
    let failed = || Life::new().asked().answered(Class::Pending, Some("op")).polled(Class::OperationFailed);
    let mut life = failed().read(Found::Same);
    life.row.apply(7, life.now, &rollback_accepted());
    life.seq = 7;
    assert_eq!(life.step(), Step::Read { level: 0 });
    let mut life = life.read(Found::Same);
    assert!(matches!(life.step(), Step::WaitOut(_)), "it may still be delivered");
    life.now = life.now.saturating_add(Duration::from_secs(600)).unwrap();
    assert_eq!(life.step(), Step::Search { level: 0 }, "it may have been accepted as an operation");
    let mut life = life.searched(Found::NoOperation, None);
    assert_eq!(life.step(), Step::Read { level: 0 });
    life = life.read(Found::Same);
    assert!(matches!(life.step(), Step::Send { .. }));
    // Where nothing waits for a signature's life, it must be dead all the same.
    let mut local = failed();
    local.row.apply(7, local.now, &rollback_accepted());
    let settings = Settings { signature_life: Duration::ZERO, ..Settings::default() };
    let local = local.read(Found::Same);
    let situation = Situation { now: local.now, denial: Denial::Unknown, answered_at: None, read_at: None };
    assert!(matches!(decide(&local.row, &settings, &situation), Step::WaitOut(_)));
}

/// A life of a row for whose key pair another run left this open.
fn after_another_run(open: &LeftOpen) -> Life {
    let mut life = Life::new();
    life.row.inherit(open, 9, life.now);
    life
}

fn operation_of_another_run() -> LeftOpen {
    LeftOpen::Operation("theirs".into())
}

// SEMANTICS: P133
#[test]
fn an_operation_of_another_run_is_asked_for_until_it_ends_and_claimed_by_nobody() {
    let life = after_another_run(&operation_of_another_run());
    assert_eq!((life.step(), life.row.operation_id()), (Step::Poll { level: 0 }, Some("theirs")));
    let ended = || after_another_run(&operation_of_another_run()).polled(Class::Pending).polled(Class::Succeeded);
    assert_eq!(ended().step(), Step::Read { level: 0 });
    let gone = ended().read(Found::NotFound);
    assert_eq!(gone.step(), Step::Settle(Outcome::Absent, Evidence::Inventory));
    assert_eq!(gone.row.leaves_open(), None);
    // A session that takes the row up knows of it from the row's own entries, whatever became of the other run's row.
    let mut pending = after_another_run(&operation_of_another_run()).polled(Class::Pending);
    pending.row.reopen(pending.now);
    assert_eq!((pending.step(), pending.row.operation_id()), (Step::Poll { level: 0 }, Some("theirs")));
    assert_eq!(pending.row.leaves_open(), Some(operation_of_another_run()), "nor does a third run miss it");
}

#[test]
fn what_another_run_left_open_before_an_attempt_of_ours_is_nothing_new() {
    let asked = |seq| {
        let mut life = Life::new().asked().answered(Class::Throttled, None);
        life.row.inherit(&operation_of_another_run(), seq, life.now);
        life.row.left_open.is_some()
    };
    assert!(!asked(0), "it was looked for before that attempt");
    assert!(asked(9));
}

/// A request that was lost with entries is no attempt: nothing was looked for before it.
#[test]
fn where_entries_were_lost_an_operation_of_another_run_is_looked_for_all_the_same() {
    let mut life = Life::new();
    life.row.apply(7, life.now, &rollback_accepted());
    life.row.inherit(&operation_of_another_run(), 3, life.now);
    assert_eq!(life.step(), Step::Poll { level: 0 });
    // The other way round, too; then nobody can say any more that nothing was asked for.
    let mut life = after_another_run(&operation_of_another_run()).polled(Class::Pending);
    life.row.apply(7, life.now, &rollback_accepted());
    assert_eq!(life.step(), Step::Poll { level: 0 });
    life.row.polls = Tries { since: Some(Timestamp::MIN), count: 9 };
    let life = life.read(Found::Same);
    assert_eq!(life.step(), Step::Settle(Outcome::InDoubt, Evidence::Tried));
}

#[test]
fn a_row_leaves_open_what_nothing_shows_the_end_of() {
    let left = |life: Life| life.row.leaves_open();
    let named = Some(LeftOpen::Operation("ours".into()));
    let pending = || Life::new().asked().answered(Class::Pending, Some("ours"));
    assert_eq!(left(Life::new()), None);
    assert_eq!(left(Life::new().asked()), Some(LeftOpen::Request));
    assert_eq!(left(Life::new().asked().answered(Class::Unanswered, None)), Some(LeftOpen::Request));
    assert_eq!(left(pending()), named);
    assert_eq!(left(pending().polled(Class::Unanswered)), named);
    assert_eq!(left(pending().polled(Class::OperationFailed)), None);
    assert_eq!(left(Life::new().asked().answered(Class::Pending, None)), Some(LeftOpen::Request));
    let found = Life::new().asked().answered(Class::Unanswered, None).searched(Found::Unfinished, Some("ours"));
    assert_eq!(left(found), named);
    for class in [Class::Throttled, Class::NotFound, Class::OperationFailed, Class::Denied, Class::Refused] {
        assert_eq!(left(Life::new().asked().answered(class, None)), None, "{class:?}");
    }
}
