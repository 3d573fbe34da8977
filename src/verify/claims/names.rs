//! What the names of an error mean: by this room's own lists, as far as the service documents the names.

use crate::domain::Class;

/// The service tried, or may have.
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
    "RequestAbortedException",
    "RequestTimeout",
    "RequestTimeoutException",
];
/// Refused for everyone.
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
    "UnknownOperation",
    "UnknownOperationException",
    "InvalidAction",
    "MissingAction",
];
/// Too fast.
const THROTTLES: &[&str] = &[
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
const SETUP: &[&str] = &[
    "AccountSetupInProgressException",
    "AccountSetupInProgress",
    "RegionSetupInProgressException",
    "RegionSetupInProgress",
];
const NOT_FOUND: &[&str] = &["NotFoundException", "DoesNotExist"];
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

/// In the order of caution: the first that one of the names is among decides.
const ORDER: [(&[&str], Class); 7] = [
    (MAYBE, Class::Unanswered),
    (FOR_ALL, Class::RefusedForAll),
    (THROTTLES, Class::Throttled),
    (SETUP, Class::SetupInProgress),
    (NOT_FOUND, Class::NotFound),
    (DENIED, Class::Denied),
    (REFUSED, Class::Refused),
];

/// The class that one of `names` stands for; none where none is known.
fn class_of(names: &[&str]) -> Option<Class> {
    let known = ORDER.into_iter().find(|(list, _)| names.iter().any(|name| list.contains(name)));
    known.map(|(_, class)| class)
}

/// The class that an error of these types and codes stands for: what the types say counts before what the codes do.
pub(super) fn class_by(types: &[&str], codes: &[&str]) -> Option<Class> {
    class_of(types).or_else(|| class_of(codes))
}

/// `com.amazonaws.lightsail#NotFoundException:http://…` → `NotFoundException`.
pub(super) fn bare(name: &str) -> &str {
    let name = name.split_once([':', ',']).map_or(name, |(first, _)| first);
    name.split_once('#').map_or(name, |(_, last)| last).trim()
}

/// Those of `names` that are there, each bare.
pub(super) fn bare_names<const N: usize>(names: [Option<&str>; N]) -> Vec<&str> {
    names.into_iter().flatten().map(bare).filter(|name| !name.is_empty()).collect()
}
