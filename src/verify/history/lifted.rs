//! The safety rules that a run lifts: its settings, its entries and its rows must say the same.

use super::super::claims::{Line, hash};
use super::trouble::Trouble;
use crate::record::event::{OverrideUsed, SessionOpened};

/// Each rule: the setting that lifts it, and the word of the entry that says so.
const RULES: [(&str, &str); 3] =
    [("skip_invalid", "skip-invalid"), ("allow_default_key_pair", "allow-default-key-pair"), ("again", "again")];
const SKIP_INVALID: usize = 0;
const DEFAULT_KEY_PAIR: usize = 1;
const AGAIN: usize = 2;

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
    /// Whether a run of the same manifest was finished at the same place before.
    pub(super) is_repeated: bool,
}

impl Lifted {
    pub(super) fn ordered_by(opened: &SessionOpened) -> Self {
        let ordered = RULES.map(|(setting, _)| opened.settings.get(setting).is_some_and(|value| value == "true"));
        let (by, why) = (hash(&opened.user), opened.reason.as_deref().map(hash));
        Self { ordered, by, why, ..Self::default() }
    }

    /// An entry says that a rule was lifted.
    pub(super) fn lift(&mut self, used: &OverrideUsed) -> Result<(), Trouble> {
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

    /// A row of the plan: if it is there only because a rule was lifted, an entry says that it was.
    pub(super) fn allow(&self, line: &Line) -> Result<(), Trouble> {
        for (rule, calls_for) in [(SKIP_INVALID, line.skips_invalid), (DEFAULT_KEY_PAIR, line.is_default)] {
            if calls_for && !self.used[rule] {
                let word = RULES[rule].1;
                return Err(Trouble::Illegal(format!("it calls for {word}, and no entry says that it was used")));
            }
        }
        Ok(())
    }

    /// The plan begins: what was ordered was recorded, and nothing else.
    pub(super) fn check(&self) -> Result<(), Trouble> {
        if self.is_repeated && !self.ordered[AGAIN] {
            return Err("a run of this manifest is finished, and its session does not say that it runs it again".into());
        }
        for (rule, (setting, word)) in RULES.into_iter().enumerate() {
            let due = self.ordered[rule] && (rule != AGAIN || self.is_repeated);
            if self.used[rule] == due {
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
