//! Settings from files: `./keybatch.toml`, and the user configuration behind it. Flags and variables come before both.
//!
//! A value of a file becomes the default of its option, so that the parser of the command line itself keeps the order. All that is
//! wrong with a file is reported at once, and then nothing is done.

mod effective;
mod file;
mod findings;
mod keys;
pub(super) mod source;
mod values;

use std::path::Path;

use clap::Command;

pub(super) use self::effective::{Effective, Origin, effective};
pub(super) use self::findings::findings;
pub(super) use self::keys::Catalogue;
pub(super) use self::source::{FileFault, Source};

use self::file::{Entry, File, Place};
use super::accounts::Accounts;
use super::code::Code;
use super::environment::Environment;
use super::error::{CliError, Sent};
use super::exit::Exit;

/// The name of the file in the working directory.
const HERE: &str = "./keybatch.toml";

/// The settings of both files, the first to count first.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    files: Vec<File>,
    /// How the user configuration says that accounts are reached.
    accounts: Accounts,
}

/// Where a setting of a file stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FromFile<'a> {
    /// Its values, at least one.
    pub(super) values: &'a [String],
    /// The file.
    pub(super) file: &'a str,
    /// The line, from 1.
    pub(super) line: u64,
}

impl Settings {
    /// Reads the files that exist. `whole` is the command line, whose options are the settings.
    pub(super) fn read(whole: &Command, environment: &Environment) -> Self {
        let catalogue = Catalogue::of(whole);
        let home = environment.variable("HOME").map(Path::new);
        let own = environment.configuration();
        let here = Path::new(HERE);
        let read = |place, path: &Path| File::read(place, path, home, &catalogue);
        // In its own directory the user configuration is not taken for a file that came with something else.
        let is_own = own.as_deref().is_some_and(|own| is_same(own, here));
        let here = if is_own { None } else { read(Place::WorkingDirectory, here) };
        let own = own.and_then(|path| read(Place::User, &path));
        let files: Vec<_> = here.into_iter().chain(own).collect();
        let accounts = files.iter().flat_map(|file| file.accounts.clone()).collect();
        Self { files, accounts }
    }

    /// What the files say about an option of a command, named by its words: the first file that sets it, and in that file the
    /// table of the command before the top level.
    pub(super) fn of(&self, command: &str, key: &str) -> Option<FromFile<'_>> {
        self.files.iter().find_map(|file| {
            let set = || file.entries.iter().filter(|entry| entry.key == key && !entry.values.is_empty());
            let in_table = set().find(|entry| entry.command.as_deref() == Some(command));
            let Entry { values, line, .. } = in_table.or_else(|| set().find(|entry| entry.command.is_none()))?;
            Some(FromFile { values, file: &file.name, line: *line })
        })
    }

    /// The command line with the values of the files as defaults, for one command, named by its words.
    pub(super) fn apply(&self, whole: Command, command: &str) -> Command {
        if self.files.is_empty() {
            return whole;
        }
        self.apply_to(whole, command, &command.split(' ').collect::<Vec<_>>())
    }

    fn apply_to(&self, part: Command, command: &str, rest: &[&str]) -> Command {
        let part = part.mut_args(|arg| match arg.get_long().and_then(|key| self.of(command, key)) {
            Some(found) => arg.default_values(found.values.to_vec()),
            None => arg,
        });
        match rest.split_first() {
            Some((first, rest)) => part.mut_subcommand(*first, |part| self.apply_to(part, command, rest)),
            None => part,
        }
    }

    /// How the user configuration says that accounts are reached.
    pub(super) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// The files that exist, the first to count first.
    fn files(&self) -> &[File] {
        &self.files
    }

    /// Refuses files with faults.
    ///
    /// # Errors
    /// The refusal, with all faults.
    pub(super) fn check(&self) -> Result<(), CliError> {
        let faults: Vec<_> = self.files.iter().flat_map(|file| &file.faults).cloned().collect();
        if faults.is_empty() { Ok(()) } else { Err(refusal(faults)) }
    }
}

/// The error for files of settings with these faults.
pub(super) fn refusal(faults: Vec<FileFault>) -> CliError {
    let mut files: Vec<&str> = faults.iter().map(|fault| fault.file.as_str()).collect();
    files.dedup();
    let count = crate::domain::counted(faults.len() as u64, "fault", "faults");
    let message = format!("{count} in the settings of {}: nothing was done", files.join(" and "));
    let mut error = CliError::new(Exit::Usage, message).code(Code::Settings).sent(Sent::Nothing);
    error.details.file_faults = faults;
    error.hint("correct the file; docs/SETTINGS.md describes it, and `keybatch config show` lists all settings")
}

fn is_same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let of = |path: &Path| path.metadata().map(|metadata| (metadata.dev(), metadata.ino())).ok();
    of(one).is_some_and(|one| of(other) == Some(one))
}
