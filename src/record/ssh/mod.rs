//! Signatures that `ssh-keygen -Y sign` makes (SSHSIG), and the lists of who may sign (ALLOWED SIGNERS in ssh-keygen(1)).
//!
//! ```text
//!   armour ──► Signature ──verify(namespace, text)──► Verified | Bad | NeedsProgram
//!   allowed_signers ──► Signers ──allows(principal, key, namespace, time)──► yes, or why not
//! ```
//!
//! A signature says that a key signed a text. Only a list of signers, which the reviewer brings, says whose key that is.
//! What cannot be verified here (certificates, rare keys) is a [`Question`] to a program.

mod key;
mod pattern;
mod program;
mod signature;
mod signers;
mod wire;

pub use key::PublicKey;
pub use program::{Answer, Program, Question};
pub use signature::{Bad, NeedsProgram, Signature, SignatureError, Verification};
pub use signers::{NotAllowed, SignerFault, Signers};

#[cfg(test)]
pub(crate) mod tests;
