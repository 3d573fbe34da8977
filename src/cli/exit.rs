//! The exit codes: a contract that scripts rely on. Each has a test.

use std::process::ExitCode;

/// How the program leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Every row deleted, gone or absent; or the command simply succeeded.
    Success,
    /// An unexpected error.
    Unexpected,
    /// Wrong usage; or a prompt was needed and there is no terminal.
    Usage,
    /// Finished, but some rows failed or were skipped (exact duplicates do not count).
    SomeNotDone,
    /// Refused before any delete was sent: manifest, plan, approval, policy or a guard.
    Refused,
    /// Stopped, resumable: a limit, the breaker, a signal.
    Stopped,
    /// Finished, some rows are in doubt.
    InDoubt,
    /// The journal did not verify.
    NotVerified,
    /// The journal is locked by another session.
    Locked,
    /// The environment: credentials, account, region, endpoint, journal not usable.
    Environment,
    /// Declined at the prompt.
    Declined,
    /// An unfinished run of this manifest or plan exists: resume it.
    Unfinished,
    /// Stopped while planning: no delete was sent, run it again.
    StoppedPlanning,
}

impl Exit {
    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::SomeNotDone => 3,
            Self::Refused => 4,
            Self::Stopped => 5,
            Self::InDoubt => 6,
            Self::NotVerified => 7,
            Self::Locked => 8,
            Self::Environment => 9,
            Self::Declined => 10,
            Self::Unfinished => 11,
            Self::StoppedPlanning => 12,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
