//! The exit codes: a contract that scripts rely on. Each has a test.

use std::process::ExitCode;

/// How the program exits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// The number that the process returns.
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

/// If several codes apply to a session, the first of these counts.
const GRAVEST_FIRST: [Exit; 7] = [
    Exit::Unexpected,
    Exit::Environment,
    Exit::NotVerified,
    Exit::Stopped,
    Exit::InDoubt,
    Exit::SomeNotDone,
    Exit::Success,
];

impl Exit {
    /// Which of the two counts if both apply. Codes that are given only before any delete are final.
    #[must_use]
    pub fn graver(self, other: Self) -> Self {
        let rank = |exit: Self| GRAVEST_FIRST.iter().position(|graver| *graver == exit);
        match (rank(self), rank(other)) {
            (Some(own), Some(others)) if others < own => other,
            (Some(_), None) => other,
            _ => self,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // SEMANTICS: P56
    #[test]
    fn the_more_serious_of_two_codes_counts() {
        for (place, graver) in GRAVEST_FIRST.iter().enumerate() {
            for other in &GRAVEST_FIRST[place..] {
                assert_eq!((graver.graver(*other), other.graver(*graver)), (*graver, *graver));
            }
            assert_eq!((graver.graver(Exit::Refused), Exit::Refused.graver(*graver)), (Exit::Refused, Exit::Refused));
        }
    }
}
