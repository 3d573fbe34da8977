//! `keybatch completions`: a completion script for a shell, on standard output.

use clap_complete::Shell;

use super::{CliError, Context, Exit};

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args, mut whole: clap::Command, context: &Context) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut whole, "keybatch", &mut script);
    context.ui.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}
