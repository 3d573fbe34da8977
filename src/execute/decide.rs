//! The decision: from what is known of a row to the next step. Pure, and the only place where it is decided.
//!
//! `docs/RECOVERY.md` has the same table in prose; the tests below go through all of it. Nothing here guesses: after an
//! attempt whose effect is unknown, the next step is to look, and an outcome claims no more than what was seen.

use jiff::{SignedDuration, Timestamp};

use super::attempt::{Attempt, Look, Tries};
use super::row::RowState;
pub use super::step::{Denial, Situation, Step, StopCause};
use crate::domain::{Class, Evidence, Outcome, Settings};
use crate::record::event::Found;
use crate::record::plan::Verdict;

/// How long a row may be refused before execution (throttled, or the account being set up) until that counts as an
/// answer. Far longer than any burst of other users of the account, far shorter than a working day.
pub const REFUSAL_BUDGET: SignedDuration = SignedDuration::from_mins(10);

/// The fewest tries before giving up, however long they take: at a slow rate the queue alone can take longer than a
/// time limit, and a request that was never sent cannot have been answered.
pub const FEWEST_TRIES: u32 = 3;

/// How old a reading may be that is the third in a row and right before the request, whatever `--max-observation-age` says: at
/// one request in minutes, or with a disk that takes long, nothing younger can be had.
pub const LATEST_REREAD: std::time::Duration = std::time::Duration::from_secs(600);

/// How often in a row something must be "refused for everyone", while others were served each time, until that is about it alone.
pub const REFUSED_FOR_ALL_ATTEMPTS: u32 = 2;

/// What follows from seeing the key pair of the plan still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StillThere {
    /// The attempt was not effective: another one, or this evidence when attempts are used up.
    Retry(Evidence),
    /// The last attempt was refused for good, and now it is known that no earlier one was effective either.
    Failed,
    /// The operation may still be in progress: the outcome cannot be determined.
    InDoubt,
}

/// The next step for `row`.
#[must_use]
pub fn decide(row: &RowState, settings: &Settings, situation: &Situation) -> Step {
    if row.settled.is_some() {
        return Step::Done;
    }
    match row.verdict {
        Verdict::Skip => return Step::Settle(Outcome::Skipped, Evidence::Note),
        Verdict::Absent => return Step::Settle(Outcome::Absent, Evidence::Inventory),
        Verdict::Delete => {}
    }
    if row.is_unfinished() {
        return pending(row, settings, situation);
    }
    let Some(attempt) = &row.last else { return before_any_attempt(row, settings, situation) };
    let Some(answer) = &attempt.answer else { return unanswered(row, attempt, settings, situation) };
    match answer.class {
        Class::Succeeded => Step::Settle(Outcome::Deleted, Evidence::Answer),
        Class::Pending => pending(row, settings, situation),
        Class::OperationFailed => look(row, settings, situation, StillThere::Retry(Evidence::Operation)),
        Class::NotFound => look(row, settings, situation, StillThere::Retry(Evidence::Readback)),
        Class::Unanswered => unanswered(row, attempt, settings, situation),
        Class::Refused => refused(row, settings, situation),
        Class::Throttled | Class::SetupInProgress => refused_for_now(row, settings, situation),
        Class::NotSent if row.unsent >= settings.max_attempts => Step::Stop(StopCause::EndpointGone),
        Class::NotSent if refused_for_long(row, situation) => Step::Stop(StopCause::NothingLeaves),
        Class::RefusedForAll if !answer.earlier_session => match situation.denial {
            Denial::Unknown => Step::Hold,
            // Others were served since. One more request is sent, because credentials or the clock may have been
            // renewed in between.
            Denial::ThisItem if row.refused_for_all < REFUSED_FOR_ALL_ATTEMPTS => again(row, settings, situation),
            Denial::ThisItem => refused(row, settings, situation),
            Denial::Everything => Step::Stop(StopCause::RefusedForAll),
        },
        Class::Denied if !answer.earlier_session => match situation.denial {
            Denial::Unknown => Step::Hold,
            Denial::ThisItem => refused(row, settings, situation),
            Denial::Everything => Step::Stop(StopCause::AllDenied),
        },
        Class::NotSent | Class::RefusedForAll | Class::Denied => again(row, settings, situation),
    }
}

/// Nothing was ever sent. What a reading shows now was so before any request of ours could change it.
fn before_any_attempt(row: &RowState, settings: &Settings, situation: &Situation) -> Step {
    match row.look.as_ref().map(|look| look.found) {
        Some(Found::Same) if row.delete_seen => look(row, settings, situation, StillThere::InDoubt),
        Some(Found::Other) => Step::Settle(Outcome::Skipped, Evidence::Note),
        Some(Found::NotFound) => Step::Settle(Outcome::Absent, Evidence::Inventory),
        // A key pair that cannot be read is skipped; if none can be read, the target stops.
        Some(Found::Denied) if situation.read_at.is_some() => Step::Settle(Outcome::Skipped, Evidence::Note),
        Some(Found::Denied) => Step::Stop(StopCause::CannotRead),
        Some(Found::RefusedForAll) => Step::Stop(StopCause::RefusedForAll),
        Some(Found::NoAnswer) if budget_is_left(row, settings, situation) => Step::Read { level: row.tries.count },
        Some(Found::NoAnswer) if situation.read_at >= row.tries.since => Step::Settle(Outcome::Skipped, Evidence::Note),
        Some(Found::NoAnswer) => Step::Stop(StopCause::NothingReadable),
        _ => again(row, settings, situation),
    }
}

/// Whether it took effect is unknown: look, once the attempt is surely dead. The service may have accepted it all the
/// same, as an operation that is still to take effect: so first the history, and then the key pair, since only a reading
/// that is younger than that can say that nothing is to come.
fn unanswered(row: &RowState, attempt: &Attempt, settings: &Settings, situation: &Situation) -> Step {
    // Its own time, not that of the session which finds it.
    let time = attempt.time.unwrap_or_else(|| settings.attempt_time());
    let dead_at = match &attempt.answer {
        // Between the entry and the request lies a commit, which may be slow: the timeout began only then.
        None => after(attempt.started_at, time.dead_after_start()),
        Some(answer) if answer.earlier_session => after(attempt.started_at, time.dead_after()),
        Some(answer) => after(attempt.started_at, time.dead_after()).max(after(answer.at, time.grace())),
    };
    if row.look.is_none() && situation.now < dead_at {
        return Step::WaitUntil(dead_at);
    }
    // A history that shows nothing, or cannot be read, does not prevent another attempt.
    searching(row, settings, situation)
        .unwrap_or_else(|| look(row, settings, situation, StillThere::Retry(Evidence::Readback)))
}

/// An operation is not terminal, that of the last answer or another delete of this name: poll it, and when that takes too long, look.
fn pending(row: &RowState, settings: &Settings, situation: &Situation) -> Step {
    let poll = row.poll.as_ref();
    match poll.map(|poll| poll.class) {
        Some(Class::Succeeded) if poll.is_some_and(|poll| !poll.from_history) => {
            return Step::Settle(Outcome::Deleted, Evidence::Operation);
        }
        // The operation in the answer failed before that. The history says who began the other one.
        Some(Class::Succeeded | Class::OperationFailed) => {
            return look(row, settings, situation, StillThere::Retry(Evidence::Operation));
        }
        Some(Class::RefusedForAll) => return Step::Stop(StopCause::RefusedForAll),
        _ => {}
    }
    let since = row.polls.since.unwrap_or(situation.now);
    let in_time = row.polls.count < FEWEST_TRIES || situation.now < after(since, settings.operation_timeout);
    if row.look.is_none() && in_time {
        return Step::Poll { level: row.polls.count };
    }
    look(row, settings, situation, StillThere::InDoubt)
}

/// Refused for good. That is about this attempt alone: if the effect of an earlier one is unknown, look.
fn refused(row: &RowState, settings: &Settings, situation: &Situation) -> Step {
    if row.windows.iter().any(|window| window.to.is_none()) {
        return look(row, settings, situation, StillThere::Failed);
    }
    Step::Settle(Outcome::Failed, Evidence::Answer)
}

/// Refused before execution, for going too fast or because the account is being set up: only waiting helps.
fn refused_for_now(row: &RowState, settings: &Settings, situation: &Situation) -> Step {
    // A key pair that was seen to be gone in the meantime is settled by that, however long the refusals lasted.
    let not_there = row.look.as_ref().is_some_and(|look| matches!(look.found, Found::NotFound | Found::Other));
    // The same holds for an operation that was found in the meantime.
    if not_there || row.unread || row.delete_seen || !refused_for_long(row, situation) {
        again(row, settings, situation)
    } else if situation.answered_at.is_some_and(|at| situation.now.duration_since(at) < REFUSAL_BUDGET) {
        Step::Settle(Outcome::Failed, Evidence::Answer)
    } else {
        Step::Stop(StopCause::ThrottledForLong)
    }
}

fn refused_for_long(row: &RowState, situation: &Situation) -> bool {
    row.refused_since.is_some_and(|since| situation.now.duration_since(since) >= REFUSAL_BUDGET)
}

/// Send (again) if the plan's observation is still fresh enough to rely on; else read first (I4).
fn again(row: &RowState, settings: &Settings, situation: &Situation) -> Step {
    // A later session may permit fewer attempts than were used up.
    let used_up = row.spent >= settings.max_attempts;
    if row.look.is_none() && (row.unread || used_up) {
        return Step::Read { level: 0 };
    }
    if row.look.is_some() && row.last.is_some() {
        return look(row, settings, situation, StillThere::Retry(Evidence::Readback));
    }
    send(row, settings, situation, row.refusals)
}

/// Send if the observation is fresh enough to rely on and no earlier request can still be delivered. Once that time is
/// over, what such a ghost did is looked for: first in the history, as after any attempt without an answer and after a
/// loss of entries.
fn send(row: &RowState, settings: &Settings, situation: &Situation, level: u32) -> Step {
    let lost_dead = row.lost_at.map(|at| after(at, settings.attempt_time().dead_after_start()));
    let until = row.held_until(settings.signature_life).max(lost_dead);
    if let Some(until) = until.filter(|until| situation.now < *until) {
        return Step::WaitOut(until);
    }
    let of_others = row.left_open.is_some() || row.lost_at.is_some();
    let needs_search = of_others || (row.is_unanswered() && until.is_some());
    if needs_search && row.search.as_ref().is_none_or(|search| Some(search.at) < until) {
        return Step::Search { level: 0 };
    }
    if let Some(step) = searching(row, settings, situation).filter(|_| of_others) {
        return step;
    }
    // Only a reading that is younger than the search, which forgets older ones, can say that nothing is to come.
    if row.confirmed_at < until || (row.left_open.is_some() && row.look.is_none()) {
        return Step::Read { level: 0 };
    }
    if is_stale(row, settings, situation) { Step::Read { level: 0 } } else { Step::Send { level } }
}

/// Read the key pair and conclude from what is seen.
fn look(row: &RowState, settings: &Settings, situation: &Situation, still_there: StillThere) -> Step {
    match row.look.as_ref().map(|look| look.found) {
        // An operation that deleted it was seen: wait until readings show that, and never ask again.
        Some(Found::Same) if row.delete_seen => {
            if budget_is_left(row, settings, situation) {
                Step::Read { level: row.tries.count }
            } else {
                unclear(row)
            }
        }
        Some(Found::Same) => match still_there {
            StillThere::InDoubt => unclear(row),
            StillThere::Failed => Step::Settle(Outcome::Failed, Evidence::Answer),
            StillThere::Retry(evidence) if row.spent >= settings.max_attempts => {
                Step::Settle(Outcome::Failed, evidence)
            }
            StillThere::Retry(_) => send(row, settings, situation, row.spent.max(row.refusals)),
        },
        // We must not delete the key pair that may have the name now. If the operation of our request did not end in time, it is
        // known already; one that another run left open says nothing of what entries that were lost may have sent.
        Some(Found::NotFound | Found::Other)
            if still_there == StillThere::InDoubt
                && (row.last_class() == Some(Class::Pending) || row.search.is_some()) =>
        {
            not_there(row)
        }
        Some(Found::NotFound | Found::Other) => search(row, settings, situation),
        // If others were read since, only this one may not be read; otherwise nothing could be settled any more.
        Some(Found::Denied) if situation.read_at > row.last.as_ref().map(|last| last.started_at) => unclear(row),
        Some(Found::Denied) => Step::Stop(StopCause::CannotRead),
        Some(Found::RefusedForAll) => Step::Stop(StopCause::RefusedForAll),
        Some(Found::NoAnswer) if budget_is_left(row, settings, situation) => Step::Read { level: row.tries.count },
        Some(Found::NoAnswer) if is_cut_off(row.look.as_ref(), row.tries, situation) => {
            Step::Stop(StopCause::EndpointGone)
        }
        Some(Found::NoAnswer) => unclear(row),
        _ => Step::Read { level: 0 },
    }
}

/// No look says what will become of it. Where this run sent nothing, only an operation that others began can be under way: the
/// row is left alone.
fn unclear(row: &RowState) -> Step {
    match &row.last {
        Some(_) => Step::Settle(Outcome::InDoubt, Evidence::Tried),
        None => Step::Settle(Outcome::Skipped, Evidence::Note),
    }
}

/// It is no longer there: did we delete it? Only the operation history, read after that, can show it; a history that
/// shows nothing is no evidence. If no request can have been executed, the history is not read.
fn search(row: &RowState, settings: &Settings, situation: &Situation) -> Step {
    if row.windows.is_empty() && !row.may_have_acted() {
        return not_there(row);
    }
    let gone_at = row.look.as_ref().map_or(0, |look| look.seq);
    match &row.search {
        Some(search) if search.found == Found::Operation => not_there(row),
        Some(search) if search.seq < gone_at => Step::Search { level: 0 },
        search => searching(row, settings, situation).unwrap_or_else(|| {
            if is_cut_off(search.as_ref(), row.searches, situation) {
                Step::Stop(StopCause::EndpointGone)
            } else {
                not_there(row)
            }
        }),
    }
}

/// The key pair of the plan is not there. If no operation shows that we deleted it, it is `gone` only if we sent a
/// request that may have deleted it.
fn not_there(row: &RowState) -> Step {
    if row.search.as_ref().is_some_and(|search| search.found == Found::Operation) {
        Step::Settle(Outcome::Deleted, Evidence::Operation)
    } else if row.may_have_acted() {
        Step::Settle(Outcome::Gone, Evidence::Readback)
    } else if row.look.as_ref().is_some_and(|look| look.found == Found::Other) {
        Step::Settle(Outcome::Skipped, Evidence::Note)
    } else if row.last_class() == Some(Class::NotFound) {
        Step::Settle(Outcome::Absent, Evidence::Answer)
    } else {
        Step::Settle(Outcome::Absent, Evidence::Inventory)
    }
}

/// The next step until the operation history has shown what it can; `None` after that.
fn searching(row: &RowState, settings: &Settings, situation: &Situation) -> Option<Step> {
    match row.search.as_ref().map(|search| search.found) {
        None => Some(Step::Search { level: 0 }),
        Some(Found::RefusedForAll) => Some(Step::Stop(StopCause::RefusedForAll)),
        Some(Found::NoAnswer) if search_budget_is_left(row, settings, situation) => {
            Some(Step::Search { level: row.searches.count })
        }
        Some(_) => None,
    }
}

/// Whether looking failed because no connection can be made, and no key pair of the target was read since the first
/// failure: that concerns the whole target, and once the endpoint is back, another session can see what this one could
/// not.
fn is_cut_off(look: Option<&Look>, tries: Tries, situation: &Situation) -> bool {
    look.is_some_and(|look| look.unconnected) && situation.read_at < tries.since
}

fn is_stale(row: &RowState, settings: &Settings, situation: &Situation) -> bool {
    // It was read repeatedly, and each reading was too old before a request could be sent: there is nothing fresher to
    // rely on.
    let least = if row.rereads >= FEWEST_TRIES { LATEST_REREAD } else { std::time::Duration::ZERO };
    let good_for = settings.max_observation_age.max(least);
    // An observation from the future was made under another clock, so its age is unknown.
    row.confirmed_at.is_none_or(|at| situation.now < at || situation.now > after(at, good_for))
}

fn budget_is_left(row: &RowState, settings: &Settings, situation: &Situation) -> bool {
    is_left_of(row.tries, settings, situation)
}

fn search_budget_is_left(row: &RowState, settings: &Settings, situation: &Situation) -> bool {
    is_left_of(row.searches, settings, situation)
}

fn is_left_of(tries: Tries, settings: &Settings, situation: &Situation) -> bool {
    tries.count < FEWEST_TRIES || tries.since.is_none_or(|since| situation.now < after(since, settings.settle_timeout))
}

fn after(at: Timestamp, duration: std::time::Duration) -> Timestamp {
    at.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod table;
