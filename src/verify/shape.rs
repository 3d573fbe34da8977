//! Whether a field of an entry can be read, and the few texts in it that are looked at: the same as reading it, but nothing
//! else is kept, and nothing is copied. `verify` does this several times for each of millions of entries.
//!
//! A test has each of these agree with the type that it stands for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::domain::{self, Identity, SANDBOX_HEADER};
use crate::record::plan::{EXPECTED_FINGERPRINT, PlanObservation, Severity, Verdict};

/// A text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text;

/// A text that is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Str<'a>(pub(super) Cow<'a, str>);

impl<'a> Str<'a> {
    pub(super) fn of(text: Option<&'a String>) -> Option<Self> {
        text.map(|text| Self(Cow::Borrowed(text)))
    }
}

/// Texts by text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Texts;

/// Texts by text, of which those under some names are looked at.
#[derive(Debug, Clone, Default)]
pub(super) struct Named<'a>(pub(super) Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// The names that are looked at: headers of an answer, and cells that say which key pair is meant.
const LOOKED_AT: [&str; 6] =
    [HEADER_ERROR_TYPE, SANDBOX_HEADER, "arn", "created_at", "account_id", EXPECTED_FINGERPRINT];

/// The header that names an error.
pub(super) const HEADER_ERROR_TYPE: &str = "x-amzn-errortype";

impl Named<'_> {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, text)| &**text)
    }
}

impl<'a> From<&'a BTreeMap<String, String>> for Named<'a> {
    fn from(texts: &'a BTreeMap<String, String>) -> Self {
        let looked_at = texts.iter().filter(|(name, _)| LOOKED_AT.contains(&name.as_str()));
        Self(looked_at.map(|(name, text)| (Cow::Borrowed(&**name), Cow::Borrowed(&**text))).collect())
    }
}

/// As [`Operation`](crate::domain::Operation).
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Operation<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) resource_name: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) resource_type: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) created_at: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) availability_zone: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) region_name: Option<Str<'a>>,
    #[serde(default)]
    pub(super) is_terminal: Option<bool>,
    #[serde(borrow, default)]
    pub(super) operation_details: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) operation_type: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) status: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) status_changed_at: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) error_code: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) error_details: Option<Str<'a>>,
}

/// As [`ErrorText`](crate::domain::ErrorText).
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "some of it is only read")]
pub(super) struct ErrorText<'a> {
    #[serde(borrow, rename = "type", default)]
    pub(super) error_type: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) code: Option<Str<'a>>,
    #[serde(default)]
    message: Option<Text>,
    #[serde(default)]
    docs: Option<Text>,
    #[serde(default)]
    tip: Option<Text>,
}

/// As [`Note`](crate::record::plan::Note).
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "some of it is only read")]
pub(super) struct Note<'a> {
    pub(super) severity: Severity,
    #[serde(borrow, rename = "note")]
    pub(super) kind: Str<'a>,
    text: Text,
}

/// As [`PlanObservation`].
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "some of it is only read")]
pub(super) struct Observation<'a> {
    #[serde(borrow, default)]
    pub(super) arn: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) created_at: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) fingerprint: Option<Str<'a>>,
    #[serde(default)]
    tags: Texts,
}

/// As [`PlanRow`](crate::record::plan::PlanRow).
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "some of it is only read")]
pub(super) struct Line<'a> {
    pub(super) row: u64,
    pub(super) line: u64,
    #[serde(borrow)]
    pub(super) name: Str<'a>,
    #[serde(borrow)]
    pub(super) account: Str<'a>,
    #[serde(borrow)]
    pub(super) region: Str<'a>,
    #[serde(borrow, default)]
    pub(super) conditions: Named<'a>,
    #[serde(default)]
    reason: Option<Text>,
    #[serde(default)]
    ticket: Option<Text>,
    #[serde(borrow, default)]
    pub(super) observation: Option<Observation<'a>>,
    pub(super) verdict: Verdict,
    #[serde(borrow, default)]
    pub(super) notes: Vec<Note<'a>>,
    #[serde(default)]
    annotations: Texts,
}

/// As [`Today`](crate::record::event::Today).
#[derive(Debug, Deserialize)]
pub(super) struct Today<'a> {
    pub(super) verdict: Verdict,
    #[serde(borrow, default)]
    pub(super) notes: Vec<Note<'a>>,
    #[serde(borrow, default)]
    pub(super) observation: Option<Observation<'a>>,
}

#[cfg(test)]
impl<'a> Observation<'a> {
    /// A key pair of which these are known.
    pub(super) fn of([arn, created_at, fingerprint]: [Option<Str<'a>>; 3]) -> Self {
        Self { arn, created_at, fingerprint, tags: Texts }
    }
}

impl<'a> From<&'a domain::Observation> for Observation<'a> {
    fn from(seen: &'a domain::Observation) -> Self {
        let Identity { arn, created_at, fingerprint } = &seen.identity;
        let of = |text: &'a Option<String>| Str::of(text.as_ref());
        Self { arn: of(arn), created_at: of(created_at), fingerprint: of(fingerprint), tags: Texts }
    }
}

impl<'a> From<&'a PlanObservation> for Observation<'a> {
    fn from(seen: &'a PlanObservation) -> Self {
        let PlanObservation { arn, created_at, fingerprint, tags: _ } = seen;
        let of = |text: &'a Option<String>| Str::of(text.as_ref());
        Self { arn: of(arn), created_at: of(created_at), fingerprint: of(fingerprint), tags: Texts }
    }
}

impl<'a> From<&'a domain::Operation> for Operation<'a> {
    fn from(operation: &'a domain::Operation) -> Self {
        let of = |text: &'a Option<String>| Str::of(text.as_ref());
        Self {
            id: of(&operation.id),
            resource_name: of(&operation.resource_name),
            resource_type: of(&operation.resource_type),
            created_at: of(&operation.created_at),
            availability_zone: of(&operation.availability_zone),
            region_name: of(&operation.region_name),
            is_terminal: operation.is_terminal,
            operation_details: of(&operation.operation_details),
            operation_type: of(&operation.operation_type),
            status: of(&operation.status),
            status_changed_at: of(&operation.status_changed_at),
            error_code: of(&operation.error_code),
            error_details: of(&operation.error_details),
        }
    }
}

impl<'a> From<&'a domain::ErrorText> for ErrorText<'a> {
    fn from(error: &'a domain::ErrorText) -> Self {
        let (error_type, code) = (Str::of(error.error_type.as_ref()), Str::of(error.code.as_ref()));
        Self { error_type, code, message: None, docs: None, tip: None }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyStr;
        impl<'de> Visitor<'de> for AnyStr {
            type Value = Str<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Str(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Str(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(AnyStr)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Named<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyNamed;
        impl<'de> Visitor<'de> for AnyNamed {
            type Value = Named<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut named = Named::default();
                while let Some(Str(name)) = map.next_key()? {
                    if LOOKED_AT.contains(&&*name) {
                        let Str(text) = map.next_value()?;
                        named.0.push((name, text));
                    } else {
                        map.next_value::<Text>()?;
                    }
                }
                Ok(named)
            }
        }
        deserializer.deserialize_map(AnyNamed)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyText;
        impl Visitor<'_> for AnyText {
            type Value = Text;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text")
            }

            fn visit_str<E>(self, _: &str) -> Result<Text, E> {
                Ok(Text)
            }
        }
        deserializer.deserialize_str(AnyText)
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyTexts;
        impl<'de> Visitor<'de> for AnyTexts {
            type Value = Texts;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
                while map.next_entry::<Text, Text>()?.is_some() {}
                Ok(Texts)
            }
        }
        deserializer.deserialize_map(AnyTexts)
    }
}

#[cfg(test)]
mod tests;
