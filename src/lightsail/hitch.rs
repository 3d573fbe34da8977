//! Determines what stood in the way of a request from the types in the error's chain, never from its words.

use std::error::Error as StdError;

use aws_smithy_runtime_api::client::dns::ResolveDnsError;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use rustls::CertificateError;
use tower_service::Service;

use crate::domain::Hitch;

/// The error of a proxy's tunnel. hyper-util does not export the type.
type TunnelError = <Tunnel<HttpConnector> as Service<http::Uri>>::Error;

/// What stood in the way of a connection that was never made.
pub(super) fn hitch(error: &(dyn StdError + 'static)) -> Hitch {
    let mut found = Hitch::NotConnected;
    for error in chain(error) {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return of_tls(tls);
        }
        if error.is::<ResolveDnsError>() {
            return Hitch::NotResolved;
        }
        if let Some(tunnel) = error.downcast_ref::<TunnelError>() {
            match tunnel {
                TunnelError::ProxyAuthRequired => return Hitch::ProxyWantsUser,
                // The proxy itself was not reached; the rest of the chain says why.
                TunnelError::ConnectFailed(_) => {}
                _ => found = Hitch::ProxyRefused,
            }
        }
        if error.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::TimedOut) {
            found = Hitch::ConnectTimeout;
        }
    }
    found
}

fn of_tls(error: &rustls::Error) -> Hitch {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => Hitch::UnknownIssuer,
        rustls::Error::InvalidCertificate(_) => Hitch::Certificate,
        _ => Hitch::Handshake,
    }
}

/// The error and its sources. An `io::Error` does not give the error that it wraps as its source, but that error's source.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<std::io::Error>() {
        Some(io) => io.get_ref().map(|inner| inner as &(dyn StdError + 'static)),
        None => error.source(),
    })
}
