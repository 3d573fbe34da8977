//! `keybatch resume`: continue a run, without guessing.

use super::again::only_unfinished;
use super::closer::Closer;
use super::code::Code;
use super::error::{CliError, Sent};
use super::exit::Exit;
use super::options::{SessionOptions, refuse_secret};
use super::rollback::RollbackOptions;
use super::say::say;
use super::session::{OpenJournal, already_finished, carry_on};
use super::signals::Signals;
use super::summary::{StopWord, Summary};
use super::{Context, checkpoints, network};
use crate::domain::Settings;
use crate::journal::RunState;
use crate::journal::sqlite::RunRecord;

/// Continue a run that was stopped or killed
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A run's id, a unique prefix of it, or latest [default: the only unfinished run; real runs come before rehearsals]
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// Region in which to ask for the caller's identity [default: from the AWS configuration]
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
    args.options.settings(Settings::default())?;
    args.options.make_absolute();
    checkpoints::refuse_used(args.options.checkpoint_to.as_deref(), &context.journal, &[])?;
    let began = tokio::time::Instant::now();
    let signals = Signals::listen(context.ui.clone(), args.options.drain())
        .map_err(|error| CliError::from_error(Exit::Unexpected, &error).sent(Sent::Nothing))?;
    // A journal that cannot be accessed may exist all the same.
    let there = context.journal.try_exists().map_err(|error| {
        let message = format!("cannot access the journal {}: {error}", context.journal.display());
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
        // Once the run continues, its own error says what was sent.
        result = went_on => result.map_err(|error| error.sent(Sent::Reads)),
        // From then on the run itself handles signals.
        () = signals.before_a_session() => {
            context.ui.say("stopped by a signal: nothing was sent");
            let stopped_by = Some(StopWord::Signal);
            Ok(say(context, &Summary { stopped_by, ..Summary::of_nothing(&context.journal) }))
        }
    };
    closer.close(&signals).await;
    ended
}

/// The error for a named run if there is no journal.
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
    if record.state == RunState::Finished {
        return already_finished(context, &open, &record).await;
    }
    carry_on(&args.options, context, signals, open, began, record, None).await
}

/// The run that is meant: the named one, or the only unfinished one.
async fn choose(open: &OpenJournal, named: Option<&str>, context: &Context) -> Result<Option<RunRecord>, CliError> {
    let Some(named) = named else {
        let runs = open.reader.runs().await?;
        let is_left = runs.iter().any(|record| record.state.is_unfinished());
        if !is_left {
            context.ui.say("nothing to resume: no run is unfinished");
        }
        return only_unfinished(runs, context);
    };
    let found = crate::review::runs::resolve(&open.reader, named).await;
    let record = found.map_err(|error| CliError::from(error).sent(Sent::Nothing))?;
    if record.state == RunState::Abandoned {
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
