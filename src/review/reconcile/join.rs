//! Holds records against attempts, in both directions. Pure, and whatever the order of the records.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use super::attempts::{Attempt, Attempts, Place, event, seconds, what};
use super::found::{
    AGAINST, ANOTHER_NAME, ANOTHER_OPERATION, ANOTHER_PLACE, Counts, Covered, FAILED, MatchedBy, SEVERAL, SUCCEEDED,
    Shown, Standing, Unexplained, Unseen, Why, by,
};
use crate::domain::RunId;
use crate::review::trail::{Glance, TrailEvent};

/// How many findings are kept whole; beyond that they are counted.
pub const MOST_FINDINGS: usize = 1_000;

/// How many rows can be resolved at once.
const MOST_RESOLVED: usize = 100_000;

/// How many events that nothing explains are told apart.
const MOST_TOLD: usize = 200_000;

/// How many accounts and regions are told apart.
const MOST_COVERED: usize = 10_000;

/// How far clocks may differ: times of records are whole seconds.
const EARLY: u32 = 2;

/// How long after an attempt was over its record may still say that it arrived: a signature lives 5 minutes, and clocks differ.
const LATE: u32 = 6 * 60;

/// How late a record may be delivered.
const DELIVERED: u32 = 15 * 60;

/// The run that is reconciled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// The run.
    pub run: RunId,
    /// Whether it is a rehearsal.
    pub sandbox: bool,
    /// How many of the attempts are its own: the first ones.
    pub attempts: usize,
    /// When it began and ended.
    pub window: (Timestamp, Timestamp),
}

/// A reconciliation under way.
#[derive(Debug)]
pub struct Join {
    scope: Scope,
    attempts: Attempts,
    covered: HashMap<(String, String), Covered>,
    /// By time and id.
    unexplained: Told,
    /// Those that name the run, but have another request's id than every attempt that fits.
    other_id: Told,
    /// Those that name the run, but no key pair.
    nameless: Told,
    known: HashSet<RunId>,
    kept: Kept,
    /// As `kept`, by records with another request's id.
    kept_by_other: Kept,
    tally: Tally,
}

/// The events of some attempts.
#[derive(Debug, Default)]
struct Kept {
    /// Of those that a record contradicts.
    shown: BTreeMap<usize, Shown>,
    /// Of those whose rows are gone or in doubt, and that a record shows to have succeeded.
    proven: BTreeMap<usize, Shown>,
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Objects that look like records, of all kinds.
    pub records: u64,
    /// Those of them that are Lightsail's DeleteKeyPair.
    pub events: u64,
    /// Events of other runs of this journal.
    pub of_other_runs: u64,
    /// Events outside of the run's time, accounts and regions.
    pub outside: u64,
    /// Events of the run that may be of any of several attempts.
    pub unassigned: u64,
    /// Events of a sandbox where the run is real, or the other way round.
    pub of_other_kind: u64,
    /// Records that an event had beside its first.
    pub duplicates: u64,
}

/// Events with which something is the matter.
#[derive(Debug, Default)]
struct Told {
    first: BTreeMap<(Timestamp, String), Unexplained>,
    ids: HashSet<u64>,
    more: u64,
    again: u64,
}

impl Told {
    fn add(&mut self, why: Why, event: &TrailEvent) {
        let id = id_of(&event.id);
        if self.ids.contains(&id) {
            self.again += 1;
            return;
        }
        if self.ids.len() < MOST_TOLD {
            self.ids.insert(id);
        } else {
            self.more += 1;
        }
        self.first.insert((event.time, event.id.clone()), Unexplained { why, event: event.clone() });
        if self.first.len() > MOST_FINDINGS {
            self.first.pop_last();
        }
    }

    fn count(&self) -> u64 {
        self.ids.len() as u64 + self.more
    }
}

fn id_of(id: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// What was found.
#[derive(Debug)]
pub struct Reconciliation {
    /// The run.
    pub scope: Scope,
    /// Its attempts.
    pub counts: Counts,
    /// How those that a record shows were matched.
    pub matched_by: MatchedBy,
    /// Whether any request's id of a record is one of an answer: where none is, ids are not held against records.
    pub ids_agree: bool,
    /// Events that no entry explains: the first ones by time, and how many there are.
    pub unexplained: Vec<Unexplained>,
    /// How many there are of them.
    pub unexplained_count: u64,
    /// The records of each account and region.
    pub covered: Vec<((String, String), Covered)>,
    /// What else was counted.
    pub tally: Tally,
    attempts: Attempts,
    kept: Kept,
}

impl Join {
    /// Holds records against these attempts, in a journal that knows these runs.
    #[must_use]
    pub fn new(scope: Scope, mut attempts: Attempts, known: HashSet<RunId>) -> Self {
        attempts.index();
        Self {
            scope,
            attempts,
            covered: HashMap::new(),
            unexplained: Told::default(),
            other_id: Told::default(),
            nameless: Told::default(),
            known,
            kept: Kept::default(),
            kept_by_other: Kept::default(),
            tally: Tally::default(),
        }
    }

    /// Takes note of a record of any kind.
    pub fn see(&mut self, glance: &Glance<'_>) {
        self.tally.records += 1;
        let (Some(time), Some(region)) = (glance.time.and_then(|time| time.parse().ok()), glance.region) else {
            return;
        };
        let time = seconds(time);
        let account = glance.account.unwrap_or_default();
        let place = (account.to_owned(), region.to_owned());
        if self.covered.len() >= MOST_COVERED && !self.covered.contains_key(&place) {
            return;
        }
        let covered = self.covered.entry(place).or_insert(Covered { records: 0, first: time, last: time });
        covered.records += 1;
        covered.first = covered.first.min(time);
        covered.last = covered.last.max(time);
    }

    /// Takes an event.
    pub fn take(&mut self, event: &TrailEvent) {
        self.tally.events += 1;
        if event.sandbox != self.scope.sandbox {
            self.tally.of_other_kind += 1;
            return;
        }
        let Some((number, how)) = self.matching(event) else { return self.unmatched(event) };
        if number >= self.scope.attempts {
            self.tally.of_other_runs += 1;
            return;
        }
        self.show(number, how, event);
    }

    /// The attempt that an event shows, and by what.
    fn matching(&self, event: &TrailEvent) -> Option<(usize, u8)> {
        if let Some(id) = &event.request_id {
            // The least number, where hashes should agree by chance.
            let own = self.attempts.requested(id).min_by_key(|number| (!self.fits(*number, event), *number));
            if let Some(number) = own {
                let same = self.attempts.is_operation(number, &event.operations) == Some(true);
                let named = event.run() == Some(self.run_of(number)) && self.fits(number, event);
                let operation = if same { by::OPERATION } else { 0 };
                return Some((number, by::REQUEST | operation | if named { by::AGENT } else { 0 }));
            }
        }
        let name = event.name.as_ref()?;
        let mut operation = self.attempts.named(&event.region, name).filter(|number| self.is_placed(*number, event));
        let of_operation =
            operation.find(|number| self.attempts.is_operation(*number, &event.operations) == Some(true));
        if let Some(number) = of_operation {
            return Some((number, by::OPERATION));
        }
        let how = match (event.run(), &event.user_agent) {
            (Some(_), _) => by::AGENT,
            (None, None) => by::NAME_AND_TIME,
            (None, Some(_)) => return None,
        };
        let at = seconds(event.time);
        let late = if how == by::AGENT { LATE } else { EARLY };
        let candidates = self.attempts.named(&event.region, name).filter(|number| {
            let attempt = &self.attempts.all[*number];
            let is_run = event.run().is_none_or(|run| run == self.run_of(*number));
            is_run
                && self.is_placed(*number, event)
                && attempt.started <= at.saturating_add(EARLY)
                && at <= attempt.until().saturating_add(late)
        });
        // One that has no request's id, else the last that had begun.
        let best = candidates.max_by_key(|number| {
            let attempt = &self.attempts.all[*number];
            let differs = attempt.request != 0 && event.request_id.is_some();
            (!differs, attempt.started, std::cmp::Reverse(*number))
        })?;
        let differs = self.attempts.all[best].request != 0 && event.request_id.is_some();
        if differs && how != by::AGENT {
            return None;
        }
        Some((best, if differs { by::OTHER_ID } else { how }))
    }

    fn run_of(&self, number: usize) -> RunId {
        self.attempts.places[usize::from(self.attempts.all[number].place)].run
    }

    /// Whether an attempt was made where an event was.
    fn is_placed(&self, number: usize, event: &TrailEvent) -> bool {
        is_at(&self.attempts.places[usize::from(self.attempts.all[number].place)], event)
    }

    fn fits(&self, number: usize, event: &TrailEvent) -> bool {
        let named = |name: &String| self.attempts.is_named(number, &event.region, name);
        self.is_placed(number, event) && event.name.as_ref().is_none_or(named)
    }

    /// An event shows an attempt.
    fn show(&mut self, number: usize, how: u8, shows: &TrailEvent) {
        let placed = self.is_placed(number, shows);
        let named = !placed || self.fits(number, shows);
        let other_operation = self.attempts.is_operation(number, &shows.operations) == Some(false);
        let is_error = shows.error_code.is_some();
        let is_proof = !is_error && !shows.is_open && named && placed && shows.name.is_some();
        let attempt = &mut self.attempts.all[number];
        // That the service began an operation is known already where the answer said so.
        let is_proof = is_proof && (shows.is_done || !attempt.is(what::PENDING));
        let may_be_proven =
            attempt.is(what::DOUBTFUL) && is_proof && how & (by::REQUEST | by::AGENT | by::OTHER_ID) != 0;
        let mut against = outcome_against(attempt, is_error);
        let kept = if how == by::OTHER_ID {
            // Whether ids mean the same is known at the end.
            attempt.by |= by::OTHER_ID | if is_error { by::OTHER_ERROR } else { by::OTHER_SUCCESS };
            self.other_id.add(Why::NoSuchAttempt, shows);
            &mut self.kept_by_other
        } else {
            let id = event(&shows.id);
            if attempt.event != 0 && attempt.event != id {
                against |= SEVERAL;
            }
            attempt.event = if attempt.event == 0 { id } else { attempt.event.min(id) };
            attempt.records = attempt.records.saturating_add(1);
            against |= if named { 0 } else { ANOTHER_NAME };
            against |= if placed { 0 } else { ANOTHER_PLACE };
            against |= if other_operation { ANOTHER_OPERATION } else { 0 };
            attempt.by |= how;
            attempt.against |= against;
            &mut self.kept
        };
        if may_be_proven {
            keep(&mut kept.proven, MOST_RESOLVED, number, shows);
        }
        // Of several records, each by itself may say nothing else.
        if against & !SEVERAL != 0 {
            keep(&mut kept.shown, MOST_FINDINGS, number, shows);
        }
    }

    /// No attempt explains an event.
    fn unmatched(&mut self, event: &TrailEvent) {
        let run = event.run();
        let is_own = run == Some(self.scope.run);
        let why = match run {
            Some(run) if self.known.contains(&run) => Why::NoSuchAttempt,
            Some(_) => Why::UnknownRun,
            None if event.user_agent.is_some() => Why::AnotherCaller,
            None => Why::Unattributed,
        };
        if event.name.is_none() && run.is_some_and(|run| self.may_be_of(run, event)) {
            self.tally.unassigned += u64::from(is_own);
            self.tally.of_other_runs += u64::from(!is_own);
            return;
        }
        let (from, until) = self.scope.window;
        let at = seconds(event.time);
        let in_time = seconds(from) <= at.saturating_add(EARLY) && at <= seconds(until).saturating_add(EARLY);
        let is_there = |place: &Place| place.run == self.scope.run && is_at(place, event);
        let told = match event.name {
            None if is_own => &mut self.nameless,
            _ if is_own || in_time && self.attempts.places.iter().any(is_there) => &mut self.unexplained,
            _ => {
                self.tally.outside += 1;
                return;
            }
        };
        told.add(why, event);
    }

    /// Whether an event without a name may be of an attempt of this run: one without a request's id was under way.
    fn may_be_of(&self, run: RunId, event: &TrailEvent) -> bool {
        let at = seconds(event.time);
        let places = (0_u16..).zip(&self.attempts.places).filter(|(_, place)| place.run == run && is_at(place, event));
        let (from, until) = (at.saturating_sub(LATE), at.saturating_add(EARLY));
        places.into_iter().any(|(number, _)| self.attempts.is_open_between(number, from, until))
    }

    /// Nothing follows.
    #[must_use]
    pub fn finish(mut self) -> Reconciliation {
        let own = self.scope.attempts.min(self.attempts.len());
        let ids_agree = self.attempts.all[..own].iter().any(|attempt| attempt.by & by::REQUEST != 0);
        let (mut counts, mut matched_by, mut tally) = (Counts::default(), MatchedBy::default(), self.tally);
        for attempt in &mut self.attempts.all[..own] {
            if !ids_agree && attempt.by & by::OTHER_ID != 0 {
                attempt.by |= by::AGENT;
                let of = |bit, is_error| if attempt.by & bit != 0 { outcome_against(attempt, is_error) } else { 0 };
                let against = of(by::OTHER_SUCCESS, false) | of(by::OTHER_ERROR, true);
                attempt.against |= against;
            }
            counts.add(attempt.standing());
            matched_by.add(attempt.by);
            if attempt.against & SEVERAL == 0 {
                tally.duplicates += u64::from(attempt.records.saturating_sub(1));
            }
        }
        let mut told = vec![self.unexplained];
        if ids_agree {
            told.extend([self.other_id, self.nameless]);
        } else {
            tally.duplicates += self.other_id.again;
            tally.unassigned += self.nameless.count();
            self.kept.shown.append(&mut self.kept_by_other.shown);
            self.kept.proven.append(&mut self.kept_by_other.proven);
        }
        tally.duplicates += told.iter().map(|told| told.again).sum::<u64>();
        let unexplained_count = told.iter().map(Told::count).sum();
        let unexplained: BTreeMap<_, _> = told.into_iter().flat_map(|told| told.first).collect();
        let mut covered: Vec<_> = self.covered.into_iter().collect();
        covered.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Reconciliation {
            scope: self.scope,
            counts,
            matched_by,
            ids_agree,
            unexplained: unexplained.into_values().take(MOST_FINDINGS).collect(),
            unexplained_count,
            covered,
            tally,
            attempts: self.attempts,
            kept: self.kept,
        }
    }
}

/// What a record says of the outcome otherwise than the journal.
fn outcome_against(attempt: &Attempt, is_error: bool) -> u8 {
    let is_deleted = attempt.is(what::DELETED) || attempt.is(what::PENDING);
    match is_error {
        false if attempt.is(what::REFUSED) => SUCCEEDED,
        true if is_deleted => FAILED,
        _ => 0,
    }
}

/// Whether an event was at this place.
fn is_at(place: &Place, event: &TrailEvent) -> bool {
    place.region == event.region && event.account.as_ref().is_none_or(|account| *account == place.account)
}

/// Keeps what shows an attempt: of several records the one with the least id, of too many attempts the first.
fn keep(kept: &mut BTreeMap<usize, Shown>, most: usize, number: usize, event: &TrailEvent) {
    let shown = Shown { id: event.id.clone(), time: event.time, error_code: event.error_code.clone() };
    let known = kept.entry(number).or_insert_with(|| shown.clone());
    if shown.id < known.id {
        *known = shown;
    }
    if kept.len() > most {
        kept.pop_last();
    }
}

impl Reconciliation {
    /// What became of the run's attempt with this place.
    #[must_use]
    pub fn standing(&self, number: usize) -> Standing {
        self.attempts.all[number].standing()
    }

    /// By what it was matched, the strongest first.
    #[must_use]
    pub fn matched_by(&self, number: usize) -> Vec<&'static str> {
        let all = [
            (by::REQUEST, "request_id"),
            (by::OPERATION, "operation_id"),
            (by::AGENT, "user_agent"),
            (by::NAME_AND_TIME, "name_and_time"),
        ];
        let matched = self.attempts.all[number].by;
        all.iter().filter(|(bit, _)| matched & bit != 0).map(|(_, word)| *word).collect()
    }

    /// Whether what it was matched by is its own: an id, or the run in the user agent.
    #[must_use]
    pub fn is_strong(&self, number: usize) -> bool {
        self.attempts.all[number].by & (by::REQUEST | by::OPERATION | by::AGENT) != 0
    }

    /// What records say otherwise of it: words, and sentences.
    #[must_use]
    pub fn against(&self, number: usize) -> Vec<(&'static str, &'static str)> {
        let against = self.attempts.all[number].against;
        AGAINST.iter().filter(|(bit, ..)| against & bit != 0).map(|(_, word, text)| (*word, *text)).collect()
    }

    /// The event that says otherwise, where it was kept.
    #[must_use]
    pub fn shown(&self, number: usize) -> Option<&Shown> {
        self.kept.shown.get(&number)
    }

    /// The attempts whose rows are gone or in doubt, and that a record shows to have succeeded.
    pub fn proven(&self) -> impl Iterator<Item = (usize, &Shown)> {
        let is_clear = |number: &usize| self.attempts.all[*number].against == 0;
        self.kept.proven.iter().filter(move |(number, _)| is_clear(number)).map(|(number, shown)| (*number, shown))
    }

    /// Why no record shows an attempt: what the files leave open.
    #[must_use]
    pub fn unseen(&self, number: usize) -> Unseen {
        let attempt = &self.attempts.all[number];
        let place = &self.attempts.places[usize::from(attempt.place)];
        let is_it = |((account, region), _): &&((String, String), Covered)| {
            *region == place.region && (account.is_empty() || *account == place.account)
        };
        let covered = self.covered.iter().filter(is_it).map(|(_, covered)| *covered);
        let Some(all) = covered.reduce(|one, other| Covered {
            records: one.records + other.records,
            first: one.first.min(other.first),
            last: one.last.max(other.last),
        }) else {
            return Unseen::NoRecordOfRegion;
        };
        match () {
            () if attempt.until().saturating_add(EARLY) < all.first => Unseen::BeforeTheFiles,
            () if all.last < attempt.until().saturating_add(DELIVERED) => Unseen::AfterTheFiles,
            () => Unseen::Missing,
        }
    }

    /// Whether the run's attempt with this place asks for a key pair of this name in this region.
    #[must_use]
    pub fn is_of(&self, number: usize, region: &str, name: &str) -> bool {
        number < self.scope.attempts && self.attempts.is_named(number, region, name)
    }

    /// Whether the run has attempts in this account and region.
    #[must_use]
    pub fn is_target(&self, account: &str, region: &str) -> bool {
        let is_it = |place: &Place| place.run == self.scope.run && place.region == region;
        self.attempts.places.iter().any(|place| is_it(place) && (account.is_empty() || place.account == account))
    }

    /// Whether something was found against the journal.
    #[must_use]
    pub fn has_findings(&self) -> bool {
        self.counts.contradicted > 0 || self.unexplained_count > 0
    }

    /// Accounts and regions of the run of which there is no record at all.
    #[must_use]
    pub fn uncovered(&self) -> Vec<(&str, &str)> {
        let own = self.attempts.places.iter().filter(|place| place.run == self.scope.run);
        let has = |place: &&Place| {
            self.covered.iter().any(|((account, region), _)| {
                *region == place.region && (account.is_empty() || *account == place.account)
            })
        };
        own.filter(|place| !has(place)).map(|place| (&*place.account, &*place.region)).collect()
    }
}
