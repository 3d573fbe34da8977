//! Holds records against attempts, in both directions. Pure, and whatever the order of the records.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::attempts::{Attempt, Attempts, Place, event, seconds, what};
use super::found::{
    ANOTHER_CALLER, ANOTHER_NAME, ANOTHER_OPERATION, ANOTHER_PLACE, ANOTHER_RUN, ANOTHER_TIME, Counts, Covered, FAILED,
    MatchedBy, SEVERAL, SUCCEEDED, Shown, Why, by,
};
use super::result::{EARLY, Kept, Reconciliation, Scope, Tally};
use super::told::{MOST_FINDINGS, Told};
use crate::domain::RunId;
use crate::review::trail::{Glance, TrailEvent};

/// How many rows can be resolved at once.
const MOST_RESOLVED: usize = 100_000;

/// How many accounts and regions are told apart.
const MOST_COVERED: usize = 10_000;

/// How long after an attempt was over its record may still say that it arrived: a signature lives 5 minutes, and clocks differ.
const LATE: u32 = 6 * 60;

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
            // What an attempt of another run says nothing else than explains a record; nothing less does.
            if self.request_against(number, event) != 0 || !self.fits(number, event) {
                return self.unmatched(event);
            }
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
                && !self.is_by_another(*number, event)
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
        self.is_placed(number, event) && event.name.iter().chain(&event.resources).all(named)
    }

    /// Whether an event's caller is none of those of an attempt's run.
    fn is_by_another(&self, number: usize, event: &TrailEvent) -> bool {
        let place = &self.attempts.places[usize::from(self.attempts.all[number].place)];
        self.attempts.callers.is_another(place.run, &place.account, event.arn.as_deref())
    }

    /// What the record of a request, found by an id, says otherwise of when and by whom it was made.
    fn request_against(&self, number: usize, event: &TrailEvent) -> u16 {
        let attempt = &self.attempts.all[number];
        let at = seconds(event.time);
        let (from, until) = attempt.by_the_service();
        let is_early = at.saturating_add(EARLY) < from;
        let is_late = !attempt.is_endless() && until.saturating_add(LATE) < at;
        let is_other_run = event.run().is_some_and(|run| run != self.run_of(number));
        let all = [
            (is_early || is_late, ANOTHER_TIME),
            (is_other_run, ANOTHER_RUN),
            (self.is_by_another(number, event), ANOTHER_CALLER),
        ];
        all.into_iter().filter(|(is_so, _)| *is_so).fold(0, |against, (_, bit)| against | bit)
    }

    /// An event shows an attempt.
    fn show(&mut self, number: usize, how: u8, shows: &TrailEvent) {
        let placed = self.is_placed(number, shows);
        let named = !placed || self.fits(number, shows);
        let has_id = how & (by::REQUEST | by::OPERATION) != 0;
        let of_request = if has_id { self.request_against(number, shows) } else { 0 };
        let other_operation = self.attempts.is_operation(number, &shows.operations) == Some(false);
        let is_error = shows.error_code.is_some();
        let is_proof = !is_error && !shows.is_open && named && placed && shows.name.is_some();
        let attempt = &mut self.attempts.all[number];
        // That the service began an operation is known already where the answer said so.
        let is_proof = is_proof && (shows.is_done || !attempt.is(what::PENDING));
        let may_be_proven =
            attempt.is(what::DOUBTFUL) && is_proof && how & (by::REQUEST | by::AGENT | by::OTHER_ID) != 0;
        let mut against = if shows.is_unclear { 0 } else { outcome_against(attempt, is_error) } | of_request;
        let kept = if how == by::OTHER_ID {
            // Whether ids mean the same is known at the end.
            attempt.by |= match is_error {
                _ if shows.is_unclear => by::OTHER_ID,
                true => by::OTHER_ID | by::OTHER_ERROR,
                false => by::OTHER_ID | by::OTHER_SUCCESS,
            };
            self.other_id.add(Why::NoSuchAttempt, shows);
            &mut self.kept_by_other
        } else {
            let id = event(&shows.id);
            if attempt.event != 0 && attempt.event != id {
                against |= SEVERAL;
            }
            attempt.event = if attempt.event == 0 { id } else { attempt.event.min(id) };
            attempt.records = attempt.records.saturating_add(1);
            against |= if named || !has_id { 0 } else { ANOTHER_NAME };
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
        let scope = self.scope.run;
        let is_by_another = |place: &Place| {
            place.run == run.unwrap_or(scope)
                && is_at(place, event)
                && self.attempts.callers.is_another(place.run, &place.account, event.arn.as_deref())
        };
        let is_by_another = self.attempts.places.iter().any(is_by_another);
        let why = match run {
            Some(run) if is_by_another && self.known.contains(&run) => Why::AnotherCaller,
            None if is_by_another => Why::AnotherCaller,
            Some(run) if self.known.contains(&run) => Why::NoSuchAttempt,
            Some(_) => Why::UnknownRun,
            None if event.user_agent.is_some() => Why::AnotherCaller,
            None => Why::Unattributed,
        };
        if event.name.is_none() && !is_by_another && run.is_some_and(|run| self.may_be_of(run, event)) {
            self.tally.unassigned += u64::from(is_own);
            self.tally.of_other_runs += u64::from(!is_own);
            return;
        }
        let (from, until) = self.scope.window;
        let at = seconds(event.time);
        let in_time = seconds(from) <= at.saturating_add(EARLY) && at <= seconds(until).saturating_add(EARLY);
        let is_there = |place: &Place| place.run == self.scope.run && is_at(place, event);
        let told = match event.name {
            None if is_own && !is_by_another => &mut self.nameless,
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
fn outcome_against(attempt: &Attempt, is_error: bool) -> u16 {
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
