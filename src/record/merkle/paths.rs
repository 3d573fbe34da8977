//! Inclusion and consistency proofs, as in RFC 6962: made in one pass over the leaves, and checked from the proof alone.
//!
//! The pass holds one hash for each bit of the size, and the paths that it makes: nothing grows with the number of leaves. Where two
//! subtrees become one, each is the next step on the path of what is chosen in the other.

use std::ops::Range;

use super::{Hash, node_hash};

/// The path of a node: its first leaf, its hash, and the path from below.
pub type NodePath = (u64, Hash, Vec<Hash>);

/// A pass over the leaves of a tree that collects the paths of some of its nodes.
#[derive(Debug)]
pub struct Climb {
    size: u64,
    /// The roots of the complete subtrees so far, the largest first, each with what is chosen in it.
    subtrees: Vec<Subtree>,
    chosen: Vec<Chosen>,
    /// How many of the chosen nodes are complete.
    begun: usize,
}

#[derive(Debug)]
struct Subtree {
    begin: u64,
    level: u32,
    hash: Hash,
    chosen: Range<usize>,
}

/// A node whose path is collected: the root of the complete subtree of 2^level leaves from `begin` on.
#[derive(Debug)]
struct Chosen {
    begin: u64,
    level: u32,
    hash: Hash,
    path: Vec<Hash>,
}

impl Climb {
    /// A pass that collects the paths of these leaves.
    #[must_use]
    pub fn of_leaves(mut leaves: Vec<u64>) -> Self {
        leaves.sort_unstable();
        leaves.dedup();
        Self::of(leaves.into_iter().map(|begin| (begin, 0)))
    }

    /// A pass that collects what shows that the first `size` leaves are those of a tree of that size. None of no leaves: they
    /// are the beginning of every tree.
    #[must_use]
    pub fn of_beginning(size: u64) -> Option<Self> {
        let level = (size > 0).then(|| size.trailing_zeros())?;
        Some(Self::of([(size - (1 << level), level)]))
    }

    fn of(nodes: impl IntoIterator<Item = (u64, u32)>) -> Self {
        let chosen =
            nodes.into_iter().map(|(begin, level)| Chosen { begin, level, hash: [0; 32], path: Vec::new() }).collect();
        Self { size: 0, subtrees: Vec::new(), chosen, begun: 0 }
    }

    /// Leaves that were taken.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes the next leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut tree = Subtree { begin: self.size, level: 0, hash: leaf, chosen: 0..0 };
        self.begin(&mut tree);
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                tree = self.join(left, tree);
                self.begin(&mut tree);
            }
        }
        self.subtrees.push(tree);
        self.size += 1;
    }

    /// Whether this is the next of the chosen nodes.
    fn begin(&mut self, tree: &mut Subtree) {
        let Some(chosen) = self.chosen.get_mut(self.begun) else { return };
        if (chosen.begin, chosen.level) == (tree.begin, tree.level) {
            chosen.hash = tree.hash;
            tree.chosen = self.begun..self.begun + 1;
            self.begun += 1;
        }
    }

    fn join(&mut self, left: Subtree, right: Subtree) -> Subtree {
        for (range, sibling) in [(&left.chosen, right.hash), (&right.chosen, left.hash)] {
            self.chosen.get_mut(range.clone()).into_iter().flatten().for_each(|chosen| chosen.path.push(sibling));
        }
        // Of two empty ranges it does not matter which one remains.
        let chosen = match (left.chosen.is_empty(), right.chosen.is_empty()) {
            (true, _) => right.chosen,
            (false, true) => left.chosen,
            (false, false) => left.chosen.start..right.chosen.end,
        };
        Subtree { begin: left.begin, level: left.level + 1, hash: node_hash(&left.hash, &right.hash), chosen }
    }

    /// The root of all leaves, and the path of each chosen node from below, in ascending order.
    /// None where one of them is beyond the leaves.
    #[must_use]
    pub fn finish(mut self) -> Option<(Hash, Vec<NodePath>)> {
        let mut tree = self.subtrees.pop()?;
        while let Some(left) = self.subtrees.pop() {
            tree = self.join(left, tree);
        }
        (self.begun == self.chosen.len()).then(|| {
            let paths = self.chosen.into_iter().map(|chosen| (chosen.begin, chosen.hash, chosen.path));
            (tree.hash, paths.collect())
        })
    }

    /// The root of all leaves, and the consistency proof of a pass [`of_beginning`](Self::of_beginning). None where there are fewer
    /// leaves than that beginning has.
    #[must_use]
    pub fn finish_consistency(self) -> Option<(Hash, Vec<Hash>)> {
        let (root, mut paths) = self.finish()?;
        let (begin, hash, path) = paths.pop()?;
        // A beginning that is one complete subtree: the verifier of the proof has its root already.
        Some((root, if begin == 0 { path } else { [vec![hash], path].concat() }))
    }
}

/// The root of a tree of `size` leaves in which the leaf at `place` has this hash and this path; none where no leaf of such a tree
/// has a path of that length.
#[must_use]
pub fn root_by_path(place: u64, size: u64, leaf: &Hash, path: &[Hash]) -> Option<Hash> {
    if place >= size {
        return None;
    }
    let (mut node, mut last) = (place, size - 1);
    let mut hash = *leaf;
    let mut steps = path.iter();
    while last > 0 {
        // The last node of a level that has no sibling goes up as it is.
        if node % 2 == 1 {
            hash = node_hash(steps.next()?, &hash);
        } else if node < last {
            hash = node_hash(&hash, steps.next()?);
        }
        (node, last) = (node / 2, last / 2);
    }
    steps.next().is_none().then_some(hash)
}

/// Whether a tree of `old` leaves with the root `old_root` is the beginning of one of `new` leaves with the root `new_root`, by this
/// proof.
#[must_use]
pub fn is_consistent((old, old_root): (u64, &Hash), (new, new_root): (u64, &Hash), proof: &[Hash]) -> bool {
    if old == 0 || old > new {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    let (mut node, mut last) = (old - 1, new - 1);
    // Up to the largest complete subtree at the end of the old tree.
    while node % 2 == 1 {
        (node, last) = (node / 2, last / 2);
    }
    let mut steps = proof.iter();
    let begin = if node == 0 { Some(old_root) } else { steps.next() };
    let Some(begin) = begin else { return false };
    let (mut of_old, mut of_new) = (*begin, *begin);
    while last > 0 {
        if node % 2 == 1 {
            let Some(step) = steps.next() else { return false };
            of_old = node_hash(step, &of_old);
            of_new = node_hash(step, &of_new);
        } else if node < last {
            let Some(step) = steps.next() else { return false };
            of_new = node_hash(&of_new, step);
        }
        (node, last) = (node / 2, last / 2);
    }
    steps.next().is_none() && of_old == *old_root && of_new == *new_root
}

#[cfg(test)]
mod tests;
