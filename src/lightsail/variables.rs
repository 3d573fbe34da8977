//! The environment variables that decide where requests go and which certificates they trust. Passed in by the command
//! line, which alone reads the environment; the SDK's loader reads the same variables itself.

use std::collections::BTreeMap;
use std::fmt;

/// The variables that are read here.
pub const NAMES: [&str; 26] = [
    "KEYBATCH_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_LIGHTSAIL",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_SDK_UA_APP_ID",
    "AWS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HOME",
    "ALL_PROXY",
    "all_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
    "REQUEST_METHOD",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
];

/// The values of [`NAMES`]. Some hold passwords, so no value is ever printed unchanged.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<&'static str, String>);

impl Variables {
    /// Takes the variables in [`NAMES`] from `look_up`, which also returns empty ones.
    pub fn read<'a>(look_up: impl Fn(&str) -> Option<&'a str>) -> Self {
        Self(NAMES.into_iter().filter_map(|name| Some((name, look_up(name)?.to_owned()))).collect())
    }

    /// A variable that is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.set(name).filter(|value| !value.is_empty())
    }

    /// A variable that is set, even if it is empty.
    #[must_use]
    pub fn set(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
