//! What `doctor` finds about the command that checkpoints are handed to. It is not run.

use super::super::anchor::AnchorCommand;
use super::super::diagnosis::{Diagnosis, Health, diagnosis};
use super::super::{Environment, shown};

/// Whether the command is there that a run would have.
pub(super) fn command(text: &str, environment: &Environment) -> Diagnosis {
    match AnchorCommand::parse(text) {
        Err(why) => diagnosis("anchor", Health::Bad, format!("--checkpoint-exec is not a command: {why}")),
        Ok(command) => {
            let program = shown(command.first_word());
            match command.found(environment.variable("PATH").unwrap_or_default()) {
                Some(file) => {
                    let file = shown(&file.to_string_lossy());
                    let text = format!("checkpoints are handed to {program}, which is {file} (not tried)");
                    diagnosis("anchor", Health::Good, text)
                }
                None => {
                    let text = format!("{program} cannot be found or executed, so no checkpoint will be anchored");
                    diagnosis("anchor", Health::Bad, text)
                }
            }
        }
    }
}
