//! A small plan, and the entries that stand before the first request.

use std::collections::BTreeMap;

use fastrand::Rng;
use jiff::Timestamp;
use keybatch::domain::{Identity, Observation, RunId, Settings};
use keybatch::journal::{Journal, JournalError};
use keybatch::plan::StagedRow;
use keybatch::plan::guard::{Facts, IfInUse, judge};
use keybatch::plan::recreated::IfRecreated;
use keybatch::record::Draft;
use keybatch::record::checkpoint::base64;
use keybatch::record::event::{
    Event, IntentRecorded, ManifestIngested, Note, PlanSealed, RunStarted, SessionOpened, Severity, TargetInventory,
    Verdict,
};
use keybatch::record::merkle::Frontier;

use super::ledger::Sim;
use super::session::Session;
use super::time::Us;
use super::world::World;

const ACCOUNT: &str = "123456789012";
const REGIONS: [&str; 2] = ["eu-central-1", "us-east-1"];
pub(crate) const JOURNAL_ID: &str = "0198c0de-0000-4000-8000-00000000000a";

/// A row of the plan; resource and row have the same number.
#[derive(Debug, Clone)]
pub(crate) struct PlannedRow {
    region: &'static str,
    name: String,
    verdict: Verdict,
    identity: Option<Identity>,
    notes: Vec<Note>,
}

pub(crate) fn run_id(run: u32) -> RunId {
    format!("0198c0de-0000-7000-8000-{:012}", run + 1).parse().unwrap()
}

pub(crate) fn session_id(number: u32) -> String {
    format!("session-{number}")
}

/// A plan of one to six rows, and the world that it observed.
pub(crate) fn draw(rng: &mut Rng, world: &mut World, now: Us) -> Vec<PlannedRow> {
    let regions = rng.usize(1..=2);
    let rows = rng.usize(1..=6);
    let row = |index: usize| {
        let verdict = match rng.u32(0..16) {
            0 => Verdict::Skip,
            1 => Verdict::Absent,
            _ => Verdict::Delete,
        };
        let (region, name) = (REGIONS[index % regions], format!("key-{index}"));
        let resource = world.add(region, name.clone(), verdict != Verdict::Absent, now);
        let resource = &mut world.resources[resource];
        let identity = resource.current.as_ref().map(|found| found.pair.identity.clone());
        (resource.planned, resource.last_same) = (identity.clone(), now);
        resource.dealt.push((0, identity.clone()));
        let notes = if verdict == Verdict::Skip { vec![protected()] } else { Vec::new() };
        PlannedRow { region, name, verdict, identity, notes }
    };
    (0..rows).map(row).collect()
}

fn protected() -> Note {
    Note { severity: Severity::Skip, kind: "protected".into(), text: "not to be touched".into() }
}

/// The manifest of a run. They all have the same rows; what one was run for binds no other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manifest {
    pub(crate) number: u32,
    pub(crate) if_recreated: IfRecreated,
}

/// The plan of another run over the same names, judged by the guards themselves, and what it must leave alone.
pub(crate) fn again(
    plan: &[PlannedRow],
    manifest: Manifest,
    manifests: &[u32],
    sim: &mut Sim,
    at: (Us, Timestamp),
) -> Vec<PlannedRow> {
    let (now, shown) = at;
    let row = |(index, before): (usize, &PlannedRow)| {
        let resource = &mut sim.world.resources[index];
        let identity = resource.current.as_ref().map(|found| found.pair.identity.clone());
        let is_recreated = identity.as_ref().is_some_and(|now| is_recreated(&resource.dealt, manifest, now));
        let mut known = sim.ledger.known[index].clone();
        known.iter_mut().for_each(|known| {
            let run: usize = known.run.parse().unwrap();
            known.same_manifest = manifests[run] == manifest.number;
        });
        let row = index as u64 + 1;
        let intent = judge(
            StagedRow { line: row + 1, ..StagedRow::default() },
            Facts {
                row,
                first: row,
                name: &before.name,
                region: before.region,
                account: ACCOUNT,
                seen: identity.clone().map(|identity| Observation { identity, tags: BTreeMap::new(), at: shown }),
                ambiguous: false,
                used: None,
                if_in_use: IfInUse::Warn,
                known: &known,
                if_recreated: manifest.if_recreated,
            },
        );
        // By a clock that was set meanwhile it cannot be determined whether a run that found nothing had missed it.
        let nameless = sim.world.faults.jump > 0 && known.iter().all(|known| known.identity.is_none());
        let is_recreated = if nameless { intent.verdict == Verdict::Skip } else { is_recreated };
        if (intent.verdict == Verdict::Skip) != is_recreated {
            let why = format!("I4: re-created: {is_recreated}, and row {row} is planned as {:?}", intent.verdict);
            sim.world.breaks(why);
        }
        let resource = &mut sim.world.resources[index];
        if !is_recreated {
            resource.dealt.push((manifest.number, identity.clone()));
        }
        (resource.planned, resource.original_removed) = (identity.clone(), None);
        (resource.last_read, resource.last_same, resource.is_recreated) = (None, now, is_recreated);
        resource.requests.clear();
        resource.lost.clear();
        PlannedRow { verdict: intent.verdict, identity, notes: intent.notes, ..before.clone() }
    };
    plan.iter().enumerate().map(row).collect()
}

/// The naive rule: a manifest that was run before means what it dealt with then. Another one may mean whatever is there,
/// unless that is to be skipped.
fn is_recreated(dealt: &[(u32, Option<Identity>)], manifest: Manifest, now: &Identity) -> bool {
    let own = || dealt.iter().filter(|(number, _)| *number == manifest.number);
    let with_it = |(_, then): &(u32, Option<Identity>)| then.as_ref() == Some(now);
    if own().next().is_some() {
        return !own().any(with_it);
    }
    let some_dealt = dealt.iter().any(|(_, then)| then.is_some());
    manifest.if_recreated == IfRecreated::Skip && some_dealt && !dealt.iter().any(with_it)
}

/// The entry that opens a session.
pub(crate) fn opened(number: u32, begins: Option<u32>, settings: &Settings) -> Event {
    let ms = u64::try_from(settings.attempt_timeout.as_millis()).unwrap();
    Event::SessionOpened(Box::new(SessionOpened {
        run_id: begins.map(|run| run_id(run).to_string()),
        session_id: session_id(number),
        command: if begins.is_some() { "run" } else { "resume" }.into(),
        version: "0".into(),
        commit: None,
        host: "host".into(),
        user: "user".into(),
        pid: number + 1,
        caller_arn: None,
        profile: None,
        credentials_source: None,
        login_uid: None,
        claims: Default::default(),
        account: Some(ACCOUNT.into()),
        endpoint: Some("sandbox:simulation".into()),
        sandbox: true,
        settings: BTreeMap::new(),
        // Of no settings.
        settings_sha256: "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a".into(),
        attempt_timeout_ms: Some(ms),
        reason: None,
        ticket: None,
        continues_from: None,
        not_remembered: None,
    }))
}

/// Records everything up to the start of the run.
pub(crate) async fn record(journal: &Journal, session: &Session<'_>, at: Timestamp) -> Result<(), JournalError> {
    let (plan, settings) = (session.plan, &session.settings);
    let run = Draft::of;
    let rows = plan.len() as u64;
    let ingested =
        ManifestIngested { name: "m.csv".into(), sha256: "00".into(), bytes: 1, rows, columns: vec!["name".into()] };
    journal
        .append(vec![
            run(opened(session.number, Some(session.run), &session.settings)),
            run(Event::ManifestIngested(ingested)),
        ])
        .await?;
    let intents = (1..).zip(plan).map(|(row, planned)| Draft::of_row(row, intent(row, planned, at)));
    let stamps = journal.append(intents.collect()).await?;
    let mut tree = Frontier::default();
    stamps.iter().for_each(|stamp| tree.push(stamp.leaf));
    let plan_root = base64(&tree.root());
    let count = |verdict| plan.iter().filter(|planned| planned.verdict == verdict).count() as u64;
    let deletes = count(Verdict::Delete);
    let mut targets: Vec<TargetInventory> = Vec::new();
    for planned in plan {
        let deletes = u64::from(planned.verdict == Verdict::Delete);
        if let Some(target) = targets.iter_mut().find(|target| target.region == planned.region) {
            target.key_pairs += 1;
            target.deletes += deletes;
        } else {
            let (account, region) = (ACCOUNT.into(), planned.region.into());
            targets.push(TargetInventory { account, region, key_pairs: 1, pages: 1, instances: None, deletes });
        }
    }
    let sealed = PlanSealed {
        plan_root: plan_root.clone(),
        rows,
        deletes,
        skips: count(Verdict::Skip),
        absents: count(Verdict::Absent),
        targets,
    };
    let started =
        RunStarted { plan_root, deletes: sealed.deletes, confirmed_by: "yes".into(), settings: settings.clone() };
    journal.append(vec![run(Event::PlanSealed(sealed))]).await?;
    journal.checkpoint().await?;
    journal.append(vec![run(Event::RunStarted(started))]).await.map(drop)
}

fn intent(row: u64, planned: &PlannedRow, at: Timestamp) -> Event {
    let observation = |identity: Identity| Observation { identity, tags: BTreeMap::new(), at };
    Event::IntentRecorded(Box::new(IntentRecorded {
        line: row + 1,
        key_pair_name: planned.name.clone(),
        account: ACCOUNT.into(),
        region: planned.region.into(),
        fields: BTreeMap::new(),
        annotations: BTreeMap::new(),
        observation: planned.identity.clone().map(observation),
        verdict: planned.verdict,
        expected_fingerprint: None,
        notes: planned.notes.clone(),
    }))
}
