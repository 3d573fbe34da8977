//! A verification in progress: what it was given, what it knows so far, and what it found.

use jiff::Timestamp;

use super::checkpoints::Checkpoints;
use super::coverage::Covering;
use super::demand::Demands;
use super::history::History;
use super::options::Options;
use super::report::{AcceptedRollback, Finding, Findings};
use crate::record::event::Previous;
use crate::record::merkle::Frontier;

/// A verification in progress.
pub(super) struct Work {
    pub(super) options: Options,
    pub(super) findings: Findings,
    /// What is wrong with tables, triggers and views. Reported last: changes made around them say more.
    pub(super) schema: Option<Finding>,
    pub(super) warnings: Vec<String>,
    pub(super) tree: Frontier,
    pub(super) history: History,
    /// What is demanded of runs.
    pub(super) demands: Demands,
    /// Whether entries are still judged and replayed: not after the first that makes no sense.
    pub(super) judging: bool,
    /// Whether numbers and tree agree: not after a gap, or after reading failed.
    pub(super) whole: bool,
    /// The last checkpoint among the entries that names the right root.
    pub(super) last_good: u64,
    /// The last checkpoint among the entries: how many entries it covers, and when it was made.
    pub(super) last_checkpoint: Option<(u64, Timestamp)>,
    pub(super) checkpoints: Checkpoints,
    pub(super) covering: Covering,
    /// The archived journal that this one continues, as its first entry says.
    pub(super) previous: Option<Previous>,
    /// The rollbacks that were accepted.
    pub(super) rollbacks: Vec<AcceptedRollback>,
}

impl Work {
    pub(super) fn new(options: Options) -> Self {
        let mut work = Self {
            options,
            findings: Findings::default(),
            schema: None,
            warnings: Vec::new(),
            tree: Frontier::default(),
            history: History::default(),
            demands: Demands::default(),
            judging: true,
            whole: true,
            last_good: 0,
            last_checkpoint: None,
            checkpoints: Checkpoints::default(),
            covering: Covering::default(),
            previous: None,
            rollbacks: Vec::new(),
        };
        work.demands = Demands::new(work.options.demand.clone());
        work.checkpoints = Checkpoints::new(&mut work.options);
        work
    }

    /// What it was given, for a second pass.
    pub(super) fn into_options(self) -> Options {
        Options { further: self.checkpoints.into_all(), ..self.options }
    }
}
