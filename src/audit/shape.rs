//! Whether a field of an entry can be read, where what is in it is not looked at: the same as reading it, but nothing is
//! kept. `verify` does this several times for each of millions of entries.
//!
//! A test has each of these agree with the type that it stands for.

use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::domain::Cause;
use crate::journal::event::Severity;

/// A text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text;

/// Texts by text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Texts;

/// As [`Operation`](crate::domain::Operation).
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "it is only read")]
pub(super) struct Operation {
    #[serde(default)]
    id: Option<Text>,
    #[serde(default)]
    resource_name: Option<Text>,
    #[serde(default)]
    resource_type: Option<Text>,
    #[serde(default)]
    created_at: Option<Text>,
    #[serde(default)]
    availability_zone: Option<Text>,
    #[serde(default)]
    region_name: Option<Text>,
    #[serde(default)]
    is_terminal: Option<bool>,
    #[serde(default)]
    operation_details: Option<Text>,
    #[serde(default)]
    operation_type: Option<Text>,
    #[serde(default)]
    status: Option<Text>,
    #[serde(default)]
    status_changed_at: Option<Text>,
    #[serde(default)]
    error_code: Option<Text>,
    #[serde(default)]
    error_details: Option<Text>,
}

/// As [`ApiError`](crate::domain::ApiError).
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "it is only read")]
pub(super) struct ApiError {
    cause: Cause,
    #[serde(rename = "type", default)]
    error_type: Option<Text>,
    #[serde(default)]
    code: Option<Text>,
    #[serde(default)]
    message: Option<Text>,
    #[serde(default)]
    docs: Option<Text>,
    #[serde(default)]
    tip: Option<Text>,
}

/// As [`Note`](crate::journal::event::Note).
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "it is only read")]
pub(super) struct Note {
    severity: Severity,
    note: Text,
    text: Text,
}

/// As [`Observation`](crate::domain::Observation), which is made of two structs and must therefore be an object.
#[derive(Debug)]
pub(super) struct Observation;

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "it is only read")]
struct ObservationFields {
    #[serde(default)]
    arn: Option<Text>,
    #[serde(default)]
    created_at: Option<Text>,
    #[serde(default)]
    fingerprint: Option<Text>,
    #[serde(default)]
    tags: Texts,
    at: Timestamp,
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

impl<'de> Deserialize<'de> for Observation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyObservation;
        impl<'de> Visitor<'de> for AnyObservation {
            type Value = Observation;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an observation")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Observation, A::Error> {
                ObservationFields::deserialize(MapAccessDeserializer::new(map)).map(|_| Observation)
            }
        }
        deserializer.deserialize_map(AnyObservation)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;
    use crate::domain;
    use crate::journal::event;

    /// Values of each kind, and some that are read as something else than their kind.
    fn values() -> Vec<Value> {
        let mut values =
            vec![json!(null), json!(true), json!(0), json!(7), json!({}), json!([]), json!(["x"]), json!({"x": "y"})];
        let texts = [
            "",
            "x",
            "a\"b\\c\u{0}é",
            "skip",
            "throttled",
            "2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00.000001Z",
            "2026-13-01",
        ];
        values.extend(texts.map(Value::from));
        values.extend([json!({"x": 1}), json!({"x": null}), json!([["x", "y"]])]);
        values
    }

    /// Both read the same of what is like `whole`, which has all fields.
    fn agree<T: DeserializeOwned, S: DeserializeOwned>(whole: &Value) {
        let Value::Object(fields) = whole else { panic!("no object: {whole}") };
        let mut cases = values();
        cases.push(whole.clone());
        // As a sequence of its fields.
        cases.push(fields.values().cloned().collect());
        for name in fields.keys() {
            let mut without = fields.clone();
            without.remove(name);
            cases.push(without.clone().into());
            cases.extend(values().into_iter().map(|value| {
                let mut with = without.clone();
                with.insert(name.clone(), value);
                Value::Object(with)
            }));
        }
        let mut more = fields.clone();
        more.insert("zzz".into(), json!([1]));
        cases.push(more.into());
        assert!(serde_json::from_value::<T>(whole.clone()).is_ok(), "{whole}");
        for case in cases {
            let text = case.to_string();
            let (read, shaped) = (serde_json::from_str::<T>(&text).is_ok(), serde_json::from_str::<S>(&text).is_ok());
            assert_eq!(read, shaped, "{text}");
        }
    }

    #[test]
    fn each_reads_what_its_type_reads() {
        let text = || Some("x".to_owned());
        let operation = domain::Operation {
            id: text(),
            resource_name: text(),
            resource_type: text(),
            created_at: text(),
            availability_zone: text(),
            region_name: text(),
            is_terminal: Some(true),
            operation_details: text(),
            operation_type: text(),
            status: text(),
            status_changed_at: text(),
            error_code: text(),
            error_details: text(),
        };
        agree::<domain::Operation, Operation>(&json!(operation));
        let error = domain::ApiError {
            class: domain::Class::Throttled,
            cause: domain::Cause::Cut,
            error_type: text(),
            code: text(),
            message: text(),
            docs: text(),
            tip: text(),
        };
        agree::<domain::ApiError, ApiError>(&json!(error));
        let observation = domain::Observation {
            identity: domain::Identity { arn: text(), created_at: text(), fingerprint: text() },
            tags: BTreeMap::from([("x".to_owned(), "y".to_owned())]),
            at: Timestamp::UNIX_EPOCH,
        };
        agree::<domain::Observation, Observation>(&json!(observation));
        let note = event::Note { severity: Severity::Skip, kind: "x".into(), text: "y".into() };
        agree::<event::Note, Note>(&json!(note));
        agree::<BTreeMap<String, String>, Texts>(&json!({"x": "y", "a": "é\"\\"}));
        agree::<BTreeMap<String, String>, BTreeMap<String, Text>>(&json!({"x": "y"}));
    }
}
