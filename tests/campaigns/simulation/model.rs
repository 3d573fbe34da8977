//! The naive model: what must hold of each request when it leaves, of each entry when it becomes durable, and of a
//! life when it is over. It reads the true world and the plain entries, and knows nothing of how rows are decided.

use jiff::{SignedDuration, Timestamp};
use keybatch::domain::{Cause, Class, Evidence, Outcome, OutcomeCounts};
use keybatch::record::Entry;
use keybatch::record::event::{Event, Found, Source};
use keybatch::record::plan::Verdict;

use super::fate::Fate;
use super::ledger::{Row, Sim};
use super::time::{SimTime, Us, service_time};
use super::world::{By, Request, Resource};

/// By how much the service's clock may differ where an operation is claimed: whole seconds, and a tolerance.
const CLAIMED_EARLY: SignedDuration = SignedDuration::from_millis(1_200);
const CLAIMED_LATE: SignedDuration = SignedDuration::from_millis(200);

/// When a request is dead that a lost entry may have asked for: the longest default timeout, and its grace.
const LOST_DEAD: SignedDuration = SignedDuration::from_secs(40);

/// How long a request may take to leave after it was decided: commits, which may take seconds each
/// and stand before its own, and the queue of the pacer.
const SLACK: SignedDuration = SignedDuration::from_secs(60);

/// A delete of this resource is about to leave. Returns the attempt that it belongs to, and how long ago that was
/// written down.
pub(crate) fn before_sending(sim: &mut Sim, index: usize, now: Us, time: &SimTime) -> (u32, Us) {
    let Some(row) = sim.ledger.rows.get(index).cloned() else {
        sim.world.breaks(format!("a delete of resource {index}, which is not in the plan"));
        return (0, 0);
    };
    let shown = time.shown(now);
    let (faults, attempt) = faults_of_sending(sim, index, &row, (now, shown));
    faults.into_iter().for_each(|what| sim.world.breaks(format!("row {}: {what}", index + 1)));
    let stalled = row.attempts.last().map_or(0, |last| shown.duration_since(last.at).as_micros());
    let stalled = Us::try_from(stalled).unwrap();
    // A grace, and the grain of the simulated timers. A session that finds nothing but the start counts on it.
    if stalled > sim.world.start_limit + 2_000 {
        sim.world.breaks(format!("I3: row {}: a delete leaves {stalled} us after its start was written", index + 1));
    }
    (attempt, stalled)
}

#[expect(clippy::too_many_lines, reason = "one demand after the other")]
fn faults_of_sending(sim: &Sim, index: usize, row: &Row, (now, shown): (Us, Timestamp)) -> (Vec<String>, u32) {
    let world = &sim.world;
    let resource = &world.resources[index];
    let mut faults = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            faults.push(what.to_owned());
        }
    };
    must(row.verdict == Verdict::Delete, "the plan does not say to delete it");
    let is_said = sim.paper.as_ref().is_none_or(|paper| paper.deletes(index));
    must(is_said, "the plan's file does not say to delete it");
    must(row.settled.is_none(), "a delete leaves after the row was settled");
    must(!resource.is_recreated, "I4: a delete leaves for a key pair that was re-created since this manifest was run");
    // I1: its own attempt is durable, and no earlier request belongs to that one.
    let last = row.attempts.last();
    let attempt = last.map_or(0, |attempt| attempt.number);
    must(last.is_some_and(|attempt| attempt.finished.is_none()), "I1: a delete leaves without a durable start");
    let by = last.and_then(|attempt| sim.ledger.numbers.get(&attempt.session?));
    must(by == Some(&world.session), "I1: a delete leaves whose start another session wrote");
    // A runner's request is dead before its leases can lapse. Timers have a grain.
    let runner = sim.tenancy.runner(world.session);
    must(
        runner.is_none_or(|one| one.until + 2_000 >= now + world.dead_after),
        "a delete leaves that outlives the lease",
    );
    let requests = resource.requests.iter().map(|number| &world.requests[*number]);
    must(requests.clone().all(|request| request.attempt < attempt), "I1: two deletes for one attempt");
    // I3: nothing of an earlier one is still to come, unless the service would not say what is.
    for request in requests.clone() {
        must(
            request.outstanding == 0 || is_unsearchable(row, request),
            "I3: a delete leaves while an earlier one may still take effect",
        );
        let waiting = request.session == world.session && request.delivered.is_none();
        must(!waiting, "I3: a delete leaves while an earlier one has no answer");
    }
    // Nothing that another run asked for is still to come, unless the service would not say so, or somebody said otherwise.
    let mut earlier = resource.earlier.iter().map(|number| &world.requests[*number]);
    let has_ended = |request: &Request| request.outstanding == 0 || is_out_of_reach(sim, index, request);
    must(earlier.all(has_ended), "I3: a delete leaves while one of another run may still act");
    // What was lost with entries counts as one more attempt without an answer.
    let lost = resource.lost.iter().map(|number| &world.requests[*number]);
    must(lost.clone().all(|request| request.outstanding == 0), "I3: a delete leaves while a lost one may still act");
    if let Some((accepted, _)) = row.lost.last() {
        let read = row.looks.iter().any(|(seq, _, found)| seq > accepted && *found == Found::Same);
        must(read, "I4: nobody read the key pair after entries were lost");
    }
    must(
        lost.map(|request| request.last_event).all(|at| at <= resource.last_same),
        "I4: read before a lost one was dead",
    );
    must(
        resource.lost.is_empty() || !row.lost.is_empty(),
        "I12: a delete leaves before the loss of entries is accepted",
    );
    // I4: what is known of the key pair is that it is the planned one.
    let known = match &resource.last_read {
        Some((_, identity)) => identity.is_some() && *identity == resource.planned,
        None => row.looks.iter().rev().find_map(|(_, _, found)| is_same(*found)).unwrap_or(true),
    };
    must(known, "I4: a delete leaves though the key pair was last seen to be another one or gone");
    // I4: after an attempt that may have had an effect, it was read again, later than that effect can have come.
    let earlier = row.attempts.len().saturating_sub(1);
    for attempt in &row.attempts[..earlier] {
        let harmless = attempt.finished.as_ref().is_some_and(|(class, _)| class.is_refusal_before_execution());
        if harmless {
            continue;
        }
        let read = row.looks.iter().any(|(seq, _, found)| *seq > attempt.seq && *found == Found::Same);
        must(read, "I4: nobody read the key pair after an attempt that may have had an effect");
        let request = requests.clone().find(|request| request.attempt == attempt.number);
        let later =
            request.is_none_or(|request| request.last_event <= resource.last_same || is_unsearchable(row, request));
        must(later, "I4: the key pair was read before an earlier attempt was dead");
    }
    if row.looks.is_empty() {
        let at = row.observed_at.unwrap_or(Timestamp::MIN);
        let old = sim.max_age.saturating_add(SLACK);
        let fresh = at <= shown && shown.duration_since(at) <= old;
        must(fresh, "I4: the plan's observation is too old to rest upon");
    }
    (faults, attempt)
}

/// Whether a request of an earlier run left an operation of which this one cannot know that it has not ended: the journal lost it,
/// each run that asked for the key pair knows what became of it, or the history was denied or not answered.
fn is_out_of_reach(sim: &Sim, index: usize, request: &Request) -> bool {
    if !matches!(request.fate, Fate::Pending(_) | Fate::PendingUnknown(_)) {
        return false;
    }
    let mut asked = sim.ledger.earlier_rows(index).filter(|row| !row.attempts.is_empty());
    let is_clear = |row: &Row| !matches!(row.outcome(), None | Some(Outcome::InDoubt | Outcome::Gone));
    let last = sim.ledger.rows.get(index).and_then(|row| row.searches.last()).map(|(_, found)| *found);
    let is_unsearchable = matches!(last, Some(Found::Denied | Found::NoAnswer));
    sim.world.resources[index].is_forgotten
        || asked.any(is_clear)
        || (request.delivered != Some(Class::Pending) && is_unsearchable)
}

/// Whether a request left an operation that is not terminal, and the history of it could not be had: it was asked for, and
/// denied or not answered. Then the same identity is enough for another attempt.
fn is_unsearchable(row: &Row, request: &Request) -> bool {
    let of_it = |attempt: &&super::ledger::Attempt| attempt.number == request.attempt;
    let Some(attempt) = row.attempts.iter().find(of_it) else { return false };
    let next = row.attempts.iter().find(|later| later.number > request.attempt).map_or(usize::MAX, |next| next.seq);
    let mut searches = row.searches.iter().filter(|(seq, _)| (attempt.seq..next).contains(seq));
    let last = searches.next_back().map(|(_, found)| *found);
    let pends = matches!(request.fate, Fate::Pending(_) | Fate::PendingUnknown(_));
    pends && request.delivered != Some(Class::Pending) && matches!(last, Some(Found::Denied | Found::NoAnswer))
}

fn is_same(found: Found) -> Option<bool> {
    match found {
        Found::Same => Some(true),
        Found::Other | Found::NotFound => Some(false),
        _ => None,
    }
}

/// An entry became durable.
pub(crate) fn recorded(sim: &mut Sim, entry: &Entry) {
    let Some(index) = entry.row.and_then(|row| usize::try_from(row - 1).ok()) else {
        match &entry.event {
            Event::RunFinished(finished) => conservation(sim, finished.rows, &finished.outcomes),
            Event::ManifestIngested(_) => sim.days.clear(),
            Event::RunStarted(started) => begins(sim, &started.plan_root, entry.at),
            _ => {}
        }
        return;
    };
    let Some(row) = sim.ledger.rows.get(index).cloned() else { return };
    let broken = match &entry.event {
        Event::IntentRecorded(intent) => {
            super::plan::planned(sim, index, intent);
            None
        }
        Event::RowSettled(settled) => {
            let resource = &sim.world.resources[index];
            let holds = holds_now(sim, resource, &row, settled.outcome, settled.evidence);
            let (outcome, evidence) = (settled.outcome, settled.evidence);
            (!holds).then(|| format!("I5: row {} ends {outcome}/{evidence:?}, which is not so", index + 1))
        }
        Event::AnswerLate(late) => {
            let request = sim.world.of_run(index).find(|one| one.attempt == late.attempt);
            let same = request.is_some_and(|one| one.delivered == Some(late.class) && one.session == sim.world.session);
            (!same).then(|| format!("I8: row {}: the late answer recorded is not the one that came", index + 1))
        }
        Event::AttemptFinished(finished) if finished.failure.cause == Some(Cause::StartedLate) => {
            let left = sim.world.of_run(index).any(|one| one.attempt == finished.attempt);
            left.then(|| format!("I8: row {}: a request left that is recorded as not sent", index + 1))
        }
        Event::AttemptFinished(finished) => {
            let request = sim.world.of_run(index).find(|one| one.attempt == finished.attempt);
            let same = request.is_some_and(|request| request.delivered == Some(finished.class));
            let number =
                request.and_then(|request| request.operation.filter(|_| same && finished.class == Class::Pending));
            number.into_iter().for_each(|op| sim.world.ops[op].acknowledged = true);
            let resource = &sim.world.resources[index];
            let lies = |(outcome, evidence)| !holds_now(sim, resource, &row, outcome, evidence);
            match finished.settled() {
                _ if !same => Some(format!("I8: row {}: the answer recorded is not the one that came", index + 1)),
                Some(settled) if lies(settled) => {
                    Some(format!("I5: row {} ends {settled:?}, which is not so", index + 1))
                }
                _ => None,
            }
        }
        Event::Observed(seen) if seen.source == Source::GetKeyPair => {
            let shown = sim.world.resources[index].last_read.as_ref().map(|(_, identity)| identity);
            let planned = &sim.world.resources[index].planned;
            let same = match (seen.found, shown) {
                (Found::Same, Some(shown)) => shown.is_some() && shown == planned,
                (Found::Other, Some(shown)) => shown.is_some() && shown != planned,
                (Found::NotFound, Some(shown)) => shown.is_none(),
                (Found::Same | Found::Other | Found::NotFound, None) => false,
                _ => true,
            };
            (!same).then(|| format!("I8: row {}: the reading recorded is not what was shown", index + 1))
        }
        _ => None,
    };
    broken.into_iter().for_each(|what| sim.world.breaks(what));
}

/// The run was started: by the plan's file, if it executes one, once, in time, and approved.
fn begins(sim: &mut Sim, root: &str, at: Timestamp) {
    super::plan::started(sim);
    let Some(paper) = sim.paper.clone() else { return };
    let approved = sim.ledger.runs.last().map_or(0, |run| run.approved.len());
    let mut must = |holds: bool, what: &str| {
        if !holds {
            sim.world.breaks(format!("a plan's file: {what}"));
        }
    };
    must(paper.root == root, "the run begins with another plan");
    must(at < paper.expires_at.saturating_add(SLACK).unwrap(), "the run begins after it expired");
    must(approved >= paper.signed.required, "too few people approved it");
    must(approved == paper.signed.count(), "not all approvals that count are in the journal");
    must(sim.used_plans.insert(paper.header.plan_id.clone()), "it is executed for the second time");
}

/// I10, by counting.
fn conservation(sim: &mut Sim, rows: u64, outcomes: &OutcomeCounts) {
    let counted = sim.ledger.counted();
    if counted != *outcomes || outcomes.total() != rows || rows != sim.ledger.rows.len() as u64 {
        sim.world.breaks(format!("I10: {rows} rows, {outcomes:?} recorded, {counted:?} counted"));
    }
}

/// Whether an outcome is true at the moment at which it becomes durable.
fn holds_now(sim: &Sim, resource: &Resource, row: &Row, outcome: Outcome, evidence: Evidence) -> bool {
    let removed = resource.original_removed;
    let ours = matches!(removed, Some((_, By::Us(_))));
    let requests = || resource.requests.iter().map(|number| &sim.world.requests[*number]);
    // As far as the journal says: an attempt without an answer may have acted.
    let acted = !row.lost.is_empty()
        || row.attempts.iter().any(|attempt| {
            let class = attempt.finished.as_ref().map(|(class, _)| *class);
            class.is_none_or(|class| {
                matches!(class, Class::Succeeded | Class::Pending | Class::OperationFailed | Class::Unanswered)
            })
        });
    let answered = |class: Class| requests().next_back().is_some_and(|request| request.delivered == Some(class));
    match (outcome, evidence) {
        (Outcome::Deleted, Evidence::Answer) => {
            answered(Class::Succeeded)
                && removed.is_some()
                && requests().next_back().is_some_and(|r| r.effect.is_some())
        }
        (Outcome::Deleted, Evidence::Operation) => removed.is_some() && claimable(sim, resource, row),
        // Nothing is gone by what was only ever refused.
        (Outcome::Gone, Evidence::Readback) => removed.is_some() && acted,
        (Outcome::Absent, Evidence::Answer | Evidence::Inventory) => match row.verdict {
            Verdict::Delete => removed.is_some() && !ours && !acted,
            _ => row.attempts.is_empty(),
        },
        (Outcome::Skipped, Evidence::Note) => {
            let untouched = row.attempts.is_empty() && requests().next().is_none() && row.lost.is_empty();
            untouched || (removed.is_some() && !ours && !acted)
        }
        (Outcome::Failed, Evidence::Answer) => {
            !ours
                && [Class::Refused, Class::Denied, Class::RefusedForAll, Class::Throttled, Class::SetupInProgress]
                    .into_iter()
                    .any(|class| {
                        row.attempts
                            .last()
                            .and_then(|last| last.finished.as_ref())
                            .is_some_and(|(last, _)| *last == class)
                    })
        }
        (Outcome::Failed, Evidence::Readback | Evidence::Operation) => {
            let seen_last = requests().filter(|request| request.delivered.is_some()).all(|request| {
                request.last_event <= resource.last_same
                    || request.delivered.is_some_and(Class::is_refusal_before_execution)
            });
            // A ghost may still act: what was seen is true of the moment at which it was seen.
            let haunted = requests().any(|request| sim.world.is_ghost(request));
            (!ours || haunted) && seen_last && removed.is_none_or(|(at, _)| at >= resource.last_same)
        }
        (Outcome::InDoubt, Evidence::Tried) => !row.attempts.is_empty() || !row.lost.is_empty(),
        _ => false,
    }
}

/// Whether an operation that deleted this name was there to be found, inside of an attempt's window.
fn claimable(sim: &Sim, resource: &Resource, row: &Row) -> bool {
    let dead = SignedDuration::from_micros(sim.world.dead_after);
    sim.world.ops.iter().any(|op| {
        let other = &sim.world.resources[op.resource];
        let is_its = other.is_in(&resource.account, &resource.region) && other.name == resource.name;
        let of_it = is_its && op.operation.has_succeeded();
        // Named by an answer of ours, and asked for by its id.
        let of_run = op.request.filter(|number| resource.requests.contains(number));
        let named = of_run.is_some_and(|number| sim.world.requests[number].delivered.is_some());
        let created = service_time(op.created);
        // That a throttled request is not executed is not documented.
        let refused = |class: Class| class.is_refusal_before_execution() && class != Class::Throttled;
        let risky = row.attempts.iter().filter(|one| !one.finished.as_ref().is_some_and(|(class, _)| refused(*class)));
        let inside = risky.into_iter().any(|attempt| {
            let from = attempt.at.saturating_sub(CLAIMED_EARLY).unwrap();
            // The operation that an answer named is the only one that can be ours, and none is younger than its answer.
            if attempt.finished.is_some_and(|(class, _)| class == Class::Pending) {
                return false;
            }
            let answered = attempt.finished.filter(|(class, _)| *class != Class::Unanswered).map(|(_, at)| at);
            let to = answered.unwrap_or_else(|| attempt.at.saturating_add(dead).unwrap());
            (from..=to.saturating_add(CLAIMED_LATE).unwrap()).contains(&created)
        });
        let since_lost = row.lost.iter().any(|(_, at)| {
            let to = at.saturating_add(LOST_DEAD.saturating_add(CLAIMED_LATE)).unwrap();
            (at.saturating_sub(CLAIMED_EARLY).unwrap()..=to).contains(&created)
        });
        of_it && (named || inside || since_lost)
    })
}

/// What must be true once everything that was on its way has come.
pub(crate) fn at_the_end(sim: &mut Sim, quiet: bool) {
    let mut broken = Vec::new();
    for (index, row) in sim.ledger.rows.iter().enumerate() {
        let resource = &sim.world.resources[index];
        let Some((outcome, evidence)) = row.settled else {
            broken.push(format!("row {} has no outcome", index + 1));
            continue;
        };
        let requests = || resource.requests.iter().map(|number| &sim.world.requests[*number]);
        let effective = resource.requests.iter().any(|number| sim.world.requests[*number].effect.is_some());
        let removed_by_us = matches!(resource.original_removed, Some((_, By::Us(_))));
        let holds = match outcome {
            Outcome::Deleted | Outcome::Gone => resource.original_removed.is_some(),
            Outcome::Failed => {
                !removed_by_us || requests().any(|request| is_unsearchable(row, request) || sim.world.is_ghost(request))
            }
            Outcome::Absent => !removed_by_us,
            Outcome::Skipped => {
                let was_changed = resource.original_removed.is_some() && !removed_by_us;
                was_changed || (resource.requests.is_empty() && !effective)
            }
            Outcome::InDoubt => true,
        };
        if !holds {
            broken.push(format!("I5: row {} ended {outcome}/{evidence:?}, which proved wrong", index + 1));
        }
        let numbers = resource.requests.iter();
        // Even in a quiet life an answer may take longer than it may take.
        let late = numbers.into_iter().any(|number| sim.world.requests[*number].delivered == Some(Class::Unanswered));
        if quiet && !late {
            let expected = match row.verdict {
                Verdict::Delete => (Outcome::Deleted, Evidence::Answer),
                Verdict::Skip => (Outcome::Skipped, Evidence::Note),
                Verdict::Absent => (Outcome::Absent, Evidence::Inventory),
            };
            if (outcome, evidence) != expected || resource.requests.len() > 1 {
                broken.push(format!("row {} ended {outcome}/{evidence:?} in a quiet life", index + 1));
            }
        }
    }
    broken.into_iter().for_each(|what| sim.world.breaks(what));
}
