//! Explains why an address was not reached: what stood in the way, and the settings that led there.

use std::error::Error as StdError;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use jiff::Timestamp;

use super::address::AddressSettings;
use super::classify::Wire;
use super::hitch::hitch;
use super::proxy::Proxies;
use super::service::Service;
use crate::domain::{Hitch, Unreached};

/// The status with which a proxy demands authentication.
const PROXY_WANTS_USER: u16 = 407;

/// When the last answer came, and what it said of the time.
#[derive(Debug, Default)]
pub(super) struct Dates(Mutex<Option<(String, Instant)>>);

impl Dates {
    /// An answer came that has this `Date`.
    pub(super) fn note(&self, date: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((date, Instant::now()));
    }

    /// What it said, and how long ago.
    pub(super) fn last(&self) -> Option<(Timestamp, Duration)> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (date, came) = last.as_ref()?;
        let date = jiff::fmt::rfc2822::parse(date).ok()?;
        Some((date.timestamp(), came.elapsed()))
    }
}

/// What a call was about, and the settings that may have misdirected it.
pub(super) struct Asked<'a> {
    pub(super) settings: &'a AddressSettings,
    pub(super) proxies: &'a Proxies,
    pub(super) service: Service,
    pub(super) region: &'a str,
    pub(super) dates: &'a Dates,
}

impl Asked<'_> {
    /// Why `uri` was not reached; `None` if it was, or if nothing was sent.
    pub(super) fn unreached<E>(
        &self,
        wire: Wire,
        uri: Option<&str>,
        error: &SdkError<E, HttpResponse>,
    ) -> Option<Unreached>
    where
        E: StdError + 'static,
    {
        let uri: http::Uri = uri?.parse().ok()?;
        let host = uri.authority()?.as_str().rsplit('@').next()?.to_owned();
        let proxy = self.proxies.of(&uri);
        let slow = matches!(error, SdkError::DispatchFailure(failure) if failure.is_timeout());
        let hitch = match wire {
            Wire::ConnectFailed => match hitch(error) {
                Hitch::NotConnected if slow => Hitch::ConnectTimeout,
                hitch => hitch,
            },
            Wire::Timeout | Wire::Cut => Hitch::NoAnswer,
            Wire::Answer { status: PROXY_WANTS_USER } if proxy.is_some() => Hitch::ProxyWantsUser,
            Wire::Answer { .. } | Wire::NotBuilt | Wire::NoCredentials => return None,
        };
        let setting = self.settings.leading(self.service);
        Some(Unreached { host, region: self.region.to_owned(), setting, proxy, hitch })
    }
}
