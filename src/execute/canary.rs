//! A canary: the first key pairs of a target, deleted and read back before any other, so that a person can look at what that did.
//!
//! Rules without I/O. It never touches what a row ends in: what it reads is recorded beside the outcome.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Class, Identity, Outcome, OutcomeCounts};
use crate::record::event::{Event, Found, Requests};
use crate::record::plan::{PlanObservation, PlanRow};

/// How often a key pair is read that is still shown after its deletion. A service that is only eventually consistent may show it
/// for some seconds; one that shows it after three readings with growing pauses is worth an alarm.
pub(super) const READINGS: u32 = 3;

/// The canary of one target in one session.
#[derive(Debug, Default)]
pub(super) struct Canary {
    /// How many key pairs it may ask to delete.
    most: usize,
    /// Those that it asked to delete, by their rows.
    rows: BTreeMap<u64, Asked>,
    /// Rows that were started to be among them. So they are the first of the plan, whichever of them gets its turn first.
    reserved: BTreeSet<u64>,
    requests: Requests,
    /// How long each answer to a delete took.
    elapsed_us: Vec<u64>,
    /// Whether a row was held back for it.
    pub(super) holds_back: bool,
}

/// A key pair whose deletion was requested.
#[derive(Debug)]
struct Asked {
    pair: Pair,
    outcome: Option<Outcome>,
    /// What the last reading after the outcome found.
    found: Option<Found>,
}

/// What is needed to read a key pair back.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) region: String,
    pub(super) name: String,
    /// As the plan saw it.
    pub(super) identity: Identity,
}

/// What the canary of a target found.
#[derive(Debug, Clone, PartialEq)]
pub struct CanaryFound {
    /// How many key pairs it asked to delete.
    pub requested: u64,
    /// What became of them; those without an outcome are unsettled.
    pub outcomes: OutcomeCounts,
    /// Read back after their outcome: not there any more.
    pub not_there: u64,
    /// Still there.
    pub still_there: u64,
    /// Another key pair has the name.
    pub other_identity: u64,
    /// Not read back, or without a usable answer.
    pub not_read: u64,
    /// The key pairs that are shown although they were deleted.
    pub alarms: Vec<Alarm>,
    /// Requests for these key pairs.
    pub requests: Requests,
    /// The median time that an answer to a delete took, in microseconds.
    pub median_us: Option<u64>,
    /// Whether rows were held back for it.
    pub holds_back: bool,
}

/// A key pair that is shown although it was deleted, or is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Its row.
    pub row: u64,
    /// Its name.
    pub name: String,
    /// Whether another key pair has the name; else it is the same one.
    pub is_other: bool,
}

impl Canary {
    pub(super) fn of(most: u64) -> Self {
        Self { most: usize::try_from(most).unwrap_or(usize::MAX), ..Self::default() }
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= self.most
    }

    /// Reserves a place for a row that is to be started, or holds it back. `None` where that depends on rows that have a place and
    /// may not need it.
    pub(super) fn reserve(&mut self, row: u64) -> Option<bool> {
        if self.has_room() {
            return Some(self.reserved.insert(row));
        }
        self.holds_back |= self.is_full();
        self.is_full().then_some(false)
    }

    /// A row that was started needs no place any more. Returns whether it had one.
    pub(super) fn release(&mut self, row: u64) -> bool {
        self.reserved.remove(&row)
    }

    /// Whether rows that have a place decide whether another one gets one.
    pub(super) fn is_undecided(&self) -> bool {
        !self.is_full() && !self.has_room()
    }

    fn has_room(&self) -> bool {
        self.rows.len() + self.reserved.len() < self.most
    }

    /// Takes a row in whose deletion is about to be requested, or holds it back. `None` as for [`reserve`](Self::reserve).
    pub(super) fn admit(&mut self, line: &PlanRow) -> Option<bool> {
        if !self.release(line.row) && !self.has_room() {
            self.holds_back |= self.is_full();
            return self.is_full().then_some(false);
        }
        let identity = line.observation.as_ref().map(PlanObservation::identity).unwrap_or_default();
        let pair = Pair { region: line.region.clone(), name: line.name.clone(), identity };
        self.rows.insert(line.row, Asked { pair, outcome: None, found: None });
        Some(true)
    }

    /// The deletion of this row was not requested after all.
    pub(super) fn forget(&mut self, row: u64) {
        self.rows.remove(&row);
    }

    /// Counts what came back for one of its rows.
    pub(super) fn note(&mut self, row: u64, event: &Event) {
        if !self.rows.contains_key(&row) {
            return;
        }
        match event {
            Event::AttemptFinished(finished) => {
                self.requests.delete += u64::from(finished.class != Class::NotSent);
                self.requests.throttled += u64::from(finished.class == Class::Throttled);
                let answered = finished.exchange.http_status.is_some();
                self.elapsed_us.extend(answered.then_some(finished.exchange.elapsed_us));
            }
            Event::Observed(seen) => {
                self.requests.read += seen.requests;
                self.requests.throttled += seen.throttled;
            }
            Event::OperationPolled(polled) => {
                self.requests.read += polled.requests;
                self.requests.throttled += polled.throttled;
            }
            _ => {}
        }
    }

    pub(super) fn settled(&mut self, row: u64, outcome: Outcome) {
        if let Some(asked) = self.rows.get_mut(&row) {
            asked.outcome = Some(outcome);
        }
    }

    /// The key pairs to read back: all that have an outcome.
    pub(super) fn to_read(&self) -> Vec<(u64, Pair)> {
        let settled = self.rows.iter().filter(|(_, asked)| asked.outcome.is_some());
        settled.map(|(row, asked)| (*row, asked.pair.clone())).collect()
    }

    /// Takes in what a reading found. Returns whether it contradicts the outcome, so that the key pair is worth reading again.
    pub(super) fn read(&mut self, row: u64, found: Found) -> bool {
        let Some(asked) = self.rows.get_mut(&row) else { return false };
        asked.found = Some(found);
        asked.is_removed() && found == Found::Same
    }

    pub(super) fn found(&self) -> CanaryFound {
        let mut outcomes = OutcomeCounts::default();
        self.rows.values().filter_map(|asked| asked.outcome).for_each(|outcome| outcomes.add(outcome));
        let requested = self.rows.len() as u64;
        outcomes.unsettled = requested - outcomes.settled();
        let count = |wanted: Found| self.rows.values().filter(|asked| asked.found == Some(wanted)).count() as u64;
        let (not_there, still_there, other_identity) =
            (count(Found::NotFound), count(Found::Same), count(Found::Other));
        let alarm = |(row, asked): (&u64, &Asked)| {
            let is_other = match asked.found.filter(|_| asked.is_removed())? {
                Found::Same => false,
                Found::Other => true,
                _ => return None,
            };
            Some(Alarm { row: *row, name: asked.pair.name.clone(), is_other })
        };
        CanaryFound {
            requested,
            outcomes,
            not_there,
            still_there,
            other_identity,
            not_read: requested - not_there - still_there - other_identity,
            alarms: self.rows.iter().filter_map(alarm).collect(),
            requests: self.requests,
            median_us: median(self.elapsed_us.clone()),
            holds_back: self.holds_back,
        }
    }
}

impl Asked {
    /// Whether its outcome says that it is not there any more.
    fn is_removed(&self) -> bool {
        matches!(self.outcome, Some(Outcome::Deleted | Outcome::Gone))
    }
}

/// The middle one; of an even number, the lower of the two.
fn median(mut times: Vec<u64>) -> Option<u64> {
    times.sort_unstable();
    times.get(times.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Exchange;
    use crate::record::event::AttemptFinished;
    use crate::record::plan::Verdict;

    fn line(row: u64) -> PlanRow {
        PlanRow::of(row, format!("key-{row}"), "1".into(), "a".into(), Verdict::Delete)
    }

    fn answered(class: Class, elapsed_us: u64) -> Event {
        let exchange = Exchange { http_status: Some(200), elapsed_us, ..Exchange::default() };
        Event::AttemptFinished(Box::new(AttemptFinished::of(1, class, None, exchange)))
    }

    // SEMANTICS: P75
    #[test]
    fn what_was_found_is_counted_and_what_contradicts_an_outcome_is_an_alarm() {
        let mut canary = Canary::of(4);
        assert!((1..5).all(|row| canary.admit(&line(row)) == Some(true)) && !canary.holds_back && canary.is_full());
        assert!(canary.admit(&line(5)) == Some(false) && canary.holds_back);
        for (row, elapsed) in [(1, 40), (2, 10), (3, 30), (4, 20), (5, 1)] {
            canary.note(row, &answered(Class::Succeeded, elapsed));
        }
        canary.note(4, &answered(Class::Throttled, 50));
        for (row, outcome) in [(1, Outcome::Deleted), (2, Outcome::Gone), (3, Outcome::Failed), (5, Outcome::Deleted)] {
            canary.settled(row, outcome);
        }
        let rows: Vec<_> = canary.to_read().into_iter().map(|(row, pair)| (row, pair.name)).collect();
        assert_eq!(rows, [(1, "key-1".to_owned()), (2, "key-2".to_owned()), (3, "key-3".to_owned())]);
        assert!(canary.read(1, Found::Same), "deleted, and still there: once more");
        assert!(!canary.read(2, Found::Other) && !canary.read(3, Found::Same) && !canary.read(5, Found::Same));
        let found = canary.found();
        assert_eq!((found.requested, found.outcomes.unsettled, found.outcomes.failed), (4, 1, 1));
        assert_eq!((found.not_there, found.still_there, found.other_identity, found.not_read), (0, 2, 1, 1));
        let alarms: Vec<_> = found.alarms.iter().map(|alarm| (alarm.row, alarm.is_other)).collect();
        assert_eq!(alarms, [(1, false), (2, true)], "a failed row that is still there is what it says");
        assert_eq!((found.requests.delete, found.requests.throttled, found.median_us), (5, 1, Some(30)));
        assert!(!canary.read(1, Found::NotFound) && canary.found().alarms.len() == 1);
        assert_eq!(median(Vec::new()), None);
    }

    /// The first rows of the plan have the places; one that turns out not to need its place leaves it to the next.
    // SEMANTICS: P75
    #[test]
    fn places_are_reserved_in_order() {
        let mut canary = Canary::of(2);
        assert_eq!((canary.reserve(1), canary.reserve(2), canary.reserve(3)), (Some(true), Some(true), None));
        assert_eq!(canary.admit(&line(9)), None, "a row of an earlier session waits for a place");
        assert_eq!((canary.admit(&line(2)), canary.reserve(3)), (Some(true), None));
        assert!(canary.release(1) && !canary.release(1) && !canary.holds_back);
        assert_eq!((canary.reserve(3), canary.admit(&line(3))), (Some(true), Some(true)));
        assert_eq!((canary.reserve(4), canary.admit(&line(9)), canary.holds_back), (Some(false), Some(false), true));
        canary.forget(3);
        assert_eq!(canary.admit(&line(9)), Some(true));
    }
}
