//! The tree over a plan's lines.

use super::super::merkle::{Frontier, Hash, node_hash};

/// The tree over a plan's lines, whose first one, the header, becomes known last: a journal has the rows before the header.
///
/// Only the nodes at the left edge depend on the first leaf. So of these, the right children alone are kept, from the lowest up;
/// every other complete subtree is a hash, as in [`Frontier`].
#[derive(Debug, Clone, Default)]
pub struct PlanTree {
    rows: Frontier,
    at_the_edge: Vec<Hash>,
    right: Vec<Hash>,
}

impl PlanTree {
    /// The tree over the rows alone.
    #[must_use]
    pub fn rows(&self) -> &Frontier {
        &self.rows
    }

    /// Adds the next row's leaf.
    pub fn push(&mut self, leaf: Hash) {
        let lines = self.rows.size() + 1;
        self.rows.push(leaf);
        let mut hash = leaf;
        for _ in 0..lines.trailing_ones() {
            let Some(left) = self.right.pop() else {
                self.at_the_edge.push(hash);
                return;
            };
            hash = node_hash(&left, &hash);
        }
        self.right.push(hash);
    }

    /// The root with this leaf before the rows.
    #[must_use]
    pub fn root(&self, header: &Hash) -> Hash {
        let edge = self.at_the_edge.iter().fold(*header, |left, right| node_hash(&left, right));
        let mut subtrees = self.right.iter().rev();
        let Some(last) = subtrees.next() else { return edge };
        let right = subtrees.fold(*last, |right, left| node_hash(left, &right));
        node_hash(&edge, &right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::merkle::leaf_hash;

    #[test]
    fn a_header_that_comes_last_stands_first() {
        let header = leaf_hash(b"header");
        let mut plan = PlanTree::default();
        let mut whole = Frontier::default();
        whole.push(header);
        assert_eq!(plan.root(&header), whole.root());
        for row in 0..1_100_u32 {
            let leaf = leaf_hash(&row.to_le_bytes());
            plan.push(leaf);
            whole.push(leaf);
            assert_eq!(plan.root(&header), whole.root(), "after {} rows", row + 1);
        }
        assert_ne!(plan.root(&leaf_hash(b"another")), whole.root());
    }
}
