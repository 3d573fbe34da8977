//! Executes a sealed plan. A fresh run and a resumed run use the same function, [`process`].
//!
//! ```text
//!   pending rows ──► worker (one a row) ──► decide ──► Send / Read / Search / Poll ──► lane (pacer) ──► Lightsail
//!                      ▲                                                                   │
//!                      └──── RowState::apply ◄── journal (ack after fsync) ◄── what came back
//! ```
//!
//! Deciding is pure ([`decide()`]); doing makes no choices ([`worker`](self)); what rows share is [`control`].

pub mod attempt;
mod canary;
mod claims;
pub mod control;
pub mod decide;
pub mod gate;
mod sentences;
pub mod ghost;
mod inventory;
mod left_open;
mod look;
mod paused;
mod read_back;
pub mod row;
mod shared;
mod step;
mod stop;
mod target_view;
mod too_late;
mod worker;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::domain::{Class, Outcome};
use crate::journal::{AttemptTimes, JournalError, PendingRow, RunReader, TargetRecord};
use crate::lane::Lane;
use crate::lightsail::Lightsail;
use crate::record::event::{Event, IntentRecorded, RowSettled};
use crate::record::plan::{PlanRow, Verdict};
use crate::record::{Draft, Entry};
pub use canary::{Alarm, CanaryFound};
use decide::{Denial, Situation, Step, decide};
use inventory::Inventory;
use read_back::read_back;
use row::RowState;
pub use shared::{OnWaiting, Runner, Shared};
use worker::Worker;

/// How many rows are read from the journal at once.
const PAGE: u32 = 256;

/// How many rows may be processed at once, beyond those in flight: their answer has come, and they wait for the
/// journal, for another attempt, or for the answers of other rows. Few enough that memory stays small (a row takes
/// about 4 KB).
const ROWS_AHEAD: usize = 64;

/// A target of the run, ready to be processed.
#[derive(Debug)]
pub struct LaneWork<L> {
    /// As the journal numbers it.
    pub record: TargetRecord,
    /// Its pacer and port.
    pub lane: Arc<Lane<L>>,
    /// Pages that its inventory took when the plan was made.
    pub pages: u64,
    /// Its rows without an outcome.
    pub rows_left: u64,
}

/// Processes every row without an outcome, all targets at once, until each target has finished or stopped, or has the outcomes
/// of its canary, which is then read back. Rows for which a request may have been sent go first.
///
/// # Errors
/// If the journal fails. The next session settles what was in flight.
pub async fn process<L: Lightsail, R: RunReader>(
    shared: Arc<Shared>,
    reader: Arc<R>,
    lanes: Vec<LaneWork<L>>,
) -> Result<(), JournalError> {
    let mut tasks = JoinSet::new();
    // Once for all targets: the session that began the run names every account, so that each reading takes as long as there are many.
    let known = Arc::new(match shared.runner {
        None => (reader.rollbacks().await?, reader.attempt_times(shared.run_no).await?),
        // Each claim reads them, since sessions may begin at any time.
        Some(_) => Default::default(),
    });
    // Each target's share of what may be in flight, for rows that wait for its pacer.
    let share = (shared.settings.concurrency as usize / lanes.len().max(1)).max(1);
    for work in lanes {
        tasks.spawn(process_lane(Arc::clone(&shared), Arc::clone(&reader), Arc::clone(&known), work, share));
    }
    let mut first_error = Ok(());
    while let Some(joined) = tasks.join_next().await {
        let ended = joined.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        if let Err(error) = ended {
            shared.control.fail(&error);
            first_error = first_error.and(Err(error));
        }
    }
    first_error
}

async fn process_lane<L: Lightsail, R: RunReader>(
    shared: Arc<Shared>,
    reader: Arc<R>,
    known: Arc<Known>,
    work: LaneWork<L>,
    share: usize,
) -> Result<(), JournalError> {
    let target_no = work.record.target_no;
    let feeder = Feeder {
        inventory: Arc::new(Inventory::new(work.pages, work.rows_left)),
        places: Arc::new(Semaphore::new(shared.settings.concurrency as usize + ROWS_AHEAD)),
        waiting: Arc::new(Semaphore::new(share)),
        lane: work.lane,
        target_no,
        shared,
    };
    let mut rows = JoinSet::new();
    let fed = match &feeder.shared.runner {
        Some(runner) => feeder.feed_claimed(&*reader, runner, &mut rows).await,
        None => feeder.feed(&*reader, &known, &mut rows).await,
    };
    if matches!(fed, Ok(true)) {
        feeder.shared.control.fed(target_no);
    }
    let mut result = fed.map(drop);
    loop {
        if let Err(error) = &result {
            feeder.shared.control.fail(error);
        }
        let Some(joined) = rows.join_next().await else { break };
        result = result.and(finished(joined));
    }
    result?;
    read_back(&feeder.shared, &feeder.lane, target_no).await
}

fn finished(joined: Result<Result<(), JournalError>, tokio::task::JoinError>) -> Result<(), JournalError> {
    joined.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// The rollbacks that were accepted, and how long an attempt of each session of the run may take.
type Known = (Vec<Entry>, AttemptTimes);

/// A row, ready to be processed.
struct Taken {
    row: u64,
    line: PlanRow,
    state: RowState,
}

impl Taken {
    fn was_denied(&self) -> bool {
        let answer = self.state.last.as_ref().and_then(|last| last.answer.as_ref());
        answer.is_some_and(|answer| matches!(answer.class, Class::Denied | Class::RefusedForAll))
    }
}

/// Hands the rows of one target to workers.
struct Feeder<L> {
    shared: Arc<Shared>,
    lane: Arc<Lane<L>>,
    inventory: Arc<Inventory>,
    places: Arc<Semaphore>,
    /// How many rows may hold a place in flight while they wait for the pacer. Without this limit, the rows of a slow
    /// target would hold all places and slow down every other target.
    waiting: Arc<Semaphore>,
    target_no: i64,
}

impl<L: Lightsail> Feeder<L> {
    /// Starts every row without an outcome: first the rows for which a request may have been sent, then those without
    /// any request, and last those that were denied or refused for everyone, so that they cannot delay the others.
    /// Returns whether no row is left that is yet to be started in this session: it reached the last one, or the canary is full.
    async fn feed<R: RunReader>(
        &self,
        reader: &R,
        (rollbacks, times): &Known,
        rows: &mut JoinSet<Result<(), JournalError>>,
    ) -> Result<bool, JournalError> {
        let mut denied = Vec::new();
        let given_up = self.shared.is_given_up;
        let passes: &[bool] = match self.shared.resumed {
            // Before the first session there was nothing to settle.
            false => &[false],
            // Of the rows without entries, only those are settled for which a lost entry may have been a request.
            true if given_up && rollbacks.is_empty() => &[true],
            true => &[true, false],
        };
        for &touched_only in passes {
            let mut after = 0;
            loop {
                if self.shared.control.is_stopping(self.target_no) && !touched_only && !given_up {
                    return Ok(false);
                }
                let page = reader.pending(self.shared.run_no, self.target_no, after, PAGE, touched_only).await?;
                let Some(last) = page.last() else { break };
                after = last.row;
                for taken in self.take_up(reader, page, touched_only, (rollbacks, times)).await? {
                    while let Some(joined) = rows.try_join_next() {
                        finished(joined)?;
                    }
                    if taken.was_denied() {
                        denied.push(taken);
                    } else if !self.start(taken, rows).await && !touched_only {
                        return Ok(!self.shared.control.is_stopping(self.target_no));
                    }
                }
            }
        }
        for taken in denied {
            self.start(taken, rows).await;
        }
        Ok(!self.shared.control.is_stopping(self.target_no))
    }

    /// Builds what is known of each row of a page, and settles those that the plan itself settles.
    async fn take_up<R: RunReader>(
        &self,
        reader: &R,
        page: Vec<PendingRow>,
        touched_only: bool,
        known: (&[Entry], &AttemptTimes),
    ) -> Result<Vec<Taken>, JournalError> {
        let mut at_once = Vec::new();
        let mut taken = Vec::new();
        for pending in page {
            // A touched row was started in the first pass, and may still be in progress.
            if pending.touched && !touched_only {
                continue;
            }
            let Event::IntentRecorded(intent) = pending.intent.event else { continue };
            let intent_seq = pending.intent.seq;
            let entries =
                if pending.touched { reader.row_entries(self.shared.run_no, pending.row).await? } else { Vec::new() };
            let state = self.state((intent_seq, &intent, pending.seen_at), entries, known);
            if self.shared.is_given_up && !pending.touched && !state.lost {
                continue;
            }
            if intent.verdict() == Verdict::Delete {
                taken.push(Taken { row: pending.row, line: intent.line, state });
            } else {
                at_once.extend(self.settled_by_plan(pending.row, &intent, &state));
            }
        }
        self.settle_at_once(at_once).await?;
        Ok(taken)
    }

    fn state(
        &self,
        (seq, intent, seen_at): (u64, &IntentRecorded, Option<Timestamp>),
        mut entries: Vec<Entry>,
        (rollbacks, times): (&[Entry], &AttemptTimes),
    ) -> RowState {
        let mut state = RowState { verdict: intent.verdict(), ..RowState::new(seq, &intent.line, seen_at) };
        let (before, since) = rollbacks.split_at(rollbacks.partition_point(|entry| entry.seq < seq));
        if !since.is_empty() {
            entries.extend_from_slice(since);
            entries.sort_by_key(|entry| entry.seq);
        }
        for entry in &entries {
            state.time = entry.session.and_then(|session| times.get(&session).copied());
            state.apply(entry.seq, entry.at, &entry.event);
        }
        state.time = Some(self.shared.settings.attempt_time());
        if self.shared.resumed {
            state.reopen(self.shared.scribe.now());
        }
        if self.shared.is_given_up && state.lost {
            // A row for which a lost entry may have been a request has no attempt left, either.
            state.spent = state.spent.max(self.shared.settings.max_attempts);
        }
        if let Some(held) = self.shared.ghosts.of(&self.lane.target, &intent.line.name) {
            state.not_before = held.until;
            state.inherit(&held.open, held.seq, self.shared.scribe.now());
        }
        if let Some(last) = before.last() {
            state.lost_before = true;
            // A run that is no longer in the journal may have sent a request for it right before that.
            let (settings, now) = (&self.shared.settings, self.shared.scribe.now());
            let held = settings.attempt_time().dead_after_start() + settings.signature_life;
            let until = last.at.min(now).saturating_add(held).unwrap_or(now);
            state.not_before = state.not_before.max(Some(until).filter(|until| *until > now));
        }
        state
    }

    /// Returns whether the row was started: not if the target stops or its canary is full, unless there is something to settle.
    async fn start(&self, taken: Taken, rows: &mut JoinSet<Result<(), JournalError>>) -> bool {
        let Taken { row, line, state } = taken;
        let needs_settling = state.last.is_some() || (self.shared.is_given_up && state.lost);
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return false };
        if !needs_settling && !self.shared.control.reserve(self.target_no, row).await {
            self.shared.control.not_begun(self.target_no);
            return false;
        }
        // The place is taken here, so that requests are sent in the plan's order. A row that only needs to be settled
        // takes a place, too, which bounds how many key pairs can be in doubt at once.
        let closing = self.shared.control.closing(self.target_no);
        let take = async {
            let waiting = Arc::clone(&self.waiting).acquire_owned().await.ok();
            (waiting, Arc::clone(&self.shared.in_flight).acquire_owned().await.ok())
        };
        let (waiting, in_flight) = tokio::select! {
            biased;
            () = closing.cancelled() => (None, None),
            taken = take => taken,
        };
        if in_flight.is_none() && !needs_settling {
            self.shared.control.release(self.target_no, row);
            self.shared.control.not_begun(self.target_no);
            return false;
        }
        let worker = Worker {
            shared: Arc::clone(&self.shared),
            lane: Arc::clone(&self.lane),
            inventory: Arc::clone(&self.inventory),
            target_no: self.target_no,
            row,
            line,
            state,
            place: Some(place),
            in_flight,
            waiting,
            asked: false,
            direct: None,
        };
        let (shared, inventory, target_no) = (Arc::clone(&self.shared), Arc::clone(&self.inventory), self.target_no);
        shared.control.entered(target_no);
        rows.spawn(async move {
            let result = worker.work().await;
            inventory.rows_left.fetch_sub(1, Ordering::Relaxed);
            shared.control.left(target_no);
            shared.control.release(target_no, row);
            if let Err(error) = &result {
                shared.control.fail(error);
            }
            result
        });
        true
    }

    /// The outcome of a row that the plan itself settles, without any request.
    fn settled_by_plan(&self, row: u64, intent: &IntentRecorded, state: &RowState) -> Option<(Outcome, Draft)> {
        let line = PlanRow { notes: intent.notes().to_vec(), ..intent.line.clone() };
        let now = self.shared.scribe.now();
        let situation = Situation { now, denial: Denial::Unknown, answered_at: None, read_at: None };
        let Step::Settle(outcome, evidence) = decide(state, &self.shared.settings, &situation) else { return None };
        let settled = RowSettled {
            outcome,
            evidence,
            detail: sentences::detail(outcome, evidence, state, &line),
            rests_on: state.rests_on(),
        };
        Some((outcome, Draft::of_row(row, Event::RowSettled(settled))))
    }

    async fn settle_at_once(&self, settled: Vec<(Outcome, Draft)>) -> Result<(), JournalError> {
        if settled.is_empty() {
            return Ok(());
        }
        let (outcomes, drafts): (Vec<_>, Vec<_>) = settled.into_iter().unzip();
        self.inventory.rows_left.fetch_sub(outcomes.len() as u64, Ordering::Relaxed);
        self.shared.scribe.journal.append(drafts).await?;
        outcomes.into_iter().for_each(|outcome| self.shared.settled(self.target_no, &self.lane.target, outcome));
        Ok(())
    }
}
