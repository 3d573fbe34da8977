//! What is to be done about key pairs in use.

/// What is to be done about key pairs that instances were made with; a later one is stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum IfInUse {
    /// Warn and continue.
    #[default]
    Warn,
    /// Skip those rows.
    Skip,
    /// Refuse the whole plan.
    Refuse,
}

impl IfInUse {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Skip => "skip",
            Self::Refuse => "refuse",
        }
    }
}
