//! The SDK adapter: the eight requests. `load` makes its configuration, and `credentials` obtains its credentials.
//!
//! One call is one HTTP request: SDK retries are off (with the default of three attempts, a truncated answer made the
//! SDK send DeleteKeyPair three times), and every attempt has a timeout (by default the SDK waits forever).

use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use aws_config::{Region, SdkConfig};
use aws_sdk_lightsail::Client;
use aws_sdk_lightsail::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use jiff::Timestamp;

use super::address::AddressSettings;
use super::capture::{Capture, without_token};
use super::classify::{ErrorNames, Wire, bare_name, classify_error};
use super::credentials::{CredentialsFault, Located, Signing, reason_not_held};
use super::departure::Departure;
pub use super::http::TLS;
use super::proxy::Proxies;
use super::service::Service;
use super::shapes::{instance, key_pair, operation};
use super::unreached::{Asked, Dates};
use super::{Caller, Instance, Lightsail, ListingPage};
use crate::domain::{
    ApiError, Cause, Class, ERROR_TYPE_HEADER, ErrorText, Exchange, KeyPair, Operation, Reply, counted,
};

/// The message if a request could not be signed and the reason is not among the error's sources.
const NO_CREDENTIALS: &str = "there were no usable credentials to sign the request with";

/// The optional sources of credentials that `Cargo.toml` compiles into the SDK, by their names there.
pub const FEATURES: &[&str] = &["sso", "credentials-process", "credentials-login"];

/// The version of the SDK's Lightsail crate.
#[must_use]
pub fn sdk_version() -> &'static str {
    aws_sdk_lightsail::meta::PKG_VERSION
}

/// Lightsail and STS through the AWS SDK.
#[derive(Debug)]
pub struct AwsLightsail {
    pub(super) config: SdkConfig,
    pub(super) settings: AddressSettings,
    pub(super) proxies: Proxies,
    sts: aws_sdk_sts::Client,
    clients: RwLock<HashMap<String, Client>>,
    /// Where credentials come from; `None` in a rehearsal.
    signing: Option<Signing>,
    dates: Dates,
}

impl AwsLightsail {
    /// Uses a given configuration, whose retries must be off, and none of the machine's settings.
    #[must_use]
    pub fn with(config: SdkConfig) -> Self {
        Self::made_of(config, AddressSettings::default())
    }

    /// Uses a configuration, whose retries must be off, and the settings that it was made from.
    pub(super) fn made_of(config: SdkConfig, settings: AddressSettings) -> Self {
        // An explicit address counts for every service; otherwise each has its own variable and profile entry.
        let sts = aws_sdk_sts::Client::new(&config);
        let proxies = Proxies::read(&settings.variables);
        Self { config, settings, proxies, sts, clients: RwLock::default(), signing: None, dates: Dates::default() }
    }

    /// The same, with credentials from `source` once [`sign_in`](Self::sign_in) has obtained them.
    pub(super) fn signing(self, signing: Signing) -> Self {
        Self { signing: Some(signing), ..self }
    }

    /// Where credentials come from; `None` in a rehearsal, or if there is no source for them.
    #[must_use]
    pub fn credentials(&self) -> Option<&Located> {
        self.signing.as_ref().and_then(Signing::located)
    }

    /// Obtains credentials, once, within `limit`. From then on they are renewed before they expire, so that no attempt waits
    /// for them. Without this, no request can be signed.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn sign_in(&self, limit: Duration) -> Result<(), CredentialsFault> {
        let Some(signing) = &self.signing else { return Ok(()) };
        let mut config = self.config.to_builder().retry_config(RetryConfig::standard());
        if self.settings.endpoint_url.is_some() {
            // The flag names another address for Lightsail, not for the service that issues credentials.
            let settings = AddressSettings { endpoint_url: None, ..self.settings.clone() };
            config.set_endpoint_url(settings.configured(Service::Sts).map(|configured| configured.url));
        }
        signing.sign_in(config.build(), limit).await
    }

    /// What a call was about, for saying why it was not answered.
    fn asked<'a>(&'a self, service: Service, region: &'a str) -> Asked<'a> {
        Asked { settings: &self.settings, proxies: &self.proxies, service, region, dates: &self.dates }
    }

    fn client(&self, region: &str) -> Client {
        if let Some(client) = self.clients.read().unwrap_or_else(PoisonError::into_inner).get(region) {
            return client.clone();
        }
        let config =
            aws_sdk_lightsail::config::Builder::from(&self.config).region(Region::new(region.to_owned())).build();
        let client = Client::from_conf(config);
        self.clients.write().unwrap_or_else(PoisonError::into_inner).insert(region.to_owned(), client.clone());
        client
    }
}

/// Sends one call with a [`Capture`] on it and turns the result into a [`Reply`].
macro_rules! send {
    ($asked:expr, $call:expr, $map:expr) => {{
        let capture = Capture::default();
        let began = Instant::now();
        let result = $call.interceptor(capture.clone()).send().await;
        reply(&$asked, &capture, began, result, $map)
    }};
}

impl Lightsail for AwsLightsail {
    async fn delete_key_pair(&self, region: &str, name: &str, expected: Option<&str>) -> Reply<Option<Operation>> {
        let call = self.client(region).delete_key_pair().key_pair_name(name);
        let call = call.set_expected_fingerprint(expected.map(str::to_owned));
        let limit = self.config.timeout_config().and_then(TimeoutConfig::operation_attempt_timeout);
        let call = call.customize().interceptor(Departure::within(limit.unwrap_or(Duration::MAX)));
        send!(self.asked(Service::Lightsail, region), call, |output| output.operation().map(operation))
    }

    async fn get_key_pair(&self, region: &str, name: &str) -> Reply<KeyPair> {
        let reply = send!(
            self.asked(Service::Lightsail, region),
            self.client(region).get_key_pair().key_pair_name(name).customize(),
            |output| { output.key_pair().and_then(key_pair) }
        );
        present(reply)
    }

    async fn get_key_pairs(&self, region: &str, token: Option<&str>) -> Reply<ListingPage<KeyPair>> {
        let call = self.client(region).get_key_pairs().include_default_key_pair(true);
        let reply = send!(
            self.asked(Service::Lightsail, region),
            call.set_page_token(token.map(str::to_owned)).customize(),
            |output| {
                let listed = output.key_pairs.as_ref()?;
                Some(page(listed.iter().filter_map(key_pair), output.next_page_token()))
            }
        );
        present(reply)
    }

    async fn get_operation(&self, region: &str, id: &str) -> Reply<Operation> {
        let reply = send!(
            self.asked(Service::Lightsail, region),
            self.client(region).get_operation().operation_id(id).customize(),
            |output| { output.operation().map(operation) }
        );
        present(reply)
    }

    async fn get_operations_for_resource(
        &self,
        region: &str,
        name: &str,
        token: Option<&str>,
    ) -> Reply<ListingPage<Operation>> {
        let call = self.client(region).get_operations_for_resource().resource_name(name);
        let reply = send!(
            self.asked(Service::Lightsail, region),
            call.set_page_token(token.map(str::to_owned)).customize(),
            |output| { Some(page(output.operations.as_ref()?.iter().map(operation), output.next_page_token())) }
        );
        present(reply)
    }

    async fn get_instances(&self, region: &str, token: Option<&str>) -> Reply<ListingPage<Instance>> {
        let call = self.client(region).get_instances().set_page_token(token.map(str::to_owned)).customize();
        let reply = send!(self.asked(Service::Lightsail, region), call, |output| {
            Some(page(output.instances.as_ref()?.iter().map(instance), output.next_page_token()))
        });
        present(reply)
    }

    async fn get_regions(&self, region: &str) -> Reply<Vec<String>> {
        let call = self.client(region).get_regions().customize();
        let reply = send!(self.asked(Service::Lightsail, region), call, |output| {
            let names = output.regions.as_ref()?.iter().map(|region| Some(region.name()?.as_str().to_owned()));
            names.collect::<Option<Vec<_>>>().filter(|names| !names.is_empty())
        });
        present(reply)
    }

    fn service_date(&self) -> Option<(Timestamp, Duration)> {
        self.dates.last()
    }

    fn credentials_expiry(&self) -> Option<Timestamp> {
        self.signing.as_ref().and_then(Signing::expiry)
    }

    async fn caller_identity(&self) -> Reply<Caller> {
        let region = self.default_region().unwrap_or_default();
        let reply = send!(self.asked(Service::Sts, &region), self.sts.get_caller_identity().customize(), |output| {
            Some(Caller { arn: output.arn()?.to_owned(), account: output.account()?.to_owned() })
        });
        present(reply)
    }
}

/// An empty token counts as none: sending it would start again from the first page.
fn page<T>(items: impl Iterator<Item = T>, next: Option<&str>) -> ListingPage<T> {
    ListingPage { items: items.collect(), next: next.filter(|token| !token.is_empty()).map(str::to_owned) }
}

/// A read that succeeded without the requested object shows nothing. A listing without its list is not an empty listing:
/// key pairs that it does not name must not count as absent.
fn present<T>(reply: Reply<Option<T>>) -> Reply<T> {
    let Reply { exchange, result } = reply;
    let result = match result {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(ApiError::nothing(Class::Unanswered, Cause::Unreadable)),
        Err(error) => Err(error),
    };
    Reply { exchange, result }
}

fn reply<O, T, E>(
    asked: &Asked<'_>,
    capture: &Capture,
    began: Instant,
    result: Result<O, SdkError<E, HttpResponse>>,
    map: impl FnOnce(&O) -> T,
) -> Reply<T>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let raw = result.as_ref().err().and_then(SdkError::raw_response);
    let (exchange, body) = capture.finish(began, raw);
    capture.date().into_iter().for_each(|date| asked.dates.note(date));
    let result = result.as_ref().map(map).map_err(|error| api_error(asked, capture, &exchange, &body, error));
    Reply { exchange, result }
}

fn api_error<E>(
    asked: &Asked<'_>,
    capture: &Capture,
    exchange: &Exchange,
    body: &[u8],
    error: &SdkError<E, HttpResponse>,
) -> ApiError
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let wire = wire(capture, exchange, error);
    let said = ErrorText::in_body(body);
    let metadata = error.as_service_error().map(ProvideErrorMetadata::meta);
    let names = ErrorNames {
        body_type: said.error_type,
        body_code: said.code,
        header: exchange.headers.get(ERROR_TYPE_HEADER).cloned(),
        sdk_code: metadata.and_then(|meta| meta.code()).map(str::to_owned),
    };
    let (class, cause) = classify_error(wire, &names);
    let is_named = names.is_any();
    let error_type = names.body_type.as_deref().or(names.header.as_deref()).map(bare_name);
    let error_type = error_type.filter(|name| !name.is_empty()).map(str::to_owned);
    let code = names.body_code.or_else(|| error_type.clone()).or(names.sdk_code).filter(|code| !code.is_empty());
    let message = said.message.or_else(|| metadata.and_then(|meta| meta.message()).map(str::to_owned));
    let unreached = asked.unreached(wire, capture.uri().as_deref(), error);
    // If the service said nothing, the error chain does. Not if credentials were being obtained: the chain could quote a
    // helper program's output, which may hold secrets.
    let chain = || match wire {
        Wire::NoCredentials => reason_not_held(error).unwrap_or_else(|| NO_CREDENTIALS.to_owned()),
        _ => match &unreached {
            Some(unreached) => format!("{unreached}: {}", chain_text(error)),
            None => chain_text(error),
        },
    };
    let foreign = || foreign_body(asked.service, wire, is_named, error, body).filter(|_| unreached.is_none());
    let message = message.or_else(foreign);
    let message = message.or_else(|| metadata.is_none().then(chain));
    // A proxy's 407 is an answer, but says nothing about the service.
    let message = message.or_else(|| unreached.as_ref().map(ToString::to_string));
    let message = message.map(|text| String::from_utf8_lossy(&without_token(text.as_bytes())).into_owned());
    let text = ErrorText { error_type, code, message, docs: said.docs, tip: said.tip };
    ApiError { class, cause, text, unreached: unreached.map(Box::new) }
}

/// The message about an answer that names no error and whose body is not the service's, such as a proxy's page: it
/// describes what came instead of quoting a parser.
fn foreign_body<E>(
    service: Service,
    wire: Wire,
    is_named: bool,
    error: &SdkError<E, HttpResponse>,
    body: &[u8],
) -> Option<String> {
    let Wire::Answer { status } = wire else { return None };
    let is_json = body.trim_ascii_start().starts_with(b"{");
    if is_named || is_json {
        return None;
    }
    if body.is_empty() {
        return Some(format!("HTTP {status} without a body"));
    }
    let kind = error.raw_response().and_then(|response| response.headers().get("content-type"));
    let kind = kind.map(|kind| format!("{}, ", kind.chars().take(64).collect::<String>())).unwrap_or_default();
    let bytes = counted(body.len() as u64, "byte", "bytes");
    Some(format!("HTTP {status} with a body that is not {}'s ({kind}{bytes})", service.name()))
}

fn wire<E>(capture: &Capture, exchange: &Exchange, error: &SdkError<E, HttpResponse>) -> Wire
where
    E: StdError + Send + Sync + 'static,
{
    match error {
        SdkError::ConstructionFailure(_) => Wire::NotBuilt,
        SdkError::DispatchFailure(_) if !capture.transmit_began() => Wire::NoCredentials,
        SdkError::TimeoutError(_) if !capture.transmit_began() => Wire::NoCredentials,
        SdkError::TimeoutError(_) => Wire::Timeout,
        SdkError::DispatchFailure(_) if never_connected(error) => Wire::ConnectFailed,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => Wire::Timeout,
        _ => exchange.http_status.map_or(Wire::Cut, |status| Wire::Answer { status }),
    }
}

/// Whether the HTTP client itself says that the connection was never made. Nothing else proves that a request was not
/// sent: a connection that is closed after the request was read is a dispatch failure, too.
fn never_connected(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(|error| error.is_connect()) {
            return true;
        }
        next = error.source();
    }
    false
}

/// An error and its sources in one line.
fn chain_text(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let part = error.to_string();
        if !text.ends_with(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        next = error.source();
    }
    text
}
