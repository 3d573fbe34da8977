//! What there is to say about a run at the end of a session.

use serde::Serialize;

use super::canary::CanaryReport;
use super::selection::RetryOf;
use crate::domain::OutcomeCounts;
use crate::execute::control::StoppedBy;
use crate::journal::Location;
use crate::record::checkpoint::{Checkpoint, base64};
use crate::record::event::Requests;
use crate::record::plan::PlanCaller;

/// What there is to say about a run at the end of a session. Fields are only ever added.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// `keybatch.summary/1`.
    pub schema: &'static str,
    /// `None` where there is no run: nothing to resume, or stopped before one began.
    pub run: Option<String>,
    /// In which state it is left.
    pub state: Option<State>,
    /// Why it stopped, if it did.
    pub stopped_by: Option<StopWord>,
    /// Whether it is a rehearsal.
    pub sandbox: bool,
    /// Rows of the manifest.
    pub rows: u64,
    /// How many of them ended how.
    pub outcomes: OutcomeCounts,
    /// Of all sessions.
    pub requests: Requests,
    /// Of all sessions.
    pub seconds: f64,
    /// Of the session that says it.
    pub session: SessionPart,
    /// The manifest's name.
    pub manifest: Option<String>,
    /// The manifest's hash, in hexadecimal.
    pub manifest_sha256: Option<String>,
    /// The rows of an earlier run that it plans again, where it has not all of its manifest.
    pub of: Option<RetryOf>,
    /// The plan's root, in base64.
    pub plan_root: Option<String>,
    /// How each target ended.
    pub targets: Vec<TargetEnd>,
    /// Whose credentials its sessions used, by account; several of one account where sessions had different ones.
    pub callers: Vec<PlanCaller>,
    /// What the canary of the session found, where it has one.
    pub canary: Option<CanaryReport>,
    /// Who began the run.
    pub operator: Option<String>,
    /// The operator's ticket.
    pub ticket: Option<String>,
    /// When it began (RFC 3339).
    pub started_at: Option<String>,
    /// When it was finished or abandoned (RFC 3339).
    pub finished_at: Option<String>,
    /// The journal.
    pub journal: String,
    /// Its head.
    pub head: Head,
    /// Rows that were skipped only because they repeat another row exactly.
    #[serde(skip)]
    pub superfluous: u64,
    /// How the session ends, where that does not follow from the outcomes.
    #[serde(skip)]
    pub ends: Option<Ends>,
    /// Whether `journal` is an archive, and not the one that the command is about.
    #[serde(skip)]
    pub is_archived: bool,
}

/// How a session ends, where that does not follow from the outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// The plan was declined.
    Declined,
    /// The journal, the service or a permission does not let it go on.
    Prevented,
}

/// The state in which a run is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the contract's own words")]
pub enum State {
    Finished,
    Stopped,
    Abandoned,
}

/// The words of `stopped_by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the contract's own words")]
pub enum StopWord {
    Signal,
    MaxFailures,
    MaxDeletes,
    MaxDuration,
    Breaker,
    Canary,
    Control,
    Refused,
    Journal,
}

impl From<StoppedBy> for StopWord {
    fn from(by: StoppedBy) -> Self {
        match by {
            StoppedBy::Signal => Self::Signal,
            StoppedBy::MaxFailures => Self::MaxFailures,
            StoppedBy::MaxDeletes => Self::MaxDeletes,
            StoppedBy::MaxDuration => Self::MaxDuration,
            StoppedBy::Breaker => Self::Breaker,
            StoppedBy::Canary => Self::Canary,
            StoppedBy::Control => Self::Control,
            StoppedBy::Journal => Self::Journal,
        }
    }
}

/// What one session did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct SessionPart {
    /// What it sent.
    pub requests: Requests,
    /// How long it took.
    pub seconds: f64,
    /// The rows that it settled; it counts none as unsettled or not attempted.
    pub outcomes: OutcomeCounts,
}

/// A target in the summary object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetEnd {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// In which state it is left.
    pub state: State,
    /// Why it stopped, if it did.
    pub stopped_by: Option<StopWord>,
    /// For people: what happened.
    pub detail: Option<String>,
}

/// The journal's head.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Head {
    /// How many entries there are.
    pub size: u64,
    /// Their root, in base64.
    pub root: String,
}

impl From<&Checkpoint> for Head {
    fn from(checkpoint: &Checkpoint) -> Self {
        Self { size: checkpoint.size, root: base64(&checkpoint.root) }
    }
}

impl Summary {
    /// Of a command that a signal stopped before its session began.
    pub(super) fn stopped_before(journal: &Location) -> Self {
        Self { stopped_by: Some(StopWord::Signal), ..Self::of_nothing(journal) }
    }

    /// Of no run at all.
    #[must_use]
    pub fn of_nothing(journal: &Location) -> Self {
        Self {
            schema: "keybatch.summary/1",
            run: None,
            state: None,
            stopped_by: None,
            sandbox: false,
            rows: 0,
            outcomes: OutcomeCounts::default(),
            requests: Requests::default(),
            seconds: 0.0,
            session: SessionPart::default(),
            manifest: None,
            manifest_sha256: None,
            of: None,
            plan_root: None,
            targets: Vec::new(),
            callers: Vec::new(),
            canary: None,
            operator: None,
            ticket: None,
            started_at: None,
            finished_at: None,
            journal: journal.to_string(),
            head: Head::default(),
            superfluous: 0,
            ends: None,
            is_archived: false,
        }
    }

    /// Ending so, and not as the outcomes say.
    #[must_use]
    pub(super) fn ending(self, ends: Ends) -> Self {
        Self { ends: Some(ends), ..self }
    }
}
