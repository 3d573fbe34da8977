//! The tree over the entries, as in RFC 6962: a leaf is `SHA-256(0x00 || body)`, a node `SHA-256(0x01 || left || right)`.
//!
//! Only the *frontier* is kept: the roots of the complete subtrees that the tree of this size is made of, the largest
//! first. That is one hash for each bit set in the size, so appending and taking the root cost O(log n).

mod paths;

use sha2::{Digest as _, Sha256};

pub use paths::{Climb, NodePath, is_consistent, root_by_path};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// The hash of an entry: of the bytes of its body as they are stored.
#[must_use]
pub fn leaf_hash(body: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0x00]);
    hasher.update(body);
    hasher.finalize().into()
}

pub(in crate::record) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0x01]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// A tree that only grows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

/// A stored frontier that does not fit its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored frontier does not belong to a tree of {size} entries")]
pub struct FrontierError {
    /// The size that was stored with it.
    pub size: u64,
}

impl Frontier {
    /// Entries in the tree.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds the next leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        // Each trailing one in the size is a complete subtree that the new leaf completes to a larger one.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.roots.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.roots.push(hash);
        self.size += 1;
    }

    /// The root; of an empty tree, the hash of nothing.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev();
        let Some(last) = roots.next() else { return Sha256::digest([]).into() };
        roots.fold(*last, |right, left| node_hash(left, &right))
    }

    /// The roots of the complete subtrees, one after the other, largest first.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.roots.concat()
    }

    /// Reads what [`Frontier::to_bytes`] wrote.
    ///
    /// # Errors
    /// Where the length does not fit the size.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Result<Self, FrontierError> {
        let (roots, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() || roots.len() != size.count_ones() as usize {
            return Err(FrontierError { size });
        }
        Ok(Self { size, roots: roots.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use ct_merkle::mem_backed_tree::MemoryBackedTree;

    use super::*;

    // SEMANTICS: P50
    #[test]
    fn roots_agree_with_an_independent_tree_at_every_size() {
        let mut frontier = Frontier::default();
        let mut tree: MemoryBackedTree<Sha256, Vec<u8>> = MemoryBackedTree::new();
        for number in 0_u32..300 {
            let body = number.to_be_bytes().to_vec();
            frontier.push(leaf_hash(&body));
            tree.push(body);
            assert_eq!(frontier.root().as_slice(), tree.root().as_bytes().as_slice(), "size {number}");
            let again = Frontier::from_bytes(frontier.size(), &frontier.to_bytes());
            assert_eq!(again, Ok(frontier.clone()));
        }
    }

    #[test]
    fn the_test_vectors_of_certificate_transparency_hold() {
        // RFC 6962 reference vectors: the empty tree, and the tree of one empty leaf.
        let mut frontier = Frontier::default();
        assert_eq!(hex(&frontier.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        frontier.push(leaf_hash(b""));
        assert_eq!(hex(&frontier.root()), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    }

    #[test]
    fn a_frontier_of_another_size_is_refused() {
        assert!(Frontier::from_bytes(3, &[0; 32]).is_err());
        assert!(Frontier::from_bytes(1, &[0; 33]).is_err());
    }

    fn hex(hash: &Hash) -> String {
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
