//! `keybatch run`: ingest a manifest, observe, record every intent, confirm, and delete at a safe rate.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde::de::IgnoredAny;
use uuid::Uuid;

use super::again::{self, Admitted, AgainArgs, Place};
use super::amount::{count, duration_text};
use super::closer::Closer;
use super::code::Code;
use super::connect::{Connection, Goal, connect, default_region, world_directory};
use super::error::{CliError, Details, Sent};
use super::exit::Exit;
use super::open::{OpenJournal, draft};
use super::options::{SessionOptions, refuse_secret};
use super::plan_error::plan_error;
use super::progress::Planning;
use super::resume::{already_finished, carry_on};
use super::rollback::RollbackOptions;
use super::say::say;
use super::scratch::Scratch;
use super::session::{Session, print_checkpoint, session_opened};
use super::signals::Signals;
use super::sum_up::{Own, sum_up};
use super::summary::{Head, NOT_BEGUN, State, StopWord, Summary};
use super::{Context, checkpoints, confirm, dry_run, ghosts, network};
use crate::domain::{OutcomeCounts, Policy, RunId, Target};
use crate::execute::control::StoppedBy;
use crate::execute::lane::Counts;
use crate::journal::JournalError;
use crate::journal::event::{Event, ManifestIngested, OverrideUsed, RunStarted, RunStopped, SessionClosed};
use crate::journal::sqlite::RunRecord;
use crate::journal::sqlite::stage::Stage;
use crate::lightsail::aws::AwsLightsail;
use crate::manifest::{self, Faults, Ingested};
use crate::plan::guard::IfInUse;
use crate::plan::stage::{StageError, compare_twins, stage_manifest};
use crate::plan::{Plan, PlanError, Planner, StagedRow, Tally};
use crate::sandbox::World;

/// Delete the key pairs that a manifest names
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// CSV file of key pairs; - reads standard input
    #[arg(value_name = "MANIFEST")]
    manifest: PathBuf,
    /// Do not ask
    #[arg(short, long, conflicts_with = "confirm")]
    yes: bool,
    /// Do not ask, if exactly N key pairs would be deleted
    #[arg(long, value_name = "N", value_parser = count)]
    confirm: Option<u64>,
    /// Show the plan and send nothing but reads
    #[arg(long)]
    dry_run: bool,
    /// Rehearse against a built-in look-alike; without WORLD, one that holds what the manifest names
    #[arg(long, value_name = "WORLD", num_args = 0..=1, require_equals = true)]
    #[expect(clippy::option_option, reason = "clap's form of an option whose value may be left out")]
    sandbox: Option<Option<PathBuf>>,
    /// Region of rows that name none [default: as the AWS configuration says]
    #[arg(long, env = "KEYBATCH_REGION", value_name = "REGION")]
    region: Option<String>,
    /// Skip invalid rows instead of refusing the manifest
    #[arg(long, env = "KEYBATCH_SKIP_INVALID")]
    skip_invalid: bool,
    /// Keep COLUMN as an annotation, although its name or values look like a condition; may be repeated
    #[arg(long, env = "KEYBATCH_ANNOTATION", value_name = "COLUMN")]
    annotation: Vec<String>,
    /// Permit rows that name the default key pair
    #[arg(long, env = "KEYBATCH_ALLOW_DEFAULT_KEY_PAIR")]
    allow_default_key_pair: bool,
    /// What to do about key pairs that instances were made with
    #[arg(long, env = "KEYBATCH_IF_IN_USE", value_name = "WHAT", default_value = "warn")]
    if_in_use: InUse,
    #[command(flatten)]
    again: AgainArgs,
    #[command(flatten)]
    rollback: RollbackOptions,
    #[command(flatten)]
    options: SessionOptions,
}

/// What to do about key pairs in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum InUse {
    /// Say so and go on
    Warn,
    /// Leave those out
    Skip,
    /// Refuse the plan
    Refuse,
}

impl From<InUse> for IfInUse {
    fn from(in_use: InUse) -> Self {
        match in_use {
            InUse::Warn => Self::Warn,
            InUse::Skip => Self::Skip,
            InUse::Refuse => Self::Refuse,
        }
    }
}

impl Args {
    /// Whether a person is asked at the prompt.
    fn asks(&self) -> bool {
        !self.yes && self.confirm.is_none() && !self.dry_run
    }

    /// The settings of this command alone, for the journal.
    fn named(&self) -> Vec<(&'static str, String)> {
        let if_in_use = match self.if_in_use {
            InUse::Warn => "warn",
            InUse::Skip => "skip",
            InUse::Refuse => "refuse",
        };
        let mut named = vec![("if_in_use", if_in_use.to_owned())];
        named.extend(self.again.named());
        named.extend(self.skip_invalid.then(|| ("skip_invalid", "true".to_owned())));
        let annotation = self.annotation.join(",");
        named.extend((!annotation.is_empty()).then_some(("annotation", annotation)));
        named.extend(self.allow_default_key_pair.then(|| ("allow_default_key_pair", "true".to_owned())));
        named
    }
}

/// A manifest on the stage, and what is known of it.
struct Staged {
    stage: Stage,
    ingested: Ingested,
    regions: Vec<String>,
}

pub(super) async fn run(mut args: Args, context: &Context) -> Result<Exit, CliError> {
    args.options.region = args.region.clone();
    network::check_flags(args.options.region.as_deref(), args.options.endpoint_url.as_deref())?;
    refuse_secret("--because", args.rollback.because.as_deref())?;
    let policy = args.options.policy(Policy::default())?;
    args.again.check()?;
    if !args.again.resume {
        refuse_without_terminal(&args, context)?;
    }
    let world = args.sandbox.iter().flatten().map(|world| (world.as_path(), "the world file"));
    let read: Vec<_> = world.chain([(args.manifest.as_path(), "the manifest")]).collect();
    args.options.make_absolute();
    checkpoints::refuse_used(args.options.checkpoint_to.as_deref(), &context.journal, &read)?;
    let signals = Signals::listen(context.ui.clone(), args.options.drain())
        .map_err(|error| CliError::from_error(Exit::Unexpected, &error).sent(Sent::Nothing))?;
    let input = open_manifest(&args.manifest)?;
    let scratch = if args.dry_run { Some(Scratch::create(context)?) } else { None };
    let journal_path = scratch.as_ref().map_or(context.journal.clone(), |scratch| scratch.path().join("journal.db"));
    let checkpoint_to = args.options.checkpoint_to.as_deref().filter(|_| !args.dry_run);
    let run = RunId(Uuid::now_v7());
    let closer = Closer::default();
    let worked = async {
        let open = OpenJournal::open(context, "run", &journal_path, checkpoint_to, &args.rollback).await?;
        closer.hold(&open);
        work(&args, context, policy, input, &journal_path, open, run, signals.clone()).await
    };
    let ended = tokio::select! {
        // Behind the confirmation, the work says by itself what was sent.
        result = worked => result.map_err(|error| error.sent(Sent::Reads)),
        // Behind the confirmation, the work itself listens to signals.
        () = signals.before_a_session() => {
            context.ui.say("stopped by a signal: nothing was sent but reads");
            context.ui.say(NOT_BEGUN);
            let (state, stopped_by) = (Some(State::Abandoned), Some(StopWord::Signal));
            Ok(say(context, &Summary { state, stopped_by, ..Summary::of_nothing(&context.journal) }))
        }
    };
    closer.close(&signals).await;
    ended
}

#[expect(clippy::too_many_arguments, reason = "one call, from the function above, which reads as one with it")]
async fn work(
    args: &Args,
    context: &Context,
    policy: Policy,
    input: Box<dyn Read + Send>,
    journal_path: &Path,
    open: OpenJournal,
    run: RunId,
    signals: Signals,
) -> Result<Exit, CliError> {
    let began = tokio::time::Instant::now();
    let directory = journal_path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut staged = match stage(args, context, input, directory.unwrap_or(Path::new(".")), run).await {
        Ok(staged) => staged,
        Err(Refusal::Manifest(faults, ingested)) => {
            return refuse_manifest(args, context, &policy, &open, run, &faults, ingested.as_deref()).await;
        }
        Err(Refusal::Other(error)) => return Err(error),
    };
    for near_miss in &staged.ingested.near_misses {
        context.ui.say(&format!(
            "warning: column `{}` is kept as an annotation and compared with nothing; did you mean `{}`?",
            super::shown(&near_miss.written.to_string()),
            near_miss.meant
        ));
    }
    for name in &staged.ingested.unknown_annotations {
        context.ui.say(&format!("warning: --annotation {} names no column of the manifest", super::shown(name)));
    }
    let goal = goal(args, &mut staged, journal_path, run).await?;
    let past = again::past(args.dry_run, context, &open.reader).await?;
    let sha256 = staged.ingested.sha256.clone();
    if let Goal::NewWorld(world, _) = &goal {
        let place = Place::BuiltIn { world: world.name(), journal: &context.journal };
        match again::admit(args.again, past.as_ref(), &sha256, place).await? {
            Admitted::Begin { .. } => {}
            other if args.dry_run => return Ok(again::say_instead(context, &other)),
            Admitted::GoOn(record) => {
                return carry_on(&args.options, context, signals, open, began, record, None).await;
            }
            Admitted::Finished(record) => return already_finished(context, &open, &record).await,
        }
    }
    let region = staged.regions.first().map(String::as_str);
    // A run's requests name it, so those of a run that may go on name that one.
    let may_go_on = args.again.resume && matches!(goal, Goal::Service);
    let named =
        if may_go_on { again::likely(past.as_ref(), &sha256, &context.journal).await?.unwrap_or(run) } else { run };
    let mut connection = connect(&args.options, &policy, context, named, region, goal, None).await?;
    let is_again = match again::admit(args.again, past.as_ref(), &sha256, Place::Connected(&connection)).await? {
        Admitted::Begin { again } => again,
        other if args.dry_run => return Ok(again::say_instead(context, &other)),
        Admitted::GoOn(record) => {
            let connection = (record.run == named).then_some(connection);
            return carry_on(&args.options, context, signals, open, began, record, connection).await;
        }
        Admitted::Finished(record) => return already_finished(context, &open, &record).await,
    };
    refuse_without_terminal(args, context)?;
    if named != run {
        connection = connect(&args.options, &policy, context, run, region, Goal::Service, None).await?;
    }
    again::learn_past(&mut staged.stage, past.as_ref(), &sha256, &connection).await?;
    begin(args, context, policy, run, Begun { open, signals, began, staged, connection, is_again }).await
}

/// What a run begins with.
struct Begun {
    open: OpenJournal,
    signals: Signals,
    began: tokio::time::Instant,
    staged: Staged,
    connection: Connection,
    /// Whether a run of this manifest is finished.
    is_again: bool,
}

async fn begin(args: &Args, context: &Context, mut policy: Policy, run: RunId, begun: Begun) -> Result<Exit, CliError> {
    let Begun { open, signals, began, staged, connection, is_again } = begun;
    ghosts::settle_life(&args.options, &connection, &mut policy);
    let ghosts = ghosts::of_other_runs(&open, run, &connection, &policy).await?;
    let mut opened = session_opened(
        context,
        "run",
        &args.options,
        &policy,
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
    match execute(args, &session, policy, connection, staged).await {
        Err(error) => Err(session.explain(error).await),
        ended => ended,
    }
}

async fn execute(
    args: &Args,
    session: &Session<'_>,
    policy: Policy,
    connection: Connection,
    mut staged: Staged,
) -> Result<Exit, CliError> {
    let context = session.context;
    let account = connection.caller.account.clone();
    let mut lanes = Vec::new();
    for region in &staged.regions {
        let target = Target { account: account.clone(), region: region.clone() };
        lanes.push(session.lane(&connection, target, &policy).await?);
    }
    let tally = Arc::<Tally>::default();
    let planner = Planner {
        run: session.run,
        journal: session.open.journal.clone(),
        clock: Arc::clone(&session.open.clock),
        account,
        lanes: lanes.clone(),
        if_in_use: args.if_in_use.into(),
        if_recreated: args.again.if_recreated.into(),
        skip_invalid: args.skip_invalid,
        patience: policy.settle_timeout,
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
        policy: policy.clone(),
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
            None => session.lane(&connection, target.target.clone(), &policy).await?,
        };
        work.push((target, lane));
    }
    session.work(policy, &plan.sealed, work, &BTreeMap::new()).await
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
    // What a person is asked about is recorded once it is confirmed: declining leaves no plan behind.
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
            let detail = format!("while planning, because --max-duration {} is over", duration_text(limit));
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

/// Refuses to begin what only a person could confirm where there is none.
fn refuse_without_terminal(args: &Args, context: &Context) -> Result<(), CliError> {
    if args.asks() && (!context.environment.stdin_is_terminal || args.manifest.as_os_str() == "-") {
        return Err(CliError::new(Exit::Usage, "there is no terminal to ask for a confirmation")
            .code(Code::NoTerminal)
            .sent(Sent::Nothing)
            .hint("say --yes, or --confirm N for exactly N deletes; --dry-run shows the plan"));
    }
    Ok(())
}

/// Why there is nothing on the stage.
enum Refusal {
    /// With what is known of a manifest that could be read to its end.
    Manifest(Box<Faults>, Option<Box<Ingested>>),
    Other(CliError),
}

impl From<crate::journal::JournalError> for Refusal {
    fn from(error: crate::journal::JournalError) -> Self {
        Self::Other(error.into())
    }
}

async fn stage(
    args: &Args,
    context: &Context,
    input: Box<dyn Read + Send>,
    directory: &Path,
    run: RunId,
) -> Result<Staged, Refusal> {
    let mut stage = Stage::create(directory, &run.to_string()).await?;
    let name = args.manifest.display().to_string();
    let options =
        manifest::Options { allow_default_key_pair: args.allow_default_key_pair, annotations: args.annotation.clone() };
    let ingested = match stage_manifest(&mut stage, &name, input, options, args.skip_invalid).await {
        Ok(ingested) => ingested,
        Err(StageError::Refused(faults, ingested)) => return Err(Refusal::Manifest(faults, ingested)),
        Err(error @ StageError::Input { .. }) => {
            let unreadable = CliError::from_error(Exit::Refused, &error).code(Code::ManifestUnreadable);
            return Err(Refusal::Other(unreadable.sent(Sent::Nothing)));
        }
        Err(StageError::Stage(error)) => return Err(error.into()),
    };
    if stage.regions().iter().any(String::is_empty) {
        let region = default_region(&args.options, context, args.sandbox.is_some()).await.map_err(Refusal::Other)?;
        let Some(region) = region else {
            let message = "rows name no region, and the AWS configuration has no default";
            let error = CliError::new(Exit::Environment, message)
                .code(Code::Region)
                .hint("name it with --region, AWS_REGION, or a region column")
                .sent(Sent::Nothing);
            return Err(Refusal::Other(error));
        };
        stage.fill_region(&region).await?;
    }
    stage.index_rows().await?;
    let faults = compare_twins(&mut stage, &name, args.skip_invalid).await?;
    if !faults.is_empty() {
        return Err(Refusal::Manifest(Box::new(faults), Some(Box::new(ingested))));
    }
    let regions = stage.regions().to_vec();
    Ok(Staged { stage, ingested, regions })
}

fn open_manifest(path: &Path) -> Result<Box<dyn Read + Send>, CliError> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(std::io::stdin()));
    }
    let opened = File::open(path).and_then(|file| {
        if file.metadata()?.is_dir() { Err(std::io::Error::other("it is a directory")) } else { Ok(file) }
    });
    let file = opened.map_err(|error| {
        CliError::new(Exit::Refused, format!("the manifest {} cannot be read: {error}", path.display()))
            .code(Code::ManifestUnreadable)
            .sent(Sent::Nothing)
    })?;
    Ok(Box::new(file))
}

/// Records the refusal, and nothing else, and reports every fault.
async fn refuse_manifest(
    args: &Args,
    context: &Context,
    policy: &Policy,
    open: &OpenJournal,
    run: RunId,
    faults: &Faults,
    ingested: Option<&Ingested>,
) -> Result<Exit, CliError> {
    let mut opened = session_opened(context, "run", &args.options, policy, None, args.sandbox.is_some(), &args.named());
    open.remember(context, &mut opened).await?;
    let session = opened.session.clone();
    let stopped = RunStopped {
        faults: faults.by_code().iter().map(|(code, count)| ((*code).to_owned(), *count)).collect(),
        manifest: ingested.map(manifest_entry),
        ..RunStopped::new("refused", Some(format!("{}: {}", args.manifest.display(), faults.summary())))
    };
    let closed = SessionClosed { session, requests: Default::default(), elapsed_ms: 0 };
    let drafts = [Event::SessionOpened(opened), Event::RunStopped(stopped), Event::SessionClosed(closed)];
    open.journal.append(drafts.into_iter().map(|event| draft(run, event)).collect()).await?;
    open.journal.checkpoint(Some(run)).await?;
    let summary = match open.reader.runs().await?.iter().find(|record| record.run == run) {
        Some(record) => Some(refused(context, open, record).await?),
        None => None,
    };
    let head = Head::from(&open.close(context).await?);
    let summary = summary.filter(|_| !args.dry_run).map(|summary| Summary { head, ..summary });
    let report = super::faults::report(context, faults);
    let run = (!args.dry_run).then(|| run.to_string());
    Err(CliError {
        details: Box::new(Details { run, faults: Some(faults.clone()), report: Some(report), summary }),
        sent: Some(Sent::Nothing),
        hints: vec![
            if args.dry_run { "nothing was recorded" } else { "only this refusal was recorded" }.into(),
            if faults.are_of_file() {
                "fix the file: its rows or columns cannot be determined, so --skip-invalid cannot help"
            } else if args.skip_invalid {
                "fix the file"
            } else {
                "fix the file, or skip invalid rows with --skip-invalid"
            }
            .into(),
        ],
        ..CliError::new(Exit::Refused, "the manifest is refused").code(Code::ManifestFaults)
    })
}

/// What there is to say of a run that was refused before anything was asked.
async fn refused(context: &Context, open: &OpenJournal, record: &RunRecord) -> Result<Summary, JournalError> {
    let own = Own { is_closed: true, ..Own::default() };
    sum_up(context, &open.reader, record, State::Abandoned, Some(StopWord::Refused), own, Head::default()).await
}

async fn goal(args: &Args, staged: &mut Staged, journal: &Path, run: RunId) -> Result<Goal, CliError> {
    let Some(world) = &args.sandbox else { return Ok(Goal::Service) };
    let world = match world {
        None => World::rehearsal(staged.rehearsal_rows().await?.into_iter()),
        Some(path) => World::load(path)
            .map_err(|error| CliError::from_error(Exit::Usage, &error).code(Code::World).sent(Sent::Nothing))?,
    };
    let directory = (!args.dry_run).then(|| world_directory(journal, run));
    Ok(Goal::NewWorld(Box::new(world), directory))
}

fn manifest_entry(ingested: &Ingested) -> ManifestIngested {
    ManifestIngested {
        name: ingested.name.clone(),
        sha256: ingested.sha256.clone(),
        bytes: ingested.bytes,
        rows: ingested.rows,
        columns: ingested.columns.clone(),
    }
}

fn overrides(args: &Args, is_again: bool) -> Vec<OverrideUsed> {
    let used = [
        (args.skip_invalid, "skip-invalid"),
        (args.allow_default_key_pair, "allow-default-key-pair"),
        (args.again.again && is_again, "again"),
    ];
    let by = super::operator::user();
    let entry = |which: &str| OverrideUsed {
        which: which.into(),
        by: by.clone(),
        why: args.options.reason.clone(),
        lost: Vec::new(),
    };
    used.iter().filter(|(used, _)| *used).map(|(_, which)| entry(which)).collect()
}

/// Rows that a rehearsal's world is made from are read so many at a time.
const REHEARSAL_PAGE: u32 = 1_000;

impl Staged {
    /// The key pairs that the manifest's valid rows name, for a world that holds exactly these.
    async fn rehearsal_rows(&mut self) -> Result<Vec<crate::sandbox::RehearsalRow>, CliError> {
        let mut rows = Vec::new();
        let mut after = 0;
        loop {
            let page = self.stage.joined::<StagedRow, IgnoredAny>(after, REHEARSAL_PAGE).await?;
            let Some(last) = page.last() else { return Ok(rows) };
            after = last.row;
            rows.extend(page.into_iter().filter(|joined| joined.first == joined.row).filter_map(|joined| {
                let staged = joined.body;
                staged.faults.is_empty().then_some(crate::sandbox::RehearsalRow {
                    region: joined.region,
                    name: joined.name,
                    fingerprint: staged.expected_fingerprint,
                    arn: staged.arn,
                    created_at: staged.created_at,
                })
            }));
        }
    }
}
