//! What to do if the service refuses everyone because of the clock, the keys, the account or the address. The step follows from the
//! names that the service gives its errors, never from their text, and is the same wherever such a refusal occurs.

/// The names, and the step that follows.
const STEPS: [(&[&str], &str); 6] = [
    (
        &["RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture"],
        "set this machine's clock (timedatectl status): AWS refuses requests whose time differs from its own by more than \
         five minutes",
    ),
    (
        &["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"],
        "the credentials have expired: obtain new ones, e.g. by logging in again, and repeat the command",
    ),
    (
        &[
            "InvalidSignature",
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
            "IncompleteSignature",
            "IncompleteSignatureException",
        ],
        "check the secret access key, this machine's clock, and that no proxy changes requests on their way",
    ),
    (
        &[
            "UnrecognizedClientException",
            "InvalidClientTokenId",
            "InvalidClientTokenIdException",
            "InvalidAccessKeyId",
            "UnauthenticatedException",
            "Unauthenticated",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "AuthFailure",
        ],
        "AWS does not accept the access key: check the profile, whether the key is still active, and whether the account \
         has the region enabled; aws sts get-caller-identity shows whose it is",
    ),
    (
        &[
            "OptInRequired",
            "OptInRequiredException",
            "SubscriptionRequiredException",
            "NotSignedUp",
            "PendingVerification",
            "Blocked",
            "RegionDisabledException",
        ],
        "the account is not signed up for Lightsail in this region, or AWS has not verified it or has blocked it: sign in \
         to the AWS console as its owner, enable the service or the region there, and repeat the command",
    ),
    (
        &["UnknownOperation", "UnknownOperationException", "InvalidAction", "MissingAction"],
        "whatever answered is not Lightsail, or does not know this operation: check the endpoint with `keybatch doctor`",
    ),
];

/// The step for an error of one of these names, if there is a particular one.
pub(super) fn step<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    names.find_map(|name| STEPS.iter().find(|(known, _)| known.contains(&name)).map(|(_, step)| *step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lightsail::classify::names_for_all;

    #[test]
    fn each_refusal_of_everyone_has_its_step() {
        for name in names_for_all() {
            assert!(step([*name].into_iter()).is_some(), "{name}");
        }
        assert!(step(["RequestExpired"].into_iter()).is_some_and(|step| step.contains("clock")));
        assert!(step(["OptInRequired"].into_iter()).is_some_and(|step| step.contains("signed up")));
        assert_eq!(step(["AccessDeniedException"].into_iter()), None);
    }
}
