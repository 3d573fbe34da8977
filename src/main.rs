//! The binary: hands arguments and surroundings to `cli::run` and leaves with its exit code.

use std::process::ExitCode;

use keybatch::cli::{Environment, run};

fn main() -> ExitCode {
    run(std::env::args_os(), Environment::of_process()).into()
}
