//! What the names of an error mean: by lists of its own, as far as the service documents them.

use crate::domain::Class;

/// Refused for everyone.
const FOR_ALL: [&str; 18] = [
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
const NOT_FOUND: [&str; 2] = ["NotFoundException", "DoesNotExist"];
const SETUP: [&str; 2] = ["AccountSetupInProgressException", "RegionSetupInProgressException"];
const DENIED: [&str; 4] = ["AccessDeniedException", "AccessDenied", "UnauthorizedOperation", "UnauthorizedException"];
/// Too fast.
const THROTTLES: [&str; 14] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "RequestThrottled",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
];
const REFUSED: [&str; 1] = ["InvalidInputException"];
/// The service tried, or may have.
const MAYBE: [&str; 10] = [
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

/// In the order of caution: the first that one of the names is among decides.
const ORDER: [(&[&str], Class); 6] = [
    (&MAYBE, Class::Unanswered),
    (&FOR_ALL, Class::RefusedForAll),
    (&SETUP, Class::SetupInProgress),
    (&NOT_FOUND, Class::NotFound),
    (&DENIED, Class::Denied),
    (&REFUSED, Class::Refused),
];

/// The class that one of `names` stands for; none where none is known. Those of going too fast do not count: the service may
/// have others for it.
pub(super) fn class_of(names: &[&str]) -> Option<Class> {
    let known = ORDER.into_iter().find(|(list, _)| names.iter().any(|name| list.contains(name)));
    known.map(|(_, class)| class)
}

/// Whether this name is known to say that requests come too fast.
pub(super) fn is_throttle(name: &str) -> bool {
    THROTTLES.contains(&name)
}

/// `com.amazonaws.lightsail#NotFoundException:http://…` → `NotFoundException`.
pub(super) fn bare(name: &str) -> &str {
    let name = name.rsplit_once('#').map_or(name, |(_, last)| last);
    name.split_once(':').map_or(name, |(first, _)| first).trim()
}
