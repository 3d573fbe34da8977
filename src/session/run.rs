//! To run a manifest: to read it, to find out whether it may be run, and to begin.

use super::accounts::connect;
use super::again::{Admitted, Where, admit, learn_past, likely, world_directory};
use super::begin::{Begun, begin};
use super::carry_on::{already_finished, carry_on};
use super::end::Ending;
use super::error::{Sent, SessionError};
use super::host::Host;
use super::in_journal::in_journal;
use super::open::OpenJournal;
use super::operator::Notice;
use super::order::{Order, Repeat, RunOrder};
use super::place::{Goal, Way};
use super::refuse::refuse_manifest;
use super::stage::{Input, Unstaged, stage};
use super::summary::{State, StopWord, Summary};
use crate::domain::{RunId, Settings};

/// Runs the manifest that is read from `input`.
///
/// # Errors
/// As [`Refusal`](super::error::Refusal) says.
pub async fn run<H: Host>(host: &H, order: &RunOrder, input: Input) -> Result<Ending, SessionError> {
    in_journal_of_run(host, &order.order, async |open| Box::pin(work(host, order, input, open)).await).await
}

/// Opens the journal for `work` that may begin a run, and closes it. After the confirmation, the session's own error says what was sent.
pub(super) async fn in_journal_of_run<H: Host>(
    host: &H,
    order: &Order,
    work: impl AsyncFnOnce(OpenJournal) -> Result<Ending, SessionError>,
) -> Result<Ending, SessionError> {
    let ended = in_journal(host, order, ("run", Sent::Reads), work).await?;
    Ok(ended.unwrap_or_else(|| {
        let (state, stopped_by) = (Some(State::Abandoned), Some(StopWord::Signal));
        Ending::summed(Summary { state, stopped_by, ..Summary::of_nothing(&order.journal) })
    }))
}

async fn work<H: Host>(host: &H, order: &RunOrder, input: Input, open: OpenJournal) -> Result<Ending, SessionError> {
    let began = tokio::time::Instant::now();
    let run = RunId(host.new_id());
    let settings = order.order.overrides.over(Settings::default());
    let (subject, journal) = (&order.subject, &order.order.journal);
    let mut staged = match stage(host, (subject, &order.order.accounts), input, journal.directory(), run).await {
        Ok(staged) => staged,
        Err(Unstaged::Manifest(faults, ingested)) => {
            return Err(refuse_manifest(host, order, &settings, &open, run, (faults, ingested)).await?);
        }
        Err(Unstaged::Other(error)) => return Err(error),
    };
    host.operator().notice(Notice::Ingested(&staged.ingested));
    let past = Some(&open.reader);
    let sha256 = staged.ingested.sha256.clone();
    let kept = world_directory(journal, run);
    let goal = if subject.sandbox { Goal::NewWorld(Some(&kept)) } else { Goal::Service };
    if subject.sandbox {
        let world = host.world(staged.named_pairs().await?).map_err(SessionError::outside)?;
        let place = Where::BuiltIn { world: &world, journal };
        match admit(order.repeat, past, &sha256, place).await? {
            Admitted::Begin { .. } => {}
            Admitted::GoOn(record) => return carry_on(host, &order.order, open, began, record, None).await,
            Admitted::Finished(record) => return already_finished(host, &order.order, &open, &record).await,
        }
    }
    let targets = staged.stage.targets();
    let region = targets.first().map(|target| target.region.as_str());
    // Requests name their run, so if an earlier run may continue, they must name that one.
    let may_go_on = order.repeat == Repeat::Resume && !subject.sandbox;
    let named = if may_go_on { likely(past, &sha256, journal).await?.unwrap_or(run) } else { run };
    let way = Way { goal, account: None, run: named, region, bound: None, settings: &settings };
    let mut connections = connect(host, way, &targets, &order.order.accounts).await?;
    let is_again = match admit(order.repeat, past, &sha256, Where::Connected(&connections.place)).await? {
        Admitted::Begin { again } => again,
        Admitted::GoOn(record) => {
            let connections = (record.run == named).then_some(connections);
            return carry_on(host, &order.order, open, began, record, connections).await;
        }
        Admitted::Finished(record) => return already_finished(host, &order.order, &open, &record).await,
    };
    connections.refuse_unreached()?;
    order.refuse_unanswerable()?;
    order.order.policy.refuse_unapproved()?;
    if named != run {
        connections = connect(host, Way { run, goal: Goal::Service, ..way }, &targets, &order.order.accounts).await?;
        connections.refuse_unreached()?;
    }
    let faults = staged.settle_home(subject, &connections).await?;
    if !faults.is_empty() {
        let refused = (Box::new(faults), Some(Box::new(staged.ingested)));
        return Err(refuse_manifest(host, order, &settings, &open, run, refused).await?);
    }
    learn_past(&mut staged.stage, past, &sha256, &connections).await?;
    begin(host, order, settings, run, Begun { open, began, staged, connections, is_again }).await
}
