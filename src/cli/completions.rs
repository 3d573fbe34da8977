//! `keybatch completions`: a completion script for a shell, on standard output.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, CliError, Context, Exit};

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "keybatch", &mut script);
    context.ui.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}
