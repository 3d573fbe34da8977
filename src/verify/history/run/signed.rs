//! Signatures over a run's plan: where they may stand.

use super::super::session::Session;
use super::super::trouble::Trouble;
use super::Run;
use crate::record::approval::Role;
use crate::record::event::{Event, PlanSigned};

impl Run {
    /// Somebody signed the plan. Before its run is started all of them do; a later session signs for itself.
    pub(super) fn show_approved(&mut self, event: &Event) -> Result<(), Trouble> {
        if self.sealed.is_none() {
            return Err("a plan is signed after it is sealed".into());
        }
        match event {
            Event::PlanApproved(_) if self.started => Err("a plan is approved before its run is started".into()),
            Event::PlanApproved(approved) => self.approvals.add(approved),
            Event::PlanSigned(signed) if self.started && signed.role == Role::Maker => {
                Err("its maker signs a plan before its run is started".into())
            }
            Event::PlanSigned(signed) => self.approvals.sign(signed),
            _ => Ok(()),
        }
    }
}

impl Session {
    /// It signs the plan once, before anything else, with the key that its settings name.
    pub(in super::super) fn sign(&mut self, signed: &PlanSigned) -> Result<(), Trouble> {
        if self.is_signed || self.asked > 0 {
            return Err("its session signs the plan once, before its first request".into());
        }
        if self.sign_key.as_ref() != Some(&signed.key) {
            return Err("its session does not sign with that key".into());
        }
        self.is_signed = true;
        Ok(())
    }
}
