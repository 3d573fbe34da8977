//! One row by itself, as a proof shows it: its entries and those that they name, without all others of the journal.
//!
//! The rules are those of the whole history, as far as these entries alone can break them. That nothing was left out cannot be seen
//! here, except where an entry that is there needs one that is not.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::super::claims::{Claimed, Identity, hash};
use super::super::legal::RowEvent;
use super::approvals::Approvals;
use super::canary::SETTLED;
use super::doubtful::Doubtful;
use super::grounds::rests;
use super::open_row::{OpenRow, looks_for_operations};
use super::reading::{is_about, read};
use super::run::{Bound, LATE};
use super::trouble::Trouble;
use crate::domain::{AttemptTime, Evidence, RunId, parse_time};
use crate::record::Entry;
use crate::record::event::{Event, Found, IntentRecorded, Observed, PlanSealed, RowResolved, SessionOpened, Source};
use crate::record::lease::WORK;

/// The story of a row so far.
#[derive(Debug)]
pub(in crate::verify) struct Lone {
    run: u64,
    row: u64,
    journal_id: Option<String>,
    /// By the number of the entry that opened each.
    sessions: BTreeMap<u64, LoneSession>,
    bound: Option<Bound>,
    /// By number: readings of a target, with its account and region.
    listings: BTreeMap<u64, Observed>,
    /// Numbers of the entries by which rollbacks were accepted, ascending.
    rollbacks: Vec<u64>,
    intent: Option<Intended>,
    open: Option<OpenRow>,
    settled: bool,
    /// The session that has the row, once one has written of it.
    by: Option<u64>,
    doubtful: Option<Doubtful>,
    plan: Option<Approvals>,
    plan_root: Option<String>,
    expires_at: Option<Timestamp>,
    started: bool,
    last_at: Option<Timestamp>,
}

#[derive(Debug)]
struct LoneSession {
    run: Option<u64>,
    /// Which session of the run it is, among those that are shown.
    number: u16,
    attempt_time: Option<AttemptTime>,
    has_canary: bool,
    /// Whether it shares the run with others.
    works: bool,
    /// Its attempts without an answer, where it is a runner.
    in_flight: BTreeSet<u32>,
    /// Whether it has lost the row.
    is_over: bool,
}

/// What the plan says of the row.
#[derive(Debug, Clone, Copy)]
struct Intended {
    seq: u64,
    /// Hash of the key pair's name.
    name: u64,
    seen: Identity,
}

impl Lone {
    /// Nothing is known yet of this row of the run that began with this entry.
    pub(in crate::verify) fn of(run: u64, row: u64) -> Self {
        Self {
            run,
            row,
            journal_id: None,
            sessions: BTreeMap::new(),
            bound: None,
            listings: BTreeMap::new(),
            rollbacks: Vec::new(),
            intent: None,
            open: None,
            settled: false,
            by: None,
            doubtful: None,
            plan: None,
            plan_root: None,
            expires_at: None,
            started: false,
            last_at: None,
        }
    }

    /// The journal's id, as its first entry has it.
    pub(in crate::verify) fn journal_id(&self) -> Option<&str> {
        self.journal_id.as_deref()
    }

    /// What is missing for a story.
    pub(in crate::verify) fn lacks(&self) -> Option<&'static str> {
        [
            (self.journal_id.is_some(), "the first entry of the journal"),
            (self.sessions.contains_key(&self.run), "the entry that began the run"),
            (self.intent.is_some(), "the row's intent"),
            (self.plan_root.is_some() || !self.started, "the sealed plan"),
        ]
        .into_iter()
        .find_map(|(is_there, what)| (!is_there).then_some(what))
    }

    /// Takes the next entry, or says why it cannot be part of this story.
    pub(in crate::verify) fn step(&mut self, entry: &Entry, claimed: &Claimed) -> Result<(), Trouble> {
        if self.last_at.replace(entry.at).is_some_and(|last| entry.at < last) {
            return Err("it is older than the entry before it".into());
        }
        if let Event::JournalCreated(created) = &entry.event {
            if entry.seq != 0 || entry.session.is_some() || entry.run.is_some() || entry.row.is_some() {
                return Err("a journal is created once, by its first entry".into());
            }
            self.journal_id = Some(created.journal_id.clone());
            return Ok(());
        }
        let number = entry.session.ok_or("it names no session")?;
        if let Event::SessionOpened(opened) = &entry.event {
            return self.open(number, entry, opened);
        }
        let session = self.sessions.get(&number).ok_or("the entry that opened its session is not in the proof")?;
        let of = session.run;
        if let Event::OverrideUsed(used) = &entry.event {
            let alone = of.is_none() && entry.run.is_none() && entry.row.is_none() && entry.seq == number + 1;
            if !used.accepts_rollback() || used.lost.is_empty() || !alone {
                return Err("it has no place in the story of a row".into());
            }
            self.roll_back(entry.seq);
            return Ok(());
        }
        if entry.run.or(of) != Some(self.run) {
            return Err("it is about another run".into());
        }
        let resolves = matches!(entry.event, Event::RowResolved(_));
        if entry.run.is_some() != resolves || of.is_some() == resolves {
            return Err("it is about another run than its session's".into());
        }
        match entry.row {
            Some(row) if row == self.row => self.step_row(entry, number, claimed),
            Some(row) => {
                Err(Trouble::Illegal(format!("it is an entry of row {row}, and the proof is of row {}", self.row)))
            }
            None => self.step_run(entry),
        }
    }

    fn open(&mut self, number: u64, entry: &Entry, opened: &SessionOpened) -> Result<(), Trouble> {
        if number != entry.seq || entry.row.is_some() || (entry.run.is_some() && opened.run_id.is_some()) {
            return Err("a session has the number of the entry that opens it, and no row".into());
        }
        let begins = opened.run_id.as_deref();
        if begins.is_some_and(|id| RunId::written(id).is_none()) {
            return Err("its run's id is not one as it is written".into());
        }
        let run = entry.run.or(begins.map(|_| entry.seq));
        if run.is_some_and(|run| run != self.run) {
            return Err("it is a session of another run".into());
        }
        if run.is_some() {
            let (account, endpoint) = (opened.account.clone(), opened.endpoint.clone());
            let bound = Bound { account, endpoint, sandbox: opened.sandbox };
            if begins.is_none() && self.bound.is_none() {
                return Err("the entry that began its run is not in the proof".into());
            }
            if self.bound.get_or_insert_with(|| bound.clone()) != &bound {
                return Err("its run is bound to another account or endpoint".into());
            }
        }
        let attempt_time = Event::SessionOpened(Box::new(opened.clone())).attempt_time();
        let number = u16::try_from(self.sessions.len()).unwrap_or(u16::MAX);
        let has_canary = opened.settings.contains_key("canary");
        let works = opened.command == WORK;
        if works && (entry.run.is_none() || !self.started) {
            return Err("a runner works on a run that was started before".into());
        }
        let new =
            LoneSession { run, number, attempt_time, has_canary, works, in_flight: BTreeSet::new(), is_over: false };
        self.sessions.insert(entry.seq, new);
        Ok(())
    }

    /// Entries were lost, and that was accepted: a row without an outcome may have been asked for.
    fn roll_back(&mut self, seq: u64) {
        self.rollbacks.push(seq);
        if let Some(open) = self.open.as_mut().filter(|_| !self.settled) {
            open.ours.lose_tail(open.state.is_pending());
            open.state.lose_tail();
        }
    }

    /// An entry of the run as a whole, or of a target.
    fn step_run(&mut self, entry: &Entry) -> Result<(), Trouble> {
        match &entry.event {
            Event::Observed(seen) if matches!(seen.source, Source::GetKeyPairs | Source::GetInstances) => {
                self.listings.insert(entry.seq, (**seen).clone());
                Ok(())
            }
            Event::PlanSealed(sealed) => self.seal(sealed),
            Event::PlanApproved(approved) if !self.started => {
                self.plan.as_mut().ok_or("the plan that it approves is not in the proof")?.add(approved)
            }
            Event::RunStarted(started) if !self.started => {
                if self.plan_root.as_ref() != Some(&started.plan_root) {
                    return Err("it names another plan than the one that is sealed".into());
                }
                if self.expires_at.is_some_and(|end| entry.at.duration_since(end) > LATE) {
                    return Err("the plan had expired".into());
                }
                self.started = true;
                Ok(())
            }
            _ => Err("it has no place in the story of a row".into()),
        }
    }

    fn seal(&mut self, sealed: &PlanSealed) -> Result<(), Trouble> {
        if self.plan_root.is_some() || self.intent.is_none() || sealed.seal.rows < self.row {
            return Err("its plan has another row".into());
        }
        let endpoint = self.bound.as_ref().and_then(|bound| bound.endpoint.as_ref());
        if endpoint.is_some_and(|endpoint| *endpoint != sealed.header.endpoint) {
            return Err("its plan is for another endpoint than its run".into());
        }
        self.plan = Some(Approvals::of(&sealed.header, &sealed.seal));
        self.plan_root = Some(sealed.seal.root.clone());
        self.expires_at = sealed.header.expires_at.as_deref().and_then(parse_time);
        Ok(())
    }

    fn intend(&mut self, seq: u64, intent: &IntentRecorded, claimed: &Claimed) -> Result<(), Trouble> {
        let line = &intent.line;
        if self.intent.is_some() || self.plan_root.is_some() || line.row != self.row {
            return Err("the row has its intent already, or the plan was sealed".into());
        }
        if let Some(page) = intent.page {
            let is_of = |seen: &Observed| {
                seen.source == Source::GetKeyPairs
                    && seen.found == Found::Listed
                    && seen.account.as_ref() == Some(&line.account)
                    && seen.region.as_ref() == Some(&line.region)
            };
            if !self.listings.get(&page).is_some_and(is_of) {
                return Err("the listing that it names is not in the proof, or is of another target".into());
            }
        }
        self.intent = Some(Intended { seq, name: hash(&line.name), seen: claimed.identity });
        self.open = Some(OpenRow::new(intent.verdict()));
        Ok(())
    }

    fn step_row(&mut self, entry: &Entry, number: u64, claimed: &Claimed) -> Result<(), Trouble> {
        if let Event::IntentRecorded(intent) = &entry.event {
            return self.intend(entry.seq, intent, claimed);
        }
        let (Some(intent), Some(session)) = (self.intent, self.sessions.get(&number)) else {
            return Err("its row has no intent".into());
        };
        if let Event::RowResolved(told) = &entry.event {
            return self.resolve(told, intent, entry.seq);
        }
        if !self.started {
            return Err("the run was not started yet".into());
        }
        if claimed.sandbox && !self.bound.as_ref().is_some_and(|bound| bound.sandbox) {
            return Err("the answer came from a sandbox, but the run is not a rehearsal".into());
        }
        if let Event::AnswerLate(late) = &entry.event {
            return self.take_late((number, late.attempt), claimed, intent, entry.seq);
        }
        if session.is_over {
            return Err("its session has lost the row".into());
        }
        let is_own = |name| name == intent.name;
        if self.settled {
            let (Event::Observed(seen), true) = (&entry.event, session.has_canary) else { return Err(SETTLED.into()) };
            if seen.source != Source::GetKeyPair {
                return Err(SETTLED.into());
            }
            is_about(claimed, is_own)?;
            return read(seen, intent.seen, claimed, is_own);
        }
        let (ordinal, time) = (session.number, session.attempt_time);
        // A row goes from one session to the next, and never back.
        if let Some(before) = self.by.replace(number).filter(|before| *before != number)
            && let Some(before) = self.sessions.get_mut(&before)
        {
            before.is_over = true;
        }
        self.step_open(entry, (ordinal, time), claimed, intent)?;
        let session = self.sessions.get_mut(&number).filter(|session| session.works);
        match (&entry.event, session) {
            (Event::AttemptStarted(started), Some(session)) => _ = session.in_flight.insert(started.attempt),
            (Event::AttemptFinished(finished), Some(session)) => _ = session.in_flight.remove(&finished.attempt),
            _ => {}
        }
        Ok(())
    }

    /// What came back for a request of this session after others had the row, or could have it.
    fn take_late(
        &mut self,
        (number, attempt): (u64, u32),
        claimed: &Claimed,
        intent: Intended,
        seq: u64,
    ) -> Result<(), Trouble> {
        let session = self.sessions.get_mut(&number).ok_or("the entry that opened its session is not in the proof")?;
        if !session.in_flight.remove(&attempt) {
            return Err("no such attempt of a runner with this session is without an answer".into());
        }
        is_about(claimed, |name| name == intent.name)?;
        session.is_over = true;
        if let Some(doubtful) = &mut self.doubtful {
            doubtful.add(seq);
        } else if let Some(open) = self.open.as_mut().filter(|_| !self.settled) {
            open.late.push(seq);
        }
        Ok(())
    }

    /// An entry of a row that has no outcome yet, by a session with this number whose attempts have this time.
    fn step_open(
        &mut self,
        entry: &Entry,
        (session, attempt_time): (u16, Option<AttemptTime>),
        claimed: &Claimed,
        intent: Intended,
    ) -> Result<(), Trouble> {
        let is_own = |name| name == intent.name;
        let open = self.open.as_mut().ok_or(SETTLED)?;
        if open.is_asked || looks_for_operations(&entry.event) {
            is_about(claimed, is_own)?;
        }
        let mut step = |step| open.state.step(step, session);
        match &entry.event {
            Event::AttemptStarted(started) => {
                step(RowEvent::Started { attempt: started.attempt })?;
                (open.answer, open.is_asked) = (None, true);
                open.ours.start(entry.at, attempt_time);
            }
            Event::AttemptFinished(finished) => {
                if finished.outcome.is_some() != finished.evidence.is_some() {
                    return Err("it has one of outcome and evidence without the other".into());
                }
                let (attempt, class, settled) = (finished.attempt, finished.class, finished.settled());
                step(RowEvent::Finished { attempt, class, settled })?;
                open.answer = Some(entry.seq);
                open.ours.finish(entry.at, finished.class, &claimed.shows);
                self.settled = settled.is_some();
            }
            Event::OperationPolled(polled) => step(RowEvent::Polled { class: polled.class })?,
            Event::Observed(seen) if seen.source == Source::GetOperationsForResource => {
                if let super::Shows::Page(page) = &claimed.shows {
                    open.ours.searched(seen.found, page, is_own)?;
                }
                step(RowEvent::Searched { found: seen.found })?;
            }
            Event::Observed(seen) => {
                read(seen, intent.seen, claimed, is_own)?;
                step(RowEvent::Observed { found: seen.found })?;
            }
            Event::RowSettled(settled) => {
                let needed = [Some(intent.seq), open.answer.filter(|_| settled.evidence == Evidence::Answer)];
                rests(&settled.rests_on, needed, |seq| {
                    *seq == intent.seq
                        || open.entries.binary_search(seq).is_ok()
                        || self.listings.contains_key(seq)
                        || self.rollbacks.binary_search(seq).is_ok()
                })?;
                step(RowEvent::Settled { outcome: settled.outcome, evidence: settled.evidence })?;
                let entries = self.open.take().map(OpenRow::into_entries).unwrap_or_default();
                self.doubtful = Doubtful::of(settled.outcome, entries, entry.seq);
                self.settled = true;
                return Ok(());
            }
            _ => return Err("an entry of this kind names no row".into()),
        }
        open.entries.push(entry.seq);
        Ok(())
    }

    fn resolve(&mut self, told: &RowResolved, intent: Intended, seq: u64) -> Result<(), Trouble> {
        let doubtful = self.doubtful.as_mut().ok_or("its row has no outcome that is in doubt")?;
        doubtful.resolve(told, Some(intent.seq), seq).map(drop)
    }
}
