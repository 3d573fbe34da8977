//! The large projections as sums, so that `verify` need not rebuild them row by row to see that they are right.
//!
//! Each of their rows is one or two *facts*: what was known when it began (an intent as recorded, an attempt as started),
//! and what its end added. Facts are hashed with a key and the hashes added up, once as the entries state them, once as the
//! tables hold them; the order does not matter. If the sums and the numbers of facts agree, so do the tables:
//! no row is there twice (a key is unique, and the history does not permit it either), so the facts of one key belong to one row.
//!
//! Each process draws a key of its own, after the journal was written. So whatever whoever made the journal knows about the
//! hash, wrong rows have the same sum once in 2^64 times, and a fast hash is good enough.

use std::hash::{BuildHasher, Hasher as _, RandomState};

use super::changes::Changes;
use super::value::Value;

/// What the hashes depend on. Nobody knows it in advance.
#[derive(Debug, Clone, Default)]
pub struct Key(RandomState);

/// Facts of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    count: u64,
    sum: u64,
}

/// The sums of the facts that were added so far, by kind. Equal for the same facts under the same key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tallies {
    intents: Tally,
    settled: Tally,
    attempts: Tally,
    finished: Tally,
    row_entries: Tally,
}

/// Adds facts up.
#[derive(Debug, Default)]
pub struct Sums {
    key: Key,
    tallies: Tallies,
    /// The present fact, as bytes.
    fact: Fact,
}

impl Sums {
    /// Sums that can be compared with others of this key.
    #[must_use]
    pub fn new(key: Key) -> Self {
        Self { key, ..Self::default() }
    }

    /// What these sums depend on.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The sums so far.
    #[must_use]
    pub fn tallies(&self) -> &Tallies {
        &self.tallies
    }

    /// Takes the rows of the large tables out of `changes`.
    pub fn take(&mut self, changes: &mut Changes<'_>) {
        let Changes { intents, settled, attempts, finished, row_entries, small: _ } = changes;
        intents.drain(..).for_each(|new| self.intent(new.into()));
        settled.drain(..).for_each(|end| self.settled(end.into()));
        attempts.drain(..).for_each(|new| self.attempt(new.into()));
        finished.drain(..).for_each(|end| self.finished(end.into()));
        row_entries.drain(..).for_each(|new| self.row_entry(new.into()));
    }

    /// An intent as it was recorded: (run, row, target, name, verdict, seq).
    pub fn intent(&mut self, values: [Value<'_>; 6]) {
        self.tallies.intents.add(self.fact.hash(&self.key, &values));
    }

    /// What became of an intent: (run, row, seq, outcome, evidence).
    pub fn settled(&mut self, values: [Value<'_>; 5]) {
        self.tallies.settled.add(self.fact.hash(&self.key, &values));
    }

    /// An attempt as it was started: (run, row, attempt, seq).
    pub fn attempt(&mut self, values: [Value<'_>; 4]) {
        self.tallies.attempts.add(self.fact.hash(&self.key, &values));
    }

    /// The end of an attempt: (run, row, attempt, seq, class).
    pub fn finished(&mut self, values: [Value<'_>; 5]) {
        self.tallies.finished.add(self.fact.hash(&self.key, &values));
    }

    /// A row's entry of a rarer kind: (run, row, seq).
    pub fn row_entry(&mut self, values: [Value<'_>; 3]) {
        self.tallies.row_entries.add(self.fact.hash(&self.key, &values));
    }
}

impl Tallies {
    /// How many rows were added of each of [`SUMMED`](crate::journal::SUMMED).
    #[must_use]
    pub fn rows(&self) -> [u64; 3] {
        [self.intents.count, self.attempts.count, self.row_entries.count]
    }
}

impl Tally {
    fn add(&mut self, hash: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(hash);
    }
}

/// The bytes of a fact, which no other fact of its kind has.
#[derive(Debug, Default)]
struct Fact(Vec<u8>);

impl Fact {
    fn hash(&mut self, Key(state): &Key, values: &[Value<'_>]) -> u64 {
        self.0.clear();
        for value in values {
            match value {
                Value::Null => self.0.push(0),
                Value::Int(number) => {
                    self.0.push(1);
                    self.0.extend_from_slice(&number.to_le_bytes());
                }
                Value::Text(text) => {
                    self.0.push(2);
                    self.0.extend_from_slice(&text.len().to_le_bytes());
                    self.0.extend_from_slice(text.as_bytes());
                }
            }
        }
        let mut hasher = state.build_hasher();
        hasher.write(&self.0);
        hasher.finish()
    }
}
