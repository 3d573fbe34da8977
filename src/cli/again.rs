//! What to do if the manifest was run before.

use super::error::{CliError, Sent};
use super::exit::Exit;
use crate::policy::recreated::IfRecreated;
use crate::session::order::Repeat;

/// What to do if this manifest already has a run.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(super) struct AgainArgs {
    /// Run a manifest again after a finished run of it; key pairs re-created since then are skipped
    #[arg(long)]
    pub(super) again: bool,
    /// Continue this manifest's run, or report again how it ended; begin one if there is none
    #[arg(long, env = "KEYBATCH_RESUME")]
    pub(super) resume: bool,
}

/// What to do about key pairs that were re-created.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Recreated {
    /// Delete them, with a warning
    #[default]
    Warn,
    /// Skip them
    Skip,
    /// Refuse the plan
    Refuse,
}

impl From<Recreated> for IfRecreated {
    fn from(recreated: Recreated) -> Self {
        match recreated {
            Recreated::Warn => Self::Warn,
            Recreated::Skip => Self::Skip,
            Recreated::Refuse => Self::Refuse,
        }
    }
}

impl AgainArgs {
    /// Refuses two contradicting options. clap cannot: it considers an option given even if its variable is set to "no".
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn check(self) -> Result<(), CliError> {
        if self.again && self.resume {
            let message = "--again begins a new run, and --resume continues an existing one: pass only one of them";
            return Err(CliError::new(Exit::Usage, message).sent(Sent::Nothing));
        }
        Ok(())
    }

    /// The order that they stand for.
    pub(super) fn repeat(self) -> Repeat {
        match (self.again, self.resume) {
            (_, true) => Repeat::Resume,
            (true, false) => Repeat::Again,
            (false, false) => Repeat::Refuse,
        }
    }
}
