//! What is said of the runs of which something was demanded.

use serde::Serialize;

/// So many violations of a run are told one by one.
const MOST: usize = 20;

/// A real run that was started, and what it lacks of what was demanded. Fields are only ever added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RunDemands {
    /// Its id.
    pub run: String,
    /// SHA-256 of the policy that it is bound to, in hexadecimal.
    pub policy_sha256: Option<String>,
    /// SHA-256 of the policy of the machine that it was begun on.
    pub machine_policy_sha256: Option<String>,
    /// How often it lacks something.
    pub violation_count: u64,
    /// The first of these.
    pub violations: Vec<Violation>,
    /// The rules that its operator lifted.
    pub overridden: Vec<Overridden>,
    /// What the journal does not show of it.
    pub not_judged: Vec<NotJudged>,
}

/// Something that a run lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The rule of the policy, or `policy` where the run is under none that was brought.
    pub rule: &'static str,
    /// The entry that shows it.
    pub seq: u64,
    /// The row that it is about, if it is about one.
    pub row: Option<u64>,
    /// One sentence.
    pub detail: String,
}

/// A rule that an operator lifted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overridden {
    /// The rule.
    pub rule: String,
    /// The user.
    pub by: String,
    /// The reason.
    pub why: Option<String>,
    /// Whether a policy that was brought permits it. If none does, the rule is judged all the same.
    pub permitted: bool,
}

/// A rule that cannot be judged from the journal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NotJudged {
    /// The rule.
    pub rule: &'static str,
    /// Why not.
    pub why: String,
}

impl RunDemands {
    /// Whether it lacks nothing that could be judged.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.violation_count == 0
    }

    pub(super) fn violated(&mut self, rule: &'static str, seq: u64, row: Option<u64>, detail: impl Into<String>) {
        let detail = detail.into();
        // Each session of a run is judged: what all of them lack is told once.
        if self.violations.iter().any(|told| (told.rule, told.row, &told.detail) == (rule, row, &detail)) {
            return;
        }
        self.violation_count += 1;
        if self.violations.len() < MOST {
            self.violations.push(Violation { rule, seq, row, detail });
        }
    }

    pub(super) fn not_judged(&mut self, rule: &'static str, why: impl Into<String>) {
        let one = NotJudged { rule, why: why.into() };
        if !self.not_judged.contains(&one) && self.not_judged.len() < MOST {
            self.not_judged.push(one);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_session_of_a_run_lacks_is_told_once() {
        let mut told = RunDemands::default();
        for seq in [7, 19, 31] {
            told.violated("approvals", seq, None, "1 of 2 approvals count");
        }
        told.violated("approvals", 31, None, "0 of 2 approvals count");
        told.violated("protected_names", 5, Some(1), "it is protected");
        told.violated("protected_names", 6, Some(2), "it is protected");
        assert_eq!((told.violation_count, told.violations.len()), (4, 4));
        assert_eq!(told.violations[0].seq, 7, "where it was first seen");
    }
}
