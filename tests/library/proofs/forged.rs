//! Proofs of every row of a journal, and forgeries of them, one of each kind at each place.

use std::path::Path;

use keybatch::journal::open;
use keybatch::record::checkpoint::Checkpoint;
use keybatch::record::merkle::{Climb, leaf_hash};
use keybatch::record::proof::Proof;
use keybatch::review::{ProveError, Under, prove_consistency, prove_row};
use keybatch::verify::ProofTrust;

/// The kind of a forgery, and the bytes of it.
pub(crate) type Forgery = (&'static str, Vec<u8>);

/// A proof of each row, and some that older checkpoints are the beginning.
pub(crate) async fn proofs(path: &Path, checkpoint: &Checkpoint) -> Vec<Proof> {
    let reader = open::reader(path).await.unwrap();
    let mut proofs = Vec::new();
    let mut under = Under { checkpoint: checkpoint.clone(), signature: None, older: None };
    for run in reader.runs().await.unwrap() {
        for row in 1..=run.rows {
            match prove_row(&reader, &run, row, &under).await {
                Ok(proved) => proofs.push(proved.proof),
                Err(ProveError::NoIntent { .. }) => {}
                Err(error) => panic!("row {row}: {error}"),
            }
        }
    }
    for size in [1, 2, 7, 32, checkpoint.size - 1, checkpoint.size] {
        let root = reader.root_at(size).await.unwrap().unwrap();
        under.older = Checkpoint::of(&checkpoint.journal_id, size, &root);
        proofs.push(prove_consistency(&reader, &under).await.unwrap());
    }
    reader.release().await;
    proofs
}

/// What somebody trusts of a proof who holds this checkpoint.
pub(crate) fn held(bytes: &[u8], checkpoint: &Checkpoint) -> ProofTrust {
    let own = Proof::read(bytes).ok().and_then(|proof| proof.checkpoint.read());
    let only_others = own.is_some_and(|own| own.journal_id != checkpoint.journal_id);
    let brought = if only_others { Vec::new() } else { vec![(checkpoint.size, checkpoint.root)] };
    ProofTrust { brought, only_others, ..ProofTrust::default() }
}

fn shorten(path: &mut Vec<[u8; 32]>) {
    path.truncate(path.len().saturating_sub(1));
}

fn bytes(proof: &Proof) -> Vec<u8> {
    proof.to_bytes().unwrap()
}

/// All of these are wrong for whoever holds the checkpoint, but `an entry left out`: a proof need not show everything.
pub(crate) fn forged(proofs: &[Proof]) -> Vec<Forgery> {
    let mut forged = Vec::new();
    for (index, proof) in proofs.iter().enumerate() {
        let mut add = |kind, change: &dyn Fn(&mut Proof)| {
            let mut changed = proof.clone();
            change(&mut changed);
            if changed != *proof {
                forged.push((kind, bytes(&changed)));
            }
        };
        add("a newer form", &|proof| proof.schema = "keybatch.proof/2".into());
        add("another checkpoint", &|proof| proof.checkpoint.text = proof.checkpoint.text.replacen("\n", "0\n", 1));
        add("another checkpoint", &|proof| proof.checkpoint.text += "\n");
        add("another row", &|proof| proof.row = proof.row.map(|row| row + 1));
        add("another row", &|proof| proof.row = None);
        add("another run", &|proof| proof.run = proof.run.map(|run| run + 1));
        add("nothing in it", &|proof| (proof.entries, proof.consistency) = (Vec::new(), Vec::new()));
        for older in 0..proof.consistency.len() {
            add("another beginning", &|proof| proof.consistency[older].size += 1);
            add("another beginning", &|proof| proof.consistency[older].root[3] ^= 1);
            add("another beginning", &|proof| proof.consistency[older].hashes.push([0; 32]));
            add("another beginning", &|proof| shorten(&mut proof.consistency[older].hashes));
            add("another beginning", &|proof| {
                proof.consistency[older].hashes.iter_mut().take(1).for_each(|hash| hash[9] ^= 4);
            });
        }
        for at in 0..proof.entries.len() {
            add("an entry left out", &|proof| drop(proof.entries.remove(at)));
            add("an entry twice", &|proof| proof.entries.insert(at, proof.entries[at].clone()));
            add("another number", &|proof| proof.entries[at].seq += 1);
            add("a path cut short", &|proof| shorten(&mut proof.entries[at].path));
            add("a path cut short", &|proof| proof.entries[at].path.push([7; 32]));
            add("another path", &|proof| proof.entries[at].path[at % 2][5] ^= 16);
            add("another body", &|proof| proof.entries[at].body = proof.entries[at].body.replacen(":", ": ", 1));
            if at > 0 {
                add("entries exchanged", &|proof| proof.entries.swap(at - 1, at));
                add("bodies exchanged", &|proof| {
                    let body = std::mem::take(&mut proof.entries[at].body);
                    proof.entries[at].body = std::mem::replace(&mut proof.entries[at - 1].body, body);
                });
                add("paths exchanged", &|proof| {
                    let path = std::mem::take(&mut proof.entries[at].path);
                    proof.entries[at].path = std::mem::replace(&mut proof.entries[at - 1].path, path);
                });
            }
        }
        // What is in the journal, and belongs to another row.
        let other = &proofs[(index + 1) % proofs.len()];
        for entry in
            other.entries.iter().filter(|entry| entry.body.contains("\"row\":") && !proof.entries.contains(entry))
        {
            add("an entry of another row", &|proof| {
                proof.entries.push(entry.clone());
                proof.entries.sort_by_key(|entry| entry.seq);
            });
        }
    }
    forged
}

/// Each byte of the smallest proof of a row changed in one bit.
pub(crate) fn bits(proofs: &[Proof]) -> Vec<Forgery> {
    let of_rows = proofs.iter().filter(|proof| proof.row.is_some()).map(bytes);
    let smallest = of_rows.min_by_key(Vec::len).unwrap();
    let flipped = |at: usize| {
        let mut changed = smallest.clone();
        changed[at] ^= 1 << (at % 8);
        ("a byte of a proof", changed)
    };
    (0..smallest.len()).map(flipped).collect()
}

/// Proofs under a checkpoint of their own making, by somebody who knows the format: one word of one of their bodies is another, and
/// so is everything above it.
pub(crate) fn made_anew(proofs: &[Proof], bodies: &[String]) -> Vec<Forgery> {
    const WORDS: [(&str, &str); 12] = [
        ("\"outcome\":\"failed\"", "\"outcome\":\"deleted\""),
        ("\"outcome\":\"gone\"", "\"outcome\":\"deleted\""),
        ("\"outcome\":\"in_doubt\"", "\"outcome\":\"absent\""),
        ("\"outcome\":\"skipped\"", "\"outcome\":\"deleted\""),
        ("\"outcome\":\"deleted\"", "\"outcome\":\"lost\""),
        ("\"evidence\":\"answer\"", "\"evidence\":\"hearsay\""),
        ("\"verdict\":\"delete\"", "\"verdict\":\"skip\""),
        ("\"attempt\":1", "\"attempt\":2"),
        ("\"class\":\"", "\"class\":\"not_"),
        ("\"rests_on\":[", "\"rests_on\":[1,"),
        ("\"kind\":\"row_settled\"", "\"kind\":\"row_sealed\""),
        ("\"v\":2", "\"v\":1"),
    ];
    let mut made = Vec::new();
    for proof in proofs.iter().filter(|proof| proof.row.is_some()) {
        // What a person says of a row may be anything that a person may say.
        for entry in proof.entries.iter().filter(|entry| !entry.body.contains("\"kind\":\"row_resolved\"")) {
            for (word, other) in WORDS.iter().filter(|(word, _)| entry.body.contains(word)) {
                let mut bodies = bodies.to_vec();
                let seq = usize::try_from(entry.seq).unwrap();
                bodies[seq] = bodies[seq].replacen(word, other, 1);
                made.push(("a word of a proof that was made anew", bytes(&anew(proof, &bodies))));
            }
        }
    }
    made
}

fn anew(proof: &Proof, bodies: &[String]) -> Proof {
    let mut proof = proof.clone();
    let mut climb = Climb::of_leaves(proof.entries.iter().map(|entry| entry.seq).collect());
    bodies.iter().for_each(|body| climb.push(leaf_hash(body.as_bytes())));
    let (root, paths) = climb.finish().unwrap();
    for (entry, (seq, _, path)) in proof.entries.iter_mut().zip(paths) {
        (entry.body, entry.path) = (bodies[usize::try_from(seq).unwrap()].clone(), path);
    }
    let own = proof.checkpoint.read().unwrap();
    proof.checkpoint.text = Checkpoint { size: bodies.len() as u64, root, ..own }.to_text();
    proof
}
