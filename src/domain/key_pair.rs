//! What the API says about a key pair, and when two observations show the same incarnation of it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The name of each region's default key pair, which is listed and deleted under rules of its own.
pub const DEFAULT_KEY_PAIR: &str = "LightsailDefaultKeyPair";

/// A key pair as one answer of the API described it. The API never returns the public key again, so this is evidence,
/// not a means to undo anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// The name, the only thing by which the API addresses it.
    pub name: String,
    /// arn, creation time and fingerprint.
    pub identity: Identity,
    /// Tags by key; a tag without a value has the empty text.
    pub tags: BTreeMap<String, String>,
}

/// What names one *incarnation* of a key pair: a re-created one has another `arn` and `created_at`.
///
/// A part that the API did not send is `None`, and equals only another `None`: what keybatch never saw proves nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// `arn:<partition>:lightsail:<region>:<account>:KeyPair/<uuid>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// When it was created: RFC 3339, UTC, milliseconds (see [`created_at_text`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// The fingerprint of the key material. Opaque: its format differs between sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

impl Identity {
    /// Whether both describe the same incarnation; `None` if the parts that both have do not decide it. One different part
    /// shows that they do not; to show that they do takes more than equal key material.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> Option<bool> {
        let parts =
            [(&self.arn, &other.arn), (&self.created_at, &other.created_at), (&self.fingerprint, &other.fingerprint)];
        if parts.iter().any(|(one, another)| one.is_some() && another.is_some() && one != another) {
            return Some(false);
        }
        // A part that identified the incarnation before must be there again.
        let named = |one: &Option<String>, another: &Option<String>| one.is_none() || another.is_some();
        let tells = self.is_known() && named(&self.arn, &other.arn) && named(&self.created_at, &other.created_at);
        tells.then_some(true)
    }

    /// Whether any part identifies the incarnation.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.arn.is_some() || self.created_at.is_some()
    }
}

/// An identity, and when it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// What was seen.
    #[serde(flatten)]
    pub identity: Identity,
    /// Tags by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// When that answer was received (RFC 3339, UTC).
    pub at: Timestamp,
}

/// What an earlier run knows of a name: the key pair that it was to delete, or that there was none.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Known {
    /// Whether that run was one of the same manifest.
    pub same_manifest: bool,
    /// Which key pair it saw; none if there was none.
    pub identity: Option<Identity>,
    /// The run's id.
    pub run: String,
    /// When it began.
    pub began_at: Timestamp,
}

/// A creation time as text: RFC 3339, UTC, *rounded to milliseconds*. The SDK reads the API's decimal seconds as a
/// binary fraction, which turns `.123` into `.122999`; rounding gives the milliseconds that the service sent.
#[must_use]
pub fn created_at_text(at: Timestamp) -> String {
    let half = SignedDuration::from_micros(500);
    let rounded = at.checked_add(half).unwrap_or(at);
    format!("{rounded:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_fraction_of_a_decimal_second_is_rounded_away() {
        let at = Timestamp::new(1_603_389_001, 122_999_906).unwrap();
        assert_eq!(created_at_text(at), "2020-10-22T17:50:01.123Z");
        assert_eq!(created_at_text(Timestamp::new(1_603_389_001, 0).unwrap()), "2020-10-22T17:50:01.000Z");
    }

    #[test]
    fn a_recreated_key_pair_with_the_same_material_is_another_one() {
        let old = Identity {
            arn: Some("arn:aws:lightsail:us-east-1:1:KeyPair/a".into()),
            created_at: None,
            fingerprint: Some("aa".into()),
        };
        let new = Identity { arn: Some("arn:aws:lightsail:us-east-1:1:KeyPair/b".into()), ..old.clone() };
        assert_eq!(old.same_as(&new), Some(false));
        assert_eq!(old.same_as(&old), Some(true));
    }

    #[test]
    fn a_part_that_is_missing_proves_nothing() {
        let whole = Identity {
            arn: Some("arn".into()),
            created_at: Some("2020-10-22T17:50:01.000Z".into()),
            fingerprint: Some("aa".into()),
        };
        assert_eq!(whole.same_as(&Identity { fingerprint: None, ..whole.clone() }), Some(true));
        assert_eq!(whole.same_as(&Identity { arn: None, ..whole.clone() }), None);
        assert_eq!(
            whole.same_as(&Identity { arn: None, fingerprint: Some("bb".into()), ..whole.clone() }),
            Some(false)
        );
        assert_eq!(Identity::default().same_as(&Identity::default()), None);
    }
}
