//! A small manifest, and what a plan of it must be.

use fastrand::Rng;
use keybatch::domain::Identity;
use keybatch::policy::recreated::IfRecreated;
use keybatch::record::event::IntentRecorded;
use keybatch::record::plan::{PlanObservation, Verdict};

use super::accounts::Accounts;
use super::ledger::Sim;
use super::time::Us;
use super::world::World;

pub(crate) const ENDPOINT: &str = "https://lightsail.{region}.amazonaws.com";
const REGIONS: [&str; 2] = ["eu-central-1", "us-east-1"];

/// A row of the manifest; resource and row have the same number.
#[derive(Debug, Clone)]
pub(crate) struct PlannedRow {
    region: &'static str,
    name: String,
    pub(crate) account: &'static str,
    /// Whether it expects another key pair than there ever was.
    protected: bool,
}

/// A manifest of one to six rows and some more, and the world that they are about.
pub(crate) fn draw(rng: &mut Rng, world: &mut World, accounts: &Accounts, (now, more): (Us, usize)) -> Vec<PlannedRow> {
    let regions = rng.usize(1..=2);
    let rows = rng.usize(1..=6) + more;
    let row = |index: usize| {
        let verdict = match rng.u32(0..16) {
            0 => Verdict::Skip,
            1 => Verdict::Absent,
            _ => Verdict::Delete,
        };
        let (account, number) = accounts.place(index);
        let (region, name) = (REGIONS[index % regions], format!("key-{number}"));
        let resource = world.add((account, region), name.clone(), verdict != Verdict::Absent, now);
        let protected = verdict == Verdict::Skip;
        world.resources[resource].protected = protected;
        PlannedRow { region, name, account, protected }
    };
    (0..rows).map(row).collect()
}

/// The manifest of a run. They all have the same rows; what one was run for binds no other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manifest {
    pub(crate) number: u32,
    pub(crate) if_recreated: IfRecreated,
}

/// The manifest as it is written: it tells which one it is, and what its protected rows expect.
pub(crate) fn csv(plan: &[PlannedRow], accounts: &Accounts, number: u32) -> String {
    let is_named = accounts.are_several();
    let mut text = format!("name,region,created_at,batch{}\n", if is_named { ",account_id" } else { "" });
    for (index, row) in plan.iter().enumerate() {
        let expected = if row.protected { "2001-02-03T04:05:06Z" } else { "" };
        text += &format!("{},{},{expected},{number}", row.name, row.region);
        if is_named {
            text += &format!(",{}", accounts.cell(row.account, index));
        }
        text.push('\n');
    }
    text
}

/// A page of a listing, after one name and up to another, showed to a session that plans what there is, and what there is not.
pub(crate) fn listed(
    world: &mut World,
    (account, region): (&str, &str),
    (after, to): (Option<&str>, Option<&str>),
    shows: Us,
) {
    for resource in world.resources.iter_mut().filter(|one| one.is_in(account, region)) {
        let name = Some(resource.name.as_str());
        if name > after && (to.is_none() || name <= to) {
            let identity = resource.current.as_ref().map(|found| found.pair.identity.clone());
            (resource.planned, resource.original_removed, resource.last_same) = (identity, None, shows);
        }
    }
}

/// An intent became durable: it rests on what was listed, and leaves alone what it must.
pub(crate) fn planned(sim: &mut Sim, index: usize, intent: &IntentRecorded) {
    let identity = intent.line.observation.as_ref().map(PlanObservation::identity);
    if let Some(paper) = sim.paper.clone() {
        if identity.as_ref() != paper.identity(index) {
            sim.world.breaks(format!("I8: row {} is not the one of the plan's file", index + 1));
        }
        let day = paper.intended(sim, index, intent.verdict());
        sim.days.push(day);
        return;
    }
    let resource = &sim.world.resources[index];
    let mut broken = Vec::new();
    if identity != resource.planned {
        broken.push(format!("I8: row {} is planned with another key pair than was listed", index + 1));
    }
    let is_recreated = identity.as_ref().is_some_and(|now| is_recreated(&resource.dealt, sim.manifest, now));
    let skipped = intent.line.verdict == Verdict::Skip;
    let is_recreated = if is_unknowable(sim, index) { skipped && !resource.protected } else { is_recreated };
    let must_skip = is_recreated || (resource.protected && identity.is_some());
    if skipped != must_skip {
        let verdict = intent.line.verdict;
        broken.push(format!("I4: re-created: {is_recreated}, and row {} is planned as {verdict:?}", index + 1));
    }
    sim.world.resources[index].is_recreated = is_recreated;
    broken.into_iter().for_each(|what| sim.world.breaks(what));
}

/// By a clock that was set meanwhile it cannot be determined whether a run that found nothing had missed it.
pub(crate) fn is_unknowable(sim: &Sim, index: usize) -> bool {
    sim.is_clock_set && sim.ledger.dealt_with(index).all(|identity| identity.is_none())
}

/// The run was started: from now on, it deals with what its plan observed.
pub(crate) fn started(sim: &mut Sim) {
    let number = sim.manifest.number;
    for resource in sim.world.resources.iter_mut().filter(|resource| !resource.is_recreated) {
        resource.dealt.push((number, resource.planned.clone()));
    }
}

/// The naive rule: a manifest that was run before means what it dealt with then. Another one may mean whatever is there,
/// unless that is to be skipped.
pub(crate) fn is_recreated(dealt: &[(u32, Option<Identity>)], manifest: Manifest, now: &Identity) -> bool {
    let own = || dealt.iter().filter(|(number, _)| *number == manifest.number);
    let with_it = |(_, then): &(u32, Option<Identity>)| then.as_ref() == Some(now);
    if own().next().is_some() {
        return !own().any(with_it);
    }
    let some_dealt = dealt.iter().any(|(_, then)| then.is_some());
    manifest.if_recreated == IfRecreated::Skip && some_dealt && !dealt.iter().any(with_it)
}
