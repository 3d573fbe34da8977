//! The credentials that sign requests. They are here before the first request is sent, and another task renews them before
//! they expire, so no attempt ever waits for them; once they have expired, they sign nothing.

use std::error::Error as StdError;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future;
use aws_sdk_lightsail::config::{Credentials, ProvideCredentials};
use aws_smithy_types::DateTime;
use jiff::Timestamp;

use crate::domain::{Clock, time_text};

/// Why a request could not be signed.
#[derive(Debug, thiserror::Error)]
enum NotHeld {
    /// They have not been obtained yet.
    #[error("no credentials were obtained")]
    Nothing,
    /// They have expired, and could not be renewed in time.
    #[error("the credentials expired at {at} and could not be renewed{because}")]
    Expired { at: String, because: String },
}

/// Shared by all clients.
#[derive(Debug)]
pub(super) struct Held {
    now: ArcSwapOption<Credentials>,
    last_fault: ArcSwapOption<String>,
    clock: Arc<dyn Clock>,
}

impl Held {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { now: ArcSwapOption::empty(), last_fault: ArcSwapOption::empty(), clock }
    }

    pub(super) fn hold(&self, credentials: Credentials) {
        self.last_fault.store(None);
        self.now.store(Some(Arc::new(credentials)));
    }

    /// Records why they could not be renewed, for the error after they expire.
    pub(super) fn not_renewed(&self, fault: String) {
        self.last_fault.store(Some(Arc::new(fault)));
    }

    /// When the held credentials expire, if they do.
    pub(super) fn expiry(&self) -> Option<Timestamp> {
        self.now.load().as_deref().and_then(expiry)
    }

    fn current(&self) -> Result<Credentials, NotHeld> {
        let held = self.now.load_full().ok_or(NotHeld::Nothing)?;
        match expiry(&held) {
            Some(at) if at <= self.clock.now() => {
                let because = self.last_fault.load().as_deref().map(|fault| format!(": {fault}")).unwrap_or_default();
                Err(NotHeld::Expired { at: time_text(at), because })
            }
            _ => Ok((*held).clone()),
        }
    }
}

/// Credentials that expire at that time, if at all.
pub(super) fn keys(
    id: String,
    secret: String,
    token: Option<String>,
    expiry: Option<Timestamp>,
    provider: &'static str,
) -> Credentials {
    let expiry = expiry.and_then(|at| DateTime::from_secs(at.as_second()).try_into().ok());
    Credentials::new(id, secret, token, expiry, provider)
}

/// When credentials expire.
pub(super) fn expiry(credentials: &Credentials) -> Option<Timestamp> {
    credentials.expiry().and_then(|at| Timestamp::try_from(at).ok())
}

/// The SDK's view of them.
#[derive(Debug, Clone)]
pub(in crate::lightsail) struct Provider(pub(super) Arc<Held>);

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(self.0.current().map_err(CredentialsError::provider_error))
    }
}

/// Why a request could not be signed, in our own words, if that is among an error's sources.
pub(in crate::lightsail) fn reason_not_held(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(reason) = error.downcast_ref::<NotHeld>() {
            return Some(reason.to_string());
        }
        next = error.source();
    }
    None
}
