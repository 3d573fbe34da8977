//! The safety rules that a run lifts, its policy's among them: its settings, its entries and its rows must say the same.

use std::collections::BTreeSet;

use super::super::claims::{Line, hash};
use super::trouble::Trouble;
use crate::record::event::{OverrideUsed, SessionOpened};
use crate::record::plan::PlanHeader;

/// Each rule: the setting that lifts it, and the word of the entry that says so.
const RULES: [(&str, &str); 3] =
    [("skip_invalid", "skip-invalid"), ("allow_default_key_pair", "allow-default-key-pair"), ("again", "again")];
const SKIP_INVALID: usize = 0;
const DEFAULT_KEY_PAIR: usize = 1;
const AGAIN: usize = 2;

/// The settings that name the lifted rules of a policy, and why.
const OF_A_POLICY: (&str, &str) = ("override", "override_because");

/// What the word of an entry begins with where it is a policy's rule.
const POLICY: &str = "policy.";

/// What a run lifts.
#[derive(Debug, Default)]
pub(super) struct Lifted {
    /// By the settings of the session that began the run.
    ordered: [bool; 3],
    /// By entries.
    used: [bool; 3],
    /// Hashes of that session's user and reason, which the entries repeat.
    by: u64,
    why: Option<u64>,
    /// SHA-256 of the policy that the run is bound to.
    policy: Option<String>,
    /// Whether the session has a policy.
    has_policy: bool,
    /// Whether a row has notes that only a policy calls for.
    is_by_policy: bool,
    /// The rules of it that are lifted by its settings, and that no entry names yet.
    of_policy: BTreeSet<String>,
    /// Hash of the reason for that.
    because: Option<u64>,
    /// Whether a run of the same manifest was finished at the same place before.
    pub(super) is_repeated: bool,
    /// Whether one may have been in the archived journal that this one continues.
    continues: bool,
}

impl Lifted {
    /// By the session that began the run; `continues` where the journal continues an archived one.
    pub(super) fn ordered_by(opened: &SessionOpened, continues: bool) -> Self {
        let ordered = RULES.map(|(setting, _)| opened.settings.get(setting).is_some_and(|value| value == "true"));
        let (by, why) = (hash(&opened.user), opened.reason.as_deref().map(hash));
        let named = opened.settings.get(OF_A_POLICY.0).into_iter().flat_map(|rules| rules.split(','));
        Self {
            ordered,
            by,
            why,
            has_policy: opened.policy_sha256.is_some() || opened.machine_policy_sha256.is_some(),
            policy: opened.policy_sha256.clone(),
            of_policy: named.map(str::to_owned).collect(),
            because: opened.settings.get(OF_A_POLICY.1).map(|because| hash(because)),
            continues,
            ..Self::default()
        }
    }

    /// An entry says that a rule was lifted.
    pub(super) fn lift(&mut self, used: &OverrideUsed) -> Result<(), Trouble> {
        if let Some(rule) = used.which.strip_prefix(POLICY) {
            return self.lift_of_policy(rule, used);
        }
        let Some(rule) = RULES.iter().position(|(_, word)| *word == used.which) else {
            return Err(Trouble::Illegal(format!("{:?} is not a rule that can be lifted", used.which)));
        };
        if std::mem::replace(&mut self.used[rule], true) {
            return Err("it lifts a rule that was lifted already".into());
        }
        if self.by != hash(&used.by) || self.why != used.why.as_deref().map(hash) || !used.lost.is_empty() {
            return Err("it is not by the user, or for the reason, of its session".into());
        }
        Ok(())
    }

    fn lift_of_policy(&mut self, rule: &str, used: &OverrideUsed) -> Result<(), Trouble> {
        if !self.has_policy {
            return Err("it lifts a rule of a policy, and its session has none".into());
        }
        if !self.of_policy.remove(rule) {
            return Err("it lifts a rule of the policy that its session does not lift, or lifted already".into());
        }
        let why = used.why.as_deref().map(hash);
        if self.by != hash(&used.by) || why.is_none() || self.because != why || !used.lost.is_empty() {
            return Err("it is not by the user, or for the reason, of its session".into());
        }
        Ok(())
    }

    /// A row of the plan: if it is there only because a rule was lifted, an entry says that it was.
    pub(super) fn allow(&mut self, line: &Line) -> Result<(), Trouble> {
        self.is_by_policy |= line.is_by_policy;
        for (rule, calls_for) in [(SKIP_INVALID, line.skips_invalid), (DEFAULT_KEY_PAIR, line.is_default)] {
            if calls_for && !self.used[rule] {
                let word = RULES[rule].1;
                return Err(Trouble::Illegal(format!("it calls for {word}, and no entry says that it was used")));
            }
        }
        Ok(())
    }

    /// The plan is complete, under its session's policy. Only a policy calls for some notes; those of a plan's file, which alone
    /// has an end, are of the machine that it was made on.
    pub(super) fn check_policy(&self, header: &PlanHeader) -> Result<(), Trouble> {
        if header.policy_sha256 != self.policy {
            return Err("its header names another policy than its run's".into());
        }
        if self.is_by_policy && !self.has_policy && header.expires_at.is_none() {
            return Err("some of its rows have the notes of a policy, and its session has none".into());
        }
        Ok(())
    }

    /// The plan is complete: a manifest that was run before is not run again in silence. A plan's file is no repetition: it was reviewed
    /// by itself, and its id is used once.
    pub(super) fn check_again(&self, header: &PlanHeader) -> Result<(), Trouble> {
        if self.is_repeated && !self.ordered[AGAIN] && header.expires_at.is_none() {
            return Err("a run of this manifest is finished, and its session does not say that it runs it again".into());
        }
        Ok(())
    }

    /// Whether a session is bound to the same policy. One that gives the run up deletes nothing, and needs none.
    pub(super) fn is_under_the_policy_of(&self, opened: &SessionOpened) -> bool {
        opened.command == "abandon" || opened.policy_sha256 == self.policy
    }

    /// The plan begins: what was ordered was recorded, and nothing else.
    pub(super) fn check(&self) -> Result<(), Trouble> {
        if let Some(rule) = self.of_policy.first() {
            return Err(Trouble::Illegal(format!(
                "its session lifts the policy's rule {rule:?}, and no entry says so"
            )));
        }
        for (rule, (setting, word)) in RULES.into_iter().enumerate() {
            let due = self.ordered[rule] && (rule != AGAIN || self.is_repeated);
            let is_unknown = rule == AGAIN && self.continues && self.ordered[rule];
            if self.used[rule] == due || is_unknown {
                continue;
            }
            return Err(Trouble::Illegal(if due {
                format!("its session has the setting {setting}, but no entry says that {word} was used")
            } else {
                format!("an entry says that {word} was used, but nothing in the run calls for it")
            }));
        }
        Ok(())
    }
}
