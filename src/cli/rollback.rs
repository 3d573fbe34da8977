//! What the operator says about a journal that lost entries.

use clap::builder::NonEmptyStringValueParser;

use crate::session::order::Rollback;

/// What the operator says about a journal that lost entries.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct RollbackOptions {
    /// Continue with a journal that lost entries; each row without an outcome is read before anything is sent
    #[arg(long, requires = "because", group = "lifting")]
    pub(super) accept_rollback: bool,
    /// Reason, for the journal; required by what lifts a safety rule for once
    #[arg(long, value_name = "TEXT", requires = "lifting", value_parser = NonEmptyStringValueParser::new())]
    pub(super) because: Option<String>,
}

impl RollbackOptions {
    /// The order that they stand for.
    pub(super) fn order(&self) -> Rollback {
        Rollback { accept: self.accept_rollback, because: self.because.clone() }
    }
}
