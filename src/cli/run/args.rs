//! The arguments of `run`.

use std::path::{Path, PathBuf};

use crate::cli::Context;
use crate::cli::again::AgainArgs;
use crate::cli::amount::{count, count_between};
use crate::cli::approve::{Gathered, gather};
use crate::cli::metrics::MetricsOptions;
use crate::cli::options::{AnchorOptions, CanaryOptions, SessionOptions};
use crate::cli::policy::{OverrideOptions, PolicyOptions};
use crate::cli::rollback::RollbackOptions;
use crate::cli::selection::SelectionOptions;
use crate::cli::signers;
use crate::cli::subject::SubjectOptions;
use crate::cli::summary_to::SummaryOptions;
use crate::cli::{CliError, Code, Exit, Sent};
use crate::record::approval::MOST_APPROVALS;
use crate::session::Policy;
use crate::session::order::{Approvals, Confirmation, OnDrift, RunOrder, RunPlanOrder};

/// Delete the key pairs listed in a manifest, or those of a plan
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// CSV file of key pairs, or a plan's file; - reads CSV from standard input
    #[arg(value_name = "MANIFEST|PLAN", required_unless_present = "of")]
    pub(super) manifest: Option<PathBuf>,
    /// Do not ask for confirmation
    #[arg(short, long, conflicts_with = "confirm")]
    pub(super) yes: bool,
    /// Do not ask for confirmation, but refuse the plan unless it deletes exactly N key pairs
    #[arg(long, value_name = "N", value_parser = count)]
    pub(super) confirm: Option<u64>,
    /// Show the plan; send only read requests
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Begin the run, then delete it together with other machines (keybatch work); the journal must be in PostgreSQL
    #[arg(long, conflicts_with_all = ["dry_run", "canary", "resume", "sandbox"])]
    pub(super) share: bool,
    #[command(flatten)]
    pub(super) selection: SelectionOptions,
    #[command(flatten)]
    pub(super) subject: SubjectOptions,
    /// What to do if rows have changed since a plan was made [default: skip]
    #[arg(long, env = "KEYBATCH_ON_DRIFT", value_name = "WHAT")]
    pub(super) on_drift: Option<Drift>,
    /// Signatures that approve a plan: a file, or a directory of PLAN.<principal>.sig; may be repeated [default: beside the plan]
    #[arg(long, env = "KEYBATCH_APPROVALS", value_name = "PATH")]
    pub(super) approvals: Vec<PathBuf>,
    /// Who may approve a plan (ALLOWED SIGNERS in ssh-keygen(1))
    #[arg(long, env = "KEYBATCH_ALLOWED_SIGNERS", value_name = "FILE")]
    pub(super) allowed_signers: Option<PathBuf>,
    /// Refuse a plan unless N people with N different keys have approved it
    #[arg(long, env = "KEYBATCH_REQUIRE_APPROVALS", value_name = "N", value_parser = approvals)]
    pub(super) require_approvals: Option<usize>,
    /// Demand the signature of the plan's maker and --sign-key, and count no approval by either of them
    #[arg(long, env = "KEYBATCH_FOUR_EYES")]
    pub(super) four_eyes: bool,
    #[command(flatten)]
    pub(super) policy: PolicyOptions,
    #[command(flatten)]
    pub(super) overrides: OverrideOptions,
    #[command(flatten)]
    pub(super) again: AgainArgs,
    #[command(flatten)]
    pub(super) rollback: RollbackOptions,
    #[command(flatten)]
    pub(super) canary: CanaryOptions,
    #[command(flatten)]
    pub(super) anchor: AnchorOptions,
    #[command(flatten)]
    pub(super) summary: SummaryOptions,
    #[command(flatten)]
    pub(super) metrics: MetricsOptions,
    #[command(flatten)]
    pub(super) options: SessionOptions,
}

/// What to do if rows have changed since a plan was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Drift {
    /// Skip those rows
    Skip,
    /// Refuse the run
    Refuse,
}

fn approvals(text: &str) -> Result<usize, String> {
    count_between(text, 0, MOST_APPROVALS).map(|count| count as usize)
}

impl From<Drift> for OnDrift {
    fn from(drift: Drift) -> Self {
        match drift {
            Drift::Skip => Self::Skip,
            Drift::Refuse => Self::Refuse,
        }
    }
}

impl Args {
    /// The manifest or the plan; an empty path where only rows of an earlier run are named.
    pub(super) fn path(&self) -> &Path {
        self.manifest.as_deref().unwrap_or(Path::new(""))
    }

    /// How the plan is to be confirmed.
    pub(super) fn confirmation(&self, context: &Context) -> Confirmation {
        let possible = context.environment.stdin_is_terminal && self.path().as_os_str() != "-";
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
            subject: self.subject.of(self.path()),
            repeat: self.again.repeat(),
            confirmation: self.confirmation(context),
            plan: None,
        }
    }

    /// The order that they stand for where a plan's file is executed.
    pub(super) fn order_of_plan(&self, context: &Context, approvals: Approvals) -> RunPlanOrder {
        RunPlanOrder {
            order: self.options.order(context, self.rollback.order()),
            if_in_use: self.subject.if_in_use.into(),
            if_recreated: self.subject.if_recreated.into(),
            repeat: self.again.repeat(),
            confirmation: self.confirmation(context),
            on_drift: self.on_drift.map(Into::into).unwrap_or_default(),
            approvals,
        }
    }

    /// What shows that the plan was approved.
    pub(super) fn approvals(&self, policy: &Policy, context: &Context) -> Result<Approvals, CliError> {
        let own = self.allowed_signers.as_deref();
        let named: Vec<_> = policy.limits.signers.iter().map(Path::new).collect();
        if let Some(other) = named.iter().find(|path| **path != own.unwrap_or(named[0])) {
            let what = format!("the policy requires the allowed signers in {}", other.display());
            return Err(CliError::new(Exit::Refused, what).code(Code::PolicyApprovals).sent(Sent::Nothing));
        }
        let own = own.or(named.first().copied());
        let signers = own.map(|path| signers::read(path, context)).transpose()?;
        let required = self.require_approvals.unwrap_or_default();
        if signers.is_none() && !self.approvals.is_empty() {
            let what = "--approvals needs --allowed-signers: without a list of signers, nobody may approve";
            return Err(CliError::new(Exit::Usage, what).sent(Sent::Nothing));
        }
        // Without a list of signers nobody may approve, so there is nothing to look for.
        let by_policy = policy.limits.approvals > 0 || policy.limits.four_eyes;
        let is_needed = !self.approvals.is_empty() || required > 0 || self.four_eyes || by_policy;
        let Gathered { presented, makers } = match &signers {
            Some(_) if is_needed => gather(self.path(), &self.approvals)?,
            _ => Gathered::default(),
        };
        Ok(Approvals { presented, signers, required, four_eyes: self.four_eyes, makers })
    }

    /// Refuses what makes no sense for a plan's file, or for a manifest.
    pub(super) fn check(&self, is_plan: bool) -> Result<(), CliError> {
        let refuse = |what: &str, hint: &str| Err(CliError::new(Exit::Usage, what).sent(Sent::Nothing).hint(hint));
        if self.dry_run && self.summary.summary_to.is_some() {
            return refuse("--summary-to is about a run, and --dry-run makes none", "leave one of them out");
        }
        if is_plan && self.selection.of.is_some() {
            return refuse(
                "a plan is executed whole, and --only is about rows of an earlier run",
                "leave the plan out",
            );
        }
        self.selection.check(&[
            ("--again", self.again.again),
            ("--resume", self.again.resume),
            ("--sandbox", self.subject.sandbox.is_some()),
            ("--annotation", !self.subject.annotation.is_empty()),
        ])?;
        if !is_plan {
            let is_demanded = self.four_eyes || self.require_approvals.is_some_and(|count| count > 0);
            if !self.approvals.is_empty() || is_demanded {
                let hint = "make a plan with keybatch plan, have it approved with keybatch approve, and run that";
                return refuse("a manifest cannot be approved, only a plan can", hint);
            }
            return match self.on_drift {
                Some(_) => {
                    refuse("--on-drift is about a plan, and this is a manifest", "make a plan with keybatch plan")
                }
                None => Ok(()),
            };
        }
        let subject = &self.subject;
        let made = [
            ("--skip-invalid", subject.skip_invalid),
            ("--annotation", !subject.annotation.is_empty()),
            ("--allow-default-key-pair", subject.allow_default_key_pair),
            ("--without-annotations", subject.without_annotations),
            ("--override", self.overrides.is_given()),
        ];
        if let Some((flag, _)) = made.iter().find(|(_, given)| *given) {
            let what = format!("{flag} decides what a plan says, and this plan is made already");
            return refuse(&what, "make another plan with keybatch plan");
        }
        if self.again.again {
            return refuse("--again is about a manifest: a plan is executed once", "make the plan again");
        }
        if self.dry_run {
            return refuse("a plan is shown, not planned again", "show it with keybatch show");
        }
        if subject.sandbox.is_some() {
            let hint = "rehearse its manifest, or make and execute the plan against a served sandbox";
            return refuse("a plan is executed in the place that it was made for, not in a world of its own", hint);
        }
        Ok(())
    }
}
