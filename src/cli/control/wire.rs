//! What a controller and a session say to one another: one line of JSON each. The forms are not stable: both are of one version.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::session::live::{Told, Untold};
use crate::session::status::Status;

/// The version of the forms.
pub(super) const VERSION: u32 = 1;

/// The longest line of a question, in bytes: two paths and some words.
pub(super) const MOST_ASKED: u64 = 16 * 1024;

/// The longest line of an answer, in bytes: some thousand targets.
pub(super) const MOST_ANSWERED: u64 = 1024 * 1024;

/// How long the other end may take to write or read its line.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How long a session may take to do what it was told: it waits for the disk.
pub(super) const PATIENCE_FOR_AN_ANSWER: Duration = Duration::from_secs(60);

/// A question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Question {
    pub(super) v: u32,
    /// The journal that is meant, as the file system has it: another one may have a run of the same id.
    pub(super) journal: String,
    pub(super) run: String,
    pub(super) what: Word,
    /// Of [`Word::Rate`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) per_s: Option<f64>,
}

/// A question to all sessions that work on a run, through the journal's database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Letter {
    pub(super) v: u32,
    pub(super) what: Word,
    /// Of [`Word::Rate`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) per_s: Option<f64>,
    /// Who asks, as that one says: user and machine.
    pub(super) by: String,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli) enum Word {
    /// Show how far the session is
    Status,
    /// Delete nothing more until `continue`; requests in flight are answered and settled
    Pause,
    /// Go on after `pause`
    Continue,
    /// Send at most R requests per second to each target
    Rate,
    /// End as after Ctrl-C: send nothing new, settle the requests in flight
    Stop,
}

impl Word {
    /// What a session is to be told; `None` where it is only looked at.
    pub(super) fn told(self, per_s: Option<f64>) -> Result<Option<Told>, Refused> {
        match (self, per_s) {
            (Self::Status, None) => Ok(None),
            (Self::Pause, None) => Ok(Some(Told::Pause)),
            (Self::Continue, None) => Ok(Some(Told::Continue)),
            (Self::Stop, None) => Ok(Some(Told::Stop)),
            (Self::Rate, Some(per_s)) => Ok(Some(Told::Rate(per_s))),
            _ => Err(Refused::new(Why::NotUnderstood, "the question has a rate too many, or none")),
        }
    }

    /// As the command has it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Pause => "pause",
            Self::Continue => "continue",
            Self::Rate => "rate",
            Self::Stop => "stop",
        }
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) v: u32,
    /// How far the session is, now that it does what it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<Status>,
    /// Why it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<Refused>,
}

/// Why a session does not do what it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refused {
    pub(super) why: Why,
    /// For people.
    pub(super) message: String,
}

/// What kind of refusal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Why {
    /// It has no more work.
    Ended,
    /// It does not do that.
    Refused,
    /// Its journal failed.
    Journal,
    /// It executes another run, or one of another journal.
    Another,
    /// Whoever asks is another user.
    Stranger,
    /// It does not understand the question.
    NotUnderstood,
}

impl Refused {
    pub(super) fn new(why: Why, message: impl Into<String>) -> Self {
        Self { why, message: message.into() }
    }
}

impl From<Untold> for Refused {
    fn from(untold: Untold) -> Self {
        let why = match untold {
            Untold::Ended => Why::Ended,
            Untold::Stopping | Untold::AboveRate(_) | Untold::NoRate => Why::Refused,
            Untold::Journal(_) => Why::Journal,
        };
        Self::new(why, untold.to_string())
    }
}

impl From<Result<Status, Refused>> for Answer {
    fn from(result: Result<Status, Refused>) -> Self {
        let (status, refused) = match result {
            Ok(status) => (Some(status), None),
            Err(refused) => (None, Some(refused)),
        };
        Self { v: VERSION, status, refused }
    }
}

/// A line, with its end.
pub(super) fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}
