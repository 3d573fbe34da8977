//! `keybatch abandon`: gives up a run, once its open requests are settled.

use super::error::{CliError, Sent};
use super::exit::Exit;
use super::machine::Machine;
use super::options::{SessionOptions, refuse_secret};
use super::say::end;
use super::terminal::Verb;
use super::{Context, network};
use crate::session::order::{AbandonOrder, Rollback};
use crate::session::{self, refuse_used};

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
    args.options.check()?;
    refuse_secret("--because", Some(&args.because))?;
    if args.because.trim().is_empty() {
        return Err(CliError::new(Exit::Usage, "--because needs a reason").sent(Sent::Nothing));
    }
    args.options.try_key()?;
    let rollback = Rollback { accept: args.accept_rollback, because: Some(args.because.clone()) };
    let order = args.options.order(context, rollback);
    refuse_used(order.checkpoint_to.as_deref(), &context.journal, &[])?;
    let machine = Machine::new(context, &args.options, Verb::Abandon, None)?;
    if !context.journal.may_exist() {
        return Err(context.missing_journal());
    }
    let order = AbandonOrder { order, run: args.run, because: args.because };
    end(&context.ui, session::abandon(&machine, &order).await, super::Exit::Success)
}
