//! What the rows of a run share: whether to stop, what the limits permit, and what the neighbours show.
//!
//! Rules without I/O: signals, timers and answers are reported to it, and the workers ask it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::canary::{Canary, CanaryFound};
use super::decide::{Denial, StopCause};
use super::gate::Gate;
pub use super::stop::{Limits, Stop, StoppedBy, TargetStop};
use super::target_view::TargetView;
use crate::domain::{Class, Outcome};
use crate::journal::JournalError;
use crate::record::plan::PlanRow;

/// After this many denied rows, with no other answer before, a target is considered to deny everything. Fewer could be
/// some protected key pairs at the top of a manifest.
const DENIED_ROWS: u64 = 5;

/// After this many refusals for everyone in a row, a target is considered to refuse everyone. As with denials, a few
/// may concern only their rows; if they do not, this is what it costs in requests.
const REFUSED_ROWS: u64 = 5;

/// After this many rows in doubt in a row, a target stops: more requests would only make it worse.
const DOUBTFUL_ROWS: u64 = 5;

/// What the rows of a session share.
#[derive(Debug)]
pub struct Control {
    limits: Limits,
    state: Mutex<State>,
    stopping: CancellationToken,
    /// Ends with the journal.
    broken: CancellationToken,
    /// Others have the rows of this runner now.
    fenced: CancellationToken,
    /// Why the journal cannot be written.
    failed: OnceLock<JournalError>,
    /// Wakes the rows that hold.
    changed: Notify,
    gate: Gate,
}

#[derive(Debug, Default)]
struct State {
    stop: Option<Stop>,
    asked: u64,
    failures: u64,
    targets: HashMap<i64, TargetView>,
}

impl State {
    fn view(&mut self, target_no: i64, control: &Control) -> &mut TargetView {
        let new = || TargetView::new(&control.stopping, control.limits.canary);
        self.targets.entry(target_no).or_insert_with(new)
    }
}

impl Control {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let (stopping, broken, fenced) = (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
        let failed = OnceLock::new();
        Self {
            limits,
            state: Mutex::default(),
            stopping,
            broken,
            fenced,
            failed,
            changed: Notify::new(),
            gate: Gate::default(),
        }
    }

    /// What a person closes to let no further deletion begin for a while.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Stops the session: nothing new is sent, and what is in flight is settled. The first reason counts.
    pub fn stop(&self, by: StoppedBy, detail: impl Into<String>) {
        self.state().stop.get_or_insert_with(|| Stop { by, detail: detail.into() });
        self.stopping.cancel();
        self.changed.notify_waiters();
    }

    /// The journal cannot be written: nothing new is sent, and nothing is done any more that cannot be recorded (I9). Only where others
    /// went on with the rows, requests in flight are awaited, for their answers can still be told.
    pub fn fail(&self, error: &JournalError) {
        self.state().stop.get_or_insert_with(|| Stop { by: StoppedBy::Journal, detail: error.to_string() });
        let _first = self.failed.set(error.clone());
        match error {
            JournalError::FencedOff { .. } => self.fenced.cancel(),
            _ => self.broken.cancel(),
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
        let view = state.view(target_no, self);
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
        self.state().view(target_no, self).stopping.clone()
    }

    /// Is cancelled when no further row of the target may be begun: it or the whole session stops, or its canary is full.
    pub fn closing(&self, target_no: i64) -> CancellationToken {
        self.state().view(target_no, self).closing.clone()
    }

    /// Why the journal cannot be written, if it cannot.
    pub fn failed(&self) -> Option<&JournalError> {
        self.failed.get()
    }

    /// Is cancelled when others have this runner's rows: nothing is done any more but to await the answers in flight.
    pub(super) fn fenced(&self) -> &CancellationToken {
        &self.fenced
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

    /// Whether the deletion of this row may be requested for the first time in this session: always where there is no canary, else
    /// if it is one of the first of its target; no further one once the canary is full. `None` where that may [change](Self::changed).
    pub fn may_begin(&self, target_no: i64, line: &PlanRow) -> Option<bool> {
        let mut state = self.state();
        let view = state.view(target_no, self);
        let Some(canary) = &mut view.canary else { return Some(true) };
        let may = canary.admit(line);
        if canary.is_full() {
            view.closing.cancel();
        }
        may
    }

    /// Waits until a row may be started to be asked for: always at once where there is no canary. Returns whether it may.
    pub(super) async fn reserve(&self, target_no: i64, row: u64) -> bool {
        loop {
            // Registered before the check, so that no change in between is missed.
            let changed = self.changed();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.canary(target_no, |canary| canary.reserve(row)) {
                None => return true,
                Some(Some(may)) => return may,
                Some(None) => self.changed_or_closed(target_no, changed).await,
            }
            if self.is_stopping(target_no) {
                return false;
            }
        }
    }

    /// Waits for a change of what a row waits for, or until no further row of the target may be begun.
    pub(super) async fn changed_or_closed(&self, target_no: i64, changed: impl Future<Output = ()>) {
        let closing = self.closing(target_no);
        tokio::select! {
            biased;
            () = closing.cancelled() => {}
            () = changed => {}
        }
    }

    /// A row of the target has ended, whether or not it was asked for.
    pub(super) fn release(&self, target_no: i64, row: u64) {
        if self.canary(target_no, |canary| canary.release(row)) == Some(true) {
            self.changed.notify_waiters();
        }
    }

    /// A row of the target was not begun. That its canary is full is the reason, unless the target stops anyway.
    pub fn not_begun(&self, target_no: i64) {
        self.canary(target_no, |canary| canary.holds_back |= canary.is_full());
    }

    /// Changes or asks the canary of a target; `None` where there is none.
    pub(super) fn canary<T>(&self, target_no: i64, work: impl FnOnce(&mut Canary) -> T) -> Option<T> {
        self.state().view(target_no, self).canary.as_mut().map(work)
    }

    /// What the canary of each target found, by the target's number.
    pub fn canaries(&self) -> BTreeMap<i64, CanaryFound> {
        let state = self.state();
        let found = |(no, view): (&i64, &TargetView)| Some((*no, view.canary.as_ref()?.found()));
        state.targets.iter().filter_map(found).collect()
    }

    /// Why the session stops for a look, if some target did not stop alone and has rows that were held back for its canary.
    pub fn stopped_by_canary(&self) -> Option<Stop> {
        let most = self.limits.canary?;
        let state = self.state();
        let waits = state.targets.values().any(|view| view.stop.is_none() && view.holds_back());
        waits.then(|| Stop {
            by: StoppedBy::Canary,
            detail: format!(
                "--canary {most} is reached: no further deletion was requested, so that you can look first"
            ),
        })
    }

    /// Counts an answer to a delete.
    pub fn answered(&self, target_no: i64, class: Class, now: Timestamp) {
        let mut state = self.state();
        let view = state.view(target_no, self);
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
        self.state().view(target_no, self).active += 1;
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

    /// There are further rows of the target after all.
    pub(super) fn feeds_again(&self, target_no: i64) {
        self.view(target_no, |view| view.fed = false);
    }

    /// Changes what is known of a target, and wakes the rows that hold if the change concerns them.
    fn view(&self, target_no: i64, change: impl FnOnce(&mut TargetView)) {
        let mut state = self.state();
        let view = state.view(target_no, self);
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
            // Only a canary was denied, and all of it: that does not show what the rows after it would be answered.
            Some(view) if view.latched && view.holds_back() => Denial::Everything,
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
        let view = state.view(target_no, self);
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
        let view = state.view(target_no, self);
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
