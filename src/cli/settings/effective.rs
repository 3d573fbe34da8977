//! The settings that count for a command, each with its value and where the value comes from.

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use super::Settings;
use super::keys::{Catalogue, is_switch};
use crate::cli::environment::Environment;
use crate::cli::variables;
use crate::lightsail::address::without_secrets;

/// What is between these in the help of an option is its default, where the option itself has none.
const DEFAULT: (&str, &str) = ("[default: ", "]");

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An option on the command line.
    Flag,
    /// An environment variable.
    Variable,
    /// A file of settings.
    File,
    /// Nobody set it.
    Default,
}

impl Origin {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Variable => "variable",
            Self::File => "file",
            Self::Default => "default",
        }
    }
}

/// A setting with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effective {
    /// The name of the option.
    pub(crate) name: String,
    /// Its value; none if it is unset.
    pub(crate) value: Option<String>,
    /// Where the value comes from.
    pub(crate) origin: Origin,
    /// The option, the variable, or the file with the line.
    pub(crate) place: Option<String>,
}

/// The settings of the command that `arguments` call: its words first, then perhaps its options. What the command otherwise needs
/// may be missing.
///
/// # Errors
/// As the parser of the command line says.
pub(crate) fn effective(
    whole: Command,
    arguments: &[String],
    settings: &Settings,
    environment: &Environment,
) -> Result<Vec<Effective>, clap::Error> {
    let catalogue = Catalogue::of(&whole);
    let words: Vec<_> = words(&whole, arguments);
    let command = words.join(" ");
    let whole = variables::settle(relax(settings.apply(whole, &command), &words), environment);
    let name = whole.get_name().to_owned();
    let given = || std::iter::once(&name).chain(arguments);
    let matches = match whole.clone().try_get_matches_from(given()) {
        // Some arguments are required only where others are missing, which cannot be taken back.
        Err(error) if error.kind() == ErrorKind::MissingRequiredArgument => {
            whole.ignore_errors(true).try_get_matches_from(given())?
        }
        parsed => parsed?,
    };
    let mut last = &matches;
    while let Some((_, next)) = last.subcommand() {
        last = next;
    }
    let of = |arg: &Arg| one(arg, &command, last, settings, environment);
    let mut found: Vec<_> = catalogue.settings(&command).map(of).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The arguments that name the command.
fn words<'a>(whole: &Command, arguments: &'a [String]) -> Vec<&'a str> {
    let mut words = Vec::new();
    let mut command = whole;
    for argument in arguments {
        let Some(next) = command.find_subcommand(argument) else { break };
        words.push(argument.as_str());
        command = next;
    }
    words
}

/// The command without what it demands.
fn relax(command: Command, words: &[&str]) -> Command {
    match words.split_first() {
        Some((first, rest)) => command.mut_subcommand(*first, |command| relax(command, rest)),
        None => command.mut_args(|arg| arg.required(false)),
    }
}

fn one(arg: &Arg, command: &str, matches: &ArgMatches, settings: &Settings, environment: &Environment) -> Effective {
    let key = arg.get_long().unwrap_or_default();
    let variable = arg.get_env().and_then(|name| name.to_str()).unwrap_or_default();
    let id = arg.get_id().as_str();
    let given = || {
        if is_switch(arg) {
            return matches.get_one::<bool>(id).map(bool::to_string);
        }
        let values = matches.get_raw(id)?.map(|value| harmless(&value.to_string_lossy()));
        Some(values.collect::<Vec<_>>().join(", "))
    };
    let (value, origin, place) = match matches.value_source(id) {
        Some(ValueSource::CommandLine) => (given(), Origin::Flag, Some(format!("--{key}"))),
        Some(ValueSource::EnvVariable) => (given(), Origin::Variable, Some(variable.to_owned())),
        _ => match settings.of(command, key) {
            Some(found) => (given(), Origin::File, Some(format!("{}:{}", found.file, found.line))),
            None => (default(arg, environment), Origin::Default, None),
        },
    };
    Effective { name: key.to_owned(), value, origin, place }
}

/// What counts if nobody sets it.
fn default(arg: &Arg, environment: &Environment) -> Option<String> {
    if arg.get_id() == "journal" {
        return environment.default_journal().map(|path| path.display().to_string());
    }
    if is_switch(arg) {
        return Some("false".to_owned());
    }
    if let [value] = arg.get_default_values() {
        return value.to_str().map(str::to_owned);
    }
    let help = arg.get_help()?.to_string();
    let (_, after) = help.split_once(DEFAULT.0)?;
    after.split_once(DEFAULT.1).map(|(value, _)| value.to_owned())
}

/// A value without what may be a password in an address.
fn harmless(value: &str) -> String {
    if value.contains("://") { without_secrets(value) } else { value.to_owned() }
}
