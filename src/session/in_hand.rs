//! A plan's file that is executed.

use crate::record::plan::{PlanHeader, PlanSeal};

/// A plan that was made before.
#[derive(Debug, Clone)]
pub struct InHand {
    /// Its first line.
    pub header: PlanHeader,
    /// Its last line.
    pub seal: PlanSeal,
    /// What to do if rows have changed since.
    pub on_drift: OnDrift,
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
