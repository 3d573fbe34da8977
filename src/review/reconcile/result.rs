//! What was found when records were held against a run, attempt by attempt.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::attempts::{Attempts, Place};
use super::found::{AGAINST, Counts, Covered, MatchedBy, Shown, Standing, Unexplained, Unseen, by};
use crate::domain::RunId;

/// How far clocks may differ: times of records are whole seconds.
pub(super) const EARLY: u32 = 2;

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

/// The events of some attempts.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Of those that a record contradicts.
    pub(super) shown: BTreeMap<usize, Shown>,
    /// Of those whose rows are gone or in doubt, and that a record shows to have succeeded.
    pub(super) proven: BTreeMap<usize, Shown>,
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
    pub(super) attempts: Attempts,
    pub(super) kept: Kept,
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
