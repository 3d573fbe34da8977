//! Why there is no plan.

use crate::domain::{ApiError, Exchange, SANDBOX_HEADER, Target, counted};
use crate::journal::JournalError;
use crate::lane::Lane;
use crate::policy::finding::Finding;
use crate::record::plan::file::PlanFileError;
use crate::record::plan::{Note, PlanLineError};

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Something that must be read may not be.
    #[error("{action} is not permitted in {target}: {said}")]
    NotPermitted {
        /// The IAM action.
        action: &'static str,
        /// The account and region.
        target: Target,
        /// What the service said.
        said: String,
    },
    /// Something that must be read cannot be.
    #[error("{action} gave no usable answer in {target}: {said}")]
    Unreadable {
        /// The IAM action.
        action: &'static str,
        /// The account and region.
        target: Target,
        /// What the service said.
        said: String,
        /// The answer, or the lack of one; nothing where the answers themselves were usable.
        error: Option<Box<ApiError>>,
    },
    /// Lightsail's answers come from elsewhere than those of STS.
    #[error("Lightsail in {target} is {found}, but the caller's identity came from {expected}")]
    Foreign {
        /// The account and region.
        target: Target,
        /// Who answered for Lightsail.
        found: String,
        /// Who answered for STS.
        expected: String,
    },
    /// A guard or the policy refuses the plan.
    #[error("{}", refused(*.count, .findings.len()))]
    Refused {
        /// How many rows are the reason.
        count: u64,
        /// What the policy says of the whole plan.
        findings: Vec<Finding>,
        /// The first of them.
        notes: Vec<(u64, String, Note)>,
    },
    /// What was staged is not what was confirmed.
    #[error("the plan differs from the one that was confirmed")]
    Changed,
    /// A line of the plan has no canonical form.
    #[error(transparent)]
    Line(#[from] PlanLineError),
    /// The plan's file cannot be written.
    #[error("the plan cannot be written: {0}")]
    File(#[from] PlanFileError),
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// By what a plan is refused.
fn refused(rows: u64, findings: usize) -> String {
    let because = counted(rows, "row", "rows");
    match (rows, findings) {
        (0, _) => "the policy refuses the plan".to_owned(),
        (_, 0) => format!("the plan is refused because of {because}"),
        (_, _) => format!("the policy refuses the plan, and so do notes about {because}"),
    }
}

/// The error of an answer from elsewhere.
pub fn foreign<L>(lane: &Lane<L>, exchange: &Exchange) -> PlanError {
    let name = |world: Option<&String>| world.map_or_else(|| "no sandbox".to_owned(), |id| format!("the sandbox {id}"));
    PlanError::Foreign {
        target: lane.target.clone(),
        found: name(exchange.headers.get(SANDBOX_HEADER)),
        expected: name(lane.world.as_ref()),
    }
}
