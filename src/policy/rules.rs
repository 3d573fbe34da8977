//! A policy: an organisation's rules, some of which may be lifted, and how two policies combine.

use std::collections::BTreeSet;

use super::limits::Limits;
use super::rule::Rule;

/// A policy, or several that hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// What holds whatever the operator says.
    pub firm: Limits,
    /// What holds unless the operator lifts the rule.
    pub liftable: Limits,
}

/// Whether a rule can be lifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liftable {
    /// No policy has the rule.
    NoRule,
    /// No: each policy that has the rule insists on it.
    No,
    /// Yes, but another policy has the rule, too, and insists on it.
    InPart,
    /// Yes.
    Yes,
}

impl Rules {
    /// Both together: of two rules the stricter holds, and only what each of the two lets be lifted can be lifted.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        Self { firm: self.firm.join(&other.firm), liftable: self.liftable.join(&other.liftable) }
    }

    /// What holds once the operator has lifted these rules, as far as they can be.
    #[must_use]
    pub fn in_force(&self, lifted: &BTreeSet<Rule>) -> Limits {
        let rest = lifted.iter().fold(self.liftable.clone(), |rest, rule| rest.without(*rule));
        self.firm.join(&rest)
    }

    /// Whether `rule` can be lifted.
    #[must_use]
    pub fn liftable(&self, rule: Rule) -> Liftable {
        match (self.firm.has(rule), self.liftable.has(rule)) {
            (false, false) => Liftable::NoRule,
            (true, false) => Liftable::No,
            (true, true) => Liftable::InPart,
            (false, true) => Liftable::Yes,
        }
    }
}

#[cfg(test)]
mod tests;
