//! The binary, built with the feature `synchronous-normal`: its journal acknowledges what is not on the disk yet. The power-loss test
//! must convict it. It is never in a release.

use std::process::ExitCode;

use keybatch::cli::{Environment, run};

fn main() -> ExitCode {
    run(std::env::args_os(), Environment::of_process()).into()
}
