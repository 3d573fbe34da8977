//! Reads the key pairs of a canary back, once each of them has its outcome.

use tokio_util::sync::CancellationToken;

use super::canary::{Canary, Pair, READINGS};
use super::shared::Shared;
use crate::domain::Failure;
use crate::journal::JournalError;
use crate::lane::{Lane, Reading, found_error, observation, pause};
use crate::lightsail::Lightsail;
use crate::record::event::{Event, Found, Observed, Source};

/// Reads each key pair of the target's canary that has an outcome, and records what was found as it is. One that is still there
/// although it was deleted is read a few times more. Sends nothing more once the target or the session stops.
pub(super) async fn read_back<L: Lightsail>(
    shared: &Shared,
    lane: &Lane<L>,
    target_no: i64,
) -> Result<(), JournalError> {
    let stopping = shared.control.stopping(target_no);
    for (row, pair) in shared.control.canary(target_no, |canary| canary.to_read()).unwrap_or_default() {
        for level in 0..READINGS {
            tokio::select! {
                biased;
                () = stopping.cancelled() => return Ok(()),
                () = pause(2 * level) => {}
            }
            let Some(seen) = read(shared, lane, &pair, &stopping).await? else { return Ok(()) };
            let found = seen.found;
            let event = Event::Observed(Box::new(seen));
            shared.control.canary(target_no, |canary| canary.note(row, &event));
            shared.scribe.write_of_row(row, vec![event]).await?;
            let contradicts = shared.control.canary(target_no, |canary: &mut Canary| canary.read(row, found));
            if contradicts != Some(true) {
                break;
            }
        }
    }
    Ok(())
}

/// One reading; `None` where the session stops before it.
async fn read<L: Lightsail>(
    shared: &Shared,
    lane: &Lane<L>,
    pair: &Pair,
    stopping: &CancellationToken,
) -> Result<Option<Observed>, JournalError> {
    let Pair { region, name, identity } = pair;
    let permit = tokio::select! {
        biased;
        () = stopping.cancelled() => return Ok(None),
        permit = lane.pacer.acquire() => permit,
    };
    let request = || lane.port.get_key_pair(region, name);
    let Reading { reply, requests, throttled } =
        lane.read_with(permit, stopping, shared.settings.settle_timeout, request).await?;
    let (seen, error) = match reply.result {
        Ok(seen) => (Some(seen), None),
        Err(error) => (None, Some(error)),
    };
    let found = match (&seen, &error) {
        (Some(seen), _) if seen.name == *name => match identity.same_as(&seen.identity) {
            Some(true) => Found::Same,
            Some(false) => Found::Other,
            None => Found::NoAnswer,
        },
        (None, Some(error)) => found_error(error.class),
        _ => Found::NoAnswer,
    };
    let now = shared.scribe.now();
    Ok(Some(Observed {
        requests,
        throttled,
        observation: seen.map(|seen| observation(seen, now)),
        failure: Failure::of(error, &reply.exchange),
        exchange: reply.exchange,
        ..Observed::of(Source::GetKeyPair, found)
    }))
}
