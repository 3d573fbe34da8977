//! To examine a manifest: whether a run of it could succeed here. Everything is tried that can be tried without harm, through each
//! target's limiter, with a bounded number of requests. Nothing is deleted, and nothing is journalled.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::de::IgnoredAny;

use super::accounts::{Connections, Unreached, connect};
use super::again::past;
use super::at_work::{lane, rate_cap};
use super::error::{Refusal, Sent, SessionError};
use super::host::Host;
use super::order::ExamineOrder;
use super::place::{Goal, Place, Way};
use super::stage::{Input, Staged, Unstaged, stage};
use crate::domain::{ApiError, Reply, RunId, Settings, Target};
use crate::journal::{Forgetful, Journal, JournalError, Scribe, WriterOptions};
use crate::lane::{Counts, Lane};
use crate::lightsail::Lightsail;
use crate::policy::StagedRow;

/// How many key pairs of each target are read.
pub const SAMPLE: usize = 3;

/// The most requests that a target is sent, beside the two of each account: the key pairs of the sample, a page of each of three
/// listings, and one operation.
pub const MOST_REQUESTS: usize = SAMPLE + 4;

/// An operation's id that no operation has.
const NO_OPERATION: &str = "00000000-0000-0000-0000-000000000000";

/// Rows that are read at once.
const PAGE: u32 = 1_000;

/// A manifest that has no faults.
#[derive(Debug)]
pub struct Examined {
    /// How many rows it has.
    pub rows: u64,
    /// What was found at the service, or why nothing was.
    pub reached: Result<AtService, SessionError>,
}

/// What was found at the service.
#[derive(Debug)]
pub struct AtService {
    /// Where requests go, and as whom.
    pub place: Place,
    /// Accounts that are not reached, and why.
    pub unreached: BTreeMap<String, SessionError>,
    /// Each target of the manifest whose account is reached.
    pub targets: Vec<TargetExamined>,
    /// Requests to Lightsail that this took.
    pub requests: u64,
}

/// What was found in a target.
#[derive(Debug)]
pub struct TargetExamined {
    /// The target.
    pub target: Target,
    /// The manifest's rows in it that can be executed.
    pub rows: u64,
    /// How far the machine's clock is ahead of the service's, where an answer had a date.
    pub ahead: Option<SignedDuration>,
    /// When its credentials expire, if they do.
    pub expiry: Option<Timestamp>,
    /// What each request showed, in order.
    pub trials: Vec<Trial>,
}

/// A request that was tried.
#[derive(Debug)]
pub struct Trial {
    /// As a policy names it.
    pub action: &'static str,
    /// The key pair that was read, where it is about one.
    pub name: Option<String>,
    /// How many things were listed or read, or why none were.
    pub result: Result<usize, ApiError>,
    /// Whether the answer comes from another place than the one that said who the caller is.
    pub is_foreign: bool,
}

/// Examines what is read from `input`.
///
/// # Errors
/// If the manifest is refused, or cannot be read.
pub async fn examine<H: Host>(host: &H, order: &ExamineOrder, input: Input) -> Result<Examined, SessionError> {
    let run = RunId(host.new_id());
    let accounts = &order.order.accounts;
    let mut staged = match stage(host, (&order.subject, accounts), input, &order.directory, run).await {
        Ok(staged) => staged,
        Err(Unstaged::Manifest(faults, _)) => {
            let why = Refusal::Manifest { faults, skip_invalid: order.subject.skip_invalid, recorded: false };
            return Err(SessionError::new(why).sent(Sent::Nothing));
        }
        Err(Unstaged::Other(error)) => return Err(error),
    };
    let rows = staged.ingested.rows;
    Ok(Examined { rows, reached: reach(host, order, &mut staged, run).await })
}

async fn reach<H: Host>(
    host: &H,
    order: &ExamineOrder,
    staged: &mut Staged,
    run: RunId,
) -> Result<AtService, SessionError> {
    let settings = order.order.overrides.over(Settings::default());
    let targets = staged.stage.targets();
    let region = targets.first().map(|target| target.region.as_str());
    let way = Way { goal: Goal::Service, account: None, run, region, bound: None, settings: &settings };
    let mut connections = connect(host, way, &targets, &order.order.accounts).await?;
    let faults = staged.settle_home(&order.subject, &connections).await?;
    if !faults.is_empty() {
        let (faults, skip_invalid) = (Box::new(faults), order.subject.skip_invalid);
        return Err(SessionError::new(Refusal::Manifest { faults, skip_invalid, recorded: false }).sent(Sent::Reads));
    }
    let samples = samples(staged).await?;
    let counts = Arc::<Counts>::default();
    let lanes = lanes(host, order, &settings, &connections, staged.stage.targets(), &counts).await?;
    let mut found = Vec::new();
    let mut asked_for_regions = Vec::new();
    for lane in lanes {
        let (rows, names) = samples.get(&lane.target).cloned().unwrap_or_default();
        let is_first = !asked_for_regions.contains(&lane.target.account);
        asked_for_regions.push(lane.target.account.clone());
        let trials = tried(&lane, &names, is_first).await?;
        let now = host.clock().now();
        let ahead = lane.port.service_date().map(|(date, ago)| {
            let then = date.saturating_add(ago).unwrap_or(date);
            now.duration_since(then)
        });
        let expiry = lane.port.credentials_expiry();
        found.push(TargetExamined { target: lane.target.clone(), rows, ahead, expiry, trials });
    }
    let requests = counts.reads.load(Ordering::Relaxed);
    let unreached = std::mem::take(&mut connections.unreached);
    let why = |unreached: Unreached| SessionError::new(unreached.refusal()).sent(Sent::Reads);
    let unreached = unreached.into_iter().map(|(account, unreached)| (account, why(unreached))).collect();
    Ok(AtService { place: connections.place, unreached, targets: found, requests })
}

/// A lane of each target whose account is reached, from the rate that the journal has of it.
async fn lanes<H: Host>(
    host: &H,
    order: &ExamineOrder,
    settings: &Settings,
    connections: &Connections<H::Port>,
    targets: Vec<Target>,
    counts: &Arc<Counts>,
) -> Result<Vec<Arc<Lane<H::Port>>>, SessionError> {
    let clock = host.clock();
    let forgetful = WriterOptions { new_journal_id: String::new(), on_checkpoint: Box::new(|_, _| Ok(())) };
    let (journal, _ends_by_itself) = Journal::start(Forgetful::new(clock.now()), forgetful).await?;
    let scribe = Scribe { journal, clock };
    // A journal that cannot be read has a finding of its own.
    let past = past(host, &order.order.journal).await.ok().flatten();
    let mut lanes = Vec::new();
    for target in targets.into_iter().filter(|target| !target.region.is_empty()) {
        let cap = rate_cap(settings, &order.order.policy, &target);
        lanes.extend(lane(past.as_ref(), connections, target, cap, scribe.clone(), counts).await?);
    }
    Ok(lanes)
}

/// How many rows each target has, and the first key pairs that they name.
async fn samples(staged: &mut Staged) -> Result<BTreeMap<Target, (u64, Vec<String>)>, JournalError> {
    let mut samples: BTreeMap<Target, (u64, Vec<String>)> = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = staged.stage.joined::<StagedRow, IgnoredAny>(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(samples) };
        after = last.row;
        for joined in page.into_iter().filter(|joined| joined.first == joined.row && joined.body.faults.is_empty()) {
            let target = Target { account: joined.account, region: joined.region };
            let (rows, names) = samples.entry(target).or_default();
            *rows += 1;
            if names.len() < SAMPLE {
                names.push(joined.name);
            }
        }
    }
}

/// Every request but a deletion, once. What is throttled is not repeated.
async fn tried<L: Lightsail>(lane: &Lane<L>, names: &[String], with_regions: bool) -> Result<Vec<Trial>, JournalError> {
    let (port, region) = (&lane.port, lane.target.region.as_str());
    let mut trials = Vec::new();
    let listed = once(lane, || port.get_key_pairs(region, None)).await?;
    trials.push(trial(lane, "lightsail:GetKeyPairs", None, listed, |page| page.items.len()));
    for name in names {
        let read = once(lane, || port.get_key_pair(region, name)).await?;
        trials.push(trial(lane, "lightsail:GetKeyPair", Some(name), read, |_| 1));
    }
    if let Some(name) = names.first() {
        let history = once(lane, || port.get_operations_for_resource(region, name, None)).await?;
        let operations = trial(lane, "lightsail:GetOperationsForResource", None, history, |page| page.items.len());
        trials.push(operations);
    }
    let operation = once(lane, || port.get_operation(region, NO_OPERATION)).await?;
    trials.push(trial(lane, "lightsail:GetOperation", None, operation, |_| 1));
    let instances = once(lane, || port.get_instances(region, None)).await?;
    trials.push(trial(lane, "lightsail:GetInstances", None, instances, |page| page.items.len()));
    if with_regions {
        let regions = once(lane, || port.get_regions(region)).await?;
        trials.push(trial(lane, "lightsail:GetRegions", None, regions, Vec::len));
    }
    Ok(trials)
}

async fn once<L: Lightsail, T, F>(lane: &Lane<L>, request: impl Fn() -> F) -> Result<Reply<T>, JournalError>
where
    F: Future<Output = Reply<T>>,
{
    Ok(lane.read(Duration::ZERO, request).await?.reply)
}

fn trial<L, T>(
    lane: &Lane<L>,
    action: &'static str,
    name: Option<&String>,
    reply: Reply<T>,
    count: impl Fn(&T) -> usize,
) -> Trial {
    let is_foreign = lane.is_foreign(&reply.exchange);
    Trial { action, name: name.cloned(), result: reply.result.as_ref().map(count).map_err(Clone::clone), is_foreign }
}
