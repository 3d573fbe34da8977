//! A proof: that entries are in a journal under a checkpoint, in a file that needs no journal. Canonical JSON and a line feed.
//!
//! ```text
//!   checkpoint (text, signature)   entries (seq, body, path) ──leaf, path──► its root
//!                                  consistency (size, root, hashes) ───────► an older checkpoint is the beginning of it
//! ```
//!
//! There is one way to write a proof, so a file that differs in one byte is another proof, or none.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::canonical;
use super::checkpoint::{Checkpoint, base64};
use super::merkle::{Hash, is_consistent, leaf_hash, root_by_path};

/// The form of a proof.
pub const PROOF_SCHEMA: &str = "keybatch.proof/1";

/// The longest proof that is read or written, in bytes. The answers of a row that was asked for a hundred times, each with the
/// longest body that is kept, have a quarter of it.
pub const MAX_PROOF_BYTES: u64 = 64 * 1024 * 1024;

/// A proof. With `run` and `row`, the entries are the story of that row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// [`PROOF_SCHEMA`].
    pub schema: String,
    /// What the paths lead to.
    pub checkpoint: ProofCheckpoint,
    /// Older checkpoints of the same journal that are shown to be its beginning, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consistency: Vec<ProofConsistency>,
    /// The number of the run's first entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u64>,
    /// The row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// Entries, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<ProofEntry>,
}

/// The checkpoint of a proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofCheckpoint {
    /// Its three lines.
    pub text: String,
    /// The signature over exactly these lines, armoured, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// That an older checkpoint covers the beginning of what the proof's covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofConsistency {
    /// Entries that the older one covers.
    pub size: u64,
    /// Their root.
    #[serde(with = "one_hash")]
    pub root: Hash,
    /// As in RFC 6962, 2.1.2.
    #[serde(with = "hashes")]
    pub hashes: Vec<Hash>,
}

/// An entry, and where it is in the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofEntry {
    /// Its number.
    pub seq: u64,
    /// Its body, byte for byte.
    pub body: String,
    /// Its path, from below, as in RFC 6962, 2.1.1.
    #[serde(with = "hashes")]
    pub path: Vec<Hash>,
}

/// Bytes that are no proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofFault {
    /// They are something else.
    #[error("this is no proof: {0}")]
    NotOne(String),
    /// They are one of a later form.
    #[error("the proof has the form {0:?}, which this keybatch does not know")]
    Newer(String),
    /// A proof that says the same has other bytes.
    #[error("the bytes of the proof are not those that keybatch writes for what it says")]
    NotCanonical,
}

/// What tells a proof from any other file.
#[derive(Deserialize)]
struct Schema {
    schema: String,
}

impl Proof {
    /// Reads a proof, and nothing but one.
    ///
    /// # Errors
    /// As [`ProofFault`] says.
    pub fn read(bytes: &[u8]) -> Result<Self, ProofFault> {
        let not_one = |error: serde_json::Error| ProofFault::NotOne(error.to_string());
        let Schema { schema } = serde_json::from_slice(bytes).map_err(not_one)?;
        if schema != PROOF_SCHEMA {
            let newer = schema.starts_with("keybatch.proof/");
            let schema: String = schema.chars().take(64).collect();
            return Err(if newer {
                ProofFault::Newer(schema)
            } else {
                ProofFault::NotOne(format!("it is {schema:?}"))
            });
        }
        let proof: Self = serde_json::from_slice(bytes).map_err(not_one)?;
        match proof.to_bytes() {
            Some(written) if written == bytes => Ok(proof),
            _ => Err(ProofFault::NotCanonical),
        }
    }

    /// The bytes of its file; none where a number is too large to be written.
    #[must_use]
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let mut text = canonical::of(self).ok()?;
        text.push('\n');
        Some(text.into_bytes())
    }
}

impl ProofCheckpoint {
    /// The checkpoint, if its text is exactly one that covers entries.
    #[must_use]
    pub fn read(&self) -> Option<Checkpoint> {
        let checkpoint = Checkpoint::parse_last(&self.text).ok()?;
        (checkpoint.size > 0 && checkpoint.to_text() == self.text).then_some(checkpoint)
    }
}

impl ProofConsistency {
    /// Whether it shows that the older checkpoint is the beginning of this one.
    #[must_use]
    pub fn holds(&self, checkpoint: &Checkpoint) -> bool {
        is_consistent((self.size, &self.root), (checkpoint.size, &checkpoint.root), &self.hashes)
    }
}

impl ProofEntry {
    /// The root of a tree of `size` entries to which its path leads from its body; none where no entry of that number has a path of
    /// that length.
    #[must_use]
    pub fn root(&self, size: u64) -> Option<Hash> {
        root_by_path(self.seq, size, &leaf_hash(self.body.as_bytes()), &self.path)
    }
}

/// Whether a file that begins with these bytes is meant to be a proof: no other file of keybatch begins so.
#[must_use]
pub fn looks_like_a_proof(beginning: &[u8]) -> bool {
    beginning.starts_with(b"{\"checkpoint\":{")
}

fn decoded<E: serde::de::Error>(text: &str) -> Result<Hash, E> {
    let bytes = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| E::custom("a hash is 32 bytes in base64"))
}

mod one_hash {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::{Hash, base64, decoded};

    pub(super) fn serialize<S: Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64(hash))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        decoded(&String::deserialize(deserializer)?)
    }
}

mod hashes {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::{Hash, base64, decoded};

    pub(super) fn serialize<S: Serializer>(hashes: &[Hash], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(hashes.iter().map(base64))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Hash>, D::Error> {
        Vec::<String>::deserialize(deserializer)?.iter().map(|text| decoded(text)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof() -> Proof {
        let text = Checkpoint { journal_id: "j".into(), size: 1, root: leaf_hash(b"{}") }.to_text();
        Proof {
            schema: PROOF_SCHEMA.into(),
            checkpoint: ProofCheckpoint { text, signature: None },
            consistency: Vec::new(),
            run: None,
            row: None,
            entries: vec![ProofEntry { seq: 0, body: "{}".into(), path: Vec::new() }],
        }
    }

    #[test]
    fn a_proof_has_one_form() {
        let proof = proof();
        let bytes = proof.to_bytes().unwrap();
        assert!(looks_like_a_proof(&bytes));
        assert_eq!(Proof::read(&bytes), Ok(proof.clone()));
        let checkpoint = proof.checkpoint.read().unwrap();
        assert_eq!(proof.entries[0].root(checkpoint.size), Some(checkpoint.root));
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut altered = bytes.clone();
                altered[at] ^= 1 << bit;
                let Ok(read) = Proof::read(&altered) else { continue };
                assert_ne!(read, proof, "byte {at}, bit {bit}");
                let known = read
                    .checkpoint
                    .read()
                    .is_some_and(|found| found == checkpoint && read.entries[0].root(found.size) == Some(found.root));
                assert!(!known, "byte {at}, bit {bit}: {}", String::from_utf8_lossy(&altered));
            }
        }
        let longer = [&bytes[..], b"\n"].concat();
        assert_eq!(Proof::read(&longer), Err(ProofFault::NotCanonical));
        assert_eq!(Proof::read(&bytes[..bytes.len() - 1]), Err(ProofFault::NotCanonical));
        assert!(matches!(Proof::read(b""), Err(ProofFault::NotOne(_))));
        assert!(matches!(Proof::read(b"{\"schema\":\"keybatch.proof/2\"}"), Err(ProofFault::Newer(_))));
        assert!(matches!(Proof::read(b"{\"schema\":\"keybatch.plan/1\"}"), Err(ProofFault::NotOne(_))));
    }

    #[test]
    fn a_checkpoint_of_a_proof_is_exactly_one() {
        let of = |text: String| ProofCheckpoint { text, signature: None }.read();
        let good = proof().checkpoint.text;
        assert!(of(good.clone()).is_some());
        for bad in
            [good.trim_end().to_owned(), format!("{good}\n"), format!("x\n{good}"), good.replace("\n1\n", "\n0\n")]
        {
            assert_eq!(of(bad.clone()), None, "{bad:?}");
        }
    }
}
