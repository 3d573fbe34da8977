//! Obtains credentials along a chain, step by step, so that each error can be attributed to its step.

use std::error::Error as StdError;
use std::path::Path;

use aws_config::SdkConfig;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::credentials::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::login::LoginCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sso::SsoCredentialsProvider;
use aws_config::web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_lightsail::config::{Credentials, ProvideCredentials, Region, SharedCredentialsProvider};
use aws_sdk_lightsail::error::ProvideErrorMetadata;
use aws_sdk_sso::operation::get_role_credentials::GetRoleCredentialsError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_types::os_shim_internal::Env;
use jiff::Timestamp;

use super::chain::{Base, Chain, Role};
use super::fault::CredentialsFault;
use super::held::keys;
use super::{login, program};

/// The container's variables, in order of precedence.
pub(super) const CONTAINER: [&str; 2] =
    ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];

/// What the steps need.
#[derive(Debug, Clone)]
pub(super) struct Means {
    pub(super) config: SdkConfig,
    pub(super) env: Env,
}

impl Means {
    /// The configuration of the SDK's own providers: the same region, client and kinds of addresses.
    fn provider_config(&self) -> ProviderConfig {
        let config = ProviderConfig::default()
            .with_region(self.config.region().cloned())
            .with_use_fips(self.config.use_fips())
            .with_use_dual_stack(self.config.use_dual_stack());
        match self.config.http_client() {
            Some(client) => config.with_http_client(client),
            None => config,
        }
    }
}

/// Obtains what the chain begins with.
pub(super) async fn base(base: &Base, means: &Means, now: Timestamp) -> Result<Credentials, CredentialsFault> {
    match base {
        Base::Keys { keys, .. } => Ok(keys.clone()),
        Base::Environment => EnvironmentVariableCredentialsProvider::new().provide_credentials().await.map_err(|_| {
            CredentialsFault::IncompleteKeys {
                place: "the environment".to_owned(),
                missing: "AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY",
            }
        }),
        Base::Program { profile, command } => program::run(command, now).await.map_err(|fault| {
            CredentialsFault::Program { profile: profile.clone(), program: program::name(command), fault }
        }),
        Base::Sso { .. } => sso(base, means, now).await,
        Base::Login { profile, session } => {
            let provider = LoginCredentialsProvider::builder(session).configure(&means.provider_config()).build();
            provider.provide_credentials().await.map_err(|error| {
                let (profile, session) = (profile.clone(), session.clone());
                match login::state(&login::login_file(&means.env, &session), now) {
                    login::State::Missing => CredentialsFault::NeverLoggedIn { profile, session },
                    login::State::Expired | login::State::There => {
                        CredentialsFault::LoginEnded { profile, session, detail: service_words(&error) }
                    }
                }
            })
        }
        Base::Token { place, file, role, session } => token(place, file, role, session.as_deref(), means).await,
        Base::Container => {
            let Some(variable) = container_variable(&means.env) else { return Err(CredentialsFault::NoContainer) };
            let provider = EcsCredentialsProvider::builder().configure(&means.provider_config()).build();
            provider.provide_credentials().await.map_err(|error| match error {
                CredentialsError::InvalidConfiguration(_) => {
                    CredentialsFault::ContainerNotAllowed { variable, address: container_address(&means.env, variable) }
                }
                error => CredentialsFault::Container { variable, detail: service_words(&error) },
            })
        }
        Base::Instance => {
            let provider = ImdsCredentialsProvider::builder().configure(&means.provider_config()).build();
            let provided = provider.provide_credentials().await;
            provided.map_err(|error| CredentialsFault::Instance { detail: service_words(&error) })
        }
    }
}

async fn sso(base: &Base, means: &Means, now: Timestamp) -> Result<Credentials, CredentialsFault> {
    let Base::Sso { profile, session, region, start_url, account, role } = base else {
        return Err(CredentialsFault::Nowhere { looked: Vec::new() });
    };
    let mut builder = SsoCredentialsProvider::builder()
        .configure(&means.provider_config())
        .account_id(account)
        .role_name(role)
        .region(Region::new(region.clone()))
        .start_url(start_url);
    builder.set_session_name(session.clone());
    let error = match builder.build().provide_credentials().await {
        Ok(credentials) => return Ok(credentials),
        Err(error) => error,
    };
    let named =
        session.as_ref().map_or_else(|| format!("sso_start_url {start_url}"), |name| format!("sso_session {name}"));
    let profile = profile.clone();
    let file = login::sso_file(&means.env, session.as_deref().unwrap_or(start_url));
    let refused = find::<GetRoleCredentialsError>(&error);
    Err(match login::state(&file, now) {
        login::State::Missing => CredentialsFault::SsoNeverLoggedIn { profile, session: named },
        login::State::Expired => CredentialsFault::SsoExpired { profile, session: named },
        login::State::There if refused.is_some_and(GetRoleCredentialsError::is_unauthorized_exception) => {
            CredentialsFault::SsoExpired { profile, session: named }
        }
        login::State::There => {
            let detail = refused.map_or_else(|| service_words(&error), words_of);
            CredentialsFault::SsoRefused { profile, role: role.clone(), account: account.clone(), detail }
        }
    })
}

async fn token(
    place: &str,
    file: &str,
    role: &str,
    session: Option<&str>,
    means: &Means,
) -> Result<Credentials, CredentialsFault> {
    if let Err(error) = std::fs::read(Path::new(file)) {
        let (place, path) = (place.to_owned(), file.to_owned());
        return Err(CredentialsFault::TokenFile { place, path, kind: error.kind() });
    }
    let configuration = StaticConfiguration {
        web_identity_token_file: file.into(),
        role_arn: role.to_owned(),
        session_name: session.unwrap_or("keybatch").to_owned(),
    };
    let provider = WebIdentityTokenCredentialsProvider::builder()
        .static_configuration(configuration)
        .configure(&means.provider_config())
        .build();
    provider.provide_credentials().await.map_err(|error| {
        let detail = find::<AssumeRoleWithWebIdentityError>(&error).map_or_else(|| service_words(&error), words_of);
        CredentialsFault::AssumeRole { place: place.to_owned(), role: role.to_owned(), detail }
    })
}

/// Assumes one role with the credentials from the step before.
pub(super) async fn assume(role: &Role, with: Credentials, means: &Means) -> Result<Credentials, CredentialsFault> {
    let config = means.config.to_builder().credentials_provider(SharedCredentialsProvider::new(with)).build();
    let sent = aws_sdk_sts::Client::new(&config)
        .assume_role()
        .role_arn(&role.arn)
        .set_external_id(role.external_id.clone())
        .role_session_name(role.session_name.as_deref().unwrap_or("keybatch"))
        .send()
        .await;
    let fault =
        |detail: String| CredentialsFault::AssumeRole { place: role.place.clone(), role: role.arn.clone(), detail };
    let answer =
        sent.map_err(|error| fault(find::<AssumeRoleError>(&error).map_or_else(|| service_words(&error), words_of)))?;
    let given = answer.credentials.ok_or_else(|| fault("the answer held no credentials".to_owned()))?;
    let expiry = Timestamp::new(given.expiration.secs(), 0).ok();
    Ok(keys(given.access_key_id, given.secret_access_key, Some(given.session_token), expiry, "assume_role"))
}

/// Takes all steps of the chain.
pub(super) async fn whole(chain: &Chain, base: Credentials, means: &Means) -> Result<Credentials, CredentialsFault> {
    let mut credentials = base;
    for role in &chain.roles {
        credentials = assume(role, credentials, means).await?;
    }
    Ok(credentials)
}

pub(super) fn container_variable(env: &Env) -> Option<&'static str> {
    CONTAINER.into_iter().find(|name| super::files::variable(env, name).is_some())
}

/// Only scheme and host, because an address may hold secrets.
fn container_address(env: &Env, variable: &str) -> String {
    let text = super::files::variable(env, variable).unwrap_or_default();
    match text.parse::<http::Uri>() {
        Ok(uri) => match (uri.scheme_str(), uri.host()) {
            (Some(scheme), Some(host)) => format!("{scheme}://{host}"),
            _ => "an address without a host".to_owned(),
        },
        Err(_) => "something that is not an address".to_owned(),
    }
}

/// The first error of that type among the sources of another one.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// What a service of AWS said: its code and message.
fn words_of<E: ProvideErrorMetadata>(error: &E) -> String {
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, Some(message)) => message.to_owned(),
        (None, None) => "the service refused without a reason".to_owned(),
    }
}

/// Why a service did not answer, as far as that can be determined without its words.
fn service_words(error: &(dyn StdError + 'static)) -> String {
    match find::<ConnectorError>(error) {
        Some(error) if error.is_timeout() => "it did not answer in time".to_owned(),
        Some(error) if error.is_io() => "no connection could be made to it".to_owned(),
        Some(_) => "the connection to it failed".to_owned(),
        None => "it refused, or its answer could not be understood".to_owned(),
    }
}
