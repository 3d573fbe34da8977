//! `keybatch policy`: what an organisation's rules say.

mod load;
mod options;

use std::path::PathBuf;

use serde::Serialize;

use super::{CliError, Context, Exit, Format, shown};
use crate::journal::Cell;
use crate::policy::{Explained, Liftable, explain};
use crate::review::json_text;
pub(super) use load::PolicyFile;
pub(super) use options::{OverrideOptions, PolicyOptions};

/// Explain the rules of an organisation
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, clap::Subcommand)]
enum PolicyCommand {
    Check(CheckArgs),
}

/// Check a policy file, and explain each rule in plain words
///
/// Says what holds together with the policy of this machine, /etc/keybatch/policy.toml, which always applies: of two rules the
/// stricter holds.
#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// The policy, in TOML
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    let PolicyCommand::Check(CheckArgs { file }) = &args.command;
    let own = PolicyFile::read(file)?;
    let machine = PolicyFile::of_machine(context)?;
    let rules = machine.as_ref().map_or_else(|| own.rules.clone(), |machine| own.rules.join(&machine.rules));
    let explained = explain(&rules);
    match context.ui.format {
        Format::Json => {
            let value = serde_json::to_value(Report::of(&own, machine.as_ref(), &explained))
                .map_err(|error| CliError::from_error(Exit::Unexpected, &error))?;
            context.ui.data(&format!("{}\n", json_text(&value)))?;
        }
        Format::Table | Format::Jsonl | Format::Csv => {
            if context.ui.format == Format::Table {
                context.ui.data(&origin(&own, machine.as_ref(), context))?;
            }
            let mut rows = context.ui.stream(&["rule", "overridable", "says"])?.wrapping();
            for one in &explained {
                let cells = [one.rule.as_str(), overridable(one.liftable), &sentences(one)];
                rows.row(&cells.map(|text| Cell::Text(text.to_owned())))?;
            }
            rows.end()?;
        }
    }
    Ok(Exit::Success)
}

/// Which files hold together.
fn origin(own: &PolicyFile, machine: Option<&PolicyFile>, context: &Context) -> String {
    let line = |one: &PolicyFile| format!("{} (SHA-256 {})", shown(&one.file), one.sha256);
    let path = context.environment.machine_policy.to_string_lossy();
    match machine {
        Some(machine) => format!("{}\ntogether with {}: of two rules the stricter holds\n\n", line(own), line(machine)),
        None => format!("{}\nalone: this machine has no {}\n\n", line(own), shown(&path)),
    }
}

fn sentences(one: &Explained) -> String {
    match &one.once_lifted {
        Some(rest) => format!("{} Once overridden: {rest}", one.says),
        None => one.says.clone(),
    }
}

/// Whether a rule can be overridden, in a word.
fn overridable(liftable: Liftable) -> &'static str {
    match liftable {
        Liftable::NoRule => "-",
        Liftable::No => "no",
        Liftable::InPart => "in part",
        Liftable::Yes => "yes",
    }
}

/// A policy, as programs see it. Fields are only ever added.
#[derive(Debug, Serialize)]
struct Report<'a> {
    schema: &'static str,
    file: &'a str,
    sha256: &'a str,
    /// The policy of this machine, if there is one.
    machine: Option<MachineReport<'a>>,
    rules: Vec<RuleReport<'a>>,
}

#[derive(Debug, Serialize)]
struct MachineReport<'a> {
    file: &'a str,
    sha256: &'a str,
}

#[derive(Debug, Serialize)]
struct RuleReport<'a> {
    rule: &'static str,
    /// Whether any of the files has the rule.
    set: bool,
    /// Whether it can be overridden, at least in part.
    overridable: bool,
    says: &'a str,
    /// What is left of it once it is overridden, where that is something.
    once_overridden: Option<&'a str>,
}

impl<'a> Report<'a> {
    fn of(own: &'a PolicyFile, machine: Option<&'a PolicyFile>, explained: &'a [Explained]) -> Self {
        let rule = |one: &'a Explained| RuleReport {
            rule: one.rule.as_str(),
            set: one.liftable != Liftable::NoRule,
            overridable: matches!(one.liftable, Liftable::Yes | Liftable::InPart),
            says: &one.says,
            once_overridden: one.once_lifted.as_deref(),
        };
        Self {
            schema: "keybatch.policy/1",
            file: &own.file,
            sha256: &own.sha256,
            machine: machine.map(|machine| MachineReport { file: &machine.file, sha256: &machine.sha256 }),
            rules: explained.iter().map(rule).collect(),
        }
    }
}
