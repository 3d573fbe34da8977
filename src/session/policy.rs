//! The policy of a session: what it forbids, where that comes from, and which of its rules the operator lifts.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{Refusal, Sent, SessionError};
use crate::policy::finding::without_approvals;
use crate::policy::limits::Limits;
use crate::policy::{Liftable, Rule, Rules};
use crate::record::event::OverrideUsed;

/// The policy of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Its rules.
    pub rules: Rules,
    /// What it forbids, without what is lifted.
    pub limits: Limits,
    /// SHA-256 of the file that the operator named, in hexadecimal: a run is bound to it.
    pub sha256: Option<String>,
    /// SHA-256 of the machine's own policy, in hexadecimal: it binds nothing, since each machine has its own.
    pub machine_sha256: Option<String>,
    /// The rules that are lifted.
    pub lifted: BTreeSet<Rule>,
    /// Why they are.
    pub because: Option<String>,
}

/// The settings that say which rules are lifted, and why.
const OVERRIDE: (&str, &str) = ("override", "override_because");

impl Policy {
    /// This policy where a plan with these settings is executed: what was lifted when it was made is lifted, as far as that is
    /// permitted here.
    #[must_use]
    pub(super) fn of_plan(&self, settings: &BTreeMap<String, String>) -> Self {
        let named = settings.get(OVERRIDE.0).into_iter().flat_map(|rules| rules.split(',')).filter_map(Rule::of);
        let lifted: BTreeSet<Rule> =
            named.filter(|rule| matches!(self.rules.liftable(*rule), Liftable::Yes | Liftable::InPart)).collect();
        let because = settings.get(OVERRIDE.1).filter(|_| !lifted.is_empty()).cloned();
        Self { limits: self.rules.in_force(&lifted), lifted, because, ..self.clone() }
    }

    /// Refuses to execute a plan that was made under another policy.
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn refuse_plan_of_another(&self, made_under: Option<&str>) -> Result<(), SessionError> {
        if self.sha256.as_deref() == made_under {
            return Ok(());
        }
        let (expected, found) = (name(made_under), name(self.sha256.as_deref()));
        Err(SessionError::new(Refusal::PlanBound { what: "policy", expected, found }).sent(Sent::Nothing))
    }

    /// The settings that say which rules are lifted, and why, if any is.
    pub(super) fn named(&self) -> Vec<(&'static str, String)> {
        if self.lifted.is_empty() {
            return Vec::new();
        }
        let lifted: Vec<_> = self.lifted.iter().map(|rule| rule.as_str()).collect();
        let because = self.because.iter().map(|because| (OVERRIDE.1, because.clone()));
        because.chain([(OVERRIDE.0, lifted.join(","))]).collect()
    }

    /// What is recorded about the rules that are lifted, by that user.
    pub(super) fn overrides(&self, by: &str) -> Vec<OverrideUsed> {
        let entry = |rule: &Rule| OverrideUsed {
            which: format!("policy.{rule}"),
            by: by.to_owned(),
            why: self.because.clone(),
            lost: Vec::new(),
        };
        self.lifted.iter().map(entry).collect()
    }

    /// Refuses to run a manifest directly if its plan needs approvals.
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn refuse_unapproved(&self) -> Result<(), SessionError> {
        match without_approvals(&self.limits) {
            Some(finding) => Err(SessionError::new(Refusal::Policy(finding)).sent(Sent::Nothing)),
            None => Ok(()),
        }
    }

    /// Refuses to continue a run that was planned under another policy (I11).
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn refuse_another(&self, planned_under: Option<&str>) -> Result<(), SessionError> {
        if self.sha256.as_deref() == planned_under {
            return Ok(());
        }
        let (expected, found) = (name(planned_under), name(self.sha256.as_deref()));
        Err(SessionError::new(Refusal::PolicyBound { expected, found }).sent(Sent::Nothing))
    }
}

/// A policy by its digest, for people.
fn name(sha256: Option<&str>) -> String {
    sha256.map_or_else(|| "(none)".to_owned(), |sha256| format!("of SHA-256 {sha256}"))
}
