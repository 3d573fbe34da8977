//! What may happen in a journal and in a run, in which order. Rows are judged by [`legal`](super::legal).
//!
//! A crash may cut a journal anywhere: whatever is legal is legal at every length. Holds 14 bytes for each row, and more
//! only for those that are on their way (between their first attempt or reading and their outcome) or ended in doubt or as gone,
//! and where intents do not follow one another.

mod anchored;
mod canary;
mod controlled;
mod approvals;
mod doubtful;
mod grounds;
mod leases;
mod lifted;
mod lone;
mod of_run;
mod open_row;
mod opening;
mod ours;
mod reading;
mod reconciled;
mod retry;
mod rows;
mod run;
mod runners;
mod session;
mod trouble;

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::claims::{Claimed, Shows, hash, name_of};
use super::legal::RowEvent;
use crate::domain::{Evidence, RunId};
use crate::record::Entry;
use crate::record::event::{Event, JournalCreated, OverrideUsed, SessionClosed, Source};
use anchored::Anchored;
pub(super) use approvals::Approvals;
use canary::SETTLED;
use doubtful::Doubtful;
use grounds::rests;
pub(super) use lone::Lone;
use open_row::{OpenRow, looks_for_operations};
use reading::{is_about, read};
use retry::Past;
use rows::{Fate, RowOf, Rows, Stretch, intent_of, name_of_row};
use run::{Run, target_hash};
use runners::Runners;
use session::Session;
pub(super) use trouble::{Trouble, is_newer};

/// All that must be known of the entries so far to judge the next one.
#[derive(Debug, Default)]
pub(super) struct History {
    journal_id: Option<String>,
    /// Whether it continues an archived journal, of which nothing is known here.
    continues: bool,
    /// By the number of the entry that began each.
    runs: HashMap<u64, Run>,
    /// By the number of the entry that opened each.
    sessions: HashMap<u64, Session>,
    rows: Rows,
    /// Where the numbers of the intents' entries begin anew, ascending: in between, each is the one before plus one.
    stretches: Vec<Stretch>,
    /// By their place in `rows`: those that are on their way.
    open: HashMap<usize, OpenRow>,
    /// Likewise: those that ended so that more may be said of them.
    doubtful: HashMap<usize, Doubtful>,
    /// How many entries there were.
    size: u64,
    /// When the last of them was written: time never goes back from one entry to the next, whatever the clock does.
    last_at: Option<Timestamp>,
    /// The session that was opened last, if it has the journal for itself, until it is closed or a runner is opened.
    holder: Option<u64>,
    runners: Runners,
    /// Hashes of the ids of all sessions and runs.
    ids: HashSet<u64>,
    /// Those of the manifests of finished runs, each with its place.
    finished: HashSet<u64>,
    /// Numbers of the entries by which rollbacks were accepted, ascending.
    rollbacks: Vec<u64>,
    /// Numbers of the intents of rows of one plan whose hashes are the same. Whether they name the same key pair, only their
    /// bodies say.
    suspects: Vec<(u64, u64)>,
    anchored: Anchored,
    /// How many rows there were when each rollback was accepted: those of them without an outcome may have been asked for.
    lost: Vec<usize>,
}

impl History {
    /// The id in the first entry.
    pub(super) fn journal_id(&self) -> Option<&str> {
        self.journal_id.as_deref()
    }

    /// How many runs there are.
    pub(super) fn runs(&self) -> usize {
        self.runs.len()
    }

    /// What was signed of the plan of the run that began with the entry of that number.
    pub(super) fn approvals(&self, run: u64) -> Option<&Approvals> {
        self.runs.get(&run).map(|run| &run.approvals)
    }

    /// The runs that are neither finished nor closed.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = RunId> {
        self.runs.values().filter(|run| run.ended.is_none()).map(|run| run.id)
    }

    /// The pairs of intents that may name the same key pair twice in one plan, since this was asked last.
    pub(super) fn take_suspects(&mut self) -> Vec<(u64, u64)> {
        std::mem::take(&mut self.suspects)
    }

    /// Takes the next entry, or says why it cannot be.
    pub(super) fn step(&mut self, entry: &Entry, claimed: Claimed) -> Result<(), Trouble> {
        if self.last_at.replace(entry.at).is_some_and(|last| entry.at < last) {
            return Err("it is older than the entry before it".into());
        }
        self.judge(entry, claimed, self.size)?;
        self.size += 1;
        Ok(())
    }

    fn judge(&mut self, entry: &Entry, claimed: Claimed, seq: u64) -> Result<(), Trouble> {
        if let Event::JournalCreated(created) = &entry.event {
            return self.create(entry, created, seq);
        }
        if seq == 0 {
            return Err("the first entry of a journal is journal_created".into());
        }
        let session_no = entry.session.ok_or("it names no session")?;
        if let Event::SessionOpened(opened) = &entry.event {
            return self.open(session_no, entry, opened, seq);
        }
        let session = self.sessions.get(&session_no).ok_or("its session was never opened")?;
        if entry.run.is_some() && entry.run == session.run {
            return Err("it names the run that is its session's".into());
        }
        if let Event::AnswerLate(late) = &entry.event {
            return self.take_late(session_no, (entry, late), &claimed);
        }
        if self.runners.is_fenced_off(session_no, session) {
            return Err("its leases had ended: others may have gone on with its rows".into());
        }
        if let Event::CheckpointMade(_) | Event::CheckpointAnchored(_) = &entry.event {
            let alone = entry.run.is_none() && entry.row.is_none();
            return if alone {
                self.anchored.take(session_no, &entry.event)
            } else {
                Err("a checkpoint is of the whole journal".into())
            };
        }
        let held = self.is_open(session_no, session);
        let Some(id) = entry.run.or(session.run) else { return self.keep_house(session_no, held, entry, seq) };
        match (&entry.event, entry.row) {
            (Event::RowResolved(told), Some(row)) => return self.resolve((session_no, id), row, told, seq),
            (Event::Reconciled(told), None) => return self.reconcile((session_no, id), told),
            _ => {}
        }
        session.may_write(&entry.event)?;
        let run = self.runs.get_mut(&id).ok_or("its run was never opened")?;
        if entry.run.is_some() {
            return run.close_for_another(entry, held);
        }
        if !held {
            return Err("its session is not open".into());
        }
        if session.stopped && !matches!(entry.event, Event::SessionClosed(_)) {
            return Err(run.ended.unwrap_or("its session has stopped").into());
        }
        if !Self::lags(session, run.ended, entry) {
            run.admits(&entry.event)?;
        }
        if claimed.sandbox && !run.is_rehearsal() {
            return Err("the answer came from a sandbox, but the run is not a rehearsal".into());
        }
        match (&entry.event, entry.row) {
            (_, Some(row)) => self.judge_row(id, row, entry, claimed, seq),
            (Event::SessionClosed(closed), None) => {
                let has_ended = run.ended.is_some();
                self.close(session_no, closed, has_ended)
            }
            (Event::ControlUsed(used), None) => {
                let started = run.started;
                let session = self.sessions.get_mut(&session_no).ok_or("its session was never opened")?;
                Ok(session.controlled.tell(used, started)?)
            }
            (Event::LeaseTaken(taken), None) => self.take_rows((session_no, id), taken),
            (Event::LeaseEnded(ended), None) => self.end_leases((session_no, id), ended),
            (_, None) => self.judge_run(id, session_no, entry),
        }
    }

    /// The first entry of all.
    fn create(&mut self, entry: &Entry, created: &JournalCreated, seq: u64) -> Result<(), Trouble> {
        if seq != 0 {
            return Err("a journal is created once, by its first entry".into());
        }
        if entry.session.is_some() || entry.run.is_some() || entry.row.is_some() {
            return Err("a journal is created before any session".into());
        }
        self.journal_id = Some(created.journal_id.clone());
        self.continues = created.previous.is_some();
        Ok(())
    }

    /// A session ends in order.
    fn close(&mut self, number: u64, closed: &SessionClosed, has_ended: bool) -> Result<(), Trouble> {
        let session = self.sessions.get_mut(&number).ok_or("its session was never opened")?;
        session.close(closed, has_ended)?;
        if session.runner.is_some() {
            self.runners.end(number);
        } else {
            self.holder = None;
        }
        Ok(())
    }

    /// An entry of a session without a run.
    fn keep_house(&mut self, session_no: u64, held: bool, entry: &Entry, seq: u64) -> Result<(), Trouble> {
        if !held {
            return Err("its session is not open".into());
        }
        match (&entry.event, entry.row) {
            (Event::OverrideUsed(used), None) if used.accepts_rollback() && seq == session_no + 1 => {
                self.roll_back(used, seq)
            }
            (Event::SessionClosed(closed), None) => self.close(session_no, closed, true),
            _ => Err("its session is of no run".into()),
        }
    }

    /// Entries were lost, and that was accepted: each row without an outcome may have been asked for.
    fn roll_back(&mut self, used: &OverrideUsed, seq: u64) -> Result<(), Trouble> {
        if used.lost.is_empty() {
            return Err("it accepts a rollback, and names no head that was lost".into());
        }
        self.rollbacks.push(seq);
        self.lost.push(self.rows.len());
        for open in self.open.values_mut() {
            open.ours.lose_tail(open.state.is_pending());
            open.state.lose_tail();
        }
        Ok(())
    }

    /// An entry that names a row.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of entry that names a row")]
    fn judge_row(&mut self, id: u64, row: u64, entry: &Entry, claimed: Claimed, seq: u64) -> Result<(), Trouble> {
        let run = self.runs.get_mut(&id).ok_or("its run was never opened")?;
        if let Event::IntentRecorded(intent) = &entry.event {
            let Shows::Line(line) = claimed.shows else { return Err("it has no line of a plan".into()) };
            run.intend(row, intent, &line, self.rows.len())?;
            let place = self.rows.len();
            if intent_of(&self.stretches, place) != Some(seq) {
                self.stretches.push(Stretch { place, seq });
            }
            let target = target_hash(&intent.line.account, &intent.line.region);
            let name = name_of(hash(&intent.line.name), target);
            let past = Past { rows: &self.rows, doubtful: &self.doubtful };
            run.retry.as_mut().map_or(Ok(()), |retry| retry.take(name, past))?;
            self.rows.push(RowOf::new(name, target, intent.verdict(), claimed.identity));
            return Ok(());
        }
        let place = place_of(run, row)?;
        let number = entry.session.ok_or("it names no session")?;
        let known = self.rows.get_mut(place).ok_or("its row has no intent")?;
        let mut open = match known.fate() {
            Fate::Planned(verdict) => {
                let mut planned = OpenRow::new(verdict);
                self.lost.iter().filter(|rows| place < **rows).for_each(|_| planned.state.lose_tail());
                planned
            }
            Fate::Open => self.open.remove(&place).ok_or("its row has no intent")?,
            Fate::Settled(_) => {
                let (Event::Observed(seen), Some(session)) = (&entry.event, self.sessions.get(&number)) else {
                    return Err(SETTLED.into());
                };
                session.canary.as_ref().ok_or(SETTLED)?.read_back(place, seen)?;
                let is_own = |name| name_of_row(*known, &run.named_in, name);
                is_about(&claimed, is_own)?;
                return read(seen, known.seen(), &claimed, is_own);
            }
        };
        if !run.started {
            return Err("the run was not started yet".into());
        }
        let (its, named_in) = (*known, &run.named_in);
        let is_own = |name| name_of_row(its, named_in, name);
        if open.is_asked || looks_for_operations(&entry.event) {
            is_about(&claimed, is_own)?;
        }
        let session = self.sessions.get_mut(&number).ok_or("its session was never opened")?;
        if session.runner.is_some() && !self.runners.has(number, row) {
            return Err("its runner has not taken this row".into());
        }
        let ordinal = session.number;
        let mut step = |step| open.state.step(step, ordinal);
        match &entry.event {
            Event::AttemptStarted(started) => {
                step(RowEvent::Started { attempt: started.attempt })?;
                (open.answer, open.is_asked) = (None, true);
                open.ours.start(entry.at, session.attempt_time);
                session.ask(run.approvals.are_apart(), (place, started.attempt))?;
                session.controlled.ask()?;
                run.attempts += 1;
                session.canary.as_mut().map_or(Ok(()), |canary| canary.ask(place, run.targets.len()))?;
            }
            Event::AttemptFinished(finished) => {
                if finished.outcome.is_some() != finished.evidence.is_some() {
                    return Err("it has one of outcome and evidence without the other".into());
                }
                let (attempt, class, settled) = (finished.attempt, finished.class, finished.settled());
                step(RowEvent::Finished { attempt, class, settled })?;
                open.answer = Some(seq);
                open.ours.finish(entry.at, finished.class, &claimed.shows);
                session.answer(finished.class, (place, attempt));
                if let Some((outcome, _)) = settled {
                    run.outcomes.add(outcome);
                    known.settle(outcome);
                    self.runners.settle(row);
                    return Ok(());
                }
            }
            Event::OperationPolled(polled) => step(RowEvent::Polled { class: polled.class })?,
            Event::Observed(seen) if seen.source == Source::GetOperationsForResource => {
                if let Shows::Page(page) = &claimed.shows {
                    open.ours.searched(seen.found, page, is_own)?;
                }
                step(RowEvent::Searched { found: seen.found })?;
            }
            Event::Observed(seen) => {
                read(seen, known.seen(), &claimed, is_own)?;
                step(RowEvent::Observed { found: seen.found })?;
            }
            Event::RowSettled(settled) => {
                let intent = intent_of(&self.stretches, place);
                let needed = [intent, open.answer.filter(|_| settled.evidence == Evidence::Answer)];
                rests(&settled.rests_on, needed, |seq| {
                    Some(*seq) == intent
                        || open.entries.binary_search(seq).is_ok()
                        || run.listings.binary_search(seq).is_ok()
                        || self.rollbacks.binary_search(seq).is_ok()
                })?;
                step(RowEvent::Settled { outcome: settled.outcome, evidence: settled.evidence })?;
                run.outcomes.add(settled.outcome);
                known.settle(settled.outcome);
                self.runners.settle(row);
                if let Some(doubtful) = Doubtful::of(settled.outcome, open.into_entries(), seq) {
                    self.doubtful.insert(place, doubtful);
                }
                return Ok(());
            }
            _ => return Err("an entry of this kind names no row".into()),
        }
        open.entries.push(seq);
        known.become_open();
        self.open.insert(place, open);
        Ok(())
    }
}

/// The place of a run's row in `History::rows`.
fn place_of(run: &Run, row: u64) -> Result<usize, Trouble> {
    let place = row.checked_sub(1).filter(|index| *index < run.rows).ok_or("its row has no intent")?;
    Ok(usize::try_from(place).map_err(|_| "its row has no intent")? + run.first_row)
}

#[cfg(test)]
mod tests;
