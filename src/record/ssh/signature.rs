//! One signature: its armour, what is in it, and whether it holds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ssh_key::SshSig;

use super::key::PublicKey;
use super::wire::Wire;

/// The armour's first and last line.
const ARMOUR: (&str, &str) = ("-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----");

/// The width of lines that every reader takes.
const WIDTH: usize = 70;

/// Longer than the armour of any signature with any certificate that is in use.
const MAX_ARMOUR_BYTES: usize = 64 * 1024;

/// The only version there is.
const VERSION: u32 = 1;

/// The RSA keys that can be verified here, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=4_096;

/// A signature as it was read. Whether it holds is another question: see [`Signature::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    bytes: Vec<u8>,
    key: PublicKey,
    namespace: String,
    algorithm: String,
}

/// A text that is no signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum SignatureError {
    #[error("it has no line {}", ARMOUR.0)]
    NoBegin,
    #[error("it has no line {}: its end is missing", ARMOUR.1)]
    NoEnd,
    #[error("it is longer than any signature")]
    TooLong,
    #[error("what is between its first and its last line is not base64")]
    NotBase64,
    #[error("it is not in the form of an SSH signature, or is cut short")]
    Form,
    #[error("it has version {0}, and only version 1 is known")]
    Version(u32),
    #[error("its key cannot be read")]
    Key,
    #[error("it names no namespace")]
    NoNamespace,
    #[error("its reserved field is not empty")]
    Reserved,
    #[error("it uses the hash {0:?}, and only sha256 and sha512 are known")]
    Hash(String),
}

/// Whether a signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// Its key signed that text for that namespace.
    Verified,
    /// It did not.
    Bad(Bad),
    /// Only `ssh-keygen` can say.
    NeedsProgram(NeedsProgram),
}

/// Why a signature does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Bad {
    #[error("it was made for {found:?}, not for {expected:?}")]
    Namespace { expected: String, found: String },
    #[error("its key did not sign this text: the text or the signature was changed, or it is for another text")]
    Text,
}

/// Why only `ssh-keygen` can say whether a signature holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum NeedsProgram {
    #[error("it was made with a certificate")]
    Certificate,
    #[error("it was made with an RSA key of {0} bits")]
    RsaBits(usize),
    #[error("its key or algorithm is of a kind that keybatch does not know: {0}")]
    Kind(String),
}

impl Signature {
    /// Reads the first signature in `text`: lines of any width, with or without carriage returns, and any text around it.
    ///
    /// # Errors
    /// Where there is none, or none that is well formed.
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        let begin = text.find(ARMOUR.0).ok_or(SignatureError::NoBegin)? + ARMOUR.0.len();
        let length = text[begin..].find(ARMOUR.1).ok_or(SignatureError::NoEnd)?;
        if length > MAX_ARMOUR_BYTES {
            return Err(SignatureError::TooLong);
        }
        let body: String = text[begin..begin + length].chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let bytes = STANDARD.decode(body).map_err(|_| SignatureError::NotBase64)?;
        Self::from_bytes(bytes)
    }

    fn from_bytes(bytes: Vec<u8>) -> Result<Self, SignatureError> {
        let form = SignatureError::Form;
        let mut wire = Wire::new(&bytes);
        if wire.take(6) != Some(b"SSHSIG") {
            return Err(form);
        }
        let version = wire.number().ok_or(form.clone())?;
        if version != VERSION {
            return Err(SignatureError::Version(version));
        }
        let key = PublicKey::from_wire(wire.bytes().ok_or(form.clone())?).ok_or(SignatureError::Key)?;
        let namespace = wire.text().ok_or(form.clone())?.to_owned();
        if namespace.is_empty() {
            return Err(SignatureError::NoNamespace);
        }
        if !wire.bytes().ok_or(form.clone())?.is_empty() {
            return Err(SignatureError::Reserved);
        }
        let hash = wire.text().ok_or(form.clone())?;
        if !["sha256", "sha512"].contains(&hash) {
            return Err(SignatureError::Hash(hash.to_owned()));
        }
        let algorithm = Wire::new(wire.bytes().ok_or(form.clone())?).text().ok_or(form.clone())?.to_owned();
        if !wire.is_over() {
            return Err(form);
        }
        Ok(Self { key, namespace, algorithm, bytes })
    }

    /// The key or the certificate that it was made with, as the signature itself says.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// What it was made for, e.g. `plan@keybatch`.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The armour that every reader takes: lines of 70 characters, and nothing around it.
    #[must_use]
    pub fn to_armour(&self) -> String {
        let body = STANDARD.encode(&self.bytes);
        let mut text = format!("{}\n", ARMOUR.0);
        let mut rest = body.as_str();
        while !rest.is_empty() {
            let (line, next) = rest.split_at(rest.len().min(WIDTH));
            text += line;
            text.push('\n');
            rest = next;
        }
        text + ARMOUR.1 + "\n"
    }

    /// Whether its key signed these bytes for that namespace.
    #[must_use]
    pub fn verify(&self, namespace: &str, text: &[u8]) -> Verification {
        if self.namespace != namespace {
            let (expected, found) = (namespace.to_owned(), self.namespace.clone());
            return Verification::Bad(Bad::Namespace { expected, found });
        }
        if let Some(why) = self.needs_program() {
            return Verification::NeedsProgram(why);
        }
        // Where this form is too narrow for a signature, the program decides.
        let Ok(signature) = SshSig::from_pem(self.to_armour()) else {
            return Verification::NeedsProgram(NeedsProgram::Kind(self.algorithm.clone()));
        };
        let key = ssh_key::PublicKey::from(signature.public_key().clone());
        match key.verify(namespace, text, &signature) {
            Ok(()) => Verification::Verified,
            Err(_) => Verification::Bad(Bad::Text),
        }
    }

    fn needs_program(&self) -> Option<NeedsProgram> {
        if self.key.is_certificate() {
            return Some(NeedsProgram::Certificate);
        }
        let known = match self.key.kind() {
            "ssh-rsa" => {
                let bits = self.key.rsa_bits().unwrap_or_default();
                if !RSA_BITS.contains(&bits) {
                    return Some(NeedsProgram::RsaBits(bits));
                }
                ["rsa-sha2-256", "rsa-sha2-512"].contains(&self.algorithm.as_str())
            }
            "ssh-ed25519"
            | "sk-ssh-ed25519@openssh.com"
            | "ecdsa-sha2-nistp256"
            | "ecdsa-sha2-nistp384"
            | "ecdsa-sha2-nistp521"
            | "sk-ecdsa-sha2-nistp256@openssh.com" => self.algorithm == self.key.kind(),
            _ => false,
        };
        (!known).then(|| NeedsProgram::Kind(format!("{} ({})", self.key.kind(), self.algorithm)))
    }
}

#[cfg(test)]
mod tests;
