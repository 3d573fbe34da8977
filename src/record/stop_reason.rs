//! Why a run stopped, or never began.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a run stopped before its end, or never began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum StopReason {
    /// A signal.
    Signal,
    /// `--max-failures` was reached.
    MaxFailures,
    /// `--max-deletes` was reached.
    MaxDeletes,
    /// `--max-duration` was reached.
    MaxDuration,
    /// Nobody is served in any target that is left.
    Breaker,
    /// A person asked for it.
    Control,
    /// The journal could not be written.
    Journal,
    /// The run was refused before it began.
    Refused,
    /// A person declined it at the prompt.
    Declined,
    /// Its process died while planning, and another one closed it.
    Abandoned,
    /// It failed before it began.
    Failed,
    /// What a newer version says.
    Other(String),
}

impl StopReason {
    /// All that this version writes.
    pub const ALL: [Self; 11] = [
        Self::Signal,
        Self::MaxFailures,
        Self::MaxDeletes,
        Self::MaxDuration,
        Self::Breaker,
        Self::Control,
        Self::Journal,
        Self::Refused,
        Self::Declined,
        Self::Abandoned,
        Self::Failed,
    ];

    /// The word in the journal.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Signal => "signal",
            Self::MaxFailures => "max_failures",
            Self::MaxDeletes => "max_deletes",
            Self::MaxDuration => "max_duration",
            Self::Breaker => "breaker",
            Self::Control => "control",
            Self::Journal => "journal",
            Self::Refused => "refused",
            Self::Declined => "declined",
            Self::Abandoned => "abandoned",
            Self::Failed => "failed",
            Self::Other(word) => word,
        }
    }

    /// Whether it closes a run that never began: nothing was sent, and the run cannot be resumed.
    #[must_use]
    pub fn closes(&self) -> bool {
        matches!(self, Self::Refused | Self::Declined | Self::Abandoned | Self::Failed)
    }
}

impl From<&str> for StopReason {
    fn from(word: &str) -> Self {
        let known = Self::ALL.into_iter().find(|reason| reason.as_str() == word);
        known.unwrap_or_else(|| Self::Other(word.to_owned()))
    }
}

impl From<String> for StopReason {
    fn from(word: String) -> Self {
        Self::from(word.as_str())
    }
}

impl From<StopReason> for String {
    fn from(reason: StopReason) -> Self {
        reason.as_str().to_owned()
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_read_as_it_is_written_and_one_of_a_newer_version_is_kept() {
        for reason in StopReason::ALL {
            let word = serde_json::to_string(&reason).unwrap();
            assert_eq!(serde_json::from_str::<StopReason>(&word).unwrap(), reason, "{word}");
        }
        let newer: StopReason = serde_json::from_str("\"canary\"").unwrap();
        assert_eq!((&newer, newer.closes()), (&StopReason::Other("canary".into()), false));
        assert_eq!(serde_json::to_string(&newer).unwrap(), "\"canary\"");
    }
}
