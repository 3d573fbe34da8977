//! The key that signs the checkpoints of a session.

use std::path::Path;

use super::CliError;
use super::keygen::{Asking, SigningKey, sign};
use crate::record::approval::CHECKPOINT_NAMESPACE;
use crate::session::signing::Signer;

/// What the trial signature is made for: it can be taken for nothing else.
const TRIAL_NAMESPACE: &str = "trial@keybatch";

/// The key that signs the checkpoints of a session.
#[derive(Debug, Clone)]
pub(super) struct CheckpointKey {
    key: SigningKey,
    /// As `ssh-keygen -l` prints it.
    pub(super) fingerprint: String,
}

impl CheckpointKey {
    /// The key in `file`, once it has signed something: better before a session than in its midst.
    ///
    /// # Errors
    /// Where it cannot sign without asking a person.
    pub(super) fn tried(file: &Path) -> Result<Self, CliError> {
        let key = SigningKey { file: file.to_owned(), agent: false };
        let trial = sign(&key, TRIAL_NAMESPACE, b"trial\n", Asking::Nobody)?;
        Ok(Self { key, fingerprint: trial.key().fingerprint() })
    }
}

impl Signer for CheckpointKey {
    fn sign(&self, text: &str) -> Result<String, String> {
        let signed = sign(&self.key, CHECKPOINT_NAMESPACE, text.as_bytes(), Asking::Nobody);
        match signed {
            Ok(signature) => Ok(signature.to_armour()),
            Err(error) => Err([vec![error.message], error.causes].concat().join(": ")),
        }
    }
}
