//! What is derived and never stored: ids, ARNs, fingerprints and creation times, all from the world's seed.
//!
//! Promise: the same seed, region, name and birth give the same identity on every machine and in every session, so that
//! a reopened world is the same world and a generated key pair needs no memory of its own. Nothing here can be mistaken
//! for AWS: the partition is `aws-sandbox`.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// The account of a world that names no other.
pub(super) const ACCOUNT: &str = "000000000000";

/// The ARN of whoever acts in an account, if the world does not say who it is.
pub(super) fn caller_arn(account: &str) -> String {
    format!("arn:aws-sandbox:sts::{account}:assumed-role/keybatch-sandbox/rehearsal")
}

/// The ARN of an IAM user.
pub(super) fn user_arn(account: &str, user: &str) -> String {
    format!("arn:aws-sandbox:iam::{account}:user/{user}")
}

/// The ARN of a session of a role.
pub(super) fn session_arn(account: &str, role: &str, session: &str) -> String {
    format!("arn:aws-sandbox:sts::{account}:assumed-role/{role}/{session}")
}

/// The access key id that every world knows for this account.
pub(super) fn own_access_key(account: &str) -> String {
    format!("SANDBOX{account}")
}

/// The seed of an account's key pairs: names that several accounts have are different key pairs.
pub(super) fn account_seed(seed: u64, account: &str) -> u64 {
    if account == ACCOUNT { seed } else { leading_u64(&digest(seed, &[b"account", account.as_bytes()])) }
}

/// The credentials that the request with this number gets from AssumeRole: access key id, secret, session token. Nothing
/// in them can be mistaken for those of AWS.
pub(super) fn role_credentials(seed: u64, seq: u64) -> [String; 3] {
    let digits = hex(&digest(seed, &[b"role session", &seq.to_be_bytes()]));
    let (id, rest) = digits.split_at(16);
    let (secret, token) = rest.split_at(16);
    [
        format!("SANDBOXROLE{}", id.to_uppercase()),
        format!("sandbox-no-secret-{secret}"),
        format!("sandbox-session-{token}"),
    ]
}

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

    pub(super) fn arn(&self, account: &str, region: &str) -> String {
        arn(account, region, "KeyPair", uuid_of(&self.0))
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
pub(super) fn instance_arn(seed: u64, account: &str, region: &str, name: &str) -> String {
    arn(account, region, "Instance", uuid_of(&digest(seed, &[b"instance", region.as_bytes(), name.as_bytes()])))
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

/// Identifies the caller, or a session token, without keeping it, since it may be a real one.
pub(super) fn caller_digest(access_key_id: &str) -> String {
    hex(&digest(0, &[b"caller", access_key_id.as_bytes()])[..4])
}

/// An id that depends on the seed, a word and these bytes alone.
pub(super) fn digest_of(seed: u64, what: &str, bytes: &[u8]) -> String {
    uuid_of(&digest(seed, &[what.as_bytes(), bytes])).hyphenated().to_string()
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

fn arn(account: &str, region: &str, kind: &str, id: Uuid) -> String {
    format!("arn:aws-sandbox:lightsail:{region}:{account}:{kind}/{}", id.hyphenated())
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
        assert_eq!(first.arn(ACCOUNT, "us-east-1"), again.arn(ACCOUNT, "us-east-1"));
        assert_ne!(first.arn(ACCOUNT, "us-east-1"), reborn.arn(ACCOUNT, "us-east-1"));
        assert_ne!(first.fingerprint(), reborn.fingerprint());
        assert!(
            first.arn(ACCOUNT, "us-east-1").starts_with("arn:aws-sandbox:lightsail:us-east-1:000000000000:KeyPair/")
        );
        assert_eq!(account_seed(7, ACCOUNT), 7);
        assert_ne!(account_seed(7, "111122223333"), account_seed(7, "444455556666"));
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
