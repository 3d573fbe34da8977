//! What other processes may ask of a session at work, and tell it.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::status::Status;
use crate::domain::{RateCap, RunId};
use crate::journal::{JournalError, Meter};
use crate::record::control_used::{Controlled, rate_text};

/// A session at work, as other processes see it.
pub trait AtWork: Send + Sync {
    /// The run that it executes.
    fn run(&self) -> RunId;

    /// The number that the journal gave that run.
    fn run_no(&self) -> i64;

    /// How far it is. Reads only, and leaves no trace.
    ///
    /// # Errors
    /// If the journal cannot be read.
    fn status(&self) -> BoxFuture<'_, Result<Status, Untold>>;

    /// What the writer of its journal counts.
    fn meter(&self) -> Arc<Meter>;

    /// Makes it do something. Ends once that is recorded, and done.
    ///
    /// # Errors
    /// If it does not do that; nothing is recorded, unless the journal failed.
    fn tell<'a>(&'a self, told: Told, by: &'a By) -> BoxFuture<'a, Result<(), Untold>>;
}

/// What a session can be told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Told {
    /// To request no further deletion. Key pairs are still read to settle what was requested.
    Pause,
    /// To go on.
    Continue,
    /// To send at most so many requests per second to each target.
    Rate(f64),
    /// To end as after a first signal.
    Stop,
}

impl Told {
    /// The word of its entry, and the rate.
    pub(super) fn what(self) -> (Controlled, Option<String>) {
        match self {
            Self::Pause => (Controlled::Pause, None),
            Self::Continue => (Controlled::Continue, None),
            Self::Rate(per_s) => (Controlled::Rate, Some(rate_text(per_s))),
            Self::Stop => (Controlled::Stop, None),
        }
    }
}

/// Who tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// The operating system's user; with the machine where that may be another one.
    pub user: String,
    /// Who says so.
    pub vouched: Vouched,
}

/// Who says who tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vouched {
    /// The kernel: the number of the user at the other end of a socket.
    Kernel(u32),
    /// The journal's database, which knows whoever asked as this role. The name is as that one said.
    Database(String),
}

/// Why a session does not do what it was told.
#[derive(Debug, Clone)]
pub enum Untold {
    /// It has no more work, and ends.
    Ended,
    /// It stops already.
    Stopping,
    /// The rate is above that with which the session was started.
    AboveRate(RateCap),
    /// The rate is none.
    NoRate,
    /// The journal failed.
    Journal(JournalError),
}

impl fmt::Display for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("the session has no more work and is ending: nothing was changed"),
            Self::Stopping => f.write_str("the session is stopping already: nothing was changed"),
            Self::AboveRate(cap) => write!(
                f,
                "the session was started with --rate {cap}, and a control cannot permit more: nothing was changed"
            ),
            Self::NoRate => f.write_str("this is not a rate that can be kept: nothing was changed"),
            Self::Journal(error) => write!(f, "the session's journal failed: {error}"),
        }
    }
}
