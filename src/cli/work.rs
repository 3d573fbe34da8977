//! `keybatch work`: shares a run with other machines.

use super::code::Code;
use super::error::{CliError, Sent};
use super::exit::Exit;
use super::machine::Machine;
use super::metrics::MetricsOptions;
use super::options::{AnchorOptions, SessionOptions};
use super::policy::{OverrideOptions, PolicyOptions};
use super::summary_to::SummaryOptions;
use super::terminal::Verb;
use super::{Context, network};
use crate::session::order::{Rollback, WorkOrder};
use crate::session::{self, refuse_used};

/// Delete a part of a run, together with other machines that do the same
///
/// The journal must be in PostgreSQL, and the run begun, e.g. by `keybatch run MANIFEST --share`, which is the first runner. Each runner takes
/// rows that nobody has, a few at a time. If one dies, the others settle its rows once its leases have lapsed. All runners together
/// keep to the rate of each target. One of them ends the run.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A run's id, a unique prefix of it, or latest
    #[arg(value_name = "RUN")]
    run: String,
    /// Region in which to ask for the caller's identity [default: from the AWS configuration]
    #[arg(long, env = "KEYBATCH_REGION", value_name = "REGION")]
    region: Option<String>,
    #[command(flatten)]
    anchor: AnchorOptions,
    #[command(flatten)]
    policy: PolicyOptions,
    #[command(flatten)]
    summary: SummaryOptions,
    #[command(flatten)]
    metrics: MetricsOptions,
    #[command(flatten)]
    options: SessionOptions,
}

/// Refuses a journal that several runners cannot share.
pub(super) fn refuse_a_file(context: &Context) -> Result<(), CliError> {
    if context.journal.address().is_some() {
        return Ok(());
    }
    let message = format!("several runners share only a journal in PostgreSQL, and {} is a file", context.journal);
    Err(CliError::new(Exit::Usage, message)
        .code(Code::Usage)
        .hint("name one with --journal postgres://USER@HOST/DATABASE; docs/POSTGRES.md says how to set it up")
        .sent(Sent::Nothing))
}

pub(super) async fn run(mut args: Args, context: &Context) -> Result<Exit, CliError> {
    args.options.region = args.region.clone();
    args.options.require_anchor = args.anchor.require_anchor;
    network::check_flags(args.options.region.as_deref(), args.options.endpoint_url.as_deref())?;
    args.options.check()?;
    args.options.make_absolute();
    args.options.try_key()?;
    let mut order = WorkOrder { order: args.options.order(context, Rollback::default()), run: args.run };
    order.order.policy = args.policy.policy(&OverrideOptions::default(), None, context)?;
    refuse_a_file(context)?;
    refuse_used(order.order.checkpoint_to.as_deref(), &context.journal, &[])?;
    let summary = args.summary.open(&context.journal, &[])?;
    let appended = order.order.checkpoint_to.iter().map(|path| (path.as_path(), "the file of checkpoints"));
    let metrics = args.metrics.open(context, &appended.chain(args.summary.used()).collect::<Vec<_>>()).await?;
    let ended = async {
        let machine = Machine::new(context, &args.options, Verb::Resume, None)?.shown_by(&metrics);
        session::work_on(&machine, &order).await.map_err(CliError::from)
    };
    let ended = ended.await;
    metrics.end(ended, |ended| summary.end(&context.ui, ended))
}
