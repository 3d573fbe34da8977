//! To plan some rows of an earlier run again, and to delete what is left of them: a new run with a plan of its own.
//!
//! The rows are those of the journal, so no file is needed. What the earlier run saw of a key pair guards: another one that has its name
//! now is skipped.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::accounts::{Connections, connect};
use super::admit::{refuse_altered, refuse_another};
use super::again::{at_rest, kept_world, learn_past};
use super::begin::{Begun, begin};
use super::end::Ending;
use super::error::{Refusal, Sent, SessionError};
use super::host::Host;
use super::open::OpenJournal;
use super::operator::Notice;
use super::order::{RunOrder, Subject};
use super::place::{Goal, Way};
use super::refuse::refuse_manifest;
use super::run::in_journal_of_run;
use super::selection::Selection;
use super::stage::{Input, Staged};
use super::summary::{Head, Summary};
use crate::domain::{Retriable, RunId, Settings, Target};
use crate::journal::{Reader, RunRecord};
use crate::manifest::Faults;
use crate::plan::stage::compare_twins;
use crate::plan::stage_rows::{Lifted, StageRowsError, StagedRows, stage_rows};
use crate::review::runs::resolve;

/// Runs the rows of an earlier run that are selected. If its `manifest` is named, too, it must be that run's.
///
/// # Errors
/// As [`Refusal`] says.
pub async fn retry<H: Host>(
    host: &H,
    order: &RunOrder,
    selection: &Selection,
    manifest: Option<Input>,
) -> Result<Ending, SessionError> {
    in_journal_of_run(host, &order.order, async |open| Box::pin(work(host, order, (selection, manifest), open)).await)
        .await
}

async fn work<H: Host>(
    host: &H,
    order: &RunOrder,
    (selection, manifest): (&Selection, Option<Input>),
    open: OpenJournal,
) -> Result<Ending, SessionError> {
    let (began, run, journal) = (tokio::time::Instant::now(), RunId(host.new_id()), &order.order.journal);
    let settings = order.order.overrides.over(Settings::default());
    let earlier = earlier(&open.reader, selection, manifest).await?;
    let directory = journal.directory();
    let staging = (&order.subject, &order.order.accounts);
    let Some(mut selected) = select(host, &open.reader, staging, (earlier, selection), (directory, run)).await? else {
        let head = Head::from(&open.close(host).await?);
        return Ok(Ending::summed(Summary { head, ..Summary::of_nothing(journal) }));
    };
    // What is done next is read from the journal, so nothing is done where that was changed.
    refuse_altered(host, &open.reader).await?;
    let order = RunOrder { subject: selected.subject.clone(), ..order.clone() };
    let kept = kept_world(&open.reader, journal, &selected.earlier).await?;
    let mut connections = reach(host, &selected, (kept, run), &settings, &order.order.accounts).await?;
    connections.refuse_unreached()?;
    order.refuse_unanswerable()?;
    order.order.policy.refuse_unapproved()?;
    let faults = settle(&mut selected, &open.reader, &connections).await?;
    let staged = selected.staged;
    if !faults.is_empty() {
        let refused = (Box::new(faults), Some(Box::new(staged.ingested)));
        return Err(refuse_manifest(host, &order, &settings, &open, run, refused).await?);
    }
    begin(host, &order, settings, run, Begun { open, began, staged, connections, is_again: false }).await
}

/// The rows of an earlier run, on the stage.
pub(super) struct Selected {
    /// The run.
    pub(super) earlier: RunRecord,
    /// What is planned.
    pub(super) subject: Subject,
    pub(super) staged: Staged,
}

/// The earlier run, if rows of it may be planned again. A `manifest` that is named must be its own.
pub(super) async fn earlier(
    reader: &Reader,
    selection: &Selection,
    manifest: Option<Input>,
) -> Result<RunRecord, SessionError> {
    let refuse = |refusal, run| Err(SessionError::new(refusal).of_run(run).sent(Sent::Nothing));
    let found = resolve(reader, &selection.of).await;
    let record = found.map_err(|error| SessionError::from(error).sent(Sent::Nothing))?;
    let run = record.run;
    if record.started_seq.is_none() {
        return refuse(Refusal::Abandoned { run, started: false }, run);
    }
    // Its own sessions take these up; what it has settled, they leave as it is.
    if record.state.is_unfinished() && selection.only.contains(&Retriable::NotAttempted) {
        return refuse(Refusal::Unfinished { run, state: at_rest(&record.state).to_owned() }, run);
    }
    if let Some(manifest) = manifest {
        let found = sha256_of(manifest).await.map_err(|error| SessionError::outside(error).sent(Sent::Nothing))?;
        let expected = record.manifest_sha256.clone().unwrap_or_default();
        if found != expected {
            let name = reader.about(record.run_no).await?.manifest.unwrap_or_default();
            return refuse(Refusal::OtherManifest { run, name, expected, found }, run);
        }
    }
    Ok(record)
}

/// The hash of all that is read.
async fn sha256_of(mut input: Input) -> Result<String, super::error::Outside> {
    let read = tokio::task::spawn_blocking(move || {
        let (mut digest, mut piece) = (Sha256::new(), vec![0; 64 * 1024]);
        loop {
            match input.read(&mut piece)? {
                0 => return Ok::<_, std::io::Error>(digest.finalize()),
                read => digest.update(&piece[..read]),
            }
        }
    });
    let digest = read.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Stages the rows that are selected; nothing if there are none.
pub(super) async fn select<H: Host>(
    host: &H,
    reader: &Reader,
    (subject, accounts): (&Subject, &BTreeSet<String>),
    (earlier, selection): (RunRecord, &Selection),
    (directory, run): (&Path, RunId),
) -> Result<Option<Selected>, SessionError> {
    let mut stage = host.stage(directory, run).await?;
    let Subject { skip_invalid, allow_default_key_pair, .. } = *subject;
    let lifted = Lifted { skip_invalid, allow_default_key_pair };
    let rows = stage_rows(&mut stage, reader, &earlier, &selection.only, (accounts, lifted)).await;
    let StagedRows { ingested, counts } = rows.map_err(|error| match error {
        StageRowsError::Journal(error) => error.into(),
        StageRowsError::Needs { flag, .. } => {
            let refusal = Refusal::RetryNeeds { what: error.to_string(), flag };
            SessionError::new(refusal).of_run(earlier.run).sent(Sent::Nothing)
        }
    })?;
    if ingested.rows == 0 {
        host.operator().notice(Notice::NothingSelected { run: earlier.run, only: &selection.in_words() });
        return Ok(None);
    }
    host.operator().notice(Notice::Selected { run: earlier.run, manifest: &ingested.name, counts: &counts });
    stage.index_rows().await?;
    let selection = Selection { of: earlier.run.to_string(), only: selection.only.clone() };
    let (manifest, sandbox, selection) = (ingested.name.clone(), earlier.sandbox, Some(selection));
    let subject = Subject { manifest, sandbox, selection, ..subject.clone() };
    Ok(Some(Selected { earlier, subject, staged: Staged { stage, ingested } }))
}

/// Connects to where the earlier run was, and refuses any other place.
pub(super) async fn reach<H: Host>(
    host: &H,
    selected: &Selected,
    (kept, run): (Option<PathBuf>, RunId),
    settings: &Settings,
    configured: &BTreeSet<String>,
) -> Result<Connections<H::Port>, SessionError> {
    let Selected { earlier, staged, .. } = selected;
    let mut targets = staged.stage.targets();
    let region = targets.first().map(|target| target.region.clone());
    // The home account stays that of the earlier run, also where none of these rows is in it.
    let home = earlier.account.clone().filter(|account| configured.contains(account)).unwrap_or_default();
    targets.push(Target { account: home, region: String::new() });
    let goal = kept.as_deref().map_or(Goal::Service, Goal::OldWorld);
    let bound = earlier.endpoint.as_deref();
    let way = Way { goal, account: None, run, region: region.as_deref(), bound, settings };
    let connections = connect(host, way, &targets, configured).await?;
    refuse_another(earlier, &connections.place)?;
    Ok(connections)
}

/// Puts the rows into the home account, and learns what is known of their names; or what contradicts in them.
pub(super) async fn settle<L>(
    selected: &mut Selected,
    reader: &Reader,
    connections: &Connections<L>,
) -> Result<Faults, SessionError> {
    let Selected { earlier, subject, staged } = selected;
    let mut faults = compare_twins(&mut staged.stage, &subject.manifest, subject.skip_invalid).await?;
    if faults.is_empty() {
        faults = staged.settle_home(subject, connections).await?;
    }
    if faults.is_empty() {
        let sha256 = earlier.manifest_sha256.clone().unwrap_or_default();
        learn_past(&mut staged.stage, Some(reader), &sha256, connections).await?;
    }
    Ok(faults)
}
