//! The plan: every row of the manifest joined with what the inventory says, judged by the guards, recorded in order
//! and sealed with a root. After that there are no choices left. Only reads are sent.

mod draft;
pub mod earlier;
mod error;
mod observe;
mod planner;
pub mod stage;
mod unacknowledged;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::{try_join, try_join_all};
use tokio::sync::Mutex;

use crate::domain::{Class, Failure, Target};
use crate::journal::JournalError;
use crate::journal::stage::{Refusing, Stage};
use crate::lane::{Lane, Reading};
use crate::lightsail::Lightsail;
use crate::policy::StagedRow;
use crate::policy::guard::{self, Facts, IfInUse};
use crate::policy::recreated::{IfRecreated, RECREATED};
use crate::record::Draft;
use crate::record::event::{Event, Found, IntentRecorded, Observed, PlanSealed, Source};
use crate::record::merkle::Hash;
use crate::record::plan::{Note, PlanHeader, PlanLineError, PlanRow, PlanSeal, Sealing, Severity, Verdict};
pub use error::{PlanError, foreign};
use observe::{Inventory, Observing, READINGS_AHEAD, Seen};
pub use planner::{Planner, Tally};
use unacknowledged::Unacknowledged;

/// Rows that are judged and recorded at once.
const PAGE: u32 = 1_000;

/// Pages of rows that may be on their way to the disk while the next one is judged. One keeps the writer busy, another
/// one bridges the moment between a commit and its acknowledgement.
const PAGES_AHEAD: usize = 2;

/// How many key pairs of a target are tried before reading counts as not permitted there.
const PROBES: usize = 3;

/// How many notes and names are kept for showing.
const SHOWN: usize = 20;

/// A row of the manifest with what is known about its key pair.
type Joined = crate::journal::stage::Joined<StagedRow, Seen>;

/// A plan, as far as it is shown and decided upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// As recorded, once it is.
    pub sealed: PlanSealed,
    /// The number of each reading's entry, by the reading's place among all.
    readings: Vec<u64>,
    /// What people see of it.
    pub shown: Shown,
}

/// What people see of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// The first names to be deleted, with their targets.
    pub first: Vec<(String, Target)>,
    /// The first notes that are more than information, with row and name.
    pub notes: Vec<(u64, String, Note)>,
    /// How many such notes there are, by kind.
    pub note_counts: BTreeMap<String, u64>,
    /// The first rows whose key pair was re-created since an earlier run, as in `notes`: those must not hide behind others.
    pub recreated: Vec<(u64, String, Note)>,
    /// Rows and key pairs that they name and that are there, for each target.
    pub there: BTreeMap<Target, There>,
}

/// How much of what a manifest names in a target is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct There {
    /// Rows that name a key pair of this target.
    pub rows: u64,
    /// Those of them whose key pair is there.
    pub found: u64,
}

/// A target as people see it: its account is said only where the plan has several.
#[must_use]
pub fn place(seal: &PlanSeal, target: &Target) -> String {
    let several = seal.targets.iter().any(|other| other.account != target.account);
    if several { target.to_string() } else { target.region.clone() }
}

impl Plan {
    /// A target as people see it.
    #[must_use]
    pub fn place(&self, target: &Target) -> String {
        place(&self.sealed.seal, target)
    }

    /// The targets in which none of the key pairs that the manifest names is there, as people see them, with the number of
    /// their rows.
    pub fn nothing_there(&self) -> impl Iterator<Item = (String, u64)> {
        self.shown.nothing_there().map(|(target, rows)| (self.place(target), rows))
    }
}

impl<L: Lightsail> Planner<L> {
    /// Observes all targets, records an intent for each row of `stage`, and seals the plan.
    ///
    /// # Errors
    /// As [`PlanError`] says; nothing but reads was sent.
    pub async fn plan(&self, stage: &mut Stage) -> Result<Plan, PlanError> {
        let inventory = self.observe_all(stage).await?;
        let plan = self.record(stage, inventory).await?;
        self.probe_first(&plan).await?;
        Ok(plan)
    }

    /// Reads what there is of all targets, and refuses what a guard refuses.
    async fn observe_all(&self, stage: &mut Stage) -> Result<Inventory, PlanError> {
        // All targets at once: each has a rate of its own, and the slowest alone decides how long it takes.
        let readings = Unacknowledged::new(self.scribe.journal.clone(), READINGS_AHEAD);
        let shared = Observing { stage: Mutex::new(&mut *stage), readings };
        let observed = try_join_all(self.lanes.iter().map(|lane| self.observe(lane, &shared))).await;
        let readings = shared.readings.flush().await?;
        let inventory = Inventory { targets: observed?, readings };
        self.refuse(stage).await?;
        Ok(inventory)
    }

    async fn probe_first(&self, plan: &Plan) -> Result<(), PlanError> {
        for lane in &self.lanes {
            let first = plan.shown.first.iter().filter(|(_, target)| *target == lane.target);
            self.probe(lane, first.map(|(name, _)| name.as_str()).take(PROBES)).await?;
        }
        Ok(())
    }

    /// Reads one of these key pairs: a caller who may not read key pairs cannot settle anything, so nothing is deleted.
    /// Tags may protect a single key pair from being read.
    async fn probe(&self, lane: &Lane<L>, names: impl Iterator<Item = &str>) -> Result<(), PlanError> {
        let mut refused = Ok(());
        for name in names {
            let Probe::Denied(said) = probe(lane, name, self.patience).await? else { return Ok(()) };
            let (action, target) = ("lightsail:GetKeyPair", lane.target.clone());
            refused = Err(PlanError::NotPermitted { action, target, said });
        }
        refused
    }

    /// Refuses the plan before any of it is recorded, where a guard does.
    async fn refuse(&self, stage: &mut Stage) -> Result<(), PlanError> {
        let (mut count, mut notes, mut after) = (0, Vec::new(), 0);
        loop {
            let (in_use, known) = (self.if_in_use == IfInUse::Refuse, self.if_recreated == IfRecreated::Refuse);
            let page = stage.suspects(after, PAGE, Refusing { in_use, known }).await?;
            let Some(last) = page.last() else { break };
            after = last.row;
            for joined in page {
                let (line, _) = self.judge(joined);
                let refuses = |note: &&Note| {
                    note.severity == Severity::Refuse && !(self.skip_invalid && note.kind == guard::OTHER_ACCOUNT)
                };
                let refusing = line.notes.iter().find(refuses);
                if let Some(note) = refusing {
                    count += 1;
                    if notes.len() < SHOWN {
                        notes.push((line.row, line.name.clone(), note.clone()));
                    }
                }
            }
        }
        if count > 0 { Err(PlanError::Refused { count, notes }) } else { Ok(()) }
    }

    /// The plan's line about a row, and the place of the reading that showed its key pair.
    fn judge(&self, joined: Joined) -> (PlanRow, Option<usize>) {
        let (seen, place) = joined.seen.map(Seen::split).unzip();
        let facts = Facts {
            row: joined.row,
            first: joined.first,
            name: &joined.name,
            region: &joined.region,
            account: &joined.account,
            seen: seen.as_ref(),
            ambiguous: joined.ambiguous,
            used: joined.used,
            if_in_use: self.if_in_use,
            known: &joined.known,
            if_recreated: self.if_recreated,
        };
        let notes = guard::notes(&joined.body, &facts);
        let verdict = guard::verdict(&notes, seen.is_some());
        let StagedRow { line, name, conditions, reason, ticket, annotations, .. } = joined.body;
        let line = PlanRow {
            row: joined.row,
            line,
            name: name.unwrap_or(joined.name),
            account: joined.account,
            region: joined.region,
            conditions,
            reason,
            ticket,
            observation: seen,
            verdict,
            notes,
            annotations: if self.without_annotations { BTreeMap::new() } else { annotations },
        };
        (line, place)
    }

    /// The next rows after `after`, judged.
    async fn lines(&self, stage: &mut Stage, after: u64) -> Result<Vec<(PlanRow, Option<usize>)>, JournalError> {
        let page = stage.joined(after, PAGE).await?;
        Ok(page.into_iter().map(|joined| self.judge(joined)).collect())
    }

    /// Records an intent for each row, and the seal.
    async fn record(&self, stage: &mut Stage, inventory: Inventory) -> Result<Plan, PlanError> {
        let mut making = Making::default();
        let written = Unacknowledged::new(self.scribe.journal.clone(), PAGES_AHEAD);
        let mut page = self.lines(stage, 0).await?;
        while let Some((last, _)) = page.last() {
            let after = last.row;
            page.iter().try_for_each(|(line, _)| line.leaf().map(|leaf| making.add(line, leaf)))?;
            let drafts = page.into_iter().map(|(line, place)| {
                let page = place.and_then(|place| inventory.readings.get(place)).copied();
                Draft::of_row(line.row, Event::IntentRecorded(Box::new(IntentRecorded { line, page })))
            });
            // The next page is judged while the last ones are written.
            self.tally.intents.store(after, Ordering::Relaxed);
            let append = written.append(drafts.collect());
            (_, page) = try_join(append, self.lines(stage, after)).await?;
        }
        written.flush().await?;
        let plan = making.seal(&self.header, inventory)?;
        self.scribe.write(Event::PlanSealed(Box::new(plan.sealed.clone()))).await?;
        Ok(plan)
    }
}

/// A plan that is not complete yet.
#[derive(Debug, Default)]
struct Making {
    sealing: Sealing,
    shown: Shown,
}

impl Making {
    /// Takes the next row.
    fn add(&mut self, line: &PlanRow, leaf: Hash) {
        self.sealing.push(&line.account, &line.region, line.verdict, leaf);
        self.shown.add(line);
    }

    fn seal(self, header: &PlanHeader, inventory: Inventory) -> Result<Plan, PlanLineError> {
        let seal = self.sealing.seal(header)?;
        let Inventory { targets, readings } = inventory;
        Ok(Plan { sealed: PlanSealed { header: header.clone(), seal, targets }, readings, shown: self.shown })
    }
}

impl Shown {
    /// Takes the next row.
    pub fn add(&mut self, line: &PlanRow) {
        // A few of each target, so that each can be probed.
        let is_new = || !self.first.iter().any(|(_, target)| is_in(line, target));
        if line.verdict == Verdict::Delete && (self.first.len() < SHOWN || is_new()) {
            self.first.push((line.name.clone(), target_of(line)));
        }
        self.count_there(line);
        for note in line.notes.iter().filter(|note| note.severity > Severity::Info) {
            *self.note_counts.entry(note.kind.clone()).or_default() += 1;
            if note.kind == RECREATED && self.recreated.len() < SHOWN {
                self.recreated.push((line.row, line.name.clone(), note.clone()));
            }
            if self.notes.len() < SHOWN {
                self.notes.push((line.row, line.name.clone(), note.clone()));
            }
        }
    }

    /// An invalid row names no key pair, and one for another account says nothing about this one.
    fn count_there(&mut self, line: &PlanRow) {
        let says_nothing = |note: &Note| matches!(note.kind.as_str(), guard::INVALID_ROW | guard::OTHER_ACCOUNT);
        if line.notes.iter().any(says_nothing) {
            return;
        }
        if !self.there.keys().any(|target| is_in(line, target)) {
            self.there.insert(target_of(line), There::default());
        }
        let Some((_, there)) = self.there.iter_mut().find(|(target, _)| is_in(line, target)) else { return };
        there.rows += 1;
        // If two key pairs have the name, neither is considered the intended one, but both are there.
        let is_ambiguous = line.notes.iter().any(|note| note.kind == guard::AMBIGUOUS);
        there.found += u64::from(line.observation.is_some() || is_ambiguous);
    }

    /// The targets in which none of the key pairs that the manifest names is there, with the number of their rows: a wrong
    /// account, profile or region looks like that.
    pub fn nothing_there(&self) -> impl Iterator<Item = (&Target, u64)> {
        let none = self.there.iter().filter(|(_, there)| there.found == 0);
        none.map(|(target, there)| (target, there.rows))
    }
}

fn target_of(line: &PlanRow) -> Target {
    Target { account: line.account.clone(), region: line.region.clone() }
}

fn is_in(line: &PlanRow, target: &Target) -> bool {
    target.region == line.region && target.account == line.account
}

/// What reading one key pair as a trial showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Key pairs can be read.
    Read,
    /// This one may not be, in the service's words.
    Denied(String),
    /// Nothing usable came back.
    NoAnswer,
}

/// Reads one key pair as a trial: a caller who may not read key pairs cannot settle anything. It also shows where the
/// answers come from.
///
/// # Errors
/// Where the answer comes from elsewhere, or the journal cannot be written.
pub async fn probe<L: Lightsail>(lane: &Lane<L>, name: &str, patience: Duration) -> Result<Probe, PlanError> {
    let region = &lane.target.region;
    let Reading { reply, requests, throttled } = lane.read(patience, || lane.port.get_key_pair(region, name)).await?;
    if lane.is_foreign(&reply.exchange) {
        return Err(foreign(lane, &reply.exchange));
    }
    let now = lane.scribe.now();
    match &reply.result {
        Ok(pair) if pair.name == name => lane.sightings.note(name, Some(&pair.identity), now),
        Err(error) if error.class == Class::NotFound => lane.sightings.note(name, None, now),
        _ => {}
    }
    let error = reply.result.err();
    let found = error.as_ref().map_or(Found::Listed, |error| crate::lane::found_error(error.class));
    let seen = Observed {
        requests,
        throttled,
        account: Some(lane.target.account.clone()),
        region: Some(region.clone()),
        failure: Failure::of(error.clone(), &reply.exchange),
        exchange: reply.exchange,
        ..Observed::of(Source::GetKeyPair, found)
    };
    lane.scribe.write(Event::Observed(Box::new(seen))).await?;
    Ok(match error {
        Some(error) if error.class == Class::Denied => Probe::Denied(error.summary()),
        Some(error) if error.class != Class::NotFound => Probe::NoAnswer,
        _ => {
            lane.read_at.get_or_init(|| lane.scribe.now());
            Probe::Read
        }
    })
}
