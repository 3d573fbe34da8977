//! `keybatch resume`: go on with a run, without guessing.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::again::only_unfinished;
use super::closer::Closer;
use super::code::Code;
use super::connect::{Connection, Goal, connect, world_directory};
use super::error::{CliError, Sent};
use super::exit::Exit;
use super::open::{OpenJournal, draft};
use super::options::{SessionOptions, refuse_secret};
use super::rollback::RollbackOptions;
use super::say::say;
use super::session::{Session, session_opened};
use super::signals::Signals;
use super::sum_up::{Own, stored_head, sum_up};
use super::summary::{Head, State, StopWord, Summary};
use super::{Context, checkpoints, ghosts, network};
use crate::audit::{Finding, Options, Verdict as Verified, plan_root, verify};
use crate::domain::Policy;
use crate::execute::ghost::Ghosts;
use crate::execute::lane::Counts;
use crate::execute::lane::Lane;
use crate::journal::TargetRecord;
use crate::journal::event::{Event, PlanSealed, RunStarted};
use crate::journal::sqlite::RunRecord;
use crate::lightsail::aws::AwsLightsail;
use crate::plan::{PlanError, Probe, probe};

/// Go on with a run that was stopped or killed
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A run's id, a unique prefix of it, or latest [default: the only unfinished run; a real one before rehearsals]
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// Region to ask for the caller's identity [default: as the AWS configuration says]
    #[arg(long, env = "KEYBATCH_REGION", value_name = "REGION")]
    region: Option<String>,
    #[command(flatten)]
    rollback: RollbackOptions,
    #[command(flatten)]
    options: SessionOptions,
}

pub(super) async fn run(mut args: Args, context: &Context) -> Result<Exit, CliError> {
    args.options.region = args.region.clone();
    network::check_flags(args.options.region.as_deref(), args.options.endpoint_url.as_deref())?;
    refuse_secret("--because", args.rollback.because.as_deref())?;
    args.options.policy(Policy::default())?;
    args.options.make_absolute();
    checkpoints::refuse_used(args.options.checkpoint_to.as_deref(), &context.journal, &[])?;
    let began = tokio::time::Instant::now();
    let signals = Signals::listen(context.ui.clone(), args.options.drain())
        .map_err(|error| CliError::from_error(Exit::Unexpected, &error).sent(Sent::Nothing))?;
    // That it cannot be looked for does not mean that it is not there.
    let there = context.journal.try_exists().map_err(|error| {
        let message = format!("the journal {} cannot be looked for: {error}", context.journal.display());
        CliError::new(Exit::Environment, message).code(Code::JournalUnusable).sent(Sent::Nothing)
    })?;
    if !there {
        if let Some(run) = &args.run {
            return Err(missing_journal(run));
        }
        context.ui.say("nothing to resume: there is no journal yet");
        return nothing(context);
    }
    let checkpoint_to = args.options.checkpoint_to.as_deref();
    let closer = Closer::default();
    let went_on = async {
        let open = OpenJournal::open(context, "resume", &context.journal, checkpoint_to, &args.rollback).await?;
        closer.hold(&open);
        go_on(&args, context, signals.clone(), open, began).await
    };
    let ended = tokio::select! {
        // Once the run goes on, it says by itself what was sent.
        result = went_on => result.map_err(|error| error.sent(Sent::Reads)),
        // And it listens to signals by itself.
        () = signals.before_a_session() => {
            context.ui.say("stopped by a signal: nothing was sent");
            let stopped_by = Some(StopWord::Signal);
            Ok(say(context, &Summary { stopped_by, ..Summary::of_nothing(&context.journal) }))
        }
    };
    closer.close(&signals).await;
    ended
}

/// A run is named, and there is no journal.
pub(super) fn missing_journal(run: &str) -> CliError {
    CliError::new(Exit::Usage, format!("there is no run {}: there is no journal yet", super::shown(run)))
        .code(Code::RunUnknown)
        .hint("name the journal with --journal or KEYBATCH_JOURNAL")
        .sent(Sent::Nothing)
}

async fn go_on(
    args: &Args,
    context: &Context,
    signals: Signals,
    open: OpenJournal,
    began: tokio::time::Instant,
) -> Result<Exit, CliError> {
    let Some(record) = choose(&open, args.run.as_deref(), context).await? else {
        open.close(context).await?;
        return nothing(context);
    };
    if record.state == "finished" {
        return already_finished(context, &open, &record).await;
    }
    carry_on(&args.options, context, signals, open, began, record, None).await
}

/// Goes on with an unfinished run, over `connection` if there is one.
pub(super) async fn carry_on(
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
pub(super) struct Resumed {
    pub(super) record: RunRecord,
    /// If there is one already.
    pub(super) connection: Option<Connection>,
    /// Why it is to be abandoned, if it is: then nothing more is sent, and what was asked for is settled by reading.
    pub(super) because: Option<String>,
}

/// Goes on with an unfinished run: to its end, or to abandon it.
pub(super) async fn go_on_with(
    options: &SessionOptions,
    context: &Context,
    signals: Signals,
    open: OpenJournal,
    began: tokio::time::Instant,
    resumed: Resumed,
) -> Result<Exit, CliError> {
    let Resumed { record, connection, because } = resumed;
    // From here on there is a run to say something about.
    signals.hand_over();
    let ready = tokio::select! {
        ready = prepare(options, context, &open, &record, connection) => ready,
        () = signals.first.cancelled() => return stopped_early(context, &open, &record).await,
    };
    let Ready { options, sealed, mut policy, targets, connection, ghosts } =
        ready.map_err(|error| error.of_run(record.run))?;
    let command = if because.is_some() { "abandon" } else { "resume" };
    if because.is_some() {
        // There will be no other attempt: a key pair that was asked for and is seen there still has failed.
        policy.max_attempts = 1;
    }
    let mut opened = session_opened(context, command, &options, &policy, Some(&connection), record.sandbox, &[]);
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
        took: OnceLock::new(),
        open,
        ghosts,
    };
    session.open.journal.append(vec![draft(record.run, Event::SessionOpened(opened))]).await?;
    let label = if record.sandbox { "sandbox run" } else { "run" };
    let doing = if session.because.is_some() { "abandoning" } else { "going on with" };
    context.ui.talk(format!("{doing} {label} {} of account {}", record.run, connection.caller.account));
    let mut lanes = Vec::new();
    for target in targets {
        let lane = session.lane(&connection, target.target.clone(), &policy).await?;
        lanes.push((target, lane));
    }
    let probed = tokio::select! {
        probed = probe_lanes(&session, &record, &policy, &lanes) => probed?,
        () = session.signals.first.cancelled() => return session.leave_by_signal().await,
    };
    let closed = match probed {
        Probed::Leave(error) => return session.leave(error).await,
        Probed::Closed(closed) => closed,
    };
    session.work(policy, &sealed, lanes, &closed).await
}

/// What a session needs to go on with a run.
struct Ready {
    options: SessionOptions,
    sealed: PlanSealed,
    policy: Policy,
    targets: Vec<TargetRecord>,
    connection: Connection,
    ghosts: Arc<Ghosts>,
}

/// Everything that may refuse to go on with the run, and the connection. Sends nothing but reads, and writes nothing.
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
    let policy = options.policy(started.policy.clone())?;
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
        None => connect(&options, &policy, context, record.run, region, goal, record.endpoint.as_deref()).await?,
    };
    refuse_another(record, &connection)?;
    let ghosts = ghosts::of_other_runs(open, record.run, &connection, &policy).await?;
    Ok(Ready { options, sealed, policy, targets, connection, ghosts })
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

/// How many key pairs of a target that have no outcome yet, and how many that have one, are tried before reading counts as
/// not permitted there: some may be protected from being read by their tags.
const PROBES: [u32; 2] = [20, 3];

/// What reading a key pair of each target showed.
enum Probed {
    /// Nothing may be sent.
    Leave(PlanError),
    /// Key pairs may not be read in these targets; the others go on.
    Closed(BTreeMap<i64, PlanError>),
}

/// Reads a key pair of each target that has rows left, before anything is sent: whoever may not do that could settle
/// nothing there, and answers from elsewhere than the run is bound to must not go unseen.
async fn probe_lanes(
    session: &Session<'_>,
    record: &RunRecord,
    policy: &Policy,
    lanes: &[(TargetRecord, Arc<Lane<AwsLightsail>>)],
) -> Result<Probed, CliError> {
    let mut closed = BTreeMap::new();
    let mut open = false;
    for (target, lane) in lanes {
        let reader = &session.open.reader;
        let mut names = reader.names_to_delete(record.run_no, target.target_no, false, PROBES[0]).await?;
        if !names.is_empty() {
            names.extend(reader.names_to_delete(record.run_no, target.target_no, true, PROBES[1]).await?);
        }
        let is_left = !names.is_empty();
        match probe_one(lane, names, policy).await {
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
async fn probe_one(
    lane: &Lane<AwsLightsail>,
    names: Vec<String>,
    policy: &Policy,
) -> Result<Option<PlanError>, PlanError> {
    let mut refused = None;
    for name in names {
        let Probe::Denied(said) = probe(lane, &name, policy.settle_timeout).await? else { return Ok(None) };
        let (action, target) = ("lightsail:GetKeyPair", lane.target.clone());
        refused = Some(PlanError::NotPermitted { action, target, said });
    }
    Ok(refused)
}

/// The run that is meant: the named one, or the only unfinished one.
async fn choose(open: &OpenJournal, named: Option<&str>, context: &Context) -> Result<Option<RunRecord>, CliError> {
    let Some(named) = named else {
        let runs = open.reader.runs().await?;
        let is_left = runs.iter().any(|record| matches!(record.state.as_str(), "running" | "stopped"));
        if !is_left {
            context.ui.say("nothing to resume: no run is unfinished");
        }
        return only_unfinished(runs, context);
    };
    let found = crate::audit::runs::resolve(&open.reader, named).await;
    let record = found.map_err(|error| CliError::from(error).sent(Sent::Nothing))?;
    if record.state == "abandoned" {
        let how = if record.started_seq.is_some() { "was abandoned" } else { "was never started" };
        let message = format!("run {} {how}", record.run);
        return Err(CliError::new(Exit::Refused, message)
            .code(Code::RunAbandoned)
            .of_run(record.run)
            .hint("run its manifest again")
            .sent(Sent::Nothing));
    }
    Ok(Some(record))
}

fn nothing(context: &Context) -> Result<Exit, CliError> {
    Ok(say(context, &Summary::of_nothing(&context.journal)))
}

/// A finished run stays as it is (I6): say again how it ended.
pub(super) async fn already_finished(
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

/// A journal up to this size is verified whole before a run goes on, which takes about a second; of a larger one, the
/// plan alone is.
const VERIFIED_WHOLE_ENTRIES: u64 = 250_000;

/// What is to be done next is read from the journal, so nothing is done where that was changed. A history that this
/// version cannot follow is no reason to leave rows unsettled.
async fn refuse_altered(context: &Context, open: &OpenJournal) -> Result<(), CliError> {
    let (size, _) = open.reader.head().await?;
    if size > VERIFIED_WHOLE_ENTRIES {
        return Ok(());
    }
    let scratch = super::scratch::directory(context)?;
    let scratch = Some((scratch, format!("keybatch-{}", uuid::Uuid::new_v4())));
    let report = verify(&context.journal, Options { scratch, ..Options::default() }).await?;
    if report.verdict.is_sound() {
        return Ok(());
    }
    let changed = |finding: &&Finding| !matches!(finding.verdict, Verified::IllegalHistory | Verified::CannotVerify);
    if let Some(finding) = report.findings.iter().find(changed) {
        let message = format!("the journal was changed: {}", finding.detail);
        return Err(CliError::new(Exit::Refused, message).code(Code::JournalChanged).sent(Sent::Nothing).hint(VERIFY));
    }
    // Where the machine kept it from being looked at, nothing says that it was not changed.
    let failed = report.findings.iter().find(|finding| finding.of_the_machine);
    if failed.is_some() || report.entries < size {
        let why = failed.map_or(&report.detail, |finding| &finding.detail);
        let message = format!("the journal cannot be verified: {why}");
        return Err(CliError::new(Exit::Environment, message)
            .code(Code::JournalUnverified)
            .sent(Sent::Nothing)
            .hint(SCRATCH));
    }
    context.ui.say(&format!("warning: {}", super::shown(&report.detail)));
    Ok(())
}

/// The sealed plan and the settings of the run. A plan that is not what was sealed is not worked off.
async fn plan_of(open: &OpenJournal, record: &RunRecord) -> Result<(PlanSealed, RunStarted), CliError> {
    let missing = || {
        CliError::new(Exit::Environment, "the journal has no sealed plan of this run")
            .code(Code::JournalDamaged)
            .sent(Sent::Nothing)
            .hint(VERIFY)
    };
    let sealed = open.reader.entry(record.sealed_seq.ok_or_else(missing)?).await?;
    let started = open.reader.entry(record.started_seq.ok_or_else(missing)?).await?;
    let (Event::PlanSealed(sealed), Event::RunStarted(started)) = (sealed.event, started.event) else {
        return Err(missing());
    };
    let root = plan_root(&open.reader, record.run_no).await?;
    if root != sealed.plan_root || sealed.plan_root != started.plan_root {
        let message = "the plan in the journal is not the one that was sealed";
        return Err(CliError::new(Exit::Refused, message).code(Code::PlanAltered).sent(Sent::Nothing).hint(VERIFY));
    }
    Ok((sealed, started))
}

const SCRATCH: &str =
    "what it is compared with is made in the directory that TMPDIR names, in /var/tmp or /tmp, or beside the journal";

const VERIFY: &str = "see what happened to the journal with: keybatch verify";

/// A run is bound to its account and endpoint (I11).
fn refuse_another(record: &RunRecord, connection: &Connection) -> Result<(), CliError> {
    let bound = [
        ("account", record.account.as_deref(), connection.caller.account.as_str()),
        ("endpoint", record.endpoint.as_deref(), connection.endpoint.as_str()),
    ];
    for (what, expected, found) in bound {
        if expected != Some(found) {
            let expected = expected.unwrap_or("none");
            let message = format!("run {} is bound to {what} {expected}, this is {found}", record.run);
            return Err(CliError::new(Exit::Refused, message).code(Code::RunBound).sent(Sent::Reads));
        }
    }
    Ok(())
}
