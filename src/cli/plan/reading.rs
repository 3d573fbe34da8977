//! The session options that matter where nothing is deleted.

use std::time::Duration;

use crate::cli::amount::duration;
use crate::cli::options::{SessionOptions, rate};

/// How to read.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct ReadingOptions {
    /// Maximum rate of requests in each region: 5/s, 30/m, 100/h or unlimited [default: learned]
    #[arg(long, env = "KEYBATCH_RATE", value_name = "RATE", value_parser = rate)]
    rate: Option<String>,
    /// Time limit for one attempt [default: 15s]
    #[arg(long, env = "KEYBATCH_ATTEMPT_TIMEOUT", value_name = "TIME", value_parser = duration)]
    attempt_timeout: Option<Duration>,
    /// How long a throttled request is repeated [default: 2m]
    #[arg(long, env = "KEYBATCH_SETTLE_TIMEOUT", value_name = "TIME", value_parser = duration)]
    settle_timeout: Option<Duration>,
    /// Stop after this time
    #[arg(long, env = "KEYBATCH_MAX_DURATION", value_name = "TIME", value_parser = duration)]
    max_duration: Option<Duration>,
    /// Profile in the shared AWS configuration
    #[arg(long, env = "KEYBATCH_PROFILE", value_name = "NAME")]
    profile: Option<String>,
    /// Time limit for obtaining credentials, e.g. from a program that waits for a touch [default: 2m]
    #[arg(long, env = "KEYBATCH_CREDENTIALS_TIMEOUT", value_name = "TIME", value_parser = duration)]
    credentials_timeout: Option<Duration>,
    /// Address to use instead of the service's own
    #[arg(long, env = "KEYBATCH_ENDPOINT_URL", value_name = "URL")]
    endpoint_url: Option<String>,
    /// Refuse to work in any other account; several are separated by commas
    #[arg(long, env = "KEYBATCH_EXPECT_ACCOUNT", value_name = "ID", value_delimiter = ',')]
    expect_account: Vec<String>,
    /// Reason, for the plan's header
    #[arg(long, env = "KEYBATCH_REASON", value_name = "TEXT")]
    reason: Option<String>,
    /// Ticket, for the plan's header
    #[arg(long, env = "KEYBATCH_TICKET", value_name = "ID")]
    ticket: Option<String>,
}

impl ReadingOptions {
    /// As options of a session.
    pub(super) fn session(self, region: Option<String>) -> SessionOptions {
        SessionOptions {
            rate: self.rate,
            attempt_timeout: self.attempt_timeout,
            settle_timeout: self.settle_timeout,
            max_duration: self.max_duration,
            profile: self.profile,
            credentials_timeout: self.credentials_timeout,
            endpoint_url: self.endpoint_url,
            expect_account: self.expect_account,
            reason: self.reason,
            ticket: self.ticket,
            region,
            ..SessionOptions::default()
        }
    }
}
