//! Makes proofs: the story of one row with the path of each of its entries, and that an older checkpoint is the beginning of a newer one.
//!
//! ```text
//!   story, session, plan, listing ──► what is to be proved ──one pass over the leaves──► Proof
//! ```
//!
//! The pass holds one page of leaves. It needs all leaves that the checkpoint covers, but no body except those that it proves: a journal
//! may be damaged elsewhere.

use std::collections::BTreeMap;

use crate::journal::{JournalError, Reader, RunRecord};
use crate::record::Entry;
use crate::record::checkpoint::{Checkpoint, base64};
use crate::record::event::Event;
use crate::record::merkle::{Climb, Hash, leaf_hash};
use crate::record::proof::{PROOF_SCHEMA, Proof, ProofCheckpoint, ProofConsistency, ProofEntry};

/// What a proof is to be under.
#[derive(Debug, Clone)]
pub struct Under {
    /// Of this journal.
    pub checkpoint: Checkpoint,
    /// The signature under it, armoured, if there is one.
    pub signature: Option<String>,
    /// An older checkpoint of this journal that is to be shown as its beginning.
    pub older: Option<Checkpoint>,
}

/// A proof, and what it could not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    /// The proof.
    pub proof: Proof,
    /// Numbers of entries of the story that the checkpoint does not cover.
    pub later: Vec<u64>,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The row has no entry yet.
    #[error("row {row} of the run has no intent yet, so there is nothing to prove")]
    NoIntent {
        /// The row.
        row: u64,
    },
    /// The checkpoint is older than the row.
    #[error("the checkpoint covers {size} entries, and the intent of the row is entry {intent}")]
    TooOld {
        /// Entries that it covers.
        size: u64,
        /// The number of the row's intent.
        intent: u64,
    },
    /// The journal has fewer entries than a checkpoint covers.
    #[error("the checkpoint covers {size} entries, and the journal has only {entries}: it was cut off, or put back")]
    Short {
        /// Entries that the checkpoint covers.
        size: u64,
        /// Entries that are there.
        entries: u64,
    },
    /// A leaf cannot be read.
    #[error("the leaf of entry {seq} cannot be read, and a proof under {size} entries needs it")]
    Stops {
        /// The entry.
        seq: u64,
        /// Entries that the checkpoint covers.
        size: u64,
        /// The store's error.
        #[source]
        source: JournalError,
    },
    /// An entry that is to be proved is not the one that was hashed.
    #[error("entry {seq} does not have the hash that was recorded with it")]
    Altered {
        /// Its number.
        seq: u64,
    },
    /// The entries are not those that the checkpoint saw.
    #[error("the first {size} entries have the root {found}, and the checkpoint has {expected}")]
    OtherRoot {
        /// Entries that it covers.
        size: u64,
        /// Its root.
        expected: String,
        /// That of the entries.
        found: String,
    },
}

/// Proves the story of a row.
///
/// # Errors
/// As [`ProveError`] says.
pub async fn prove_row(reader: &Reader, run: &RunRecord, row: u64, under: &Under) -> Result<Proved, ProveError> {
    let size = under.checkpoint.size;
    let (mut bodies, intent) = gather(reader, run, row).await?;
    if intent >= size {
        return Err(ProveError::TooOld { size, intent });
    }
    let later = bodies.split_off(&size).into_keys().collect();
    let mut proof = climb(reader, under, bodies).await?;
    (proof.run, proof.row) = (Some(run.number()), Some(row));
    Ok(Proved { proof, later })
}

/// Proves that the older checkpoint is the beginning of the newer one.
///
/// # Errors
/// As [`ProveError`] says.
pub async fn prove_consistency(reader: &Reader, under: &Under) -> Result<Proof, ProveError> {
    climb(reader, under, BTreeMap::new()).await
}

/// The bodies of a row's story and of the entries that these name, by number; and the number of the row's intent.
async fn gather(reader: &Reader, run: &RunRecord, row: u64) -> Result<(BTreeMap<u64, String>, u64), ProveError> {
    let mut bodies = BTreeMap::new();
    let story = reader.story(run.run_no, row).await?;
    let intent = story.first().map(|entry| entry.seq).ok_or(ProveError::NoIntent { row })?;
    let last = story.last().map_or(intent, |entry| entry.seq);
    let mut wanted = vec![0, run.number()];
    for entry in story {
        wanted.extend(names(&entry.body)?);
        bodies.insert(entry.seq, entry.body);
    }
    for kind in ["plan_sealed", "plan_approved", "run_started"] {
        wanted.extend(reader.milestones_of(run.run_no, kind).await?.iter().map(|entry| entry.seq));
    }
    // A row without an outcome counts as asked for once more from then on.
    let rollbacks = reader.accepted_rollbacks().await?;
    wanted.extend(rollbacks.iter().map(|entry| entry.seq).filter(|seq| (intent..last).contains(seq)));
    while let Some(seq) = wanted.pop() {
        if bodies.contains_key(&seq) {
            continue;
        }
        let stored = reader.stored(seq).await?;
        wanted.extend(names(&stored.body)?);
        bodies.insert(seq, stored.body);
    }
    Ok((bodies, intent))
}

/// Numbers of the entries that this one names.
fn names(body: &str) -> Result<Vec<u64>, ProveError> {
    let entry = Entry::parse(body).map_err(|error| JournalError::damaged(error.to_string()))?;
    let mut named: Vec<u64> = entry.session.into_iter().chain(entry.run).collect();
    match &entry.event {
        Event::IntentRecorded(intent) => named.extend(intent.page),
        Event::RowSettled(settled) => named.extend(&settled.rests_on),
        Event::RowResolved(told) => named.extend(&told.rests_on),
        _ => {}
    }
    Ok(named)
}

/// One pass over the leaves.
async fn climb(reader: &Reader, under: &Under, bodies: BTreeMap<u64, String>) -> Result<Proof, ProveError> {
    let Under { checkpoint, signature, older } = under;
    let size = checkpoint.size;
    let (entries, _) = reader.head().await?;
    if let Some(short) = [Some(checkpoint), older.as_ref()].into_iter().flatten().find(|one| one.size > entries) {
        return Err(ProveError::Short { size: short.size, entries });
    }
    let mut paths = Climb::of_leaves(bodies.keys().copied().collect());
    let mut beginning = older.as_ref().and_then(|older| Climb::of_beginning(older.size));
    while paths.size() < size {
        for leaf in leaves(reader, paths.size(), size).await? {
            paths.push(leaf);
            if let Some(beginning) = &mut beginning {
                beginning.push(leaf);
            }
        }
    }
    let missing = || ProveError::Journal(JournalError::damaged("an entry of the proof is beyond its checkpoint"));
    let (root, paths) = paths.finish().ok_or_else(missing)?;
    if root != checkpoint.root {
        return Err(ProveError::OtherRoot { size, expected: base64(&checkpoint.root), found: base64(&root) });
    }
    let mut proved = Vec::with_capacity(bodies.len());
    for ((seq, body), (_, leaf, path)) in bodies.into_iter().zip(paths) {
        if leaf_hash(body.as_bytes()) != leaf {
            return Err(ProveError::Altered { seq });
        }
        proved.push(ProofEntry { seq, body, path });
    }
    let consistency = match (older, beginning.and_then(Climb::finish_consistency)) {
        (Some(older), Some((_, hashes))) => vec![consistent(older, checkpoint, hashes)?],
        _ => Vec::new(),
    };
    let checkpoint = ProofCheckpoint { text: checkpoint.to_text(), signature: signature.clone() };
    Ok(Proof { schema: PROOF_SCHEMA.to_owned(), checkpoint, consistency, run: None, row: None, entries: proved })
}

fn consistent(older: &Checkpoint, newer: &Checkpoint, hashes: Vec<Hash>) -> Result<ProofConsistency, ProveError> {
    // Of the whole tree there is nothing to show.
    let hashes = if older.size == newer.size { Vec::new() } else { hashes };
    let consistency = ProofConsistency { size: older.size, root: older.root, hashes };
    if consistency.holds(newer) {
        return Ok(consistency);
    }
    let (expected, found) = (base64(&older.root), "another one".to_owned());
    Err(ProveError::OtherRoot { size: older.size, expected, found })
}

/// The next leaves; where there is one that cannot be read, which.
async fn leaves(reader: &Reader, from: u64, size: u64) -> Result<Vec<Hash>, ProveError> {
    match reader.leaves(from, size).await {
        Ok(leaves) => Ok(leaves),
        Err(error) => {
            // A page that is damaged anywhere cannot be read at all: one by one up to the place.
            let mut whole = Vec::new();
            let mut error = error;
            for seq in from..size {
                match reader.leaves(seq, seq + 1).await {
                    Ok(leaf) => whole.extend(leaf),
                    Err(found) => {
                        error = found;
                        break;
                    }
                }
            }
            let seq = from + whole.len() as u64;
            Err(ProveError::Stops { seq, size, source: error })
        }
    }
}
