//! Hands checkpoints to a command, one at a time and in order, beside the work of the session, and records what came back.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::operator::{Notice, Operator};
use super::stops::Stops;
use crate::execute::control::{Control, StoppedBy};
use crate::journal::Journal;
use crate::record::anchored::{AnchorFailure, CheckpointAnchored, Receipt};
use crate::record::checkpoint::{Checkpoint, base64};
use crate::record::{Draft, Event};

/// What hands checkpoints to a place beyond this machine's reach.
pub trait Anchor: fmt::Debug + Send + Sync {
    /// The command's first word.
    fn program(&self) -> &str;

    /// How long handing one over may take.
    fn patience(&self) -> Duration;

    /// Hands over a record of a checkpoint, byte for byte. It ends by itself, in time.
    fn hand_over(&self, record: String) -> BoxFuture<'static, HandedOver>;
}

/// What came back.
#[derive(Debug, Clone, Default)]
pub struct HandedOver {
    /// With which code the command ended, if it ended by itself.
    pub exit_code: Option<i32>,
    /// Why the checkpoint does not count as anchored, and more about that, for the journal.
    pub failure: Option<(AnchorFailure, Option<String>)>,
    /// What the command printed.
    pub receipt: Receipt,
    /// What it said on standard error, on one line. It is shown, and not recorded: it may hold a secret.
    pub said: String,
    /// How long it took.
    pub elapsed: Duration,
}

/// The checkpoints of a session on their way to the command. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Anchors(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Something is waiting, or has ended.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Whether there is a command.
    is_on: bool,
    /// In the order in which they were made.
    waiting: VecDeque<Waiting>,
    /// Whether the command runs.
    is_busy: bool,
    /// Whether receipts can no longer be recorded.
    is_over: bool,
    /// Why the last one that ended is not anchored.
    failed: Option<String>,
    /// What stops with the first that is not anchored, if anything does.
    control: Option<Arc<Control>>,
}

#[derive(Debug)]
struct Waiting {
    checkpoint: Checkpoint,
    record: String,
    /// Whether nobody asked for it: a later one shows as much.
    is_due: bool,
}

impl Anchors {
    /// From now on, hands each checkpoint to `anchor`, and records what came back in `journal`, until the result is dropped.
    pub(super) fn begin(
        &self,
        anchor: Arc<dyn Anchor>,
        journal: Journal,
        (operator, stops): (Arc<dyn Operator>, Stops),
    ) -> Beside {
        self.state().is_on = true;
        Beside(tokio::spawn(self.clone().work(anchor, journal, (operator, stops))))
    }

    /// Whether there is a command.
    pub(super) fn is_on(&self) -> bool {
        self.state().is_on
    }

    /// A checkpoint was made. Never waits. Of those that are only due, the newest alone stays: a slow command falls behind
    /// no further than one.
    pub(super) fn push(&self, checkpoint: &Checkpoint, record: String, is_due: bool) {
        let mut state = self.state();
        if !state.is_on || state.is_over {
            return;
        }
        state.waiting.retain(|waiting| !waiting.is_due);
        state.waiting.push_back(Waiting { checkpoint: checkpoint.clone(), record, is_due });
        drop(state);
        self.0.changed.notify_waiters();
    }

    /// From now on, the first checkpoint that is not anchored stops `control`; one that was not anchored before stops it at once.
    pub(super) fn steer(&self, control: &Arc<Control>) {
        let mut state = self.state();
        state.control = Some(Arc::clone(control));
        if let Some(why) = &state.failed {
            stop(control, why);
        }
    }

    /// Waits until each checkpoint that was made has been handed over, and the receipt is recorded. Why the last one is not
    /// anchored, if it is not.
    pub(super) async fn settled(&self) -> Option<String> {
        self.when(|state| {
            let rests = !state.is_on || state.is_over || (state.waiting.is_empty() && !state.is_busy);
            rests.then(|| state.failed.clone())
        })
        .await
    }

    async fn work(self, anchor: Arc<dyn Anchor>, journal: Journal, (operator, stops): (Arc<dyn Operator>, Stops)) {
        loop {
            let Waiting { checkpoint, record, .. } = self.next().await;
            let handed = awaited(&*anchor, record, &*operator, &stops).await;
            let why = handed
                .failure
                .as_ref()
                .map(|(failure, detail)| told(anchor.program(), *failure, handed.exit_code, detail.as_deref()));
            if let Some(why) = &why {
                operator.notice(Notice::NotAnchored { size: checkpoint.size, why, said: &handed.said });
            }
            let entry = Event::CheckpointAnchored(entry(anchor.program(), &checkpoint, handed));
            // Where that cannot be recorded, the session gets the same error from its own entries.
            let is_over = journal.append(vec![Draft::of(entry)]).await.is_err();
            self.ended(why, is_over);
            if is_over {
                return;
            }
        }
    }

    /// Waits for the next one.
    async fn next(&self) -> Waiting {
        self.when(|state| {
            let next = state.waiting.pop_front()?;
            state.is_busy = true;
            Some(next)
        })
        .await
    }

    /// One of them was handed over, and recorded unless nothing can be any more.
    fn ended(&self, why: Option<String>, is_over: bool) {
        let mut state = self.state();
        state.is_busy = false;
        state.is_over = is_over;
        state.failed = why;
        if let (Some(control), Some(why)) = (&state.control, &state.failed) {
            stop(control, why);
        }
        drop(state);
        self.0.changed.notify_waiters();
    }

    /// Waits until `look` finds something.
    async fn when<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            // Registered before the look, so that no change in between is missed.
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(found) = look(&mut self.state()) {
                return found;
            }
            changed.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A command that takes no longer than this is not mentioned.
const BRIEF: Duration = Duration::from_secs(1);

/// Hands a record over. If the session is asked to stop meanwhile, or was before, says what it waits for: with nothing else to do it would
/// seem to hang.
async fn awaited(anchor: &dyn Anchor, record: String, operator: &dyn Operator, stops: &Stops) -> HandedOver {
    let begun = tokio::time::Instant::now();
    let mut handing = anchor.hand_over(record);
    let worth_a_word = async {
        tokio::time::sleep_until(begun + BRIEF).await;
        stops.asked().await;
    };
    tokio::select! {
        biased;
        handed = &mut handing => return handed,
        () = worth_a_word => {}
    }
    let left = anchor.patience().saturating_sub(begun.elapsed());
    operator.notice(Notice::AnchorAwaited { program: anchor.program(), left });
    handing.await
}

/// The work beside the session; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Beside(JoinHandle<()>);

impl Drop for Beside {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn stop(control: &Control, why: &str) {
    control.stop(StoppedBy::Breaker, format!("a checkpoint was not anchored, and --require-anchor was given: {why}"));
}

fn entry(program: &str, checkpoint: &Checkpoint, handed: HandedOver) -> CheckpointAnchored {
    let (failure, detail) = handed.failure.unzip();
    CheckpointAnchored {
        size: checkpoint.size,
        root: base64(&checkpoint.root),
        program: program.to_owned(),
        elapsed_ms: u64::try_from(handed.elapsed.as_millis()).unwrap_or_default(),
        exit_code: handed.exit_code,
        failure,
        detail: detail.flatten(),
        receipt: handed.receipt,
    }
}

/// Why a checkpoint is not anchored, in words.
fn told(program: &str, failure: AnchorFailure, code: Option<i32>, detail: Option<&str>) -> String {
    let what = match (failure, code) {
        (AnchorFailure::NotStarted, _) => format!("{program} could not be started"),
        (AnchorFailure::Exit, Some(code)) => format!("{program} exited with {code}"),
        (AnchorFailure::Exit, None) => format!("{program} failed"),
        (AnchorFailure::Signal, _) => format!("{program} was ended by a signal"),
        (AnchorFailure::Timeout, _) => format!("{program} did not end in time, and was killed"),
    };
    detail.map_or_else(|| what.clone(), |detail| format!("{what}: {detail}"))
}
