//! A plan that is shown before it is recorded, so that one that is declined leaves nothing of its rows in the journal.

use std::collections::BTreeMap;

use super::{Plan, PlanError, Planner};
use crate::journal::stage::Stage;
use crate::lightsail::Lightsail;
use crate::record::event::{PlanSealed, TargetInventory};

impl<L: Lightsail> Planner<L> {
    /// Observes all targets and judges each row of `stage`, and records no intent. The plan has no root yet.
    ///
    /// # Errors
    /// As [`PlanError`] says; nothing but reads was sent.
    pub async fn draft(&self, stage: &mut Stage) -> Result<Plan, PlanError> {
        let mut targets = self.observe_all(stage).await?;
        let mut plan = Plan::empty();
        let mut page = self.intents(stage, 0).await?;
        while let Some((after, _)) = page.last() {
            let after = *after;
            for (row, intent) in &page {
                plan.count(*row, intent, &mut targets);
            }
            page = self.intents(stage, after).await?;
        }
        plan.sealed.targets = targets;
        // Before the confirmation: what may not be read may not be deleted either.
        self.probe_first(&plan).await?;
        Ok(plan)
    }

    /// Records the intents of a [drafted](Self::draft) plan that was confirmed, and seals it: the rows of `stage` are judged once
    /// more by what was observed then, so the plan is the same.
    ///
    /// # Errors
    /// As [`PlanError`] says; nothing but reads was sent.
    pub async fn seal(&self, stage: &mut Stage, drafted: &Plan) -> Result<Plan, PlanError> {
        let unjudged = |target: &TargetInventory| TargetInventory { deletes: 0, ..target.clone() };
        let plan = self.record(stage, drafted.sealed.targets.iter().map(unjudged).collect()).await?;
        let confirmed = PlanSealed { plan_root: plan.sealed.plan_root.clone(), ..drafted.sealed.clone() };
        if plan.sealed != confirmed {
            return Err(PlanError::Changed);
        }
        Ok(plan)
    }
}

impl Plan {
    pub(super) fn empty() -> Self {
        Self {
            sealed: PlanSealed {
                plan_root: String::new(),
                rows: 0,
                deletes: 0,
                skips: 0,
                absents: 0,
                targets: Vec::new(),
            },
            first: Vec::new(),
            notes: Vec::new(),
            note_counts: BTreeMap::new(),
            recreated: Vec::new(),
            there: BTreeMap::new(),
        }
    }
}
