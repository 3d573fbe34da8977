//! What is derived and never stored: ids, ARNs, fingerprints and creation times, all from the world's seed.
//!
//! Promise: the same seed, region, name and birth give the same identity on every machine and in every session, so that
//! a reopened world is the same world and a generated key pair needs no memory of its own. Nothing here can be mistaken
//! for AWS: the partition is `aws-sandbox` and the account is zeros.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// The only account in a sandbox.
pub(super) const ACCOUNT: &str = "000000000000";

/// The only caller in a sandbox.
pub(super) const CALLER_ARN: &str = "arn:aws-sandbox:sts::000000000000:assumed-role/keybatch-sandbox/rehearsal";

/// The earliest creation time, 2020-09-13T12:26:40Z, in microseconds.
const FIRST_BIRTHDAY_US: u64 = 1_600_000_000_000_000;
/// Creation times spread over about 3.2 years, and lie in the past of any machine that can build this.
const BIRTHDAY_SPAN_MS: u64 = 100_000_000_000;

/// The identity of one incarnation of a name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity([u8; 32]);

impl Identity {
    /// `born` distinguishes incarnations of one name: 0 for the world's own, else the number of the request that created it.
    pub(super) fn of(seed: u64, region: &str, name: &str, born: u64) -> Self {
        Self(digest(seed, &[b"key pair", region.as_bytes(), name.as_bytes(), &born.to_be_bytes()]))
    }

    pub(super) fn arn(&self, region: &str) -> String {
        arn(region, "KeyPair", uuid_of(&self.0))
    }

    pub(super) fn fingerprint(&self) -> String {
        fingerprint_of(&self.0)
    }

    /// Microseconds since 1970, whole milliseconds (the service knows no finer ones).
    pub(super) fn created_at_us(&self) -> u64 {
        FIRST_BIRTHDAY_US + (leading_u64(&self.0) % BIRTHDAY_SPAN_MS) * 1_000
    }
}

/// The fingerprint of imported key material: the same material has the same fingerprint, whatever its name.
pub(super) fn fingerprint_of_material(material: &str) -> String {
    fingerprint_of(&digest(0, &[b"material", material.as_bytes()]))
}

/// The ARN of an instance.
pub(super) fn instance_arn(seed: u64, region: &str, name: &str) -> String {
    arn(region, "Instance", uuid_of(&digest(seed, &[b"instance", region.as_bytes(), name.as_bytes()])))
}

/// The id of the request with this number.
pub(super) fn request_id(seed: u64, seq: u64) -> String {
    uuid_of(&digest(seed, &[b"request", &seq.to_be_bytes()])).hyphenated().to_string()
}

/// The id of the operation with this number. Its last twelve digits are the number, so that it can be found without a
/// table of ids.
pub(super) fn operation_id(seed: u64, number: u64) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest(seed, &[b"operation", &number.to_be_bytes()])[..16]);
    bytes[10..].copy_from_slice(&number.to_be_bytes()[2..]);
    Builder::from_random_bytes(bytes).into_uuid().hyphenated().to_string()
}

/// The number in an operation's id, if this world could have issued that id.
pub(super) fn operation_number(seed: u64, id: &str) -> Option<u64> {
    let bytes = Uuid::try_parse(id).ok()?.into_bytes();
    let number = bytes[10..].iter().fold(0, |number, byte| (number << 8) | u64::from(*byte));
    (operation_id(seed, number) == id).then_some(number)
}

/// Identifies the caller without keeping the access key id itself, which may be a real one.
pub(super) fn caller_digest(access_key_id: &str) -> String {
    hex(&digest(0, &[b"caller", access_key_id.as_bytes()])[..4])
}

/// A number in `0..=span` that depends on the request alone.
pub(super) fn jitter(seed: u64, seq: u64, span: u64) -> u64 {
    leading_u64(&digest(seed, &[b"jitter", &seq.to_be_bytes()])) % (span.saturating_add(1).max(1))
}

/// Lower case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn arn(region: &str, kind: &str, id: Uuid) -> String {
    format!("arn:aws-sandbox:lightsail:{region}:{ACCOUNT}:{kind}/{}", id.hyphenated())
}

fn uuid_of(digest: &[u8; 32]) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Builder::from_random_bytes(bytes).into_uuid()
}

fn fingerprint_of(digest: &[u8; 32]) -> String {
    let mut text = String::with_capacity(59);
    for (index, byte) in digest[12..].iter().enumerate() {
        let _ = write!(text, "{}{byte:02x}", if index == 0 { "" } else { ":" });
    }
    text
}

fn leading_u64(digest: &[u8; 32]) -> u64 {
    digest[..8].iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

fn digest(seed: u64, parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_stable_and_its_incarnations_differ() {
        let first = Identity::of(7, "us-east-1", "a-key", 0);
        let again = Identity::of(7, "us-east-1", "a-key", 0);
        let reborn = Identity::of(7, "us-east-1", "a-key", 12);
        assert_eq!(first.arn("us-east-1"), again.arn("us-east-1"));
        assert_ne!(first.arn("us-east-1"), reborn.arn("us-east-1"));
        assert_ne!(first.fingerprint(), reborn.fingerprint());
        assert!(first.arn("us-east-1").starts_with("arn:aws-sandbox:lightsail:us-east-1:000000000000:KeyPair/"));
        assert_eq!(first.fingerprint().split(':').count(), 20);
        assert_eq!(first.created_at_us() % 1_000, 0);
    }

    #[test]
    fn an_operation_id_gives_its_number_back_and_a_foreign_one_does_not() {
        let id = operation_id(7, 123_456);
        assert_eq!(operation_number(7, &id), Some(123_456));
        assert_eq!(operation_number(8, &id), None);
        assert_eq!(operation_number(7, "b2e1b9a0-1d5c-4f57-8a7e-0a1b2c3d4e5f"), None);
        assert_eq!(operation_number(7, "no id"), None);
    }
}
