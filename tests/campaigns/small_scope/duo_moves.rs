//! Everything that can happen next to two rows. What is done at each step is the mirror of the workers and the feeder.

use keybatch::domain::{Class, Exchange, Failure, Operation, Shown};
use keybatch::execute::control::Control;
use keybatch::execute::decide::{Denial, FEWEST_TRIES, Step, decide};
use keybatch::record::event::{AttemptFinished, AttemptStarted, Event, Found, OperationPolled, Source};
use keybatch::record::plan::Verdict;

use super::duo::{Duo, FRESH_TICKS, Phase, Row, Told, at, check_sending};
use super::duo_sessions::{refuses, session_ends};
use super::duo_truth::Op;
use super::node::{in_vain, observed};
use super::truth::{Pair, Pending};

/// The moments that can follow.
///
/// Where a row only waits, searches or polls, the other one does not notice, whichever comes first, and a crash forgets
/// what that was in vain; so nothing is lost when it goes on alone.
pub(crate) fn all(duo: &Duo) -> Vec<Duo> {
    let of_row = |row: usize| meanwhile(duo, row).into_iter().chain(one(duo, &duo.control(row), row));
    let is_alone = |row: &usize| {
        let Row { state, phase, .. } = &duo.rows[*row];
        let step = || decide(state, &duo.settings, &duo.situation(&duo.control(*row), *row));
        *phase == Phase::Working && matches!(step(), Step::WaitUntil(_) | Step::Search { .. } | Step::Poll { .. })
    };
    let is_settled = duo.foreign == duo.scope.foreign && refuses(duo).is_none();
    if let Some(row) = (0..2).find(is_alone).filter(|_| is_settled) {
        return of_row(row).collect();
    }
    (0..2).flat_map(of_row).chain(session_ends(duo, &duo.control(0))).chain(refuses(duo)).collect()
}

/// What comes late, and what others do.
fn meanwhile(duo: &Duo, row: usize) -> Vec<Duo> {
    let truth = &duo.rows[row].truth;
    let mut next = Vec::new();
    if truth.late.is_some() {
        let mut late = duo.clone().said(|| format!("row {row}: the late effect comes"));
        late.rows[row].truth.late = None;
        late.rows[row].truth.execute(false);
        next.push(late);
    }
    for (index, op) in truth.ops.iter().enumerate().filter(|(_, op)| !op.ended && op.end != Pending::Never) {
        let mut ended =
            duo.clone().said(|| format!("row {row}: the operation of attempt {} ends: {:?}", op.attempt, op.end));
        ended.rows[row].truth.ops[index].ended = true;
        if op.end == Pending::Succeeds {
            ended.rows[row].truth.execute(op.hidden);
        }
        next.push(ended);
    }
    if duo.foreign < duo.scope.foreign {
        for pair in [Pair::Nobody, Pair::Another] {
            let mut acted = duo.clone().said(|| format!("row {row}: somebody else: now {pair:?}"));
            acted.foreign += 1;
            let truth = &mut acted.rows[row].truth;
            truth.deleted |= truth.pair != Pair::Nobody && truth.sent;
            truth.pair = pair;
            next.push(acted);
        }
    }
    next
}

/// What a row does next, in each way in which it can turn out.
fn one(duo: &Duo, control: &Control, row: usize) -> Vec<Duo> {
    match duo.rows[row].phase {
        Phase::Left => Vec::new(),
        Phase::Waiting => taken_up(duo, control, row),
        Phase::InFlight => answers(duo, row),
        Phase::Holding => held(duo, control, row),
        Phase::Working => work(duo, control, row),
    }
}

/// The feeder takes a row up, or leaves it where the session stops.
fn taken_up(duo: &Duo, control: &Control, row: usize) -> Vec<Duo> {
    let target = duo.scope.targets[row];
    let state = &duo.rows[row].state;
    if state.verdict != Verdict::Delete {
        let Step::Settle(outcome, evidence) = decide(state, &duo.settings, &duo.situation(control, row)) else {
            panic!("the plan settles it");
        };
        return vec![duo.clone().tell(Told::Entered(target)).settle(row, outcome, evidence)];
    }
    let untouched = state.attempts == 0;
    if control.is_stopping(target) && untouched {
        return vec![phase(duo.clone(), row, Phase::Left)];
    }
    // Rows of which a request may have left go first.
    let other = &duo.rows[1 - row];
    let behind = other.phase == Phase::Waiting && other.state.attempts > 0 && duo.scope.targets[1 - row] == target;
    let full = duo.places_taken() >= duo.scope.concurrency;
    if (untouched && behind) || (full && !control.is_stopping(target)) {
        return Vec::new();
    }
    let mut next = phase(duo.clone(), row, Phase::Working).tell(Told::Entered(target));
    next.rows[row].place = !control.is_stopping(target);
    let all = (0..2).all(|one| duo.scope.targets[one] != target || next.rows[one].phase != Phase::Waiting);
    if all && !control.is_stopping(target) {
        next = next.tell(Told::Fed(target));
    }
    vec![next.said(|| format!("row {row} is taken up"))]
}

fn phase(mut duo: Duo, row: usize, phase: Phase) -> Duo {
    let one = &mut duo.rows[row];
    one.phase = phase;
    one.place &= phase != Phase::Left;
    duo
}

fn leave(duo: Duo, row: usize) -> Duo {
    let target = duo.scope.targets[row];
    phase(duo, row, Phase::Left).said(|| format!("row {row} is left")).tell(Told::Left(target))
}

fn held(duo: &Duo, control: &Control, row: usize) -> Vec<Duo> {
    let target = duo.scope.targets[row];
    if duo.denial(control, row) == Denial::Unknown && !control.is_stopping(target) {
        return Vec::new();
    }
    let next = phase(duo.clone(), row, Phase::Working).tell(Told::Holds(target, false));
    let unclear = next.denial(&next.control(row), row) == Denial::Unknown;
    vec![if unclear { leave(next, row) } else { next }]
}

fn work(duo: &Duo, control: &Control, row: usize) -> Vec<Duo> {
    let target = duo.scope.targets[row];
    let stopping = control.is_stopping(target);
    match decide(&duo.rows[row].state, &duo.settings, &duo.situation(control, row)) {
        Step::Done => panic!("a settled row is worked on"),
        Step::Settle(outcome, evidence) => {
            check_denial(duo, control, row, outcome);
            vec![duo.clone().settle(row, outcome, evidence)]
        }
        Step::Stop(cause) => {
            vec![leave(
                duo.clone()
                    .said(|| format!("row {row} stops its target: {cause:?}"))
                    .tell(Told::Stopped(target, cause)),
                row,
            )]
        }
        Step::Hold => vec![phase(duo.clone(), row, Phase::Holding).tell(Told::Holds(target, true))],
        Step::WaitUntil(_) => vec![duo.clone().said(|| format!("row {row} waits")).later(row, 1)],
        Step::WaitOut(_) => panic!("nothing is waited for"),
        Step::Send { .. } if stopping => vec![leave(duo.clone(), row)],
        Step::Send { .. } => send(duo, control, row),
        Step::Read { .. } if stopping && !duo.rows[row].state.unread => vec![leave(duo.clone(), row)],
        Step::Read { .. } => read(duo, row),
        Step::Search { .. } => search(duo, row),
        Step::Poll { .. } => poll(duo, row),
    }
}

/// P40: a denial is a row's failure only where others are not denied, or no other is left to tell.
fn check_denial(duo: &Duo, control: &Control, row: usize, outcome: keybatch::domain::Outcome) {
    let last = duo.rows[row].state.last.as_ref().and_then(|last| last.answer.as_ref());
    if outcome == keybatch::domain::Outcome::Failed && last.is_some_and(|answer| answer.class == Class::Denied) {
        let target = duo.scope.targets[row];
        let otherwise = duo.told.iter().any(|told| match told {
            Told::Answered(one, class, _) => {
                *one == target
                    && matches!(
                        class,
                        Class::Succeeded | Class::Pending | Class::OperationFailed | Class::NotFound | Class::Refused
                    )
            }
            _ => false,
        });
        let other = &duo.rows[1 - row];
        // One that was refused for everyone waits itself for what the others show.
        let was_denied = other
            .state
            .last
            .as_ref()
            .and_then(|last| last.answer.as_ref())
            .is_some_and(|answer| matches!(answer.class, Class::Denied | Class::RefusedForAll));
        let is_out =
            duo.scope.targets[1 - row] != target || matches!(other.phase, Phase::Left | Phase::Holding) || was_denied;
        duo.must(otherwise || is_out, "P40: denied alone, while another row could tell");
        duo.must(control.denial(target) == Denial::ThisItem, "P40: a failure by denial without its reason");
    }
}

fn send(duo: &Duo, control: &Control, row: usize) -> Vec<Duo> {
    let scope = &duo.scope;
    let state = &duo.rows[row].state;
    let full = !duo.rows[row].place && duo.places_taken() >= scope.concurrency;
    if state.attempts >= scope.attempts[row] || full {
        return Vec::new();
    }
    // The queue may be so long that what was seen is too old when its turn comes; not where the row goes directly from
    // its reading to its request.
    let queues = state.rereads < FEWEST_TRIES;
    let queued = duo.clone().said(|| format!("row {row} queues for long")).later(row, FRESH_TICKS + 1);
    let mut duo = duo.clone();
    duo.rows[row].place = true;
    if !duo.rows[row].asked {
        let may = control.may_ask();
        duo = duo.tell(Told::Asked);
        if !may {
            return vec![leave(duo.said(|| "--max-deletes is reached".into()), row)];
        }
    }
    let attempt = duo.rows[row].state.attempts + 1;
    let mut begun = duo.said(|| format!("row {row}: attempt {attempt}"));
    check_sending(&begun, row);
    let started = AttemptStarted { attempt };
    begun.rows[row].state.apply(0, at(begun.now[row]), &Event::AttemptStarted(started));
    begun.rows[row].asked = true;
    std::iter::once(phase(begun, row, Phase::InFlight)).chain(queues.then_some(queued)).collect()
}

/// What can become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Nothing,
    Now,
    Late,
    Op(Pending),
}

pub(crate) fn fates(every: bool, pair: Pair) -> Vec<(Class, Fate)> {
    use Class::{
        Denied, NotFound, NotSent, OperationFailed, Pending as Unfinished, Refused, RefusedForAll, SetupInProgress,
        Succeeded, Throttled, Unanswered,
    };
    let mut fates: Vec<_> = [Throttled, NotSent, Denied, RefusedForAll, Refused].map(|one| (one, Fate::Nothing)).into();
    if every {
        fates.push((SetupInProgress, Fate::Nothing));
    }
    if pair == Pair::Nobody {
        fates.extend([(NotFound, Fate::Nothing), (Unanswered, Fate::Nothing)]);
        return fates;
    }
    // A late effect may come at once, or never.
    fates.extend([(Unanswered, Fate::Late), (Succeeded, Fate::Now), (OperationFailed, Fate::Nothing)]);
    // An operation that never ends is decided upon like one that takes too long to end.
    let ends = &[Pending::Succeeds, Pending::Fails, Pending::Never][..if every { 3 } else { 2 }];
    fates.extend(ends.iter().flat_map(|end| [(Unanswered, Fate::Op(*end)), (Unfinished, Fate::Op(*end))]));
    fates
}

pub(crate) fn befall(duo: &mut Duo, row: usize, fate: Fate) {
    let (now, attempt) = (duo.now[row], duo.rows[row].state.attempts);
    let truth = &mut duo.rows[row].truth;
    (truth.sent, truth.sure) = (true, false);
    match fate {
        Fate::Nothing => {}
        Fate::Now => truth.execute(false),
        Fate::Late => truth.late = Some(now + 1),
        Fate::Op(end) => truth.ops.push(Op { attempt, end, ended: false, hidden: false }),
    }
}

/// An answer comes, and is written down.
fn answers(duo: &Duo, row: usize) -> Vec<Duo> {
    let target = duo.scope.targets[row];
    let attempt = duo.rows[row].state.attempts;
    let was_sure = duo.rows[row].truth.sure;
    let answer = |(class, fate): (Class, Fate)| {
        let mut next = duo.clone().said(|| format!("row {row}: {class:?}, {fate:?}"));
        befall(&mut next, row, fate);
        next.rows[row].truth.sure = was_sure && class.is_refusal_before_execution();
        let operation = Operation { id: Some(attempt.to_string()), ..Operation::default() };
        let finished = AttemptFinished {
            attempt,
            class,
            exchange: Exchange::default(),
            shown: Shown::of((class == Class::Pending).then_some(operation), &Exchange::default()),
            failure: Failure::default(),
            outcome: None,
            evidence: None,
            detail: None,
        };
        next.rows[row].state.apply(0, at(next.now[row]), &Event::AttemptFinished(Box::new(finished)));
        next.rows[row].place &= matches!(class, Class::Unanswered | Class::Pending);
        phase(next, row, Phase::Working).tell(Told::Answered(target, class, duo.now))
    };
    if duo.is_refused(row) {
        return vec![answer((Class::RefusedForAll, Fate::Nothing))];
    }
    fates(duo.scope.every_answer, duo.rows[row].truth.pair).into_iter().map(answer).collect()
}

fn read(duo: &Duo, row: usize) -> Vec<Duo> {
    let truth = match duo.rows[row].truth.pair {
        Pair::Original => Found::Same,
        Pair::Another => Found::Other,
        Pair::Nobody => Found::NotFound,
    };
    let mut findings = vec![truth, Found::NoAnswer, Found::Denied];
    if duo.scope.every_answer {
        findings.push(Found::RefusedForAll);
    }
    if duo.is_refused(row) {
        findings = vec![Found::RefusedForAll];
    }
    let reading = |found: Found| {
        let mut next = duo.clone().said(|| format!("row {row} is read: {found:?}"));
        next = next.told_by(row, found == Found::NoAnswer, |now| observed(Source::GetKeyPair, found, now));
        if found != truth {
            return next;
        }
        next.rows[row].truth.sure = found == Found::Same;
        next.tell(Told::Read(duo.scope.targets[row], duo.now))
    };
    // Only another session makes a difference of it.
    let unconnected = || {
        let next = duo.clone().said(|| format!("row {row} cannot be connected to"));
        next.told_by(row, true, |now| in_vain(Source::GetKeyPair, false, now))
    };
    let cut_off = (duo.scope.sessions > 0 && !duo.is_refused(row)).then(unconnected);
    findings.into_iter().map(reading).chain(cut_off).collect()
}

fn search(duo: &Duo, row: usize) -> Vec<Duo> {
    let truth = &duo.rows[row].truth;
    let open = truth.ops.iter().find(|op| !op.ended);
    let mut findings = vec![(Found::NoAnswer, None), (Found::Denied, None)];
    // Of what is not there any more the service may say nothing.
    if truth.pair != Pair::Original || open.is_none() {
        findings.push((Found::NoOperation, None));
    }
    findings.extend(open.map(|op| (Found::Unfinished, Some(op.attempt))));
    if truth.deleted {
        findings.push((Found::Operation, None));
    }
    if duo.is_refused(row) {
        findings = vec![(Found::RefusedForAll, None)];
    }
    let searching = |(found, attempt): (Found, Option<u32>)| {
        let mut next = duo.clone().said(|| format!("row {row}: the history shows {found:?} {attempt:?}"));
        let mut event = observed(Source::GetOperationsForResource, found, at(duo.now[row]));
        if let (Event::Observed(seen), Some(attempt)) = (&mut event, attempt) {
            seen.operation = Some(Operation { id: Some(attempt.to_string()), ..Operation::default() });
        }
        next = next.told_by(row, found == Found::NoAnswer, |_| event.clone());
        let hidden = matches!(found, Found::NoAnswer | Found::Denied);
        next.rows[row].truth.ops.iter_mut().filter(|op| !op.ended).for_each(|op| op.hidden = hidden);
        next
    };
    let unconnected = || {
        let mut next = duo.clone().said(|| format!("the history of row {row} cannot be connected to"));
        next = next.told_by(row, true, |now| in_vain(Source::GetOperationsForResource, false, now));
        next.rows[row].truth.ops.iter_mut().filter(|op| !op.ended).for_each(|op| op.hidden = true);
        next
    };
    let cut_off = (duo.scope.sessions > 0 && !duo.is_refused(row)).then(unconnected);
    findings.into_iter().map(searching).chain(cut_off).collect()
}

fn poll(duo: &Duo, row: usize) -> Vec<Duo> {
    let Row { state, truth, .. } = &duo.rows[row];
    let asked_for = state.operation_id().unwrap_or_default().to_owned();
    let op = truth.ops.iter().find(|op| op.attempt.to_string() == asked_for);
    duo.must(op.is_some(), "an operation is asked for that there is not");
    let class = match op {
        Some(Op { ended: true, end: Pending::Succeeds, .. }) => Class::Succeeded,
        Some(Op { ended: true, .. }) => Class::OperationFailed,
        _ => Class::Pending,
    };
    let mut classes = vec![class];
    if duo.scope.every_answer {
        classes.extend([Class::Unanswered, Class::RefusedForAll]);
    }
    if duo.is_refused(row) {
        classes = vec![Class::RefusedForAll];
    }
    let polling = |class: Class| {
        let next = duo.clone().said(|| format!("row {row} is polled: {class:?}"));
        let polled = OperationPolled {
            operation_id: asked_for.clone(),
            class,
            requests: 1,
            throttled: 0,
            exchange: Exchange::default(),
            shown: Shown::default(),
            failure: Failure::default(),
        };
        let waits = matches!(class, Class::Pending | Class::Unanswered);
        next.told_by(row, waits, |_| Event::OperationPolled(Box::new(polled.clone())))
    };
    classes.into_iter().map(polling).collect()
}
