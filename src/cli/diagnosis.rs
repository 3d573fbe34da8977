//! What a check of `doctor` finds.

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Health {
    /// As it should be.
    Good,
    /// Worth knowing.
    Note,
    /// A run cannot succeed.
    Bad,
}

/// One line of `doctor`.
#[derive(Debug)]
pub(super) struct Diagnosis {
    pub(super) check: &'static str,
    pub(super) health: Health,
    pub(super) text: String,
}

pub(super) fn diagnosis(check: &'static str, health: Health, text: impl Into<String>) -> Diagnosis {
    Diagnosis { check, health, text: text.into() }
}
