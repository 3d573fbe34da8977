//! The options of commands that only ask: how fast, and by which way.

use std::time::Duration;

use super::amount::duration;
use super::options::{SessionOptions, rate};

/// By which way AWS is reached.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ReachOptions {
    /// Profile in the shared AWS configuration
    #[arg(long, env = "KEYBATCH_PROFILE", value_name = "NAME")]
    pub(super) profile: Option<String>,
    /// Time limit for obtaining credentials, e.g. from a program that waits for a touch [default: 2m]
    #[arg(long, env = "KEYBATCH_CREDENTIALS_TIMEOUT", value_name = "TIME", value_parser = duration)]
    pub(super) credentials_timeout: Option<Duration>,
    /// Address to use instead of the service's own
    #[arg(long, env = "KEYBATCH_ENDPOINT_URL", value_name = "URL")]
    pub(super) endpoint_url: Option<String>,
}

impl ReachOptions {
    /// As options of a session.
    pub(super) fn session(&self) -> SessionOptions {
        SessionOptions {
            profile: self.profile.clone(),
            credentials_timeout: self.credentials_timeout,
            endpoint_url: self.endpoint_url.clone(),
            ..SessionOptions::default()
        }
    }
}

/// How lists are asked for.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ListOptions {
    /// Maximum rate of requests in each region: 5/s, 30/m, 100/h or unlimited [default: learned]
    #[arg(long, env = "KEYBATCH_RATE", value_name = "RATE", value_parser = rate)]
    pub(super) rate: Option<String>,
    /// Time limit for one request [default: 15s]
    #[arg(long, env = "KEYBATCH_ATTEMPT_TIMEOUT", value_name = "TIME", value_parser = duration)]
    attempt_timeout: Option<Duration>,
    /// How long throttled requests are repeated [default: 2m]
    #[arg(long, env = "KEYBATCH_SETTLE_TIMEOUT", value_name = "TIME", value_parser = duration)]
    settle_timeout: Option<Duration>,
    #[command(flatten)]
    pub(super) reach: ReachOptions,
}

impl ListOptions {
    /// As options of a session.
    pub(super) fn session(&self) -> SessionOptions {
        SessionOptions {
            rate: self.rate.clone(),
            attempt_timeout: self.attempt_timeout,
            settle_timeout: self.settle_timeout,
            ..self.reach.session()
        }
    }
}
