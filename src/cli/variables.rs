//! What the variables of options mean. One rule for all of them, present and future: an empty variable counts as unset,
//! because pipelines pass empty inputs that way; a switch takes 1, yes, on, true and 0, no, off,
//! false in any case.

use clap::builder::{BoolishValueParser, Resettable};
use clap::{Arg, ArgAction, Command};

use super::environment::Environment;

/// The command line with these rules, for every option of every subcommand.
pub(super) fn settle(command: Command, environment: &Environment) -> Command {
    command.mut_args(|arg| settle_one(arg, environment)).mut_subcommands(|command| settle(command, environment))
}

fn settle_one(arg: Arg, environment: &Environment) -> Arg {
    let Some(name) = arg.get_env().and_then(|name| name.to_str()) else { return arg };
    let empty = environment.set(name).is_some_and(str::is_empty);
    let switch = matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::SetFalse);
    let arg = if switch { arg.value_parser(BoolishValueParser::new()) } else { arg };
    // clap would parse the empty text as a value.
    if empty { arg.env(Resettable::Reset) } else { arg }
}
