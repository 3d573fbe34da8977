//! The arguments of `run`.

use std::path::PathBuf;

use crate::cli::Context;
use crate::cli::again::AgainArgs;
use crate::cli::amount::count;
use crate::cli::options::{CanaryOptions, SessionOptions};
use crate::cli::rollback::RollbackOptions;
use crate::cli::subject::SubjectOptions;
use crate::session::order::{Confirmation, RunOrder};

/// Delete the key pairs listed in a manifest
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// CSV file of key pairs; - reads standard input
    #[arg(value_name = "MANIFEST")]
    pub(super) manifest: PathBuf,
    /// Do not ask for confirmation
    #[arg(short, long, conflicts_with = "confirm")]
    pub(super) yes: bool,
    /// Do not ask for confirmation, but refuse the plan unless it deletes exactly N key pairs
    #[arg(long, value_name = "N", value_parser = count)]
    pub(super) confirm: Option<u64>,
    /// Show the plan; send only read requests
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(super) subject: SubjectOptions,
    #[command(flatten)]
    pub(super) again: AgainArgs,
    #[command(flatten)]
    pub(super) rollback: RollbackOptions,
    #[command(flatten)]
    pub(super) canary: CanaryOptions,
    #[command(flatten)]
    pub(super) options: SessionOptions,
}

impl Args {
    /// How the plan is to be confirmed.
    pub(super) fn confirmation(&self, context: &Context) -> Confirmation {
        let possible = context.environment.stdin_is_terminal && self.manifest.as_os_str() != "-";
        match (self.confirm, self.yes) {
            (Some(deletes), _) => Confirmation::Exactly(deletes),
            (None, true) => Confirmation::Yes,
            (None, false) => Confirmation::Ask { possible },
        }
    }

    /// The order that they stand for.
    pub(super) fn order(&self, context: &Context) -> RunOrder {
        RunOrder {
            order: self.options.order(context, self.rollback.order()),
            subject: self.subject.of(&self.manifest),
            repeat: self.again.repeat(),
            confirmation: self.confirmation(context),
        }
    }
}
