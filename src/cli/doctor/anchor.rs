//! What `doctor` finds about the command that checkpoints are handed to. It is not run.

use super::super::anchor::AnchorCommand;
use super::super::diagnosis::{Diagnosis, Health, diagnosis};
use super::super::{Context, shown};
use super::of_a_run;

/// Whether the command is there, if a run would have one.
pub(super) fn command(context: &Context) -> Option<Diagnosis> {
    let text = of_a_run(context, "checkpoint-exec", "KEYBATCH_CHECKPOINT_EXEC")?;
    Some(match AnchorCommand::parse(text) {
        Err(why) => diagnosis("anchor", Health::Bad, format!("--checkpoint-exec is not a command: {why}")),
        Ok(command) => {
            let program = shown(command.first_word());
            match command.found(context.environment.variable("PATH").unwrap_or_default()) {
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
    })
}
