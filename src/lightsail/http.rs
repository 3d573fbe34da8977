//! The SDK's HTTP clients: one for the service, with the proxies and certificates of the machine's settings, and one for
//! rehearsals, with neither.

use std::sync::Arc;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_types::config_bag::ConfigBag;

use super::proxy::is_near;
use super::trust::Bundle;

/// The TLS library of the client for the service.
const CRYPTO: CryptoMode = CryptoMode::AwsLc;
/// The name of that TLS library, for people.
pub const TLS: &str = "rustls with AWS-LC";

/// The client for rehearsals: plain HTTP to this machine, without proxies or certificates.
pub(super) fn rehearsing() -> SharedHttpClient {
    Builder::new().build_http()
}

/// The client for the service. Certificates come from `bundle`, else from the system. Proxies come from the environment, as
/// in the SDK's own client, but are never used for this machine or the metadata addresses.
pub(super) fn client(bundle: Option<&Bundle>) -> SharedHttpClient {
    let trusted = bundle.map(|bundle| Arc::<[u8]>::from(bundle.pem.as_slice()));
    let near = connecting(ProxyConfig::disabled(), trusted.clone());
    let far = connecting(ProxyConfig::from_env(), trusted);
    SharedHttpClient::new(Routed { near, far })
}

fn connecting(proxies: ProxyConfig, trusted: Option<Arc<[u8]>>) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = ConnectorBuilder::default().tls_provider(Provider::Rustls(CRYPTO));
        if let Some(pem) = &trusted {
            let store = TrustStore::empty().with_pem_certificate(pem.to_vec());
            if let Ok(context) = TlsContext::builder().with_trust_store(store).build() {
                builder.set_tls_context(context);
            }
        }
        builder.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            builder.set_sleep_impl(components.sleep_impl());
        }
        builder.set_proxy_config(Some(proxies.clone()));
        builder.build_with_resolver(Resolver)
    })
}

/// Asks the operating system, as the HTTP client would, but gives its failure a type that can be distinguished.
#[derive(Debug, Clone, Copy)]
struct Resolver;

impl ResolveDns for Resolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let found = tokio::net::lookup_host((name, 0)).await.map_err(ResolveDnsError::new)?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Two clients; each request's host decides which one sends it.
#[derive(Debug)]
struct Routed {
    near: SharedHttpClient,
    far: SharedHttpClient,
}

impl HttpClient for Routed {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(RoutedConnector {
            near: self.near.http_connector(settings, components),
            far: self.far.http_connector(settings, components),
        })
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        // Loads the system's certificates now instead of during the first attempt.
        self.near.validate_base_client_config(components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.near.connector_metadata()
    }
}

#[derive(Debug)]
struct RoutedConnector {
    near: SharedHttpConnector,
    far: SharedHttpConnector,
}

impl HttpConnector for RoutedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let host = request.uri().parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
        if host.is_some_and(|host| is_near(&host)) { self.near.call(request) } else { self.far.call(request) }
    }
}
