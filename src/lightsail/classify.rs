//! What an answer means. Pure: from the facts of one exchange to a [`Class`].
//!
//! The rule of this file: an answer is a refusal, a "not found" or a success only where it says so in a form that we
//! know. Everything else is [`Class::Unanswered`], which is settled by looking. Never decided on message text.

use crate::domain::{ApiError, Cause, Class, Operation};

/// How the exchange ended on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// The request was never built or signed.
    NotBuilt,
    /// No credentials could be had.
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
    /// Each name without its name space (`com.amazonaws.lightsail#`) and without what follows a colon.
    fn bare(&self) -> impl Iterator<Item = &str> {
        [&self.body_type, &self.body_code, &self.header, &self.sdk_code]
            .into_iter()
            .flatten()
            .map(|name| bare_name(name))
            .filter(|name| !name.is_empty())
    }
}

/// `com.amazonaws.lightsail#NotFoundException:http://…` → `NotFoundException`.
#[must_use]
pub fn bare_name(name: &str) -> &str {
    let name = name.rsplit_once('#').map_or(name, |(_, last)| last);
    name.split_once(':').map_or(name, |(first, _)| first).trim()
}

/// Refused for everyone: no row of this run can succeed until a person has changed something.
const FOR_ALL: &[&str] = &[
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "OptInRequired",
    "SubscriptionRequiredException",
    "UnauthenticatedException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "InvalidAccessKeyId",
    "AuthFailure",
];

const NOT_FOUND: &[&str] = &["NotFoundException", "DoesNotExist"];
const SETUP: &[&str] = &["AccountSetupInProgressException", "RegionSetupInProgressException"];
const DENIED: &[&str] = &["AccessDeniedException", "AccessDenied", "UnauthorizedOperation", "UnauthorizedException"];
/// The service tried, or may have: these are as good as no answer.
const MAYBE: &[&str] = &[
    "ServiceException",
    "OperationFailureException",
    "InternalFailure",
    "InternalError",
    "InternalServerError",
    "InternalServiceError",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "RequestTimeout",
    "RequestTimeoutException",
];

/// Classes an error answer. `names` are the error's names as far as the body could be read.
///
/// The order is the order of caution: what stops everything, then what only delays, then what ends a row.
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
    let any = |list: &[&str]| names.bare().any(|name| list.contains(&name));
    if !(400..500).contains(&status) {
        return (Class::Unanswered, Cause::Unreadable);
    }
    if any(MAYBE) {
        (Class::Unanswered, Cause::ServerError)
    } else if any(FOR_ALL) {
        (Class::RefusedForAll, Cause::Error)
    } else if any(aws_throttling_errors()) || (status == 429 && names.bare().next().is_some()) {
        (Class::Throttled, Cause::Error)
    } else if any(SETUP) {
        (Class::SetupInProgress, Cause::Error)
    } else if any(NOT_FOUND) {
        (Class::NotFound, Cause::Error)
    } else if any(DENIED) {
        (Class::Denied, Cause::Error)
    } else if any(&["InvalidInputException"]) {
        (Class::Refused, Cause::Error)
    } else if names.bare().next().is_some() {
        // The service named an error and a status of 4xx: a refusal, though of a kind that we do not know.
        (Class::Refused, Cause::UnknownError)
    } else {
        // A 4xx without any name may come from something between us and the service.
        (Class::Unanswered, Cause::Unreadable)
    }
}

/// The list of throttling codes that the SDK itself uses.
fn aws_throttling_errors() -> &'static [&'static str] {
    aws_runtime::retries::classifiers::THROTTLING_ERRORS
}

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

/// The class of a delete's answer, whichever it was.
#[must_use]
pub fn classify_delete(name: &str, result: &Result<Option<Operation>, ApiError>) -> (Class, Option<Cause>) {
    match result {
        Ok(operation) => classify_operation(name, operation.as_ref()),
        Err(error) => (error.class, Some(error.cause)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(body_type: &str, body_code: &str, header: &str) -> ErrorNames {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        ErrorNames { body_type: some(body_type), body_code: some(body_code), header: some(header), sdk_code: None }
    }

    fn class(status: u16, names: &ErrorNames) -> Class {
        classify_error(Wire::Answer { status }, names).0
    }

    // SEMANTICS: P35
    #[test]
    fn not_found_is_understood_in_each_of_its_forms() {
        for names in [
            names("NotFoundException", "", ""),
            names("NotFoundException", "DoesNotExist", ""),
            names("com.amazonaws.lightsail#NotFoundException", "DoesNotExist", ""),
            names("", "DoesNotExist", ""),
            names("", "", "NotFoundException:http://internal.amazon.com/coral/"),
            names("InvalidInputException", "DoesNotExist", ""),
        ] {
            assert_eq!(class(400, &names), Class::NotFound, "{names:?}");
        }
    }

    #[test]
    fn what_nobody_named_is_unanswered() {
        for status in [200, 302, 400, 403, 404, 407, 429, 500, 503] {
            assert_eq!(class(status, &ErrorNames::default()), Class::Unanswered, "{status}");
        }
    }

    #[test]
    fn a_status_of_500_and_above_shows_nothing_whatever_it_is_called() {
        for name in ["NotFoundException", "ThrottlingException", "InvalidInputException", "ServiceException"] {
            assert_eq!(class(500, &names(name, "", "")), Class::Unanswered);
        }
        assert_eq!(class(400, &names("ServiceException", "", "")), Class::Unanswered);
        assert_eq!(class(400, &names("OperationFailureException", "", "")), Class::Unanswered);
    }

    #[test]
    fn refusals_are_told_apart() {
        assert_eq!(class(400, &names("ThrottlingException", "", "")), Class::Throttled);
        assert_eq!(class(429, &names("TooManyRequestsException", "", "")), Class::Throttled);
        assert_eq!(class(400, &names("AccessDeniedException", "", "")), Class::Denied);
        assert_eq!(class(403, &names("InvalidClientTokenId", "", "")), Class::RefusedForAll);
        assert_eq!(class(400, &names("ExpiredTokenException", "", "")), Class::RefusedForAll);
        assert_eq!(class(400, &names("AccountSetupInProgressException", "", "")), Class::SetupInProgress);
        assert_eq!(class(400, &names("InvalidInputException", "", "")), Class::Refused);
        assert_eq!(class(400, &names("SomethingNew", "", "")), Class::Refused);
    }

    // SEMANTICS: P26
    #[test]
    fn only_a_terminal_operation_of_ours_is_a_success() {
        let done = Operation {
            id: Some("1".into()),
            resource_name: Some("kp".into()),
            operation_type: Some("DeleteKeyPair".into()),
            is_terminal: Some(true),
            status: Some("Succeeded".into()),
            ..Operation::default()
        };
        let with = |change: fn(&mut Operation)| {
            let mut operation = done.clone();
            change(&mut operation);
            classify_operation("kp", Some(&operation)).0
        };
        assert_eq!(with(|_| ()), Class::Succeeded);
        assert_eq!(with(|operation| operation.status = Some("Completed".into())), Class::Succeeded);
        assert_eq!(with(|operation| operation.is_terminal = Some(false)), Class::Pending);
        assert_eq!(with(|operation| operation.is_terminal = None), Class::Pending);
        assert_eq!(with(|operation| operation.status = Some("Failed".into())), Class::OperationFailed);
        assert_eq!(with(|operation| operation.status = Some("Started".into())), Class::Unanswered);
        assert_eq!(with(|operation| operation.status = None), Class::Unanswered);
        assert_eq!(with(|operation| operation.resource_name = Some("other".into())), Class::Unanswered);
        assert_eq!(with(|operation| operation.operation_type = Some("CreateKeyPair".into())), Class::Unanswered);
        assert_eq!(classify_operation("kp", None).0, Class::Unanswered);
    }
}
