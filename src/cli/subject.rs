//! What decides which key pairs a plan deletes: the options that `plan` and `run` share.

use std::path::{Path, PathBuf};

use super::again::Recreated;
use crate::policy::guard::IfInUse;
use crate::session::order::Subject;

/// What decides which key pairs a plan deletes.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct SubjectOptions {
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
    /// Keep annotations out of the plan and the journal, which keep everything forever
    #[arg(long, env = "KEYBATCH_WITHOUT_ANNOTATIONS")]
    pub(super) without_annotations: bool,
    /// Allow rows that name the default key pair
    #[arg(long, env = "KEYBATCH_ALLOW_DEFAULT_KEY_PAIR")]
    pub(super) allow_default_key_pair: bool,
    /// What to do with key pairs that instances were created with
    #[arg(long, env = "KEYBATCH_IF_IN_USE", value_name = "WHAT", default_value = "warn")]
    pub(super) if_in_use: InUse,
    /// What to do with key pairs that were re-created since a run of another manifest
    #[arg(long, env = "KEYBATCH_IF_RECREATED", value_name = "WHAT", default_value = "warn")]
    pub(super) if_recreated: Recreated,
}

/// What to do about key pairs in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum InUse {
    /// Warn and continue
    #[default]
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

impl SubjectOptions {
    /// The manifest at `path`, with these options.
    pub(super) fn of(&self, path: &Path) -> Subject {
        Subject {
            manifest: path.display().to_string(),
            sandbox: self.sandbox.is_some(),
            skip_invalid: self.skip_invalid,
            annotations: self.annotation.clone(),
            allow_default_key_pair: self.allow_default_key_pair,
            if_in_use: self.if_in_use.into(),
            if_recreated: self.if_recreated.into(),
            without_annotations: self.without_annotations,
            selection: None,
        }
    }
}
