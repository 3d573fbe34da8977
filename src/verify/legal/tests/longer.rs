//! Single sequences that are longer than those which are tried one and all, and words that are left out there.

use super::*;

/// Takes these steps, each in the session that is named with it; the last of them decides.
#[track_caller]
fn is_legal(steps: &[(u16, RowEvent)]) -> bool {
    let mut row = Row::new(Verdict::Delete);
    let (last, before) = steps.split_last().unwrap();
    for (session, step) in before {
        assert_eq!(row.step(*step, *session), Ok(()), "{step:?} in {steps:?}");
    }
    row.step(last.1, last.0).is_ok()
}

fn started(attempt: u32) -> RowEvent {
    RowEvent::Started { attempt }
}

fn finished(attempt: u32, class: Class) -> RowEvent {
    RowEvent::Finished { attempt, class, settled: None }
}

fn settled(outcome: Outcome, evidence: Evidence) -> RowEvent {
    RowEvent::Settled { outcome, evidence }
}

const SAME: RowEvent = RowEvent::Observed { found: Found::Same };
const NOT_FOUND: RowEvent = RowEvent::Observed { found: Found::NotFound };
const DENIED: RowEvent = RowEvent::Observed { found: Found::Denied };
const OURS: RowEvent = RowEvent::Searched { found: Found::Operation };
const UNFINISHED: RowEvent = RowEvent::Searched { found: Found::Unfinished };
const FAILED: RowEvent = RowEvent::Polled { class: Class::OperationFailed };

/// An operation in the history of the name is not ours where no request of ours can have begun one.
#[test]
fn a_request_that_did_nothing_deleted_nothing() {
    let deleted = settled(Outcome::Deleted, Evidence::Operation);
    for class in [Class::Denied, Class::NotSent, Class::SetupInProgress, Class::RefusedForAll, Class::Throttled] {
        let steps = [started(1), finished(1, class), OURS, NOT_FOUND, deleted];
        assert_eq!(is_legal(&steps.map(|step| (1, step))), class == Class::Throttled, "{class:?}");
    }
    // One that never got an answer may have, whatever became of the next one.
    let steps = [(1, started(1)), (2, SAME), (2, started(2)), (2, finished(2, Class::Denied))];
    assert!(is_legal(&[&steps[..], &[(2, OURS), (2, NOT_FOUND), (2, deleted)]].concat()));
}

#[test]
fn what_was_known_of_an_attempt_is_forgotten_with_the_next() {
    // The operation that was found belongs to the first attempt, and is over.
    let first = [started(1), finished(1, Class::Unanswered), UNFINISHED, FAILED, SAME];
    let again = [started(2), finished(2, Class::Throttled)];
    // It says nothing of the second: what is asked for then is another run's, and the key pair must be read after that.
    for (after, legal) in [(&[][..], true), (&[FAILED], false), (&[FAILED, SAME], true)] {
        let steps = [&first[..], &again[..], after, &[started(3)]].concat();
        assert_eq!(is_legal(&steps.iter().map(|step| (1, *step)).collect::<Vec<_>>()), legal, "{after:?}");
    }
    // That the first operation failed says nothing of the second.
    let pending = |attempt| [started(attempt), finished(attempt, Class::Pending)];
    for (between, legal) in [(&[FAILED, SAME][..], true), (&[SAME], false)] {
        let steps = [&pending(1)[..], &[FAILED, SAME], &pending(2), between, &[started(3)]].concat();
        assert_eq!(is_legal(&steps.iter().map(|step| (1, *step)).collect::<Vec<_>>()), legal, "{between:?}");
    }
}

#[test]
fn what_may_not_be_done_is_an_answer_like_others() {
    for class in [Class::Denied, Class::SetupInProgress, Class::NotFound] {
        // The second one: of the first alone nothing else follows where it was not found.
        let steps = [started(1), finished(1, Class::Throttled), started(2), finished(2, class)];
        let failed = [&steps[..], &[settled(Outcome::Failed, Evidence::Answer)]].concat();
        let legal = is_legal(&failed.iter().map(|step| (1, *step)).collect::<Vec<_>>());
        assert_eq!(legal, class != Class::NotFound, "{class:?}");
    }
    let lost = [started(1), finished(1, Class::Unanswered), DENIED, settled(Outcome::InDoubt, Evidence::Tried)];
    assert!(is_legal(&lost.map(|step| (1, step))));
    assert!(is_legal(&[(1, DENIED), (1, settled(Outcome::Skipped, Evidence::Note))]));
}

/// What an answer alone decides is in its own entry, and nothing else is.
#[test]
fn an_answer_alone_decides_a_row_in_its_own_entry() {
    let (deleted, failed) = ((Outcome::Deleted, Evidence::Answer), (Outcome::Failed, Evidence::Answer));
    let finished = |class, settled| RowEvent::Finished { attempt: 2, class, settled };
    let after = |before, step| is_legal(&[(1, started(1)), (1, before), (2, SAME), (2, started(2)), (2, step)]);
    let throttled = RowEvent::Finished { attempt: 1, class: Class::Throttled, settled: None };
    let lost = RowEvent::Finished { attempt: 1, class: Class::Unanswered, settled: None };
    for (class, settled, legal, after_a_lost_one) in [
        (Class::Succeeded, Some(deleted), true, true),
        (Class::Succeeded, None, false, false),
        (Class::Succeeded, Some(failed), false, false),
        (Class::Refused, Some(failed), true, false),
        (Class::Refused, None, false, true),
        (Class::Denied, Some(failed), true, false),
        (Class::Denied, None, true, true),
        (Class::RefusedForAll, Some(failed), true, false),
        (Class::Throttled, Some(failed), true, true),
        (Class::Throttled, None, true, true),
        (Class::SetupInProgress, Some(failed), true, true),
        (Class::NotFound, Some((Outcome::Absent, Evidence::Answer)), false, false),
        (Class::Pending, Some(deleted), false, false),
        (Class::Unanswered, Some(deleted), false, false),
        (Class::Unanswered, Some((Outcome::Gone, Evidence::Readback)), false, false),
        (Class::OperationFailed, Some((Outcome::Failed, Evidence::Operation)), false, false),
        (Class::NotSent, Some(failed), false, false),
    ] {
        assert_eq!(after(throttled, finished(class, settled)), legal, "{class:?} {settled:?}");
        assert_eq!(
            after(lost, finished(class, settled)),
            after_a_lost_one,
            "{class:?} {settled:?} after a lost answer"
        );
    }
    let twice =
        [(1, started(1)), (1, RowEvent::Finished { attempt: 1, class: Class::Succeeded, settled: Some(deleted) })];
    assert!(!is_legal(&[&twice[..], &[(1, settled(Outcome::Deleted, Evidence::Answer))]].concat()));
}

#[test]
fn each_reading_finds_what_it_can_find() {
    let of_key_pairs = [Found::Same, Found::Other, Found::NotFound];
    let of_operations = [Found::Operation, Found::Unfinished, Found::NoOperation];
    let of_either = [Found::NoAnswer, Found::Denied, Found::RefusedForAll];
    for found in [&of_key_pairs[..], &of_operations, &of_either, &[Found::Listed]].concat() {
        let after = |step| is_legal(&[(1, started(1)), (1, finished(1, Class::Unanswered)), (1, step)]);
        let either = of_either.contains(&found);
        assert_eq!(after(RowEvent::Observed { found }), either || of_key_pairs.contains(&found), "{found:?}");
        assert_eq!(after(RowEvent::Searched { found }), either || of_operations.contains(&found), "{found:?}");
    }
}

/// Not even a failed operation lets a request follow a loss without a reading.
#[test]
fn what_was_seen_before_a_loss_says_nothing_of_after_it() {
    let mut row = Row::new(Verdict::Delete);
    for step in [started(1), finished(1, Class::Pending), FAILED, SAME] {
        row.step(step, 1).unwrap();
    }
    assert!(row.clone().step(started(2), 1).is_ok());
    row.lose_tail();
    assert!(row.clone().step(started(2), 2).is_err());
    row.step(SAME, 2).unwrap();
    row.step(started(2), 2).unwrap();
}
