//! Who holds the lock of a journal, for people.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The subcommand.
    pub command: String,
    /// The process id.
    pub pid: u32,
    /// The machine's name.
    pub host: String,
    /// Since when (RFC 3339).
    pub since: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, pid, host, since } = self;
        write!(f, "keybatch {command}, process {pid} on {host}, since {since}")
    }
}
