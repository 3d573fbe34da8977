//! `keybatch abandon`: give up a run, once its open requests are settled.

use super::closer::Closer;
use super::code::Code;
use super::error::{CliError, Sent};
use super::exit::Exit;
use super::options::{SessionOptions, refuse_secret};
use super::resume::missing_journal;
use super::rollback::RollbackOptions;
use super::say::say;
use super::session::{OpenJournal, Resumed, go_on_with};
use super::signals::Signals;
use super::summary::{StopWord, Summary};
use super::{Context, checkpoints, network};
use crate::domain::Settings;
use crate::journal::RunState;
use crate::journal::sqlite::RunRecord;

/// Give up a run: settle its open requests by reading, and close it for good
///
/// keybatch deletes nothing more. A row whose request may have taken effect ends in doubt if reading does not show
/// whether it did; rows that were never requested stay not attempted. Later runs still use what the journal knows about
/// the key pairs.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run: its id, a unique prefix of it (4 characters or more), or `latest`
    #[arg(value_name = "RUN")]
    run: String,
    /// Reason, for the journal
    #[arg(long, value_name = "TEXT")]
    because: String,
    /// Continue with a journal that lost entries; each row without an outcome is settled by reading
    #[arg(long)]
    accept_rollback: bool,
    /// Region in which to ask for the caller's identity [default: from the AWS configuration]
    #[arg(long, env = "KEYBATCH_REGION", value_name = "REGION")]
    region: Option<String>,
    #[command(flatten)]
    options: SessionOptions,
}

pub(super) async fn run(mut args: Args, context: &Context) -> Result<Exit, CliError> {
    args.options.region = args.region.clone();
    network::check_flags(args.options.region.as_deref(), args.options.endpoint_url.as_deref())?;
    args.options.settings(Settings::default())?;
    refuse_secret("--because", Some(&args.because))?;
    if args.because.trim().is_empty() {
        return Err(CliError::new(Exit::Usage, "--because needs a reason").sent(Sent::Nothing));
    }
    checkpoints::refuse_used(args.options.checkpoint_to.as_deref(), &context.journal, &[])?;
    let began = tokio::time::Instant::now();
    let signals = Signals::listen(context.ui.clone(), args.options.drain())
        .map_err(|error| CliError::from_error(Exit::Unexpected, &error).sent(Sent::Nothing))?;
    if !context.journal.exists() {
        return Err(missing_journal(&args.run));
    }
    let checkpoint_to = args.options.checkpoint_to.as_deref();
    let rollback = RollbackOptions { accept_rollback: args.accept_rollback, because: Some(args.because.clone()) };
    let closer = Closer::default();
    let gave_up = async {
        let open = OpenJournal::open(context, "abandon", &context.journal, checkpoint_to, &rollback).await?;
        closer.hold(&open);
        let found = crate::review::runs::resolve(&open.reader, &args.run).await;
        let record = found.map_err(|error| CliError::from(error).sent(Sent::Nothing))?;
        refuse_ended(&record)?;
        let resumed = Resumed { record, connection: None, because: Some(args.because.clone()) };
        go_on_with(&args.options, context, signals.clone(), open, began, resumed).await
    };
    let ended = tokio::select! {
        // Once the run is known, its own error says what was sent.
        result = gave_up => result.map_err(|error| error.sent(Sent::Reads)),
        () = signals.before_a_session() => {
            context.ui.say("stopped by a signal: nothing was sent, and the run was not abandoned");
            let stopped_by = Some(StopWord::Signal);
            Ok(say(context, &Summary { stopped_by, ..Summary::of_nothing(&context.journal) }))
        }
    };
    closer.close(&signals).await;
    ended
}

/// Only a run that can be resumed can be abandoned.
fn refuse_ended(record: &RunRecord) -> Result<(), CliError> {
    let (code, how) = match record.state {
        RunState::Finished => (Code::RunFinished, "is finished: nothing is left to abandon"),
        RunState::Abandoned => (Code::RunAbandoned, "has already been abandoned"),
        _ => return Ok(()),
    };
    let message = format!("run {} {how}", record.run);
    Err(CliError::new(Exit::Refused, message).code(code).of_run(record.run).sent(Sent::Nothing))
}
