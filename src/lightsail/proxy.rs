//! Proxies: which variable names one, and which requests go through it. The rules are those of the HTTP client that the
//! SDK uses (hyper-util's `Matcher`, also asked here), with one exception: requests to this machine and to the metadata
//! addresses never go through a proxy, which could not reach them and would see a role's credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use hyper_util::client::proxy::matcher::Matcher;

use super::variables::Variables;
use crate::domain::ProxyUsed;

/// The variables that name a proxy, in order of precedence; `get_first_env` of hyper-util 0.1.
const FOR_HTTP: [&str; 2] = ["HTTP_PROXY", "http_proxy"];
const FOR_HTTPS: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
const FOR_ALL: [&str; 2] = ["ALL_PROXY", "all_proxy"];
const NOT_FOR: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The metadata service of EC2 over IPv6.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// What the proxy variables say.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    http: Option<One>,
    https: Option<One>,
    all: Option<One>,
    exempt: Option<(&'static str, String)>,
    unusable: Vec<&'static str>,
}

/// One proxy variable that names a proxy.
#[derive(Debug, Clone)]
struct One {
    variable: &'static str,
    shown: String,
    has_user: bool,
    matcher: Arc<Matcher>,
}

impl Proxies {
    /// Reads the variables as the SDK's HTTP client does.
    #[must_use]
    pub fn read(variables: &Variables) -> Self {
        // A CGI program's HTTP_PROXY may come from the network, so the client ignores it there.
        if variables.set("REQUEST_METHOD").is_some() {
            return Self::default();
        }
        let first = |names: [&'static str; 2]| names.into_iter().find_map(|name| Some((name, variables.set(name)?)));
        let exempt =
            first(NOT_FOR).filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, value.to_owned()));
        let mut unusable = Vec::new();
        let mut one = |names| {
            let (variable, value) = first(names).filter(|(_, value)| !value.is_empty())?;
            let found = One::read(variable, value, exempt.as_ref().map(|(_, value)| value.as_str()));
            if found.is_none() {
                unusable.push(variable);
            }
            found
        };
        let (http, https, all) = (one(FOR_HTTP), one(FOR_HTTPS), one(FOR_ALL));
        Self { http, https, all, exempt, unusable }
    }

    /// The proxy that a request to `uri` goes through, if any.
    #[must_use]
    pub fn of(&self, uri: &http::Uri) -> Option<ProxyUsed> {
        if uri.host().is_none_or(is_near) {
            return None;
        }
        let one = if uri.scheme_str() == Some("https") { &self.https } else { &self.http };
        let one = one.as_ref().or(self.all.as_ref())?;
        one.matcher.intercept(uri)?;
        Some(ProxyUsed { address: one.shown.clone(), variable: one.variable.to_owned() })
    }

    /// Each variable that is set and what it says, without users and passwords.
    #[must_use]
    pub fn described(&self) -> Vec<String> {
        let user = |one: &One| if one.has_user { ", with a user or password that is not shown" } else { "" };
        let named = [&self.http, &self.https, &self.all].into_iter().flatten();
        let mut said: Vec<_> = named.map(|one| format!("{} is {}{}", one.variable, one.shown, user(one))).collect();
        said.extend(
            self.unusable.iter().map(|name| format!("{name} is set, but is no proxy that can be used: ignored")),
        );
        said.extend(self.exempt.iter().map(|(name, value)| format!("{name} is {value}")));
        said
    }
}

impl One {
    fn read(variable: &'static str, value: &str, exempt: Option<&str>) -> Option<Self> {
        let builder = Matcher::builder().all(value.to_owned());
        let anywhere = builder.build().intercept(&http::Uri::from_static("https://aws.invalid/"))?;
        let matcher = Matcher::builder().all(value.to_owned()).no(exempt.unwrap_or_default().to_owned()).build();
        let shown = anywhere.uri().to_string().trim_end_matches('/').to_owned();
        let has_user = anywhere.basic_auth().is_some() || anywhere.raw_auth().is_some();
        Some(Self { variable, shown, has_user, matcher: Arc::new(matcher) })
    }
}

/// Whether `host` is this machine or a metadata address: 127.0.0.0/8, ::1, localhost, 169.254.0.0/16, fd00:ec2::254.
pub(super) fn is_near(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) => is_near_v4(v4),
        Ok(IpAddr::V6(v6)) => v6.is_loopback() || v6 == METADATA_V6 || v6.to_ipv4_mapped().is_some_and(is_near_v4),
        Err(_) => {
            let host = host.trim_end_matches('.').to_ascii_lowercase();
            host == "localhost" || host.ends_with(".localhost")
        }
    }
}

fn is_near_v4(v4: Ipv4Addr) -> bool {
    v4.is_loopback() || v4.is_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(set: &[(&'static str, &'static str)]) -> Proxies {
        let look_up = |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| *value);
        Proxies::read(&Variables::read(look_up))
    }

    fn of(set: &[(&'static str, &'static str)], uri: &str) -> Option<String> {
        proxies(set).of(&uri.parse().unwrap()).map(|proxy| proxy.to_string())
    }

    const AWS: &str = "https://lightsail.us-east-1.amazonaws.com/";

    #[test]
    fn each_variable_counts_for_what_the_http_client_uses_it_for() {
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            let set = [(name, "http://proxy.example:3128")];
            assert_eq!(of(&set, AWS), Some(format!("the proxy http://proxy.example:3128 ({name})")));
        }
        for name in ["HTTP_PROXY", "http_proxy"] {
            let set = [(name, "proxy.example:3128")];
            assert_eq!(of(&set, AWS), None, "for http alone");
            assert_eq!(of(&set, "http://far.example/"), Some(format!("the proxy http://proxy.example:3128 ({name})")));
        }
        // The more specific variable wins; the upper-case one comes first.
        let both =
            [("ALL_PROXY", "http://all:1"), ("https_proxy", "http://lower:1"), ("HTTPS_PROXY", "http://upper:1")];
        assert_eq!(of(&both, AWS).as_deref(), Some("the proxy http://upper:1 (HTTPS_PROXY)"));
        assert_eq!(of(&[("HTTPS_PROXY", "http://p:1"), ("NO_PROXY", ".amazonaws.com")], AWS), None);
        assert_eq!(of(&[("HTTPS_PROXY", "http://p:1"), ("REQUEST_METHOD", "GET")], AWS), None);
    }

    #[test]
    fn what_is_near_is_never_reached_through_a_proxy() {
        let all = [("ALL_PROXY", "http://p:1")];
        for near in
            ["127.0.0.1:99", "127.9.9.9", "[::1]:5", "localhost", "a.localhost", "169.254.169.254", "[fd00:ec2::254]"]
        {
            assert_eq!(of(&all, &format!("http://{near}/")), None, "{near}");
        }
        for far in ["10.0.0.1", "localhost.example", "[fd00::1]"] {
            assert!(of(&all, &format!("http://{far}/")).is_some(), "{far}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        let set =
            [("HTTPS_PROXY", "http://user:hunter2@p:1"), ("ALL_PROXY", "http://u ser:hunter2@p:1"), ("NO_PROXY", "x")];
        let said = proxies(&set).described();
        assert_eq!(said[0], "HTTPS_PROXY is http://p:1, with a user or password that is not shown");
        assert_eq!(said[1], "ALL_PROXY is set, but is no proxy that can be used: ignored");
        assert!(!format!("{said:?} {:?}", proxies(&set)).contains("hunter2"));
    }
}
