//! What may happen in a journal and in a run, in which order. Rows are judged by [`legal`](super::legal).
//!
//! A crash may cut a journal anywhere: whatever is legal is legal at every length. Holds 6 bytes for each row, and more
//! only for those that are on their way (between their first attempt or reading and their outcome) and where intents do not
//! follow one another.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use super::legal::{Row, Step};
use crate::domain::{OutcomeCounts, RunId};
use crate::journal::checkpoint::base64;
use crate::journal::event::{Event, IntentRecorded, PlanSealed, RowSettled, Source, Verdict};
use crate::journal::merkle::{Frontier, Hash};
use crate::journal::{Entry, EntryError};

/// Why an entry cannot stand where it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The order of entries cannot have been produced.
    Illegal(String),
    /// A root that an entry names is not that of what is there.
    Root { what: &'static str, expected: String, found: String },
}

impl From<&str> for Trouble {
    fn from(why: &str) -> Self {
        Self::Illegal(why.to_owned())
    }
}

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
    hasher: RandomState,
}

/// All rows, one after the other. Not in one piece: that would be moved as it grows, and leave holes as large as itself.
#[derive(Debug, Default)]
struct Rows {
    pieces: Vec<Vec<RowOf>>,
}

impl Rows {
    /// How many rows a piece holds.
    const PIECE: usize = 1 << 14;

    fn len(&self) -> usize {
        self.pieces.last().map_or(0, |last| (self.pieces.len() - 1) * Self::PIECE + last.len())
    }

    fn push(&mut self, row: RowOf) {
        match self.pieces.last_mut() {
            Some(last) if last.len() < Self::PIECE => last.push(row),
            // The first grows as it is filled: most journals are small.
            None => self.pieces.push(vec![row]),
            Some(_) => {
                let mut piece = Vec::with_capacity(Self::PIECE);
                piece.push(row);
                self.pieces.push(piece);
            }
        }
    }

    fn get_mut(&mut self, place: usize) -> Option<&mut RowOf> {
        self.pieces.get_mut(place / Self::PIECE)?.get_mut(place % Self::PIECE)
    }
}

/// A row in 6 bytes: its fate in the lowest three bits, in all others what the hash of the key pair's name and region has
/// there. The hash has a key of the process's own, so a journal that asks for another key pair than its plan names passes once in
/// 2^45 times, whatever its author tries.
#[derive(Debug, Clone, Copy)]
struct RowOf([u8; 6]);

impl RowOf {
    const FATE: u64 = 0b111;
    const OPEN: u64 = 6;
    const SETTLED: u64 = 7;

    fn new(name: u64, verdict: Verdict) -> Self {
        let mut row = Self([0; 6]);
        row.put(name & !Self::FATE | verdict as u64);
        row
    }

    fn put(&mut self, bits: u64) {
        let [one, two, three, four, five, six, ..] = bits.to_le_bytes();
        self.0 = [one, two, three, four, five, six];
    }

    fn bits(self) -> u64 {
        let [one, two, three, four, five, six] = self.0;
        u64::from_le_bytes([one, two, three, four, five, six, 0, 0])
    }

    fn is_named(self, name: u64) -> bool {
        (self.bits() ^ name) << 16 & !(Self::FATE << 16) == 0
    }

    fn fate(self) -> Fate {
        const VERDICTS: [Verdict; 3] = [Verdict::Delete, Verdict::Skip, Verdict::Absent];
        let fate = self.bits() & Self::FATE;
        match VERDICTS.into_iter().find(|verdict| *verdict as u64 == fate) {
            Some(verdict) => Fate::Planned(verdict),
            None if fate == Self::OPEN => Fate::Open,
            None => Fate::Settled,
        }
    }

    fn become_open(&mut self) {
        self.put(self.bits() & !Self::FATE | Self::OPEN);
    }

    fn settle(&mut self) {
        self.put(self.bits() & !Self::FATE | Self::SETTLED);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Only the intent is there.
    Planned(Verdict),
    /// It is in `History::open`.
    Open,
    Settled,
}

/// Intents whose entries follow one another.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    /// The place of the first in `History::rows`.
    place: usize,
    /// The number of its entry.
    seq: u64,
}

#[derive(Debug)]
struct OpenRow {
    state: Row,
    /// Numbers of its entries after the intent, ascending.
    entries: Vec<u64>,
}

#[derive(Debug)]
struct Run {
    sessions: u16,
    /// The session that was opened last, until it is closed.
    session: Option<String>,
    manifest_rows: Option<u64>,
    /// Where its rows begin in `History::rows`.
    first_row: usize,
    rows: u64,
    verdicts: [u64; 3],
    plan: Frontier,
    sealed: Option<String>,
    started: bool,
    /// `run_finished`, or stopped for good.
    ended: Option<&'static str>,
    outcomes: OutcomeCounts,
    /// Numbers of the entries that list its key pairs and instances, ascending.
    listings: Vec<u64>,
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
    pub(super) fn step(&mut self, entry: &Entry, leaf: Hash) -> Result<(), Trouble> {
        self.judge(entry, leaf, self.size)?;
        self.size += 1;
        Ok(())
    }

    fn judge(&mut self, entry: &Entry, leaf: Hash, seq: u64) -> Result<(), Trouble> {
        if let Event::JournalCreated(created) = &entry.event {
            if seq != 0 {
                return Err("a journal is created once, by its first entry".into());
            }
            self.journal_id = Some(created.journal_id.clone());
            return Ok(());
        }
        if seq == 0 {
            return Err("the first entry of a journal is journal_created".into());
        }
        let Some(id) = entry.run else {
            let journals_own = matches!(entry.event, Event::CheckpointMade(_));
            return if journals_own { Ok(()) } else { Err("it names no run".into()) };
        };
        if let Event::SessionOpened(opened) = &entry.event {
            self.open(id, &opened.session);
            return Ok(());
        }
        let run = self.runs.get_mut(&id).ok_or("its run was never opened")?;
        run.admits(&entry.event)?;
        match entry.row {
            Some(row) => self.judge_row(id, row, entry, leaf, seq),
            None => run.judge(&entry.event, seq),
        }
    }

    fn open(&mut self, id: RunId, session: &str) {
        let first_row = self.rows.len();
        let run = self.runs.entry(id).or_insert_with(|| Run::new(first_row));
        run.sessions = run.sessions.wrapping_add(1);
        run.session = Some(session.to_owned());
    }

    /// An entry that names a row.
    fn judge_row(&mut self, id: RunId, row: u64, entry: &Entry, leaf: Hash, seq: u64) -> Result<(), Trouble> {
        let run = self.runs.get_mut(&id).ok_or("its run was never opened")?;
        if let Event::IntentRecorded(intent) = &entry.event {
            run.intend(row, intent, leaf, self.rows.len())?;
            let name = self.hasher.hash_one((&intent.key_pair_name, &intent.region));
            let place = self.rows.len();
            if intent_of(&self.stretches, place) != Some(seq) {
                self.stretches.push(Stretch { place, seq });
            }
            self.rows.push(RowOf::new(name, intent.verdict));
            return Ok(());
        }
        let place = row.checked_sub(1).filter(|index| *index < run.rows).ok_or("its row has no intent")?;
        let place = usize::try_from(place).map_err(|_| "its row has no intent")? + run.first_row;
        let known = self.rows.get_mut(place).ok_or("its row has no intent")?;
        let mut open = match known.fate() {
            Fate::Planned(verdict) => OpenRow { state: Row::new(verdict), entries: Vec::new() },
            Fate::Open => self.open.remove(&place).ok_or("its row has no intent")?,
            Fate::Settled => return Err("the row has its outcome already".into()),
        };
        let state = &mut open.state;
        match &entry.event {
            Event::AttemptStarted(started) => {
                if !run.started {
                    return Err("the run was not started yet".into());
                }
                if !known.is_named(self.hasher.hash_one((&started.key_pair_name, &started.region))) {
                    return Err("it asks for another key pair than the plan names".into());
                }
                state.step(Step::Started { attempt: started.attempt, session: run.sessions })?;
            }
            Event::AttemptFinished(finished) => {
                state.step(Step::Finished { attempt: finished.attempt, class: finished.class })?;
            }
            Event::OperationPolled(polled) => state.step(Step::Polled { class: polled.class })?,
            Event::Observed(seen) if seen.source == Source::GetOperationsForResource => {
                state.step(Step::Searched { found: seen.found })?;
            }
            Event::Observed(seen) => state.step(Step::Observed { found: seen.found })?,
            Event::RowSettled(settled) => {
                if run.sealed.is_none() {
                    return Err("the plan is not sealed yet".into());
                }
                let intent = intent_of(&self.stretches, place);
                rests(settled, |seq| {
                    Some(*seq) == intent
                        || open.entries.binary_search(seq).is_ok()
                        || run.listings.binary_search(seq).is_ok()
                })?;
                state.step(Step::Settled { outcome: settled.outcome, evidence: settled.evidence })?;
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

/// The number of the intent's entry of the row at `place`; of the next row, the number that continues the last stretch.
fn intent_of(stretches: &[Stretch], place: usize) -> Option<u64> {
    let next = stretches.partition_point(|stretch| stretch.place <= place);
    let stretch = stretches.get(next.checked_sub(1)?)?;
    Some(stretch.seq + u64::try_from(place - stretch.place).ok()?)
}

/// What an outcome rests on are earlier entries of the row, or listings of its run: those that `is_known` knows.
fn rests(settled: &RowSettled, is_known: impl Fn(&u64) -> bool) -> Result<(), Trouble> {
    if let Some(seq) = settled.rests_on.iter().find(|seq| !is_known(seq)) {
        return Err(Trouble::Illegal(format!("it rests on entry {seq}, which is no earlier entry of its row")));
    }
    if !settled.rests_on.is_sorted_by(|one, next| one < next) {
        return Err("the entries that it rests on are not ascending".into());
    }
    Ok(())
}

impl Run {
    fn new(first_row: usize) -> Self {
        Self {
            sessions: 0,
            session: None,
            manifest_rows: None,
            first_row,
            rows: 0,
            verdicts: [0; 3],
            plan: Frontier::default(),
            sealed: None,
            started: false,
            ended: None,
            outcomes: OutcomeCounts::default(),
            listings: Vec::new(),
        }
    }

    /// Whether a run in this state can have an entry of this kind at all.
    fn admits(&self, event: &Event) -> Result<(), Trouble> {
        if matches!(event, Event::SessionClosed(_) | Event::CheckpointMade(_)) {
            return Ok(());
        }
        if let Some(ended) = self.ended {
            return Err(ended.into());
        }
        let by_session = matches!(
            event,
            Event::IntentRecorded(_) | Event::AttemptStarted(_) | Event::AttemptFinished(_) | Event::RowSettled(_)
        );
        if by_session && self.session.is_none() {
            return Err("no session of its run is open".into());
        }
        Ok(())
    }

    /// An entry that belongs to the run as a whole.
    fn judge(&mut self, event: &Event, seq: u64) -> Result<(), Trouble> {
        match event {
            Event::SessionClosed(closed) => {
                if self.session.as_ref() != Some(&closed.session) {
                    return Err("it closes a session that is not open".into());
                }
                self.session = None;
            }
            Event::ManifestIngested(ingested) => {
                if self.manifest_rows.is_some() || self.sealed.is_some() {
                    return Err("a run has one manifest, read before its plan is sealed".into());
                }
                self.manifest_rows = Some(ingested.rows);
            }
            Event::PlanSealed(sealed) => self.seal(sealed)?,
            Event::RunStarted(started) => {
                if self.started {
                    return Err("the run was started already".into());
                }
                let Some(plan_root) = &self.sealed else { return Err("the plan is not sealed yet".into()) };
                root("the plan that the run was started with", plan_root, &started.plan_root)?;
                same("deletes", started.deletes, self.verdicts[Verdict::Delete as usize])?;
                self.started = true;
            }
            Event::RunStopped(stopped) => {
                if matches!(stopped.why.as_str(), "refused" | "declined" | "abandoned" | "failed") {
                    if self.started {
                        return Err("a run that was started can be resumed, and is not closed".into());
                    }
                    self.ended = Some("the run was closed before anything was sent");
                }
            }
            Event::RunFinished(finished) => {
                if self.sealed.is_none() {
                    return Err("the plan is not sealed yet".into());
                }
                if self.outcomes.total() != self.rows {
                    return Err("not every row has its outcome".into());
                }
                same("rows", finished.rows, self.rows)?;
                if finished.outcomes != self.outcomes {
                    return Err(Trouble::Illegal(format!(
                        "its counts are not those of the rows: {:?} instead of {:?}",
                        finished.outcomes, self.outcomes
                    )));
                }
                self.ended = Some("the run is finished");
            }
            Event::Observed(seen) if matches!(seen.source, Source::GetKeyPairs | Source::GetInstances) => {
                self.listings.push(seq);
            }
            Event::Observed(_) | Event::OverrideUsed(_) | Event::RateChanged(_) | Event::CheckpointMade(_) => {}
            _ => return Err("an entry of this kind names a row".into()),
        }
        Ok(())
    }

    fn intend(&mut self, row: u64, intent: &IntentRecorded, leaf: Hash, rows: usize) -> Result<(), Trouble> {
        if self.sealed.is_some() {
            return Err("the plan is sealed already".into());
        }
        if row != self.rows + 1 {
            return Err("intents are numbered from 1 without gaps".into());
        }
        if row == 1 {
            self.first_row = rows;
        } else if Some(rows) != usize::try_from(self.rows).ok().map(|count| self.first_row + count) {
            return Err("another run's intents are between those of this one".into());
        }
        self.rows = row;
        self.verdicts[intent.verdict as usize] += 1;
        self.plan.push(leaf);
        Ok(())
    }

    fn seal(&mut self, sealed: &PlanSealed) -> Result<(), Trouble> {
        if self.sealed.is_some() {
            return Err("the plan is sealed already".into());
        }
        same("rows", sealed.rows, self.rows)?;
        if let Some(rows) = self.manifest_rows {
            same("rows of the manifest", rows, self.rows)?;
        }
        same("deletes", sealed.deletes, self.verdicts[Verdict::Delete as usize])?;
        same("skips", sealed.skips, self.verdicts[Verdict::Skip as usize])?;
        same("absents", sealed.absents, self.verdicts[Verdict::Absent as usize])?;
        root("the plan", &base64(&self.plan.root()), &sealed.plan_root)?;
        self.sealed = Some(sealed.plan_root.clone());
        Ok(())
    }
}

fn same(what: &str, said: u64, counted: u64) -> Result<(), Trouble> {
    if said == counted {
        return Ok(());
    }
    Err(Trouble::Illegal(format!("it says {said} {what}, and the entries before it show {counted}")))
}

fn root(what: &'static str, computed: &str, said: &str) -> Result<(), Trouble> {
    if computed == said {
        return Ok(());
    }
    Err(Trouble::Root { what, expected: said.to_owned(), found: computed.to_owned() })
}

/// What an unreadable body means for the whole: a newer format is no sign of tampering.
pub(super) fn is_newer(error: &EntryError) -> bool {
    matches!(error, EntryError::Newer { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_keeps_its_name_whatever_becomes_of_it() {
        for verdict in [Verdict::Delete, Verdict::Skip, Verdict::Absent] {
            for name in [0, u64::MAX, 0x0123_4567_89AB_CDEF] {
                let mut row = RowOf::new(name, verdict);
                assert_eq!(row.fate(), Fate::Planned(verdict));
                row.become_open();
                assert_eq!(row.fate(), Fate::Open);
                row.settle();
                assert_eq!(row.fate(), Fate::Settled);
                assert!(row.is_named(name) && !row.is_named(name ^ 0b1000) && !row.is_named(name ^ 1 << 47));
            }
        }
    }

    #[test]
    fn rows_keep_their_places() {
        let mut rows = Rows::default();
        let count = 2 * Rows::PIECE + 3;
        for place in 0..count {
            assert_eq!(rows.len(), place);
            rows.push(RowOf::new((place as u64) << 3, Verdict::Delete));
        }
        for place in [0, 1, Rows::PIECE - 1, Rows::PIECE, 2 * Rows::PIECE - 1, 2 * Rows::PIECE, count - 1] {
            assert!(rows.get_mut(place).unwrap().is_named((place as u64) << 3), "{place}");
        }
        assert!(rows.get_mut(count).is_none() && rows.get_mut(usize::MAX).is_none());
    }

    #[test]
    fn the_number_of_each_intent_is_found() {
        let numbers = [3, 4, 5, 9, 11, 12, 40];
        let mut stretches = Vec::new();
        for (place, seq) in numbers.into_iter().enumerate() {
            if intent_of(&stretches, place) != Some(seq) {
                stretches.push(Stretch { place, seq });
            }
        }
        assert_eq!(stretches.len(), 4);
        let found: Vec<_> = (0..numbers.len()).filter_map(|place| intent_of(&stretches, place)).collect();
        assert_eq!(found, numbers);
        assert_eq!(intent_of(&[], 0), None);
    }
}
