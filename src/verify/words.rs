//! Words against what they were read from: what an entry concludes must follow from what it kept. The product concludes
//! when an answer comes; this reads the same answer again, by rules of its own.
//!
//! Pure, and of one entry alone, so that several pages are read at once. What must agree with other entries of the row or the
//! run is handed on as [`Facts`].

mod answer;
mod intent;
mod names;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use jiff::Timestamp;

use super::shape;
use crate::domain::sha256;
use crate::record::Entry;
use crate::record::event::{Event, RunStarted, RunStopped, SessionOpened};

pub(super) use answer::{Answer, finished};
pub(super) use intent::{Intent, intent};

/// What an entry says that must agree with others: of texts, their hashes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Of which key pair an answer speaks.
    pub(super) named: Named,
    /// What was seen of the key pair.
    pub(super) identity: Identity,
    /// Whether a sandbox answered.
    pub(super) sandbox: bool,
    /// Whether an attempt's answer had an operation.
    pub(super) operation: bool,
    /// When the operation was created that a search found to be ours.
    pub(super) operation_at: Option<Timestamp>,
}

/// The key pair's name in an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Named {
    /// It names none, or what it names decides nothing.
    #[default]
    Any,
    /// The row's is the one with this hash.
    Is(u64),
    /// The row's is another one, or the answer would mean something else.
    IsNot(u64),
}

/// The identity of a key pair in 6 bytes: hashes of arn, creation time and fingerprint in 12, 9 and 7 bits, 0 for what is
/// missing, and then one of all three in 20. Whoever writes a journal does not know the seed of the hashes, which each
/// verification draws anew. What is equal has equal hashes; what differs in any part is taken for equal once in 2^27 times at
/// most, where the same parts are known of both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Identity([u8; 6]);

impl Identity {
    const ALL_BITS: u32 = 20;

    pub(super) fn of(seen: &shape::Observation<'_>) -> Self {
        let part = |text: &Option<shape::Str<'_>>, bits: u32| {
            let most = (1_u64 << bits) - 1;
            text.as_ref().map_or(0, |text| hash(&text.0) % most + 1)
        };
        let parts = part(&seen.arn, 12) << 16 | part(&seen.created_at, 9) << 7 | part(&seen.fingerprint, 7);
        let all = [&seen.arn, &seen.created_at, &seen.fingerprint].map(|text| text.as_ref().map(|text| &*text.0));
        let all = SEED.hash_one(all) & ((1 << Self::ALL_BITS) - 1);
        let [one, two, three, four, five, six, ..] = (parts << Self::ALL_BITS | all).to_le_bytes();
        Self([one, two, three, four, five, six])
    }

    fn parts(self) -> [u64; 3] {
        let [one, two, three, four, five, six] = self.0;
        let bits = u64::from_le_bytes([one, two, three, four, five, six, 0, 0]) >> Self::ALL_BITS;
        [bits >> 16, bits >> 7 & 0x1FF, bits & 0x7F]
    }

    /// Whether it says which incarnation it is: a fingerprint alone does not.
    pub(super) fn is_known(self) -> bool {
        let [arn, created, _] = self.parts();
        arn != 0 || created != 0
    }

    /// Whether a reading of `seen` may be called the same: no part differs, and what named the incarnation names it again.
    /// Version 0.1 called the same what was equal.
    pub(super) fn may_be_same_as(self, seen: Self) -> bool {
        let pairs = || self.parts().into_iter().zip(seen.parts());
        if pairs().all(|(one, other)| (one == 0) == (other == 0)) {
            return self == seen;
        }
        let differs = pairs().any(|(one, other)| one != 0 && other != 0 && one != other);
        let names = pairs().take(2).all(|(one, other)| one == 0 || other != 0);
        !differs && names && self.is_known()
    }
}

static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// A hash that nobody knows beforehand.
pub(super) fn hash(text: &str) -> u64 {
    SEED.hash_one(text)
}

/// A hash of a key pair's name and region.
pub(super) fn name_of(name: &str, region: &str) -> u64 {
    SEED.hash_one((name, region))
}

/// Reads the words of an entry that was read whole.
///
/// # Errors
/// Where what it says does not follow from what it kept.
pub(super) fn of(entry: &Entry) -> Result<Facts, String> {
    match &entry.event {
        Event::AttemptFinished(one) => {
            finished(&Answer::whole(&one.exchange, one.shown.parts(), one.error.as_ref()), one.class, one.cause)
        }
        Event::OperationPolled(polled) => answer::polled(polled),
        Event::Observed(seen) => answer::observed(seen, entry.row.is_some()),
        Event::IntentRecorded(one) => intent(&Intent::whole(one)),
        Event::SessionOpened(opened) => session(opened).map(|()| Facts::default()),
        Event::RunStarted(started) => confirmed(started).map(|()| Facts::default()),
        Event::RunStopped(stopped) => reason(stopped).map(|()| Facts::default()),
        Event::RunAbandoned(abandoned) if abandoned.because.trim().is_empty() => Err("it gives no reason".into()),
        _ => Ok(Facts::default()),
    }
}

/// How a sandbox names who is calling. (No caller of AWS is in the partition `aws-sandbox`.)
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

/// Those that a run can be resumed after, and those that close it.
pub(super) const RESUMABLE: [&str; 7] =
    ["signal", "max_failures", "max_deletes", "max_duration", "breaker", "control", "journal"];
pub(super) const CLOSING: [&str; 4] = ["refused", "declined", "abandoned", "failed"];

/// Why a target stops alone.
const TARGET_STOPS: [&str; 8] = [
    "refused_for_all",
    "all_denied",
    "endpoint_gone",
    "throttled_for_long",
    "nothing_leaves",
    "cannot_read",
    "nothing_readable",
    "doubtful",
];

fn reason(stopped: &RunStopped) -> Result<(), String> {
    let why = stopped.why.as_str();
    if let Some(target) = stopped.targets.iter().find(|target| !TARGET_STOPS.contains(&target.why.as_str())) {
        return Err(format!("{:?} is not a reason to stop a target", target.why));
    }
    if CLOSING.contains(&why) && !stopped.targets.is_empty() {
        return Err(format!("no target stops in a run that is {why}"));
    }
    if RESUMABLE.contains(&why) || CLOSING.contains(&why) {
        Ok(())
    } else {
        Err(format!("{why:?} is not a reason to stop a run"))
    }
}

#[cfg(test)]
mod tests;
