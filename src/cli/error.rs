//! An error as the user sees it: what went wrong, what was and was not done, what to do next, and the exit code.

use std::error::Error;

use super::exit::Exit;
use crate::journal::JournalError;

/// An error at the edge of the program.
#[derive(Debug)]
pub struct CliError {
    /// How the program leaves.
    pub exit: Exit,
    /// One sentence.
    pub message: String,
    /// The chain of causes, outermost first.
    pub causes: Vec<String>,
    /// What the user can do; each one line.
    pub hints: Vec<String>,
    /// A rendering that says it better than `message` (a manifest with its faults), already defused.
    pub report: Option<String>,
}

impl CliError {
    /// An error with a message alone.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), causes: Vec::new(), hints: Vec::new(), report: None }
    }

    /// From an error of the library, with its causes.
    pub fn from_error(exit: Exit, error: &dyn Error) -> Self {
        let mut causes = Vec::new();
        let mut next = error.source();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        Self { causes, ..Self::new(exit, error.to_string()) }
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// SQLite says of a disk that answers EIO what it says of damage.
    fn or_the_disk(self) -> Self {
        let malformed = |said: &String| said.contains("database disk image is malformed");
        if std::iter::once(&self.message).chain(&self.causes).any(malformed) { self.hint(MALFORMED) } else { self }
    }

    /// Of a session that the machine kept from its work: adds what was sent until then, if that is not said yet.
    #[must_use]
    pub fn sent(self, sent: &str) -> Self {
        let of_the_machine = matches!(self.exit, Exit::Environment | Exit::Locked | Exit::Unexpected);
        if !of_the_machine || self.hints.iter().any(|hint| hint.starts_with("nothing ")) {
            return self;
        }
        self.hint(sent)
    }
}

/// What was sent before there is a journal that can be written.
pub const NOTHING: &str = "nothing was sent";

/// What was sent before a plan is confirmed, or a resumed run goes on.
pub const READS: &str = "nothing was sent but reads";

/// What was done by a run that ended before it had a plan.
pub const NOT_BEGUN: &str = "nothing was sent but reads, and there is nothing to resume: run it again";

const MALFORMED: &str = "that may be damage, or a disk that cannot be read: `keybatch verify` tells which";

impl From<JournalError> for CliError {
    fn from(error: JournalError) -> Self {
        match &error {
            JournalError::Locked { .. } => Self::from_error(Exit::Locked, &error)
                .hint("wait for the other session, or stop it with Ctrl-C: it leaves in order and can be resumed"),
            JournalError::Missing { .. } => {
                Self::from_error(Exit::Environment, &error).hint("name the journal with --journal or KEYBATCH_JOURNAL")
            }
            JournalError::OldFormat { .. } => Self::from_error(Exit::Environment, &error)
                .hint("move that file away, or name another journal with --journal or KEYBATCH_JOURNAL"),
            JournalError::Changed { .. } => {
                Self::from_error(Exit::Refused, &error).hint("see what happened to the journal with: keybatch verify")
            }
            JournalError::Query { .. } => Self::from_error(Exit::Usage, &error).or_the_disk(),
            _ => Self::from_error(Exit::Environment, &error).or_the_disk(),
        }
    }
}

/// A write to standard output or standard error that failed. A closed pipe is the reader's choice (`| head`), and
/// ends the program quietly.
impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(Exit::Success, "");
        }
        Self::from_error(Exit::Unexpected, &error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_the_disk_is_not_called_damage_alone() {
        let unusable = |reason: &str| JournalError::Unusable { path: "journal.db".into(), reason: reason.into() };
        let hints = |error| CliError::from(error).hints;
        assert_eq!(hints(unusable("(code: 11) database disk image is malformed")), [MALFORMED]);
        assert!(hints(unusable("it is a directory")).is_empty());
    }
}
