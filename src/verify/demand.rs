//! What a reviewer demands of every real run that was started: approvals, four eyes, a policy. All of it is brought by the reviewer.
//!
//! ```text
//!   Demand ──► Watched, one for each real run ◄── entries, in order, once they are known to be possible
//!                 └──► RunDemands: what the run lacks, what its operator lifted, what the journal does not show
//! ```
//!
//! A run that lacks something is a run that did what it should not have done, and its journal is as honest as any: everything else is
//! judged all the same.

mod brought;
mod row;
mod told;
mod watched;

use std::collections::{BTreeMap, HashMap};

pub use self::brought::{BroughtPolicy, Demand};
pub use self::told::{NotJudged, Overridden, RunDemands, Violation};
use self::watched::Watched;
use super::history::History;
use crate::record::{Entry, Event};

/// The runs of which something is demanded.
#[derive(Debug, Default)]
pub(super) struct Demands {
    demand: Option<Demand>,
    /// The run of each session, by number.
    sessions: HashMap<u64, u64>,
    /// The real ones, by number.
    runs: BTreeMap<u64, Watched>,
}

impl Demands {
    pub(super) fn new(demand: Option<Demand>) -> Self {
        Self { demand, ..Self::default() }
    }

    /// Whether the lines of plans are looked at whole.
    pub(super) fn reads_lines(&self) -> bool {
        self.demand.as_ref().is_some_and(|demand| !demand.policies.is_empty())
    }

    /// Takes the next entry, which `history` has taken.
    pub(super) fn step(&mut self, entry: &Entry, history: &History) {
        let Some(demand) = &self.demand else { return };
        if let Event::SessionOpened(opened) = &entry.event {
            let own = opened.run_id.as_ref().map(|_| entry.seq);
            if own.is_some() && !opened.sandbox {
                self.runs.insert(entry.seq, Watched::new(opened, demand));
            }
            self.sessions.extend(entry.run.or(own).map(|run| (entry.seq, run)));
            return;
        }
        let run = entry.session.and_then(|session| self.sessions.get(&session)).filter(|_| entry.run.is_none());
        if let Some((run, watched)) = run.and_then(|run| Some((*run, self.runs.get_mut(run)?))) {
            watched.take(entry, demand, history.approvals(run));
        }
    }

    /// What is to be said of the runs that were started, in their order; nothing where nothing was demanded.
    pub(super) fn told(&self) -> Option<Vec<RunDemands>> {
        self.demand.as_ref()?;
        Some(self.runs.values().filter(|run| run.is_started).map(|run| run.told.clone()).collect())
    }
}
