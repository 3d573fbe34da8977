//! What came back for a request: the exchange on the wire, and the words for what it means for the caller.

use serde::{Deserialize, Serialize};

use super::raw_body::RawBody;

/// The header by which a sandbox says that it is one; its value is the id of its world.
pub const SANDBOX_HEADER: &str = "x-keybatch-sandbox";

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
