//! Where requests go, and through what: the checks before anything is sent, and the hints after a failure.

use super::Environment;
use super::code::Code;
use super::error::{CliError, Sent};
use super::exit::Exit;
use super::refusals;
use crate::domain::{ApiError, Cause, Hitch, Unreached};
use crate::lightsail::address::refused_flag;
use crate::lightsail::config_error::AwsConfigError;
use crate::lightsail::load::{AwsOptions, configured_region, metadata_region};
use crate::lightsail::variables::Variables;
use crate::manifest::check_region;

/// The variables that decide where requests go.
pub(super) fn variables(environment: &Environment) -> Variables {
    Variables::read(|name| environment.set(name))
}

/// Refuses flags that cannot be used, before they are journalled among the settings.
pub(super) fn check_flags(region: Option<&str>, endpoint_url: Option<&str>) -> Result<(), CliError> {
    if let Some(fault) = region.and_then(|region| check_region(region).err()) {
        let message = format!("--region (KEYBATCH_REGION): {}", fault.message);
        return Err(CliError::new(Exit::Usage, message).code(Code::Region).hint(fault.hint).sent(Sent::Nothing));
    }
    match endpoint_url.and_then(refused_flag) {
        Some(error) => Err(config_error(&error)),
        None => Ok(()),
    }
}

/// The region that the flag, the variables or the profile name, checked like the manifest's column.
pub(super) async fn region_of_settings(options: &AwsOptions) -> Result<Option<String>, CliError> {
    if options.region.is_some() {
        return Ok(options.region.clone());
    }
    let Some(found) = configured_region(options.profile.as_deref(), &options.variables).await else { return Ok(None) };
    match check_region(&found.region) {
        Ok(()) => Ok(Some(found.region)),
        Err(fault) => {
            let message = format!("{}: {}", found.setting, fault.message);
            Err(CliError::new(Exit::Environment, message).code(Code::Region).hint(fault.hint).sent(Sent::Nothing))
        }
    }
}

/// The region of rows that name none: as above, or else the instance's own. Its metadata service is asked last, because that
/// takes seconds on machines that have none.
pub(super) async fn region_of_machine(options: &AwsOptions) -> Result<Option<String>, CliError> {
    match region_of_settings(options).await? {
        Some(region) => Ok(Some(region)),
        None => metadata_region(options).await.map_err(|error| config_error(&error)),
    }
}

/// The error for a configuration that cannot be used.
pub(super) fn config_error(error: &AwsConfigError) -> CliError {
    let said = CliError::from_error(Exit::Environment, error).code(Code::Endpoint);
    let said = match error {
        AwsConfigError::NoAddress { settings, .. } if !settings.is_empty() => {
            said.hint(format!("the setting comes from {}: unset what you do not intend", settings.join(" and ")))
        }
        AwsConfigError::NoAddress { .. } => said,
        AwsConfigError::SecretAddress { setting } => {
            said.hint(format!("remove the user and password from {setting}; Lightsail and STS take neither"))
        }
        AwsConfigError::NotAnAddress { setting, .. } => said.hint(format!("correct or unset {setting}")),
        AwsConfigError::Bundle(_) => {
            said.hint("name a readable file of PEM certificates there, or unset it to trust the system's certificates")
        }
    };
    said.sent(Sent::Nothing)
}

/// What to do about a service that gave no usable answer.
pub(super) fn hints(error: &ApiError) -> Vec<String> {
    if let Some(unreached) = error.unreached.as_deref() {
        return hints_of(unreached);
    }
    let names = || [error.text.error_type.as_deref(), error.text.code.as_deref()].into_iter().flatten();
    if let Some(step) = refusals::step(names()) {
        return vec![step.to_owned()];
    }
    let is_nameless = names().next().is_none();
    if is_nameless && matches!(error.cause, Cause::Unreadable | Cause::ServerError) {
        return vec![
            "a proxy, a firewall or a sign-in page may have answered in place of AWS: check HTTPS_PROXY and NO_PROXY, and \
             that this network permits requests to AWS; `keybatch doctor` shows what is set"
                .to_owned(),
        ];
    }
    vec!["check credentials, clock and network, e.g. with: aws sts get-caller-identity".to_owned()]
}

/// What to do about an address that was not reached. The setting that led there comes first.
pub(super) fn hints_of(unreached: &Unreached) -> Vec<String> {
    let Unreached { host, region, setting, proxy, hitch } = unreached;
    let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
    match (hitch, proxy) {
        (hitch, _) if hitch.is_tls() => vec![
            "trusted certificates come from AWS_CA_BUNDLE, otherwise from ca_bundle of the profile, otherwise from \
             SSL_CERT_FILE and SSL_CERT_DIR, otherwise from the system"
                .to_owned(),
            "if a proxy or a private endpoint has a certificate of its own, add its issuer there; `keybatch doctor` shows \
             what is set"
                .to_owned(),
        ],
        (Hitch::ProxyWantsUser, Some(proxy)) => {
            vec![format!("put the user and password for the proxy in {}: http://USER:PASSWORD@HOST:PORT", proxy.variable)]
        }
        (_, Some(proxy)) if proxy.address.starts_with("socks") => {
            vec![format!("{} names a SOCKS proxy, but the AWS SDK can only use HTTP proxies", proxy.variable)]
        }
        (_, Some(proxy)) => {
            let variable = &proxy.variable;
            vec![format!("check {variable}, or exempt the host from it: NO_PROXY={name}")]
        }
        (_, None) => {
            let mut hints = Vec::new();
            match (setting, hitch) {
                (Some(setting), _) => hints.push(format!("check {setting}")),
                (None, Hitch::NotResolved) => hints.push(format!(
                    "check the network, and that Lightsail has the region {region} (aws lightsail get-regions lists them)"
                )),
                (None, _) => {}
            }
            if setting.is_none() {
                hints.push("if this network needs a proxy, set HTTPS_PROXY".to_owned());
            }
            hints
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ProxyUsed;

    fn unreached(hitch: Hitch) -> Unreached {
        let host = "lightsail.eu-nowhere-9.amazonaws.com".to_owned();
        Unreached { host, region: "eu-nowhere-9".to_owned(), setting: None, proxy: None, hitch }
    }

    /// A region that does not exist looks like a host name that does not resolve (seen with aws-sdk-lightsail 1.135.0).
    #[test]
    fn a_region_that_does_not_exist_is_suspected() {
        let nowhere = unreached(Hitch::NotResolved);
        let said = nowhere.to_string();
        assert!(
            said.contains("lightsail.eu-nowhere-9.amazonaws.com") && said.contains("(region eu-nowhere-9)"),
            "{said}"
        );
        let hints = hints_of(&nowhere).join("\n");
        assert!(hints.contains("has the region eu-nowhere-9"), "{hints}");
        assert!(!hints.contains("credentials") && !hints.contains("clock"), "{hints}");
    }

    #[test]
    fn hints_are_about_the_answer() {
        let named = |name: &str| ApiError {
            text: crate::domain::ErrorText { code: Some(name.into()), ..Default::default() },
            ..ApiError::nothing(crate::domain::Class::RefusedForAll, Cause::Error)
        };
        assert!(hints(&named("RequestExpired"))[0].contains("clock"));
        assert!(hints(&named("SomethingElse"))[0].contains("get-caller-identity"));
        let nameless = ApiError::nothing(crate::domain::Class::Unanswered, Cause::Unreadable);
        assert!(hints(&nameless)[0].contains("proxy"));
    }

    #[test]
    fn hints_are_about_what_led_there() {
        let proxy = |address: &str| Some(ProxyUsed { address: address.to_owned(), variable: "ALL_PROXY".to_owned() });
        let of = |change: &dyn Fn(&mut Unreached)| {
            let mut unreached = unreached(Hitch::NotConnected);
            change(&mut unreached);
            hints_of(&unreached).join("\n")
        };
        assert!(of(&|it| it.setting = Some("AWS_ENDPOINT_URL".into())).starts_with("check AWS_ENDPOINT_URL"));
        assert!(of(&|it| it.proxy = proxy("http://p:1")).contains("NO_PROXY=lightsail.eu-nowhere-9.amazonaws.com"));
        assert!(of(&|it| it.proxy = proxy("socks5://p:1")).contains("SOCKS"));
        assert!(of(&|it| it.hitch = Hitch::UnknownIssuer).contains("AWS_CA_BUNDLE"));
        assert!(of(&|_| ()).contains("HTTPS_PROXY"));
    }
}
