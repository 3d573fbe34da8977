//! How far a run is, as the journal says it.

use std::fmt;

/// How far a run is. It does not show whether anybody is working on the run: a killed process leaves `running` behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// Its plan is not confirmed yet.
    Planning,
    /// It was started.
    Running,
    /// A session ended in order before the last row.
    Stopped,
    /// Every row has its outcome.
    Finished,
    /// It was refused or declined, or a person gave it up.
    Abandoned,
    /// What a newer version says.
    Other(String),
}

impl RunState {
    /// The word in the journal.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Planning => "planning",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Finished => "finished",
            Self::Abandoned => "abandoned",
            Self::Other(word) => word,
        }
    }

    /// Whether it can be resumed.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        matches!(self, Self::Running | Self::Stopped)
    }

    /// Whether a session is working on it, unless that session died.
    #[must_use]
    pub fn is_at_work(&self) -> bool {
        matches!(self, Self::Planning | Self::Running)
    }
}

impl From<&str> for RunState {
    fn from(word: &str) -> Self {
        match word {
            "planning" => Self::Planning,
            "running" => Self::Running,
            "stopped" => Self::Stopped,
            "finished" => Self::Finished,
            "abandoned" => Self::Abandoned,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_of_the_schema_is_known_and_any_other_is_kept() {
        let schema = include_str!("../../migrations/0001_journal.sql");
        let check = schema.split("CHECK (state IN (").nth(1).and_then(|rest| rest.split(')').next()).unwrap();
        let words: Vec<_> = check.split('\'').skip(1).step_by(2).collect();
        assert_eq!(words.len(), 5, "{words:?}");
        for word in words {
            let state = RunState::from(word);
            assert!(!matches!(state, RunState::Other(_)), "{word}");
            assert_eq!(state.as_str(), word);
        }
        let newer = RunState::from("paused");
        assert_eq!((newer.as_str(), newer.is_unfinished(), newer.is_at_work()), ("paused", false, false));
    }
}
