//! Which settings a file may have: every option that has a variable, under its long name, for every command that has it.

use std::any::TypeId;
use std::path::PathBuf;

use clap::{Arg, ArgAction, Command};

/// The table of accounts in the user configuration, which is no command.
pub(crate) const ACCOUNTS: &str = "accounts";

/// Settings that decide whom requests go to and by whose authority, where the record is kept, who can see it, which rules hold, and
/// which programs are run: a file that lies in the working directory, and may have come with a download, cannot set them.
const USER_ONLY: [&str; 19] = [
    "allowed-signers",
    "approvals",
    "as",
    "checkpoint-exec",
    "endpoint-url",
    "external-id",
    "four-eyes",
    "journal",
    "key",
    "metrics-file",
    "metrics-listen",
    "policy",
    "profile",
    "require-approvals",
    "role",
    "role-arn",
    "session-name",
    "sign-key",
    "source-profile",
];

/// Names of options whose value is a program end so.
const PROGRAM: &str = "-exec";

/// Names at least as similar as this are taken for a typing error, as the parser of the command line does.
const SIMILAR: f64 = 0.8;

/// What a key of a file means.
#[derive(Debug)]
pub(crate) enum Meaning<'a> {
    /// A setting, with the option of each command that has it. There is at least one.
    Setting(Vec<&'a Arg>),
    /// An option that may only be typed.
    Typed,
    /// A setting of other commands.
    Elsewhere(Vec<String>),
    /// A command, at the top level.
    Command,
    /// Nothing; perhaps a name is similar.
    Unknown(Option<String>),
}

/// The options of a command, those that all commands share among them.
#[derive(Debug)]
struct Options {
    /// The words of the command: `run`, or `journal copy`.
    command: String,
    options: Vec<Arg>,
}

/// All commands with their options.
#[derive(Debug)]
pub(crate) struct Catalogue(Vec<Options>);

impl Catalogue {
    /// Of the whole command line.
    pub(crate) fn of(whole: &Command) -> Self {
        let global: Vec<_> = whole.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
        let mut commands = Vec::new();
        for command in whole.get_subcommands() {
            collect("", command, &global, &mut commands);
        }
        Self(commands)
    }

    /// What `key` means in the table of `command`, or at the top level if there is none.
    pub(crate) fn meaning(&self, command: Option<&str>, key: &str) -> Meaning<'_> {
        let here = |options: &&Options| command.is_none_or(|command| options.command == command);
        let all = || self.0.iter().filter(here).flat_map(|options| &options.options);
        let settings: Vec<_> = all().filter(|arg| arg.get_long() == Some(key) && is_setting(arg)).collect();
        if !settings.is_empty() {
            return Meaning::Setting(settings);
        }
        if command.is_none() && self.0.iter().any(|options| options.command == key) {
            return Meaning::Command;
        }
        let has_it =
            |options: &&Options| options.options.iter().any(|arg| arg.get_long() == Some(key) && is_setting(arg));
        let elsewhere: Vec<_> = self.0.iter().filter(has_it).map(|options| options.command.clone()).collect();
        if !elsewhere.is_empty() {
            return Meaning::Elsewhere(elsewhere);
        }
        if self.0.iter().flat_map(|options| &options.options).any(|arg| arg.get_long() == Some(key)) {
            return Meaning::Typed;
        }
        let settings = all().filter(|arg| is_setting(arg)).filter_map(|arg| arg.get_long());
        let commands = self.0.iter().map(|options| options.command.as_str()).filter(|_| command.is_none());
        Meaning::Unknown(similar(key, settings.chain(commands)))
    }

    /// Whether there is such a command, or commands that begin with these words.
    pub(crate) fn has_command(&self, words: &str) -> bool {
        let begins =
            |command: &str| command.strip_prefix(words).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        self.0.iter().any(|options| begins(&options.command))
    }

    /// The words of each command, in the order of the help.
    pub(crate) fn commands(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|options| options.command.as_str())
    }

    /// The settings of a command, by name.
    pub(crate) fn settings(&self, command: &str) -> impl Iterator<Item = &Arg> {
        let options = self.0.iter().filter(move |options| options.command == command);
        options.flat_map(|options| &options.options).filter(|arg| is_setting(arg))
    }
}

fn collect(before: &str, command: &Command, global: &[Arg], commands: &mut Vec<Options>) {
    let name = format!("{before}{}", command.get_name());
    let parts: Vec<_> = command.get_subcommands().collect();
    if parts.is_empty() {
        let options = command.get_arguments().chain(global).cloned().collect();
        commands.push(Options { command: name, options });
        return;
    }
    for part in parts {
        collect(&format!("{name} "), part, global, commands);
    }
}

/// An option is a setting if it has a variable. Those that confirm or lift a rule have none.
fn is_setting(arg: &Arg) -> bool {
    arg.get_long().is_some() && arg.get_env().is_some()
}

/// Whether a file in the working directory may not have it.
pub(crate) fn is_user_only(name: &str) -> bool {
    USER_ONLY.contains(&name) || name.ends_with(PROGRAM)
}

/// Whether the option takes no value.
pub(crate) fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::SetFalse)
}

/// Whether the option takes any number of values.
pub(crate) fn is_list(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

/// Whether the value is the path of a file.
pub(crate) fn is_path(arg: &Arg) -> bool {
    arg.get_value_parser().type_id() == TypeId::of::<PathBuf>()
}

/// The name that is most similar to `key`, if one is similar enough.
pub(crate) fn similar<'a>(key: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let plain = key.replace('_', "-").to_lowercase();
    let rated = names.map(|name| (strsim::jaro_winkler(&plain, name), name)).filter(|(rate, _)| *rate >= SIMILAR);
    rated.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, name)| name.to_owned())
}
