//! Requests that got no answer: how long the service may still receive them, and what other runs of the journal sent.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::order::Order;
use super::place::Place;
use crate::domain::{Clock, RunId, Settings};
use crate::execute::attempt::LeftOpen;
use crate::execute::ghost::{Ghosts, held_until};
use crate::execute::row::RowState;
use crate::journal::{JournalError, Reader, RunReader as _, UnclearRow};
use crate::record::Entry;
use crate::record::event::Event;

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

/// What other runs sent that may still be under way or be delivered, or whose end nothing shows (I3).
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
    let mut ghosts = Ghosts::default();
    let archived = reader.archived().iter().map(|archived| (archived, true));
    for (reader, is_archived) in archived.chain([(reader, false)]) {
        let mut left = Vec::new();
        for account in accounts {
            for attempt in reader.open_attempts(run, endpoint, account, since).await? {
                let sent = (&attempt.started, attempt.finished.as_ref(), attempt.time);
                let until = held_until(sent, settings.signature_life, now).filter(|until| *until > now);
                if until.is_some() {
                    let request = (attempt.started.seq, LeftOpen::Request);
                    left.push((request, (attempt.target, attempt.key_pair_name), until));
                }
            }
            for unclear in reader.unclear_rows(run, endpoint, account).await? {
                if let Some((open, seq)) = left_open(reader, &unclear).await? {
                    left.push(((seq, open), (unclear.target, unclear.key_pair_name), None));
                }
            }
        }
        left.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        for ((seq, open), (target, name), until) in left {
            // An archived journal numbers its entries by itself: all of them are older than those of this one.
            ghosts.hold(target, name, (open, if is_archived { 0 } else { seq }), until);
        }
    }
    Ok(Arc::new(ghosts))
}

/// What the run of this row left open, and the number of its last attempt's entry.
async fn left_open(reader: &Reader, row: &UnclearRow) -> Result<Option<(LeftOpen, u64)>, JournalError> {
    let mut entries = reader.row_entries(row.run_no, row.row).await?.into_iter();
    let Some(Entry { seq, event: Event::IntentRecorded(intent), .. }) = entries.next() else {
        return Err(JournalError::damaged(format!(
            "row {} of the run with entry {} has no intent",
            row.row, row.run_no
        )));
    };
    let mut state = RowState::new(seq, &intent.line, None);
    entries.for_each(|entry| state.apply(entry.seq, entry.at, &entry.event));
    let asked_by = state.last.as_ref().map(|last| last.started_seq);
    Ok(state.leaves_open().zip(asked_by))
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
