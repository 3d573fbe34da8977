//! What the stand-in answers: awsJson 1.1 bodies, errors in their various forms, and STS in XML.

use super::{
    http::Answer,
    script::{Act, Reply},
    server::Call,
    world::{DEFAULT_KEY_PAIR, HOME, KeyPair, NotFound, Operation, Place, State, now_us},
};

/// The answer to a request, or nothing where the connection is to end without one.
pub(crate) fn answer(
    state: &mut State,
    call: &Call,
    act: &Act,
    operation: Option<Operation>,
    request_id: &str,
) -> Option<Answer> {
    let mut answer = undated(state, call, act, operation, request_id)?;
    if let Some(ahead) = state.date_ahead_s {
        let date = jiff::Timestamp::from_microsecond(now_us()).expect("a time in range");
        let date = date.saturating_add(jiff::SignedDuration::from_secs(ahead)).expect("a time in range");
        answer.headers.push(("date".to_owned(), date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()));
    }
    Some(answer)
}

fn undated(
    state: &mut State,
    call: &Call,
    act: &Act,
    operation: Option<Operation>,
    request_id: &str,
) -> Option<Answer> {
    match &act.reply {
        Reply::Cut | Reply::Hang => None,
        Reply::Raw { status, content_type, body } => {
            Some(dressed(*status, content_type, (*body).to_owned(), request_id))
        }
        Reply::Error { status, kind, code, header, message } => {
            if kind.contains("Throttl") {
                state.throttled += 1;
            }
            Some(error(call, *status, kind, *code, *header, message, request_id))
        }
        Reply::Truncated => {
            let operation = operation.unwrap_or_else(|| look_alike(state, &call.place));
            let mut body = format!(r#"{{"operation":{}}}"#, operation_json(&operation));
            body.truncate(body.len() / 2);
            Some(json(200, body, request_id))
        }
        Reply::Operation { status, polls, end } => {
            let operation = match operation {
                Some(mut made) => {
                    made.status = status;
                    (made.polls_left, made.end) = (*polls, end);
                    if let Some(kept) = state.operations.iter_mut().find(|kept| kept.id == made.id) {
                        *kept = made.clone();
                    }
                    made
                }
                None => state.operation(&call.place, status, *polls, end),
            };
            Some(json(200, format!(r#"{{"operation":{}}}"#, operation_json(&operation)), request_id))
        }
        Reply::Normal => Some(match operation {
            Some(operation) => json(200, format!(r#"{{"operation":{}}}"#, operation_json(&operation)), request_id),
            None => healthy(state, call, request_id),
        }),
    }
}

/// The answer to anybody whose credentials have expired or who may not do this.
pub(crate) fn refused(state: &mut State, call: &Call, request_id: &str) -> Answer {
    if state.expired {
        let (status, kind) =
            if call.operation == "GetCallerIdentity" { (403, "ExpiredToken") } else { (400, "ExpiredTokenException") };
        return error(
            call,
            status,
            kind,
            None,
            false,
            "The security token included in the request is expired",
            request_id,
        );
    }
    let action = format!("lightsail:{}", call.operation);
    let message = format!("User: arn:aws:iam::{}:user/tester is not authorized to perform: {action}", state.account);
    error(call, 400, "AccessDeniedException", Some("AccessDenied"), false, &message, request_id)
}

/// What a healthy service says.
fn healthy(state: &mut State, call: &Call, request_id: &str) -> Answer {
    let place = &call.place;
    match call.operation.as_str() {
        "GetCallerIdentity" => caller(&state.account, request_id),
        "AssumeRole" => assumed(&state.account, request_id),
        "DeleteKeyPair" => delete(state, call, request_id),
        "GetKeyPair" => match state.keys.get(place) {
            Some(pair) => json(200, format!(r#"{{"keyPair":{}}}"#, pair_json(pair, place)), request_id),
            None => not_found(state, call, request_id),
        },
        "GetKeyPairs" => {
            let with_default = call.json.get("includeDefaultKeyPair").and_then(serde_json::Value::as_bool);
            let here = state.keys.iter().filter(|((region, name), _)| {
                *region == place.0 && (name != DEFAULT_KEY_PAIR || with_default == Some(true))
            });
            let all: Vec<String> = here.map(|(place, pair)| pair_json(pair, place)).collect();
            page(&all, "keyPairs", call, state.page_size, request_id)
        }
        "GetOperation" => match state.poll(&place.1) {
            Some(operation) => json(200, format!(r#"{{"operation":{}}}"#, operation_json(&operation)), request_id),
            None => not_found(state, call, request_id),
        },
        "GetOperationsForResource" => {
            let known = state.operations.iter().rev().filter(|operation| state.history && operation.place == *place);
            let all: Vec<String> = known.map(operation_json).collect();
            page(&all, "operations", call, state.page_size, request_id)
        }
        "GetRegions" => {
            let mut names: Vec<&str> = state.keys.keys().map(|(region, _)| region.as_str()).chain([HOME]).collect();
            names.sort_unstable();
            names.dedup();
            let all: Vec<String> = names.iter().map(|name| format!(r#"{{"name":"{name}"}}"#)).collect();
            json(200, format!(r#"{{"regions":[{}]}}"#, all.join(",")), request_id)
        }
        "GetInstances" => {
            let here = state.instances.iter().filter(|((region, _), _)| *region == place.0);
            let all: Vec<String> = here.map(|((region, name), key)| instance_json(region, name, key)).collect();
            page(&all, "instances", call, state.page_size, request_id)
        }
        _ => error(call, 400, "UnknownOperationException", None, false, "unknown operation", request_id),
    }
}

fn delete(state: &mut State, call: &Call, request_id: &str) -> Answer {
    if call.place.1 == DEFAULT_KEY_PAIR {
        let expected = call.json.get("expectedFingerprint").and_then(serde_json::Value::as_str);
        let actual = state.keys.get(&call.place).map(|pair| pair.fingerprint.as_str());
        if expected.is_none() || actual.is_some_and(|actual| Some(actual) != expected) {
            let message = "The expected fingerprint is required for the default key pair";
            return error(call, 400, "InvalidInputException", Some("InvalidParameter"), false, message, request_id);
        }
    }
    match state.apply(super::script::Effect::Delete, &call.place) {
        Some(operation) => json(200, format!(r#"{{"operation":{}}}"#, operation_json(&operation)), request_id),
        None => not_found(state, call, request_id),
    }
}

fn not_found(state: &State, call: &Call, request_id: &str) -> Answer {
    let (code, header) = match state.not_found {
        NotFound::TypeOnly => (None, false),
        NotFound::TypeAndCode => (Some("DoesNotExist"), false),
        NotFound::HeaderAndCode => (Some("DoesNotExist"), true),
    };
    error(call, 400, "NotFoundException", code, header, "The resource does not exist", request_id)
}

fn error(
    call: &Call,
    status: u16,
    kind: &str,
    code: Option<&str>,
    header: bool,
    message: &str,
    request_id: &str,
) -> Answer {
    if call.operation == "GetCallerIdentity" {
        let body = format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{kind}</Code><Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        );
        return dressed(status, "text/xml", body, request_id);
    }
    let mut body = serde_json::json!({ "__type": kind, "message": message });
    if let Some(code) = code {
        body["code"] = code.into();
        body["docs"] = "https://lightsail.aws.amazon.com/ls/docs/error".into();
        body["tip"] = "Look at the name once more".into();
    }
    let mut answer = json(status, body.to_string(), request_id);
    if header {
        let value = format!("{kind}:http://internal.amazon.com/coral/com.amazonaws.lightsail/");
        answer.headers.push(("x-amzn-errortype".to_owned(), value));
    }
    answer
}

fn page(all: &[String], key: &str, call: &Call, size: usize, request_id: &str) -> Answer {
    let token = call.json.get("pageToken").and_then(serde_json::Value::as_str).and_then(|text| text.parse().ok());
    let start = token.unwrap_or(0_usize).min(all.len());
    let end = (start + size).min(all.len());
    let next = if end < all.len() { format!(r#","nextPageToken":"{end}""#) } else { String::new() };
    json(200, format!(r#"{{"{key}":[{}]{next}}}"#, all[start..end].join(",")), request_id)
}

fn pair_json(pair: &KeyPair, (region, name): &Place) -> String {
    let KeyPair { arn, fingerprint, created_number, .. } = pair;
    format!(
        r#"{{"name":"{name}","arn":"{arn}","supportCode":"1/2","createdAt":{created_number},"location":{{"availabilityZone":"all","regionName":"{region}"}},"resourceType":"KeyPair","tags":[],"fingerprint":"{fingerprint}"}}"#
    )
}

fn instance_json(region: &str, name: &str, key: &str) -> String {
    format!(
        r#"{{"name":"{name}","arn":"arn:aws:lightsail:{region}:123456789012:Instance/{name}","createdAt":1.6E9,"location":{{"availabilityZone":"{region}a","regionName":"{region}"}},"resourceType":"Instance","state":{{"code":16,"name":"running"}},"sshKeyName":"{key}"}}"#
    )
}

fn operation_json(operation: &Operation) -> String {
    let Operation { id, place: (region, name), kind, status, created_us, .. } = operation;
    let created = format!("{}.{:03}", created_us / 1_000_000, created_us / 1000 % 1000);
    let failure = match *status {
        "Failed" => r#","errorCode":"InternalFailure","errorDetails":"scripted failure""#,
        _ => "",
    };
    let terminal = operation.is_terminal();
    format!(
        r#"{{"id":"{id}","resourceName":"{name}","resourceType":"KeyPair","createdAt":{created},"location":{{"availabilityZone":"all","regionName":"{region}"}},"isTerminal":{terminal},"operationDetails":"","operationType":"{kind}","status":"{status}","statusChangedAt":{created},"aFieldOfTheFuture":{{"x":[1]}}{failure}}}"#
    )
}

/// An operation that is in no history, for answers that are to be broken anyway.
fn look_alike(state: &mut State, place: &Place) -> Operation {
    let operation = state.operation(place, "Succeeded", 0, "Succeeded");
    state.operations.pop();
    operation
}

fn caller(account: &str, request_id: &str) -> Answer {
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>arn:aws:iam::{account}:user/tester</Arn><UserId>AIDATESTER</UserId><Account>{account}</Account>\
         </GetCallerIdentityResult><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>\
         </GetCallerIdentityResponse>"
    );
    dressed(200, "text/xml", body, request_id)
}

/// Credentials of a role, for an hour.
fn assumed(account: &str, request_id: &str) -> Answer {
    let until = jiff::Timestamp::from_second(super::world::now_us() / 1_000_000 + 3_600).expect("a time in range");
    let body = format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><AssumedRoleUser>\
         <Arn>arn:aws:sts::{account}:assumed-role/cleaner/keybatch</Arn><AssumedRoleId>AROATEST:keybatch</AssumedRoleId>\
         </AssumedRoleUser><Credentials><AccessKeyId>ASIAOFTHEROLE</AccessKeyId><SecretAccessKey>x</SecretAccessKey>\
         <SessionToken>t</SessionToken><Expiration>{until}</Expiration></Credentials></AssumeRoleResult>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></AssumeRoleResponse>"
    );
    dressed(200, "text/xml", body, request_id)
}

fn json(status: u16, body: String, request_id: &str) -> Answer {
    dressed(status, "application/x-amz-json-1.1", body, request_id)
}

fn dressed(status: u16, content_type: &str, body: String, request_id: &str) -> Answer {
    let header = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let headers = vec![header("content-type", content_type), header("x-amzn-requestid", request_id)];
    Answer { status, headers, body }
}
