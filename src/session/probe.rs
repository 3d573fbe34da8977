//! Whether key pairs may be read, before anything is sent: without that permission nothing could be settled.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::SessionError;
use crate::domain::Settings;
use crate::journal::{Reader, RunRecord, TargetRecord};
use crate::lane::Lane;
use crate::lightsail::Lightsail;
use crate::plan::{PlanError, Probe, probe};

/// How many key pairs of a target that have no outcome yet, and how many that have one, are tried before reading counts as
/// not permitted there: some may be protected from being read by their tags.
const PROBES: [u32; 2] = [20, 3];

/// What reading a key pair of each target showed.
pub(super) enum Probed {
    /// Nothing may be sent.
    Leave(PlanError),
    /// Key pairs may not be read in these targets; the others continue.
    Closed(BTreeMap<i64, PlanError>),
}

/// Reads a key pair of each target that has rows left, before anything is sent: without that
/// permission nothing could be settled there, and answers from elsewhere than the run is bound to must be noticed.
pub(super) async fn probe_lanes<L: Lightsail>(
    reader: &Reader,
    record: &RunRecord,
    settings: &Settings,
    lanes: &[(TargetRecord, Arc<Lane<L>>)],
) -> Result<Probed, SessionError> {
    let mut closed = BTreeMap::new();
    let mut open = false;
    for (target, lane) in lanes {
        let mut names = reader.names_to_delete(record.run_no, target.target_no, false, PROBES[0]).await?;
        if !names.is_empty() {
            names.extend(reader.names_to_delete(record.run_no, target.target_no, true, PROBES[1]).await?);
        }
        let is_left = !names.is_empty();
        match probe_one(lane, names, settings).await {
            Ok(None) => open |= is_left,
            Ok(Some(refused)) => drop(closed.insert(target.target_no, refused)),
            Err(PlanError::Journal(error)) => return Err(error.into()),
            Err(error) => return Ok(Probed::Leave(error)),
        }
    }
    if open {
        return Ok(Probed::Closed(closed));
    }
    Ok(closed.pop_first().map_or(Probed::Closed(BTreeMap::new()), |(_, error)| Probed::Leave(error)))
}

/// Reads one of these key pairs; the refusal, where none of them may be read.
async fn probe_one<L: Lightsail>(
    lane: &Lane<L>,
    names: Vec<String>,
    settings: &Settings,
) -> Result<Option<PlanError>, PlanError> {
    let mut refused = None;
    for name in names {
        let Probe::Denied(said) = probe(lane, &name, settings.settle_timeout).await? else { return Ok(None) };
        let (action, target) = ("lightsail:GetKeyPair", lane.target.clone());
        refused = Some(PlanError::NotPermitted { action, target, said });
    }
    Ok(refused)
}
