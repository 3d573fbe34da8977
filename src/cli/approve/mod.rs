//! `keybatch approve`: signs a plan after it was checked, and says which signatures approve it.

mod gather;
mod list;
mod sign;
mod verify;

use std::path::PathBuf;

pub(super) use self::gather::{Gathered, gather};
pub(super) use self::sign::{refuse_signed, sign_as_maker};
use super::amount::count;
use super::{CliError, Context, Exit};
use crate::cli::plan::shown::{Read, read};
use crate::domain::{Clock as _, SystemClock};
use crate::record::approval::Principal;

/// Approve a plan with an SSH key, or say who has approved it
///
/// It checks every byte of the plan, shows what it is about, and writes two new files beside it: PLAN.approval.txt, the
/// text that follows from the plan, and PLAN.<principal>.sig, your signature over it, made by ssh-keygen. Look at each row
/// before that: keybatch show PLAN. Nothing is sent, and nothing is recorded in the journal.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  keybatch approve friday.plan --key ~/.ssh/id_ed25519 --as alice@example.com
  keybatch approve friday.plan --agent
  keybatch approve friday.plan --list
  keybatch approve friday.plan --verify --allowed-signers signers
  The same without keybatch:
  ssh-keygen -Y verify -f signers -I alice@example.com -n plan@keybatch \\
    -s friday.plan.alice@example.com.sig < friday.plan.approval.txt")]
pub(super) struct Args {
    /// The plan's file
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    /// The key that signs: a private key, or a public key or certificate whose private key the agent has
    #[arg(long, env = "KEYBATCH_KEY", value_name = "KEYFILE")]
    key: Option<PathBuf>,
    /// Sign with the only key of the SSH agent
    #[arg(long, conflicts_with_all = ["key", "verify", "list"])]
    agent: bool,
    /// Who you are in the reviewers' list of signers [default: the name of the process's user]
    #[arg(long = "as", env = "KEYBATCH_AS", value_name = "PRINCIPAL")]
    principal: Option<Principal>,
    /// Say of each signature whether it is accepted, and why not; fail unless enough are
    #[arg(long, requires = "allowed_signers", conflicts_with = "list")]
    verify: bool,
    /// List the signatures, without judging who may sign
    #[arg(long)]
    list: bool,
    /// Who may sign (ALLOWED SIGNERS in ssh-keygen(1)); bring your own file
    #[arg(long, env = "KEYBATCH_ALLOWED_SIGNERS", value_name = "FILE")]
    allowed_signers: Option<PathBuf>,
    /// How many different people with different keys must have approved [default: everybody whose signature is there]
    #[arg(long, env = "KEYBATCH_REQUIRE_APPROVALS", value_name = "N", value_parser = count)]
    require_approvals: Option<u64>,
    /// Demand the maker's signature, and accept no approval by the same key or person
    #[arg(long, env = "KEYBATCH_FOUR_EYES")]
    four_eyes: bool,
    /// Files of signatures, or directories that hold them, instead of those beside the plan
    #[arg(long, env = "KEYBATCH_APPROVALS", value_name = "FILE|DIR", num_args = 1.., value_delimiter = ':')]
    approvals: Vec<PathBuf>,
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    let plan = read(&args.plan, |_| Ok(()))?;
    warn_of_end(&plan, context);
    if args.list {
        return list::run(&plan, &gather(&args.plan, &args.approvals)?, context);
    }
    match &args.allowed_signers {
        Some(signers) if args.verify => {
            let asked = verify::Asked {
                read: &plan,
                signers,
                required: args.require_approvals,
                four_eyes: args.four_eyes,
                gathered: gather(&args.plan, &args.approvals)?,
            };
            verify::run(&asked, context)
        }
        _ if args.key.is_none() && !args.agent => Err(CliError::new(
            Exit::Usage,
            "name what to do: --key KEYFILE or --agent signs, --verify and --list say who has signed",
        )),
        _ => {
            let (key, principal) = (args.key.as_deref(), args.principal.as_ref());
            sign::run(&sign::Approving { path: &args.plan, key, principal }, &plan, context).await
        }
    }
}

/// An approval of a plan that may not be executed any more is of no use, but does no harm.
fn warn_of_end(plan: &Read, context: &Context) {
    let end = plan.header.expires_at.as_deref().and_then(|end| end.parse::<jiff::Timestamp>().ok());
    if let Some(end) = end.filter(|end| *end <= SystemClock::start().now()) {
        context.ui.say(&format!("warning: the plan expired at {end}: it can no longer be run, even if it is approved"));
    }
}
