//! Compares the claims of an entry with the answer that it kept: what it concludes must follow from that. The product
//! concludes when an answer comes; this reads the same answer again, by rules of its own.
//!
//! Pure, and of one entry alone, so that several pages are read at once. What must agree with other entries of the row or the
//! run is handed on as [`Claimed`].

mod answer;
mod body;
mod claimed;
mod controlled;
mod intent;
mod line;
mod names;
mod notes;
mod observed;
mod page;
mod reconciled;
mod search;
mod today;

use crate::domain::{Evidence, Outcome, sha256};
use crate::record::event::{Event, RowResolved, RunStarted, RunStopped, SessionOpened, TargetStopped};
use crate::record::lease::{LeaseEnd, LeaseEnded};
use crate::record::{Entry, StopReason, TargetStopReason};

pub(super) use answer::{Answer, finished};
pub(super) use claimed::{Claimed, Identity, Line, Named, Shows, hash, name_of};
pub(super) use intent::{intent, shows};
pub(super) use line::Intent;
pub(super) use page::{Created, HistoryPage, Listed, Progress};
pub(super) use today::today;

/// Reads the words of an entry that was read whole.
///
/// # Errors
/// If what it says does not follow from what it kept.
pub(super) fn of(entry: &Entry) -> Result<Claimed, String> {
    match &entry.event {
        Event::AttemptFinished(one) => {
            finished(&Answer::whole(&one.exchange, one.shown.parts(), one.failure.parts()), one.class)
        }
        Event::AnswerLate(one) => {
            finished(&Answer::whole(&one.exchange, one.shown.parts(), one.failure.parts()), one.class)
        }
        Event::LeaseTaken(taken) if taken.lasts_ms == 0 => Err("it takes rows for no time".into()),
        Event::LeaseEnded(ended) => left(ended).map(|()| Claimed::default()),
        Event::OperationPolled(polled) => answer::polled(polled),
        Event::Observed(seen) => observed::observed(seen, entry.row.is_some()),
        Event::SessionOpened(opened) => session(opened).map(|()| Claimed::default()),
        Event::RunStarted(started) => confirmed(started).map(|()| Claimed::default()),
        Event::RunStopped(stopped) => reason(stopped).map(|()| Claimed::default()),
        Event::RunAbandoned(abandoned) if abandoned.because.trim().is_empty() => Err("it gives no reason".into()),
        Event::ControlUsed(used) => controlled::controlled(used).map(|()| Claimed::default()),
        Event::Reconciled(told) => reconciled::reconciled(told).map(|()| Claimed::default()),
        Event::RowResolved(told) => resolved(told).map(|()| Claimed::default()),
        _ => Ok(Claimed::default()),
    }
}

/// Somebody says why, and a file is named so that it can be found and recognised.
fn resolved(told: &RowResolved) -> Result<(), String> {
    if told.because.trim().is_empty() {
        return Err("it gives no reason".into());
    }
    match (told.evidence, &told.event_id) {
        (Evidence::Cloudtrail, None) => return Err("it rests on CloudTrail's record, and names no event".into()),
        (Evidence::Cloudtrail, Some(_)) if told.outcome == Outcome::Deleted => {}
        (Evidence::Cloudtrail, _) => {
            return Err("a record of CloudTrail shows that a key pair was deleted, and nothing else".into());
        }
        (_, Some(_)) => return Err("it names an event, but does not rest on CloudTrail's record".into()),
        (_, None) => {}
    }
    match &told.file {
        Some(file) if file.name.is_empty() || !reconciled::is_hash(&file.sha256) => {
            Err("the file that it refers to has no name, or no SHA-256 as it is written".into())
        }
        _ => Ok(()),
    }
}

/// How a sandbox names its callers. (No caller of AWS is in the partition `aws-sandbox`.)
const SANDBOX_ARN: &str = "arn:aws-sandbox:";

fn session(opened: &SessionOpened) -> Result<(), String> {
    // Its keys are ASCII and sorted: this is the canonical form.
    let text = serde_json::to_string(&opened.settings).map_err(|error| error.to_string())?;
    if opened.settings_sha256 != sha256(text.as_bytes()) {
        return Err("its settings have another digest".into());
    }
    if !opened.sandbox && opened.caller_arn.as_deref().is_some_and(|arn| arn.starts_with(SANDBOX_ARN)) {
        return Err("its caller belongs to a sandbox, but it is not marked as a rehearsal".into());
    }
    Ok(())
}

fn confirmed(started: &RunStarted) -> Result<(), String> {
    let known = ["yes", "confirm", "prompt", "nothing_to_delete"].contains(&started.confirmed_by.as_str());
    if started.confirmed_by == "nothing_to_delete" && started.deletes > 0 {
        return Err(format!("its {} deletes were not confirmed", started.deletes));
    }
    if known { Ok(()) } else { Err(format!("{:?} is not a way to confirm a plan", started.confirmed_by)) }
}

/// Why leases ended: a runner that left says what stopped it; of one that lost them, nobody knows more.
fn left(ended: &LeaseEnded) -> Result<(), String> {
    if ended.why == LeaseEnd::Lapsed {
        let says_more = ended.stopped.is_some() || ended.detail.is_some() || !ended.targets.is_empty();
        return if says_more { Err("it says what stopped a runner that did not say so itself".into()) } else { Ok(()) };
    }
    known_targets(&ended.targets)?;
    match &ended.stopped {
        Some(StopReason::Other(word)) => Err(format!("{word:?} is not a reason to stop a run")),
        Some(why) if why.closes() => Err(format!("no runner leaves because its run is {why}")),
        _ => Ok(()),
    }
}

fn known_targets(stopped: &[TargetStopped]) -> Result<(), String> {
    let unknown = |target: &&TargetStopped| matches!(target.why, TargetStopReason::Other(_));
    match stopped.iter().find(unknown) {
        Some(target) => Err(format!("{:?} is not a reason to stop a target", target.why.as_str())),
        None => Ok(()),
    }
}

fn reason(stopped: &RunStopped) -> Result<(), String> {
    let why = &stopped.why;
    known_targets(&stopped.targets)?;
    if why.closes() && !stopped.targets.is_empty() {
        return Err(format!("no target stops in a run that is {why}"));
    }
    match why {
        StopReason::Other(word) => Err(format!("{word:?} is not a reason to stop a run")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
