//! The rows of all plans while a journal is verified, in few bytes each.

use std::collections::{HashMap, HashSet};

use super::super::claims::{Identity, name_of};
use crate::domain::Outcome;
use crate::record::plan::Verdict;

/// All rows, one after the other. Not in one piece: that would be moved as it grows, and leave holes as large as itself.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pieces: Vec<Vec<RowOf>>,
}

impl Rows {
    /// How many rows a piece holds.
    pub(super) const PIECE: usize = 1 << 14;

    pub(super) fn len(&self) -> usize {
        self.pieces.last().map_or(0, |last| (self.pieces.len() - 1) * Self::PIECE + last.len())
    }

    pub(super) fn push(&mut self, row: RowOf) {
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

    pub(super) fn get(&self, place: usize) -> Option<RowOf> {
        self.pieces.get(place / Self::PIECE)?.get(place % Self::PIECE).copied()
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut RowOf> {
        self.pieces.get_mut(place / Self::PIECE)?.get_mut(place % Self::PIECE)
    }

    /// The places of the rows from `first` on that are to be deleted and have the same hash as the one before in this list. Of
    /// a million rows that is so once in seventy times without any two of one name: only names themselves can tell. Goes through
    /// the rows several times, so that a part of the hashes is held at once.
    pub(super) fn twins(&self, first: usize) -> Vec<(usize, usize)> {
        const PASSES: u64 = 16;
        let mut part = Vec::new();
        let mut hashes = HashSet::new();
        for pass in 0..PASSES {
            part.clear();
            part.extend(self.to_delete(first).map(|(_, name)| name).filter(|name| name & (PASSES - 1) == pass));
            part.sort_unstable();
            hashes.extend(part.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]));
        }
        let mut seen = HashMap::new();
        let twins = self.to_delete(first).filter(|(_, name)| !hashes.is_empty() && hashes.contains(name));
        twins.filter_map(|(place, name)| seen.insert(name, place).map(|before| (before, place))).collect()
    }

    /// The places from `first` on that are to be deleted, with what they have of the hashes of their names.
    fn to_delete(&self, first: usize) -> impl Iterator<Item = (usize, u64)> {
        let pieces = self.pieces.iter().skip(first / Self::PIECE);
        let rows = pieces.flatten().skip(first % Self::PIECE).zip(first..);
        rows.filter(|(row, _)| row.fate() == Fate::Planned(Verdict::Delete)).map(|(row, place)| (place, row.name()))
    }
}

/// A row in 14 bytes: its fate in the lowest three bits, in the next 45 what the hash of the key pair's name and target has
/// there, then what the plan saw, and 16 bits of a hash of the target alone. The hashes have a key of the process's own, so a
/// journal that asks for another key pair than its plan names passes once in 2^45 times, whatever its author tries, and one that takes
/// a row as one of another target once in 2^16 times.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowOf([u8; 6], Identity, [u8; 2]);

impl RowOf {
    const FATE: u64 = 0b111;
    const OPEN: u64 = 6;
    /// The fates of rows with an outcome. All that are not in this list share the last one.
    const SETTLED: [(u64, Outcome); 4] =
        [(3, Outcome::Failed), (4, Outcome::Skipped), (5, Outcome::Absent), (7, Outcome::Deleted)];

    /// A row of a target with this hash whose key pair's name and target have the hash `name`.
    pub(super) fn new(name: u64, target: u64, verdict: Verdict, seen: Identity) -> Self {
        let [.., one, two] = target.to_le_bytes();
        let mut row = Self([0; 6], seen, [one, two]);
        row.put(name & !Self::FATE | verdict as u64);
        row
    }

    /// What the plan saw of its key pair.
    pub(super) fn seen(self) -> Identity {
        self.1
    }

    /// What it has of the hash of its key pair's name and target.
    pub(super) fn name(self) -> u64 {
        self.bits() >> 3
    }

    fn put(&mut self, bits: u64) {
        let [one, two, three, four, five, six, ..] = bits.to_le_bytes();
        self.0 = [one, two, three, four, five, six];
    }

    fn bits(self) -> u64 {
        let [one, two, three, four, five, six] = self.0;
        u64::from_le_bytes([one, two, three, four, five, six, 0, 0])
    }

    /// Whether it is of the target with this hash.
    pub(super) fn is_of(self, target: u64) -> bool {
        let [.., one, two] = target.to_le_bytes();
        self.2 == [one, two]
    }

    pub(super) fn is_named(self, name: u64) -> bool {
        (self.bits() ^ name) << 16 & !(Self::FATE << 16) == 0
    }

    pub(super) fn fate(self) -> Fate {
        const VERDICTS: [Verdict; 3] = [Verdict::Delete, Verdict::Skip, Verdict::Absent];
        let fate = self.bits() & Self::FATE;
        match VERDICTS.into_iter().find(|verdict| *verdict as u64 == fate) {
            Some(verdict) => Fate::Planned(verdict),
            None if fate == Self::OPEN => Fate::Open,
            None => {
                let kept = Self::SETTLED.into_iter().find(|(bits, _)| *bits == fate);
                Fate::Settled(kept.map_or(Outcome::Deleted, |(_, outcome)| outcome))
            }
        }
    }

    pub(super) fn become_open(&mut self) {
        self.put(self.bits() & !Self::FATE | Self::OPEN);
    }

    pub(super) fn settle(&mut self, outcome: Outcome) {
        let kept = Self::SETTLED.into_iter().find(|(_, known)| *known == outcome);
        let bits = kept.map_or(Self::FATE, |(bits, _)| bits);
        self.put(self.bits() & !Self::FATE | bits);
    }
}

/// Whether a key pair of this name, by its hash, is the one of `row`, in one of the targets that its run deletes in.
pub(super) fn name_of_row(row: RowOf, named_in: &[u64], name: u64) -> bool {
    named_in.iter().any(|target| row.is_named(name_of(name, *target)))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Only the intent is there.
    Planned(Verdict),
    /// It is in `History::open`.
    Open,
    /// With this outcome; one that is gone or in doubt counts as deleted here, and is in `History::doubtful`.
    Settled(Outcome),
}

/// Intents whose entries follow one another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    /// The place of the first in `History::rows`.
    pub(super) place: usize,
    /// The number of its entry.
    pub(super) seq: u64,
}

/// The number of the intent's entry of the row at `place`; of the next row, the number that continues the last stretch.
pub(super) fn intent_of(stretches: &[Stretch], place: usize) -> Option<u64> {
    let next = stretches.partition_point(|stretch| stretch.place <= place);
    let stretch = stretches.get(next.checked_sub(1)?)?;
    Some(stretch.seq + u64::try_from(place - stretch.place).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_keeps_its_name_whatever_becomes_of_it() {
        for verdict in [Verdict::Delete, Verdict::Skip, Verdict::Absent] {
            for name in [0, u64::MAX, 0x0123_4567_89AB_CDEF] {
                let mut row = RowOf::new(name, 7 << 48, verdict, Identity::default());
                assert_eq!(row.fate(), Fate::Planned(verdict));
                assert!(row.is_of(7 << 48) && !row.is_of(6 << 48));
                row.become_open();
                assert_eq!(row.fate(), Fate::Open);
                use Outcome::{Absent, Deleted, Failed, Gone, InDoubt, Skipped};
                for (outcome, kept) in [
                    (Deleted, Deleted),
                    (Failed, Failed),
                    (Skipped, Skipped),
                    (Absent, Absent),
                    (Gone, Deleted),
                    (InDoubt, Deleted),
                ] {
                    row.settle(outcome);
                    assert_eq!(row.fate(), Fate::Settled(kept));
                }
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
            rows.push(RowOf::new((place as u64) << 3, 0, Verdict::Delete, Identity::default()));
        }
        assert_eq!(rows.twins(0), []);
        for place in [0, 1, Rows::PIECE - 1, Rows::PIECE, 2 * Rows::PIECE - 1, 2 * Rows::PIECE, count - 1] {
            assert!(rows.get_mut(place).unwrap().is_named((place as u64) << 3), "{place}");
        }
        assert!(rows.get_mut(count).is_none() && rows.get_mut(usize::MAX).is_none());
        for verdict in [Verdict::Skip, Verdict::Absent, Verdict::Delete] {
            rows.push(RowOf::new(((count - 2) as u64) << 3, 0, verdict, Identity::default()));
            assert_eq!(rows.twins(0).is_empty(), verdict != Verdict::Delete, "{verdict:?}");
        }
        assert_eq!(rows.twins(count - 2), [(count - 2, count + 2)]);
        assert!(rows.twins(count - 1).is_empty());
    }

    /// Of one plan alone, wherever the rows stand and whatever the last bits of the hashes are.
    #[test]
    fn all_twins_of_a_plan_are_found() {
        let mut rows = Rows::default();
        let first = 2 * Rows::PIECE + 1;
        let hashes = || (0..64_u64).map(|name| name * 0x0101_0101);
        let fillers = (0..first - 128).map(|place| (1 << 40) + place as u64);
        for name in fillers.chain(hashes()).chain(hashes().rev()).chain(hashes().take(32)).chain(hashes().skip(16)) {
            rows.push(RowOf::new(name << 3, 0, Verdict::Delete, Identity::default()));
        }
        let twins = |rows: &mut Rows, first| {
            let pairs = rows.twins(first);
            let mut named = |place| rows.get_mut(place).map(|row| row.name());
            assert!(pairs.iter().all(|(one, other)| one < other && named(*one) == named(*other)));
            pairs.iter().filter_map(|(one, _)| named(*one)).collect::<HashSet<_>>()
        };
        let names = |from: usize, to: usize| hashes().take(to).skip(from).map(|name| name & ((1 << 45) - 1)).collect();
        assert_eq!(twins(&mut rows, 0), names(0, 64));
        assert_eq!(twins(&mut rows, first), names(16, 32));
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
