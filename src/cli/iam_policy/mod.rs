//! `keybatch iam-policy`: what a role must be permitted, for the accounts and regions of a manifest.

mod document;

use std::path::{Path, PathBuf};

use document::{Named, Role, document};

use super::files::open_manifest;
use super::{CliError, Code, Context, Exit, Sent, faults};
use crate::manifest::{self, Item, ReadError, check_region};

/// Print the least IAM policy of a role
///
/// The policy is on standard output; standard error says what cannot be narrowed. Nothing is sent.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  keybatch iam-policy --role planner
  keybatch iam-policy --role operator --manifest deletions.csv > operator.json")]
pub(super) struct Args {
    /// The role
    #[arg(long, value_name = "ROLE")]
    role: Role,
    /// Narrow the policy to the accounts, regions and key pairs of this manifest; - reads standard input
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Narrow the policy to this account; other rows of the manifest are ignored
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Region for rows that name none
    #[arg(long, env = "KEYBATCH_REGION", value_name = "REGION")]
    region: Option<String>,
    /// Treat COLUMN as an annotation even if its name or values look like a condition; may be repeated
    #[arg(long, env = "KEYBATCH_ANNOTATION", value_name = "COLUMN")]
    annotation: Vec<String>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    if let Some(fault) = args.region.as_deref().and_then(|region| check_region(region).err()) {
        let message = format!("--region (KEYBATCH_REGION): {}", fault.message);
        return Err(CliError::new(Exit::Usage, message).code(Code::Region).hint(fault.hint).sent(Sent::Nothing));
    }
    if args.account.as_ref().is_some_and(|id| id.len() != 12 || !id.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(CliError::new(Exit::Usage, "--account needs an account id of twelve digits").sent(Sent::Nothing));
    }
    let mut named = match &args.manifest {
        Some(manifest) => read(manifest, args, context)?,
        None => {
            let mut named = Named::default();
            named.add(None, args.region.as_deref(), None);
            named
        }
    };
    if let Some(account) = &args.account {
        named.keep(account);
    }
    let accounts = named.accounts();
    let is_meant = |id: &str| accounts.is_empty() || accounts.contains(id);
    let configured = context.settings.accounts().iter().filter(|(id, _)| is_meant(id));
    let roles = configured.filter_map(|(_, account)| account.role_arn()).collect();
    let (policy, mut notes) = document(args.role, &named, &roles);
    if named.accounts().len() > 1 {
        notes.push("the policy is for several accounts; --account ID prints the one of a single account".to_owned());
    }
    context.ui.data(&format!("{policy:#}\n"))?;
    notes.iter().for_each(|note| context.ui.talk(format!("note: {note}")));
    Ok(Exit::Success)
}

/// What the rows of the manifest name. A manifest with faults may name something else than it means.
fn read(path: &Path, args: &Args, context: &Context) -> Result<Named, CliError> {
    let options = manifest::Options { allow_default_key_pair: true, annotations: args.annotation.clone() };
    let mut named = Named::default();
    let read = manifest::read(&path.display().to_string(), open_manifest(path)?, &options, |item| {
        if let Item::Row(row) = item {
            let region = row.region().or(args.region.as_deref());
            named.add(row.account_id(), region, row.arn.as_ref().map(|arn| arn.text.as_str()));
        }
        Ok::<_, std::convert::Infallible>(())
    });
    let found = match read {
        Ok(ingested) => ingested.faults,
        Err(ReadError::Refused(found)) => found,
        Err(ReadError::Input { source, .. }) => {
            let message = format!("the manifest {} cannot be read: {source}", path.display());
            return Err(CliError::new(Exit::Refused, message).code(Code::ManifestUnreadable).sent(Sent::Nothing));
        }
        Err(ReadError::Sink(never)) => match never {},
    };
    if found.is_empty() {
        return Ok(named);
    }
    let message = "the manifest has faults, so no policy was made";
    let mut error = CliError::new(Exit::Refused, message).code(Code::ManifestFaults).sent(Sent::Nothing);
    error.details.report = Some(faults::report(context, &found));
    error.details.faults = Some(found);
    Err(error.hint("fix the file"))
}
