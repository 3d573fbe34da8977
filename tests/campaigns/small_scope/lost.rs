//! Older copies of the journal: one may be taken with each entry, and be put back at any moment after that.

use std::rc::Rc;
use std::time::Duration;

use keybatch::domain::Class;
use keybatch::execute::row::RowState;
use keybatch::record::event::{ACCEPT_ROLLBACK, Event, LostHead, OverrideUsed};

use super::node::Node;
use super::truth::Pending;

/// What a copy of the journal says of the row, and how many requests had left by then.
#[derive(Debug)]
pub(crate) struct Copied {
    pub(crate) state: RowState,
    pub(crate) sends: u32,
}

/// The same moment, with a copy of the journal taken at it.
pub(crate) fn copied(node: &Node) -> Option<Node> {
    // Nothing becomes of a row that the copy shows with its outcome.
    let wanted = node.may_lose() && node.copy.is_none() && !node.is_settled();
    let copy = || Rc::new(Copied { state: node.journal().clone(), sends: node.truth.sends });
    wanted.then(|| Node { copy: Some(copy()), ..node.clone() }.told("a copy of the journal is taken"))
}

/// Adds the moments at which a copy was taken, too: right after an entry.
pub(crate) fn with_copies(before: &Node, next: &mut Vec<Node>) {
    let copies: Vec<_> = next.iter().filter(|after| after.entries > before.entries).filter_map(copied).collect();
    next.extend(copies);
}

/// The copy is put back, a session accepts that, and goes on: at once, and where others act, a while later as well.
pub(crate) fn put_back(node: &Node) -> Vec<Node> {
    let whiles: &[u64] = if node.bounds.foreign > 0 { &[0, 120] } else { &[0] };
    whiles.iter().filter_map(|seconds| put_back_after(node, Duration::from_secs(*seconds))).collect()
}

fn put_back_after(node: &Node, a_while: Duration) -> Option<Node> {
    let copy = node.copy.as_ref()?;
    let told = format!("the copy is put back after {a_while:?}, and that is accepted");
    let mut node = node.clone().told(told).later(a_while);
    (node.copy, node.losses) = (None, node.losses + 1);
    (node.state, node.journal) = (copy.state.clone(), None);
    let lost = LostHead { size: 9, root: String::new(), known_from: "heads".into() };
    let used = OverrideUsed { which: ACCEPT_ROLLBACK.into(), by: "user".into(), why: None, lost: vec![lost] };
    let mut node = node.apply(&Event::OverrideUsed(used));
    // An operation that the copy knows had failed, if there was another attempt after it.
    let known = node.state.last_class() == Some(Class::Pending) || node.state.is_unfinished();
    let truth = &mut node.truth;
    truth.outdated = known && truth.sends > copy.sends;
    (truth.lost, truth.acted, truth.sure) = (true, true, false);
    // That the history could not be had is lost, too.
    truth.unsearchable &= truth.sends == copy.sends;
    truth.risky.push((truth.now, truth.now + node.settings.attempt_time().dead_after()));
    if truth.pending == Some(Pending::Fails) {
        truth.ended = false;
    }
    Some(node.reopened())
}
