//! Requests that got no answer: how long the service may still receive them, and what other runs of the journal sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::connect::Connection;
use super::options::SessionOptions;
use super::session::OpenJournal;
use super::ui::Ui;
use crate::domain::{RunId, Settings};
use crate::execute::OnWaiting;
use crate::execute::ghost::{Ghosts, held_until};
use crate::journal::JournalError;

/// How many waiting key pairs are named; further ones are not reported.
const NAMED: u64 = 5;

/// Once its client has given up a request to a service on this machine, the request cannot be under way any more, so there
/// is no wait unless the option demands one.
pub(super) fn settle_life(options: &SessionOptions, connection: &Connection, settings: &mut Settings) {
    if options.signature_life.is_none() && is_loopback(&connection.address) {
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
    open: &OpenJournal,
    run: RunId,
    connection: &Connection,
    settings: &Settings,
) -> Result<Arc<Ghosts>, JournalError> {
    let now = open.clock.now();
    // The grace of a signature is no longer than this.
    let since = now.saturating_sub(settings.signature_life + Duration::from_secs(60)).unwrap_or(jiff::Timestamp::MIN);
    let attempts = open.reader.open_attempts(run, &connection.endpoint, &connection.caller.account, since).await?;
    let mut ghosts = Ghosts::default();
    for attempt in attempts {
        let until = held_until(&attempt.started, attempt.finished.as_ref(), settings.signature_life, now);
        if let Some(until) = until.filter(|until| *until > now) {
            ghosts.hold(attempt.region, attempt.key_pair_name, until);
        }
    }
    Ok(Arc::new(ghosts))
}

/// Says which key pairs are waited for, and why.
pub(super) fn say_waiting(ui: Ui) -> OnWaiting {
    let said = AtomicU64::new(0);
    Box::new(move |name, left| {
        let before = said.fetch_add(1, Ordering::Relaxed);
        if before < NAMED {
            let (name, seconds) = (super::shown(name), left.as_secs() + 1);
            let more = if before + 1 == NAMED { "; keybatch does not list further ones" } else { "" };
            ui.say(&format!(
                "waiting {seconds} s before requesting the deletion of {name} again: an earlier request that got no answer may \
                 still be delivered until then{more}"
            ));
        }
    })
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
