//! What may happen in a journal and in a run, in which order. Rows are judged by [`legal`](super::legal).
//!
//! A crash may cut a journal anywhere: whatever is legal is legal at every length. Holds 12 bytes for each row, and more
//! only for those that are on their way (between their first attempt or reading and their outcome) and where intents do not
//! follow one another.

mod rows;
mod run;
mod trouble;

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::claims::{Claimed, Identity, Named, hash, name_of};
use super::legal::{Row, RowEvent};
use crate::domain::{Class, Evidence, RunId};
use crate::record::event::{Event, Found, OverrideUsed, RowSettled, SessionOpened, Source, Verdict};
use crate::record::merkle::Hash;
use crate::record::{Entry, EntryError};
use rows::{Fate, RowOf, Rows, Stretch, intent_of};
use run::{ABANDONED, Bound, CLOSED, Run};
pub(super) use trouble::Trouble;

/// All that must be known of the entries so far to judge the next one.
#[derive(Debug, Default)]
pub(super) struct History {
    journal_id: Option<String>,
    runs: HashMap<RunId, Run>,
    rows: Rows,
    /// Where the numbers of the intents' entries begin anew, ascending: in between, each is the one before plus one.
    stretches: Vec<Stretch>,
    /// By their place in `rows`: those that are on their way.
    open: HashMap<usize, OpenRow>,
    /// How many entries there were.
    size: u64,
    /// The run of the session that was opened last, until it is closed: one process at a time has the journal.
    holder: Option<RunId>,
    /// Hashes of the ids of all sessions.
    sessions: HashSet<u64>,
    /// Numbers of the entries by which rollbacks were accepted, ascending.
    rollbacks: Vec<u64>,
    /// When each of them was, and how many rows there were then: those of them without an outcome may have been asked for.
    lost: Vec<(Timestamp, usize)>,
}

#[derive(Debug)]
struct OpenRow {
    state: Row,
    /// Numbers of its entries after the intent, ascending.
    entries: Vec<u64>,
    /// That of the last attempt's answer.
    answer: Option<u64>,
    /// The hash of the name that was asked for; no answer names one before.
    name: Option<u64>,
    /// When it was asked for first.
    asked_at: Option<Timestamp>,
    /// Whether the last attempt's answer had an operation.
    named_one: bool,
}

impl OpenRow {
    fn new(verdict: Verdict) -> Self {
        Self {
            state: Row::new(verdict),
            entries: Vec::new(),
            answer: None,
            name: None,
            asked_at: None,
            named_one: false,
        }
    }

    /// It was, or may have been, asked for at `at`. A clock that was set back makes a later moment the earliest.
    fn asked(&mut self, at: Timestamp) {
        self.asked_at = Some(self.asked_at.map_or(at, |before| before.min(at)));
    }
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

    /// The runs that are neither finished nor closed.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = RunId> {
        self.runs.iter().filter(|(_, run)| run.ended.is_none()).map(|(id, _)| *id)
    }

    /// Takes the next entry, or says why it cannot be.
    pub(super) fn step(&mut self, entry: &Entry, claimed: Claimed, leaf: Hash) -> Result<(), Trouble> {
        self.judge(entry, claimed, leaf, self.size)?;
        self.size += 1;
        Ok(())
    }

    fn judge(&mut self, entry: &Entry, claimed: Claimed, leaf: Hash, seq: u64) -> Result<(), Trouble> {
        if let Event::JournalCreated(created) = &entry.event {
            if seq != 0 {
                return Err("a journal is created once, by its first entry".into());
            }
            if entry.run.is_some() || entry.row.is_some() {
                return Err("a journal is created before any run".into());
            }
            self.journal_id = Some(created.journal_id.clone());
            return Ok(());
        }
        if seq == 0 {
            return Err("the first entry of a journal is journal_created".into());
        }
        let Some(id) = entry.run else {
            return match &entry.event {
                Event::CheckpointMade(_) => Ok(()),
                Event::OverrideUsed(used) => self.roll_back(used, entry.at, seq),
                _ => Err("it names no run".into()),
            };
        };
        if let Event::SessionOpened(opened) = &entry.event {
            return if entry.row.is_none() { self.open(id, opened) } else { Err("a session has no row".into()) };
        }
        let run = self.runs.get_mut(&id).ok_or("its run was never opened")?;
        let held = self.holder == Some(id);
        run.admits(&entry.event, held)?;
        if claimed.sandbox && !run.bound.as_ref().is_some_and(|bound| bound.sandbox) {
            return Err("the answer came from a sandbox, but the run is not a rehearsal".into());
        }
        match (&entry.event, entry.row) {
            (_, Some(row)) => self.judge_row(id, row, entry, claimed, leaf, seq),
            (event, None) => {
                run.judge(event, seq)?;
                if matches!(event, Event::RunAbandoned(_)) {
                    let end = usize::try_from(run.rows).ok().and_then(|rows| run.first_row.checked_add(rows));
                    let own = |place: &usize| *place >= run.first_row && end.is_some_and(|end| *place < end);
                    let left = self.open.iter().any(|(place, open)| own(place) && open.state.may_have_acted());
                    return if left { Err("a row that may have been deleted has no outcome".into()) } else { Ok(()) };
                }
                if matches!(event, Event::PlanSealed(_)) {
                    run.twins = self.rows.twins(run.first_row);
                }
                if matches!(event, Event::SessionClosed(_)) {
                    self.holder = None;
                }
                Ok(())
            }
        }
    }

    /// Entries were lost, and that was accepted: no session goes on after it, and each row without an outcome may have been
    /// asked for.
    fn roll_back(&mut self, used: &OverrideUsed, at: Timestamp, seq: u64) -> Result<(), Trouble> {
        if !used.accepts_rollback() {
            return Err("it names no run".into());
        }
        if used.lost.is_empty() {
            return Err("it accepts a rollback, and names no head that was lost".into());
        }
        self.holder = None;
        self.rollbacks.push(seq);
        self.lost.push((at, self.rows.len()));
        for open in self.open.values_mut() {
            open.state.lose_tail();
            open.asked(at);
        }
        Ok(())
    }

    fn open(&mut self, id: RunId, opened: &SessionOpened) -> Result<(), Trouble> {
        if !self.sessions.insert(hash(&opened.session)) {
            return Err("a session of that id was opened before".into());
        }
        let ended = self.runs.get(&id).and_then(|run| run.ended);
        if let Some(for_good) = ended.filter(|ended| [CLOSED, ABANDONED].contains(ended)) {
            return Err(for_good.into());
        }
        let first_row = self.rows.len();
        let run = self.runs.entry(id).or_insert_with(|| Run::new(first_row));
        let (account, endpoint) = (opened.account.clone(), opened.endpoint.clone());
        let bound = Bound { account, endpoint, sandbox: opened.sandbox };
        if run.bound.get_or_insert_with(|| bound.clone()) != &bound {
            return Err("its run is bound to another account or endpoint".into());
        }
        run.sessions = run.sessions.wrapping_add(1);
        run.session = Some(opened.session.clone());
        (run.asked, run.answered, run.over, run.stopped) = (0, 0, 0, false);
        self.holder = Some(id);
        Ok(())
    }

    /// An entry that names a row.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of entry that names a row")]
    fn judge_row(
        &mut self,
        id: RunId,
        row: u64,
        entry: &Entry,
        claimed: Claimed,
        leaf: Hash,
        seq: u64,
    ) -> Result<(), Trouble> {
        let run = self.runs.get_mut(&id).ok_or("its run was never opened")?;
        if let Event::IntentRecorded(intent) = &entry.event {
            run.intend(row, intent, leaf, self.rows.len())?;
            let place = self.rows.len();
            if intent_of(&self.stretches, place) != Some(seq) {
                self.stretches.push(Stretch { place, seq });
            }
            let name = name_of(&intent.key_pair_name, &intent.region);
            self.rows.push(RowOf::new(name, intent.verdict, claimed.identity));
            return Ok(());
        }
        let place = row.checked_sub(1).filter(|index| *index < run.rows).ok_or("its row has no intent")?;
        let place = usize::try_from(place).map_err(|_| "its row has no intent")? + run.first_row;
        let known = self.rows.get_mut(place).ok_or("its row has no intent")?;
        let mut open = match known.fate() {
            Fate::Planned(verdict) => {
                let mut planned = OpenRow::new(verdict);
                for (at, _) in self.lost.iter().filter(|(_, rows)| place < *rows) {
                    planned.state.lose_tail();
                    planned.asked(*at);
                }
                planned
            }
            Fate::Open => self.open.remove(&place).ok_or("its row has no intent")?,
            Fate::Settled => return Err("the row has its outcome already".into()),
        };
        if !run.started {
            return Err("the run was not started yet".into());
        }
        match (claimed.named, open.name) {
            (Named::Is(name), Some(own)) if name != own => return Err("its answer is about another key pair".into()),
            (Named::IsNot(name), Some(own)) if name == own => {
                return Err("its answer is about this key pair and shows more than the entry says".into());
            }
            _ => {}
        }
        let session = run.sessions;
        let mut step = |step| open.state.step(step, session);
        match &entry.event {
            Event::AttemptStarted(started) => {
                if !known.is_named(name_of(&started.key_pair_name, &started.region)) {
                    return Err("it asks for another key pair than the plan names".into());
                }
                if run.twins.contains(&known.name()) {
                    run.ask(row, &started.key_pair_name, &started.region)?;
                }
                step(RowEvent::Started { attempt: started.attempt })?;
                (open.answer, open.name) = (None, Some(hash(&started.key_pair_name)));
                open.asked(entry.at);
                open.named_one = false;
                run.asked += 1;
            }
            Event::AttemptFinished(finished) => {
                if finished.outcome.is_some() != finished.evidence.is_some() {
                    return Err("it has one of outcome and evidence without the other".into());
                }
                let (attempt, class, settled) = (finished.attempt, finished.class, finished.settled());
                step(RowEvent::Finished { attempt, class, settled })?;
                open.answer = Some(seq);
                open.named_one = claimed.operation;
                run.over += 1;
                run.answered += u64::from(finished.class != Class::NotSent);
                if let Some((outcome, _)) = settled {
                    run.outcomes.add(outcome);
                    known.settle();
                    return Ok(());
                }
            }
            Event::OperationPolled(polled) => step(RowEvent::Polled { class: polled.class })?,
            Event::Observed(seen) if seen.source == Source::GetOperationsForResource => {
                let too_old = claimed
                    .operation_at
                    .zip(open.asked_at)
                    .is_some_and(|(created, asked)| asked.duration_since(created) > OLDER);
                if too_old && !open.named_one {
                    return Err("it found an operation of ours that is older than the first attempt".into());
                }
                step(RowEvent::Searched { found: seen.found })?;
            }
            Event::Observed(seen) => {
                compare(seen.found, known.seen(), claimed.identity)?;
                step(RowEvent::Observed { found: seen.found })?;
            }
            Event::RowSettled(settled) => {
                let intent = intent_of(&self.stretches, place);
                let needed = [intent, open.answer.filter(|_| settled.evidence == Evidence::Answer)];
                rests(settled, needed, |seq| {
                    Some(*seq) == intent
                        || open.entries.binary_search(seq).is_ok()
                        || run.listings.binary_search(seq).is_ok()
                        || self.rollbacks.binary_search(seq).is_ok()
                })?;
                step(RowEvent::Settled { outcome: settled.outcome, evidence: settled.evidence })?;
                run.outcomes.add(settled.outcome);
                known.settle();
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

/// How far the service's clock may put an operation before the attempt that caused it, at most.
const OLDER: SignedDuration = SignedDuration::from_millis(1_200);

/// A reading is called what it shows.
fn compare(found: Found, planned: Identity, seen: Identity) -> Result<(), Trouble> {
    match found {
        Found::Same if !planned.may_be_same_as(seen) => {
            Err("it shows another key pair than the plan saw, but says that it is the same".into())
        }
        Found::Other if planned == seen => {
            Err("it shows the key pair that the plan saw, but says that it is another".into())
        }
        _ => Ok(()),
    }
}

/// What an outcome rests on are earlier entries of the row, or listings of its run: those that `is_known` knows, and among
/// them those that are `needed`.
fn rests(settled: &RowSettled, needed: [Option<u64>; 2], is_known: impl Fn(&u64) -> bool) -> Result<(), Trouble> {
    if let Some(seq) = needed.into_iter().flatten().find(|seq| !settled.rests_on.contains(seq)) {
        return Err(Trouble::Illegal(format!("it does not rest on entry {seq}, without which there is no outcome")));
    }
    if let Some(seq) = settled.rests_on.iter().find(|seq| !is_known(seq)) {
        return Err(Trouble::Illegal(format!("it rests on entry {seq}, which is no earlier entry of its row")));
    }
    if !settled.rests_on.is_sorted_by(|one, next| one < next) {
        return Err("the entries that it rests on are not ascending".into());
    }
    Ok(())
}

/// What an unreadable body means for the whole: a newer format is no sign of tampering.
pub(super) fn is_newer(error: &EntryError) -> bool {
    matches!(error, EntryError::Newer { .. } | EntryError::Unknown { .. })
}

#[cfg(test)]
mod tests;
