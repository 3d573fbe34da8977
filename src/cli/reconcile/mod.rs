//! `keybatch reconcile`: holds CloudTrail's records against the attempts of a run, in both directions.

mod entry;
mod files;
mod missing;
mod moment;
mod people;
mod programs;
mod reading;
mod report;

use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use self::entry::told;
use self::report::{Report, report};
use super::code::Code;
use super::error::CliError;
use super::exit::Exit;
use super::machine::Machine;
use super::options::SessionOptions;
use super::terminal::Verb;
use super::{Context, Format};
use crate::domain::counted;
use crate::review::runs;
use crate::session::order::Rollback;
use crate::session::{self, Progress, Proven, ReconcileOrder, Recorded, refuse_used};

/// Compare a run with CloudTrail's records
///
/// Each DeleteKeyPair request of the run is looked for in the records, and each record of DeleteKeyPair in the run's time, accounts
/// and regions must be explained by the journal. A request that no record shows is only that: records are late or lost, and a
/// denied call's record names no key pair. keybatch sends nothing, and writes nothing without --record.
///
/// Exit codes: 0 nothing speaks against the journal; 3 a record contradicts it, or an event is not explained by it; 9 a file could
/// not be read to its end (what was read is reported).
#[derive(Debug, clap::Args)]
#[command(override_usage = "keybatch reconcile [OPTIONS] <RUN> --cloudtrail <FILE|DIR>...")]
pub(super) struct Args {
    /// The run: its id, a unique prefix of it (4 characters or more), or `latest`
    #[arg(value_name = "RUN")]
    run: String,
    /// Files or folders with records: log files as they lie in S3 (also compressed), what `aws cloudtrail lookup-events` prints,
    /// one record, a list of records, or one a line; `-` is standard input
    #[arg(long, value_name = "FILE|DIR", num_args = 1.., required = true)]
    cloudtrail: Vec<PathBuf>,
    /// Record what was found, and that rows which are gone or in doubt were deleted by this run where a record proves it
    #[arg(long)]
    record: bool,
    /// Ticket, for the journal
    #[arg(long, env = "KEYBATCH_TICKET", value_name = "ID")]
    ticket: Option<String>,
    /// Append the checkpoint to this file [default: the one that the run's own sessions named]
    #[arg(long, env = "KEYBATCH_CHECKPOINT_TO", value_name = "FILE")]
    checkpoint_to: Option<PathBuf>,
}

impl Args {
    /// Whether nothing is written.
    pub(super) fn only_reads(&self) -> bool {
        !self.record
    }
}

/// Says what may be wrong where no run is named: `--cloudtrail` takes all words behind it, and so a run that follows, too.
pub(super) fn with_hint(mut error: clap::Error, arguments: &[std::ffi::OsString]) -> clap::Error {
    let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
    let is_ours = words.iter().any(|word| word == "reconcile") && words.iter().any(|word| word == "--cloudtrail");
    let last = words.last().filter(|last| {
        let is_id = last.len() >= 4 && last.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        *last == "latest" || is_id
    });
    if let Some(last) = last.filter(|_| is_ours && error.kind() == ErrorKind::MissingRequiredArgument) {
        let tip = format!(
            "{last} was taken for a file of --cloudtrail; name the run before it: reconcile {last} --cloudtrail …"
        );
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let mut options = SessionOptions {
        ticket: args.ticket.clone(),
        checkpoint_to: args.checkpoint_to.clone(),
        ..SessionOptions::default()
    };
    options.check()?;
    options.make_absolute();
    if !context.journal.may_exist() {
        return Err(context.missing_journal());
    }
    let reader = context.reader().await?;
    let run = runs::resolve(&reader, &args.run).await?;
    let progress = Progress::of(&reader, &run).await?;
    let report = report(&args.cloudtrail, &reader, run).await?;
    let recorded = if args.record { record(context, &options, &report, progress).await? } else { None };
    if context.ui.format == Format::Table {
        people::say(context, &report, recorded.as_ref())?;
    } else {
        programs::say(context, &reader, &report, recorded.as_ref()).await?;
    }
    let exit = if args.record && recorded.is_none() { Exit::Stopped } else { Exit::Success };
    let found = if report.found.has_findings() { Exit::SomeNotDone } else { Exit::Success };
    if report.read.fault_count > 0 {
        let count = counted(report.read.fault_count, "place", "places");
        let first = report.read.faults.first().map(|fault| format!(", first in {}: {}", fault.file, fault.why));
        context.ui.complain(
            &CliError::new(Exit::Environment, format!("{count} could not be read{}", first.unwrap_or_default()))
                .code(Code::CloudTrail)
                .hint("what could be read was compared; complete the files, and reconcile again"),
        );
        return Ok(Exit::Environment);
    }
    Ok(exit.graver(found))
}

/// Appends what was found to the journal.
async fn record(
    context: &Context,
    options: &SessionOptions,
    report: &Report,
    progress: Progress,
) -> Result<Option<Recorded>, CliError> {
    let order = options.order(context, Rollback::default());
    refuse_used(order.checkpoint_to.as_deref(), &context.journal, &[])?;
    let proven = report.proven.iter().map(|proven| Proven {
        row: proven.row,
        event_id: proven.shown.id.clone(),
        because: format!(
            "CloudTrail's record of {} (event {}) shows that attempt {} of this run succeeded",
            proven.shown.time, proven.shown.id, proven.attempt
        ),
    });
    let order = ReconcileOrder { order, run: report.run.run, progress, told: told(report), proven: proven.collect() };
    let machine = Machine::new(context, options, Verb::Resolve, None)?;
    Ok(session::reconcile(&machine, &order).await?)
}
