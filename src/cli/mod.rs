//! The command line: the only room that prints, reads the environment, or decides how the program exits.
//!
//! There is one file for each subcommand, with an `Args` struct and one function. What was typed is translated into an order for a
//! session before anything acts on it.

mod abandon;
mod accounts;
mod again;
mod amount;
mod anchor;
mod approve;
mod brought;
mod canary;
mod checkpoint;
pub mod code;
mod command;
mod complete;
mod completions;
mod config;
mod confirm;
mod connect;
mod context;
mod control;
mod credentials;
pub mod environment;
pub mod error;
mod error_object;
pub mod exit;
mod faults;
mod files;
mod for_report;
mod format;
mod iam_policy;
mod man;
mod metrics;
mod moment;
mod trace;
mod network;
mod operator;
mod pager;
mod headings;
mod headline;
mod hint;
mod instances;
mod inventory;
mod options;
mod policy;
mod progress;
mod prove;
mod reach;
mod reconcile;
mod refusals;
mod refused;
mod resolve;
mod resume;
mod rollback;
mod route;
mod run;
mod plan;
mod plan_fault;
mod sandbox;
mod scratch;
mod signals;
mod signers;
mod signing;
mod subject;
mod suggested;
mod summary;
mod summary_to;
mod terminal;
mod diagnosis;
mod doctor;
mod export;
mod export_head;
mod report;
mod keygen;
mod journal;
mod journal_copy;
mod journals;
mod liveness;
mod look_for;
mod machine;
mod new_file;
mod say;
mod selection;
mod settings;
mod log;
mod query;
mod runs;
mod show;
mod show_many;
mod ui;
mod variables;
mod verify;
mod verify_proof;
mod verify_many;
mod version;
mod when;
mod work;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{CommandFactory as _, FromArgMatches as _, Parser};

pub use code::Code;
pub use context::Context;
pub use environment::Environment;
pub use error::{CliError, Sent};
pub use exit::Exit;
pub use format::Format;
pub use ui::{RowStream, Ui, shown};

use self::command::Command;
use self::format::{Output, OutputParser, only_of_export};
use self::pager::Pager;
use self::settings::Settings;
use crate::journal::open::Leftovers;
use crate::review::Given;

/// Delete Amazon Lightsail key pairs in audited, resumable batches.
#[derive(Debug, Parser)]
#[command(name = "keybatch", version = version::short(), long_version = version::long(), propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options that every command has.
#[derive(Debug, clap::Args)]
struct Global {
    /// The journal: a file, or postgres://USER@HOST/DATABASE; `runs`, `show`, `query` and `verify` take several files, and
    /// directories of them [default: $XDG_DATA_HOME/keybatch/journal.db]
    #[arg(long, global = true, env = "KEYBATCH_JOURNAL", value_name = "PATH")]
    journal: Vec<PathBuf>,
    /// Format of data on standard output [default: table]
    #[arg(long, global = true, env = "KEYBATCH_OUTPUT", value_name = "FORMAT", value_parser = OutputParser { of_export: false })]
    output: Option<Output>,
    /// Begin CSV with a byte order mark, so that spreadsheets recognize UTF-8
    #[arg(long, global = true, env = "KEYBATCH_BOM")]
    bom: bool,
    /// Print only errors on standard error
    #[arg(short, long, global = true, env = "KEYBATCH_QUIET")]
    quiet: bool,
}

/// Runs the program with these arguments (the first is its name) in this environment.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: Environment) -> Exit {
    let settings = Settings::read(&declared(), &environment);
    let arguments: Vec<_> = arguments.into_iter().collect();
    if let Some(answer) = complete::answer(&arguments, &environment, declared, &settings) {
        // A shell that stopped listening wants nothing more.
        let _ = Ui::new(None, true, &environment).data(&answer);
        return Exit::Success;
    }
    let (cli, given) = match parse(&arguments, &environment, &settings) {
        Ok(parsed) => parsed,
        Err(exit) => return exit,
    };
    trace::init(&environment);
    let mut ui =
        Ui::new(cli.command.answers_as().or(cli.global.output.map(Output::data)), cli.global.quiet, &environment);
    ui.bom = cli.global.bom;
    ui.given = given.into();
    if cli.command.needs_settings()
        && let Err(error) = settings.check()
    {
        ui.error(&error);
        return error.exit;
    }
    let named = cli.global.journal;
    let journal = match journals::location(named.first(), cli.command.is_about_a_journal(), &environment) {
        Ok(journal) => journal,
        Err(error) => {
            ui.error(&error);
            return error.exit;
        }
    };
    let pager = if cli.command.is_paged() { Pager::start(&environment) } else { None };
    ui.output = pager.as_ref().map(Pager::output).unwrap_or_default();
    let mut context = Context::new(ui.clone(), environment, journal, settings);
    match cli.command.many(&named) {
        Ok(many) => context.many = many.map(Into::into),
        Err(error) => {
            ui.error(&error);
            return error.exit;
        }
    }
    let result = match runtime() {
        Ok(runtime) => {
            let result = runtime.block_on(tidily(cli.command, context, pager.as_ref()));
            // A thread that still waits for a line from the terminal must not keep the program running.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(CliError::from_error(Exit::Unexpected, &error)),
    };
    let result = result.inspect_err(|error| ui.error_object(error));
    // A message of ours would stand in the middle of a pager's page.
    if let Some(pager) = pager {
        pager.end();
    }
    result.unwrap_or_else(|error| {
        ui.complain(&error);
        error.exit
    })
}

/// Parses the arguments. If nothing is left to do after that (help, the version, an error), returns how the program exits.
fn parse(arguments: &[OsString], environment: &Environment, settings: &Settings) -> Result<(Cli, Given), Exit> {
    // Which command it is decides which settings count.
    let named = variables::settle(declared(), environment).try_get_matches_from(arguments);
    let parsed = named.and_then(|matches| {
        let command = settings.apply(declared(), &words(&matches));
        variables::settle(command, environment)
            .try_get_matches_from(arguments)
            .and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, given(&matches))))
            .and_then(|(cli, given)| {
                let output = cli.global.output.filter(|_| !matches!(cli.command, Command::Export(_)));
                only_of_export(output, &mut declared()).map(|()| (cli, given))
            })
    });
    parsed.map_err(|error| {
        let error = reconcile::with_hint(error, arguments);
        let ui = Ui::new(error_object::asked_format(arguments, environment, settings), false, environment);
        // clap prints help and version on standard output, errors on standard error.
        match error.print() {
            _ if error.use_stderr() => {
                ui.error_object(&error_object::of_usage(&error));
                Exit::Usage
            }
            Ok(()) => Exit::Success,
            Err(lost) => {
                let lost = CliError::from(lost);
                ui.complain(&lost);
                lost.exit
            }
        }
    })
}

/// The command line, as far as it depends neither on variables nor on files.
fn declared() -> clap::Command {
    headings::arrange(Cli::command())
}

/// The words of the command that was given: `run`, or `journal copy`.
fn words(matches: &clap::ArgMatches) -> String {
    let mut words = Vec::new();
    let mut next = matches.subcommand();
    while let Some((word, matches)) = next {
        words.push(word);
        next = matches.subcommand();
    }
    words.join(" ")
}

/// What flags told the command, and what a suggested command must be told again.
fn given(matches: &clap::ArgMatches) -> Given {
    let (mut of_command, mut command) = (matches, "");
    while let Some((name, next)) = of_command.subcommand() {
        (of_command, command) = (next, name);
    }
    let by_flag = |name: &str| {
        let values = of_command.try_get_raw(name).ok().flatten()?;
        let is_flag = of_command.value_source(name) == Some(ValueSource::CommandLine);
        is_flag.then(|| values.map(|value| value.to_string_lossy().into_owned()).collect::<Vec<_>>())
    };
    let one = |name| by_flag(name).and_then(|values| <[String; 1]>::try_from(values).ok()).map(|[value]| value);
    let share = of_command.try_get_one::<bool>("share").ok().flatten();
    let shares = command == "work" || share.is_some_and(|share| *share);
    Given { journal: one("journal"), policy: one("policy"), sign_key: one("sign_key"), shares }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    use std::os::unix::net::UnixStream;
    // tokio panics if it may not open the files that it needs, instead of returning the error.
    drop([UnixStream::pair()?, UnixStream::pair()?, UnixStream::pair()?]);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// How long closing what a command has read may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Carries out the command. One that only reads leaves no file beside a journal that had none.
async fn tidily(command: Command, context: Context, pager: Option<&Pager>) -> Result<Exit, CliError> {
    let read = context.many.as_deref().unwrap_or_default().iter().map(PathBuf::as_path);
    let read = read.chain(context.journal.file().filter(|_| context.many.is_none()));
    let leftovers: Vec<_> = if command.only_reads() { read.filter_map(Leftovers::of).collect() } else { Vec::new() };
    let result = tokio::select! {
        result = dispatch(command, &context) => result,
        () = Pager::left(pager) => Ok(Exit::Success),
    };
    if !leftovers.is_empty() {
        let removed = async {
            context.release().await;
            for leftovers in leftovers {
                leftovers.remove().await;
            }
        };
        let _in_time = tokio::time::timeout(PATIENCE, removed).await;
    }
    result
}

async fn dispatch(command: Command, context: &Context) -> Result<Exit, CliError> {
    match command {
        Command::Run(args) => Box::pin(run::run(*args, context)).await,
        Command::Plan(args) => Box::pin(plan::run(*args, context)).await,
        Command::Approve(args) => approve::run(&args, context).await,
        Command::Resume(args) => resume::run(*args, context).await,
        Command::Work(args) => work::run(*args, context).await,
        Command::Control(args) => control::run(&args, context).await,
        Command::Abandon(args) => abandon::run(*args, context).await,
        Command::Resolve(args) => resolve::run(*args, context).await,
        Command::Reconcile(args) => reconcile::run(*args, context).await,
        Command::Journal(args) => journal::run(*args, context).await,
        Command::Sandbox(args) => sandbox::run(&args, context).await,
        Command::Runs(args) => runs::run(&args, context).await,
        Command::Show(args) => match &context.many {
            Some(many) if !args.is_about_a_plan() => show_many::run(&args, context, many).await,
            _ => show::run(&args, context).await,
        },
        Command::Log(args) => log::run(&args, context).await,
        Command::Query(args) => query::run(&args, context).await,
        Command::Export(args) => export::run(&args, context).await,
        Command::Report(args) => report::run(&args, context).await,
        Command::Verify(args) => match context.many.as_ref().filter(|_| !args.names_a_proof()) {
            Some(many) => verify_many::run(&args, context, many).await,
            None => verify::run(&args, context).await,
        },
        Command::Prove(args) => prove::run(&args, context).await,
        Command::Inventory(args) => inventory::run(*args, context).await,
        Command::Instances(args) => instances::run(&args, context).await,
        Command::Checkpoint(args) => checkpoint::run(&args, context).await,
        Command::Doctor(args) => doctor::run(&args, context).await,
        Command::Config(args) => config::run(&args, &declared(), context),
        Command::IamPolicy(args) => iam_policy::run(&args, context),
        Command::Man(args) => man::run(&args, declared(), context),
        Command::Completions(args) => completions::run(&args, context),
        Command::Policy(args) => policy::run(&args, context),
    }
}
