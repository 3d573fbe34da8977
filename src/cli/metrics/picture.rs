//! What a session shows of itself at one moment, as numbers.

use jiff::Timestamp;

use crate::domain::OutcomeCounts;
use crate::journal::Metered;
use crate::record::event::Requests;
use crate::session::status::{Bearing, Status, TargetStatus};
use crate::session::summary::Summary;

/// The states of a session, in the order in which it passes through them.
pub(super) const STATES: [&str; 5] = ["planning", "running", "paused", "stopping", "ended"];

/// What a session shows of itself at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Picture {
    /// When the session started.
    pub(super) started: Timestamp,
    /// When this was true.
    pub(super) at: Timestamp,
    /// One of [`STATES`].
    pub(super) state: &'static str,
    /// The run, once there is one.
    pub(super) run: Option<Run>,
    /// Rows by outcome, once the run has a plan.
    pub(super) rows: Option<OutcomeCounts>,
    /// What the session sent.
    pub(super) requests: Option<Requests>,
    /// Deletions that have begun and are not recorded as answered.
    pub(super) in_flight: Option<u64>,
    /// The targets that it works on.
    pub(super) targets: Vec<TargetStatus>,
    /// What the writer of its journal counted.
    pub(super) journal: Option<Metered>,
    /// When the session ended, and with which exit code.
    pub(super) ended: Option<(Timestamp, u8)>,
}

/// The run that a session works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// Its id.
    pub(super) id: String,
    /// Whether it is a rehearsal.
    pub(super) sandbox: bool,
    /// Where its journal is, without a password.
    pub(super) journal: String,
    /// Who started the session, or began the run.
    pub(super) operator: String,
}

impl Picture {
    /// A session that has no run yet.
    pub(super) fn planning(started: Timestamp) -> Self {
        Self {
            started,
            at: started,
            state: STATES[0],
            run: None,
            rows: None,
            requests: None,
            in_flight: None,
            targets: Vec::new(),
            journal: None,
            ended: None,
        }
    }

    /// The session works, and says this of itself.
    pub(super) fn works(&mut self, status: Status, metered: Metered) {
        self.state = match status.state {
            Bearing::Running => STATES[1],
            Bearing::Paused => STATES[2],
            Bearing::Stopping => STATES[3],
        };
        self.run = Some(Run {
            id: status.run,
            sandbox: status.sandbox,
            journal: status.session.journal,
            operator: status.session.operator,
        });
        self.rows = Some(status.outcomes);
        self.requests = Some(status.session.requests);
        self.in_flight = Some(status.in_flight);
        self.targets = status.targets;
        self.journal = Some(metered);
    }

    /// The session has ended with this code; `summary` is what it says of its run, if there is one.
    pub(super) fn ends(&mut self, summary: Option<&Summary>, exit: u8) {
        self.state = STATES[4];
        self.ended = Some((self.at, exit));
        // The process is gone; a request without an answer is an unsettled row.
        self.in_flight = self.in_flight.map(|_| 0);
        self.targets.iter_mut().for_each(|target| target.rate_per_s = 0.0);
        let Some(summary) = summary else { return };
        let Some(id) = &summary.run else { return };
        self.run.get_or_insert_with(|| Run {
            id: id.clone(),
            sandbox: summary.sandbox,
            journal: summary.journal.clone(),
            operator: summary.operator.clone().unwrap_or_default(),
        });
        self.rows = Some(summary.outcomes);
        self.requests = Some(summary.session.requests);
    }
}
