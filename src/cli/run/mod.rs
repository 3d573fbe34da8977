//! `keybatch run`: reads a manifest, observes the key pairs, records every intent, asks for a confirmation, and deletes at a safe
//! rate.

mod args;

use std::io::BufRead;

use super::error::CliError;
use super::exit::Exit;
use super::files::open_manifest_or_plan;
use super::machine::Machine;
use super::metrics::Metrics;
use super::options::refuse_secret;
use super::plan::Making;
use super::terminal::Verb;
use super::{Context, faults, network, work};
use crate::session::order::{Order, RunOrder, WorkOrder};
use crate::session::summary::StopWord;
use crate::session::{self, Ending, Input, Selection, SessionError, refuse_used};

pub(super) use args::Args;

pub(super) async fn run(mut args: Args, context: &Context) -> Result<Exit, CliError> {
    args.options.region = args.subject.region.clone();
    args.options.canary = args.canary.rows();
    args.options.require_anchor = args.anchor.require_anchor;
    network::check_flags(args.options.region.as_deref(), args.options.endpoint_url.as_deref())?;
    refuse_secret("--because", args.rollback.because.as_deref())?;
    args.options.check()?;
    args.again.check()?;
    if args.share {
        work::refuse_a_file(context)?;
    }
    args.options.make_absolute();
    let opened = args.manifest.as_deref().map(open_manifest_or_plan).transpose()?;
    let is_plan = opened.as_ref().is_some_and(|(_, is_plan)| *is_plan);
    let input = opened.map(|(input, _)| input);
    args.check(is_plan)?;
    let selection = args.selection.selection();
    let policy = args.policy.policy(&args.overrides, args.rollback.because.as_deref(), context)?;
    if args.dry_run {
        let as_run = Some((args.again.repeat(), args.confirmation(context)));
        let making = Making {
            manifest: args.manifest.as_deref(),
            selection,
            subject: &args.subject,
            options: &args.options,
            policy,
            as_run,
        };
        return making.show(None, context).await;
    }
    args.options.try_key()?;
    let signs_plans = args.four_eyes || policy.limits.four_eyes;
    let handed_on = args.options.checkpoint_to.is_some() || args.options.checkpoint_exec.is_some();
    if args.options.sign_key.is_some() && !handed_on && !args.again.resume && !signs_plans {
        context.ui.say("warning: --sign-key signs checkpoints that are kept, and --checkpoint-to names no file");
    }
    let mut order = args.order(context);
    order.order.policy = policy;
    if !args.again.resume {
        order.refuse_unanswerable()?;
    }
    let world = args.subject.sandbox.iter().flatten().map(|world| (world.as_path(), "the world file"));
    let read: Vec<_> = world.chain(args.manifest.iter().map(|path| (path.as_path(), "the manifest"))).collect();
    refuse_used(order.order.checkpoint_to.as_deref(), &context.journal, &read)?;
    let summary = args.summary.open(&context.journal, &read)?;
    let appended = order.order.checkpoint_to.iter().map(|path| (path.as_path(), "the file of checkpoints"));
    let used: Vec<_> = read.iter().copied().chain(appended).chain(args.summary.used()).collect();
    let metrics = args.metrics.open(context, &used).await?;
    let opened = Opened { selection, input, is_plan };
    let ended = carry_out(&args, &order, opened, &metrics, context).await;
    metrics.end(ended, |ended| summary.end(&context.ui, ended))
}

/// What a run is about, open.
struct Opened {
    selection: Option<Selection>,
    input: Option<Box<dyn BufRead + Send>>,
    is_plan: bool,
}

async fn carry_out(
    args: &Args,
    order: &RunOrder,
    Opened { selection, input, is_plan }: Opened,
    metrics: &Metrics,
    context: &Context,
) -> Result<Ending, CliError> {
    let machine = Machine::new(context, &args.options, Verb::Run, args.subject.sandbox.clone())?.shown_by(metrics);
    // A session that shares a run only begins it; it deletes in another one, like each of the other machines.
    let order = &if args.share { begun_only(order) } else { order.clone() };
    let ended = match (selection, input) {
        (Some(selection), input) => {
            if !context.journal.may_exist() {
                return Err(context.missing_journal());
            }
            let manifest = input.map(|input| Box::new(input) as Input);
            Box::pin(session::retry(&machine, order, &selection, manifest)).await
        }
        (None, Some(input)) if is_plan => {
            let approvals = args.approvals(&order.order.policy, context)?;
            let mut plan = args.order_of_plan(context, approvals);
            plan.order.policy = order.order.policy.clone();
            plan.order.max_deletes = order.order.max_deletes;
            session::run_plan(&machine, &plan, input).await
        }
        (None, input) => {
            session::run(&machine, order, Box::new(input.unwrap_or_else(|| Box::new(std::io::empty())))).await
        }
    };
    let ended = ended.map_err(|error| with_report(error, context))?;
    let Ending::Summed(summary) = &ended;
    match (&summary.run, summary.stopped_by) {
        (Some(run), Some(StopWord::MaxDeletes)) if args.share => {
            context.ui.talk(format!("on other machines: {}", context.ui.suggested(["work", run])));
            let order = Order { max_deletes: args.options.max_deletes, ..order.order.clone() };
            Ok(session::work_on(&machine, &WorkOrder { order, run: run.clone() }).await?)
        }
        _ => Ok(ended),
    }
}

/// The order of a session that stops before its first deletion.
fn begun_only(order: &RunOrder) -> RunOrder {
    let mut order = order.clone();
    order.order.max_deletes = Some(0);
    order
}

/// The error with the report on a manifest's faults, if it has any.
pub(super) fn with_report(error: SessionError, context: &Context) -> CliError {
    let mut error = CliError::from(error);
    error.details.report = error.details.faults.as_ref().map(|found| faults::report(context, found));
    error
}
