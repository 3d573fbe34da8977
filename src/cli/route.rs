//! What `doctor` finds on the way to the service: region, effective addresses, proxies, certificates. It sends nothing.

use super::diagnosis::{Diagnosis, Health, diagnosis};
use super::error::CliError;
use super::network::{config_error, region_of_settings};
use crate::lightsail::address::Address;
use crate::lightsail::aws::AwsLightsail;
use crate::lightsail::config_error::AwsConfigError;
use crate::lightsail::load::{AwsOptions, configured_region, trusted_bundle};
use crate::lightsail::proxy::Proxies;
use crate::lightsail::service::Service;
use crate::lightsail::trust::Bundle;
use crate::review::Given;

/// The region for which addresses are shown if none is configured.
const EXAMPLE_REGION: &str = "us-east-1";

/// All of it.
pub(super) async fn way(options: &AwsOptions) -> Vec<Diagnosis> {
    let (region, mut findings) = region(options).await;
    let (addresses, line) = addresses(options, region.as_deref()).await;
    findings.extend(line);
    findings.extend(proxies(&Proxies::read(&options.variables), &addresses));
    findings.extend(certificates(options).await);
    findings
}

async fn region(options: &AwsOptions) -> (Option<String>, Vec<Diagnosis>) {
    match region_of_settings(options).await {
        Err(error) => (None, vec![diagnosis("region", Health::Bad, said(&error))]),
        Ok(None) => {
            let text =
                "no region is configured: each row must name one, or keybatch asks the instance's metadata service";
            (None, vec![diagnosis("region", Health::Note, text)])
        }
        Ok(Some(region)) => {
            let found = configured_region(options.profile.as_deref(), &options.variables).await;
            let setting = match (&options.region, found) {
                (None, Some(found)) => found.setting,
                _ => "--region".to_owned(),
            };
            (Some(region.clone()), vec![diagnosis("region", Health::Good, format!("{region} ({setting})"))])
        }
    }
}

/// Where requests to both services really go, as the SDK resolves it, in one line.
async fn addresses(options: &AwsOptions, region: Option<&str>) -> (Vec<Address>, Option<Diagnosis>) {
    let resolved = async {
        let port = AwsLightsail::load(options).await?;
        let mut found = Vec::new();
        for service in [Service::Lightsail, Service::Sts] {
            found.push(port.address(service, region.unwrap_or(EXAMPLE_REGION)).await?);
        }
        Ok::<_, AwsConfigError>(found)
    };
    match resolved.await {
        Ok(found) => {
            let line = line(&found, region);
            (found, Some(line))
        }
        // The certificates' own line reports it.
        Err(AwsConfigError::Bundle(_)) => (Vec::new(), None),
        Err(error) => (Vec::new(), Some(diagnosis("endpoint", Health::Bad, said(&config_error(&error))))),
    }
}

fn line(addresses: &[Address], region: Option<&str>) -> Diagnosis {
    let shown = |url: &str| match region {
        Some(_) => url.to_owned(),
        None => url.replace(EXAMPLE_REGION, "{region}"),
    };
    let everywhere = addresses.iter().all(Address::is_own);
    let of = |address: &Address| {
        let (name, url) = (address.service.name(), shown(&address.url));
        let setting = address.setting.as_deref().map_or_else(String::new, |setting| format!(" ({setting})"));
        match &address.own {
            _ if everywhere => format!("{name} {url}{setting}"),
            _ if address.is_own() => format!("{name} at AWS, {url}{setting}"),
            Some(own) => format!("{name} at {url}{setting} instead of {}", shown(own)),
            None => format!("{name} at {url}{setting}"),
        }
    };
    let all = addresses.iter().map(of).collect::<Vec<_>>().join("; ");
    if everywhere {
        return diagnosis("endpoint", Health::Good, format!("requests go to AWS: {all}"));
    }
    let some = if addresses.iter().any(Address::is_own) { "SOME " } else { "" };
    diagnosis("endpoint", Health::Note, format!("{some}REQUESTS DO NOT GO TO AWS: {all}"))
}

/// What the proxy variables say, and which requests they apply to.
fn proxies(proxies: &Proxies, addresses: &[Address]) -> Vec<Diagnosis> {
    let mut findings: Vec<_> =
        proxies.described().into_iter().map(|text| diagnosis("proxy", Health::Note, text)).collect();
    if findings.is_empty() {
        return findings;
    }
    for address in addresses {
        let name = address.service.name();
        let text = match address.url.parse().ok().and_then(|uri| proxies.of(&uri)) {
            Some(proxy) => format!("requests to {name} go through {proxy}"),
            None => format!("requests to {name} use no proxy"),
        };
        findings.push(diagnosis("proxy", Health::Note, text));
    }
    findings
}

async fn certificates(options: &AwsOptions) -> Vec<Diagnosis> {
    let mut findings = Vec::new();
    let shown = |bundle: &Bundle| {
        format!("{} certificates of {} ({})", bundle.certificates, bundle.path.display(), bundle.setting)
    };
    let counts = match trusted_bundle(options).await {
        Ok(Some(bundle)) => {
            findings.push(diagnosis("certificates", Health::Note, format!("only {} are trusted", shown(&bundle))));
            true
        }
        Ok(None) => false,
        Err(error) => {
            findings.push(diagnosis("certificates", Health::Bad, said(&config_error(&error))));
            return findings;
        }
    };
    for name in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        if let Some(path) = options.variables.get(name) {
            let used = if counts {
                "not used, because of the setting above"
            } else {
                "trusted instead of the system's certificates"
            };
            findings.push(diagnosis("certificates", Health::Note, format!("{name} is {path}: {used}")));
        }
    }
    findings
}

/// An error in one line, with its causes and what to do.
fn said(error: &CliError) -> String {
    let causes = error.causes.iter().map(|cause| format!(": {cause}")).collect::<String>();
    let hints = error.hints.iter().map(|hint| format!("; {}", hint.told(&Given::default()))).collect::<String>();
    format!("{}{causes}{hints}", error.message)
}
