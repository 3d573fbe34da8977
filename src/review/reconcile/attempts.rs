//! The attempts that records are held against, 48 bytes each with their indexes: a million of them have room in 48 MiB.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};

use jiff::Timestamp;

use super::callers::Callers;
use crate::domain::{Class, RunId};

/// An attempt, as the journal has it.
#[derive(Debug, Clone, Copy)]
pub struct KnownAttempt<'a> {
    /// Its run.
    pub run: RunId,
    /// The account and the region.
    pub target: (&'a str, &'a str),
    /// The key pair's name.
    pub name: &'a str,
    /// When it began.
    pub started: Timestamp,
    /// When it was over: its answer, or when it was surely dead.
    pub until: Timestamp,
    /// When the service says that it began the operation which the answer shows: by the service's clock.
    pub created: Option<Timestamp>,
    /// The request's id, where there was an answer with one.
    pub request_id: Option<&'a str>,
    /// The operation that the answer named.
    pub operation_id: Option<&'a str>,
    /// What came back; none if nothing did.
    pub class: Option<Class>,
    /// Whether the row counts as deleted by this attempt.
    pub deleted: bool,
    /// Whether the row is gone or in doubt, so that a record can say more of it.
    pub is_doubtful: bool,
}

/// What is kept of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    /// Seconds since 1970.
    pub(super) started: u32,
    name: u32,
    pub(super) request: u32,
    operation: u32,
    /// The hash of the event that shows it, 0 if none does.
    pub(super) event: u32,
    /// Seconds that it took.
    took: u16,
    pub(super) place: u16,
    pub(super) what: u8,
    /// How it was matched.
    pub(super) by: u8,
    /// What the records say otherwise.
    pub(super) against: u16,
    /// How many records show it, as far as they are counted.
    pub(super) records: u8,
    /// When the service began its operation, in seconds after it began, where that is known.
    created: i16,
}

/// Bits of [`Attempt::what`].
pub(super) mod what {
    /// The answer was a success, or the row counts as deleted by it.
    pub(in super::super) const DELETED: u8 = 1;
    /// It was refused, or never left.
    pub(in super::super) const REFUSED: u8 = 2;
    /// The answer is an operation that failed.
    pub(in super::super) const FAILED: u8 = 4;
    /// It never left.
    pub(in super::super) const NOT_SENT: u8 = 8;
    /// Its row is gone or in doubt.
    pub(in super::super) const DOUBTFUL: u8 = 16;
    /// Its answer is an operation.
    pub(in super::super) const PENDING: u8 = 32;
    /// It is known when the service began its operation.
    pub(in super::super) const CREATED: u8 = 64;
}

/// Where attempts of a run were made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) run: RunId,
    pub(super) account: String,
    pub(super) region: String,
}

/// Attempts, to be found by what records say. Those of the run that is reconciled come first, in the order of its rows.
#[derive(Debug, Default)]
pub struct Attempts {
    pub(super) all: Vec<Attempt>,
    pub(super) places: Vec<Place>,
    pub(super) callers: Callers,
    numbers: HashMap<(RunId, String, String), u16>,
    /// The upper bits are those of a hash, the lower ones an attempt's number; ascending.
    by_name: Vec<u64>,
    by_request: Vec<u64>,
    bits: u32,
    /// Those without a request's id, by place and beginning; each with the latest end so far.
    open: Vec<(u16, u32, u32)>,
}

/// There are more attempts than can be held.
#[derive(Debug, thiserror::Error)]
#[error("there are more attempts, or targets, than reconcile can hold in memory")]
pub struct TooMany;

impl Attempts {
    /// With room for so many.
    #[must_use]
    pub fn with_room(count: usize) -> Self {
        Self {
            all: Vec::with_capacity(count),
            by_name: Vec::with_capacity(count),
            by_request: Vec::with_capacity(count),
            ..Self::default()
        }
    }

    /// Takes note of who a session of a run was in an account.
    pub fn called_by(&mut self, run: RunId, account: &str, arn: &str) {
        self.callers.add(run, account, arn);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Adds one.
    ///
    /// # Errors
    /// If there is no room for it.
    pub fn push(&mut self, known: &KnownAttempt<'_>) -> Result<(), TooMany> {
        if self.all.len() >= u32::MAX as usize {
            return Err(TooMany);
        }
        let place = self.number(known)?;
        let started = seconds(known.started);
        self.all.push(Attempt {
            started,
            name: second(NAME, &[known.target.1, known.name]),
            request: known.request_id.map_or(0, |id| second(REQUEST, &[id])),
            operation: known.operation_id.map_or(0, |id| second(OPERATION, &[id])),
            event: 0,
            took: u16::try_from(seconds(known.until).saturating_sub(started).saturating_add(1)).unwrap_or(u16::MAX),
            place,
            what: what(known),
            by: 0,
            against: 0,
            records: 0,
            created: known.created.map_or(0, |created| later(created, known.started)),
        });
        // The hashes wait here for the numbers of bits to be known.
        self.by_name.push(first(NAME, &[known.target.1, known.name]));
        self.by_request.push(known.request_id.map_or(0, |id| first(REQUEST, &[id])));
        Ok(())
    }

    fn number(&mut self, known: &KnownAttempt<'_>) -> Result<u16, TooMany> {
        let (account, region) = known.target;
        if let Some(last) = self.all.last().map(|attempt| attempt.place)
            && let place = &self.places[usize::from(last)]
            && (place.run, &*place.account, &*place.region) == (known.run, account, region)
        {
            return Ok(last);
        }
        let key = (known.run, account.to_owned(), region.to_owned());
        if let Some(number) = self.numbers.get(&key) {
            return Ok(*number);
        }
        let number = u16::try_from(self.places.len()).map_err(|_| TooMany)?;
        let (run, account, region) = key.clone();
        self.places.push(Place { run, account, region });
        self.numbers.insert(key, number);
        Ok(number)
    }

    /// Makes them ready to be looked up.
    pub(super) fn index(&mut self) {
        self.bits = usize::BITS - self.all.len().leading_zeros();
        for index in [&mut self.by_name, &mut self.by_request] {
            let low = (1_u64 << self.bits) - 1;
            index.iter_mut().enumerate().for_each(|(number, hash)| *hash = (*hash & !low) | number as u64);
        }
        let with_id =
            |number: &u64| self.all[usize::try_from(*number & ((1 << self.bits) - 1)).unwrap_or(0)].request != 0;
        self.by_request.retain(with_id);
        self.by_name.sort_unstable();
        self.by_request.sort_unstable();
        let open = self.all.iter().filter(|attempt| attempt.request == 0 && !attempt.is(what::NOT_SENT));
        self.open = open.map(|attempt| (attempt.place, attempt.started, attempt.until())).collect();
        self.open.sort_unstable();
        let mut last = (0, 0);
        for (place, _, until) in &mut self.open {
            last = if last.0 == *place { (*place, last.1.max(*until)) } else { (*place, *until) };
            *until = last.1;
        }
    }

    /// Whether an attempt without a request's id was under way in this place between these times.
    pub(super) fn is_open_between(&self, place: u16, from: u32, until: u32) -> bool {
        let end = self.open.partition_point(|(own, started, _)| (*own, *started) <= (place, until));
        let last = end.checked_sub(1).and_then(|last| self.open.get(last));
        last.is_some_and(|(own, _, latest)| *own == place && *latest >= from)
    }

    /// Those that ask for a key pair of this name in this region.
    pub(super) fn named(&self, region: &str, name: &str) -> impl Iterator<Item = usize> + '_ {
        let second = second(NAME, &[region, name]);
        let found = self.found(&self.by_name, first(NAME, &[region, name]));
        found.filter(move |number| self.all[*number].name == second)
    }

    /// Those whose answer has this id.
    pub(super) fn requested(&self, id: &str) -> impl Iterator<Item = usize> + '_ {
        let second = second(REQUEST, &[id]);
        let found = self.found(&self.by_request, first(REQUEST, &[id]));
        found.filter(move |number| self.all[*number].request == second)
    }

    /// Whether an attempt asks for a key pair of this name in this region.
    pub(super) fn is_named(&self, number: usize, region: &str, name: &str) -> bool {
        self.all[number].name == second(NAME, &[region, name])
    }

    /// Whether an answer named one of these operations; none if it named none.
    pub(super) fn is_operation(&self, number: usize, ids: &[String]) -> Option<bool> {
        let own = self.all[number].operation;
        (own != 0 && !ids.is_empty()).then(|| ids.iter().any(|id| second(OPERATION, &[id]) == own))
    }

    fn found<'a>(&'a self, index: &'a [u64], hash: u64) -> impl Iterator<Item = usize> + 'a {
        let low = (1_u64 << self.bits) - 1;
        let from = index.partition_point(|entry| *entry < (hash & !low));
        let same = index[from..].iter().take_while(move |entry| **entry & !low == hash & !low);
        same.filter_map(move |entry| usize::try_from(entry & low).ok())
    }
}

impl Attempt {
    /// When it was over, in seconds since 1970.
    pub(super) fn until(&self) -> u32 {
        self.started.saturating_add(u32::from(self.took))
    }

    /// From when until when it was under way by the service's clock, as far as the operation shows that; else by the clock of the machine,
    /// which may be wrong by minutes. The operation began somewhere between the two, and nobody knows where.
    pub(super) fn by_the_service(&self) -> (u32, u32) {
        if !self.is(what::CREATED) {
            return (self.started, self.until());
        }
        let (created, took) = (self.started.saturating_add_signed(self.created.into()), u32::from(self.took));
        (created.saturating_sub(took), created.saturating_add(took))
    }

    /// Whether it cannot be told how late its record may be.
    pub(super) fn is_endless(&self) -> bool {
        self.took == u16::MAX
    }

    pub(super) fn is(&self, bit: u8) -> bool {
        self.what & bit != 0
    }
}

fn what(known: &KnownAttempt<'_>) -> u8 {
    let of_class = match known.class {
        Some(Class::Succeeded) => what::DELETED,
        Some(Class::Pending) => what::PENDING,
        Some(Class::OperationFailed) => what::FAILED,
        Some(Class::NotSent) => what::NOT_SENT | what::REFUSED,
        None | Some(Class::Unanswered) => 0,
        Some(_) => what::REFUSED,
    };
    let deleted = if known.deleted { what::DELETED } else { 0 };
    let created = if known.created.is_some() { what::CREATED } else { 0 };
    of_class | deleted | created | if known.is_doubtful { what::DOUBTFUL } else { 0 }
}

/// Seconds since 1970.
pub(super) fn seconds(time: Timestamp) -> u32 {
    u32::try_from(time.as_second().max(0)).unwrap_or(u32::MAX)
}

/// How many seconds one time is after another. No clock that is wrong by hours gets an answer: its signatures are too old, or not valid yet.
fn later(time: Timestamp, than: Timestamp) -> i16 {
    let seconds = time.as_second().saturating_sub(than.as_second());
    i16::try_from(seconds).unwrap_or(if seconds < 0 { i16::MIN } else { i16::MAX })
}

const NAME: u8 = 1;
const REQUEST: u8 = 2;
const OPERATION: u8 = 3;

/// A hash of an event's id; never 0.
pub(super) fn event(id: &str) -> u32 {
    second(4, &[id])
}

fn first(kind: u8, texts: &[&str]) -> u64 {
    hash((kind, texts))
}

/// Another hash, independent of the first; never 0.
#[expect(clippy::cast_possible_truncation, reason = "half of the hash is enough")]
fn second(kind: u8, texts: &[&str]) -> u32 {
    (hash((kind, texts, "again")) as u32).max(1)
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
