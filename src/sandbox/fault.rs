//! One rule of the fault script in the world file: which requests it affects, and how.
//!
//! Parameters are flat, and a table says which belong to which kind: a parameter that would be ignored is a mistake in
//! the script and is refused by name. A rule knows nothing of requests; `script` counts them.

use std::collections::BTreeMap;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::call::Operation;

/// How long a hanging request is held by default: longer than any sane timeout.
pub(super) const HOLD_MS: u64 = 600_000;

/// One rule of the script. [`Fault::check`] checks which parameters belong to which kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    #[serde(default = "delete_key_pair")]
    pub(super) on: Operation,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) region: Option<String>,
    #[serde(default)]
    pub(super) nth: Nth,
    #[serde(rename = "do")]
    pub(super) kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) delay_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hold_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) answer: Option<Delivery>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) polls: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) effect: Option<When>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error_code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error_details: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub(super) error_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) header: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) requests: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fingerprint: Option<Material>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) history: Option<History>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) headers: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<String>,
}

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Throttle,
    #[serde(rename = "error_500_before")]
    Error500Before,
    #[serde(rename = "error_500_after")]
    Error500After,
    #[serde(rename = "html_503")]
    Html503,
    #[serde(rename = "html_503_after")]
    Html503After,
    CutBefore,
    CutAfter,
    Hang,
    HangAfter,
    LateEffect,
    LateDelivery,
    #[serde(rename = "truncated_200")]
    Truncated200,
    #[serde(rename = "empty_200")]
    Empty200,
    #[serde(rename = "empty_body_200")]
    EmptyBody200,
    SlowOperation,
    FailedOperation,
    OperationFailedLater,
    RecreateBefore,
    RecreateAfter,
    VanishBefore,
    Deny,
    ExpiredCredentials,
    NotFoundThoughThere,
    AccountSetupInProgress,
    RegionSetupInProgress,
    InvalidInput,
    Error,
    Raw,
}

/// Whether the answer is sent, for kinds that leave the choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Delivery {
    Sent,
    Cut,
    Hang,
}

/// When the request takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum When {
    Never,
    AtOnce,
    AtEnd,
}

/// The key material of a re-created key pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Material {
    New,
    Same,
}

/// Whether operations can be found under the name of their key pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum History {
    #[default]
    Kept,
    Missing,
}

/// Which of the matching requests it affects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Nth {
    Every,
    These(Vec<u64>),
}

impl Default for Nth {
    fn default() -> Self {
        Self::These(vec![1])
    }
}

fn delete_key_pair() -> Operation {
    Operation::DeleteKeyPair
}

impl Fault {
    /// Names the parameter that does not fit, as `(field, problem)`.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let allowed = self.kind.parameters();
        if let Some(stray) = self.given().into_iter().find(|given| !allowed.contains(given)) {
            let known = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
            return Err((stray, format!("does not go with `{}` (which takes: {known})", self.kind.name())));
        }
        if self.kind.needs_delete() && self.on != Operation::DeleteKeyPair {
            return Err(("on", format!("`{}` can only be done to DeleteKeyPair", self.kind.name())));
        }
        if self.kind.needs_name() && !matches!(self.on, Operation::DeleteKeyPair | Operation::GetKeyPair) {
            return Err(("on", format!("`{}` can only be done to DeleteKeyPair and GetKeyPair", self.kind.name())));
        }
        match self.kind {
            Kind::LateEffect if self.delay_ms.is_none() => Err(("delay_ms", "is needed by `late_effect`".to_owned())),
            Kind::LateDelivery if self.delay_ms.is_none() => {
                Err(("delay_ms", "is needed by `late_delivery`".to_owned()))
            }
            Kind::LateEffect | Kind::LateDelivery if self.answer == Some(Delivery::Sent) => {
                Err(("answer", format!("of `{}` is `cut` or `hang`", self.kind.name())))
            }
            Kind::Error if self.error_type.is_none() && self.header.is_none() && self.code.is_none() => {
                Err(("type", "or `header` or `code` is needed by `error`".to_owned()))
            }
            Kind::Error if self.status.is_some_and(|status| !(400..=599).contains(&status)) => {
                Err(("status", "of `error` is from 400 to 599".to_owned()))
            }
            Kind::Raw if !self.status.is_some_and(|status| (200..=599).contains(&status)) => {
                Err(("status", "from 200 to 599 is needed by `raw`".to_owned()))
            }
            Kind::Raw if self.effect == Some(When::AtEnd) => {
                Err(("effect", "of `raw` is `never` or `at_once`".to_owned()))
            }
            Kind::SlowOperation if self.effect == Some(When::Never) => {
                Err(("effect", "of `slow_operation` is `at_once` or `at_end`".to_owned()))
            }
            Kind::SlowOperation | Kind::OperationFailedLater if self.polls.is_some() && self.ms.is_some() => {
                Err(("polls", "and `ms` exclude each other".to_owned()))
            }
            _ if self.polls == Some(0) => Err(("polls", "counts from 1".to_owned())),
            _ if self.requests == Some(0) => Err(("requests", "counts from 1".to_owned())),
            _ if matches!(&self.nth, Nth::These(list) if list.is_empty() || list.contains(&0)) => {
                Err(("nth", "counts from 1".to_owned()))
            }
            _ => self.check_headers(),
        }
    }

    fn check_headers(&self) -> Result<(), (&'static str, String)> {
        if self.header.as_ref().is_some_and(|value| hyper::header::HeaderValue::try_from(value).is_err()) {
            return Err(("header", "cannot be the value of an HTTP header".to_owned()));
        }
        for (name, value) in self.headers.iter().flatten() {
            let good = hyper::header::HeaderName::try_from(name).is_ok()
                && hyper::header::HeaderValue::try_from(value).is_ok();
            if !good {
                return Err(("headers", format!("`{name}` is no HTTP header")));
            }
        }
        Ok(())
    }

    fn given(&self) -> Vec<&'static str> {
        let all = [
            ("delay_ms", self.delay_ms.is_some()),
            ("hold_ms", self.hold_ms.is_some()),
            ("answer", self.answer.is_some()),
            ("polls", self.polls.is_some()),
            ("ms", self.ms.is_some()),
            ("effect", self.effect.is_some()),
            ("error_code", self.error_code.is_some()),
            ("error_details", self.error_details.is_some()),
            ("message", self.message.is_some()),
            ("type", self.error_type.is_some()),
            ("header", self.header.is_some()),
            ("code", self.code.is_some()),
            ("requests", self.requests.is_some()),
            ("fingerprint", self.fingerprint.is_some()),
            ("history", self.history.is_some()),
            ("status", self.status.is_some()),
            ("headers", self.headers.is_some()),
            ("body", self.body.is_some()),
        ];
        all.into_iter().filter_map(|(name, given)| given.then_some(name)).collect()
    }

    pub(super) fn hold_ms(&self) -> u64 {
        self.hold_ms.unwrap_or(HOLD_MS)
    }
}

impl Kind {
    /// The spelling in the world file and in the record.
    pub(super) fn name(self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(name)) => name,
            _ => String::new(),
        }
    }

    fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Throttle
            | Self::Error500Before
            | Self::Deny
            | Self::NotFoundThoughThere
            | Self::AccountSetupInProgress
            | Self::RegionSetupInProgress
            | Self::InvalidInput => &["message"],
            Self::Html503 | Self::CutBefore => &[],
            Self::Error500After => &["message", "history"],
            Self::Html503After | Self::CutAfter | Self::Truncated200 | Self::Empty200 | Self::EmptyBody200 => {
                &["history"]
            }
            Self::Hang => &["hold_ms"],
            Self::HangAfter => &["hold_ms", "history"],
            Self::LateEffect | Self::LateDelivery => &["delay_ms", "answer", "hold_ms", "history"],
            Self::SlowOperation => &["polls", "ms", "effect", "history"],
            Self::FailedOperation => &["error_code", "error_details", "history"],
            Self::OperationFailedLater => &["polls", "ms", "error_code", "error_details", "history"],
            Self::RecreateBefore => &["fingerprint", "history"],
            Self::RecreateAfter => &["answer", "hold_ms", "fingerprint", "history"],
            Self::VanishBefore => &["history"],
            Self::ExpiredCredentials => &["requests"],
            Self::Error => &["type", "header", "code", "message", "status"],
            Self::Raw => &["status", "headers", "body", "effect", "history"],
        }
    }

    fn needs_delete(self) -> bool {
        matches!(
            self,
            Self::LateEffect
                | Self::LateDelivery
                | Self::SlowOperation
                | Self::FailedOperation
                | Self::OperationFailedLater
                | Self::RecreateAfter
        )
    }

    fn needs_name(self) -> bool {
        matches!(self, Self::RecreateBefore | Self::VanishBefore)
    }
}

impl Serialize for Nth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Every => serializer.serialize_str("every"),
            Self::These(list) => list.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Nth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NthVisitor;
        impl<'de> Visitor<'de> for NthVisitor {
            type Value = Nth;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a number from 1, a list of them, or \"every\"")
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Nth, E> {
                Ok(Nth::These(vec![number]))
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<Nth, E> {
                match word {
                    "every" | "all" => Ok(Nth::Every),
                    _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
                }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Nth, A::Error> {
                let mut numbers = Vec::new();
                while let Some(number) = list.next_element()? {
                    numbers.push(number);
                }
                Ok(Nth::These(numbers))
            }
        }
        deserializer.deserialize_any(NthVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(json: &str) -> Fault {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn parameters_that_do_not_fit_are_named() {
        let (field, problem) = fault(r#"{"do":"cut_before","polls":3}"#).check().unwrap_err();
        assert_eq!(field, "polls");
        assert!(problem.contains("`cut_before`"), "{problem}");
        assert_eq!(fault(r#"{"do":"late_effect"}"#).check().unwrap_err().0, "delay_ms");
        assert_eq!(fault(r#"{"do":"late_delivery"}"#).check().unwrap_err().0, "delay_ms");
        assert_eq!(fault(r#"{"do":"late_delivery","delay_ms":1,"answer":"sent"}"#).check().unwrap_err().0, "answer");
        assert_eq!(fault(r#"{"do":"raw"}"#).check().unwrap_err().0, "status");
        assert_eq!(fault(r#"{"do":"error","message":"no"}"#).check().unwrap_err().0, "type");
        assert_eq!(fault(r#"{"do":"error","code":"E","status":200}"#).check().unwrap_err().0, "status");
        assert_eq!(fault(r#"{"do":"error","header":"a\nb"}"#).check().unwrap_err().0, "header");
        assert_eq!(fault(r#"{"do":"deny","code":"E"}"#).check().unwrap_err().0, "code");
        assert_eq!(fault(r#"{"do":"throttle","nth":0}"#).check().unwrap_err().0, "nth");
        assert_eq!(fault(r#"{"do":"recreate_after","on":"GetKeyPair"}"#).check().unwrap_err().0, "on");
        assert!(fault(r#"{"do":"slow_operation","ms":600000,"effect":"at_end"}"#).check().is_ok());
    }

    #[test]
    fn kinds_keep_their_numbers_apart() {
        assert_eq!(Kind::Error500Before.name(), "error_500_before");
        assert_eq!(Kind::EmptyBody200.name(), "empty_body_200");
        assert_eq!(Kind::NotFoundThoughThere.name(), "not_found_though_there");
    }
}
