use ct_merkle::mem_backed_tree::MemoryBackedTree;
use sha2::Sha256;

use super::super::{Frontier, leaf_hash};
use super::*;

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
}

fn root(leaves: &[Hash]) -> Hash {
    let mut tree = Frontier::default();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    tree.root()
}

fn independent(count: u64) -> MemoryBackedTree<Sha256, Vec<u8>> {
    let mut tree = MemoryBackedTree::new();
    (0..count).for_each(|number| tree.push(number.to_be_bytes().to_vec()));
    tree
}

fn paths(leaves: &[Hash], chosen: Vec<u64>) -> Vec<(u64, Hash, Vec<Hash>)> {
    let mut climb = Climb::of_leaves(chosen);
    leaves.iter().for_each(|leaf| climb.push(*leaf));
    let (found, paths) = climb.finish().unwrap();
    assert_eq!(found, root(leaves));
    paths
}

fn consistency(leaves: &[Hash], old: u64) -> Vec<Hash> {
    let mut climb = Climb::of_beginning(old).unwrap();
    leaves.iter().for_each(|leaf| climb.push(*leaf));
    climb.finish_consistency().unwrap().1
}

#[test]
fn paths_are_those_of_an_independent_tree() {
    for size in 1..70 {
        let (leaves, tree) = (leaves(size), independent(size));
        let all = paths(&leaves, (0..size).collect());
        assert_eq!(all.len() as u64, size);
        for (place, leaf, path) in &all {
            let theirs = tree.prove_inclusion(usize::try_from(*place).unwrap());
            assert_eq!(path.concat(), theirs.as_bytes(), "leaf {place} of {size}");
            assert_eq!(root_by_path(*place, size, leaf, path), Some(root(&leaves)));
        }
        // Some of them in one pass have the same paths.
        let some: Vec<u64> = (0..size).filter(|place| place % 5 == 1 || *place == size - 1).rev().collect();
        for one in paths(&leaves, some) {
            assert!(all.contains(&one), "{one:?}");
        }
    }
}

#[test]
fn a_path_is_of_one_place_in_one_size() {
    let size = 21;
    let leaves = leaves(size);
    for (place, leaf, path) in paths(&leaves, (0..size).collect()) {
        for other in 0..size + 3 {
            let found = root_by_path(other, size, &leaf, &path);
            assert_eq!(found == Some(root(&leaves)), other == place, "leaf {place} at {other}");
        }
        for step in 0..path.len() {
            let mut altered = path.clone();
            altered[step][7] ^= 1;
            assert_ne!(root_by_path(place, size, &leaf, &altered), Some(root(&leaves)));
            altered.remove(step);
            assert_ne!(root_by_path(place, size, &leaf, &altered), Some(root(&leaves)));
        }
        let longer = [path.clone(), vec![[0; 32]]].concat();
        assert_eq!(root_by_path(place, size, &leaf, &longer), None);
    }
    assert_eq!(root_by_path(0, 0, &leaves[0], &[]), None);
    assert_eq!(root_by_path(u64::MAX, u64::MAX, &leaves[0], &[]), None);
}

#[test]
fn consistency_proofs_are_those_of_an_independent_tree() {
    for new in 1..70_u64 {
        let (leaves, tree) = (leaves(new), independent(new));
        for old in 1..new {
            let proof = consistency(&leaves, old);
            let theirs = tree.prove_consistency(usize::try_from(new - old).unwrap());
            assert_eq!(proof.concat(), theirs.as_bytes(), "{old} of {new}");
            let (old_root, new_root) = (root(&leaves[..usize::try_from(old).unwrap()]), root(&leaves));
            assert!(is_consistent((old, &old_root), (new, &new_root), &proof), "{old} of {new}");
            for wrong in [old - 1, old + 1] {
                assert!(!is_consistent((wrong, &old_root), (new, &new_root), &proof), "{wrong} for {old} of {new}");
            }
            assert!(!is_consistent((old, &new_root), (new, &new_root), &proof));
            assert!(!is_consistent((old, &old_root), (new, &old_root), &proof));
            for step in 0..proof.len() {
                let mut altered = proof.clone();
                altered[step][0] ^= 1;
                assert!(!is_consistent((old, &old_root), (new, &new_root), &altered));
                altered.remove(step);
                assert!(!is_consistent((old, &old_root), (new, &new_root), &altered));
            }
            let longer = [proof, vec![new_root]].concat();
            assert!(!is_consistent((old, &old_root), (new, &new_root), &longer));
        }
        let whole = root(&leaves);
        assert!(is_consistent((new, &whole), (new, &whole), &[]));
        assert!(!is_consistent((new, &whole), (new, &whole), &[whole]));
        assert!(!is_consistent((new, &whole), (new - 1, &whole), &[]));
    }
    assert!(Climb::of_beginning(0).is_none());
}

#[test]
fn what_is_beyond_the_leaves_has_no_path() {
    for climb in [Climb::of_leaves(vec![0, 3]), Climb::of_beginning(4).unwrap(), Climb::of_beginning(3).unwrap()] {
        let mut climb = climb;
        (0..2).for_each(|leaf| climb.push([leaf; 32]));
        assert_eq!(climb.size(), 2);
        assert!(climb.finish().is_none());
    }
    assert!(Climb::of_leaves(Vec::new()).finish().is_none());
}
