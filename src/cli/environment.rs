//! What the program gets from outside: variables, terminals, directories. It is read once, at the start, so that tests can
//! give everything else another one.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use crate::journal::heads::Heads;

/// The program's environment.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    /// Whether the program can ask questions.
    pub stdin_is_terminal: bool,
    /// Whether a person reads the data.
    pub stdout_is_terminal: bool,
    /// Whether a person reads the messages, and a progress bar can be drawn.
    pub stderr_is_terminal: bool,
    /// The policy of this machine, which always applies. No argument, variable or file names another one.
    pub machine_policy: PathBuf,
}

/// The policy of this machine: whoever may write there decides what may be done here.
const MACHINE_POLICY: &str = "/etc/keybatch/policy.toml";

impl Environment {
    /// The environment of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self {
            variables: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
            stdin_is_terminal: std::io::stdin().is_terminal(),
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
            machine_policy: PathBuf::from(MACHINE_POLICY),
        }
    }

    /// A variable that is set and not empty.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A variable that is set, even if it is empty.
    #[must_use]
    pub fn set(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Where the journal is unless another path is named: `$XDG_DATA_HOME/keybatch/journal.db`.
    #[must_use]
    pub fn default_journal(&self) -> Option<PathBuf> {
        let data = match self.variable("XDG_DATA_HOME") {
            Some(path) if path.starts_with('/') => PathBuf::from(path),
            _ => PathBuf::from(self.variable("HOME")?).join(".local/share"),
        };
        Some(data.join("keybatch").join("journal.db"))
    }

    /// Where the user configuration is: `$XDG_CONFIG_HOME/keybatch/keybatch.toml`.
    #[must_use]
    pub fn configuration(&self) -> Option<PathBuf> {
        let directory = match self.variable("XDG_CONFIG_HOME") {
            Some(path) if path.starts_with('/') => PathBuf::from(path),
            _ => PathBuf::from(self.variable("HOME")?).join(".config"),
        };
        Some(directory.join("keybatch").join("keybatch.toml"))
    }

    /// The memory of the newest heads of journals, in `$XDG_STATE_HOME/keybatch/heads`.
    ///
    /// # Errors
    /// Why there is no such directory.
    pub fn heads(&self) -> Result<Heads, String> {
        let state = match self.variable("XDG_STATE_HOME") {
            Some(path) if path.starts_with('/') => PathBuf::from(path),
            _ => match self.variable("HOME") {
                Some(home) => PathBuf::from(home).join(".local/state"),
                None => return Err("neither HOME nor XDG_STATE_HOME is set".into()),
            },
        };
        Ok(Heads::new(state.join("keybatch").join("heads")))
    }

    /// The machine's name.
    #[must_use]
    pub fn host(&self) -> String {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }
}
