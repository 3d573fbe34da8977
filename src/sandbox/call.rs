//! A request as the sandbox understands it: operation, region, caller and parameters.
//!
//! Parsing is pure. A malformed request (no signature, unknown operation, no JSON) is a call, too, not an error: it has
//! arrived, is counted and is answered.

use hyper::HeaderMap;
use serde::{Deserialize, Serialize};

use super::derive;

/// What precedes the operation's name in `X-Amz-Target`.
const TARGET_PREFIX: &str = "Lightsail_20161128.";

/// The operations that the sandbox understands.
#[expect(clippy::enum_variant_names, reason = "these are the services' names")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Operation {
    DeleteKeyPair,
    GetKeyPair,
    GetKeyPairs,
    GetOperation,
    GetOperationsForResource,
    GetOperations,
    GetInstances,
    GetRegions,
    CreateKeyPair,
    ImportKeyPair,
    GetCallerIdentity,
    AssumeRole,
    /// Anything else; the answer is that of AWS to an unknown operation.
    Unknown,
}

impl Operation {
    const KNOWN: [Self; 12] = [
        Self::DeleteKeyPair,
        Self::GetKeyPair,
        Self::GetKeyPairs,
        Self::GetOperation,
        Self::GetOperationsForResource,
        Self::GetOperations,
        Self::GetInstances,
        Self::GetRegions,
        Self::CreateKeyPair,
        Self::ImportKeyPair,
        Self::GetCallerIdentity,
        Self::AssumeRole,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::DeleteKeyPair => "DeleteKeyPair",
            Self::GetKeyPair => "GetKeyPair",
            Self::GetKeyPairs => "GetKeyPairs",
            Self::GetOperation => "GetOperation",
            Self::GetOperationsForResource => "GetOperationsForResource",
            Self::GetOperations => "GetOperations",
            Self::GetInstances => "GetInstances",
            Self::GetRegions => "GetRegions",
            Self::CreateKeyPair => "CreateKeyPair",
            Self::ImportKeyPair => "ImportKeyPair",
            Self::GetCallerIdentity => "GetCallerIdentity",
            Self::AssumeRole => "AssumeRole",
            Self::Unknown => "Unknown",
        }
    }

    /// Whether it is one of STS, and not of Lightsail.
    pub(super) fn is_of_sts(self) -> bool {
        matches!(self, Self::GetCallerIdentity | Self::AssumeRole)
    }

    /// The operation of this name, with or without the service before it (`lightsail:DeleteKeyPair`).
    pub(super) fn named(name: &str) -> Option<Self> {
        let name = name.strip_prefix("lightsail:").or_else(|| name.strip_prefix("sts:")).unwrap_or(name);
        Self::KNOWN.into_iter().find(|operation| operation.name() == name)
    }
}

/// A request that has arrived, with everything that its handling depends on. The record holds all of it, so a record can be
/// replayed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) operation: Operation,
    /// Whether it speaks JSON (Lightsail) and not forms (STS).
    pub(super) json: bool,
    pub(super) region: String,
    /// A digest of the access key id.
    pub(super) caller: String,
    /// A digest of the session token, if there is one.
    pub(super) token: Option<String>,
    pub(super) user_agent: String,
    pub(super) input: Input,
    pub(super) problem: Option<Problem>,
}

/// The parameters of all operations; each operation ignores those that it does not know, as the service does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Input {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_pair_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expected_fingerprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) page_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) include_default_key_pair: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) operation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resource_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tags: Option<Vec<Tag>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) public_key_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role_session_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) external_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration_seconds: Option<String>,
}

/// A tag as the API has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Tag {
    pub(super) key: String,
    #[serde(default)]
    pub(super) value: String,
}

/// What is wrong with a request's form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Problem {
    /// No `Authorization` header.
    Unsigned,
    /// An `Authorization` header without a usable credential scope.
    BadSignature(String),
    /// An operation of neither service.
    UnknownOperation(String),
    /// A body that is not a JSON object with the right types.
    BadBody(String),
}

impl Call {
    /// Reads a request. The signature must be there, because the region comes from its scope, but it is not verified.
    pub(super) fn parse(headers: &HeaderMap, body: &[u8]) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let target = text("x-amz-target");
        let mut call = Self {
            operation: Operation::Unknown,
            json: !target.is_empty(),
            region: String::new(),
            caller: String::new(),
            token: Some(text("x-amz-security-token")).filter(|token| !token.is_empty()).map(derive::caller_digest),
            user_agent: text("user-agent").to_owned(),
            input: Input::default(),
            problem: None,
        };
        let service = if target.is_empty() { "sts" } else { "lightsail" };
        match target.strip_prefix(TARGET_PREFIX).and_then(Operation::named) {
            Some(operation) if !operation.is_of_sts() => {
                call.operation = operation;
                call.read_json(body);
            }
            _ if target.is_empty() => call.read_form(body),
            _ => call.problem = Some(Problem::UnknownOperation(target.to_owned())),
        }
        if let Err(problem) = call.read_scope(text("authorization"), service) {
            // Authentication comes first: an unknown caller learns nothing about operations.
            call.problem = Some(problem);
        }
        call
    }

    /// The key pair that this call is about, if the call itself says so.
    pub(super) fn name(&self) -> Option<&str> {
        self.input.key_pair_name.as_deref().or(self.input.resource_name.as_deref())
    }

    fn read_json(&mut self, body: &[u8]) {
        let body = if body.is_empty() { b"{}" } else { body };
        match serde_json::from_slice(body) {
            Ok(input) => self.input = input,
            Err(error) => self.problem = Some(Problem::BadBody(error.to_string())),
        }
    }

    fn read_form(&mut self, body: &[u8]) {
        let mut action = None;
        for (name, value) in body.split(|byte| *byte == b'&').filter_map(form_field) {
            let field = match name.as_str() {
                "Action" => &mut action,
                "RoleArn" => &mut self.input.role_arn,
                "RoleSessionName" => &mut self.input.role_session_name,
                "ExternalId" => &mut self.input.external_id,
                "DurationSeconds" => &mut self.input.duration_seconds,
                _ => continue,
            };
            *field = Some(value);
        }
        match action.as_deref().and_then(Operation::named).filter(|operation| operation.is_of_sts()) {
            Some(operation) => self.operation = operation,
            None => self.problem = Some(Problem::UnknownOperation(action.unwrap_or_default())),
        }
    }

    /// `AWS4-HMAC-SHA256 Credential=AKID/date/region/service/aws4_request, …`
    fn read_scope(&mut self, authorization: &str, service: &str) -> Result<(), Problem> {
        if authorization.is_empty() {
            return Err(Problem::Unsigned);
        }
        let bad = |why: &str| Problem::BadSignature(why.to_owned());
        let scope = authorization
            .split([' ', ','])
            .find_map(|part| part.strip_prefix("Credential="))
            .ok_or_else(|| bad("Authorization header requires 'Credential' parameter."))?;
        let parts: Vec<&str> = scope.split('/').collect();
        let &[access_key_id, _, region, scoped, "aws4_request"] = parts.as_slice() else {
            return Err(bad("Credential must have exactly 5 slash-delimited elements."));
        };
        self.region = region.to_owned();
        self.caller = derive::caller_digest(access_key_id);
        if scoped != service && self.problem.is_none() {
            return Err(bad(&format!("Credential should be scoped to correct service: '{service}'.")));
        }
        Ok(())
    }
}

/// One `name=value` of a form.
fn form_field(pair: &[u8]) -> Option<(String, String)> {
    let at = pair.iter().position(|byte| *byte == b'=')?;
    Some((form_text(&pair[..at]), form_text(&pair[at + 1..])))
}

/// Text of a form: `+` is a blank, and `%` begins a byte in two hexadecimal digits.
fn form_text(coded: &[u8]) -> String {
    let digit =
        |at: usize| coded.get(at).and_then(|byte| char::from(*byte).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let (mut bytes, mut at) = (Vec::with_capacity(coded.len()), 0);
    while let Some(byte) = coded.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(high * 16 + low);
                at += 2;
            }
            (b'+', ..) => bytes.push(b' '),
            _ => bytes.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-central-1/lightsail/aws4_request, \
                          SignedHeaders=host, Signature=00";

    #[test]
    fn operation_region_and_input_are_read() {
        let headers = headers(&[("x-amz-target", "Lightsail_20161128.DeleteKeyPair"), ("authorization", SIGNED)]);
        let call = Call::parse(&headers, br#"{"keyPairName":"a-b","unknown":1}"#);
        assert_eq!(call.operation, Operation::DeleteKeyPair);
        assert_eq!(call.region, "eu-central-1");
        assert_eq!(call.name(), Some("a-b"));
        assert_eq!(call.problem, None);
        assert_eq!(call.caller.len(), 8);
    }

    #[test]
    fn a_form_is_decoded() {
        let signed = SIGNED.replace("/lightsail/", "/sts/");
        let body = b"Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fr\
            &RoleSessionName=me&ExternalId=a+b%2&DurationSeconds=900";
        let call = Call::parse(&headers(&[("authorization", &signed), ("x-amz-security-token", "secret")]), body);
        assert_eq!((call.operation, call.problem), (Operation::AssumeRole, None));
        assert_eq!(call.input.role_arn.as_deref(), Some("arn:aws:iam::111122223333:role/r"));
        assert_eq!(call.input.external_id.as_deref(), Some("a b%2"));
        assert_eq!(call.token.as_deref().map(str::len), Some(8), "only a digest");
    }

    #[test]
    fn what_is_wrong_is_part_of_the_call() {
        let target = ("x-amz-target", "Lightsail_20161128.DeleteKeyPair");
        assert_eq!(Call::parse(&headers(&[target]), b"{}").problem, Some(Problem::Unsigned));
        let call = Call::parse(&headers(&[target, ("authorization", "AWS4-HMAC-SHA256 nothing")]), b"{}");
        assert!(matches!(call.problem, Some(Problem::BadSignature(_))));
        let call = Call::parse(&headers(&[target, ("authorization", SIGNED)]), b"[");
        assert!(matches!(call.problem, Some(Problem::BadBody(_))));
        let other = ("x-amz-target", "Lightsail_20161128.DeleteEverything");
        let call = Call::parse(&headers(&[other, ("authorization", SIGNED)]), b"{}");
        assert!(matches!(call.problem, Some(Problem::UnknownOperation(_))));
        let call = Call::parse(&headers(&[("authorization", SIGNED)]), b"Action=GetCallerIdentity&Version=2011-06-15");
        assert!(matches!(call.problem, Some(Problem::BadSignature(_))), "scoped to the wrong service");
    }
}
