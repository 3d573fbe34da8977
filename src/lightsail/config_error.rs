//! Why the AWS configuration cannot be used.

use super::service::Service;
use super::trust::BundleError;

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AwsConfigError {
    /// The address of the service could not be determined.
    #[error("cannot determine the address of {} in {region}: {reason}", .service.name())]
    NoAddress {
        /// The service.
        service: Service,
        /// The region asked for.
        region: String,
        /// The SDK's reason.
        reason: String,
        /// The settings that affect it.
        settings: Vec<String>,
    },
    /// A setting holds a user or a password for the address, which would end up in the journal.
    #[error("the address in {setting} contains a user or password, which would end up in the journal")]
    SecretAddress {
        /// The setting.
        setting: String,
    },
    /// A setting's value is not an address. The SDK would silently ignore some of these and send requests to AWS itself.
    #[error("{setting} is {url:?}, which is not an address such as https://host:port")]
    NotAnAddress {
        /// The setting.
        setting: String,
        /// What it says.
        url: String,
    },
    /// The certificates to trust cannot be used.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}
