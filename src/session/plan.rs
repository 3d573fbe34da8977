//! To plan: to read a manifest, to look, and to write what would be done to a file. Nothing is deleted, and nothing is journalled; a
//! journal that is there is only read, for what it knows of the names and of the service's rates.

use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::accounts::{Connections, connect};
use super::again::{Admitted, Where, admit, learn_past, past};
use super::at_work::{lane, rate_cap};
use super::confirm::judge;
use super::error::{Refusal, Sent, SessionError};
use super::header::header;
use super::host::Host;
use super::operator::{Notice, Watched, while_watched};
use super::order::{PlanOrder, duration_text};
use super::place::{Goal, Place, Way};
use super::stage::{Input, Staged, Unstaged, stage};
use super::summary::{State, StopWord, Summary};
use crate::domain::{RunId, Settings, micros, time_text};
use crate::journal::{Forgetful, Journal, Reader, Scribe, WriterOptions};
use crate::lane::Counts;
use crate::plan::{Plan, PlanError, Planner, Tally};
use crate::record::plan::PlanHeader;
use crate::record::plan::file::PlanWriter;

/// How planning ended that was not refused.
#[derive(Debug)]
pub enum PlanEnding {
    /// With a plan.
    Made(Box<Planned>),
    /// The manifest would not be run anew: the notices say why.
    Nothing,
    /// It was stopped before the plan was complete.
    Stopped(Box<Summary>),
}

/// A plan that was written.
#[derive(Debug)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// Where it would be executed.
    pub place: Place,
    /// The refusal, where a run of it would be refused.
    pub judged: Result<(), SessionError>,
}

/// Plans what is read from `input`, and writes the plan to `file`, which holds a plan only if that returns one.
///
/// # Errors
/// As [`Refusal`] says. Nothing but reads was sent.
pub async fn plan<H: Host>(
    host: &H,
    order: &PlanOrder,
    input: Input,
    file: impl Write,
) -> Result<PlanEnding, SessionError> {
    until_stopped(host, order, Box::pin(work(host, order, input, file))).await
}

/// Plans, unless something ends that first.
pub(super) async fn until_stopped<H: Host>(
    host: &H,
    order: &PlanOrder,
    work: Pin<Box<impl Future<Output = Result<PlanEnding, SessionError>>>>,
) -> Result<PlanEnding, SessionError> {
    let stopped = |by, detail: &str| {
        host.operator().notice(Notice::StoppedPlanning(detail));
        let (state, stopped_by) = (Some(State::Abandoned), Some(by));
        let nothing = Summary { sandbox: order.subject.sandbox, ..Summary::of_nothing(&order.order.journal) };
        Ok(PlanEnding::Stopped(Box::new(Summary { state, stopped_by, ..nothing })))
    };
    let limit = order.order.max_duration;
    tokio::select! {
        biased;
        planned = work => planned.map_err(|error| error.sent(Sent::Reads)),
        () = host.stops().asked() => stopped(StopWord::Signal, "by a signal, while planning"),
        () = over(limit) => {
            let limit = limit.map(duration_text).unwrap_or_default();
            stopped(StopWord::MaxDuration, &format!("while planning, because --max-duration {limit} has elapsed"))
        }
    }
}

/// Ends after that time, if there is one.
async fn over(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

async fn work<H: Host>(
    host: &H,
    order: &PlanOrder,
    input: Input,
    file: impl Write,
) -> Result<PlanEnding, SessionError> {
    let (subject, journal, run) = (&order.subject, &order.order.journal, RunId(host.new_id()));
    let settings = order.order.overrides.over(Settings::default());
    let mut staged = match stage(host, (subject, &order.order.accounts), input, &order.directory, run).await {
        Ok(staged) => staged,
        Err(Unstaged::Manifest(faults, _)) => {
            let why = Refusal::Manifest { faults, skip_invalid: subject.skip_invalid, recorded: false };
            return Err(SessionError::new(why).sent(Sent::Nothing));
        }
        Err(Unstaged::Other(error)) => return Err(error),
    };
    host.operator().notice(Notice::Ingested(&staged.ingested));
    let past = past(host, journal).await?;
    let past = past.as_ref();
    let sha256 = staged.ingested.sha256.clone();
    let goal = if subject.sandbox { Goal::NewWorld(None) } else { Goal::Service };
    if subject.sandbox {
        let world = host.world(staged.named_pairs().await?).map_err(SessionError::outside)?;
        if is_instead(host, order, past, &sha256, Where::BuiltIn { world: &world, journal }).await? {
            return Ok(PlanEnding::Nothing);
        }
    }
    let targets = staged.stage.targets();
    let region = targets.first().map(|target| target.region.as_str());
    let way = Way { goal, account: None, run, region, bound: None, settings: &settings };
    let mut connections = connect(host, way, &targets, &order.order.accounts).await?;
    if is_instead(host, order, past, &sha256, Where::Connected(&connections.place)).await? {
        return Ok(PlanEnding::Nothing);
    }
    connections.refuse_unreached()?;
    let faults = staged.settle_home(subject, &connections).await?;
    if !faults.is_empty() {
        let (faults, skip_invalid) = (Box::new(faults), subject.skip_invalid);
        return Err(SessionError::new(Refusal::Manifest { faults, skip_invalid, recorded: false }).sent(Sent::Reads));
    }
    learn_past(&mut staged.stage, past, &sha256, &connections).await?;
    made(host, order, &settings, connections, staged, past, file).await
}

/// The plan of what is staged, and whether a run of it would be refused.
pub(super) async fn made<H: Host>(
    host: &H,
    order: &PlanOrder,
    settings: &Settings,
    connections: Connections<H::Port>,
    mut staged: Staged,
    past: Option<&Reader>,
    file: impl Write,
) -> Result<PlanEnding, SessionError> {
    let plan = draft(host, order, settings, &connections, &mut staged, past, file).await?;
    let confirmation = order.as_run.map(|(_, confirmation)| confirmation);
    let judged = confirmation.map_or(Ok(()), |confirmation| {
        let judged = order.order.policy.refuse_unapproved().and_then(|()| judge(&plan, confirmation).map(drop));
        // It was planned nevertheless, and that reads.
        judged.map_err(|error| SessionError { sent: Some(Sent::Reads), ..error })
    });
    Ok(PlanEnding::Made(Box::new(Planned { plan, place: connections.place, judged })))
}

/// Whether a run of the manifest would do something else than to begin.
async fn is_instead<H: Host>(
    host: &H,
    order: &PlanOrder,
    past: Option<&Reader>,
    sha256: &str,
    place: Where<'_>,
) -> Result<bool, SessionError> {
    let Some((repeat, _)) = order.as_run else { return Ok(false) };
    match admit(repeat, past, sha256, place).await? {
        Admitted::Begin { .. } => return Ok(false),
        Admitted::GoOn(record) => host.operator().notice(Notice::WouldContinue(&record)),
        Admitted::Finished(record) => host.operator().notice(Notice::WouldDoNothing(&record)),
    }
    Ok(true)
}

/// Looks at all targets, and writes a line for each row.
async fn draft<H: Host>(
    host: &H,
    order: &PlanOrder,
    settings: &Settings,
    connections: &Connections<H::Port>,
    staged: &mut Staged,
    past: Option<&Reader>,
    file: impl Write,
) -> Result<Plan, SessionError> {
    let (subject, clock) = (&order.subject, host.clock());
    let forgetful = WriterOptions { new_journal_id: String::new(), on_checkpoint: Box::new(|_, _| Ok(())) };
    let (journal, _ends_by_itself) = Journal::start(Forgetful::new(clock.now()), forgetful).await?;
    let scribe = Scribe { journal, clock: Arc::clone(&clock) };
    let (mut lanes, counts) = (Vec::new(), Arc::<Counts>::default());
    for target in staged.stage.targets() {
        let cap = rate_cap(settings, &order.order.policy, &target);
        lanes.extend(lane(past, connections, target, cap, scribe.clone(), &counts).await?);
    }
    let made_at = clock.now();
    let header = PlanHeader {
        expires_at: order.expires.and_then(|life| expiry(made_at, life)),
        ..header(&order.order, subject, host.new_id(), made_at, connections, &staged.ingested)
    };
    let planner = Planner {
        scribe,
        header: header.clone(),
        accounts: connections.accounts().into_iter().map(str::to_owned).collect(),
        home: connections.place.caller.account.clone(),
        lanes,
        if_in_use: subject.if_in_use.max(order.order.policy.limits.if_in_use),
        if_recreated: subject.if_recreated,
        limits: order.order.policy.limits.clone(),
        judged_at: made_at,
        skip_invalid: subject.skip_invalid,
        without_annotations: subject.without_annotations,
        patience: settings.settle_timeout,
        tally: Arc::<Tally>::default(),
    };
    let rows = staged.ingested.rows;
    let watched = Watched::Planning { rows, sandbox: subject.sandbox, tally: Arc::clone(&planner.tally) };
    let drafted = async {
        let mut writer = PlanWriter::begin(file, header)?;
        let plan = planner.draft(&mut staged.stage, |line| Ok(writer.row(line)?)).await?;
        let (seal, _file) = writer.finish()?;
        if seal != plan.sealed.seal {
            return Err(PlanError::Changed);
        }
        Ok(plan)
    };
    match while_watched(&**host.operator(), watched, drafted).await {
        Ok(plan) => Ok(plan),
        Err(PlanError::Journal(error)) => Err(error.into()),
        Err(error) => Err(SessionError::new(Refusal::Plan(error)).sent(Sent::Reads)),
    }
}

/// The end of a plan's life, as its header has it; none where no calendar has such a day.
fn expiry(made_at: Timestamp, life: Duration) -> Option<String> {
    let life = SignedDuration::try_from(life).ok()?;
    made_at.checked_add(life).ok().map(|end| time_text(micros(end)))
}
