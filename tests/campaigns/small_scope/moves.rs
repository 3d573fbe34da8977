//! Everything that can happen next.

use std::time::Duration;

use keybatch::domain::{Class, Exchange, Failure, Operation, Shown};
use keybatch::execute::decide::{Denial, FEWEST_TRIES, Step, decide};
use keybatch::record::event::{AttemptFinished, AttemptStarted, Event, Found, OperationPolled, Source};

use super::again::{self, Run};
use super::lost;
use super::node::{Bounds, Node, in_vain, observed};
use super::truth::{Pair, Pending};

/// The nodes that can follow.
pub(crate) fn all(node: &Node) -> Vec<Node> {
    let mut next = if node.run == Run::Between { again::between(node) } else { of_session(node) };
    lost::with_copies(node, &mut next);
    next.extend(lost::put_back(node));
    next
}

/// What can follow while a session works.
fn of_session(node: &Node) -> Vec<Node> {
    if node.is_settled() {
        return again::left(node).into_iter().collect();
    }
    let mut next = meanwhile(node);
    match decide(&node.state, &node.settings, &node.situation()) {
        Step::Done => {}
        Step::Settle(outcome, evidence) => {
            next.push(node.clone().told(format!("settled {outcome}/{evidence:?}")).settle(outcome, evidence));
        }
        Step::Stop(cause) => next.extend(crash(node.clone().told(format!("stopped: {cause:?}")))),
        Step::Hold => {
            for denial in [Denial::ThisItem, Denial::Everything] {
                next.push(Node { denial, ..node.clone() }.told(format!("{denial:?} is denied")));
            }
        }
        Step::WaitUntil(at) => {
            let mut node = node.clone().told("waits");
            if node.truth.late.is_some_and(|late| late <= at) {
                // It never came after all; that it does come is among what happens meanwhile.
                node.truth.late = None;
            }
            node.truth.now = at;
            next.push(node);
        }
        Step::WaitOut(at) => {
            let mut node = node.clone().told("waits for what may still be delivered");
            // It never came after all.
            node.truth.ghost = node.truth.ghost.filter(|until| *until > at);
            node.truth.late = node.truth.late.filter(|until| *until > at);
            node.truth.now = at;
            next.push(node);
        }
        Step::Send { .. } => next.extend(send(node)),
        Step::Read { .. } => next.extend(read(node)),
        Step::Search { .. } => next.extend(search(node)),
        Step::Poll { .. } => next.extend(poll(node)),
    }
    next
}

/// What others do, and what comes late.
pub(crate) fn meanwhile(node: &Node) -> Vec<Node> {
    let mut next = Vec::new();
    if node.truth.late.is_some() {
        let mut late = node.clone().told("the late effect comes");
        late.truth.late = None;
        late.execute(node.truth.now);
        next.push(late);
    }
    if node.truth.ghost.is_some_and(|until| node.truth.now < until) {
        let mut late = node.clone().told("a request is delivered whose client has given it up");
        late.truth.ghost = None;
        late.truth.by_ghost |= late.truth.pair == Pair::Original;
        late.execute(node.truth.now);
        next.push(late);
    }
    if node.truth.due {
        let mut ended = node.clone().told("the operation takes effect");
        ended.truth.due = false;
        if ended.bounds.is_exact() && ended.truth.pair == Pair::Nobody {
            // It succeeds all the same.
            ended.truth.deleted_at.push(node.truth.due_since);
        }
        ended.execute(node.truth.due_since);
        next.push(ended);
    }
    if node.truth.earlier_op && node.truth.pair == Pair::Original {
        let mut ended = node.clone().told("the operation of an earlier run takes effect");
        ended.truth.earlier_op = false;
        ended.truth.pair = Pair::Nobody;
        next.push(ended);
    }
    if node.foreign < node.bounds.foreign {
        for pair in [Pair::Nobody, Pair::Another] {
            let mut acted = node.clone().told(format!("somebody else: now {pair:?}"));
            acted.foreign += 1;
            if acted.truth.pair != Pair::Nobody {
                acted.truth.deleted_at.push(acted.truth.now);
            }
            acted.truth.pair = pair;
            acted.truth.was_other |= acted.bounds.is_exact() && pair == Pair::Another;
            next.push(acted);
        }
    }
    next
}

/// The session dies, if it may still: another one takes the row up, or another run begins.
fn crash(node: Node) -> Vec<Node> {
    let left = again::left(&node);
    let reopened = (node.crashes < node.bounds.crashes).then(|| Node { crashes: node.crashes + 1, ..node.reopened() });
    reopened.into_iter().chain(left).collect()
}

/// An entry is written: it becomes durable, and perhaps the session dies, before or after that.
fn record(node: &Node, event: &Event) -> Vec<Node> {
    let written = node.clone().apply(event);
    let mut next = vec![written.clone()];
    next.extend(crash(written.told("dies after writing")));
    next.extend(crash(node.clone().told("dies before writing")));
    next
}

/// What can become of a request: its class, whether it takes effect, and its operation.
fn fates(bounds: Bounds, pair: Pair) -> Vec<(Class, Effect, Option<Pending>)> {
    let mut fates = vec![
        (Class::Throttled, Effect::None, None),
        (Class::NotSent, Effect::None, None),
        (Class::Denied, Effect::None, None),
        (Class::RefusedForAll, Effect::None, None),
        (Class::Refused, Effect::None, None),
        (Class::Unanswered, Effect::None, None),
        (Class::Unanswered, Effect::Now, None),
        (Class::Unanswered, Effect::Late, None),
        (Class::Unanswered, Effect::Ghost, None),
        (Class::NotFound, Effect::None, None),
    ];
    if pair != Pair::Nobody {
        fates.extend([
            (Class::Succeeded, Effect::Now, None),
            (Class::OperationFailed, Effect::None, None),
            (Class::Pending, Effect::Now, Some(Pending::Succeeds)),
            (Class::Pending, Effect::None, Some(Pending::Fails)),
            (Class::Pending, Effect::None, Some(Pending::Never)),
            (Class::Pending, Effect::Now, Some(Pending::Never)),
            (Class::Pending, Effect::None, Some(Pending::Succeeds)),
            (Class::Unanswered, Effect::None, Some(Pending::Succeeds)),
            (Class::Unanswered, Effect::None, Some(Pending::Fails)),
            (Class::Unanswered, Effect::None, Some(Pending::Never)),
        ]);
    }
    fates.retain(|(_, effect, _)| bounds.ghosts || *effect != Effect::Ghost);
    if !bounds.every_answer {
        // Denials are decided by neighbours; what never ends is like what takes too long.
        fates.retain(|(class, _, pending)| {
            !matches!(class, Class::NotSent | Class::Denied | Class::RefusedForAll) && *pending != Some(Pending::Never)
        });
    }
    fates
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    None,
    Now,
    Late,
    /// Whatever holds the request may deliver it as long as its signature is accepted.
    Ghost,
}

/// Whether an attempt that was answered so may have been executed.
fn acts(class: Class) -> bool {
    matches!(class, Class::Succeeded | Class::Pending | Class::OperationFailed | Class::Unanswered)
}

fn send(node: &Node) -> Vec<Node> {
    if node.state.attempts >= if node.is_of_last_run() { node.bounds.attempts } else { 1 } {
        return Vec::new();
    }
    let attempt = node.state.attempts + 1;
    let started = AttemptStarted { attempt };
    let mut begun = node.clone().told(format!("attempt {attempt}")).apply(&Event::AttemptStarted(started));
    begun.check_sending();
    if !begun.truth.sent && begun.truth.due {
        // One of an earlier run, which the service would not show.
        (begun.truth.earlier_op, begun.truth.due) = (true, false);
    }
    // Dies with the start written and nothing sent; what the next session must think of that is the same as below.
    let knew = begun.truth.acted;
    (begun.truth.sure, begun.truth.acted) = (false, true);
    let unsent = crash(begun.clone().told("dies before sending"));
    begun.truth.sent = true;
    begun.truth.sends += 1;
    begun.truth.outdated = false;
    if node.bounds.is_exact() {
        let until = begun.truth.now + begun.settings.attempt_time().dead_after();
        begun.truth.risky.push((begun.truth.now, until));
    }
    // A copy may be of the moment at which the request has left.
    let copied = lost::copied(&begun);
    [begun].into_iter().chain(copied).flat_map(|begun| answered(node, &begun, attempt, knew)).chain(unsent).collect()
}

/// What becomes of a request that has left.
fn answered(node: &Node, begun: &Node, attempt: u32, knew: bool) -> Vec<Node> {
    let mut next = Vec::new();
    for (class, effect, pending) in fates(node.bounds, begun.truth.pair) {
        let mut fate = begun.clone().told(format!("{class:?}, effect {effect:?}, operation {pending:?}"));
        (fate.truth.pending, fate.truth.ended) = (pending, false);
        if pending == Some(Pending::Succeeds) && effect == Effect::None {
            (fate.truth.due, fate.truth.unsearchable, fate.truth.due_since) = (true, false, fate.truth.now);
        }
        match effect {
            Effect::None => {}
            Effect::Now => fate.execute(fate.truth.now),
            Effect::Ghost => fate.truth.ghost = Some(fate.truth.now + fate.settings.signature_life),
            Effect::Late => {
                fate.truth.late =
                    Some(fate.state.last.as_ref().unwrap().started_at + fate.settings.attempt_time().dead_after());
            }
        }
        // One of each run and attempt.
        let id = format!("op-{}-{attempt}", node.before.len());
        fate.truth.operation.clone_from(&id);
        let operation = Operation { id: Some(id), ..Operation::default() };
        let finished = Event::AttemptFinished(Box::new(AttemptFinished {
            attempt,
            class,
            exchange: Exchange::default(),
            shown: Shown::of(pending.filter(|_| class == Class::Pending).map(|_| operation), &Exchange::default()),
            failure: Failure::default(),
            outcome: None,
            evidence: None,
            detail: None,
        }));
        for mut after in record(&fate, &finished) {
            let answered = after.state.last.as_ref().is_some_and(|last| last.answer.is_some());
            after.truth.sure = answered && class.is_refusal_before_execution() && node.truth.sure;
            after.truth.acted = knew || !answered || acts(class);
            next.push(after);
        }
    }
    next
}

fn read(node: &Node) -> Vec<Node> {
    let truth = match node.truth.pair {
        Pair::Original => Found::Same,
        Pair::Another => Found::Other,
        Pair::Nobody => Found::NotFound,
    };
    let mut next = Vec::new();
    let refusals = [Found::Denied, Found::RefusedForAll].into_iter().filter(|_| node.bounds.every_answer);
    for found in std::iter::once(truth).chain(refusals) {
        let node = node.clone().told(format!("reads: {found:?}"));
        next.extend(record(&node, &observed(Source::GetKeyPair, found, node.truth.now)));
    }
    for connected in [true, false].into_iter().filter(|connected| *connected || node.bounds.every_answer) {
        let told = format!("reads in vain, connected: {connected}");
        let node = node.clone().told(told).later(node.settings.settle_timeout);
        next.extend(record(&node, &in_vain(Source::GetKeyPair, connected, node.truth.now)));
    }
    next
}

fn search(node: &Node) -> Vec<Node> {
    let truth = &node.truth;
    let mut findings = vec![];
    if node.bounds.every_answer {
        findings.push(Found::Denied);
    }
    // Whether an operation that fails has ended yet is open; one that never ends has not.
    let is_open = truth.due || truth.pending == Some(Pending::Never);
    if is_open || (truth.pending == Some(Pending::Fails) && !truth.ended) {
        findings.push(Found::Unfinished);
    }
    // Of what is not there any more the service may say nothing.
    if truth.pair != Pair::Original || !is_open {
        findings.push(Found::NoOperation);
    }
    if node.shows_ours() {
        findings.push(Found::Operation);
    }
    let mut next = Vec::new();
    for found in findings {
        let mut node = node.clone().told(format!("searches: {found:?}"));
        node.truth.unsearchable = found == Found::Denied;
        node.truth.outdated &= found != Found::Unfinished;
        next.extend(record(&node, &observed(Source::GetOperationsForResource, found, node.truth.now)));
    }
    // No usable answer until the time for it is over: a crash meanwhile forgets them.
    for connected in [true, false].into_iter().filter(|connected| *connected || node.bounds.every_answer) {
        let mut node = node.clone().told(format!("searches in vain, connected: {connected}"));
        node.truth.unsearchable = true;
        for _ in 1..FEWEST_TRIES {
            node = node.clone().apply(&in_vain(Source::GetOperationsForResource, connected, node.truth.now));
        }
        let node = node.clone().later(node.settings.settle_timeout);
        next.extend(record(&node, &in_vain(Source::GetOperationsForResource, connected, node.truth.now)));
    }
    next
}

fn poll(node: &Node) -> Vec<Node> {
    let mut classes = vec![Class::Pending];
    if node.bounds.every_answer {
        classes.extend([Class::Unanswered, Class::RefusedForAll]);
    }
    match node.truth.pending {
        // One of before the last request: it had ended, or what becomes of it nobody knew when that left.
        _ if node.asks_for_an_earlier_one() && node.truth.earlier_op => {}
        _ if node.truth.outdated || node.asks_for_an_earlier_one() => classes = vec![Class::OperationFailed],
        Some(Pending::Succeeds) if !node.truth.due => classes.push(Class::Succeeded),
        Some(Pending::Fails) => classes.push(Class::OperationFailed),
        _ => {}
    }
    let mut next = Vec::new();
    for class in classes {
        let ended = matches!(class, Class::Succeeded | Class::OperationFailed | Class::RefusedForAll);
        let wait = if ended { Duration::ZERO } else { node.settings.operation_timeout };
        let mut node = node.clone().told(format!("polls: {class:?}")).later(wait);
        let is_last = !node.truth.outdated && !node.asks_for_an_earlier_one();
        node.truth.ended |= class == Class::OperationFailed && is_last;
        let polled = OperationPolled {
            operation_id: node.state.operation_id().unwrap_or("op").into(),
            class,
            requests: 1,
            throttled: 0,
            exchange: Exchange::default(),
            shown: Shown::default(),
            failure: Failure::default(),
        };
        next.extend(record(&node, &Event::OperationPolled(Box::new(polled))));
    }
    next
}
