//! `keybatch resume`: continues a run, without guessing.

use std::path::Path;

use super::code::Code;
use super::error::{CliError, Sent};
use super::exit::Exit;
use super::machine::Machine;
use super::metrics::MetricsOptions;
use super::options::{AnchorOptions, CanaryOptions, SessionOptions, refuse_secret};
use super::policy::{OverrideOptions, PolicyOptions};
use super::rollback::RollbackOptions;
use super::summary_to::SummaryOptions;
use super::terminal::Verb;
use super::{Context, network};
use crate::session::order::ResumeOrder;
use crate::session::summary::Summary;
use crate::session::{self, Ending, refuse_used};

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
    canary: CanaryOptions,
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

pub(super) async fn run(mut args: Args, context: &Context) -> Result<Exit, CliError> {
    args.options.region = args.region.clone();
    args.options.canary = args.canary.rows();
    args.options.require_anchor = args.anchor.require_anchor;
    network::check_flags(args.options.region.as_deref(), args.options.endpoint_url.as_deref())?;
    refuse_secret("--because", args.rollback.because.as_deref())?;
    args.options.check()?;
    args.options.make_absolute();
    args.options.try_key()?;
    let mut order = ResumeOrder { order: args.options.order(context, args.rollback.order()), run: args.run };
    order.order.policy = args.policy.policy(&OverrideOptions::default(), None, context)?;
    refuse_used(order.order.checkpoint_to.as_deref(), &context.journal, &[])?;
    let summary = args.summary.open(&context.journal, &[])?;
    // A journal that cannot be accessed may still exist.
    let there = context.journal.file().map_or(Ok(true), Path::try_exists).map_err(|error| {
        let message = format!("cannot access the journal {}: {error}", context.journal);
        CliError::new(Exit::Environment, message).code(Code::JournalUnusable).sent(Sent::Nothing)
    })?;
    if !there {
        if order.run.is_some() {
            return Err(context.missing_journal());
        }
        context.ui.say("nothing to resume: there is no journal yet");
        let nothing = Summary::of_nothing(&context.journal);
        return summary.end(&context.ui, Ok(Ending::Summed(Box::new(nothing))));
    }
    let appended = order.order.checkpoint_to.iter().map(|path| (path.as_path(), "the file of checkpoints"));
    let metrics = args.metrics.open(context, &appended.chain(args.summary.used()).collect::<Vec<_>>()).await?;
    let ended = async {
        let machine = Machine::new(context, &args.options, Verb::Resume, None)?.shown_by(&metrics);
        session::resume(&machine, &order).await.map_err(CliError::from)
    };
    let ended = ended.await;
    metrics.end(ended, |ended| summary.end(&context.ui, ended))
}
