//! Who orders a session: is notified of what happens, and asked before anything is deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::error::Outside;
use super::place::Place;
use super::summary::Summary;
use crate::domain::{OutcomeCounts, Retriable, RunId};
use crate::execute::control::TargetStop;
use crate::journal::RunRecord;
use crate::manifest::Ingested;
use crate::plan::{Plan, Tally};
use crate::record::checkpoint::Checkpoint;
use crate::record::control_used::ControlUsed;

/// Who orders a session.
pub trait Operator: fmt::Debug + Send + Sync {
    /// Something happened that a person should read.
    fn notice(&self, notice: Notice<'_>);

    /// Asks whether to delete what the plan says, which [`Notice::Planned`] has shown. Nothing was sent but reads.
    fn confirm<'a>(&'a self, plan: &'a PlanFacts<'a>) -> BoxFuture<'a, Result<Confirmed, Outside>>;

    /// Shows how far `work` is, for as long as it is polled. It is dropped once the work has ended.
    fn watch(&self, work: Watched) -> BoxFuture<'static, ()>;
}

/// Waits for `work`, and lets the operator show meanwhile how far it is.
pub(super) async fn while_watched<T>(operator: &dyn Operator, watched: Watched, work: impl Future<Output = T>) -> T {
    let watching = operator.watch(watched);
    let watching = async {
        watching.await;
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        biased;
        done = work => done,
        never = watching => match never {},
    }
}

/// What the operator answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// To delete.
    Yes,
    /// Not to.
    No,
}

/// A plan, and where it would be executed.
#[derive(Debug, Clone, Copy)]
pub struct PlanFacts<'a> {
    /// The plan; it has no root before it is sealed.
    pub plan: &'a Plan,
    /// Where, and as whom.
    pub place: &'a Place,
    /// How many key pairs of each target are deleted before the session stops for a look, where it has a canary.
    pub canary: Option<u64>,
}

/// Work that takes a while.
#[derive(Debug, Clone)]
pub enum Watched {
    /// The plan is made.
    Planning {
        /// Rows of the manifest.
        rows: u64,
        /// Whether it is a rehearsal.
        sandbox: bool,
        /// How far it is.
        tally: Arc<Tally>,
    },
    /// The plan is executed.
    Working {
        /// Rows without an outcome.
        rows: u64,
        /// Whether it is a rehearsal.
        sandbox: bool,
        /// Those that have one now.
        settled: Arc<Mutex<OutcomeCounts>>,
    },
}

/// When a checkpoint was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Of the sealed plan.
    Sealed,
    /// At the end of the session.
    Ended,
}

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// A signal came before the session had begun to work on a run.
    StoppedBeforeRun,
    /// A signal came before the session wrote anything about the run that it was to continue.
    StoppedBeforeWork,
    /// A signal, or the end of its time, came while the session planned. Says by or because of what, and when.
    StoppedPlanning(&'a str),
    /// What was known of the journal's newest head could not be compared, and why.
    HeadNotCompared(&'a str),
    /// The operator accepts a loss of entries where none is known.
    RollbackNotNeeded,
    /// The journal continues without its newest entries: the largest of the heads that it lost has so many.
    RollbackAccepted(u64),
    /// A run was closed that died while it was planned; whether it may have sent something in entries that were lost.
    DeadPlanClosed {
        /// The run.
        run: RunId,
        /// Whether entries were lost after it.
        lost: bool,
    },
    /// A later session would not notice an older copy of the journal.
    NotRemembered(&'a str),
    /// Another program has the journal open, so its newest entries are still in the log.
    LogInUse {
        /// The journal.
        journal: &'a Path,
        /// The log.
        log: &'a Path,
    },
    /// The session ends without closing the journal, so its newest entries are still in the log.
    LogLeft {
        /// The journal.
        journal: &'a Path,
        /// The log.
        log: &'a Path,
    },
    /// Checkpoints are appended to this file.
    CheckpointsTo(&'a Path),
    /// They no longer are, and why.
    CheckpointsNoLongerTo(&'a Path, &'a str),
    /// A checkpoint that was to be signed is kept without a signature, and why.
    NotSigned(&'a str),
    /// The command that checkpoints are handed to did not take one.
    NotAnchored {
        /// Entries that the checkpoint covers.
        size: u64,
        /// Why.
        why: &'a str,
        /// What the command said on standard error.
        said: &'a str,
    },
    /// The session was asked to stop, and waits for the command that checkpoints are handed to.
    AnchorAwaited {
        /// Its first word.
        program: &'a str,
        /// How long at most.
        left: Duration,
    },
    /// Earlier sessions of the run handed checkpoints to this program; this session does not.
    NoLongerAnchored(&'a str),
    /// A checkpoint was made.
    Checkpoint(Moment, &'a Checkpoint),
    /// This version cannot interpret the journal's history, and why.
    NotInterpreted(&'a str),
    /// A manifest was read.
    Ingested(&'a Ingested),
    /// A dry run would continue this run.
    WouldContinue(&'a RunRecord),
    /// A dry run would do nothing, because this run is finished.
    WouldDoNothing(&'a RunRecord),
    /// Rows of an earlier run are planned again.
    Selected {
        /// The run.
        run: RunId,
        /// Its manifest.
        manifest: &'a str,
        /// How many of its rows have each of the outcomes.
        counts: &'a BTreeMap<Retriable, u64>,
    },
    /// No row of an earlier run has one of these outcomes.
    NothingSelected {
        /// The run.
        run: RunId,
        /// The outcomes in words.
        only: &'a str,
    },
    /// No run is unfinished.
    NothingUnfinished,
    /// Only one run is unfinished, a rehearsal: it continues.
    OnlyRehearsal,
    /// Only rehearsals are unfinished, and none was named; the oldest first.
    OnlyRehearsals(&'a [RunRecord]),
    /// This run is finished already.
    AlreadyFinished,
    /// The plan is made. It is recorded only after it was confirmed, if the operator is asked.
    Planned(&'a PlanFacts<'a>),
    /// The plan that was confirmed is sealed.
    Sealed(&'a Plan),
    /// The plan was not confirmed.
    Declined,
    /// A run of another session continues, or is being abandoned.
    Continuing {
        /// The run.
        run: RunId,
        /// Whether it is a rehearsal.
        sandbox: bool,
        /// Its accounts.
        accounts: &'a BTreeSet<&'a str>,
        /// Whether it is being abandoned.
        abandoning: bool,
    },
    /// A key pair is not requested again before the last request for it is surely dead.
    Waiting {
        /// The key pair.
        name: &'a str,
        /// How long.
        left: Duration,
    },
    /// Somebody told the session at work something; it does that.
    Controlled {
        /// The run.
        run: RunId,
        /// What.
        used: &'a ControlUsed,
    },
    /// The session exits at once.
    ExitingAtOnce,
    /// The session stopped.
    Stopped {
        /// Why.
        detail: &'a str,
        /// The targets that stopped alone.
        alone: &'a [&'a TargetStop],
    },
    /// An error ends the session, and this is what there is to say about the run.
    Ended {
        /// What there is to say.
        summary: &'a Summary,
        /// Whether the error itself says what to do next.
        explained: bool,
    },
}
