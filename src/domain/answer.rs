//! What came back for a request: the exchange as it was on the wire, and what it means for the caller.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How much of a raw body is kept: far above any answer of the service (a full page of 200 operations is about
/// 80 KB; a delete's answer is about 400 bytes), and small enough that a hostile endpoint cannot fill the disk.
pub const RAW_BODY_LIMIT_BYTES: usize = 64 * 1024;

/// The header by which a sandbox says that it is one; its value is the id of its world.
pub const SANDBOX_HEADER: &str = "x-keybatch-sandbox";

/// An answer, or the lack of one: what was on the wire, and how it is to be understood.
#[derive(Debug, Clone)]
pub struct Reply<T> {
    /// What was on the wire.
    pub exchange: Exchange,
    /// What the service said, or why it is no use.
    pub result: Result<T, ApiError>,
}

/// One request and its answer as they were on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// The HTTP status, where an answer came.
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
    /// Without the body's text; its length and hash stay. For pages of listings, whose content is recorded row by row.
    #[must_use]
    pub fn without_body(self) -> Self {
        Self { raw_body: RawBody { text: None, base64: None, ..self.raw_body }, ..self }
    }
}

/// The body of an answer as it came: as text where it is UTF-8, else in base64; at most [`RAW_BODY_LIMIT_BYTES`] of
/// it, with its full length and hash. Absent altogether where no body was received.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawBody {
    /// The body, where it is UTF-8.
    #[serde(default, rename = "raw_body", skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The body in base64, where it is not.
    #[serde(default, rename = "raw_body_base64", skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// Its full length in bytes.
    #[serde(default, rename = "raw_body_bytes", skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The SHA-256 of the whole body, in hexadecimal.
    #[serde(default, rename = "raw_body_sha256", skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl RawBody {
    /// Keeps `body` by the rules above.
    #[must_use]
    pub fn new(body: &[u8]) -> Self {
        let kept = body.get(..RAW_BODY_LIMIT_BYTES).unwrap_or(body);
        let (text, base64) = match (std::str::from_utf8(kept), std::str::from_utf8(body)) {
            (Ok(text), _) => (Some(text.to_owned()), None),
            // Cut inside a character: what is before it is text all the same.
            (Err(error), Ok(_)) => (std::str::from_utf8(&kept[..error.valid_up_to()]).ok().map(str::to_owned), None),
            (Err(_), Err(_)) => (None, Some(STANDARD.encode(kept))),
        };
        Self { text, base64, bytes: Some(body.len() as u64), sha256: Some(hex(&Sha256::digest(body))) }
    }
}

impl RawBody {
    /// Whether what was kept, the length and the hash belong together, as [`new`](Self::new) writes them. The hash of a
    /// body that was kept in part is of all of it, so that it must only look like one.
    #[must_use]
    pub fn holds(&self) -> bool {
        let decoded;
        let kept = match (&self.text, &self.base64) {
            (Some(_), Some(_)) => return false,
            (Some(text), None) => Some(text.as_bytes()),
            (None, Some(text)) => match STANDARD.decode(text) {
                Ok(bytes) => {
                    decoded = bytes;
                    Some(&*decoded)
                }
                Err(_) => return false,
            },
            (None, None) => None,
        };
        let (Some(bytes), Some(sha256)) = (self.bytes, &self.sha256) else {
            return kept.is_none() && self.bytes.is_none() && self.sha256.is_none();
        };
        let is_hash = sha256.len() == 64 && sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let Some(kept) = kept else { return is_hash };
        if self.base64.is_some() && kept.len() < RAW_BODY_LIMIT_BYTES && std::str::from_utf8(kept).is_ok() {
            return false;
        }
        if bytes > RAW_BODY_LIMIT_BYTES as u64 {
            // Up to three bytes fewer, where the limit falls inside a character.
            let cut = if self.text.is_some() { 3 } else { 0 };
            return is_hash && (RAW_BODY_LIMIT_BYTES - cut..=RAW_BODY_LIMIT_BYTES).contains(&kept.len());
        }
        kept.len() as u64 == bytes && sha256.bytes().eq(hex_digits(&Sha256::digest(kept)))
    }
}

/// `bytes` in lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    hex_digits(bytes).map(char::from).collect()
}

/// Not by formatting: `verify` does this for every answer of a journal.
fn hex_digits(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xF]).map(|digit| b"0123456789abcdef"[usize::from(digit)])
}

/// Why a request has no usable answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// What it means for the caller.
    #[serde(skip, default = "unanswered")]
    pub class: Class,
    /// How that was told.
    pub cause: Cause,
    /// The body's `__type` (or the header's), without name space.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub error_type: Option<String>,
    /// The code as the SDK resolved it, or the body's `code`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// For people; never decided upon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The service's link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
    /// The service's hint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tip: Option<String>,
    /// What stood in the way, where the address was not reached; `message` says it, too.
    #[serde(skip)]
    pub unreached: Option<Box<super::Unreached>>,
}

fn unanswered() -> Class {
    Class::Unanswered
}

impl ApiError {
    /// An error of which the service itself said nothing.
    #[must_use]
    pub fn nothing(class: Class, cause: Cause) -> Self {
        Self { class, cause, error_type: None, code: None, message: None, docs: None, tip: None, unreached: None }
    }

    /// The one-line form for people: code and message, or the cause where the service said nothing.
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
    /// Refused before execution, for going too fast.
    Throttled,
    /// The connection was never made: the request cannot have arrived.
    NotSent,
    /// Refused before execution: the account or region is being set up.
    SetupInProgress,
    /// Refused for good, this item alone.
    Refused,
    /// Access denied; to this item or to everything, which only its neighbours can tell.
    Denied,
    /// Refused for everyone: credentials, clock, sign-up.
    RefusedForAll,
    /// Whether it took effect cannot be told from what came back.
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

/// How a [`Class`] was told.
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
    /// No credentials could be had.
    NoCredentials,
    /// The start of the attempt took so long to become durable that its request did not leave.
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
        for body in [&b""[..], b"{}", b"\xff\x00", &[b'x'; RAW_BODY_LIMIT_BYTES], &[0xff; 2 * RAW_BODY_LIMIT_BYTES]] {
            let kept = RawBody::new(body);
            assert!(kept.holds(), "{} bytes", body.len());
            assert!(
                !RawBody { bytes: Some(body.len() as u64 + 1), ..kept.clone() }.holds()
                    || body.len() >= RAW_BODY_LIMIT_BYTES
            );
            assert!(!RawBody { text: Some("x".into()), ..kept.clone() }.holds());
            assert!(!RawBody { sha256: None, ..kept.clone() }.holds());
            assert!(RawBody { text: None, base64: None, ..kept }.holds(), "a page of a listing");
        }
        assert!(RawBody::default().holds(), "no answer");
    }

    #[test]
    fn a_binary_body_is_kept_in_base64() {
        let kept = RawBody::new(&[0xff, 0x00]);
        assert_eq!((kept.text, kept.base64.as_deref()), (None, Some("/wA=")));
    }
}
