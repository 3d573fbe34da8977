//! A second run over the same name, after the first has ended or was left: it begins with what has the name then, and with
//! what the journal knows of it.

use std::time::Duration;

use keybatch::domain::{Class, Identity, Known, Outcome, Target};
use keybatch::execute::attempt::LeftOpen;
use keybatch::execute::decide::Denial;
use keybatch::execute::ghost::{Ghosts, held_until};
use keybatch::execute::row::RowState;
use keybatch::policy::StagedRow;
use keybatch::policy::guard::{Facts, IfInUse, notes, verdict};
use keybatch::policy::limits::Limits;
use keybatch::policy::recreated::IfRecreated;
use keybatch::record::event::Event;
use keybatch::record::plan::{PlanObservation, PlanRow, Verdict};

use super::moves::meanwhile;
use super::node::Node;
use super::truth::Pair;

/// Which run works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Run {
    First,
    /// The first is over or was left, and there is no other yet.
    Between,
    Second,
    /// The second, which must leave alone what has the name.
    Barred,
}

/// Of which kind the second run is.
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
    let may = node.run == Run::First && node.bounds.runs > 1;
    may.then(|| Node { run: Run::Between, ..node.clone() }.told("the first run is left"))
}

/// What happens between the two runs.
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

fn identity(pair: Pair) -> Option<Identity> {
    let day = match pair {
        Pair::Nobody => return None,
        Pair::Original => 1,
        Pair::Another => 2,
    };
    Some(Identity {
        arn: Some(format!("arn:aws:lightsail:us-east-1:123456789012:KeyPair/{day}")),
        created_at: Some(format!("2026-01-0{day}T00:00:00Z")),
        fingerprint: None,
    })
}

/// Where the key pair is.
fn target() -> Target {
    Target { account: "1".into(), region: "r".into() }
}

/// What the first run left open.
fn left_by(node: &Node) -> Ghosts {
    let now = node.truth.now;
    let mut ghosts = Ghosts::default();
    if let Some((started, finished)) = node.attempt.as_deref() {
        let open = match finished.as_ref().map(|finished| &finished.event) {
            Some(Event::AttemptFinished(finished)) => finished.class == Class::Unanswered,
            _ => true,
        };
        let until = held_until((started, finished.as_ref(), None), node.settings.signature_life, now);
        if let Some(until) = until.filter(|until| open && *until > now) {
            ghosts.hold(target(), "key".into(), (LeftOpen::Request, 0), Some(until));
        }
    }
    if matches!(node.state.settled, None | Some((Outcome::InDoubt | Outcome::Gone, _)))
        && let Some(open) = node.state.leaves_open()
    {
        ghosts.hold(target(), "key".into(), (open, 0), None);
    }
    ghosts
}

/// The second run is planned and begins, with what the first one left open.
fn begin(node: &Node, kind: Kind) -> Node {
    let now = node.truth.now;
    let mut node = node.clone().told(format!("a second run is planned: {kind:?}"));
    // What was sent is asked for before the inventory is.
    let ghosts = left_by(&node);
    let seen = identity(node.truth.pair);
    let is_recreated = node.truth.pair == Pair::Another;
    let known = [Known {
        same_manifest: matches!(kind, Kind::Same | Kind::Naming),
        identity: identity(Pair::Original),
        run: "first".into(),
        began_at: now,
    }];
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
    let wanted = !barred && node.truth.pair != Pair::Nobody;
    assert!(!wanted || intent.verdict == Verdict::Delete, "{kind:?}: what may be deleted is not: {:?}", intent.notes);
    node.run = if barred { Run::Barred } else { Run::Second };
    node.state = RowState::new(0, &intent, Some(now));
    if let Some(held) = ghosts.of(&target(), "key") {
        node.state.not_before = held.until;
        node.state.inherit(&held.open, held.seq, now);
    }
    (node.journal, node.attempt, node.denial) = (None, None, Denial::Unknown);
    let truth = &mut node.truth;
    // From now on, the original is what this run has seen.
    truth.haunted_until = truth.ghost.max(truth.late);
    // An operation of the first run goes on.
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
