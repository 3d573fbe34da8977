//! Where a limit lies, to the instant and to the count.

use super::*;

// SEMANTICS: P17
#[test]
fn attempts_are_counted_over_all_sessions() {
    use crate::domain::{Exchange, Settings};
    use crate::record::event::{AttemptFinished, AttemptStarted, Event};
    let mut row = unasked();
    let settings = Settings { max_attempts: 2, ..settings() };
    let sessions = [Class::Throttled, Class::Unanswered, Class::NotSent, Class::Unanswered];
    for (class, attempt) in sessions.into_iter().zip(1..) {
        assert!(row.spent < settings.max_attempts, "attempt {attempt}");
        let started = AttemptStarted { attempt };
        row.apply(1, now(), &Event::AttemptStarted(started));
        let (exchange, cause) = (Exchange::default(), None);
        let finished = AttemptFinished::of(attempt, class, cause, exchange);
        row.apply(2, now(), &Event::AttemptFinished(Box::new(finished)));
        row.reopen(now());
    }
    assert_eq!((row.attempts, row.spent), (4, 2));
    let row = row.searched(Found::NoOperation).seen(Found::Same);
    assert_eq!(word(decide(&row, &settings, &situation())), "failed/readback");
}

/// The attempt is dead at its time, not only after it; and its time counts from the answer where this session got one.
#[test]
fn an_attempt_is_dead_from_its_time_on() {
    // Where nothing but its start is known, its request may have left as late as that permits.
    let dead_after = settings().attempt_time().dead_after_start();
    assert_eq!(dead_after, settings().attempt_timeout + settings().attempt_time().grace() * 2);
    let hasty = Settings { attempt_timeout: Duration::from_secs(1), ..settings() };
    assert_eq!(hasty.attempt_time().dead_after_start(), Duration::from_millis(2_200), "a disk may take a second");
    let begun = |ago_by: Duration| {
        let mut row = asked(None);
        row.last.as_mut().unwrap().started_at = ago(ago_by);
        row
    };
    let instant = Duration::from_micros(1);
    assert_eq!(decide(&begun(dead_after), &settings(), &situation()), Step::Search { level: 0 });
    let alive = begun(dead_after - instant);
    assert_eq!(decide(&alive, &settings(), &situation()), Step::WaitUntil(now().saturating_add(instant).unwrap()));

    let answered = |ago_by: Duration, earlier_session: bool| {
        let mut row = asked(Some(Class::Unanswered));
        *row.last.as_mut().unwrap().answer.as_mut().unwrap() =
            Answer { at: ago(ago_by), earlier_session, ..answer(Class::Unanswered) };
        decide(&row, &settings(), &situation())
    };
    let grace = settings().attempt_time().grace();
    assert_eq!(answered(grace, false), Step::Search { level: 0 });
    assert_eq!(answered(grace - instant, false), Step::WaitUntil(now().saturating_add(instant).unwrap()));
    // The clock of an earlier session may have been another one.
    assert_eq!(answered(grace - instant, true), Step::Search { level: 0 });

    // An attempt has the time that its own session gave it, whatever this one gives to others.
    for (of_its_own, class) in [(Duration::from_secs(300), None), (Duration::from_secs(1), Some(Class::Unanswered))] {
        let time = AttemptTime { timeout: of_its_own };
        let mut row = asked(class);
        let last = row.last.as_mut().unwrap();
        (last.time, last.answer) =
            (Some(time), last.answer.take().map(|answer| Answer { earlier_session: true, ..answer }));
        let dead_after = if class.is_none() { time.dead_after_start() } else { time.dead_after() };
        last.started_at = ago(dead_after);
        assert_eq!(decide(&row, &settings(), &situation()), Step::Search { level: 0 });
        row.last.as_mut().unwrap().started_at = ago(dead_after - instant);
        assert_eq!(decide(&row, &settings(), &situation()), Step::WaitUntil(now().saturating_add(instant).unwrap()));
    }
}

/// Where a limit lies, to the instant and to the count. Cargo-mutants finds one more mutant that no test can distinguish: `again`
/// with a look before any attempt, which is only ever the same key pair, leads to the same step either way.
#[test]
fn limits_lie_where_they_are_said_to() {
    let step = |row: &RowState, situation: &Situation| word(decide(row, &settings(), situation));
    let plain = situation();
    let tried = |since: Duration, count: u32| Tries { since: Some(ago(since)), count };

    let polled = |polls| RowState { polls, ..asked(Some(Class::Pending)) };
    let timeout = settings().operation_timeout;
    assert_eq!(step(&polled(tried(LONG, FEWEST_TRIES - 1)), &plain), "poll");
    assert_eq!(step(&polled(tried(LONG, 1)), &plain), "poll");
    assert_eq!(step(&polled(tried(SHORT, FEWEST_TRIES)), &plain), "poll");
    assert_eq!(step(&polled(tried(LONG, FEWEST_TRIES)), &plain), "read");
    assert_eq!(step(&polled(tried(timeout, FEWEST_TRIES)), &plain), "read");

    let unread = |tries| RowState { tries, ..asked(Some(Class::NotFound)).after_a_loss().seen(Found::NoAnswer) };
    let timeout = settings().settle_timeout;
    assert_eq!(step(&unread(tried(LONG, FEWEST_TRIES - 1)), &plain), "read");
    assert_eq!(step(&unread(tried(SHORT, FEWEST_TRIES)), &plain), "read");
    assert_eq!(step(&unread(tried(timeout, FEWEST_TRIES)), &plain), "in_doubt/tried");

    let budget = Duration::from_secs(u64::try_from(REFUSAL_BUDGET.as_secs()).unwrap());
    let refused = |since| RowState { refused_since: Some(ago(since)), ..asked(Some(Class::Throttled)) };
    assert_eq!(step(&refused(budget - SHORT), &plain), "send");
    assert_eq!(step(&refused(budget), &plain), "failed/answer");
    assert_eq!(step(&RowState { unread: true, ..refused(budget) }, &plain), "read");
    let answered = Situation { answered_at: Some(ago(budget)), ..situation() };
    assert_eq!(step(&refused(budget), &answered), "stop/throttled_for_long");
    let unsent = |since| RowState { refused_since: Some(ago(since)), ..asked(Some(Class::NotSent)) };
    assert_eq!(step(&unsent(budget - SHORT), &plain), "send");
    assert_eq!(step(&unsent(budget), &plain), "stop/nothing_leaves");

    let denied = asked(Some(Class::NotFound)).after_a_loss().seen(Found::Denied);
    let started = denied.last.as_ref().unwrap().started_at;
    let read = |read_at| Situation { read_at: Some(read_at), ..situation() };
    assert_eq!(step(&denied, &read(started)), "stop/cannot_read");
    assert_eq!(step(&denied, &read(started.saturating_add(SHORT).unwrap())), "in_doubt/tried");

    let cut_off = |read_ago: Duration| Situation { read_at: Some(ago(read_ago)), ..situation() };
    let tries = tried(LONG, FEWEST_TRIES);
    assert_eq!(step(&unread(tries).unconnected(), &cut_off(LONG)), "in_doubt/tried");
    assert_eq!(step(&unread(tries).unconnected(), &cut_off(LONG + SHORT)), "stop/endpoint_gone");
    assert_eq!(step(&unread(tries), &cut_off(LONG + SHORT)), "in_doubt/tried");
    assert_eq!(step(&unread(tried(SHORT, FEWEST_TRIES)).unconnected(), &cut_off(LONG + SHORT)), "read");
    let gone = asked(Some(Class::NotFound)).after_a_loss().seen(Found::NotFound).searched(Found::NoAnswer);
    let unsearched = RowState { searches: tries, ..gone };
    assert_eq!(step(&unsearched.clone().unconnected(), &cut_off(LONG)), "gone/readback");
    assert_eq!(step(&unsearched.clone().unconnected(), &cut_off(LONG + SHORT)), "stop/endpoint_gone");
    assert_eq!(step(&unsearched, &cut_off(LONG + SHORT)), "gone/readback");

    let confirmed = |at| RowState { confirmed_at: Some(at), ..unasked() };
    assert_eq!(step(&confirmed(now()), &plain), "send");
    assert_eq!(step(&confirmed(now().saturating_add(SHORT).unwrap()), &plain), "read");
    assert_eq!(step(&confirmed(ago(settings().max_observation_age)), &plain), "send");
    assert_eq!(step(&confirmed(ago(settings().max_observation_age + SHORT)), &plain), "read");
    let hasty = Settings { max_observation_age: SHORT, ..settings() };
    let reread = |rereads, age| {
        let row = RowState { rereads, ..confirmed(ago(age)).seen(Found::Same) };
        word(decide(&row, &hasty, &plain))
    };
    assert_eq!(reread(FEWEST_TRIES - 1, LATEST_REREAD), "read");
    assert_eq!(reread(FEWEST_TRIES, LATEST_REREAD), "send");
    assert_eq!(reread(FEWEST_TRIES, LATEST_REREAD + SHORT), "read");
}
