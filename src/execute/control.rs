//! What the rows of a run share: whether to stop, what the limits permit, and what the neighbours show.
//!
//! Rules without I/O: signals, timers and answers are reported to it, and the workers ask it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::decide::{Denial, StopCause};
use crate::domain::{Class, Outcome};
use crate::record::StopReason;

/// After this many denied rows, with no other answer before, a target is considered to deny everything. Fewer could be
/// some protected key pairs at the top of a manifest.
const DENIED_ROWS: u64 = 5;

/// After this many refusals for everyone in a row, a target is considered to refuse everyone. As with denials, a few
/// may concern only their rows; if they do not, this is what it costs in requests.
const REFUSED_ROWS: u64 = 5;

/// After this many rows in doubt in a row, a target stops: more requests would only make it worse.
const DOUBTFUL_ROWS: u64 = 5;

/// When to stop. Each limit applies to the session that sets it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// How many key pairs this session may ask to delete.
    pub max_deletes: Option<u64>,
    /// How many rows may fail or be in doubt before the session stops.
    pub max_failures: Option<u64>,
}

/// Why a session stops before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// The word of the summary's `stopped_by`.
    pub by: StoppedBy,
    /// For people: what happened, and what to do.
    pub detail: String,
}

/// Why a target stops alone: no request succeeds there, while other targets may continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetStop {
    /// What was seen.
    pub cause: StopCause,
    /// For people: what happened.
    pub detail: String,
    /// The names of the error that the service gave, if it gave one.
    pub names: Vec<String>,
}

/// The summary's `stopped_by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the contract's own words")]
pub enum StoppedBy {
    Signal,
    MaxFailures,
    MaxDeletes,
    MaxDuration,
    Breaker,
    Control,
    Journal,
}

impl From<StoppedBy> for StopReason {
    fn from(by: StoppedBy) -> Self {
        match by {
            StoppedBy::Signal => Self::Signal,
            StoppedBy::MaxFailures => Self::MaxFailures,
            StoppedBy::MaxDeletes => Self::MaxDeletes,
            StoppedBy::MaxDuration => Self::MaxDuration,
            StoppedBy::Breaker => Self::Breaker,
            StoppedBy::Control => Self::Control,
            StoppedBy::Journal => Self::Journal,
        }
    }
}

/// What the rows of a session share.
#[derive(Debug)]
pub struct Control {
    limits: Limits,
    state: Mutex<State>,
    stopping: CancellationToken,
    /// Ends with the journal.
    broken: CancellationToken,
    /// Wakes the rows that hold.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    stop: Option<Stop>,
    asked: u64,
    failures: u64,
    targets: HashMap<i64, TargetView>,
}

impl State {
    fn view(&mut self, target_no: i64, session: &CancellationToken) -> &mut TargetView {
        self.targets.entry(target_no).or_insert_with(|| TargetView::new(session))
    }
}

/// What the answers of one target have shown in this session.
#[derive(Debug)]
struct TargetView {
    /// Why it stops, where it stops alone.
    stop: Option<TargetStop>,
    /// Ends with that, or with the session.
    stopping: CancellationToken,
    /// Rows in doubt in a row.
    doubtful: u64,
    /// Rows that were refused with everyone, since one was served.
    refused: u64,
    /// When a delete last got an answer that shows that the caller was accepted.
    served_at: Option<Timestamp>,
    denied: u64,
    answered_otherwise: bool,
    /// What a denial was found to mean once no row was left but those that hold; it stays so.
    latched: bool,
    answered_at: Option<Timestamp>,
    read_at: Option<Timestamp>,
    /// Rows in progress, and those of them that hold.
    active: u64,
    holding: u64,
    /// Whether no further row will come.
    fed: bool,
}

impl TargetView {
    fn new(session: &CancellationToken) -> Self {
        Self {
            stop: None,
            stopping: session.child_token(),
            doubtful: 0,
            refused: 0,
            served_at: None,
            denied: 0,
            answered_otherwise: false,
            latched: false,
            answered_at: None,
            read_at: None,
            active: 0,
            holding: 0,
            fed: false,
        }
    }

    /// Only rows that hold are left: the answer that they wait for will not come.
    fn is_drained(&self) -> bool {
        self.fed && self.holding > 0 && self.active == self.holding
    }
}

impl Control {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let (stopping, broken) = (CancellationToken::new(), CancellationToken::new());
        Self { limits, state: Mutex::default(), stopping, broken, changed: Notify::new() }
    }

    /// Stops the session: nothing new is sent, and what is in flight is settled. The first reason counts.
    pub fn stop(&self, by: StoppedBy, detail: impl Into<String>) {
        self.state().stop.get_or_insert_with(|| Stop { by, detail: detail.into() });
        if by == StoppedBy::Journal {
            self.broken.cancel();
        }
        self.stopping.cancel();
        self.changed.notify_waiters();
    }

    /// Stops one target in the same way; the others continue. The first reason counts.
    pub fn stop_target(&self, target_no: i64, cause: StopCause, detail: impl Into<String>) {
        self.stop_target_for(target_no, TargetStop { cause, detail: detail.into(), names: Vec::new() });
    }

    /// The same, where an error of the service is the reason.
    pub fn stop_target_for(&self, target_no: i64, stop: TargetStop) {
        let mut state = self.state();
        let view = state.view(target_no, &self.stopping);
        view.stop.get_or_insert(stop);
        let stopping = view.stopping.clone();
        drop(state);
        stopping.cancel();
        self.changed.notify_waiters();
    }

    /// Why the whole session stops, if it does.
    pub fn stopped(&self) -> Option<Stop> {
        self.state().stop.clone()
    }

    /// The targets that stopped alone, by their numbers.
    pub fn stopped_targets(&self) -> BTreeMap<i64, TargetStop> {
        let state = self.state();
        state.targets.iter().filter_map(|(target_no, view)| Some((*target_no, view.stop.clone()?))).collect()
    }

    /// Whether nothing new may be sent to this target.
    pub fn is_stopping(&self, target_no: i64) -> bool {
        self.stopping(target_no).is_cancelled()
    }

    /// Is cancelled when the target or the whole session stops.
    pub fn stopping(&self, target_no: i64) -> CancellationToken {
        self.state().view(target_no, &self.stopping).stopping.clone()
    }

    /// Is cancelled when the journal can no longer be written: nothing may be sent then, not even to settle a row (I9).
    pub fn broken(&self) -> &CancellationToken {
        &self.broken
    }

    /// Ends when something changed that a row may hold for.
    pub fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }

    /// Whether one more deletion may be requested: counts it if so, else stops the session.
    pub fn may_ask(&self) -> bool {
        let mut state = self.state();
        if self.limits.max_deletes.is_some_and(|most| state.asked >= most) {
            drop(state);
            let most = self.limits.max_deletes.unwrap_or_default();
            self.stop(StoppedBy::MaxDeletes, format!("--max-deletes {most} is reached"));
            return false;
        }
        state.asked += 1;
        true
    }

    /// Counts an answer to a delete.
    pub fn answered(&self, target_no: i64, class: Class, now: Timestamp) {
        let mut state = self.state();
        let view = state.view(target_no, &self.stopping);
        match class {
            Class::Denied => view.denied += 1,
            Class::Throttled | Class::SetupInProgress | Class::NotSent | Class::Unanswered | Class::RefusedForAll => {}
            _ => view.answered_otherwise = true,
        }
        match class {
            Class::RefusedForAll => view.refused += 1,
            Class::Throttled | Class::SetupInProgress | Class::NotSent | Class::Unanswered => {}
            _ => (view.refused, view.served_at) = (0, Some(now)),
        }
        if !matches!(class, Class::Throttled | Class::SetupInProgress | Class::NotSent | Class::Unanswered) {
            view.answered_at = Some(now);
        }
        let wake = view.holding > 0;
        drop(state);
        if wake {
            self.changed.notify_waiters();
        }
    }

    /// A row of this target begins.
    pub fn entered(&self, target_no: i64) {
        self.state().view(target_no, &self.stopping).active += 1;
    }

    /// A row of this target ends.
    pub fn left(&self, target_no: i64) {
        self.view(target_no, |view| view.active = view.active.saturating_sub(1));
    }

    /// A row of this target begins or ends to hold.
    pub fn holds(&self, target_no: i64, begins: bool) {
        self.view(target_no, |view| {
            view.holding = if begins { view.holding + 1 } else { view.holding.saturating_sub(1) };
        });
    }

    /// Every row of this target was started. A feeder that stops early does not report this.
    pub fn fed(&self, target_no: i64) {
        self.view(target_no, |view| view.fed = true);
    }

    /// Changes what is known of a target, and wakes the rows that hold if the change concerns them.
    fn view(&self, target_no: i64, change: impl FnOnce(&mut TargetView)) {
        let mut state = self.state();
        let view = state.view(target_no, &self.stopping);
        change(view);
        // Latched, because the first row that stops holding ends it.
        let drained = view.is_drained() && !view.latched;
        view.latched |= drained;
        drop(state);
        if drained {
            self.changed.notify_waiters();
        }
    }

    /// How to understand "access denied" in this target.
    pub fn denial(&self, target_no: i64) -> Denial {
        let state = self.state();
        match state.targets.get(&target_no) {
            Some(view) if view.answered_otherwise => Denial::ThisItem,
            Some(view) if view.denied >= DENIED_ROWS => Denial::Everything,
            Some(view) if view.latched => Denial::ThisItem,
            _ => Denial::Unknown,
        }
    }

    /// How to understand an answer of this target that refused everyone and came at `at`: a row that was served after
    /// it disproves it. A row that was served before does not, since credentials expire.
    pub fn refusal(&self, target_no: i64, at: Timestamp) -> Denial {
        let state = self.state();
        match state.targets.get(&target_no) {
            Some(view) if view.served_at > Some(at) => Denial::ThisItem,
            Some(view) if view.refused >= REFUSED_ROWS || view.latched => Denial::Everything,
            _ => Denial::Unknown,
        }
    }

    /// A key pair of this target was read with a usable result.
    pub fn was_read(&self, target_no: i64, now: Timestamp) {
        let mut state = self.state();
        let view = state.view(target_no, &self.stopping);
        view.answered_at = Some(now);
        view.read_at = Some(now);
    }

    /// When this session last got a usable answer from the target, and when it last read a key pair there.
    pub fn answers(&self, target_no: i64) -> (Option<Timestamp>, Option<Timestamp>) {
        let state = self.state();
        state.targets.get(&target_no).map_or((None, None), |view| (view.answered_at, view.read_at))
    }

    /// Counts an outcome, and stops the session if a limit is reached. Returns why the target must stop if its rows end
    /// in doubt one after the other.
    #[must_use]
    pub fn settled(&self, target_no: i64, outcome: Outcome) -> Option<StopCause> {
        let mut state = self.state();
        let failed = matches!(outcome, Outcome::Failed | Outcome::InDoubt);
        state.failures += u64::from(failed);
        let failures = state.failures;
        let view = state.view(target_no, &self.stopping);
        match outcome {
            Outcome::InDoubt => view.doubtful += 1,
            Outcome::Skipped => {}
            _ => view.doubtful = 0,
        }
        let doubtful = view.doubtful;
        drop(state);
        if failed && self.limits.max_failures.is_some_and(|most| failures >= most) {
            self.stop(StoppedBy::MaxFailures, format!("{failures} rows failed or are in doubt"));
        }
        (doubtful >= DOUBTFUL_ROWS).then_some(StopCause::Doubtful)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic leaves nothing here half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
