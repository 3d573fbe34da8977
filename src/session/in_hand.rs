//! A plan's file that is executed.

use crate::policy::limits::Limits;
use crate::record::approval::Presented;
use crate::record::plan::{PlanHeader, PlanSeal};
use crate::record::ssh::Signers;

/// A plan that was made before.
#[derive(Debug, Clone)]
pub struct InHand {
    /// Its first line.
    pub header: PlanHeader,
    /// Its last line.
    pub seal: PlanSeal,
    /// What to do if rows have changed since.
    pub on_drift: OnDrift,
    /// What shows that it was approved.
    pub approvals: Approvals,
}

/// What is brought to show that a plan was approved.
#[derive(Debug, Clone, Default)]
pub struct Approvals {
    /// The signatures.
    pub presented: Vec<Presented>,
    /// Who may approve; without it, nobody may.
    pub signers: Option<Signers>,
    /// How many different persons, with different keys, must have approved.
    pub required: usize,
    /// Whether neither the plan's maker nor the person who runs it counts.
    pub four_eyes: bool,
    /// Signatures that are said to be the maker's.
    pub makers: Vec<Presented>,
}

impl Approvals {
    /// What is required if a policy has these rules, too. Four eyes without anybody who approved would be two.
    #[must_use]
    pub(super) fn under(self, limits: &Limits) -> Self {
        let four_eyes = self.four_eyes || limits.four_eyes;
        let required = self.required.max(limits.approvals as usize).max(usize::from(four_eyes));
        Self { four_eyes, required, ..self }
    }
}

/// What to do if rows have changed since a plan's file was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDrift {
    /// Skip those rows.
    #[default]
    Skip,
    /// Refuse the run.
    Refuse,
}
