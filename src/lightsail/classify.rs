//! What an answer means. Pure: from the facts of one exchange to a [`Class`].
//!
//! The rule of this file: an answer is a refusal, a "not found" or a success only if it says so in a form that we know.
//! Everything else is [`Class::Unanswered`], which is settled by looking. Message text never decides.

use super::error_names::meaning;
pub use super::error_names::names_for_all;
use crate::domain::{ApiError, Cause, Class, Operation, error_name};

/// How the exchange ended on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// The request was never built or signed.
    NotBuilt,
    /// No credentials could be obtained.
    NoCredentials,
    /// The connection was never made (proved by the HTTP client, not guessed).
    ConnectFailed,
    /// No answer within the time allowed.
    Timeout,
    /// The connection ended without an answer.
    Cut,
    /// An answer came, with this status; its body may be unreadable.
    Answer {
        /// The HTTP status.
        status: u16,
    },
}

/// The names that an answer gives its error, all of them, as they came: the SDK's resolved code, the body's `code`
/// and `__type`, the header. Lightsail sends a `code` beside the `__type`, and the SDK prefers the former.
#[derive(Debug, Clone, Default)]
pub struct ErrorNames {
    /// `__type` of the body.
    pub body_type: Option<String>,
    /// `code` of the body.
    pub body_code: Option<String>,
    /// Header `x-amzn-errortype`.
    pub header: Option<String>,
    /// What the SDK made of these.
    pub sdk_code: Option<String>,
}

impl ErrorNames {
    /// Whether the answer names an error at all.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.types().chain(self.codes()).next().is_some()
    }

    /// The names of the modelled type.
    fn types(&self) -> impl Iterator<Item = &str> + Clone {
        bare([&self.body_type, &self.header])
    }

    /// The names of the code: Lightsail's own, and what the SDK made of all of them.
    fn codes(&self) -> impl Iterator<Item = &str> + Clone {
        bare([&self.body_code, &self.sdk_code])
    }
}

/// Each name without its namespace and without what follows it.
fn bare(names: [&Option<String>; 2]) -> impl Iterator<Item = &str> + Clone {
    names.into_iter().flatten().map(|name| bare_name(name)).filter(|name| !name.is_empty())
}

/// The name without its namespace, and without the white space around it.
#[must_use]
pub fn bare_name(name: &str) -> &str {
    error_name(name).trim()
}

/// Classes an error answer. `names` are the error's names as far as the body could be read.
///
/// The modelled type (the body's `__type`, the header) decides before the `code`, and the `code` before the status; an
/// unknown name gives way to the next. For a 5xx, no name says whether the service tried.
#[must_use]
pub fn classify_error(wire: Wire, names: &ErrorNames) -> (Class, Cause) {
    let status = match wire {
        Wire::NotBuilt => return (Class::RefusedForAll, Cause::NotBuilt),
        Wire::NoCredentials => return (Class::RefusedForAll, Cause::NoCredentials),
        Wire::ConnectFailed => return (Class::NotSent, Cause::ConnectFailed),
        Wire::Timeout => return (Class::Unanswered, Cause::Timeout),
        Wire::Cut => return (Class::Unanswered, Cause::Cut),
        Wire::Answer { status } => status,
    };
    if status >= 500 {
        return (Class::Unanswered, Cause::ServerError);
    }
    if !(400..500).contains(&status) {
        return (Class::Unanswered, Cause::Unreadable);
    }
    match meaning(names.types()).or_else(|| meaning(names.codes())) {
        Some(Class::Unanswered) => (Class::Unanswered, Cause::ServerError),
        Some(class) => (class, Cause::Error),
        None if status == TOO_MANY_REQUESTS => (Class::Throttled, Cause::Error),
        // The request was not read in full in time, or the answer did not come; the status does not say how far it got.
        None if status == REQUEST_TIMEOUT => (Class::Unanswered, Cause::ServerError),
        // The service named an error and gave a 4xx status: a refusal, though of an unknown kind.
        None if names.types().chain(names.codes()).next().is_some() => (Class::Refused, Cause::UnknownError),
        // A 4xx without any error name may come from something between keybatch and the service.
        None => (Class::Unanswered, Cause::Unreadable),
    }
}

const REQUEST_TIMEOUT: u16 = 408;
const TOO_MANY_REQUESTS: u16 = 429;

/// Classes a delete's successful answer by the operation in it.
#[must_use]
pub fn classify_operation(name: &str, operation: Option<&Operation>) -> (Class, Option<Cause>) {
    match operation {
        Some(operation) if !operation.may_be_delete_of(name) => (Class::Unanswered, Some(Cause::NoOperation)),
        Some(operation) if operation.has_succeeded() => (Class::Succeeded, None),
        Some(operation) if operation.has_failed() => (Class::OperationFailed, None),
        Some(operation) if operation.is_terminal != Some(true) && operation.id.is_some() => (Class::Pending, None),
        _ => (Class::Unanswered, Some(Cause::NoOperation)),
    }
}

/// The class of any answer to a delete.
#[must_use]
pub fn classify_delete(name: &str, result: &Result<Option<Operation>, ApiError>) -> (Class, Option<Cause>) {
    match result {
        Ok(operation) => classify_operation(name, operation.as_ref()),
        Err(error) => (error.class, Some(error.cause)),
    }
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
