//! Why an address was not reached: what stood in the way, and which settings led there. For people only; decisions about a
//! row depend on the class.

use std::fmt;

/// An address that could not be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreached {
    /// The host, with its port if one was given.
    pub host: String,
    /// The region that was asked for.
    pub region: String,
    /// The setting that led to this address, if it is not the service's own.
    pub setting: Option<String>,
    /// The proxy on the way: its address without a user or password, and the variable that names it.
    pub proxy: Option<ProxyUsed>,
    /// What stood in the way.
    pub hitch: Hitch,
}

/// A proxy that a request was to go through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyUsed {
    /// Its address, without a user or password.
    pub address: String,
    /// The variable that names it.
    pub variable: String,
}

impl fmt::Display for ProxyUsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy {} ({})", self.address, self.variable)
    }
}

/// What stood in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hitch {
    /// The name has no address.
    NotResolved,
    /// The connection was refused, or there is no way there.
    NotConnected,
    /// Nothing answered the attempt to connect.
    ConnectTimeout,
    /// The certificate was issued by nobody that is trusted here.
    UnknownIssuer,
    /// The certificate is not valid for this host, this time or this use.
    Certificate,
    /// Another failure of the TLS handshake.
    Handshake,
    /// The proxy refused to lead there.
    ProxyRefused,
    /// The proxy wants a user and a password (407).
    ProxyWantsUser,
    /// The connection was made, but there was no answer.
    NoAnswer,
}

impl Hitch {
    /// Whether the trust in certificates is what failed.
    #[must_use]
    pub fn is_tls(self) -> bool {
        matches!(self, Self::UnknownIssuer | Self::Certificate | Self::Handshake)
    }
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, region, setting, proxy, hitch } = self;
        // Where a proxy stands before the host, the host's name is the proxy's to resolve.
        let (end, way) = match proxy {
            Some(proxy) => (proxy.to_string(), format!(", which stands before {host}")),
            None => (host.clone(), String::new()),
        };
        match hitch {
            Hitch::NotResolved => write!(f, "the name of {end} cannot be resolved{way}")?,
            Hitch::NotConnected => write!(f, "no connection to {end}{way}")?,
            Hitch::ConnectTimeout => write!(f, "connecting to {end} took too long{way}")?,
            Hitch::UnknownIssuer => write!(f, "the certificate of {host} was issued by nobody that is trusted here")?,
            Hitch::Certificate => write!(f, "the certificate of {host} is not accepted")?,
            Hitch::Handshake => write!(f, "the TLS handshake with {host} failed")?,
            Hitch::ProxyRefused => write!(f, "{end} refused to connect to {host}")?,
            Hitch::ProxyWantsUser => write!(f, "{end} wants a user and a password (407){way}")?,
            Hitch::NoAnswer => write!(f, "no answer from {end}{way}")?,
        }
        match proxy {
            Some(proxy) if hitch.is_tls() => write!(f, ", through {proxy}")?,
            _ => {}
        }
        write!(f, " (region {region}")?;
        if let Some(setting) = setting {
            write!(f, "; the address comes from {setting}")?;
        }
        f.write_str(")")
    }
}
