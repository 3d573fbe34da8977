//! What is asked of a program because it cannot be verified here.

use jiff::Timestamp;

use super::signature::Signature;

/// Whether this person signed this text.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The text, byte for byte.
    pub text: &'a [u8],
    /// The signature.
    pub signature: &'a Signature,
    /// What it must have been signed for.
    pub namespace: &'a str,
    /// Who must have signed it.
    pub principal: &'a str,
    /// The list of signers: only lines that were understood, as they were given.
    pub signers: &'a str,
    /// When keys and certificates must be valid.
    pub at: Timestamp,
}

/// What the program says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// That person signed it.
    Good,
    /// That person did not, and why, as far as the program says.
    Bad(String),
    /// The program cannot be run, and why.
    Unavailable(String),
}

/// A program that verifies signatures: `ssh-keygen -Y verify`.
pub trait Program {
    /// Its answer.
    fn verify(&self, question: &Question<'_>) -> Answer;
}
