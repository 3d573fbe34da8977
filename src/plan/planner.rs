//! What planning needs, and how far it is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::Timestamp;

use crate::journal::Scribe;
use crate::lane::Lane;
use crate::policy::guard::IfInUse;
use crate::policy::limits::Limits;
use crate::policy::recreated::IfRecreated;
use crate::record::plan::PlanHeader;

/// What planning needs.
#[derive(Debug)]
pub struct Planner<L> {
    /// Where the plan is recorded, under its run.
    pub scribe: Scribe,
    /// The plan's first line.
    pub header: PlanHeader,
    /// The accounts that are reached.
    pub accounts: BTreeSet<String>,
    /// The account that rows are in which name none, or one that is not reached.
    pub home: String,
    /// A lane for each target of the manifest.
    pub lanes: Vec<Arc<Lane<L>>>,
    /// What to do about key pairs in use.
    pub if_in_use: IfInUse,
    /// What to do about key pairs that were re-created since an earlier run.
    pub if_recreated: IfRecreated,
    /// What the policy forbids.
    pub limits: Limits,
    /// When the plan is made: what the age of a key pair is counted to.
    pub judged_at: Timestamp,
    /// Whether rows of another account are skipped instead of refusing the plan.
    pub skip_invalid: bool,
    /// Whether annotations stay out of the plan.
    pub without_annotations: bool,
    /// How long throttled requests are repeated.
    pub patience: Duration,
    /// How far it is, for the progress that people see.
    pub tally: Arc<Tally>,
}

/// How far planning is.
#[derive(Debug, Default)]
pub struct Tally {
    /// Key pairs that were listed.
    pub key_pairs: AtomicU64,
    /// Instances that were listed.
    pub instances: AtomicU64,
    /// Rows whose intent was handed to the journal.
    pub intents: AtomicU64,
}
