//! Why a run stopped, or never began, and why a target stopped alone.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Makes an enum of words from the one list of them. A word that is not in the list is one of a newer version, and is kept.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$said:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum $name {
            $($(#[$said])* $variant,)*
            /// The word of a newer version.
            Other(String),
        }

        impl $name {
            /// All that this version writes.
            pub const ALL: [Self; [$($word),*].len()] = [$(Self::$variant),*];

            /// The word in the journal.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)*
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                Self::from(word.as_str())
            }
        }

        impl From<$name> for String {
            fn from(reason: $name) -> Self {
                reason.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// Why a run stopped before its end, or never began.
    StopReason {
        /// A signal.
        Signal = "signal",
        /// `--max-failures` was reached.
        MaxFailures = "max_failures",
        /// `--max-deletes` was reached.
        MaxDeletes = "max_deletes",
        /// `--max-duration` was reached.
        MaxDuration = "max_duration",
        /// Every target that is left refuses everyone.
        Breaker = "breaker",
        /// The canary was deleted and read back: a person is to look.
        Canary = "canary",
        /// A person asked for it.
        Control = "control",
        /// The journal could not be written.
        Journal = "journal",
        /// The run was refused before it began.
        Refused = "refused",
        /// A person declined it at the prompt.
        Declined = "declined",
        /// Its process died while planning, and another one closed it.
        Abandoned = "abandoned",
        /// It failed before it began.
        Failed = "failed",
    }
}

words! {
    /// Why a target stopped alone.
    TargetStopReason {
        /// Credentials, clock or sign-up: it refuses everyone.
        RefusedForAll = "refused_for_all",
        /// The first rows were all denied.
        AllDenied = "all_denied",
        /// No connection could be made.
        EndpointGone = "endpoint_gone",
        /// It refused every request for ten minutes.
        ThrottledForLong = "throttled_for_long",
        /// For ten minutes, the start of each request became durable too late to send it.
        NothingLeaves = "nothing_leaves",
        /// Key pairs may not be read, so nothing can be settled.
        CannotRead = "cannot_read",
        /// No request gets a usable answer, not even one that reads.
        NothingReadable = "nothing_readable",
        /// Its rows end in doubt one after the other.
        Doubtful = "doubtful",
    }
}

/// A target in which nobody is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetStopped {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// What stopped it.
    pub why: TargetStopReason,
    /// For people: what happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl StopReason {
    /// Whether it closes a run that never began: nothing was sent, and the run cannot be resumed.
    #[must_use]
    pub fn closes(&self) -> bool {
        matches!(self, Self::Refused | Self::Declined | Self::Abandoned | Self::Failed)
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
        for reason in TargetStopReason::ALL {
            let word = serde_json::to_string(&reason).unwrap();
            assert_eq!(serde_json::from_str::<TargetStopReason>(&word).unwrap(), reason, "{word}");
        }
        let newer: StopReason = serde_json::from_str("\"paused\"").unwrap();
        assert_eq!((&newer, newer.closes()), (&StopReason::Other("paused".into()), false));
        assert_eq!(serde_json::to_string(&newer).unwrap(), "\"paused\"");
        let newer: TargetStopReason = serde_json::from_str("\"paused\"").unwrap();
        assert_eq!((newer.as_str(), &newer), ("paused", &TargetStopReason::Other("paused".into())));
    }
}
