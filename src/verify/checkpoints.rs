//! The checkpoints that a reviewer brought, compared with the entries as they come.

use std::collections::BTreeSet;

use super::options::Options;
use crate::record::merkle::{Frontier, Hash};

/// The checkpoints of the journal that were brought, compared as the entries come.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    /// All of them, the smallest last.
    all: Vec<(u64, Hash)>,
    /// How many of these are still to come.
    ahead: usize,
    /// Those that prove something; all, where it does not matter who signed them.
    signed: Option<BTreeSet<(u64, Hash)>>,
    /// The size of the largest that agreed, and proves something; none has no entries.
    proved: u64,
    /// The first that did not: its size and root, and the root that the entries have.
    forked: Option<(u64, Hash, Hash)>,
}

impl Checkpoints {
    /// Those of `options`; what covers nothing is taken out of them.
    pub(super) fn new(options: &mut Options) -> Self {
        options.checkpoint = options.checkpoint.take().filter(|checkpoint| checkpoint.size > 0);
        let mut all = std::mem::take(&mut options.further);
        all.retain(|(size, _)| *size > 0);
        all.extend(options.checkpoint.as_ref().map(|checkpoint| (checkpoint.size, checkpoint.root)));
        all.sort_unstable_by(|one, other| other.cmp(one));
        Self { ahead: all.len(), all, signed: options.signed.clone(), proved: 0, forked: None }
    }

    /// Compares those that cover what is in `tree` now; `whole` unless a gap says that it is not the journal's any more. Says how
    /// many entries are proved, if that is news.
    pub(super) fn compare(&mut self, tree: &Frontier, whole: bool) -> Option<u64> {
        let (size, before) = (tree.size(), self.proved);
        while let Some((_, expected)) = self.all[..self.ahead].last().copied().filter(|(next, _)| *next <= size) {
            self.ahead -= 1;
            let found = tree.root();
            if !whole {
                continue;
            }
            if found == expected {
                if self.signed.as_ref().is_none_or(|signed| signed.contains(&(size, expected))) {
                    self.proved = size;
                }
            } else {
                self.forked = self.forked.or(Some((size, expected, found)));
            }
        }
        (self.proved > before).then_some(self.proved)
    }

    /// Those that were brought, to be compared anew.
    pub(super) fn into_all(self) -> Vec<(u64, Hash)> {
        self.all
    }

    /// They are of another journal, so that they prove nothing of this one.
    pub(super) fn disown(&mut self) {
        self.proved = 0;
    }

    /// The first that did not agree: its size and root, and the root that the entries have.
    pub(super) fn forked(&self) -> Option<(u64, Hash, Hash)> {
        self.forked
    }

    /// How many entries the largest one proves that agrees; none where none does.
    pub(super) fn proved_up_to(&self) -> Option<u64> {
        (self.proved > 0).then_some(self.proved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::checkpoint::Checkpoint;

    fn tree_at(count: u8) -> Frontier {
        let mut tree = Frontier::default();
        (0..count).for_each(|leaf| tree.push([leaf; 32]));
        tree
    }

    fn seen(size: u8) -> (u64, Hash) {
        (u64::from(size), tree_at(size).root())
    }

    /// Nine entries, the checkpoint of the largest of `seen`, and the others beside it.
    fn compared(mut seen: Vec<(u64, Hash)>) -> Checkpoints {
        seen.sort_unstable();
        let (size, root) = seen.pop().unwrap();
        let checkpoint = Some(Checkpoint { journal_id: "a".into(), size, root });
        let mut checkpoints = Checkpoints::new(&mut Options { checkpoint, further: seen, ..Options::default() });
        (1..=9).for_each(|size| _ = checkpoints.compare(&tree_at(size), true));
        checkpoints
    }

    #[test]
    fn every_checkpoint_is_compared_and_the_largest_that_agrees_proves() {
        let checkpoints = compared(vec![seen(9), seen(3), seen(3), seen(7)]);
        assert_eq!((checkpoints.proved_up_to(), checkpoints.forked), (Some(9), None));
        for bad in [1, 2, 3, 9, 12] {
            let checkpoints = compared(vec![seen(9), seen(3), seen(7), (bad, [9; 32])]);
            assert_eq!(checkpoints.proved_up_to(), Some(9), "{bad}");
            assert_eq!(checkpoints.forked.map(|(size, ..)| size), Some(bad).filter(|bad| *bad <= 9));
        }
        let checkpoints = compared(vec![(9, [0; 32]), seen(3), seen(7)]);
        assert_eq!((checkpoints.proved_up_to(), checkpoints.forked.is_some()), (Some(7), true));
        let again = compared(checkpoints.into_all());
        assert_eq!((again.proved_up_to(), again.forked.is_some()), (Some(7), true), "compared anew");
    }

    #[test]
    fn where_signatures_count_only_signed_ones_prove_and_all_are_compared() {
        let signed_are = |signed: &[u8], all: Vec<(u64, Hash)>| {
            let signed = Some(signed.iter().map(|size| seen(*size)).collect());
            let mut checkpoints = Checkpoints::new(&mut Options { further: all, signed, ..Options::default() });
            (1..=9).for_each(|size| _ = checkpoints.compare(&tree_at(size), true));
            (checkpoints.proved_up_to(), checkpoints.forked.is_some())
        };
        assert_eq!(signed_are(&[3], vec![seen(3), seen(7)]), (Some(3), false));
        assert_eq!(signed_are(&[], vec![seen(3), seen(7)]), (None, false));
        assert_eq!(signed_are(&[3], vec![seen(3), (7, [9; 32])]), (Some(3), true));
        assert_eq!(signed_are(&[7], vec![seen(3)]), (None, false), "that one was not brought");
    }

    #[test]
    fn one_of_no_entries_counts_as_none() {
        let mut options = Options {
            checkpoint: Some(Checkpoint { journal_id: "a".into(), size: 0, root: tree_at(0).root() }),
            further: vec![(0, [0; 32])],
            ..Options::default()
        };
        let mut checkpoints = Checkpoints::new(&mut options);
        checkpoints.compare(&tree_at(3), true);
        assert_eq!((options.checkpoint, checkpoints.proved_up_to(), checkpoints.forked), (None, None, None));
    }
}
