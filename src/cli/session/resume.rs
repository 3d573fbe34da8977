//! Continuing a run that another session began: to its end, or to abandon it.

use std::sync::{Arc, OnceLock};

use super::Session;
use super::admit::{plan_of, refuse_altered, refuse_another};
use super::begin::session_opened;
use super::open::{OpenJournal, draft};
use super::probe::{Probed, probe_lanes};
use crate::cli::connect::{Connection, Goal, connect, world_directory};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::options::SessionOptions;
use crate::cli::say::say;
use crate::cli::signals::Signals;
use crate::cli::sum_up::{Own, stored_head, sum_up};
use crate::cli::summary::{Head, State, StopWord, Summary};
use crate::cli::{Context, ghosts};
use crate::domain::Settings;
use crate::execute::ghost::Ghosts;
use crate::journal::TargetRecord;
use crate::journal::sqlite::RunRecord;
use crate::lane::Counts;
use crate::record::event::{Event, PlanSealed};

/// Continues an unfinished run, over `connection` if there is one.
pub(crate) async fn carry_on(
    options: &SessionOptions,
    context: &Context,
    signals: Signals,
    open: OpenJournal,
    began: tokio::time::Instant,
    record: RunRecord,
    connection: Option<Connection>,
) -> Result<Exit, CliError> {
    let resumed = Resumed { record, connection, because: None };
    go_on_with(options, context, signals, open, began, resumed).await
}

/// A run that another session began.
pub(crate) struct Resumed {
    pub(crate) record: RunRecord,
    /// If there is one already.
    pub(crate) connection: Option<Connection>,
    /// Why it is being abandoned, if it is: then nothing more is sent, and open requests are settled by reading.
    pub(crate) because: Option<String>,
}

/// Continues an unfinished run: to its end, or to abandon it.
pub(crate) async fn go_on_with(
    options: &SessionOptions,
    context: &Context,
    signals: Signals,
    open: OpenJournal,
    began: tokio::time::Instant,
    resumed: Resumed,
) -> Result<Exit, CliError> {
    let Resumed { record, connection, because } = resumed;
    // From here on, every end of this command reports on the run.
    signals.hand_over();
    let ready = tokio::select! {
        ready = prepare(options, context, &open, &record, connection) => ready,
        () = signals.first.cancelled() => return stopped_early(context, &open, &record).await,
    };
    let Ready { options, sealed, mut settings, targets, connection, ghosts } =
        ready.map_err(|error| error.of_run(record.run))?;
    let command = if because.is_some() { "abandon" } else { "resume" };
    if because.is_some() {
        // There will be no other attempt: a row whose key pair is still there after its request has failed.
        settings.max_attempts = 1;
    }
    let mut opened = session_opened(context, command, &options, &settings, Some(&connection), record.sandbox, &[]);
    open.remember(context, &mut opened).await?;
    let session = Session {
        context,
        options: &options,
        run: record.run,
        session: opened.session.clone(),
        sandbox: record.sandbox,
        resumed: true,
        counts: Arc::new(Counts::default()),
        signals,
        began,
        before: open.reader.counts(&record).await?,
        is_kept: true,
        because,
        known: OnceLock::new(),
        settled: Arc::default(),
        took: OnceLock::new(),
        open,
        ghosts,
    };
    session.open.journal.append(vec![draft(record.run, Event::SessionOpened(opened))]).await?;
    let label = if record.sandbox { "sandbox run" } else { "run" };
    let doing = if session.because.is_some() { "abandoning" } else { "continuing" };
    context.ui.talk(format!("{doing} {label} {} of account {}", record.run, connection.caller.account));
    let mut lanes = Vec::new();
    for target in targets {
        let lane = session.lane(&connection, target.target.clone(), &settings).await?;
        lanes.push((target, lane));
    }
    let probed = tokio::select! {
        probed = probe_lanes(&session, &record, &settings, &lanes) => probed?,
        () = session.signals.first.cancelled() => return session.leave_by_signal().await,
    };
    let closed = match probed {
        Probed::Leave(error) => return session.leave(error).await,
        Probed::Closed(closed) => closed,
    };
    session.work(settings, &sealed, lanes, &closed).await
}

/// What a session needs to continue a run.
struct Ready {
    options: SessionOptions,
    sealed: PlanSealed,
    settings: Settings,
    targets: Vec<TargetRecord>,
    connection: Connection,
    ghosts: Arc<Ghosts>,
}

/// Every check that may refuse to continue the run, and the connection. Sends nothing but reads, and writes nothing.
async fn prepare(
    options: &SessionOptions,
    context: &Context,
    open: &OpenJournal,
    record: &RunRecord,
    connection: Option<Connection>,
) -> Result<Ready, CliError> {
    refuse_altered(context, open).await?;
    let options = open.carried_on(context, options, record).await?;
    let (sealed, started) = plan_of(open, record).await?;
    let settings = options.settings(started.settings.clone())?;
    let goal = if record.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("sandbox:")) {
        let directory = world_directory(&context.journal, record.run);
        if directory.exists() { Goal::OldWorld(directory) } else { Goal::Service }
    } else {
        Goal::Service
    };
    let targets = open.reader.targets(record.run_no).await?;
    // Invalid rows have a target without a region, which cannot be asked.
    let region = targets.iter().map(|target| target.target.region.as_str()).find(|region| !region.is_empty());
    let connection = match connection {
        Some(connection) => connection,
        None => connect(&options, &settings, context, record.run, region, goal, record.endpoint.as_deref()).await?,
    };
    refuse_another(record, &connection)?;
    let ghosts = ghosts::of_other_runs(open, record.run, &connection, &settings).await?;
    Ok(Ready { options, sealed, settings, targets, connection, ghosts })
}

/// A signal came before the session wrote anything: the run stays as it is.
async fn stopped_early(context: &Context, open: &OpenJournal, record: &RunRecord) -> Result<Exit, CliError> {
    context.ui.say("stopped by a signal: nothing was sent but reads");
    let (by, head) = (Some(StopWord::Signal), stored_head(&open.reader).await);
    let before = open.reader.counts(record).await?;
    let own = Own { before, is_closed: true, ..Own::default() };
    let summary = sum_up(context, &open.reader, record, State::Stopped, by, own, head).await?;
    open.close(context).await?;
    Ok(say(context, &summary))
}

/// A finished run stays as it is (I6): report again how it ended.
pub(crate) async fn already_finished(
    context: &Context,
    open: &OpenJournal,
    record: &RunRecord,
) -> Result<Exit, CliError> {
    let own = Own { before: open.reader.counts(record).await?, is_closed: true, ..Own::default() };
    let summary = sum_up(context, &open.reader, record, State::Finished, None, own, Head::default()).await?;
    let head = Head::from(&open.close(context).await?);
    context.ui.say("this run is finished: nothing is left to do");
    Ok(say(context, &Summary { head, ..summary }))
}
