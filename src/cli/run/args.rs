//! The arguments of `run`.

use std::path::PathBuf;

use crate::cli::Context;
use crate::cli::again::AgainArgs;
use crate::cli::amount::count;
use crate::cli::options::SessionOptions;
use crate::cli::rollback::RollbackOptions;
use crate::policy::guard::IfInUse;
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
    /// Rehearse against the built-in look-alike; without WORLD, it holds the key pairs that the manifest names
    #[arg(long, value_name = "WORLD", num_args = 0..=1, require_equals = true)]
    #[expect(clippy::option_option, reason = "clap's form of an option whose value may be left out")]
    pub(super) sandbox: Option<Option<PathBuf>>,
    /// Region for rows that name none [default: from the AWS configuration]
    #[arg(long, env = "KEYBATCH_REGION", value_name = "REGION")]
    pub(super) region: Option<String>,
    /// Skip invalid rows instead of refusing the manifest
    #[arg(long, env = "KEYBATCH_SKIP_INVALID")]
    pub(super) skip_invalid: bool,
    /// Treat COLUMN as an annotation even if its name or values look like a condition; may be repeated
    #[arg(long, env = "KEYBATCH_ANNOTATION", value_name = "COLUMN")]
    pub(super) annotation: Vec<String>,
    /// Allow rows that name the default key pair
    #[arg(long, env = "KEYBATCH_ALLOW_DEFAULT_KEY_PAIR")]
    pub(super) allow_default_key_pair: bool,
    /// What to do with key pairs that instances were created with
    #[arg(long, env = "KEYBATCH_IF_IN_USE", value_name = "WHAT", default_value = "warn")]
    pub(super) if_in_use: InUse,
    #[command(flatten)]
    pub(super) again: AgainArgs,
    #[command(flatten)]
    pub(super) rollback: RollbackOptions,
    #[command(flatten)]
    pub(super) options: SessionOptions,
}

/// What to do about key pairs in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum InUse {
    /// Warn and continue
    Warn,
    /// Skip them
    Skip,
    /// Refuse the plan
    Refuse,
}

impl From<InUse> for IfInUse {
    fn from(in_use: InUse) -> Self {
        match in_use {
            InUse::Warn => Self::Warn,
            InUse::Skip => Self::Skip,
            InUse::Refuse => Self::Refuse,
        }
    }
}

impl Args {
    /// The order that they stand for. The run is recorded in the journal at `journal`.
    pub(super) fn order(&self, context: &Context, journal: PathBuf) -> RunOrder {
        let possible = context.environment.stdin_is_terminal && self.manifest.as_os_str() != "-";
        let confirmation = match (self.confirm, self.yes) {
            (Some(deletes), _) => Confirmation::Exactly(deletes),
            (None, true) => Confirmation::Yes,
            (None, false) => Confirmation::Ask { possible },
        };
        RunOrder {
            order: self.options.order(context, self.rollback.order()),
            manifest: self.manifest.display().to_string(),
            journal,
            dry_run: self.dry_run,
            sandbox: self.sandbox.is_some(),
            skip_invalid: self.skip_invalid,
            annotations: self.annotation.clone(),
            allow_default_key_pair: self.allow_default_key_pair,
            if_in_use: self.if_in_use.into(),
            if_recreated: self.again.if_recreated.into(),
            repeat: self.again.repeat(),
            confirmation,
        }
    }
}
