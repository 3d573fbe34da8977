//! What the names of errors mean, and their precedence.
//!
//! Gathered from the Lightsail model (aws-sdk-lightsail 1.135.0), from AWS's page "Common Errors" in both its editions
//! (`docs.aws.amazon.com/lightsail/2016-11-28/api-reference/CommonErrors.html` and the one of the newer services), and from
//! the lists by which the SDKs retry and correct their clocks. Names are compared exactly; message text never decides.

use crate::domain::Class;

/// Each class with the names that mean it, the most cautious class first: if two names of the same rank disagree, the
/// first class that lists one of them counts.
const MEANINGS: [(Class, &[&str]); 6] = [
    (Class::Unanswered, MAYBE),
    (Class::RefusedForAll, FOR_ALL),
    (Class::SetupInProgress, SETUP),
    (Class::NotFound, NOT_FOUND),
    (Class::Denied, DENIED),
    (Class::Refused, REFUSED),
];

/// The service tried, or may have: these count as no answer.
const MAYBE: &[&str] = &[
    "ServiceException",
    "OperationFailureException",
    "OperationFailure",
    "InternalFailure",
    "InternalFailureException",
    "InternalError",
    "InternalServerError",
    "InternalServerException",
    "InternalServiceError",
    "InternalServiceException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    // The connection ended before the answer was sent, or the request was not read in time: AWS does not say how far it got.
    "RequestAbortedException",
    "RequestTimeout",
    "RequestTimeoutException",
];

/// Refused for everyone: no row of this target can succeed until a person has changed something.
const FOR_ALL: &[&str] = &[
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidClientTokenIdException",
    "InvalidAccessKeyId",
    "ExpiredToken",
    "ExpiredTokenException",
    "TokenRefreshRequired",
    "InvalidSignature",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "RequestInTheFuture",
    "UnauthenticatedException",
    "Unauthenticated",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "AuthFailure",
    "OptInRequired",
    "OptInRequiredException",
    "SubscriptionRequiredException",
    "NotSignedUp",
    "PendingVerification",
    "Blocked",
    "RegionDisabledException",
    // Whatever answers there is not Lightsail, or does not know this operation.
    "UnknownOperation",
    "UnknownOperationException",
    "InvalidAction",
    "MissingAction",
];

const SETUP: &[&str] = &[
    "AccountSetupInProgressException",
    "AccountSetupInProgress",
    "RegionSetupInProgressException",
    "RegionSetupInProgress",
];

const NOT_FOUND: &[&str] = &["NotFoundException", "DoesNotExist"];

/// The caller is known but not permitted, for this key pair or for all; only the answers for other key pairs show which.
const DENIED: &[&str] = &[
    "AccessDeniedException",
    "AccessDenied",
    "NotAuthorized",
    "NotAuthorizedException",
    "UnauthorizedOperation",
    "UnauthorizedOperationException",
    "UnauthorizedException",
    "UnauthorizedAccess",
    "UnauthorizedAccessException",
    "Unauthorized",
    "ForbiddenException",
    "Forbidden",
    "AuthorizationError",
    "AuthorizationErrorException",
];

/// The request itself is not accepted, no matter who sends it.
const REFUSED: &[&str] = &[
    "InvalidInputException",
    "InvalidInput",
    "ValidationError",
    "ValidationException",
    "InvalidParameter",
    "InvalidParameterException",
    "InvalidParameterCombination",
    "InvalidParameterCombinationException",
    "InvalidParameterValue",
    "InvalidParameterValueException",
    "InvalidQueryParameter",
    "MalformedQueryString",
    "MalformedHttpRequestException",
    "MissingParameter",
    "MissingParameterException",
    "RequestEntityTooLargeException",
    "SerializationException",
];

/// The class that these names mean; `None` if none of them is known. Names of the same rank are passed together.
pub(super) fn meaning<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Option<Class> {
    let any = |list: &[&str]| names.clone().any(|name| list.contains(&name));
    let [maybe, for_all, rest @ ..] = MEANINGS;
    let first = [maybe, for_all].into_iter().chain([(Class::Throttled, throttling_errors())]);
    first.chain(rest).find(|(_, list)| any(list)).map(|(class, _)| class)
}

/// The names by which the service refuses everyone.
#[must_use]
pub fn names_for_all() -> &'static [&'static str] {
    FOR_ALL
}

/// The SDK's own list of throttling codes.
fn throttling_errors() -> &'static [&'static str] {
    aws_runtime::retries::classifiers::THROTTLING_ERRORS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_one_meaning() {
        let lists = || MEANINGS.into_iter().chain([(Class::Throttled, throttling_errors())]);
        for (class, list) in lists() {
            for name in list {
                let others = lists().filter(|(other, list)| *other != class && list.contains(name));
                assert_eq!(others.count(), 0, "{name}");
                assert_eq!(list.iter().filter(|other| *other == name).count(), 1, "{name}");
                assert_eq!(meaning([*name].into_iter()), Some(class), "{name}");
            }
        }
        // What the SDK considers transient may have taken effect.
        for name in aws_runtime::retries::classifiers::TRANSIENT_ERRORS {
            assert_eq!(meaning([*name].into_iter()), Some(Class::Unanswered), "{name}");
        }
    }

    #[test]
    fn of_names_that_disagree_the_most_cautious_counts() {
        assert_eq!(meaning(["NotFoundException", "ServiceException"].into_iter()), Some(Class::Unanswered));
        assert_eq!(meaning(["NotFoundException", "ThrottlingException"].into_iter()), Some(Class::Throttled));
        assert_eq!(meaning(["Unheard", "AccessDenied"].into_iter()), Some(Class::Denied));
        assert_eq!(meaning(["Unheard"].into_iter()), None);
    }
}
