//! The options that `run`, `resume` and `abandon` share, and the order that they stand for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::amount::{count, count_between, duration, duration_or_none};
use super::anchor::AnchorCommand;
use super::error::{CliError, Sent};
use super::exit::Exit;
use super::signals::DRAIN_TIMEOUT;
use super::signing::CheckpointKey;
use super::version::COMMIT;
use super::{Context, operator};
use crate::lane::rate::RateCap;
use crate::lightsail::address::without_secrets;
use crate::manifest::secret_in;
use crate::session::Policy;
use crate::session::order::{MaxFailures, Order, Overrides, Rollback, Who, duration_text};

/// Settings of a session.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct SessionOptions {
    /// Maximum rate of requests in each region: 5/s, 30/m, 100/h or unlimited [default: learned]
    #[arg(long, env = "KEYBATCH_RATE", value_name = "RATE", value_parser = rate)]
    pub(super) rate: Option<String>,
    /// Maximum number of deletes in flight, across all regions [default: 8]
    #[arg(long, env = "KEYBATCH_CONCURRENCY", value_name = "N", value_parser = |text: &str| count_between(text, 1, 1024))]
    pub(super) concurrency: Option<u32>,
    /// Maximum number of attempts per key pair, across all sessions; throttled ones do not count [default: 5]
    #[arg(long, env = "KEYBATCH_MAX_ATTEMPTS", value_name = "N", value_parser = |text: &str| count_between(text, 1, 1000))]
    pub(super) max_attempts: Option<u32>,
    /// Time limit for one attempt [default: 15s]
    #[arg(long, env = "KEYBATCH_ATTEMPT_TIMEOUT", value_name = "TIME", value_parser = duration)]
    pub(super) attempt_timeout: Option<Duration>,
    /// Time limit for determining, by reading, what a request without an answer did [default: 2m]
    #[arg(long, env = "KEYBATCH_SETTLE_TIMEOUT", value_name = "TIME", value_parser = duration)]
    pub(super) settle_timeout: Option<Duration>,
    /// Time limit for an operation that does not complete at once [default: 5m]
    #[arg(long, env = "KEYBATCH_OPERATION_TIMEOUT", value_name = "TIME", value_parser = duration)]
    pub(super) operation_timeout: Option<Duration>,
    /// Read a key pair again before deleting it if it was last read longer ago than this [default: 15m]
    #[arg(long, env = "KEYBATCH_MAX_OBSERVATION_AGE", value_name = "TIME", value_parser = duration)]
    pub(super) max_observation_age: Option<Duration>,
    /// How long the service may still accept a request that got no answer; keybatch sends no other one for that key pair
    /// before then [default: 5m, 0 for a loopback address]
    #[arg(long, env = "KEYBATCH_SIGNATURE_LIFE", value_name = "TIME", value_parser = duration_or_none)]
    pub(super) signature_life: Option<Duration>,
    /// Stop after requesting N deletions in this session
    #[arg(long, env = "KEYBATCH_MAX_DELETES", value_name = "N", value_parser = count)]
    pub(super) max_deletes: Option<u64>,
    /// Stop when N rows (or P% of the plan's deletions) have failed or are in doubt in this session
    #[arg(long, env = "KEYBATCH_MAX_FAILURES", value_name = "N|P%")]
    pub(super) max_failures: Option<MaxFailures>,
    /// Stop after this time
    #[arg(long, env = "KEYBATCH_MAX_DURATION", value_name = "TIME", value_parser = duration)]
    pub(super) max_duration: Option<Duration>,
    /// Time limit for settling requests in flight after a signal [default: 60s]
    #[arg(long, env = "KEYBATCH_DRAIN_TIMEOUT", value_name = "TIME", value_parser = duration)]
    pub(super) drain_timeout: Option<Duration>,
    /// How long to wait for a journal in a database that is lost; nothing is sent meanwhile [default: 2m]
    #[arg(long, env = "KEYBATCH_JOURNAL_PATIENCE", value_name = "TIME", value_parser = duration_or_none)]
    pub(super) journal_patience: Option<Duration>,
    /// Profile in the shared AWS configuration
    #[arg(long, env = "KEYBATCH_PROFILE", value_name = "NAME")]
    pub(super) profile: Option<String>,
    /// Time limit for obtaining credentials, e.g. from a program that waits for a touch [default: 2m]
    #[arg(long, env = "KEYBATCH_CREDENTIALS_TIMEOUT", value_name = "TIME", value_parser = duration)]
    pub(super) credentials_timeout: Option<Duration>,
    /// Address to use instead of the service's own
    #[arg(long, env = "KEYBATCH_ENDPOINT_URL", value_name = "URL")]
    pub(super) endpoint_url: Option<String>,
    /// Refuse to work in any other account; several are separated by commas
    #[arg(long, env = "KEYBATCH_EXPECT_ACCOUNT", value_name = "ID", value_delimiter = ',')]
    pub(super) expect_account: Vec<String>,
    /// Reason, for the journal
    #[arg(long, env = "KEYBATCH_REASON", value_name = "TEXT")]
    pub(super) reason: Option<String>,
    /// Ticket, for the journal
    #[arg(long, env = "KEYBATCH_TICKET", value_name = "ID")]
    pub(super) ticket: Option<String>,
    /// The region. Each command has its own option for it, because it means something different to each.
    #[arg(skip)]
    pub(super) region: Option<String>,
    /// The canary. `run` and `resume` have the option; `abandon` deletes nothing.
    #[arg(skip)]
    pub(super) canary: Option<u64>,
    /// Append each checkpoint to this file, also in later sessions of the run; keep it beyond this machine's reach
    #[arg(long, env = "KEYBATCH_CHECKPOINT_TO", value_name = "FILE")]
    pub(super) checkpoint_to: Option<PathBuf>,
    /// Sign the checkpoints of the sealed plan and of the end of the session with this SSH key, by ssh-keygen; it must sign
    /// without asking for a passphrase, e.g. through an agent
    #[arg(long, env = "KEYBATCH_SIGN_KEY", value_name = "KEYFILE")]
    pub(super) sign_key: Option<PathBuf>,
    /// With --sign-key: sign every checkpoint
    #[arg(long, env = "KEYBATCH_SIGN_ALL")]
    pub(super) sign_all: bool,
    /// Hand each checkpoint to this command on its standard input, and record what it prints; it is split as a shell would, runs
    /// without a shell, and has 30 s. Keeps checkpoints beyond this machine's reach
    #[arg(long, env = "KEYBATCH_CHECKPOINT_EXEC", value_name = "CMD", value_parser = AnchorCommand::parse, hide_env_values = true)]
    pub(super) checkpoint_exec: Option<AnchorCommand>,
    /// Whether nothing is deleted while checkpoints cannot be anchored. `run` and `resume` have the option.
    #[arg(skip)]
    pub(super) require_anchor: bool,
    /// The key, once it was tried.
    #[arg(skip)]
    pub(super) checkpoint_key: Option<CheckpointKey>,
}

/// Refuses a secret, which the journal would keep forever. The value is neither shown nor kept.
pub(super) fn refuse_secret(flag: &str, said: Option<&str>) -> Result<(), CliError> {
    match said.and_then(secret_in) {
        None => Ok(()),
        Some(secret) => {
            Err(CliError::new(Exit::Usage, format!("{flag} contains {secret}, and the journal would keep it forever"))
                .sent(Sent::Nothing)
                .hint("remove the secret from the text, and revoke it: command lines are not private"))
        }
    }
}

impl SessionOptions {
    /// Refuses values that make no sense.
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn check(&self) -> Result<(), CliError> {
        let is_id = |id: &String| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit());
        if !self.expect_account.iter().all(is_id) {
            return Err(CliError::new(Exit::Usage, "--expect-account needs an account id of twelve digits"));
        }
        if self.require_anchor && self.checkpoint_exec.is_none() {
            return Err(CliError::new(Exit::Usage, "--require-anchor needs --checkpoint-exec CMD").sent(Sent::Nothing));
        }
        refuse_secret("--reason", self.reason.as_deref())?;
        refuse_secret("--ticket", self.ticket.as_deref())
    }

    /// Tries the key that signs checkpoints, if one is named: better now than in the midst of a session.
    ///
    /// # Errors
    /// Where it does not sign, or none is named that is to sign every checkpoint.
    pub(super) fn try_key(&mut self) -> Result<(), CliError> {
        if self.sign_all && self.sign_key.is_none() {
            let why = "--sign-all (KEYBATCH_SIGN_ALL) signs every checkpoint, and --sign-key names no key";
            return Err(CliError::new(Exit::Usage, why)
                .sent(Sent::Nothing)
                .hint("name the key with --sign-key KEYFILE"));
        }
        let tried = self.sign_key.as_deref().map(CheckpointKey::tried).transpose();
        self.checkpoint_key = tried.map_err(|error| error.sent(Sent::Nothing))?;
        Ok(())
    }

    /// How long settling the requests in flight may take after a signal.
    pub(super) fn drain(&self) -> Duration {
        self.drain_timeout.unwrap_or(DRAIN_TIMEOUT)
    }

    /// Later sessions may start in another directory and must find the file of checkpoints.
    pub(super) fn make_absolute(&mut self) {
        if let Some(path) = &mut self.checkpoint_to
            && let Ok(absolute) = std::path::absolute(&*path)
        {
            *path = absolute;
        }
    }

    /// The order that they stand for.
    pub(super) fn order(&self, context: &Context, rollback: Rollback) -> Order {
        Order {
            journal: context.journal.clone(),
            who: who(context),
            accounts: context.settings.accounts().keys().cloned().collect(),
            overrides: Overrides {
                max_attempts: self.max_attempts,
                attempt_timeout: self.attempt_timeout,
                settle_timeout: self.settle_timeout,
                operation_timeout: self.operation_timeout,
                max_observation_age: self.max_observation_age,
                signature_life: self.signature_life,
                concurrency: self.concurrency,
                rate: self.rate.clone(),
            },
            max_deletes: self.max_deletes,
            max_failures: self.max_failures,
            canary: self.canary,
            max_duration: self.max_duration,
            checkpoint_to: self.checkpoint_to.clone(),
            require_anchor: self.require_anchor,
            reason: self.reason.clone(),
            ticket: self.ticket.clone(),
            others: self.others(),
            rollback,
            policy: Policy::default(),
        }
    }

    /// The settings that only the command line uses, by name, for the journal. None of them is a secret, because no option takes
    /// one.
    fn others(&self) -> BTreeMap<String, String> {
        let named = [
            ("drain_timeout", self.drain_timeout.map(duration_text)),
            ("profile", self.profile.clone()),
            ("credentials_timeout", self.credentials_timeout.map(duration_text)),
            ("endpoint_url", self.endpoint_url.as_deref().map(without_secrets)),
            ("expect_account", Some(self.expect_account.join(",")).filter(|ids| !ids.is_empty())),
            ("region", self.region.clone()),
            ("checkpoint_exec", self.checkpoint_exec.as_ref().map(|command| command.first_word().to_owned())),
            ("sign_key", self.checkpoint_key.as_ref().map(|key| key.fingerprint.clone())),
            ("sign_all", self.sign_all.then(|| "true".to_owned())),
        ];
        named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

/// The option of the commands that delete.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(super) struct CanaryOptions {
    /// Delete at most N key pairs in each region, read them back, and stop so that you can look before the rest is deleted
    #[arg(long, env = "KEYBATCH_CANARY", value_name = "N", value_parser = |text: &str| count_between(text, 1, LARGEST_CANARY))]
    canary: Option<u32>,
}

/// More key pairs than this are no sample that a person looks at; `--max-deletes` limits a session.
const LARGEST_CANARY: u32 = 1_000;

impl CanaryOptions {
    pub(super) fn rows(self) -> Option<u64> {
        self.canary.map(u64::from)
    }
}

/// The option of the commands that delete.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(super) struct AnchorOptions {
    /// With --checkpoint-exec: delete nothing unless the command takes the checkpoint, and stop when it fails later
    #[arg(long, env = "KEYBATCH_REQUIRE_ANCHOR")]
    pub(super) require_anchor: bool,
}

fn who(context: &Context) -> Who {
    Who {
        host: context.environment.host(),
        user: operator::user(),
        login_uid: operator::login_uid(),
        claims: operator::claims(&context.environment),
        pid: std::process::id(),
        commit: COMMIT.map(str::to_owned),
    }
}

pub(super) fn rate(text: &str) -> Result<String, String> {
    text.parse::<RateCap>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}
