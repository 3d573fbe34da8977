//! `keybatch plan`: what a run would do, as a file that can be reviewed, approved and executed.

mod diff;
mod reading;
pub(super) mod shown;

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;

use self::reading::ReadingOptions;
use super::amount::duration;
use super::approve::{refuse_signed, sign_as_maker};
use super::error::{CliError, Sent};
use super::exit::Exit;
use super::files::open_manifest;
use super::machine::Machine;
use super::new_file::{Unfinished, refuse_existing, unwritten};
use super::options::{SessionOptions, refuse_secret};
use super::policy::{OverrideOptions, PolicyOptions};
use super::say::say;
use super::scratch::{Scratch, directory};
use super::selection::SelectionOptions;
use super::subject::SubjectOptions;
use super::terminal::Verb;
use super::{Context, Format, canary, faults, network};
use crate::session::order::{Confirmation, PlanOrder, Repeat};
use crate::session::{self, Order, PlanEnding, Policy, Selection};

/// How long a plan may be executed if nothing else is said.
const LIFE: &str = "72h";

/// Show what a run would do, and write it to a file that can be approved and run
///
/// It sends only read requests, and writes nothing to the journal.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  keybatch plan deletions.csv -o friday.plan --ticket OPS-17
  keybatch show friday.plan            every row, with the reason
  keybatch plan --diff monday.plan friday.plan
  keybatch plan --only failed --of latest -o rest.plan
  keybatch run friday.plan             exactly what it says")]
pub(super) struct Args {
    /// CSV file of key pairs; - reads standard input
    #[arg(value_name = "MANIFEST", required_unless_present_any = ["diff", "of"])]
    manifest: Option<PathBuf>,
    /// Write the plan to this new file
    #[arg(short = 'o', long = "to", value_name = "FILE")]
    to: Option<PathBuf>,
    /// How long the plan may be executed
    #[arg(long, env = "KEYBATCH_EXPIRES", value_name = "TIME", default_value = LIFE, value_parser = duration)]
    expires: Duration,
    /// Sign the plan as its maker with this SSH key, by ssh-keygen, into FILE.maker.sig
    #[arg(long, env = "KEYBATCH_SIGN_KEY", value_name = "KEYFILE")]
    sign_key: Option<PathBuf>,
    /// Show how two plans differ
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], conflicts_with_all = ["manifest", "to", "only", "of"])]
    diff: Option<Vec<PathBuf>>,
    #[command(flatten)]
    selection: SelectionOptions,
    #[command(flatten)]
    subject: SubjectOptions,
    #[command(flatten)]
    policy: PolicyOptions,
    #[command(flatten)]
    overrides: OverrideOptions,
    /// Reason, for the plan's header; required by --override
    #[arg(long, value_name = "TEXT", requires = "lifting", value_parser = NonEmptyStringValueParser::new())]
    because: Option<String>,
    #[command(flatten)]
    reading: ReadingOptions,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    if let Some([old, new]) = args.diff.as_deref() {
        return diff::run(old, new, context);
    }
    args.selection.check(&[
        ("--sandbox", args.subject.sandbox.is_some()),
        ("--annotation", !args.subject.annotation.is_empty()),
    ])?;
    let (manifest, selection) = (args.manifest.as_deref(), args.selection.selection());
    refuse_secret("--because", args.because.as_deref())?;
    let policy = args.policy.policy(&args.overrides, args.because.as_deref(), context)?;
    let options = args.reading.session(args.subject.region.clone());
    let making = Making { manifest, selection, subject: &args.subject, options: &options, policy, as_run: None };
    let Some(path) = &args.to else {
        if args.sign_key.is_some() {
            context.ui.say("the plan is not signed, because it is not kept: -o FILE keeps it");
        }
        return making.show(Some(args.expires), context).await;
    };
    let needs_maker = making.policy.limits.four_eyes && args.sign_key.is_none();
    if args.sign_key.is_some() {
        refuse_signed(path)?;
    }
    refuse_existing(path)?;
    let unfinished = Unfinished::beside(path).map_err(|error| unwritten(path, &error))?;
    let made = making.write(&unfinished.file, Some(args.expires), context).await?;
    let planned = match made {
        PlanEnding::Made(planned) => planned,
        other => return Ok(without_plan(context, &other)),
    };
    unfinished.keep(path).map_err(|error| unwritten(path, &error).sent(Sent::Reads))?;
    shown::print(context, path, Some(&planned), None).await?;
    let place = super::shown(&path.to_string_lossy());
    context.ui.talk(format!("the plan is in {place}; only read requests were sent, and nothing was recorded"));
    if needs_maker {
        context.ui.say("warning: the policy demands four eyes, and nobody can run a plan that its maker did not sign");
        context.ui.say("  make it again with --sign-key KEYFILE");
    }
    if let Some(key) = &args.sign_key {
        let signed = sign_as_maker(path, &shown::read(path, |_| Ok(()))?, key);
        let key =
            signed.map_err(|error| error.sent(Sent::Reads).hint("the plan itself was written, without a signature"))?;
        context.ui.talk(format!("signed as its maker with the key {key}"));
    }
    Ok(Exit::Success)
}

/// A plan that is to be made.
pub(super) struct Making<'a> {
    pub(super) manifest: Option<&'a Path>,
    /// The rows of an earlier run that are planned again, where it is not all of the manifest.
    pub(super) selection: Option<Selection>,
    pub(super) subject: &'a SubjectOptions,
    pub(super) options: &'a SessionOptions,
    pub(super) policy: Policy,
    /// How it would be run, where that is the question.
    pub(super) as_run: Option<(Repeat, Confirmation)>,
}

impl Making<'_> {
    /// Makes the plan, shows it and forgets it.
    pub(super) async fn show(&self, expires: Option<Duration>, context: &Context) -> Result<Exit, CliError> {
        let scratch = Scratch::create(context)?;
        let path = scratch.path().join("plan");
        let file = File::create_new(&path).map_err(|error| unwritten(&path, &error))?;
        let mut planned = match self.write(&file, expires, context).await? {
            PlanEnding::Made(planned) => planned,
            other => return Ok(without_plan(context, &other)),
        };
        let judged = std::mem::replace(&mut planned.judged, Ok(()));
        let refused = judged.err().map(|error| CliError::from(error).sent(Sent::Reads));
        let shown = shown::print(context, &path, Some(&planned), refused.as_ref()).await;
        shown.map_err(|error| error.sent(Sent::Reads))?;
        let canary = self.options.canary.and_then(|most| canary::planned(most, &planned.plan.sealed, &context.ui));
        canary.iter().for_each(|line| context.ui.talk(line));
        let what = if self.as_run.is_some() { "dry run" } else { "the plan was not kept (-o FILE keeps it)" };
        context.ui.talk(format!("{what}: only read requests were sent, and nothing was recorded"));
        match refused {
            None => Ok(Exit::Success),
            // The plan's object has it: programs read one document.
            Some(error) if context.ui.format == Format::Json => {
                context.ui.complain(&error);
                Ok(error.exit)
            }
            Some(error) => Err(error),
        }
    }

    /// Makes the plan and writes it to `file`.
    async fn write(&self, file: &File, expires: Option<Duration>, context: &Context) -> Result<PlanEnding, CliError> {
        let options = self.options;
        network::check_flags(options.region.as_deref(), options.endpoint_url.as_deref())?;
        options.check()?;
        let machine = Machine::new(context, options, Verb::Plan, self.subject.sandbox.clone())?;
        let manifest = self.manifest.unwrap_or(Path::new(""));
        let input = self.manifest.map(open_manifest).transpose()?;
        let order = PlanOrder {
            order: Order { policy: self.policy.clone(), ..options.order(context, Default::default()) },
            subject: self.subject.of(manifest),
            expires,
            directory: directory(context)?,
            as_run: self.as_run,
        };
        let file = BufWriter::new(file);
        let made = match (&self.selection, input) {
            (Some(selection), input) => Box::pin(session::plan_again(&machine, &order, selection, input, file)).await,
            (None, input) => {
                let input = input.unwrap_or_else(|| Box::new(std::io::empty()));
                session::plan(&machine, &order, input, file).await
            }
        };
        made.map_err(|error| {
            let mut error = CliError::from(error);
            error.details.report = error.details.faults.as_ref().map(|found| faults::report(context, found));
            error
        })
    }
}

/// How the command ends where there is no plan.
fn without_plan(context: &Context, ending: &PlanEnding) -> Exit {
    match ending {
        PlanEnding::Stopped(summary) => say(&context.ui, summary),
        PlanEnding::Made(_) | PlanEnding::Nothing => Exit::Success,
    }
}
