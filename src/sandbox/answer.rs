//! The answers: errors and objects in the forms of the two services.
//!
//! Lightsail speaks awsJson 1.1 and says most things twice (`__type` and `code`); STS speaks XML. Nothing here decides
//! anything.

use std::fmt::Write as _;

use super::account::InstanceSpec;
use super::call::{Input, Operation};
use super::clock::{Micros, epoch_number};
use super::derive;
use super::history::{self, Did, End};
use super::store::KeyPair;

/// Real errors have a link to the manual here; these say where they come from.
const DOCS: &str = "keybatch sandbox, see docs/SANDBOX.md: this is not AWS";

/// What follows the error's name in `x-amzn-errortype`.
const ERROR_TYPE_SUFFIX: &str = ":http://internal.amazon.com/coral/com.amazonaws.lightsail/";

/// An answer before it gets its headers.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    /// The type of the error, for the record and for the header.
    pub(super) error: Option<&'static str>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

/// What happens to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// It is sent in full.
    Whole,
    /// The connection is closed before a single byte of it.
    Cut,
    /// The connection is held open without sending anything, then closed.
    Hang {
        /// For how long.
        hold_ms: u64,
    },
    /// Half of the body is sent, then the connection is closed.
    Truncated,
}

/// A refusal, as the service words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    kind: Error,
    message: String,
}

/// The errors that a sandbox knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Error {
    NotFound,
    InvalidInput,
    AccessDenied,
    AccountSetup,
    RegionSetup,
    Service,
    Throttling,
    Expired,
    Unsigned,
    BadSignature,
    UnknownCaller,
    UnknownOperation,
    Serialization,
}

impl Error {
    /// `__type`, `code` (only for errors that come from Lightsail itself and not from its front end) and HTTP status.
    fn form(self) -> (&'static str, Option<&'static str>, u16) {
        match self {
            Self::NotFound => ("NotFoundException", Some("DoesNotExist"), 400),
            Self::InvalidInput => ("InvalidInputException", Some("InvalidInput"), 400),
            Self::AccessDenied => ("AccessDeniedException", Some("AccessDenied"), 400),
            Self::AccountSetup => ("AccountSetupInProgressException", Some("AccountSetupInProgress"), 400),
            Self::RegionSetup => ("RegionSetupInProgressException", Some("RegionSetupInProgress"), 400),
            Self::Service => ("ServiceException", Some("InternalFailure"), 500),
            Self::Throttling => ("ThrottlingException", None, 400),
            Self::Expired => ("ExpiredTokenException", None, 400),
            Self::Unsigned => ("MissingAuthenticationTokenException", Some("MissingAuthenticationToken"), 403),
            Self::BadSignature => ("InvalidSignatureException", None, 403),
            Self::UnknownCaller => ("UnrecognizedClientException", None, 400),
            Self::UnknownOperation => ("UnknownOperationException", None, 400),
            Self::Serialization => ("SerializationException", None, 400),
        }
    }

    /// The name that STS uses.
    fn query_code(self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDenied",
            Self::Service => "InternalFailure",
            Self::Throttling => "Throttling",
            Self::Expired => "ExpiredToken",
            Self::Unsigned => "MissingAuthenticationToken",
            Self::BadSignature => "SignatureDoesNotMatch",
            Self::UnknownCaller => "InvalidClientTokenId",
            Self::UnknownOperation => "InvalidAction",
            _ => "ValidationError",
        }
    }

    fn tip(self) -> &'static str {
        match self {
            Self::NotFound => "Check the name and the region of the resource.",
            Self::InvalidInput => "Check the values of the parameters and try again.",
            Self::AccountSetup | Self::RegionSetup => "Wait a few minutes and try again.",
            Self::Service => "Try again later.",
            _ => "",
        }
    }

    pub(super) fn says(self, message: impl Into<String>) -> Refusal {
        Refusal { kind: self, message: message.into() }
    }
}

impl Refusal {
    /// The answer in the form of the service that the request was for.
    pub(super) fn answer(&self, asked: Operation, json: bool, request_id: &str) -> Answer {
        let (name, code, status) = self.kind.form();
        let mut answer = Answer { status, error: Some(name), ..Answer::default() };
        if asked.is_of_sts() || !json {
            answer.content_type = "text/xml";
            answer.status = match self.kind {
                Error::Service => 500,
                Error::InvalidInput => 400,
                _ => 403,
            };
            answer.body = format!(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n    \
                 <Type>Sender</Type>\n    <Code>{}</Code>\n    <Message>{}</Message>\n  </Error>\n  \
                 <RequestId>{request_id}</RequestId>\n</ErrorResponse>\n",
                self.kind.query_code(),
                xml(&self.message),
            );
        } else {
            answer.content_type = JSON;
            let body = Object::new().text("__type", name);
            let body = match code {
                Some(code) => body.text("code", code).text("docs", DOCS),
                None => body,
            };
            let body = body.text("message", &self.message);
            answer.body = if code.is_some() { body.text("tip", self.kind.tip()) } else { body }.end();
        }
        answer
    }
}

/// The value of `x-amzn-errortype` for this error.
pub(super) fn error_header(error: &str) -> String {
    format!("{error}{ERROR_TYPE_SUFFIX}")
}

const JSON: &str = "application/x-amz-json-1.1";

/// A success in JSON.
pub(super) fn json(body: String) -> Answer {
    Answer { status: 200, content_type: JSON, body, ..Answer::default() }
}

/// An error with these fields alone, and with this `x-amzn-errortype`.
pub(super) fn error_of<'a>(
    status: u16,
    header: Option<&str>,
    fields: impl Iterator<Item = (&'static str, &'a str)>,
) -> Answer {
    let body = fields.fold(Object::new(), |body, (name, value)| body.text(name, value)).end();
    let headers = header.map(|value| ("x-amzn-errortype".to_owned(), value.to_owned())).into_iter().collect();
    Answer { status, content_type: JSON, headers, body, ..Answer::default() }
}

/// The page that a load balancer shows when no server is behind it.
pub(super) fn html_503() -> Answer {
    Answer {
        status: 503,
        content_type: "text/html",
        body: "<html><body><b>Http/1.1 Service Unavailable</b> (keybatch sandbox)</body></html>\n".to_owned(),
        ..Answer::default()
    }
}

/// How to write objects in the answer to one request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style<'a> {
    pub(super) account: &'a str,
    pub(super) region: &'a str,
    pub(super) seed: u64,
    pub(super) scientific: bool,
}

impl Style<'_> {
    pub(super) fn key_pair(&self, pair: &KeyPair) -> String {
        Object::new()
            .text("name", &pair.name)
            .text("arn", &pair.arn)
            .text("supportCode", &format!("{}/{}", self.account, pair.name))
            .raw("createdAt", &self.time(pair.created_at))
            .raw("location", &self.location())
            .text("resourceType", "KeyPair")
            .raw("tags", &list(pair.tags.iter().map(|(key, value)| tag(key, value))))
            .text("fingerprint", &pair.fingerprint)
            .end()
    }

    /// An operation as it is at this time. `name` is the key pair's full name.
    pub(super) fn operation(
        &self,
        operation: &history::Operation,
        course: Option<&history::Course>,
        name: &str,
        at: Micros,
    ) -> String {
        let going_on = course.is_some_and(|course| {
            course.polls_left.is_some_and(|polls| polls > 0) || course.over_at.is_some_and(|over| at < over)
        });
        let end = course.map_or(&End::Succeeded, |course| &course.end);
        let changed_at = match course {
            Some(course) if going_on => course.changed_at.min(at),
            Some(course) => course.over_at.unwrap_or(course.changed_at),
            None => operation.created_at,
        };
        let status = match (going_on, end) {
            (true, _) => "Started",
            (false, End::Failed { .. }) => "Failed",
            // Both words mean success; the service uses both.
            (false, End::Succeeded) if operation.number % 8 == 5 => "Completed",
            (false, End::Succeeded) => "Succeeded",
        };
        let object = Object::new()
            .text("id", &derive::operation_id(self.seed, operation.number))
            .text("resourceName", name)
            .text("resourceType", "KeyPair")
            .raw("createdAt", &self.time(operation.created_at))
            .raw("location", &self.location())
            .raw("isTerminal", if going_on { "false" } else { "true" })
            .text("operationDetails", "")
            .text("operationType", operation.did.name())
            .text("status", status)
            .raw("statusChangedAt", &self.time(changed_at));
        match end {
            End::Failed { code, details } if !going_on => object.text("errorCode", code).text("errorDetails", details),
            _ => object,
        }
        .end()
    }

    pub(super) fn instance(&self, instance: &InstanceSpec, created_at: Micros) -> String {
        let code = if instance.state == "running" { "16" } else { "80" };
        let object = Object::new()
            .text("name", &instance.name)
            .text("arn", &derive::instance_arn(self.seed, self.account, self.region, &instance.name))
            .text("supportCode", &format!("{}/{}", self.account, instance.name))
            .raw("createdAt", &self.time(created_at))
            .raw(
                "location",
                &Object::new()
                    .text("availabilityZone", &format!("{}a", self.region))
                    .text("regionName", self.region)
                    .end(),
            )
            .text("resourceType", "Instance")
            .raw("tags", "[]")
            .text("blueprintId", "debian_12")
            .text("bundleId", "nano_3_0")
            .raw("isStaticIp", "false")
            .raw("state", &Object::new().raw("code", code).text("name", &instance.state).end())
            .text("username", "admin");
        match &instance.ssh_key_name {
            Some(name) => object.text("sshKeyName", name),
            None => object,
        }
        .end()
    }

    fn time(&self, at: Micros) -> String {
        epoch_number(at, self.scientific)
    }

    fn location(&self) -> String {
        Object::new().text("availabilityZone", "all").text("regionName", self.region).end()
    }
}

impl Did {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Delete => "DeleteKeyPair",
            Self::Create => "CreateKeyPair",
            Self::Import => "ImportKeyPair",
        }
    }
}

/// What CreateKeyPair returns instead of keys: text that no program can mistake for one.
pub(super) fn fake_keys(input: &Input) -> (String, String) {
    let name = input.key_pair_name.as_deref().unwrap_or_default();
    (
        format!("ssh-sandbox THIS-IS-NOT-A-PUBLIC-KEY {name}@keybatch-sandbox"),
        format!(
            "-----BEGIN KEYBATCH SANDBOX TEXT-----\nThis is not a private key. It opens nothing.\n{name}\n-----END KEYBATCH SANDBOX TEXT-----\n"
        ),
    )
}

fn tag(key: &str, value: &str) -> String {
    Object::new().text("key", key).text("value", value).end()
}

/// A JSON array of ready values.
pub(super) fn list(values: impl Iterator<Item = String>) -> String {
    let mut text = String::from("[");
    for (index, value) in values.enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&value);
    }
    text.push(']');
    text
}

/// A JSON object, written field by field, because a serializer cannot write the service's number forms.
#[derive(Debug)]
pub(super) struct Object(String);

impl Object {
    pub(super) fn new() -> Self {
        Self(String::from("{"))
    }

    pub(super) fn text(self, key: &str, value: &str) -> Self {
        self.raw(key, &serde_json::Value::from(value).to_string())
    }

    /// A field whose value is ready JSON.
    pub(super) fn raw(mut self, key: &str, value: &str) -> Self {
        let comma = if self.0.len() > 1 { "," } else { "" };
        let _ = write!(self.0, "{comma}\"{key}\":{value}");
        self
    }

    pub(super) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// Text inside an element.
pub(super) fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_most_things_twice() {
        let answer =
            Error::NotFound.says("The KeyPair does not exist: \"x\"").answer(Operation::GetKeyPair, true, "id");
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((answer.status, body["__type"].as_str()), (400, Some("NotFoundException")));
        assert_eq!(body["code"], "DoesNotExist");
        assert_eq!(body["message"], "The KeyPair does not exist: \"x\"");
        assert!(body["docs"].is_string() && body["tip"].is_string());
    }

    #[test]
    fn sts_gets_xml() {
        let answer = Error::Expired.says("a<b").answer(Operation::GetCallerIdentity, false, "id");
        assert_eq!(answer.status, 403);
        assert!(answer.body.contains("<Code>ExpiredToken</Code>") && answer.body.contains("a&lt;b"), "{}", answer.body);
    }
}
