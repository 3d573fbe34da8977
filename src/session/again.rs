//! A manifest that is run again: which earlier run it had, what follows from that, and what earlier runs know of its names.

use std::path::{Path, PathBuf};

use super::accounts::Connections;
use super::admit::opened_by;
use super::archived::with_archived;
use super::error::{Refusal, Sent, SessionError};
use super::host::Host;
use super::operator::{Notice, Operator};
use super::order::Repeat;
use super::place::Place;
use crate::domain::{OF, RunId, service_behind};
use crate::journal::stage::Stage;
use crate::journal::{JournalError, Location, Reader, RunRecord, RunState};
use crate::plan::earlier::{Earlier, learn};

/// The word for a run whose session has no end in the journal although no process is working on it.
pub const INTERRUPTED: &str = "interrupted";

/// The state of a run for a session that holds the lock itself, so no other session is working on it.
#[must_use]
pub fn at_rest(stored: &RunState) -> &str {
    if stored.is_at_work() { INTERRUPTED } else { stored.as_str() }
}

/// The directory in which the world of a rehearsal is kept.
#[must_use]
pub fn world_directory(journal: &Location, run: RunId) -> PathBuf {
    let mut name = journal.beside().as_os_str().to_owned();
    name.push(format!(".sandbox-{run}"));
    name.into()
}

/// The directory in which the world of this rehearsal is kept beside the journal, if it is: one that plans rows of another rehearsal
/// again works in the world of that.
pub(super) async fn kept_world(
    reader: &Reader,
    journal: &Location,
    record: &RunRecord,
) -> Result<Option<PathBuf>, JournalError> {
    if !record.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("sandbox:")) {
        return Ok(None);
    }
    let own = world_directory(journal, record.run);
    if own.exists() {
        return Ok(Some(own));
    }
    let runs = reader.runs().await?.into_iter().filter(|other| other.endpoint == record.endpoint);
    Ok(runs.map(|other| world_directory(journal, other.run)).find(|directory| directory.exists()))
}

/// Whether a run plans some rows of another one again: it is no run of the manifest, whose other rows it does not have.
async fn is_retry(reader: &Reader, record: &RunRecord) -> Result<bool, JournalError> {
    Ok(opened_by(reader, record).await?.settings.contains_key(OF))
}

/// Where a run deletes key pairs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Where<'a> {
    /// In a world of this name that is created for it and kept beside the journal.
    BuiltIn { world: &'a str, journal: &'a Location },
    /// Where this connection leads.
    Connected(&'a Place),
}

impl Where<'_> {
    /// Whether that run was there.
    fn is_of(&self, record: &RunRecord) -> bool {
        let endpoint = record.endpoint.as_deref().unwrap_or_default();
        match self {
            Self::BuiltIn { world, journal } => {
                let named = endpoint.strip_prefix("sandbox:").and_then(|id| id.rsplit_once('-'));
                named.is_some_and(|(name, _)| name == *world) && world_directory(journal, record.run).exists()
            }
            Self::Connected(place) => {
                record.account.as_deref() == Some(&place.caller.account)
                    && service_behind(endpoint) == service_behind(&place.endpoint)
            }
        }
    }
}

/// What to do with a manifest that may have been run before.
#[derive(Debug)]
pub(super) enum Admitted {
    /// A run begins, although one of this manifest is finished if `again`.
    Begin { again: bool },
    /// This run continues.
    GoOn(RunRecord),
    /// This run is finished; report how it ended.
    Finished(RunRecord),
}

/// The journal with the earlier runs, for a plan that is not recorded; nothing if there is none.
///
/// # Errors
/// If a journal exists and cannot be read.
pub(super) async fn past<H: Host>(host: &H, at: &Location) -> Result<Option<Reader>, SessionError> {
    let Some(path) = at.file() else { return Ok(Some(with_archived(host, at, host.reader(at).await?).await?)) };
    // One whose creation was interrupted is empty.
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() > 0 => Ok(Some(with_archived(host, at, host.reader(at).await?).await?)),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SessionError::new(Refusal::Unreadable { path: path.to_owned(), error }).sent(Sent::Nothing)),
    }
}

/// Whether a manifest with this digest may begin a run at `place`. An unfinished run of it is that run's business; a finished
/// one is repeated only on demand. Abandoned runs count as none.
///
/// # Errors
/// The refusal, or where the journal cannot be read.
pub(super) async fn admit(
    repeat: Repeat,
    past: Option<&Reader>,
    sha256: &str,
    place: Where<'_>,
) -> Result<Admitted, SessionError> {
    let Some(past) = past else { return Ok(Admitted::Begin { again: false }) };
    // The oldest first; archived runs are over.
    let mut runs = Vec::new();
    for reader in past.archived().iter().chain([past]) {
        for record in reader.runs().await? {
            let is_of_manifest = record.manifest_sha256.as_deref() == Some(sha256) && place.is_of(&record);
            if is_of_manifest && !is_retry(reader, &record).await? {
                runs.push((record, reader.place()));
            }
        }
    }
    let latest =
        |is_meant: fn(&RunState) -> bool| runs.iter().rev().find(|(record, _)| is_meant(&record.state)).cloned();
    let sent = if matches!(place, Where::BuiltIn { .. }) { Sent::Nothing } else { Sent::Reads };
    if let Some((record, _)) = latest(RunState::is_unfinished) {
        return if repeat == Repeat::Resume { Ok(Admitted::GoOn(record)) } else { Err(unfinished(&record).sent(sent)) };
    }
    match latest(|state| *state == RunState::Finished) {
        Some((record, _)) if repeat == Repeat::Resume => Ok(Admitted::Finished(record)),
        // Another world of the same name is another place: what was done in the last one says nothing about it.
        Some(_) if matches!(place, Where::BuiltIn { .. }) => Ok(Admitted::Begin { again: false }),
        Some((record, archive)) if repeat != Repeat::Again => Err(finished(&record, archive).sent(sent)),
        found => Ok(Admitted::Begin { again: found.is_some() }),
    }
}

/// The run of this manifest that will probably continue, as far as is known before connecting.
///
/// # Errors
/// Where the journal cannot be read.
pub(super) async fn likely(
    past: Option<&Reader>,
    sha256: &str,
    journal: &Location,
) -> Result<Option<RunId>, SessionError> {
    let Some(past) = past else { return Ok(None) };
    // A rehearsal whose world is kept beside the journal can continue only there.
    let goes_on = |record: &RunRecord| {
        record.manifest_sha256.as_deref() == Some(sha256)
            && record.state.is_unfinished()
            && !(record.sandbox && world_directory(journal, record.run).exists())
    };
    for record in past.runs().await?.into_iter().rev().filter(goes_on) {
        if !is_retry(past, &record).await? {
            return Ok(Some(record.run));
        }
    }
    Ok(None)
}

fn unfinished(record: &RunRecord) -> SessionError {
    let (run, state) = (record.run, at_rest(&record.state).to_owned());
    SessionError::new(Refusal::Unfinished { run, state }).of_run(run)
}

fn finished(record: &RunRecord, archive: Option<&Path>) -> SessionError {
    let (run, sandbox, archive) = (record.run, record.sandbox, archive.map(Path::to_owned));
    SessionError::new(Refusal::AlreadyRun { run, sandbox, archive }).of_run(run)
}

/// Teaches the stage what earlier runs against the same service know of its names, in any of its accounts.
///
/// # Errors
/// Where the journal or the stage fails.
pub(super) async fn learn_past<L>(
    stage: &mut Stage,
    past: Option<&Reader>,
    sha256: &str,
    connections: &Connections<L>,
) -> Result<(), SessionError> {
    let Some(past) = past else { return Ok(()) };
    for archived in past.archived() {
        learn_from(stage, archived, sha256, connections).await?;
    }
    learn_from(stage, past, sha256, connections).await
}

async fn learn_from<L>(
    stage: &mut Stage,
    past: &Reader,
    sha256: &str,
    connections: &Connections<L>,
) -> Result<(), SessionError> {
    let (service, accounts) = (service_behind(&connections.place.endpoint).to_owned(), connections.accounts());
    let is_there = |record: &RunRecord| service_behind(record.endpoint.as_deref().unwrap_or_default()) == service;
    let mut earlier = Vec::new();
    // A run that was never started has settled nothing, and left nothing unsettled.
    for record in past.runs().await?.into_iter().filter(|record| record.started_seq.is_some() && is_there(record)) {
        let targets = past.targets(record.run_no).await?;
        if targets.iter().any(|target| accounts.contains(target.target.account.as_str())) {
            let (run_no, run) = (record.run_no, record.run.to_string());
            let same_manifest = record.manifest_sha256.as_deref() == Some(sha256);
            earlier.push(Earlier { run_no, run, same_manifest });
        }
    }
    Ok(learn(stage, past, &earlier).await?)
}

/// The unfinished run that `resume` continues if none is named. Real runs come before rehearsals.
///
/// # Errors
/// If several real runs are unfinished.
pub(super) fn only_unfinished(
    runs: Vec<RunRecord>,
    operator: &dyn Operator,
) -> Result<Option<RunRecord>, SessionError> {
    let unfinished = runs.into_iter().filter(|record| record.state.is_unfinished());
    let (mut rehearsals, mut real): (Vec<_>, Vec<_>) = unfinished.partition(|record| record.sandbox);
    match (real.len(), rehearsals.len()) {
        (1, _) => Ok(real.pop()),
        (0, 0) => {
            operator.notice(Notice::NothingUnfinished);
            Ok(None)
        }
        (0, 1) => {
            operator.notice(Notice::OnlyRehearsal);
            Ok(rehearsals.pop())
        }
        (0, _) => {
            operator.notice(Notice::OnlyRehearsals(&rehearsals));
            Ok(None)
        }
        (_, _) => Err(SessionError::new(Refusal::Several(real)).sent(Sent::Nothing)),
    }
}
