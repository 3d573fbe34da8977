//! What signs the checkpoints of a session.

use std::fmt;
use std::sync::Arc;

/// What signs checkpoints.
pub trait Signer: fmt::Debug + Send + Sync {
    /// The armoured signature over exactly this text, with the line feed at its end. It may take seconds.
    ///
    /// # Errors
    /// Why there is none, in one sentence.
    fn sign(&self, text: &str) -> Result<String, String>;
}

/// Which checkpoints of a session are signed, and by what.
#[derive(Debug, Clone)]
pub struct Signing {
    /// What signs them.
    pub signer: Arc<dyn Signer>,
    /// Whether those are signed, too, that are only due; else those of a sealed plan and of an end are.
    pub all: bool,
}
