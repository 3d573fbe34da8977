//! What came back for a request: the exchange on the wire, and what it means for the caller.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::json::is_plain_object;

/// How much of a raw body is kept: far above any answer of the service (a full page of 200 operations is about
/// 80 KB; a delete's answer is about 400 bytes), and small enough that a hostile endpoint cannot fill the disk.
pub const RAW_BODY_LIMIT_BYTES: usize = 64 * 1024;

/// The header by which a sandbox says that it is one; its value is the id of its world.
pub const SANDBOX_HEADER: &str = "x-keybatch-sandbox";

/// An answer, or the lack of one: what was on the wire, and how to understand it.
#[derive(Debug, Clone)]
pub struct Reply<T> {
    /// What was on the wire.
    pub exchange: Exchange,
    /// What the service said, or why its answer cannot be used.
    pub result: Result<T, ApiError>,
}

/// One request and its answer as they were on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// The HTTP status, if an answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// `x-amzn-RequestId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Other headers that matter, by lower-case name.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub headers: std::collections::BTreeMap<String, String>,
    /// From handing the request over to having its answer, in microseconds.
    pub elapsed_us: u64,
    /// The body as it came.
    #[serde(flatten)]
    pub raw_body: RawBody,
}

impl Exchange {
    /// The exchange with only its body's length and hash. For pages of listings, whose content is recorded row by row.
    #[must_use]
    pub fn without_body(self) -> Self {
        Self { raw_body: self.raw_body.without_content(), ..self }
    }
}

/// The body of an answer, at most [`RAW_BODY_LIMIT_BYTES`] of it. All fields are absent if no body was received.
///
/// Each body has one form: `json` if it is whole and one [plain object](is_plain_object), which SQL and other readers can
/// read; else `text` if it is UTF-8 without U+0000; else `base64`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawBody {
    /// The body, if it is a JSON object that all readers read alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<String>,
    /// The body, if it is other text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The body in base64, if it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// The full length in bytes, if the body was not kept whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The SHA-256 of the whole body in hexadecimal, if it was not kept whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Whether secrets that the body quoted were cut out of it. If so, neither length nor hash is kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

impl RawBody {
    /// Keeps `body` by the rules above.
    #[must_use]
    pub fn new(body: &[u8]) -> Self {
        let whole = body.len() <= RAW_BODY_LIMIT_BYTES;
        if whole && let Some(json) = std::str::from_utf8(body).ok().filter(|text| is_plain_object(text)) {
            return Self { json: Some(json.to_owned()), ..Self::default() };
        }
        let kept = Self::beginning(body);
        if whole {
            return kept;
        }
        Self { bytes: Some(body.len() as u64), sha256: Some(sha256(body)), ..kept }
    }

    /// Keeps `body`, out of which secrets were cut.
    #[must_use]
    pub fn without_secrets(body: &[u8]) -> Self {
        let bytes = (body.len() > RAW_BODY_LIMIT_BYTES).then_some(body.len() as u64);
        Self { bytes, cut: true, ..Self::beginning(body) }
    }

    /// What is kept of a body that is not a plain object.
    fn beginning(body: &[u8]) -> Self {
        let kept = body.get(..RAW_BODY_LIMIT_BYTES).unwrap_or(body);
        let text = match (std::str::from_utf8(kept), std::str::from_utf8(body)) {
            (Ok(text), _) => Some(text),
            // The cut lies inside a character; what is before it is still text.
            (Err(error), Ok(_)) => std::str::from_utf8(&kept[..error.valid_up_to()]).ok(),
            (Err(_), Err(_)) => None,
        };
        match text.filter(|text| !text.contains('\0')) {
            Some(text) => Self { text: Some(text.to_owned()), ..Self::default() },
            None => Self { base64: Some(STANDARD.encode(kept)), ..Self::default() },
        }
    }

    /// Only the length and hash; nothing at all if secrets were cut out.
    #[must_use]
    pub fn without_content(self) -> Self {
        if self.cut {
            return Self::default();
        }
        let whole = match (&self.json, &self.text, &self.base64) {
            (Some(text), ..) | (None, Some(text), _) => Some(text.clone().into_bytes()),
            (None, None, Some(base64)) => STANDARD.decode(base64).ok(),
            (None, None, None) => None,
        };
        let (bytes, sha256) = match whole.filter(|_| self.bytes.is_none()) {
            Some(body) => (Some(body.len() as u64), Some(sha256(&body))),
            None => (self.bytes, self.sha256),
        };
        Self { bytes, sha256, ..Self::default() }
    }

    /// Whether a body was received.
    #[must_use]
    pub fn is_there(&self) -> bool {
        *self != Self::default()
    }

    /// The body as text, if all of it is kept as text.
    #[must_use]
    pub fn whole_text(&self) -> Option<&str> {
        self.json.as_deref().or(self.text.as_deref().filter(|_| self.bytes.is_none()))
    }

    /// Whether the fields are consistent with one another. The hash of a body that was kept in part covers the whole body, so
    /// only its form can be checked.
    #[must_use]
    pub fn holds(&self) -> bool {
        let decoded;
        let kept = match (&self.json, &self.text, &self.base64) {
            (Some(text), None, None) | (None, Some(text), None) => text.as_bytes(),
            (None, None, Some(text)) => match STANDARD.decode(text) {
                Ok(bytes) => {
                    decoded = bytes;
                    &*decoded
                }
                Err(_) => return false,
            },
            (None, None, None) => return !self.cut && self.bytes.is_some() == self.sha256.is_some() && self.is_hash(),
            _ => return false,
        };
        let long = self.bytes.is_some_and(|bytes| bytes > RAW_BODY_LIMIT_BYTES as u64);
        if self.bytes.is_some() && !long {
            return false;
        }
        if !long {
            let again = if self.cut { Self::without_secrets(kept) } else { Self::new(kept) };
            return again == *self;
        }
        // Up to three bytes fewer, if the limit falls inside a character.
        let cut = if self.text.is_some() { 3 } else { 0 };
        let length = (RAW_BODY_LIMIT_BYTES - cut..=RAW_BODY_LIMIT_BYTES).contains(&kept.len());
        let form = self.text.as_ref().is_none_or(|text| !text.contains('\0'));
        length && form && self.json.is_none() && self.sha256.is_none() == self.cut && self.is_hash()
    }

    fn is_hash(&self) -> bool {
        let hash =
            |text: &String| text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        self.sha256.as_ref().is_none_or(hash)
    }
}

/// The SHA-256 of `bytes` in lower-case hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    // Not by formatting, which would be too slow: this runs for every entry.
    let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 0xF]);
    digits.map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])).collect()
}

/// Why a request has no usable answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// What it means for the caller.
    #[serde(skip, default = "unanswered")]
    pub class: Class,
    /// How that was determined.
    pub cause: Cause,
    /// The body's `__type` (or the header's), without its namespace.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub error_type: Option<String>,
    /// The code as the SDK resolved it, or the body's `code`.
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
    /// What stood in the way, if the address was not reached; `message` says it, too.
    #[serde(skip)]
    pub unreached: Option<Box<super::Unreached>>,
}

fn unanswered() -> Class {
    Class::Unanswered
}

impl ApiError {
    /// An error that the service itself said nothing about.
    #[must_use]
    pub fn nothing(class: Class, cause: Cause) -> Self {
        Self { class, cause, error_type: None, code: None, message: None, docs: None, tip: None, unreached: None }
    }

    /// One line for people: code and message, or the cause if the service said nothing.
    #[must_use]
    pub fn summary(&self) -> String {
        match (self.code.as_deref().or(self.error_type.as_deref()), self.message.as_deref()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.to_owned(),
            (None, Some(message)) => format!("{}: {message}", self.cause.as_str()),
            (None, None) => self.cause.as_str().to_owned(),
        }
    }
}

/// What an answer means. The words are those of the journal's `class`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A terminal, successful operation.
    Succeeded,
    /// An operation that is not terminal yet.
    Pending,
    /// A terminal operation that failed.
    OperationFailed,
    /// There is no key pair of that name.
    NotFound,
    /// Refused before execution because of the rate.
    Throttled,
    /// The connection was never made: the request cannot have arrived.
    NotSent,
    /// Refused before execution: the account or region is being set up.
    SetupInProgress,
    /// Refused for good; only this item.
    Refused,
    /// Access denied, to this item or to everything; only the answers to other items show which.
    Denied,
    /// Refused for everyone: credentials, clock, sign-up.
    RefusedForAll,
    /// Whether the request took effect cannot be determined from what came back.
    Unanswered,
}

impl Class {
    /// The word that the journal and the views use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Pending => "pending",
            Self::OperationFailed => "operation_failed",
            Self::NotFound => "not_found",
            Self::Throttled => "throttled",
            Self::NotSent => "not_sent",
            Self::SetupInProgress => "setup_in_progress",
            Self::Refused => "refused",
            Self::Denied => "denied",
            Self::RefusedForAll => "refused_for_all",
            Self::Unanswered => "unanswered",
        }
    }

    /// Whether the request is known not to have taken effect, and another may be sent without looking first.
    #[must_use]
    pub fn is_refusal_before_execution(self) -> bool {
        matches!(self, Self::Throttled | Self::NotSent | Self::SetupInProgress | Self::Denied | Self::RefusedForAll)
    }
}

/// How a [`Class`] was determined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The service named an error that we know.
    Error,
    /// The service named an error that we do not know.
    UnknownError,
    /// No answer within the time allowed.
    Timeout,
    /// The connection ended before an answer.
    Cut,
    /// The connection was never made.
    ConnectFailed,
    /// An answer that cannot be read.
    Unreadable,
    /// A status of 500 or above, or an error by which the service may have tried.
    ServerError,
    /// A success without an operation that says what succeeded.
    NoOperation,
    /// The request could not be built or signed here.
    NotBuilt,
    /// No credentials could be obtained.
    NoCredentials,
    /// The attempt's start took so long to become durable that its request was not sent.
    StartedLate,
}

impl Cause {
    /// The word that the journal uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::UnknownError => "unknown_error",
            Self::Timeout => "timeout",
            Self::Cut => "cut",
            Self::ConnectFailed => "connect_failed",
            Self::Unreadable => "unreadable",
            Self::ServerError => "server_error",
            Self::NoOperation => "no_operation",
            Self::NotBuilt => "not_built",
            Self::NoCredentials => "no_credentials",
            Self::StartedLate => "started_late",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // SEMANTICS: P21
    #[test]
    fn a_long_body_is_cut_and_says_how_long_it_was() {
        let body = vec![b'x'; RAW_BODY_LIMIT_BYTES + 10];
        let kept = RawBody::new(&body);
        assert_eq!(kept.text.map(|text| text.len()), Some(RAW_BODY_LIMIT_BYTES));
        assert_eq!(kept.bytes, Some(RAW_BODY_LIMIT_BYTES as u64 + 10));
    }

    #[test]
    fn a_body_cut_inside_a_character_stays_text() {
        let mut body = vec![b'x'; RAW_BODY_LIMIT_BYTES - 1];
        body.extend("é".bytes());
        assert_eq!(RawBody::new(&body).text.map(|text| text.len()), Some(RAW_BODY_LIMIT_BYTES - 1));
    }

    #[test]
    fn what_is_kept_belongs_together() {
        let long = [[b'x'; RAW_BODY_LIMIT_BYTES], [b'x'; RAW_BODY_LIMIT_BYTES]].concat();
        for body in
            [&b""[..], b"{}", b"text", b"\xff\x00", b"a\0", &long[1..=RAW_BODY_LIMIT_BYTES], &long, &[0xff; 70_000]]
        {
            for kept in [RawBody::new(body), RawBody::without_secrets(body)] {
                let is_long = body.len() > RAW_BODY_LIMIT_BYTES;
                assert!(kept.holds(), "{} bytes", body.len());
                assert_eq!(kept.bytes.is_some(), is_long);
                assert_eq!(kept.sha256.is_some(), is_long && !kept.cut);
                for other in [
                    RawBody { bytes: Some(7), ..kept.clone() },
                    RawBody { text: Some("x\0".into()), json: None, base64: None, ..kept.clone() },
                    RawBody { json: Some("[]".into()), text: None, base64: None, ..kept.clone() },
                    RawBody {
                        text: Some("{}".into()),
                        json: None,
                        base64: None,
                        cut: false,
                        bytes: None,
                        sha256: None,
                    },
                    RawBody { base64: Some("e30=".into()), text: None, json: None, ..kept.clone() },
                    RawBody { sha256: Some("00".into()), ..kept.clone() },
                    RawBody { sha256: Some("00".repeat(32)), cut: true, ..kept.clone() },
                    RawBody { json: Some("{}".into()), text: Some("{}".into()), base64: None, ..kept.clone() },
                ] {
                    assert!(!other.holds(), "{} bytes: {other:?}", body.len());
                }
                if !kept.cut {
                    let bare = kept.without_content();
                    assert!(bare.holds() && bare.sha256 == Some(sha256(body)) && bare.bytes == Some(body.len() as u64));
                }
            }
        }
        assert!(RawBody::default().holds() && !RawBody::default().is_there(), "no answer");
    }

    #[test]
    fn a_binary_body_is_kept_in_base64() {
        let kept = RawBody::new(&[0xff, 0x00]);
        assert_eq!((kept.text, kept.base64.as_deref()), (None, Some("/wA=")));
    }
}
