//! A plan that is shown before it is recorded, so that one that is declined leaves nothing of its rows in the journal.

use super::observe::Inventory;
use super::{Making, Plan, PlanError, Planner};
use crate::journal::stage::Stage;
use crate::lightsail::Lightsail;
use crate::record::merkle::Hash;
use crate::record::plan::PlanRow;

impl<L: Lightsail> Planner<L> {
    /// Observes all targets and judges each row of `stage`, and records no intent. Each line goes to `leaf`, which returns its hash.
    ///
    /// # Errors
    /// As [`PlanError`] says; nothing but reads was sent.
    pub async fn draft(
        &self,
        stage: &mut Stage,
        mut leaf: impl FnMut(&PlanRow) -> Result<Hash, PlanError>,
    ) -> Result<Plan, PlanError> {
        let inventory = self.observe_all(stage).await?;
        let mut making = Making::default();
        let mut page = self.lines(stage, 0).await?;
        while let Some(last) = page.last() {
            let after = last.line.row;
            page.iter().try_for_each(|judged| leaf(&judged.line).map(|leaf| making.add(judged, leaf)))?;
            page = self.lines(stage, after).await?;
        }
        let plan = making.seal(&self.header, inventory)?;
        // Before the confirmation: what may not be read may not be deleted either.
        self.probe_first(&plan).await?;
        Ok(plan)
    }

    /// Records the intents of a [drafted](Self::draft) plan that was confirmed, and seals it: the rows of `stage` are judged once
    /// more by what was observed then, so the plan is the same, to the byte.
    ///
    /// # Errors
    /// As [`PlanError`] says; nothing but reads was sent.
    pub async fn seal(&self, stage: &mut Stage, drafted: &Plan) -> Result<Plan, PlanError> {
        let inventory = Inventory { targets: drafted.sealed.targets.clone(), readings: drafted.readings.clone() };
        let plan = self.record(stage, inventory).await?;
        if plan.sealed != drafted.sealed {
            return Err(PlanError::Changed);
        }
        Ok(plan)
    }
}
