//! The arguments of `inventory`, and what they stand for.

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::cli::amount::age;
use crate::cli::error::Sent;
use crate::cli::options::SessionOptions;
use crate::cli::reach::ListOptions;
use crate::cli::{CliError, Code, Context, Exit, network};
use crate::plan::select::{Selection, WantedTag};
use crate::policy::Glob;

/// List the key pairs that there are, as a manifest
///
/// Sends only read requests, and needs no journal. With --output csv, or in a file, the result is a manifest: remove the rows of
/// the key pairs to keep, and give it to `run`. Each row holds arn, creation time and fingerprint, so a key pair that was
/// re-created since is not deleted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  Everything in the configured region, as a table:
    keybatch inventory
  A manifest of what is old and unused, in all regions:
    keybatch inventory --all-regions --unused \\
        --older-than 365d -o keys.csv
  By tag and name:
    keybatch inventory --tag team=build --name 'ci-*'")]
pub(crate) struct Args {
    /// Account to list, reached as the user configuration says; may be repeated [default: that of the default credentials]
    #[arg(long, env = "KEYBATCH_ACCOUNT", value_name = "ID", value_delimiter = ',')]
    account: Vec<String>,
    /// List all accounts that the user configuration says how to reach
    #[arg(long, env = "KEYBATCH_ALL_ACCOUNTS")]
    all_accounts: bool,
    /// Region to list; may be repeated [default: from the AWS configuration]
    #[arg(long, env = "KEYBATCH_REGION", value_name = "REGION", value_delimiter = ',')]
    pub(super) region: Vec<String>,
    /// List all regions that Lightsail names
    #[arg(long, env = "KEYBATCH_ALL_REGIONS")]
    pub(super) all_regions: bool,
    /// Only key pairs with this tag, and this value if one is given; may be repeated: all must be there
    #[arg(long, value_name = "KEY[=VALUE]")]
    tag: Vec<String>,
    /// Only key pairs with such a name (* is any text, ? one character); may be repeated: one must match
    #[arg(long, value_name = "GLOB")]
    name: Vec<String>,
    /// Only key pairs that were created this long ago or longer
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Option<Duration>,
    /// Only key pairs that were created this long ago or more recently
    #[arg(long, value_name = "AGE", value_parser = age)]
    newer_than: Option<Duration>,
    /// Only key pairs that no instance was created with
    #[arg(long, conflicts_with = "without_instances")]
    unused: bool,
    /// List default key pairs, too; `run` accepts them only with --allow-default-key-pair
    #[arg(long)]
    include_default_key_pairs: bool,
    /// Do not list instances, so that lightsail:GetInstances is not needed; used_by is empty then
    #[arg(long, env = "KEYBATCH_WITHOUT_INSTANCES")]
    pub(super) without_instances: bool,
    /// Write to this new file instead of standard output; CSV unless --output says otherwise
    #[arg(short = 'o', long = "to", value_name = "FILE")]
    pub(super) to: Option<PathBuf>,
    /// List the key pairs of a world file instead
    #[arg(long, value_name = "WORLD", require_equals = true)]
    pub(super) sandbox: Option<PathBuf>,
    #[command(flatten)]
    pub(super) list: ListOptions,
    /// Refuse to list any other account; several are separated by commas
    #[arg(long, env = "KEYBATCH_EXPECT_ACCOUNT", value_name = "ID", value_delimiter = ',')]
    expect_account: Vec<String>,
}

impl Args {
    /// Refuses values that make no sense.
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn check(&self) -> Result<(), CliError> {
        self.options().check()?;
        network::check_flags(None, self.list.reach.endpoint_url.as_deref())?;
        for region in &self.region {
            network::check_flags(Some(region), None)?;
        }
        let says_nothing = |text: &String| WantedTag::new(text).key.is_empty();
        if let Some(tag) = self.tag.iter().find(|text| says_nothing(text)) {
            let message = format!("--tag {tag:?} names no tag: write KEY or KEY=VALUE");
            return Err(CliError::new(Exit::Usage, message).sent(Sent::Nothing));
        }
        Ok(())
    }

    /// The accounts to list, each once; none for that of the default credentials.
    ///
    /// # Errors
    /// If all accounts are wanted, and the configuration names none.
    pub(super) fn accounts(&self, context: &Context) -> Result<Vec<String>, CliError> {
        let configured = context.settings.accounts();
        let mut accounts = self.account.clone();
        if self.all_accounts {
            if configured.is_empty() {
                let message = "the user configuration does not say how any account is reached";
                let hint =
                    "add a table such as [accounts.\"111122223333\"] to it, or list one account without --all-accounts";
                return Err(CliError::new(Exit::Environment, message)
                    .code(Code::Account)
                    .hint(hint)
                    .sent(Sent::Nothing));
            }
            accounts.extend(configured.keys().cloned());
        }
        accounts.sort_unstable();
        accounts.dedup();
        Ok(accounts)
    }

    /// How to connect.
    pub(super) fn options(&self) -> SessionOptions {
        SessionOptions {
            expect_account: self.expect_account.clone(),
            region: self.region.first().cloned(),
            ..self.list.session()
        }
    }

    /// Which key pairs are wanted, at this time.
    pub(super) fn selection(&self, now: Timestamp) -> Selection {
        let ago = |age: Option<Duration>| {
            let age = SignedDuration::try_from(age?).unwrap_or(SignedDuration::MAX);
            Some(now.checked_sub(age).unwrap_or(Timestamp::MIN))
        };
        Selection {
            names: self.name.iter().map(|name| Glob::new(name)).collect(),
            tags: self.tag.iter().map(|tag| WantedTag::new(tag)).collect(),
            created_until: ago(self.older_than),
            created_since: ago(self.newer_than),
            unused: self.unused,
            default_key_pairs: self.include_default_key_pairs,
        }
    }
}
