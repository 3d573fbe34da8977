//! Limits, stops, and what neighbours show, without any row.

use super::*;

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

// SEMANTICS: P40
#[test]
fn a_denial_is_held_until_it_can_be_told() {
    let control = Control::new(Limits::default());
    control.answered(1, Class::Denied, now());
    assert_eq!(control.denial(1), Denial::Unknown);
    control.answered(1, Class::Succeeded, now());
    assert_eq!(control.denial(1), Denial::ThisItem);
    for _ in 0..DENIED_ROWS {
        control.answered(2, Class::Denied, now());
    }
    assert_eq!(control.denial(2), Denial::Everything);
    control.entered(3);
    control.answered(3, Class::Denied, now());
    control.holds(3, true);
    assert_eq!(control.denial(3), Denial::Unknown);
    control.fed(3);
    assert_eq!(control.denial(3), Denial::ThisItem);
    control.holds(3, false);
    assert_eq!(control.denial(3), Denial::ThisItem);
}

// field.md: "what the target's own successes disprove is about the row, not about everyone"
#[test]
fn who_is_served_afterwards_disproves_a_refusal_of_everyone() {
    let control = Control::new(Limits::default());
    let at = |second| Timestamp::new(second, 0).unwrap();
    control.answered(1, Class::Succeeded, at(1));
    control.answered(1, Class::RefusedForAll, at(2));
    assert_eq!(control.refusal(1, at(2)), Denial::Unknown, "credentials expire: who was served before shows nothing");
    control.answered(2, Class::Succeeded, at(3));
    assert_eq!(control.refusal(1, at(2)), Denial::Unknown, "nor does another target");
    control.answered(1, Class::Denied, at(4));
    assert_eq!(control.refusal(1, at(2)), Denial::ThisItem, "others were served: it is about this item");
    for second in 5..10 {
        assert_eq!(control.refusal(1, at(5)), Denial::Unknown, "{second}");
        control.answered(1, Class::RefusedForAll, at(second));
    }
    assert_eq!(control.refusal(1, at(5)), Denial::Everything);
    control.entered(3);
    control.answered(3, Class::RefusedForAll, at(1));
    control.holds(3, true);
    control.fed(3);
    assert_eq!(control.refusal(3, at(1)), Denial::Everything, "nobody is left to disprove it");
}

#[test]
fn the_first_reason_to_stop_counts() {
    let control = Control::new(Limits { max_deletes: Some(1), max_failures: Some(1), ..Limits::default() });
    assert!(control.may_ask() && !control.is_stopping(1));
    assert!(!control.may_ask() && control.is_stopping(1));
    assert_eq!(control.settled(1, Outcome::Failed), None);
    assert_eq!(control.stopped().map(|stop| stop.by), Some(StoppedBy::MaxDeletes));
}

// SEMANTICS: P43
#[test]
fn doubts_in_a_row_stop_their_target_and_single_ones_do_not() {
    let control = Control::new(Limits::default());
    for _ in 0..20 {
        assert_eq!(control.settled(1, Outcome::InDoubt), None);
        assert_eq!(control.settled(1, Outcome::Deleted), None);
    }
    for _ in 1..DOUBTFUL_ROWS {
        assert_eq!(control.settled(1, Outcome::InDoubt), None);
        assert_eq!(control.settled(2, Outcome::Deleted), None, "another target's successes say nothing");
    }
    assert_eq!(control.settled(1, Outcome::InDoubt), Some(StopCause::Doubtful));
}

#[test]
fn a_target_stops_alone_and_the_session_stops_all() {
    let control = Control::new(Limits::default());
    let (one, other) = (control.stopping(1), control.stopping(2));
    control.stop_target(1, StopCause::RefusedForAll, "expired");
    control.stop_target(1, StopCause::EndpointGone, "later");
    assert!(one.is_cancelled() && control.is_stopping(1) && !other.is_cancelled() && !control.is_stopping(2));
    assert_eq!(control.stopped(), None);
    let stopped = control.stopped_targets();
    assert_eq!(stopped.keys().copied().collect::<Vec<_>>(), [1]);
    assert_eq!(
        stopped[&1],
        TargetStop { cause: StopCause::RefusedForAll, detail: "expired".into(), names: Vec::new() }
    );
    control.stop(StoppedBy::Signal, "");
    assert!(other.is_cancelled() && control.is_stopping(3), "one that nobody has asked for yet, too");
}

fn line(row: u64) -> PlanRow {
    PlanRow::of(row, format!("key-{row}"), "1".into(), "a".into(), crate::record::plan::Verdict::Delete)
}

// SEMANTICS: P75
#[test]
fn a_full_canary_closes_its_target_and_stops_nothing() {
    let control = Control::new(Limits { canary: Some(2), ..Limits::default() });
    let closed = |target| control.closing(target).is_cancelled();
    assert!(control.may_begin(1, &line(1)) == Some(true) && !closed(1));
    assert!(control.may_begin(1, &line(2)) == Some(true) && closed(1) && !closed(2));
    assert_eq!(control.stopped_by_canary(), None, "nothing was held back yet");
    assert!(control.may_begin(1, &line(3)) == Some(false) && !control.is_stopping(1) && control.stopped().is_none());
    assert_eq!(control.stopped_by_canary().map(|stop| stop.by), Some(StoppedBy::Canary));
    control.stop_target(1, StopCause::CannotRead, "");
    assert_eq!(control.stopped_by_canary(), None, "a target that stops alone says why");
    control.not_begun(2);
    assert_eq!(control.stopped_by_canary(), None, "its canary is not full");
}

/// Nobody is left to disprove a denial, but rows that were held back might have.
// SEMANTICS: P75
#[test]
fn a_denied_canary_says_nothing_about_its_rows() {
    let denied = |most: Option<u64>| {
        let control = Control::new(Limits { canary: most, ..Limits::default() });
        control.entered(1);
        assert_eq!(control.may_begin(1, &line(1)), Some(true));
        control.answered(1, Class::Denied, now());
        control.holds(1, true);
        control.not_begun(1);
        control.fed(1);
        control.denial(1)
    };
    assert_eq!(
        (denied(None), denied(Some(1)), denied(Some(2))),
        (Denial::ThisItem, Denial::Everything, Denial::ThisItem)
    );
}
