//! What entries change in the projections, as values that know no database: each store applies them by statements of its own.
//!
//! Numbers of runs are those of the `session_opened` that began them. Texts are borrowed from the entries.

use std::collections::HashMap;

use jiff::Timestamp;

use super::run_state::RunState;
use crate::domain::{Class, Evidence, Outcome};
use crate::record::plan::Verdict;

/// What a batch of entries adds to the projections and changes in them. Applied in the order of these fields, each row comes
/// after the rows that it refers to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes<'a> {
    /// Changes of the small tables, in order.
    pub small: Vec<Change<'a>>,
    /// New rows of `intent`.
    pub intents: Vec<NewIntent<'a>>,
    /// New rows of `attempt`.
    pub attempts: Vec<NewAttempt>,
    /// Ends of attempts, each of a row that has none yet.
    pub finished: Vec<FinishedAttempt>,
    /// New rows of `row_entry`.
    pub row_entries: Vec<NewRowEntry>,
    /// Outcomes, each of a row of `intent` that has none yet.
    pub settled: Vec<SettledIntent>,
}

/// A change of a small table. One that names a run changes a row that is there.
#[derive(Debug, Clone, PartialEq)]
pub enum Change<'a> {
    /// A new row of `run`: in state `planning`, with one session and nothing read.
    Run(Box<NewRun<'a>>),
    /// One more session of a run.
    Session {
        /// The run.
        run: u64,
    },
    /// How far a run is.
    State {
        /// The run.
        run: u64,
        /// Its state.
        state: RunState,
        /// What stopped it, until it goes on.
        stopped_by: Option<&'a str>,
        /// When it came to an end after which it cannot go on.
        finished_at: Option<Timestamp>,
    },
    /// The manifest of a run.
    Manifest {
        /// The run.
        run: u64,
        /// The entry that describes the manifest.
        seq: u64,
        /// Its name as given.
        name: &'a str,
        /// Its hash, in hexadecimal.
        sha256: &'a str,
        /// Its rows.
        rows: u64,
    },
    /// The plan of a run is complete.
    Sealed {
        /// The run.
        run: u64,
        /// Its `plan_sealed`.
        seq: u64,
        /// The plan's root, in base64.
        plan_root: &'a str,
    },
    /// A run may delete from here on.
    Started {
        /// The run.
        run: u64,
        /// Its `run_started`.
        seq: u64,
    },
    /// Requests to add to those that a run made, other than deletes.
    Reads {
        /// The run.
        run: u64,
        /// Further requests.
        requests: u64,
        /// How many of those were throttled.
        throttled: u64,
    },
    /// A new row of `target`.
    Target {
        /// Its number in this journal.
        number: u64,
        /// The run.
        run: u64,
        /// Its account.
        account: &'a str,
        /// Its region.
        region: &'a str,
    },
    /// A new row of `milestone`.
    Milestone {
        /// The entry.
        seq: u64,
        /// The run; none for an accepted rollback, and for a session without a run.
        run: Option<u64>,
        /// The kind of the entry.
        kind: &'static str,
    },
    /// A new row of `rate`, in place of the one for the same endpoint, account and region.
    Rate {
        /// The service that the run is bound to.
        endpoint: String,
        /// The account.
        account: &'a str,
        /// The region.
        region: &'a str,
        /// Requests per second, a decimal.
        rate_per_s: &'a str,
        /// Whether throttling began there.
        is_limit: bool,
        /// The entry.
        seq: u64,
    },
    /// A new row of `resolution`, in place of the one for the same row of the run.
    Resolved(SettledIntent),
    /// A new row of `checkpoint`.
    Checkpoint {
        /// Its `checkpoint_made`.
        seq: u64,
        /// Entries that it covers.
        size: u64,
        /// Their root, in base64.
        root: &'a str,
        /// When it was made.
        made_at: Timestamp,
    },
}

/// A run that begins.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun<'a> {
    /// Its number.
    pub run: u64,
    /// Its id.
    pub id: &'a str,
    /// When its first session was opened.
    pub started_at: Timestamp,
    /// The account that it is bound to.
    pub account: Option<&'a str>,
    /// Who the credentials belong to.
    pub principal_arn: Option<&'a str>,
    /// Who began it, as `user@host`.
    pub operator: String,
    /// The service that it is bound to.
    pub endpoint: Option<&'a str>,
    /// Whether it is a rehearsal.
    pub sandbox: bool,
    /// Why, in the operator's words.
    pub reason: Option<&'a str>,
    /// The operator's ticket.
    pub ticket: Option<&'a str>,
}

/// The decision about a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewIntent<'a> {
    /// The run.
    pub run: u64,
    /// The row of the manifest.
    pub row: u64,
    /// The target's number in this journal.
    pub target: u64,
    /// The key pair's name.
    pub name: &'a str,
    /// The decision.
    pub verdict: Verdict,
    /// Its `intent_recorded`.
    pub seq: u64,
}

/// The start of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewAttempt {
    /// The run.
    pub run: u64,
    /// The row of the manifest.
    pub row: u64,
    /// The attempt, counted from 1.
    pub attempt: u32,
    /// Its `attempt_started`.
    pub seq: u64,
}

/// The end of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinishedAttempt {
    /// The run.
    pub run: u64,
    /// The row of the manifest.
    pub row: u64,
    /// The attempt, counted from 1.
    pub attempt: u32,
    /// Its `attempt_finished`.
    pub seq: u64,
    /// What the answer means.
    pub class: Class,
}

/// An attempt whose start and end are known at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WholeAttempt {
    /// Its start.
    pub begun: NewAttempt,
    /// Its end.
    pub end: FinishedAttempt,
}

/// An entry of a row of one of the rarer kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRowEntry {
    /// The run.
    pub run: u64,
    /// The row of the manifest.
    pub row: u64,
    /// The entry.
    pub seq: u64,
}

/// The outcome of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettledIntent {
    /// The run.
    pub run: u64,
    /// The row of the manifest.
    pub row: u64,
    /// Its `row_settled`, or the `attempt_finished` that decides it alone; of a resolution, its `row_resolved`.
    pub seq: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// What that rests on.
    pub evidence: Evidence,
}

impl Changes<'_> {
    /// Takes out the attempts that began and ended among these changes, each with its end. What the tables hold afterwards is
    /// the same; a replay saves a third of its work.
    pub fn take_whole_attempts(&mut self) -> Vec<WholeAttempt> {
        let ended = std::mem::take(&mut self.finished);
        let mut ended: HashMap<_, _> = ended.into_iter().map(|end| ((end.run, end.row, end.attempt), end)).collect();
        let mut whole = Vec::with_capacity(ended.len());
        self.attempts.retain(|begun| match ended.remove(&(begun.run, begun.row, begun.attempt)) {
            Some(end) => {
                whole.push(WholeAttempt { begun: *begun, end });
                false
            }
            None => true,
        });
        self.finished = ended.into_values().collect();
        whole
    }
}
