//! Whom the SDK's HTTP client trusts: the certificates of AWS_CA_BUNDLE or of the profile's `ca_bundle` *instead of* the
//! system's, as in the AWS CLI. Without either, the system's, or those that SSL_CERT_FILE and SSL_CERT_DIR name.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::variables::Variables;

/// A file of certificates to trust.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// The setting that names it.
    pub setting: String,
    /// Where it is.
    pub path: PathBuf,
    /// How many certificates in it can be used.
    pub certificates: usize,
    /// The usable certificates only: the HTTP client panics at one that it cannot use.
    pub(super) pem: Vec<u8>,
}

/// A file of certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It cannot be read.
    #[error("the CA bundle {path} that {setting} names cannot be read")]
    Unreadable {
        /// The setting that names it.
        setting: String,
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// No certificate in it can be used.
    #[error("the CA bundle {path} that {setting} names contains no usable certificate in PEM form")]
    Empty {
        /// The setting that names it.
        setting: String,
        /// Where it is.
        path: PathBuf,
    },
}

/// The bundle to trust instead of the system's certificates, if any: AWS_CA_BUNDLE, else `of_profile`, the
/// profile's `ca_bundle` with the name of its setting. If neither is set, SSL_CERT_FILE must be usable if it is set.
///
/// # Errors
/// If the file that counts cannot be used.
pub fn bundle(variables: &Variables, of_profile: Option<(String, String)>) -> Result<Option<Bundle>, BundleError> {
    let of_variable = variables.get("AWS_CA_BUNDLE").map(|path| ("AWS_CA_BUNDLE".to_owned(), path.to_owned()));
    if let Some((setting, path)) = of_variable.or(of_profile) {
        return Bundle::read(setting, &path, variables).map(Some);
    }
    // If there is also a directory, it cannot be determined here whether an unusable file matters.
    if let (Some(path), None) = (variables.get("SSL_CERT_FILE"), variables.get("SSL_CERT_DIR")) {
        Bundle::read("SSL_CERT_FILE".to_owned(), path, variables)?;
    }
    Ok(None)
}

impl Bundle {
    /// Reads the file; `~/` at its beginning is the home directory.
    ///
    /// # Errors
    /// If it cannot be read, or no certificate in it can be used.
    pub fn read(setting: String, path: &str, variables: &Variables) -> Result<Self, BundleError> {
        let path = match (path.strip_prefix("~/"), variables.get("HOME")) {
            (Some(rest), Some(home)) => Path::new(home).join(rest),
            _ => PathBuf::from(path),
        };
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(source) => return Err(BundleError::Unreadable { setting, path, source }),
        };
        let mut pem = Vec::new();
        let mut certificates = 0;
        for der in CertificateDer::pem_slice_iter(&text).filter_map(Result::ok) {
            let block = pem_block(&der);
            if RootCertStore::empty().add(der).is_ok() {
                certificates += 1;
                pem.extend_from_slice(block.as_bytes());
            }
        }
        if certificates == 0 {
            return Err(BundleError::Empty { setting, path });
        }
        Ok(Self { setting, path, certificates, pem })
    }
}

fn pem_block(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
