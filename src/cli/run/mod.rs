//! `keybatch run`: ingest a manifest, observe, record every intent, confirm, and delete at a safe rate.

mod args;
mod begin;
mod refuse;
mod stage;

use std::io::Read;
use std::path::Path;

use uuid::Uuid;

use super::again::{self, Admitted, Place};
use super::closer::Closer;
use super::code::Code;
use super::connect::{Goal, connect, world_directory};
use super::error::{CliError, Sent};
use super::exit::Exit;
use super::options::refuse_secret;
use super::say::say;
use super::scratch::Scratch;
use super::session::{OpenJournal, already_finished, carry_on};
use super::signals::Signals;
use super::summary::{NOT_BEGUN, State, StopWord, Summary};
use super::{Context, checkpoints, network};
use crate::domain::{RunId, Settings};
use crate::sandbox::World;

pub(super) use args::Args;

use begin::{Begun, begin};
use refuse::refuse_manifest;
use stage::{Refusal, Staged, open_manifest, stage};

pub(super) async fn run(mut args: Args, context: &Context) -> Result<Exit, CliError> {
    args.options.region = args.region.clone();
    network::check_flags(args.options.region.as_deref(), args.options.endpoint_url.as_deref())?;
    refuse_secret("--because", args.rollback.because.as_deref())?;
    let settings = args.options.settings(Settings::default())?;
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
        work(&args, context, settings, input, &journal_path, open, run, signals.clone()).await
    };
    let ended = tokio::select! {
        // After the confirmation, the session's own error says what was sent.
        result = worked => result.map_err(|error| error.sent(Sent::Reads)),
        // After the confirmation, the session itself handles signals.
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
    settings: Settings,
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
            return refuse_manifest(args, context, &settings, &open, run, &faults, ingested.as_deref()).await;
        }
        Err(Refusal::Other(error)) => return Err(error),
    };
    for near_miss in &staged.ingested.near_misses {
        context.ui.say(&format!(
            "warning: column `{}` is kept as an annotation, so keybatch compares nothing with it; did you mean `{}`?",
            super::shown(&near_miss.written.to_string()),
            near_miss.meant
        ));
    }
    for name in &staged.ingested.unknown_annotations {
        context.ui.say(&format!("warning: --annotation {}: the manifest has no such column", super::shown(name)));
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
    // Requests name their run, so if an earlier run may continue, they must name that one.
    let may_go_on = args.again.resume && matches!(goal, Goal::Service);
    let named =
        if may_go_on { again::likely(past.as_ref(), &sha256, &context.journal).await?.unwrap_or(run) } else { run };
    let mut connection = connect(&args.options, &settings, context, named, region, goal, None).await?;
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
        connection = connect(&args.options, &settings, context, run, region, Goal::Service, None).await?;
    }
    again::learn_past(&mut staged.stage, past.as_ref(), &sha256, &connection).await?;
    begin(args, context, settings, run, Begun { open, signals, began, staged, connection, is_again }).await
}

/// Refuses to begin if only a person could confirm and there is no terminal.
fn refuse_without_terminal(args: &Args, context: &Context) -> Result<(), CliError> {
    if args.asks() && (!context.environment.stdin_is_terminal || args.manifest.as_os_str() == "-") {
        return Err(CliError::new(Exit::Usage, "a confirmation is required, and there is no terminal to ask on")
            .code(Code::NoTerminal)
            .sent(Sent::Nothing)
            .hint("pass --yes, or --confirm N to allow exactly N deletions; --dry-run shows the plan"));
    }
    Ok(())
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
