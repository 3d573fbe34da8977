//! Where the service itself answers, as opposed to a stand-in for it.

/// Whether an address is one of AWS's own, in any partition, with FIPS or for both versions of IP.
fn is_aws(address: &str) -> bool {
    let host = address.strip_prefix("https://").unwrap_or_default().split(['/', ':']).next().unwrap_or_default();
    [".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".api.amazonwebservices.com.cn"]
        .iter()
        .any(|suffix| host.ends_with(suffix))
}

/// What an address leads to: whichever of the service's own addresses is used, the key pairs behind it are the same.
#[must_use]
pub fn service_behind(address: &str) -> &str {
    if is_aws(address) { "aws" } else { address }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Endpoints of AWS as the SDK's rules make them: https://docs.aws.amazon.com/general/latest/gr/lightsail.html
    #[test]
    fn all_addresses_of_the_service_lead_to_the_same() {
        let plain = "https://lightsail.{region}.amazonaws.com";
        for same in [plain, "https://lightsail-fips.{region}.amazonaws.com", "https://lightsail.{region}.api.aws"] {
            assert_eq!(service_behind(same), service_behind(plain), "{same}");
        }
        for other in ["sandbox:w-1", "http://127.0.0.1:4566", "https://amazonaws.com.example.org", "", "https://x.org"]
        {
            assert_eq!(service_behind(other), other);
        }
    }
}
