//! What a policy's rules say of a whole plan.

use super::limits::{AWS, Limits, Percent, SANDBOX};
use super::rule::Rule;
use crate::domain::{Target, counted, service_behind};

/// A plan, as far as rules look at the whole of it.
#[derive(Debug, Clone)]
pub struct Whole<'a> {
    /// What it is bound to: an address with `{region}` in it, or `sandbox:<world id>`.
    pub endpoint: &'a str,
    /// What it does in each target.
    pub targets: &'a [TargetSum],
}

/// What a plan does in one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetSum {
    /// Where.
    pub target: Target,
    /// Rows to delete.
    pub deletes: u64,
    /// Key pairs that the inventory listed.
    pub key_pairs: u64,
}

/// Why a policy refuses a plan as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// It is bound to an endpoint that is not allowed.
    #[error("the policy does not allow the endpoint {endpoint}")]
    Endpoint {
        /// The endpoint.
        endpoint: String,
    },
    /// It deletes too many key pairs.
    #[error("the plan deletes {}, but the policy permits at most {most}", counted(*.deletes, "key pair", "key pairs"))]
    MaximumDeletes {
        /// How many it deletes.
        deletes: u64,
        /// How many are permitted.
        most: u64,
    },
    /// It deletes too large a share of a target's key pairs.
    #[error(
        "the plan deletes {deletes} of the {} in {target}, but the policy permits at most {most} of them",
        counted(*.key_pairs, "key pair", "key pairs")
    )]
    MaximumPercent {
        /// Where.
        target: Target,
        /// How many it deletes there.
        deletes: u64,
        /// How many are there.
        key_pairs: u64,
        /// Which share is permitted.
        most: Percent,
    },
    /// It needs approvals, and only a plan in a file can have them.
    #[error(
        "the policy requires {}, which only a plan in a file can have",
        if *.approvals > 0 { counted(u64::from(*.approvals), "approval", "approvals") } else { "four eyes".to_owned() }
    )]
    Approvals {
        /// How many; none where only four eyes are required.
        approvals: u32,
    },
}

impl Finding {
    /// The rule that says so.
    #[must_use]
    pub fn rule(&self) -> Rule {
        match self {
            Self::Endpoint { .. } => Rule::Endpoints,
            Self::MaximumDeletes { .. } => Rule::MaximumDeletes,
            Self::MaximumPercent { .. } => Rule::MaximumPercent,
            Self::Approvals { .. } => Rule::Approvals,
        }
    }
}

/// Everything that `limits` say against the plan as a whole.
#[must_use]
pub fn findings(limits: &Limits, whole: &Whole<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_sandbox = whole.endpoint.starts_with("sandbox:");
    let is_meant = |pattern: &str| match pattern {
        AWS => service_behind(whole.endpoint) == AWS,
        SANDBOX => is_sandbox,
        _ => false,
    };
    if !limits.endpoints.allows(|glob| is_meant(glob.as_str()) || glob.matches(whole.endpoint)) {
        findings.push(Finding::Endpoint { endpoint: whole.endpoint.to_owned() });
    }
    let deletes = whole.targets.iter().map(|sum| sum.deletes).fold(0, u64::saturating_add);
    if let Some(most) = limits.maximum_deletes.filter(|most| deletes > *most) {
        findings.push(Finding::MaximumDeletes { deletes, most });
    }
    let exceeded = |sum: &TargetSum| {
        let most = limits.maximum_percent.filter(|most| most.is_exceeded_by(sum.deletes, sum.key_pairs))?;
        let TargetSum { target, deletes, key_pairs } = sum.clone();
        Some(Finding::MaximumPercent { target, deletes, key_pairs, most })
    };
    findings.extend(whole.targets.iter().filter_map(exceeded));
    findings
}

/// What `limits` say against deleting what a manifest asks for without a plan in a file.
#[must_use]
pub fn without_approvals(limits: &Limits) -> Option<Finding> {
    let approvals = limits.approvals;
    (approvals > 0 || limits.four_eyes).then_some(Finding::Approvals { approvals })
}
