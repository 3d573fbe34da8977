//! Further runs over the same name, each after the one before has ended or was left: it begins with what has the name then, and
//! with what the journal knows of it.

use std::rc::Rc;
use std::time::Duration;

use keybatch::domain::{Class, Evidence, Identity, Known, Outcome, Target};
use keybatch::execute::attempt::LeftOpen;
use keybatch::execute::decide::Denial;
use keybatch::execute::ghost::{Ghosts, held_until};
use keybatch::execute::row::RowState;
use keybatch::policy::StagedRow;
use keybatch::policy::guard::{Facts, IfInUse, notes, verdict};
use keybatch::policy::limits::Limits;
use keybatch::policy::recreated::IfRecreated;
use keybatch::record::Entry;
use keybatch::record::event::Event;
use keybatch::record::plan::{PlanObservation, PlanRow, Verdict};

use super::moves::meanwhile;
use super::node::Node;
use super::truth::Pair;

/// Which run works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Run {
    First,
    /// One is over or was left, and there is no other yet.
    Between,
    Later,
    /// A later one, which must leave alone what has the name.
    Barred,
}

/// What a run left, for those after it.
#[derive(Debug, Clone)]
pub(crate) struct Before {
    /// Its last attempt, as its entries say.
    pub(crate) attempt: Option<Rc<(Entry, Option<Entry>)>>,
    /// What nothing shows the end of.
    pub(crate) open: Option<LeftOpen>,
    /// Which key pair it saw, counted from the first one.
    pub(crate) seen: i8,
}

/// Of which kind a later run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The same manifest again.
    Same,
    /// The same bytes, whose row names the key pair that has the name now.
    Naming,
    /// Another manifest, in which such key pairs are deleted, or not.
    Other,
    OtherSkipping,
}

/// The run is over, or was left; if another may follow.
pub(crate) fn left(node: &Node) -> Option<Node> {
    let may = matches!(node.run, Run::First | Run::Later) && !node.is_of_last_run();
    may.then(|| Node { run: Run::Between, ..node.clone() }.told("the run is left"))
}

/// What happens between two runs.
pub(crate) fn between(node: &Node) -> Vec<Node> {
    let mut next = meanwhile(node);
    if node.truth.late.is_some() || node.truth.ghost.is_some() {
        let long = node.settings.signature_life + Duration::from_secs(60);
        let mut later = node.clone().told("time goes by").later(long);
        (later.truth.late, later.truth.ghost) = (None, None);
        next.push(later);
    }
    next.extend([Kind::Same, Kind::Naming, Kind::Other, Kind::OtherSkipping].map(|kind| begin(node, kind)));
    next
}

fn identity(key_pair: i8) -> Identity {
    let day = key_pair + 1;
    Identity {
        arn: Some(format!("arn:aws:lightsail:us-east-1:123456789012:KeyPair/{day}")),
        created_at: Some(format!("2026-01-0{day}T00:00:00Z")),
        fingerprint: None,
    }
}

/// Where the key pair is.
fn target() -> Target {
    Target { account: "1".into(), region: "r".into() }
}

/// What this run leaves.
fn leaves(node: &Node) -> Before {
    // Which delete the history shows may be somebody else's: the row's own request may still be under way.
    let by_history = Some((Outcome::Deleted, Evidence::Operation));
    let unclear = matches!(node.state.settled, None | Some((Outcome::InDoubt | Outcome::Gone, _)))
        || node.state.settled == by_history;
    let open = unclear.then(|| node.state.leaves_open()).flatten();
    Before { attempt: node.attempt.clone(), open, seen: node.key_pair }
}

/// What the runs before left open.
fn left_by(node: &Node) -> Ghosts {
    let now = node.truth.now;
    let mut ghosts = Ghosts::default();
    for (seq, before) in (0..).zip(node.before.iter()) {
        if let Some((started, finished)) = before.attempt.as_deref() {
            let open = match finished.as_ref().map(|finished| &finished.event) {
                Some(Event::AttemptFinished(finished)) => finished.class == Class::Unanswered,
                _ => true,
            };
            let until = held_until((started, finished.as_ref(), None), node.settings.signature_life, now);
            if let Some(until) = until.filter(|until| open && *until > now) {
                ghosts.hold(target(), "key".into(), (LeftOpen::Request, seq), Some(until));
            }
        }
        if let Some(open) = &before.open {
            ghosts.hold(target(), "key".into(), (open.clone(), seq), None);
        }
    }
    ghosts
}

/// A further run is planned and begins, with what those before left open.
fn begin(node: &Node, kind: Kind) -> Node {
    let now = node.truth.now;
    let mut node = node.clone().told(format!("another run is planned: {kind:?}"));
    let left = leaves(&node);
    Rc::make_mut(&mut node.before).push(left);
    // What was sent is asked for before the inventory is.
    let ghosts = left_by(&node);
    let is_recreated = node.truth.pair == Pair::Another;
    let key_pair = node.key_pair + i8::from(is_recreated);
    let seen = (node.truth.pair != Pair::Nobody).then(|| identity(key_pair));
    let known = |before: &Before| Known {
        same_manifest: matches!(kind, Kind::Same | Kind::Naming),
        identity: Some(identity(before.seen)),
        run: "before".into(),
        began_at: now,
    };
    let known: Vec<_> = node.before.iter().map(known).collect();
    let named = seen.as_ref().filter(|_| kind == Kind::Naming).and_then(|seen| seen.arn.clone());
    let observation = seen.map(|identity| PlanObservation::new(identity, Default::default()));
    let notes = notes(
        &StagedRow { arn: named, ..StagedRow::default() },
        &Facts {
            row: 1,
            first: 1,
            name: "key",
            region: "r",
            account: "1",
            seen: observation.as_ref(),
            ambiguous: false,
            used: None,
            if_in_use: IfInUse::Warn,
            known: &known,
            if_recreated: if kind == Kind::OtherSkipping { IfRecreated::Skip } else { IfRecreated::Warn },
            limits: &Limits::default(),
            judged_at: now,
        },
    );
    let intent = PlanRow {
        verdict: verdict(&notes, observation.is_some()),
        notes,
        observation,
        ..PlanRow::of(1, "key".into(), "1".into(), "r".into(), Verdict::Skip)
    };
    let barred = is_recreated && matches!(kind, Kind::Same | Kind::OtherSkipping);
    // What the first run saw is another one than what the second deleted: who runs the first's manifest again must name it.
    let is_settled_on = node.key_pair == 0 || !matches!(kind, Kind::Same | Kind::OtherSkipping);
    let wanted = !barred && node.truth.pair != Pair::Nobody && is_settled_on;
    assert!(!wanted || intent.verdict == Verdict::Delete, "{kind:?}: what may be deleted is not: {:?}", intent.notes);
    node.run = if barred { Run::Barred } else { Run::Later };
    node.key_pair = key_pair;
    node.state = RowState::new(0, &intent, Some(now));
    if let Some(held) = ghosts.of(&target(), "key") {
        node.state.not_before = held.until;
        node.state.inherit(&held.open, held.seq, now);
    }
    (node.journal, node.attempt, node.denial) = (None, None, Denial::Unknown);
    let truth = &mut node.truth;
    // From now on, the original is what this run has seen.
    truth.haunted_until = truth.ghost.max(truth.late);
    // An operation of an earlier run goes on.
    truth.unsearchable = false;
    (truth.sure, truth.sent, truth.acted) = (true, false, false);
    (truth.by_us, truth.by_ghost, truth.was_other) = (false, false, false);
    truth.deleted_at.clear();
    truth.risky.clear();
    if is_recreated {
        truth.pair = Pair::Original;
    }
    node
}
