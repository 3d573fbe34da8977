//! Asks for slots of the rates that runners share, for all lanes of a session at once.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::pace::Pacer;
use crate::domain::Target;
use crate::journal::{JournalError, Roster, Want};

/// How often it asks, about: each one a little differently, so that runners do not always come in the same order.
const EVERY_MS: (u64, u64) = (80, 120);
/// The shortest time from one question to the next, also where somebody waits for a slot.
const SOONEST: Duration = Duration::from_millis(10);
/// How long ahead slots are asked for: enough for a question that fails to come in time, or two.
const AHEAD: Duration = Duration::from_millis(300);
/// The same where questions take long.
const FURTHEST: Duration = Duration::from_secs(1);

/// Lets requests of these lanes leave only in slots that `roster` reserves for them, and asks for those until this is dropped. The lanes
/// share from the first time on that this is polled, and for good: nothing leaves any more when this has ended.
///
/// # Errors
/// Whatever the roster says: it never returns otherwise.
pub async fn share<P: AsRef<Pacer>>(
    roster: Arc<dyn Roster>,
    endpoint: String,
    lanes: Vec<(Target, Arc<P>)>,
) -> Result<Infallible, JournalError> {
    let lanes: Vec<(Target, &Pacer)> = lanes.iter().map(|(target, lane)| (target.clone(), (**lane).as_ref())).collect();
    let wake = Arc::new(Notify::new());
    lanes.iter().for_each(|(_, pacer)| pacer.share(Arc::clone(&wake)));
    let mut ahead = AHEAD;
    loop {
        let (mut asking, mut wants) = (Vec::new(), Vec::new());
        for (target, pacer) in &lanes {
            let Some(wanted) = pacer.wanted(ahead) else { continue };
            asking.push(pacer);
            wants.push(Want {
                endpoint: endpoint.clone(),
                target: target.clone(),
                count: wanted.count,
                per_s: wanted.per_s,
                version: wanted.version,
            });
        }
        let asked_at = Instant::now();
        if !wants.is_empty() {
            let granted = roster.reserve(wants).await?;
            ahead = (asked_at.elapsed() * 2 + AHEAD / 2).clamp(AHEAD, FURTHEST);
            asking.into_iter().zip(granted).for_each(|(pacer, slots)| pacer.grant(slots, asked_at));
        }
        let every = Duration::from_millis(fastrand::u64(EVERY_MS.0..=EVERY_MS.1));
        tokio::time::sleep(SOONEST).await;
        tokio::select! {
            biased;
            () = wake.notified() => {}
            () = tokio::time::sleep_until(asked_at + every) => {}
        }
    }
}

#[cfg(test)]
mod tests;
