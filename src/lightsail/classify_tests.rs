//! Each name of an error in each of its forms, and what it means.

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
        names("SomethingNew", "DoesNotExist", ""),
    ] {
        assert_eq!(class(400, &names), Class::NotFound, "{names:?}");
    }
}

#[test]
fn what_nobody_named_is_unanswered() {
    for status in [200, 302, 400, 403, 404, 407, 500, 503] {
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
    assert_eq!(class(429, &ErrorNames::default()), Class::Throttled);
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

/// AWS's page "Common Errors" in its older edition (Lightsail's own API reference), in its newer one (Lambda, MGN, Neptune;
/// 2025), the exceptions of the Lightsail model, and names that other services and their front ends are known to send.
const TABLE: &[(u16, &str, Class)] = &[
    // Both editions.
    (403, "AccessDeniedException", Class::Denied),
    (400, "IncompleteSignature", Class::RefusedForAll),
    (400, "InternalFailure", Class::Unanswered),
    (401, "NotAuthorized", Class::Denied),
    (400, "NotAuthorized", Class::Denied),
    (403, "OptInRequired", Class::RefusedForAll),
    (400, "RequestExpired", Class::RefusedForAll),
    (400, "ServiceUnavailable", Class::Unanswered),
    (400, "ThrottlingException", Class::Throttled),
    (400, "ValidationError", Class::Refused),
    // The older one.
    (400, "InvalidAction", Class::RefusedForAll),
    (403, "InvalidClientTokenId", Class::RefusedForAll),
    (400, "InvalidParameterCombination", Class::Refused),
    (400, "InvalidParameterValue", Class::Refused),
    (400, "InvalidQueryParameter", Class::Refused),
    (404, "MalformedQueryString", Class::Refused),
    (400, "MissingAction", Class::RefusedForAll),
    (403, "MissingAuthenticationToken", Class::RefusedForAll),
    (400, "MissingParameter", Class::Refused),
    // The newer one.
    (403, "ExpiredTokenException", Class::RefusedForAll),
    (400, "MalformedHttpRequestException", Class::Refused),
    (400, "RequestAbortedException", Class::Unanswered),
    (413, "RequestEntityTooLargeException", Class::Refused),
    (408, "RequestTimeoutException", Class::Unanswered),
    (404, "UnknownOperationException", Class::RefusedForAll),
    (403, "UnrecognizedClientException", Class::RefusedForAll),
    // The Lightsail model, with the codes that come beside some of its types.
    (400, "AccountSetupInProgressException", Class::SetupInProgress),
    (400, "RegionSetupInProgressException", Class::SetupInProgress),
    (400, "InvalidInputException", Class::Refused),
    (400, "NotFoundException", Class::NotFound),
    (400, "DoesNotExist", Class::NotFound),
    (400, "OperationFailureException", Class::Unanswered),
    (400, "ServiceException", Class::Unanswered),
    (400, "UnauthenticatedException", Class::RefusedForAll),
    // Others.
    (400, "ExpiredToken", Class::RefusedForAll),
    (403, "InvalidSignatureException", Class::RefusedForAll),
    (403, "SignatureDoesNotMatch", Class::RefusedForAll),
    (403, "RequestTimeTooSkewed", Class::RefusedForAll),
    (403, "MissingAuthenticationTokenException", Class::RefusedForAll),
    (403, "UnauthorizedOperation", Class::Denied),
    (403, "NotAuthorizedException", Class::Denied),
    (400, "RequestLimitExceeded", Class::Throttled),
    (400, "TooManyRequestsException", Class::Throttled),
    (400, "SlowDown", Class::Throttled),
    (400, "SerializationException", Class::Refused),
    (400, "SomethingNew", Class::Refused),
];

// SEMANTICS: P35
#[test]
fn each_name_means_the_same_in_each_of_its_forms() {
    for (status, name, expected) in TABLE {
        let spaced = format!("com.amazonaws.lightsail#{name}");
        let followed = format!("{name}:http://internal.amazon.com/coral/com.amazonaws.lightsail/");
        let twice = format!("{name},{name}");
        let both = format!("{spaced}:http://internal.amazon.com/coral/#{name}");
        for form in [name, spaced.as_str(), followed.as_str(), both.as_str(), twice.as_str()] {
            for names in [names(form, "", ""), names("", form, ""), names("", "", form), names(form, form, form)] {
                assert_eq!(class(*status, &names), *expected, "{status} {names:?}");
                assert_eq!(class(500, &names), Class::Unanswered, "500 {names:?}");
                assert_eq!(class(302, &names), Class::Unanswered, "302 {names:?}");
            }
        }
        // The type decides, whatever the code beside it says, and the SDK's name counts no more than a code.
        for (_, other, _) in TABLE {
            let named = ErrorNames { sdk_code: Some((*other).to_owned()), ..names(name, other, "") };
            let known = *name != "SomethingNew";
            assert!(!known || class(*status, &named) == *expected, "{named:?}");
            let named = ErrorNames { sdk_code: Some((*other).to_owned()), ..names("", other, name) };
            assert!(!known || class(*status, &named) == *expected, "{named:?}");
        }
    }
}

// field.md: "One denied row with `code: NotAuthorized` beside `__type` AccessDeniedException stops the whole run".
#[test]
fn the_type_decides_before_the_code_and_the_code_before_the_status() {
    assert_eq!(class(400, &names("AccessDeniedException", "NotAuthorized", "")), Class::Denied);
    assert_eq!(class(400, &names("AccessDeniedException", "ExpiredToken", "")), Class::Denied);
    assert_eq!(class(400, &names("InvalidInputException", "DoesNotExist", "")), Class::Refused);
    assert_eq!(class(400, &names("ServiceException", "DoesNotExist", "")), Class::Unanswered);
    assert_eq!(class(400, &names("SomethingNew", "ExpiredToken", "")), Class::RefusedForAll);
    assert_eq!(class(429, &names("NotFoundException", "", "")), Class::NotFound);
    assert_eq!(class(429, &names("", "DoesNotExist", "")), Class::NotFound);
    assert_eq!(class(429, &names("SomethingNew", "", "")), Class::Throttled);
    assert_eq!(class(408, &names("SomethingNew", "", "")), Class::Unanswered);
    assert_eq!(class(408, &ErrorNames::default()), Class::Unanswered);
    assert_eq!(class(404, &ErrorNames::default()), Class::Unanswered);
    // Where the two names of the type disagree, the more cautious one counts.
    assert_eq!(class(400, &names("NotFoundException", "", "ServiceException")), Class::Unanswered);
}
