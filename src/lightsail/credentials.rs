//! Whose credentials sign requests: decides which source they come from, obtains them once before the first request, and
//! renews them before they expire.
//!
//! The source is decided from variables and files alone, before anything is sent, and is exactly one. The SDK's own chain
//! reads the environment first even if a profile is named, and goes on to the instance's role if the profile is not
//! defined: an irreversible request would be sent as somebody else.

mod chain;
mod fault;
mod files;
mod held;
mod login;
mod obtain;
mod program;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_lightsail::config::Credentials;
use aws_types::os_shim_internal::Env;
use jiff::{SignedDuration, Timestamp};
use tokio_util::task::AbortOnDropHandle;

use self::chain::{Base, Chain, Role, chain_of};
use self::files::variable;
use self::held::{Held, Provider};
use self::obtain::Means;
use crate::domain::{Clock, SystemClock};

pub use self::fault::{CredentialsFault, NamedBy, ProgramFault};
pub(super) use self::held::reason_not_held;

/// How long before their expiry credentials are renewed, unless half of their remaining life is less. Just below the five
/// minutes at which the SDK's login providers begin to return new ones.
const AHEAD: SignedDuration = SignedDuration::from_secs(290);

/// How often the clock is checked while waiting for a renewal, because the machine may sleep meanwhile.
const LOOKED_AT: Duration = Duration::from_secs(15);

/// The first and the longest pause after a failed renewal. A helper program may prompt a person each time.
const PAUSES: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(30), SignedDuration::from_secs(240));

/// Where credentials come from, and which profile says so.
#[derive(Debug, Clone)]
pub struct Located {
    profile: Option<String>,
    chain: Chain,
}

/// A role that a table of the user configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredRole {
    /// The table, in words.
    pub place: String,
    /// The role.
    pub arn: String,
    /// What its trust policy demands, if it does.
    pub external_id: Option<String>,
    /// The session's name, which CloudTrail shows.
    pub session_name: String,
}

impl Located {
    /// With a role that is assumed last.
    #[must_use]
    pub fn assuming(mut self, role: ConfiguredRole) -> Self {
        let ConfiguredRole { place, arn, external_id, session_name } = role;
        self.chain.roles.push(Role { place, arn, external_id, session_name: Some(session_name) });
        self
    }

    /// The profile in use, for credentials or only for its other settings.
    #[must_use]
    pub fn profile(&self) -> Option<&str> {
        self.profile.as_deref()
    }

    /// How to get new credentials if the service says that these have expired.
    #[must_use]
    pub fn renewal(&self) -> Option<String> {
        match &self.chain.base {
            Base::Keys { profile, .. } => Some(format!("if they have expired, renew the keys of profile {profile}")),
            Base::Environment => Some("if they have expired, set new ones in the environment".to_owned()),
            Base::Sso { profile, .. } => {
                Some(format!("if the session was ended, log in again with: aws sso login --profile {profile}"))
            }
            Base::Login { profile, .. } => {
                Some(format!("if the session was ended, log in again with: aws login --profile {profile}"))
            }
            Base::Program { .. } | Base::Token { .. } | Base::Container | Base::Instance => None,
        }
    }
}

/// The source in words, without secrets, e.g. `profile prod: static keys`.
impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Role { place, arn, .. } in self.chain.roles.iter().rev() {
            write!(f, "{place}: role {arn} assumed from ")?;
        }
        match &self.chain.base {
            Base::Keys { profile, .. } => write!(f, "profile {profile}: static keys"),
            Base::Sso { profile, session: Some(session), .. } => write!(f, "profile {profile}: sso session {session}"),
            Base::Sso { profile, start_url, .. } => write!(f, "profile {profile}: sso session of {start_url}"),
            Base::Login { profile, session } => write!(f, "profile {profile}: login session {session}"),
            Base::Program { profile, command } => {
                write!(f, "profile {profile}: credential_process {}", program::name(command))
            }
            Base::Token { place, role, .. } => write!(f, "{place}: web identity token, role {role}"),
            Base::Environment => f.write_str("environment: AWS_ACCESS_KEY_ID"),
            Base::Container => f.write_str("container credentials address"),
            Base::Instance => f.write_str("instance metadata"),
        }
    }
}

/// Decides where credentials come from. Reads variables and files, and sends nothing. `named` is the profile that an option
/// names.
///
/// # Errors
/// Why there is no source, such as a profile that is named but not defined.
pub async fn locate(named: Option<&str>) -> Result<Located, CredentialsFault> {
    let env = Env::real();
    let option = named.filter(|name| !name.is_empty()).map(|name| (name.to_owned(), NamedBy::Option));
    let chosen = option.or_else(|| variable(&env, "AWS_PROFILE").map(|name| (name, NamedBy::Variable)));
    let (name, by) = match &chosen {
        Some((name, by)) => (name.as_str(), Some(*by)),
        None => ("default", None),
    };
    let set = files::read(&env, name).await?;
    let is_defined = set.get_profile(name).is_some();
    if let Some(by) = by.filter(|_| !is_defined && name != "default") {
        let mut defined: Vec<String> = set.profiles().map(str::to_owned).collect();
        defined.sort();
        let looked = files::looked(&env);
        return Err(CredentialsFault::ProfileNotDefined { profile: name.to_owned(), by, looked, defined });
    }
    let profile = is_defined.then(|| name.to_owned());
    let with = |chain: Chain| Located { profile: profile.clone(), chain };
    if is_defined && by == Some(NamedBy::Option) {
        let nothing = || CredentialsFault::NothingInProfile { profile: name.to_owned() };
        return chain_of(&set, name)?.map(with).ok_or_else(nothing);
    }
    let alone = |base: Base| Chain { base, roles: Vec::new() };
    match (variable(&env, "AWS_ACCESS_KEY_ID"), variable(&env, "AWS_SECRET_ACCESS_KEY")) {
        (Some(_), Some(_)) => return Ok(with(alone(Base::Environment))),
        (None, None) => {}
        (id, _) => {
            let missing = if id.is_some() { "AWS_SECRET_ACCESS_KEY" } else { "AWS_ACCESS_KEY_ID" };
            return Err(CredentialsFault::IncompleteKeys { place: "the environment".to_owned(), missing });
        }
    }
    if let Some(chain) = chain_of(&set, name)? {
        return Ok(with(chain));
    }
    elsewhere(&env, name).map(|base| with(alone(base)))
}

/// The remaining sources if neither the environment's keys nor a profile give credentials.
fn elsewhere(env: &Env, profile: &str) -> Result<Base, CredentialsFault> {
    let place = "the environment".to_owned();
    if let Some(file) = variable(env, "AWS_WEB_IDENTITY_TOKEN_FILE") {
        let session = variable(env, "AWS_ROLE_SESSION_NAME");
        return match variable(env, "AWS_ROLE_ARN") {
            Some(role) => Ok(Base::Token { place, file, role, session }),
            None => Err(CredentialsFault::TokenWithoutRole { place, missing: "AWS_ROLE_ARN" }),
        };
    }
    if obtain::CONTAINER.iter().any(|name| variable(env, name).is_some()) {
        return Ok(Base::Container);
    }
    if variable(env, "AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(CredentialsFault::Nowhere {
            looked: vec![
                "AWS_ACCESS_KEY_ID is not set".to_owned(),
                format!("profile {profile}: {}", files::looked(env)),
                "neither a web identity token nor a container's address is set".to_owned(),
                "AWS_EC2_METADATA_DISABLED forbids asking for an instance's role".to_owned(),
            ],
        });
    }
    Ok(Base::Instance)
}

/// What signs requests: a source, and the credentials obtained from it.
#[derive(Debug)]
pub(super) struct Signing {
    located: Result<Located, CredentialsFault>,
    held: Arc<Held>,
    clock: Arc<dyn Clock>,
    /// Renews them while this lives.
    renewal: Mutex<Option<AbortOnDropHandle<()>>>,
}

impl Signing {
    pub(super) fn new(located: Result<Located, CredentialsFault>) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        Self { located, held: Arc::new(Held::new(Arc::clone(&clock))), clock, renewal: Mutex::default() }
    }

    pub(super) fn located(&self) -> Option<&Located> {
        self.located.as_ref().ok()
    }

    /// When the credentials that it holds expire, if they do.
    pub(super) fn expiry(&self) -> Option<Timestamp> {
        self.held.expiry()
    }

    pub(super) fn provider(&self) -> Provider {
        Provider(Arc::clone(&self.held))
    }

    /// Obtains credentials once, within `limit`, and keeps them renewed from then on, using `config`.
    ///
    /// # Errors
    /// Why there are none.
    pub(super) async fn sign_in(&self, config: SdkConfig, limit: Duration) -> Result<(), CredentialsFault> {
        let means = Means { config, env: Env::real() };
        let (located, clock) = (self.located.clone()?, Arc::clone(&self.clock));
        let mut source = Obtaining { located, means, clock, limit, base: None };
        let obtained = source.obtain().await.inspect_err(|fault| tracing::debug!(%fault, "no credentials"))?;
        tracing::debug!(source = %source.located, expiry = ?held::expiry(&obtained), "credentials obtained");
        self.held.hold(obtained);
        let held = Arc::clone(&self.held);
        let renewal = AbortOnDropHandle::new(tokio::spawn(async move { source.renew(&held).await }));
        *self.renewal.lock().unwrap_or_else(PoisonError::into_inner) = Some(renewal);
        Ok(())
    }
}

/// A source, and the credentials that its chain began with until they expire.
struct Obtaining {
    located: Located,
    means: Means,
    clock: Arc<dyn Clock>,
    limit: Duration,
    base: Option<Credentials>,
}

impl Obtaining {
    async fn obtain(&mut self) -> Result<Credentials, CredentialsFault> {
        let limit = self.limit;
        match tokio::time::timeout(limit, self.steps()).await {
            Ok(obtained) => obtained,
            Err(_) => Err(CredentialsFault::TimedOut { origin: self.located.to_string(), limit }),
        }
    }

    async fn steps(&mut self) -> Result<Credentials, CredentialsFault> {
        let now = self.clock.now();
        let fresh = |kept: &Credentials| held::expiry(kept).is_none_or(|at| at.duration_since(now) > AHEAD);
        // A helper program is not started again if only a role's credentials expire.
        let base = match self.base.take().filter(|kept| !self.located.chain.roles.is_empty() && fresh(kept)) {
            Some(kept) => kept,
            None => obtain::base(&self.located.chain.base, &self.means, now).await?,
        };
        self.base = Some(base.clone());
        obtain::whole(&self.located.chain, base, &self.means).await
    }

    /// Renews the held credentials before each expiry; returns if they do not expire.
    async fn renew(mut self, held: &Held) {
        let Some(mut expiry) = held.expiry() else { return };
        let mut due = self.due(expiry, AHEAD);
        let mut pause = PAUSES.0;
        loop {
            self.wait_until(due).await;
            match self.obtain().await {
                Ok(credentials) if held::expiry(&credentials).is_none_or(|at| at > expiry) => {
                    let next = held::expiry(&credentials);
                    held.hold(credentials);
                    let Some(next) = next else { return };
                    (expiry, due, pause) = (next, self.due(next, AHEAD), PAUSES.0);
                    continue;
                }
                // The same credentials again: the source renews them later.
                Ok(_) => {}
                Err(fault) => {
                    tracing::debug!(%fault, "credentials not renewed");
                    held.not_renewed(fault.to_string());
                }
            }
            self.base = None;
            let left = expiry.duration_since(self.clock.now());
            let wait = if left.is_positive() { pause.min(left / 2).max(SignedDuration::from_secs(1)) } else { pause };
            due = self.clock.now().saturating_add(wait).unwrap_or(expiry);
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    fn due(&self, expiry: Timestamp, ahead: SignedDuration) -> Timestamp {
        let left = expiry.duration_since(self.clock.now());
        expiry.saturating_sub(ahead.min(left / 2)).unwrap_or(expiry)
    }

    async fn wait_until(&self, due: Timestamp) {
        loop {
            let left = Duration::try_from(due.duration_since(self.clock.now())).unwrap_or_default();
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOKED_AT)).await;
        }
    }
}
