//! What refuses a plan before any of it is recorded: what guards note about a row, and what a policy says of the whole.

use std::collections::BTreeMap;

use super::making::Judged;
use super::shown::SHOWN;
use super::{PAGE, PlanError, Planner};
use crate::domain::Target;
use crate::journal::stage::{Refusing, Stage};
use crate::lightsail::Lightsail;
use crate::policy::finding::{TargetSum, Whole, findings};
use crate::policy::guard::{self, IfInUse};
use crate::policy::limits::Limits;
use crate::policy::recreated::IfRecreated;
use crate::record::event::TargetInventory;
use crate::record::plan::{Note, Severity, Verdict};

/// What was found so far.
#[derive(Debug, Default)]
struct Found {
    /// Rows that refuse the plan.
    count: u64,
    /// The first of them.
    notes: Vec<(u64, String, Note)>,
    /// Rows to delete in each target.
    deletes: BTreeMap<(String, String), u64>,
}

impl Found {
    fn take(&mut self, judged: &Judged, skip_invalid: bool) {
        let line = &judged.line;
        if judged.verdict() == Verdict::Delete {
            *self.deletes.entry((line.account.clone(), line.region.clone())).or_default() += 1;
        }
        let refuses =
            |note: &&Note| note.severity == Severity::Refuse && !(skip_invalid && note.kind == guard::OTHER_ACCOUNT);
        if let Some(note) = judged.notes().iter().find(refuses) {
            self.count += 1;
            if self.notes.len() < SHOWN {
                self.notes.push((line.row, line.name.clone(), note.clone()));
            }
        }
    }

    fn sum(&self, inventory: &TargetInventory) -> TargetSum {
        let TargetInventory { account, region, key_pairs, .. } = inventory.clone();
        let deletes = self.deletes.get(&(account.clone(), region.clone())).copied().unwrap_or_default();
        TargetSum { target: Target { account, region }, deletes, key_pairs }
    }
}

impl<L: Lightsail> Planner<L> {
    /// Refuses the plan before any of it is recorded, where a guard or the policy does: for everything at once.
    pub(super) async fn refuse(&self, stage: &mut Stage, inventory: &[TargetInventory]) -> Result<(), PlanError> {
        // Without a policy few rows can refuse a plan, and the database knows which.
        let is_free = self.limits == Limits::default();
        let (mut found, mut after) = (Found::default(), 0);
        loop {
            let (in_use, known) = (self.if_in_use == IfInUse::Refuse, self.if_recreated == IfRecreated::Refuse);
            let page = if is_free {
                stage.suspects(after, PAGE, Refusing { in_use, known }).await?
            } else {
                stage.joined(after, PAGE).await?
            };
            let Some(last) = page.last() else { break };
            after = last.row;
            page.into_iter().for_each(|joined| found.take(&self.judge(joined), self.skip_invalid));
        }
        let sums: Vec<_> = inventory.iter().map(|inventory| found.sum(inventory)).collect();
        let findings = findings(&self.limits, &Whole { endpoint: &self.header.endpoint, targets: &sums });
        let Found { count, notes, .. } = found;
        if count > 0 || !findings.is_empty() { Err(PlanError::Refused { count, notes, findings }) } else { Ok(()) }
    }
}
