//! Where requests go, as the SDK itself resolves it, compared with the service's own address, and the setting that made the
//! difference. Determining this sends nothing and needs no credentials.

use aws_config::profile::ProfileSet;
use aws_runtime::env_config::property::PropertiesKey;

use super::config_error::AwsConfigError;
use super::service::Service;
use super::variables::Variables;

/// An effective address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The service that it belongs to.
    pub service: Service,
    /// Scheme and authority, without a user or password.
    pub url: String,
    /// The service's own address in that region, if it has one.
    pub own: Option<String>,
    /// The setting that names the address, if any.
    pub setting: Option<String>,
}

impl Address {
    /// Whether this is the service's own address.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.own.as_ref() == Some(&self.url)
    }
}

/// An address that is set, and where.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Configured {
    pub(super) setting: String,
    pub(super) url: String,
}

/// What decides about addresses: the variables and the profile.
#[derive(Clone, Default)]
pub(super) struct AddressSettings {
    pub(super) variables: Variables,
    pub(super) profile: Option<ProfileSet>,
    /// What `--endpoint-url` or its variable says.
    pub(super) endpoint_url: Option<String>,
}

/// Prints nothing of the content: a profile may hold keys.
impl std::fmt::Debug for AddressSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AddressSettings").finish_non_exhaustive()
    }
}

impl AddressSettings {
    /// The address that is set for `service`, in the SDK's order: the flag; the service's own variable, then the general one;
    /// the profile's `services` section, then its `endpoint_url`.
    pub(super) fn configured(&self, service: Service) -> Option<Configured> {
        let found = |setting: String, url: &str| Some(Configured { setting, url: url.to_owned() });
        if let Some(url) = &self.endpoint_url {
            let by_variable = self.variables.get("KEYBATCH_ENDPOINT_URL") == Some(url);
            return found(if by_variable { "KEYBATCH_ENDPOINT_URL" } else { "--endpoint-url" }.to_owned(), url);
        }
        if self.truth("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls").is_some() {
            return None;
        }
        for name in [service.variable(), "AWS_ENDPOINT_URL"] {
            if let Some(url) = self.variables.get(name) {
                return found(name.to_owned(), url);
            }
        }
        if let Some((section, url)) = self.of_services(service) {
            return found(format!("endpoint_url of {} in the section [services {section}]", service.section()), url);
        }
        let (setting, url) = self.of_profile("endpoint_url")?;
        found(setting, &url)
    }

    fn of_services(&self, service: Service) -> Option<(&str, &str)> {
        let profile = self.profile.as_ref()?;
        let section = profile.get("services")?;
        let key = PropertiesKey::builder()
            .section_key("services")
            .section_name(section)
            .property_name(service.section())
            .sub_property_name("endpoint_url")
            .build()
            .ok()?;
        Some((section, profile.other_sections().get(&key)?.as_str())).filter(|(_, url)| !url.is_empty())
    }

    /// A value of the profile that is not empty, with the name of its setting.
    pub(super) fn of_profile(&self, key: &str) -> Option<(String, String)> {
        let profile = self.profile.as_ref()?;
        let value = profile.get(key).filter(|value| !value.is_empty())?;
        Some((format!("{key} of the profile {}", profile.selected_profile()), value.to_owned()))
    }

    /// The setting that switches something on, if any: the variable takes precedence over the profile.
    fn truth(&self, variable: &str, key: &str) -> Option<String> {
        let is_true = |value: &str| value.eq_ignore_ascii_case("true");
        match self.variables.get(variable) {
            Some(value) => is_true(value).then(|| variable.to_owned()),
            None => self.of_profile(key).filter(|(_, value)| is_true(value)).map(|(setting, _)| setting),
        }
    }

    /// The settings that ask for another variant of the service's own address.
    pub(super) fn variants(&self) -> Vec<String> {
        let fips = self.truth("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint");
        fips.into_iter().chain(self.truth("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint")).collect()
    }

    /// The setting that leads to the address of `service`, for people. Settings that ask for a variant count, too.
    pub(super) fn leading(&self, service: Service) -> Option<String> {
        match self.configured(service) {
            Some(configured) => Some(configured.setting),
            None => Some(self.variants().join(" and ")).filter(|settings| !settings.is_empty()),
        }
    }
}

/// Why an address that is set cannot be used, in words that follow its setting's name; `None` if it can.
fn trouble(url: &str) -> Option<Trouble> {
    // The sign alone decides: even a text that is not an address must not be shown if it may hold a password.
    if url.contains('@') {
        return Some(Trouble::Secret);
    }
    let usable = url.parse::<http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    });
    (!usable).then_some(Trouble::NoAddress)
}

/// An address in the form that may be recorded: without user, password, query and fragment, any of which may hold a secret.
#[must_use]
pub fn without_secrets(url: &str) -> String {
    without_user(url.split(['?', '#']).next().unwrap_or_default())
}

/// An address without its user and password.
#[must_use]
pub fn without_user(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = url.split_at(start);
    let (authority, path) = rest.find(['/', '?', '#']).map_or((rest, ""), |at| rest.split_at(at));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}{host}{path}")
}

/// Why an address that the command line names cannot be used.
#[must_use]
pub fn refused_flag(url: &str) -> Option<AwsConfigError> {
    refused(&Configured { setting: "--endpoint-url (KEYBATCH_ENDPOINT_URL)".to_owned(), url: url.to_owned() })
}

/// Why an address that is set cannot be used.
pub(super) fn refused(configured: &Configured) -> Option<AwsConfigError> {
    let setting = configured.setting.clone();
    match trouble(&configured.url)? {
        Trouble::Secret => Some(AwsConfigError::SecretAddress { setting }),
        Trouble::NoAddress => Some(AwsConfigError::NotAnAddress { setting, url: without_secrets(&configured.url) }),
    }
}

/// What is wrong with an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// It has a user or a password in it.
    Secret,
    /// It is not an address.
    NoAddress,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_without_what_may_be_secret() {
        for (url, kept) in [
            ("http://127.0.0.1:1/base/", "http://127.0.0.1:1/base/"),
            ("https://host/base?token=hunter2", "https://host/base"),
            ("https://host?token=a@b/c", "https://host"),
            ("https://host/a#hunter2", "https://host/a"),
            ("https://user:hunter2@host:8443/a@b", "https://host:8443/a@b"),
            ("user:hunter2@host/x", "host/x"),
        ] {
            assert_eq!(without_secrets(url), kept, "{url}");
        }
    }

    #[test]
    fn an_address_with_a_user_is_never_used() {
        for secret in ["http://user@host", "https://user:hunter2@host/", "user:hunter2@host", "http://@host"] {
            assert_eq!(trouble(secret), Some(Trouble::Secret), "{secret}");
        }
        for none in ["", "host", "host:80", "ftp://host", "http://", "http:///x", "https://a b"] {
            assert_eq!(trouble(none), Some(Trouble::NoAddress), "{none}");
        }
        for good in ["http://127.0.0.1:1", "https://host", "https://[::1]:8443/base"] {
            assert_eq!(trouble(good), None, "{good}");
        }
    }
}
