//! `keybatch config show`: which settings count, with which values, and where each value comes from.

use std::collections::BTreeMap;

use clap::{Command, ValueEnum as _};

use super::settings::{Catalogue, Effective, Origin, effective};
use super::{CliError, Context, Exit, Format, Sent, error_object};
use crate::journal::Cell;

/// Show the settings, their values, and where the values come from
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Show(Show),
}

/// Show each setting, its value, and whether a flag, a variable or a file sets it
#[derive(Debug, clap::Args)]
struct Show {
    /// The command whose settings are shown, perhaps with its options (run --rate 5/s) [default: all commands]
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true, num_args = 0..)]
    command: Vec<String>,
}

pub(super) fn run(args: &Args, whole: &Command, context: &Context) -> Result<Exit, CliError> {
    let What::Show(show) = &args.what;
    let rows = if show.command.is_empty() { of_all(whole, context)? } else { of_one(whole, &show.command, context)? };
    let mut ui = context.ui.clone();
    // `config show run --output json` asks for the format of what is shown, too.
    let asked = rows.iter().find(|(_, row)| row.name == "output" && row.origin == Origin::Flag);
    if let Some(format) = asked.and_then(|(_, row)| Format::from_str(row.value.as_deref()?, true).ok()) {
        ui.format = format;
    }
    let mut stream = ui.stream(&["setting", "command", "value", "origin", "place"])?.wrapping();
    for (command, Effective { name, value, origin, place }) in rows {
        let cell = |text: Option<String>| text.map_or(Cell::Null, Cell::Text);
        let origin = Cell::Text(origin.as_str().to_owned());
        stream.row(&[Cell::Text(name), cell(command), cell(value), origin, cell(place)])?;
    }
    stream.end()?;
    Ok(Exit::Success)
}

type Rows = Vec<(Option<String>, Effective)>;

fn of_one(whole: &Command, arguments: &[String], context: &Context) -> Result<Rows, CliError> {
    let first = arguments.first().map(String::as_str).unwrap_or_default();
    if whole.find_subcommand(first).is_none() {
        let message = format!("there is no command {first:?}");
        return Err(CliError::new(Exit::Usage, message).sent(Sent::Nothing).hint("keybatch help lists the commands"));
    }
    let found = effective(whole.clone(), arguments, &context.settings, &context.environment);
    let found = found.map_err(|error| error_object::of_usage(&error))?;
    let words: Vec<_> = arguments.iter().map(String::as_str).take_while(|word| !word.starts_with('-')).collect();
    let command =
        Catalogue::of(whole).commands().find(|command| words.join(" ").starts_with(*command)).map(str::to_owned);
    Ok(found.into_iter().map(|effective| (command.clone(), effective)).collect())
}

/// The settings of all commands. A setting that is the same for each command that has it is one row without a command.
fn of_all(whole: &Command, context: &Context) -> Result<Rows, CliError> {
    let catalogue = Catalogue::of(whole);
    let mut by_name: BTreeMap<String, Rows> = BTreeMap::new();
    for command in catalogue.commands() {
        let words: Vec<_> = command.split(' ').map(str::to_owned).collect();
        let found = effective(whole.clone(), &words, &context.settings, &context.environment);
        for effective in found.map_err(|error| error_object::of_usage(&error))? {
            by_name.entry(effective.name.clone()).or_default().push((Some(command.to_owned()), effective));
        }
    }
    let merged = by_name.into_values().flat_map(|rows| {
        let is_same = rows.windows(2).all(|pair| pair[0].1 == pair[1].1);
        if is_same { rows.into_iter().take(1).map(|(_, effective)| (None, effective)).collect() } else { rows }
    });
    Ok(merged.collect())
}
