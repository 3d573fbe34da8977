//! A run's plan, once it is complete: its seal is that of the lines before it, and its header is of the run's manifest, accounts and
//! endpoint.

use super::super::approvals::Approvals;
use super::super::trouble::Trouble;
use super::{Run, root, same};
use crate::domain::{RunId, parse_time};
use crate::record::event::PlanSealed;
use crate::record::plan::{ACTION, PLAN_SCHEMA, PlanHeader, TargetVerdicts};
use crate::verify::claims;

impl Run {
    pub(super) fn seal(&mut self, sealed: &PlanSealed) -> Result<(), Trouble> {
        if self.sealed.is_some() {
            return Err("the plan is sealed already".into());
        }
        self.lifted.check()?;
        let PlanSealed { header, seal, targets } = sealed;
        self.judge_header(header)?;
        let computed =
            std::mem::take(&mut self.sealing).seal(header).map_err(|error| Trouble::Illegal(error.to_string()))?;
        same("rows", seal.rows, computed.rows)?;
        same("deletes", seal.deletes(), computed.deletes())?;
        same("skips", seal.skips(), computed.skips())?;
        same("absents", seal.absents(), computed.absents())?;
        root("the plan", &computed.root, &seal.root)?;
        root("the plan's rows", &computed.rows_root, &seal.rows_root)?;
        if *seal != computed {
            return Err("its seal is not the one of the lines before it".into());
        }
        let is_read = |target: &TargetVerdicts| {
            targets.iter().any(|read| read.account == target.account && read.region == target.region)
        };
        if computed.targets.iter().any(|target| target.deletes > 0 && !is_read(target)) {
            return Err("it deletes in a target that was not read".into());
        }
        self.plan = Some(claims::hash(&format!("plan {}", header.plan_id)));
        self.expires_at = match &header.expires_at {
            Some(end) => Some(parse_time(end).ok_or("the end of its plan's life is no time")?),
            None => None,
        };
        self.approvals = Approvals::of(header, seal);
        self.sealed = Some(computed.root);
        // Of a plan's file, a target may have only rows that need no look at it.
        let of_rows = computed.targets.iter().map(|target| (target.account.clone(), target.region.clone()));
        self.targets = targets.iter().map(|target| (target.account.clone(), target.region.clone())).collect();
        self.targets.extend(of_rows);
        Ok(())
    }

    /// The header is of this run's manifest, account and endpoint.
    fn judge_header(&self, header: &PlanHeader) -> Result<(), Trouble> {
        if (header.schema.as_str(), header.action.as_str()) != (PLAN_SCHEMA, ACTION) {
            return Err("its header is not one of a plan of deletions".into());
        }
        if RunId::written(&header.plan_id).is_none() {
            return Err("its plan's id is not one as it is written".into());
        }
        if self.of_file && header.expires_at.is_none() {
            return Err("a row differs from its line, although the plan was made by its own run".into());
        }
        let Some(manifest) = &self.manifest else { return Err("the manifest was not read yet".into()) };
        same("rows of the manifest", manifest.rows, self.rows)?;
        if header.manifest != *manifest {
            return Err("its header names another manifest than its run's".into());
        }
        self.lifted.check_policy(header)?;
        self.lifted.check_again(header)?;
        let Some(bound) = &self.bound else { return Ok(()) };
        if bound.endpoint.as_ref().is_some_and(|endpoint| *endpoint != header.endpoint) {
            return Err("its header names another endpoint than its run's".into());
        }
        if bound.account.is_some() && !header.callers.iter().map(|caller| &caller.account).eq(&self.accounts) {
            return Err("its header does not name a caller of each of its run's accounts".into());
        }
        Ok(())
    }
}
