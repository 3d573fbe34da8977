//! To list the instances that there are in a run's targets. Only reads are sent, and nothing is journalled.

use std::sync::Arc;

use super::accounts::{Connections, connect_again};
use super::admit::{opened_by, refuse_another};
use super::again::kept_world;
use super::at_work::{lane, rate_cap};
use super::error::SessionError;
use super::host::Host;
use super::order::Order;
use super::place::{Goal, Way};
use crate::domain::{Settings, Target};
use crate::journal::{Forgetful, Journal, Reader, RunRecord, Scribe, WriterOptions};
use crate::lane::Counts;
use crate::lightsail::Instance;
use crate::plan::inventory::Listing;

/// A target of a run, and its instances.
#[derive(Debug)]
pub struct TargetInstances {
    /// The target.
    pub target: Target,
    /// How many instances there are, and those of them that name a key pair; or why they could not be listed, for people.
    pub listed: Result<(u64, Vec<Instance>), String>,
}

/// Lists the instances of each target of the run `record` and keeps those that name a key pair. A target that cannot be asked
/// hides none of the others.
///
/// # Errors
/// Where no account of the run is reached, or requests would go elsewhere than those of the run went.
pub async fn instances<H: Host>(
    host: &H,
    order: &Order,
    reader: &Reader,
    record: &RunRecord,
) -> Result<Vec<TargetInstances>, SessionError> {
    let settings = order.overrides.over(Settings::default());
    let mut targets = reader.targets(record.run_no).await?;
    // Invalid rows have a target without a region, which cannot be asked.
    targets.retain(|target| !target.target.region.is_empty());
    let connections = reach(host, order, reader, record, &settings).await?;
    let clock = host.clock();
    let forgetful = WriterOptions { new_journal_id: String::new(), on_checkpoint: Box::new(|_, _| Ok(())) };
    let (journal, _ends_by_itself) = Journal::start(Forgetful::new(clock.now()), forgetful).await?;
    let (scribe, counts) = (Scribe { journal, clock }, Arc::<Counts>::default());
    let listing = Listing { patience: settings.settle_timeout, instances: true };
    let mut found = Vec::with_capacity(targets.len());
    for target in targets.into_iter().map(|record| record.target) {
        let cap = rate_cap(&settings, &order.policy, &target);
        let lane = lane(Some(reader), &connections, target.clone(), cap, scribe.clone(), &counts).await?;
        let listed = match lane {
            Some(lane) => {
                let (mut count, mut named) = (0, Vec::new());
                let keep = |instance: Instance| {
                    count += 1;
                    named.extend(Some(instance).filter(|instance| instance.ssh_key_name.is_some()));
                };
                let listed = listing.each_instance(&lane, keep).await;
                listed.map(|()| (count, named)).map_err(|error| error.to_string())
            }
            None => Err(unreached(&connections, &target)),
        };
        found.push(TargetInstances { target, listed });
    }
    Ok(found)
}

/// Connects to where the run was, and refuses any other place.
async fn reach<H: Host>(
    host: &H,
    order: &Order,
    reader: &Reader,
    record: &RunRecord,
    settings: &Settings,
) -> Result<Connections<H::Port>, SessionError> {
    let kept = kept_world(reader, &order.journal, record).await?;
    let goal = kept.as_deref().map_or(Goal::Service, Goal::OldWorld);
    let targets = reader.targets(record.run_no).await?;
    let region = targets.iter().map(|target| target.target.region.as_str()).find(|region| !region.is_empty());
    let bound = record.endpoint.as_deref();
    let way = Way { goal, account: None, run: record.run, region, bound, settings };
    let opened = opened_by(reader, record).await?;
    let connections = connect_again(host, way, (record, &opened), &targets, &order.accounts).await?;
    refuse_another(record, &connections.place)?;
    Ok(connections)
}

fn unreached<L>(connections: &Connections<L>, target: &Target) -> String {
    let why = connections.unreached.get(&target.account).map(ToString::to_string);
    why.unwrap_or_else(|| format!("account {} is not reached", target.account))
}
