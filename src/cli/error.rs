//! An error as the user sees it: what went wrong, what was and was not done, what to do next, and the exit code.

use std::collections::BTreeMap;
use std::error::Error;

use super::code::Code;
use super::exit::Exit;
use super::hint::Hint;
use super::settings::source::FileFault;
use crate::domain::RunId;
use crate::journal::{JournalError, ServerTrouble};
use crate::manifest::Faults;
pub use crate::session::Sent;
use crate::session::summary::Summary;

/// An error at the edge of the program.
#[derive(Debug)]
pub struct CliError {
    /// How the program exits.
    pub exit: Exit,
    /// What kind of error it is, for programs.
    pub code: Code,
    /// What had left this machine by then; `None` if the command never sends anything, or if that is not known yet.
    pub sent: Option<Sent>,
    /// One sentence.
    pub message: String,
    /// The chain of causes, outermost first.
    pub causes: Vec<String>,
    /// What the user can do, one line each.
    pub hints: Vec<Hint>,
    /// What only some errors have.
    pub details: Box<Details>,
}

/// What only some errors have.
#[derive(Debug, Default)]
pub struct Details {
    /// The run that it is about, if the journal has that run.
    pub run: Option<String>,
    /// The faults of a refused manifest.
    pub faults: Option<Faults>,
    /// The faults of files of settings, or of a policy.
    pub(super) file_faults: Vec<FileFault>,
    /// Why a plan is refused, where there are several reasons: how many of each code.
    pub refusals: BTreeMap<&'static str, u64>,
    /// A report that says more than the message (a manifest with its faults); it cannot control a terminal.
    pub report: Option<String>,
    /// The summary of the run, beside the error.
    pub(super) summary: Option<Summary>,
}

impl CliError {
    /// An error with a message alone.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            code: Code::of(exit),
            sent: None,
            message: message.into(),
            causes: Vec::new(),
            hints: Vec::new(),
            details: Box::default(),
        }
    }

    /// From an error of the library, with its causes.
    pub fn from_error(exit: Exit, error: &dyn Error) -> Self {
        let message = error.to_string();
        let mut causes: Vec<String> = Vec::new();
        let mut next = error.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            // Many errors end with the text of their cause.
            if !causes.last().unwrap_or(&message).ends_with(&text) {
                causes.push(text);
            }
            next = cause.source();
        }
        Self { causes, ..Self::new(exit, message) }
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Hint>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Says what kind of error it is.
    #[must_use]
    pub fn code(self, code: Code) -> Self {
        Self { code, ..self }
    }

    /// Adds the summary of the run; its exit code is that of this error.
    #[must_use]
    pub(super) fn with(mut self, summary: Summary) -> Self {
        self.details.run = self.details.run.or_else(|| summary.run.clone());
        self.details.summary = Some(summary);
        self
    }

    /// Says which run it is about.
    #[must_use]
    pub fn of_run(mut self, run: RunId) -> Self {
        self.details.run.get_or_insert_with(|| run.to_string());
        self
    }

    /// Says what was sent until then, unless that is known already.
    #[must_use]
    pub fn sent(self, sent: Sent) -> Self {
        Self { sent: self.sent.or(Some(sent)), ..self }
    }
}

impl std::fmt::Display for CliError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// So that a session can pass it on.
impl Error for CliError {}

impl Sent {
    /// The word in the error object.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Reads => "reads",
            Self::Deletes => "deletes",
        }
    }

    /// For people. If deletes were sent, the error itself must say what became of them.
    #[must_use]
    pub fn sentence(self) -> Option<&'static str> {
        match self {
            Self::Nothing => Some(NOTHING),
            Self::Reads => Some(READS),
            Self::Deletes => None,
        }
    }
}

/// The sentence of [`Sent::Nothing`].
pub const NOTHING: &str = "nothing was sent";

/// The sentence of [`Sent::Reads`].
pub const READS: &str = "only read requests were sent";

fn malformed() -> Hint {
    Hint::command("the journal may be damaged, or the disk unreadable: `", ["verify"]).and("` shows which")
}

impl From<JournalError> for CliError {
    fn from(error: JournalError) -> Self {
        let (exit, code) = match &error {
            JournalError::Locked { .. } => (Exit::Locked, Code::Locked),
            JournalError::Missing { .. } => (Exit::Environment, Code::JournalMissing),
            JournalError::Changed { .. } => (Exit::Refused, Code::JournalChanged),
            JournalError::Query { .. } => (Exit::Usage, Code::Statement),
            JournalError::OldFormat { .. } => (Exit::Environment, Code::JournalFormat),
            JournalError::Unusable { .. } | JournalError::Broken { .. } | JournalError::Unmade { .. } => {
                (Exit::Environment, Code::JournalUnusable)
            }
            JournalError::Damaged { .. } | JournalError::Illegal { .. } | JournalError::Entry(_) => {
                (Exit::Environment, Code::JournalDamaged)
            }
            JournalError::Checkpoint { .. } => (Exit::Environment, Code::CheckpointFile),
            JournalError::Address { .. } => (Exit::Usage, Code::JournalUnusable),
            JournalError::Server { .. } => (Exit::Environment, Code::JournalUnusable),
            _ => (Exit::Environment, Code::JournalFailed),
        };
        let it = Self::from_error(exit, &error).code(code);
        // SQLite reports a disk that answers EIO as damage.
        let it = if error.may_be_the_disk() { it.hint(malformed()) } else { it };
        match &error {
            JournalError::Locked { .. } => {
                it.hint("wait for the other session, or stop it with Ctrl-C: it stops cleanly and can be resumed")
            }
            JournalError::OldFormat { .. } => {
                it.hint("move that file away, or name another journal with --journal or KEYBATCH_JOURNAL")
            }
            JournalError::Address { hint: Some(hint), .. } => it.hint(hint.clone()),
            JournalError::Server { trouble: ServerTrouble::NoSchema | ServerTrouble::OlderSchema { .. }, .. } => it
                .hint(Hint::command("its owner makes it with: ", ["journal", "migrate"]))
                .hint("contrib/postgres/roles.sql makes the roles of owners, runners and reviewers"),
            JournalError::Server { trouble, .. } => it.hint(trouble.hint()),
            JournalError::FencedOff { .. } => {
                it.hint("let the other session finish; what this one recorded is in the journal")
            }
            JournalError::Missing { .. } => it.hint("name the journal with --journal or KEYBATCH_JOURNAL"),
            JournalError::Unusable { .. } | JournalError::Broken { .. } => {
                it.hint("name another place for the journal with --journal or KEYBATCH_JOURNAL")
            }
            JournalError::Damaged { .. } if !error.may_be_the_disk() => {
                it.hint(Hint::command("see what is damaged with: ", ["verify"]))
            }
            JournalError::Changed { .. } => {
                it.hint(Hint::command("see what happened to the journal with: ", ["verify"]))
            }
            error if error.is_full() => it.hint(format!("{FREE_SPACE}, then repeat the command")),
            _ => it,
        }
    }
}

/// The first step if the disk that holds the journal is full.
pub(super) const FREE_SPACE: &str = "free space on the disk that holds the journal";

/// A write to standard output that failed. A closed pipe is the reader's choice (`| head`), and ends the program quietly.
/// Sessions report their results through `say`, which says where the journal has them.
impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(Exit::Success, "");
        }
        let causes = vec![error.to_string()];
        let lost =
            Self { causes, ..Self::new(Exit::Unexpected, "standard output could not be written").code(Code::Output) };
        lost.hint("the journal was not changed; repeat the command with another output, such as a file on a disk with free space")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_given_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("error returned from database: {0}")]
        struct Driver(#[source] std::io::Error);
        let source = std::sync::Arc::new(Driver(std::io::Error::other("(code: 13) database or disk is full")));
        let error = CliError::from(JournalError::Database { source, blame: crate::journal::Blame::FullDisk });
        assert_eq!(error.causes, ["error returned from database: (code: 13) database or disk is full"]);
    }

    #[test]
    fn what_may_be_the_disk_is_not_called_damage_alone() {
        let hints = |may_be_the_disk| {
            // Whatever words the next version of SQLite uses.
            let (path, reason) = ("journal.db".into(), "malformed".into());
            CliError::from(JournalError::Broken { path, reason, may_be_the_disk }).hints
        };
        assert_eq!(hints(true)[0], malformed());
        assert!(!hints(false).iter().any(|hint| *hint == malformed()));
    }
}
