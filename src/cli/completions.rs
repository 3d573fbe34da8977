//! `keybatch completions`: a completion script for a shell, on standard output.
//!
//! The script calls keybatch itself for candidates (`complete`), so that it stays right when keybatch is updated.

use clap_complete::Shell;
use clap_complete::env::Shells;

use super::complete::VARIABLE;
use super::{CliError, Context, Exit};

/// Print a completion script for a shell
///
/// It completes commands, options and their values, files, and from the journal runs, rows and names of key pairs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  source <(keybatch completions bash)    for this shell
  keybatch completions zsh > ~/.zfunc/_keybatch
  keybatch completions fish > ~/.config/fish/completions/keybatch.fish")]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    let name = args.shell.to_string();
    let shells = Shells::builtins();
    let Some(shell) = shells.completer(&name) else {
        return Err(CliError::new(Exit::Usage, format!("there are no completions for {name}")));
    };
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, "keybatch", "keybatch", "keybatch", &mut script)?;
    context.ui.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}
