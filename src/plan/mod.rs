//! The plan: every row of the manifest joined with what the inventory says, judged by the guards, recorded in order
//! and sealed with a root. After that there are no choices left. Only reads are sent.

pub mod again;
mod draft;
pub mod earlier;
mod error;
pub mod inventory;
mod making;
mod observe;
mod planner;
mod refuse;
pub mod select;
mod shown;
pub mod stage;
pub mod stage_file;
pub mod stage_rows;
mod unacknowledged;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::{try_join, try_join_all};
use tokio::sync::Mutex;

use crate::domain::{Class, Failure};
use crate::journal::JournalError;
use crate::journal::stage::Stage;
use crate::lane::{Lane, Reading};
use crate::lightsail::Lightsail;
use crate::policy::StagedRow;
use crate::policy::guard::{self, Facts};
use crate::record::Draft;
use crate::record::event::{Event, Found, IntentRecorded, Observed, Source};
use crate::record::plan::PlanRow;
pub use error::{PlanError, foreign};
pub use making::{Changes, Plan, place};
use making::{Judged, Making};
use observe::{Inventory, Observing, READINGS_AHEAD, Seen};
pub use planner::{Planner, Tally};
pub use shown::{Shown, There};
use unacknowledged::Unacknowledged;

/// Rows that are judged and recorded at once.
const PAGE: u32 = 1_000;

/// Pages of rows that may be on their way to the disk while the next one is judged. One keeps the writer busy, another
/// one bridges the moment between a commit and its acknowledgement.
const PAGES_AHEAD: usize = 2;

/// How many key pairs of a target are tried before reading counts as not permitted there.
const PROBES: usize = 3;

/// A row of the manifest with what is known about its key pair.
type Joined = crate::journal::stage::Joined<StagedRow, Seen>;

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
        self.refuse(stage, &inventory.targets).await?;
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

    /// The plan's line about a row, and what became of it where that was made on another day.
    fn judge(&self, mut joined: Joined) -> Judged {
        if let Some(planned) = joined.body.planned.take() {
            return self.judge_again(*planned, joined);
        }
        if !self.accounts.contains(&joined.account) {
            self.home.clone_into(&mut joined.account);
        }
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
            limits: &self.limits,
            judged_at: self.judged_at,
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
        Judged { line, place, today: None }
    }

    /// The next rows after `after`, judged.
    async fn lines(&self, stage: &mut Stage, after: u64) -> Result<Vec<Judged>, JournalError> {
        let page = stage.joined(after, PAGE).await?;
        Ok(page.into_iter().map(|joined| self.judge(joined)).collect())
    }

    /// Records an intent for each row, and the seal.
    async fn record(&self, stage: &mut Stage, inventory: Inventory) -> Result<Plan, PlanError> {
        let mut making = Making::default();
        let written = Unacknowledged::new(self.scribe.journal.clone(), PAGES_AHEAD);
        let mut page = self.lines(stage, 0).await?;
        while let Some(last) = page.last() {
            let after = last.line.row;
            page.iter().try_for_each(|judged| judged.line.leaf().map(|leaf| making.add(judged, leaf)))?;
            let drafts = page.into_iter().map(|Judged { line, place, today }| {
                let page = place.and_then(|place| inventory.readings.get(place)).copied();
                Draft::of_row(line.row, Event::IntentRecorded(Box::new(IntentRecorded { line, page, today })))
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
