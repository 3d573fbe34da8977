//! The beginning of a run: its first entries, its plan, the confirmation, and on to the work.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use super::args::Args;
use super::stage::{Staged, manifest_entry};
use crate::cli::amount::duration_text;
use crate::cli::connect::Connection;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::plan_error::plan_error;
use crate::cli::progress::Planning;
use crate::cli::session::{OpenJournal, Session, draft, print_checkpoint, session_opened};
use crate::cli::signals::Signals;
use crate::cli::{Context, confirm, dry_run, ghosts, operator};
use crate::domain::{OutcomeCounts, RunId, Settings, Target};
use crate::execute::control::StoppedBy;
use crate::journal::sqlite::stage::Stage;
use crate::lane::Counts;
use crate::lightsail::aws::AwsLightsail;
use crate::plan::{Plan, PlanError, Planner, Tally};
use crate::record::event::{Event, OverrideUsed, RunStarted};

/// What a run begins with.
pub(super) struct Begun {
    pub(super) open: OpenJournal,
    pub(super) signals: Signals,
    pub(super) began: tokio::time::Instant,
    pub(super) staged: Staged,
    pub(super) connection: Connection,
    /// Whether a run of this manifest is finished.
    pub(super) is_again: bool,
}

pub(super) async fn begin(
    args: &Args,
    context: &Context,
    mut settings: Settings,
    run: RunId,
    begun: Begun,
) -> Result<Exit, CliError> {
    let Begun { open, signals, began, staged, connection, is_again } = begun;
    ghosts::settle_life(&args.options, &connection, &mut settings);
    let ghosts = ghosts::of_other_runs(&open, run, &connection, &settings).await?;
    let mut opened = session_opened(
        context,
        "run",
        &args.options,
        &settings,
        Some(&connection),
        connection.is_sandbox(),
        &args.named(),
    );
    open.remember(context, &mut opened).await?;
    let session = Session {
        context,
        options: &args.options,
        run,
        session: opened.session.clone(),
        sandbox: connection.is_sandbox(),
        resumed: false,
        counts: Arc::new(Counts::default()),
        signals,
        began,
        before: OutcomeCounts::default(),
        is_kept: !args.dry_run,
        because: None,
        known: OnceLock::new(),
        settled: Arc::default(),
        took: OnceLock::new(),
        open,
        ghosts,
    };
    // From here on there is something to close.
    session.signals.hand_over();
    let ingested = Event::ManifestIngested(manifest_entry(&staged.ingested));
    let mut drafts = vec![draft(run, Event::SessionOpened(opened)), draft(run, ingested)];
    drafts.extend(overrides(args, is_again).into_iter().map(|used| draft(run, Event::OverrideUsed(used))));
    session.open.journal.append(drafts).await?;
    match execute(args, &session, settings, connection, staged).await {
        Err(error) => Err(session.explain(error).await),
        ended => ended,
    }
}

async fn execute(
    args: &Args,
    session: &Session<'_>,
    settings: Settings,
    connection: Connection,
    mut staged: Staged,
) -> Result<Exit, CliError> {
    let context = session.context;
    let account = connection.caller.account.clone();
    let mut lanes = Vec::new();
    for region in &staged.regions {
        let target = Target { account: account.clone(), region: region.clone() };
        lanes.push(session.lane(&connection, target, &settings).await?);
    }
    let tally = Arc::<Tally>::default();
    let planner = Planner {
        scribe: session.scribe(),
        account,
        lanes: lanes.clone(),
        if_in_use: args.if_in_use.into(),
        if_recreated: args.again.if_recreated.into(),
        skip_invalid: args.skip_invalid,
        patience: settings.settle_timeout,
        tally: Arc::clone(&tally),
    };
    let planning = Planning::start(&context.ui, staged.ingested.rows, session.sandbox, tally);
    let (plan, confirmed_by) =
        match confirmed(args, session, &planner, planning, &mut staged.stage, &connection).await? {
            ControlFlow::Continue(confirmed) => confirmed,
            ControlFlow::Break(exit) => return Ok(exit),
        };
    drop(staged.stage);
    let started = RunStarted {
        plan_root: plan.sealed.plan_root.clone(),
        deletes: plan.sealed.deletes,
        confirmed_by: confirmed_by.to_owned(),
        settings: settings.clone(),
    };
    session.open.journal.append(vec![draft(session.run, Event::RunStarted(started))]).await?;
    let runs = session.open.reader.runs().await?;
    let run_no = runs.iter().find(|record| record.run == session.run).map_or(0, |record| record.run_no);
    let targets = session.open.reader.targets(run_no).await?;
    let mut work = Vec::new();
    for target in targets {
        let known = lanes.iter().find(|lane| lane.target == target.target).map(Arc::clone);
        // Rows that name no usable region have a target all the same; nothing is asked of it.
        let lane = match known {
            Some(lane) => lane,
            None => session.lane(&connection, target.target.clone(), &settings).await?,
        };
        work.push((target, lane));
    }
    session.work(settings, &plan.sealed, work, &BTreeMap::new()).await
}

/// The sealed plan, and by what it was confirmed; or how the command ends without one.
async fn confirmed(
    args: &Args,
    session: &Session<'_>,
    planner: &Planner<AwsLightsail>,
    planning: Planning,
    stage: &mut Stage,
    connection: &Connection,
) -> Result<ControlFlow<Exit, (Plan, &'static str)>, CliError> {
    let context = session.context;
    // A plan that a person must confirm is recorded only after that: declining leaves no plan behind.
    let asks = args.asks();
    let planned = async { if asks { planner.draft(stage).await } else { planner.plan(stage).await } };
    let planned = planning.during(|line| context.ui.talk(line), planned);
    let plan = match to_its_end(session, planned).await? {
        ControlFlow::Continue(plan) => plan,
        ControlFlow::Break(exit) => return Ok(ControlFlow::Break(exit)),
    };
    if args.dry_run {
        dry_run::print(&plan, connection, session).await?;
        return confirm::judge(&plan, args.yes, args.confirm).map(|_| ControlFlow::Break(Exit::Success));
    }
    if !asks {
        show_sealed(session).await?;
    }
    let confirmed = tokio::select! {
        confirmed = confirm::confirm(context, &plan, connection, args.yes, args.confirm) => confirmed,
        () = session.signals.first.cancelled() => {
            let stopped = session.stop_planning(StoppedBy::Signal, "by a signal, before the plan was confirmed".into());
            return stopped.await.map(ControlFlow::Break);
        }
    };
    let confirmed_by = match confirmed {
        Ok(Some(confirmed_by)) => confirmed_by,
        Ok(None) => return session.decline().await.map(ControlFlow::Break),
        Err(error) => return Err(session.give_up("refused", error).await),
    };
    if !asks {
        return Ok(ControlFlow::Continue((plan, confirmed_by)));
    }
    let plan = match to_its_end(session, planner.seal(stage, &plan)).await? {
        ControlFlow::Continue(plan) => plan,
        ControlFlow::Break(exit) => return Ok(ControlFlow::Break(exit)),
    };
    session.context.ui.talk(format!("plan      {}", plan.sealed.plan_root));
    show_sealed(session).await?;
    Ok(ControlFlow::Continue((plan, confirmed_by)))
}

/// Plans, unless something ends the session first; then the run is closed.
async fn to_its_end(
    session: &Session<'_>,
    planned: impl Future<Output = Result<Plan, PlanError>>,
) -> Result<ControlFlow<Exit, Plan>, CliError> {
    let planned = tokio::select! {
        planned = planned => planned,
        limit = session.over() => {
            let detail = format!("while planning, because --max-duration {} has elapsed", duration_text(limit));
            return session.stop_planning(StoppedBy::MaxDuration, detail).await.map(ControlFlow::Break);
        }
        () = session.signals.first.cancelled() => {
            let stopped = session.stop_planning(StoppedBy::Signal, "by a signal, while planning".into());
            return stopped.await.map(ControlFlow::Break);
        }
    };
    match planned {
        Ok(plan) => Ok(ControlFlow::Continue(plan)),
        Err(PlanError::Journal(error)) => Err(error.into()),
        Err(error) => {
            let why = if matches!(error, PlanError::Refused { .. }) { "refused" } else { "failed" };
            Err(session.give_up(why, plan_error(&error)).await)
        }
    }
}

async fn show_sealed(session: &Session<'_>) -> Result<(), CliError> {
    let checkpoint = session.open.journal.checkpoint(Some(session.run)).await?;
    print_checkpoint(session.context, "of the sealed plan", &checkpoint);
    Ok(())
}

fn overrides(args: &Args, is_again: bool) -> Vec<OverrideUsed> {
    let used = [
        (args.skip_invalid, "skip-invalid"),
        (args.allow_default_key_pair, "allow-default-key-pair"),
        (args.again.again && is_again, "again"),
    ];
    let by = operator::user();
    let entry = |which: &str| OverrideUsed {
        which: which.into(),
        by: by.clone(),
        why: args.options.reason.clone(),
        lost: Vec::new(),
    };
    used.iter().filter(|(used, _)| *used).map(|(_, which)| entry(which)).collect()
}
