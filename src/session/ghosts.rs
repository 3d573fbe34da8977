//! Requests that got no answer: how long the service may still receive them, and what other runs of the journal sent.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::order::Order;
use super::place::Place;
use crate::domain::{Clock, RunId, Settings};
use crate::execute::ghost::{Ghosts, held_until};
use crate::journal::{JournalError, Reader};

/// Once its client has given up a request to a service on this machine, the request cannot be under way any more, so there
/// is no wait unless the option demands one.
pub(super) fn settle_life(order: &Order, place: &Place, settings: &mut Settings) {
    if order.overrides.signature_life.is_none() && is_loopback(&place.address) {
        settings.signature_life = Duration::ZERO;
    }
}

/// Whether an address leads to this machine.
fn is_loopback(address: &str) -> bool {
    let uri = address.parse::<http::Uri>();
    let host = uri.as_ref().ok().and_then(http::Uri::host).unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// What other runs sent that may still be under way, or be delivered (I3).
pub(super) async fn of_other_runs(
    reader: &Reader,
    clock: &Arc<dyn Clock>,
    run: RunId,
    (endpoint, accounts): (&str, &BTreeSet<&str>),
    settings: &Settings,
) -> Result<Arc<Ghosts>, JournalError> {
    let now = clock.now();
    // The grace of a signature is no longer than this.
    let since = now.saturating_sub(settings.signature_life + Duration::from_secs(60)).unwrap_or(jiff::Timestamp::MIN);
    let mut attempts = Vec::new();
    for reader in reader.archived().iter().chain([reader]) {
        for account in accounts {
            attempts.extend(reader.open_attempts(run, endpoint, account, since).await?);
        }
    }
    let mut ghosts = Ghosts::default();
    for attempt in attempts {
        let until =
            held_until((&attempt.started, attempt.finished.as_ref(), attempt.time), settings.signature_life, now);
        if let Some(until) = until.filter(|until| *until > now) {
            ghosts.hold(attempt.target, attempt.key_pair_name, until);
        }
    }
    Ok(Arc::new(ghosts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_address_is_told_by_its_host() {
        for address in
            ["http://127.0.0.1:8080", "https://localhost:1/x", "http://[::1]:9", "http://LOCALHOST", "http://127.9.9.9"]
        {
            assert!(is_loopback(address), "{address}");
        }
        for address in
            ["https://lightsail.us-east-1.amazonaws.com", "http://10.0.0.1", "http://localhost.example", "x y"]
        {
            assert!(!is_loopback(address), "{address}");
        }
    }
}
