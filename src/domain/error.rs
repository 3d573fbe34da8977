//! Why a request has no usable answer, and how an entry keeps that: what the answer's body says is not repeated beside it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::answer::{Cause, Class, Exchange};
use super::unreached::Unreached;

/// The header that names an error.
pub const ERROR_TYPE_HEADER: &str = "x-amzn-errortype";

/// Why a request has no usable answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// What it means for the caller. An entry does not keep it: it has a word of its own.
    pub class: Class,
    /// How that was determined.
    pub cause: Cause,
    /// What was said about it.
    pub text: ErrorText,
    /// What stood in the way, if the address was not reached; the message says it, too.
    pub unreached: Option<Box<Unreached>>,
}

impl ApiError {
    /// An error that the service itself said nothing about.
    #[must_use]
    pub fn nothing(class: Class, cause: Cause) -> Self {
        Self { class, cause, text: ErrorText::default(), unreached: None }
    }

    /// One line for people: code and message, or the cause if the service said nothing.
    #[must_use]
    pub fn summary(&self) -> String {
        let ErrorText { error_type, code, message, .. } = &self.text;
        match (code.as_deref().or(error_type.as_deref()), message.as_deref()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.to_owned(),
            (None, Some(message)) => format!("{}: {message}", self.cause.as_str()),
            (None, None) => self.cause.as_str().to_owned(),
        }
    }
}

/// What was said about an error: by the service, or by the client if no answer came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorText {
    /// The body's `__type`, else the header's, without its namespace.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub error_type: Option<String>,
    /// The body's `code`; without one, the type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// For people; no decision depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The service's link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
    /// The service's hint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tip: Option<String>,
}

impl ErrorText {
    /// The fields of an error's body as they stand there.
    #[must_use]
    pub fn in_body(body: &[u8]) -> Self {
        let fields: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        Self {
            error_type: text("__type"),
            code: text("code").filter(|code| !code.is_empty()),
            message: text("message").or_else(|| text("Message")),
            docs: text("docs"),
            tip: text("tip"),
        }
    }

    /// What an answer that is kept says: its body if that is kept as JSON, and its header.
    fn read(exchange: &Exchange) -> Self {
        let said = exchange.raw_body.json.as_deref().map(|json| Self::in_body(json.as_bytes())).unwrap_or_default();
        let name = said.error_type.as_deref().or(exchange.headers.get(ERROR_TYPE_HEADER).map(String::as_str));
        let error_type = name.map(error_name).filter(|name| !name.is_empty()).map(str::to_owned);
        let code = said.code.or_else(|| error_type.clone());
        Self { error_type, code, ..said }
    }
}

/// `com.amazonaws.lightsail#NotFoundException:http://…` → `NotFoundException`, by the rule of the Smithy protocols: drop
/// what follows the first colon (or comma, if header values were joined) and what precedes the first number sign.
#[must_use]
pub fn error_name(name: &str) -> &str {
    let name = name.split_once([':', ',']).map_or(name, |(first, _)| first);
    name.split_once('#').map_or(name, |(_, last)| last)
}

/// Why a request has no usable answer, as an entry keeps it beside that answer: the cause, and of what was said only what
/// cannot be read from the answer itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// How the class was determined, if it is not plain success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What was said, if the answer as it is kept does not say the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<ErrorText>,
}

impl Failure {
    /// What is kept of `error`, which came with `exchange`.
    #[must_use]
    pub fn of(error: Option<ApiError>, exchange: &Exchange) -> Self {
        let Some(ApiError { cause, text, .. }) = error else { return Self::default() };
        Self { cause: Some(cause), error: Some(text).filter(|text| *text != ErrorText::read(exchange)) }
    }

    /// A cause of which nothing more was said.
    #[must_use]
    pub fn because(cause: Option<Cause>) -> Self {
        Self { cause, error: None }
    }

    /// Whether the answer is an error, or there is none. A success that shows no operation is neither.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.cause.is_some_and(|cause| cause != Cause::NoOperation)
    }

    /// The error, read back from the answer that it came with. Its class is not kept.
    #[must_use]
    pub fn read(&self, exchange: &Exchange) -> Option<ApiError> {
        let cause = self.cause.filter(|_| self.is_error())?;
        let text = self.error.clone().unwrap_or_else(|| ErrorText::read(exchange));
        Some(ApiError { text, ..ApiError::nothing(Class::Unanswered, cause) })
    }

    /// What stands beside the body: the cause, and what the body does not say.
    #[must_use]
    pub fn parts(&self) -> (Option<Cause>, Option<&ErrorText>) {
        (self.cause, self.error.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RawBody;

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn came(body: &str, header: Option<&str>) -> Exchange {
        let headers = header.map(|value| (ERROR_TYPE_HEADER.to_owned(), value.to_owned())).into_iter().collect();
        Exchange { headers, raw_body: RawBody::new(body.as_bytes()), ..Exchange::default() }
    }

    fn refused(text: ErrorText) -> Option<ApiError> {
        Some(ApiError { text, ..ApiError::nothing(Class::Unanswered, Cause::Error) })
    }

    const BODY: &str = r#"{"__type":"com.amazonaws.lightsail#NotFoundException","code":"DoesNotExist","docs":"d","message":"m","tip":""}"#;

    /// Each field survives, and is stored once.
    #[test]
    fn an_error_is_read_out_of_its_body_and_header() {
        let (missing, none) = (text("NotFoundException"), ErrorText::default());
        let whole = ErrorText {
            error_type: missing.clone(),
            code: text("DoesNotExist"),
            message: text("m"),
            docs: text("d"),
            tip: text(""),
        };
        let named = ErrorText { error_type: missing.clone(), code: missing, ..none.clone() };
        for (body, header, error) in [
            (BODY, None, whole.clone()),
            (BODY, Some("Other"), whole),
            (r#"{"__type":"NotFoundException:http://x#y"}"#, None, named.clone()),
            (r#"{"code":"","__type":"NotFoundException"}"#, None, named.clone()),
            ("{}", Some("NotFoundException:http://x, More"), named.clone()),
            ("", Some("NotFoundException"), named.clone()),
            (r#"{"__type":7,"docs":{}}"#, Some("NotFoundException"), named),
            (r#"{"__type":"","Message":"m"}"#, Some("Other"), ErrorText { message: text("m"), ..none.clone() }),
            ("", None, none),
        ] {
            let exchange = came(body, header);
            let kept = Failure::of(refused(error.clone()), &exchange);
            assert_eq!(kept.parts(), (Some(Cause::Error), None), "{body}");
            assert_eq!(kept.read(&exchange), refused(error), "{body}");
        }
    }

    /// A body that is not a plain object, or reads differently, has what was said beside it: all of it, or nothing.
    #[test]
    fn what_an_answer_does_not_say_stands_beside_it() {
        let said = ErrorText { error_type: text("NotFoundException"), message: text("m"), ..ErrorText::default() };
        for error in [said, ErrorText::default()] {
            for body in ["<html>", BODY, r#"{"message":"m","message":"m","__type":"NotFoundException"}"#] {
                let exchange = came(body, Some("Other"));
                let kept = Failure::of(refused(error.clone()), &exchange);
                assert_eq!(kept.parts(), (Some(Cause::Error), Some(&error)), "{body}");
                assert_eq!(kept.read(&exchange), refused(error.clone()), "{body}");
            }
        }
    }

    #[test]
    fn what_has_not_failed_has_no_error() {
        for (kept, is_error) in [
            (Failure::default(), false),
            (Failure::of(None, &came(BODY, None)), false),
            (Failure::because(Some(Cause::NoOperation)), false),
            (Failure::because(Some(Cause::Timeout)), true),
        ] {
            assert_eq!((kept.is_error(), kept.read(&came(BODY, None)).is_some()), (is_error, is_error), "{kept:?}");
        }
    }
}
