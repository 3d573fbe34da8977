//! What a record of Lightsail's DeleteKeyPair says.

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::fields::{Fields, object, text};
use crate::domain::RunId;

/// The service; EC2 has an action of the same name.
const LIGHTSAIL: &str = "lightsail.amazonaws.com";

/// The beginning of the application's token in the user agent of a run's requests; the run's id follows, and nothing else.
const APP: &str = "app/keybatch-";

/// The partition of the sandbox, which is none of AWS's.
const SANDBOX: &str = "arn:aws-sandbox:";

/// The most characters that are kept of a text.
const MOST: usize = 512;

/// The most operations of a record that are kept.
const MOST_NAMED: usize = 8;

/// An event: somebody asked Lightsail to delete a key pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailEvent {
    /// Its id; where the record has none, `sha256:` and its hash.
    pub id: String,
    /// When it was, in whole seconds.
    pub time: Timestamp,
    /// The account.
    pub account: Option<String>,
    /// The region.
    pub region: String,
    /// The key pair's name. A denied call has none.
    pub name: Option<String>,
    /// The request's id.
    pub request_id: Option<String>,
    /// The ids of the operations that it began.
    pub operations: Vec<String>,
    /// What its operations are said to have been done to.
    pub resources: Vec<String>,
    /// Whether it proves nothing: one of its operations is known to have not succeeded (yet), or to be of another kind; or it is
    /// unclear.
    pub is_open: bool,
    /// Whether one of its operations is known to have succeeded.
    pub is_done: bool,
    /// Whether it has an error's message, but no error: what came of it is open.
    pub is_unclear: bool,
    /// The error, in CloudTrail's words; as JSON where it is no text.
    pub error_code: Option<String>,
    /// What it says.
    pub error_message: Option<String>,
    /// Who asked: an ARN where there is one.
    pub by: Option<String>,
    /// The ARN of who asked, where there is one.
    pub arn: Option<String>,
    /// From where.
    pub from: Option<String>,
    /// With which program.
    pub user_agent: Option<String>,
    /// Whether a sandbox wrote it.
    pub sandbox: bool,
}

/// Why a record cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It is no JSON, or no object.
    #[error("it cannot be read: {0}")]
    Json(String),
    /// Something is missing without which it says nothing.
    #[error("it has no {0}")]
    Without(&'static str),
}

impl TrailEvent {
    /// Reads a record; none if it is of something else.
    ///
    /// # Errors
    /// If it cannot be read, or lacks what each record has.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, RecordError> {
        let fields: Fields = parse(bytes)?;
        let Value::String(inside) = &fields.inside else { return Self::of(fields, bytes) };
        Self::of(parse(inside.as_bytes())?, inside.as_bytes())
    }

    fn of(fields: Fields, bytes: &[u8]) -> Result<Option<Self>, RecordError> {
        let name = text(&fields.event_name).ok_or(RecordError::Without("eventName"))?;
        let source = text(&fields.event_source).ok_or(RecordError::Without("eventSource"))?;
        if name != "DeleteKeyPair" || source != LIGHTSAIL {
            return Ok(None);
        }
        let time = text(&fields.event_time).and_then(|text| text.parse().ok());
        let time = time.ok_or(RecordError::Without("eventTime that is a time"))?;
        let region = text(&fields.aws_region).ok_or(RecordError::Without("awsRegion"))?;
        let identity = object(fields.user_identity);
        let arn = text(&identity["arn"]);
        let by = arn.clone().or_else(|| text(&identity["invokedBy"])).or_else(|| text(&identity["principalId"]));
        let by = by.or_else(|| text(&identity["type"])).map(cut);
        let account = text(&fields.recipient_account_id).or_else(|| text(&identity["accountId"]));
        let response = object(fields.response_elements);
        let (operations, [is_done, is_open]) = operations(&response);
        let resources = resources(&response);
        let error_code = given(&fields.error_code);
        let is_unclear = error_code.is_none() && !fields.error_message.is_null();
        Ok(Some(Self {
            id: text(&fields.event_id).map_or_else(|| hash(bytes), cut),
            time,
            account,
            region: cut(region),
            name: text(&object(fields.request_parameters)["keyPairName"]).map(cut),
            request_id: text(&fields.request_id),
            operations,
            is_open: is_open || is_unclear || resources.len() > MOST_NAMED,
            resources: resources.into_iter().take(MOST_NAMED).collect(),
            is_done,
            is_unclear,
            error_code: error_code.map(cut),
            error_message: text(&fields.error_message).map(cut),
            sandbox: by.as_ref().is_some_and(|by| by.starts_with(SANDBOX)),
            by,
            arn: arn.map(cut),
            from: text(&fields.source_ip_address).map(cut),
            user_agent: text(&fields.user_agent).map(cut),
        }))
    }

    /// The run that its user agent names.
    #[must_use]
    pub fn run(&self) -> Option<RunId> {
        let agent = self.user_agent.as_deref()?;
        // CloudTrail puts some user agents in brackets.
        let words = agent.trim_start_matches('[').trim_end_matches(']').split_ascii_whitespace();
        words.filter_map(|word| word.strip_prefix(APP)).find_map(RunId::written)
    }
}

fn parse(bytes: &[u8]) -> Result<Fields, RecordError> {
    serde_json::from_slice(bytes).map_err(|error| RecordError::Json(error.to_string()))
}

/// What a member says, whatever its type is; none if it is absent or null.
fn given(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The operations of an answer: `operation`, `operations`, or none.
fn each(response: &Value) -> impl Iterator<Item = &Value> {
    response["operations"].as_array().into_iter().flatten().chain([&response["operation"]])
}

/// What operations were done to.
fn resources(response: &Value) -> Vec<String> {
    let mut all: Vec<_> = each(response).filter_map(|operation| given(&operation["resourceName"]).map(cut)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The ids of operations. Whether one is known to have succeeded, and one to have not, or to be of another kind.
fn operations(response: &Value) -> (Vec<String>, [bool; 2]) {
    let all = || each(response);
    let has_succeeded = |status: &str| matches!(status, "Succeeded" | "Completed");
    let is =
        |done| all().filter_map(|operation| operation["status"].as_str()).any(|status| has_succeeded(status) == done);
    let is_other =
        all().filter_map(|operation| given(&operation["operationType"])).any(|operation| operation != "DeleteKeyPair");
    let ids = all().filter_map(|operation| text(&operation["id"])).take(MOST_NAMED).map(cut).collect();
    (ids, [is(true), is(false) || is_other])
}

fn cut(mut text: String) -> String {
    if let Some((place, _)) = text.char_indices().nth(MOST) {
        text.truncate(place);
    }
    text
}

fn hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const RUN: &str = "0198c0de-0000-7000-8000-00000000000a";

    fn record() -> Value {
        json!({
            "eventVersion": "1.08", "userIdentity": { "type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/a", "accountId": "111122223333" },
            "eventTime": "2024-08-18T10:31:59Z", "eventSource": LIGHTSAIL, "eventName": "DeleteKeyPair",
            "awsRegion": "eu-central-1", "sourceIPAddress": "203.0.113.7", "userAgent": format!("aws-sdk-rust/1 app/keybatch-{RUN} x"),
            "requestParameters": { "keyPairName": "ci" }, "responseElements": { "operations": [{ "id": "op", "status": "Succeeded" }] },
            "requestID": "r", "eventID": "e", "recipientAccountId": "111122223333"
        })
    }

    fn read(value: &Value) -> Option<TrailEvent> {
        TrailEvent::read(value.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn each_form_of_a_record_says_the_same() {
        let plain = read(&record()).unwrap();
        assert_eq!((plain.name.as_deref(), plain.run().map(|run| run.to_string())), (Some("ci"), Some(RUN.to_owned())));
        assert_eq!((&*plain.operations, plain.is_open, plain.sandbox), (&["op".to_owned()][..], false, false));
        let looked_up =
            json!({ "EventId": "e", "ReadOnly": "false", "EventTime": 1.7e9, "CloudTrailEvent": record().to_string() });
        assert_eq!(read(&looked_up).as_ref(), Some(&plain));
        let athena: serde_json::Map<_, _> = record()
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| {
                let value = if value.is_object() { Value::String(value.to_string()) } else { value.clone() };
                (name.to_lowercase(), value)
            })
            .collect();
        assert_eq!(read(&Value::Object(athena)).as_ref(), Some(&plain));
    }

    #[test]
    fn what_is_missing_is_absent_and_of_another_type_too() {
        let mut bare = record();
        for name in ["requestParameters", "responseElements", "requestID", "userAgent", "recipientAccountId"] {
            bare[name] = Value::Null;
        }
        bare["userIdentity"] = json!({ "type": "AWSService", "invokedBy": "x.amazonaws.com" });
        bare["errorCode"] = json!("AccessDenied");
        let bare = read(&bare).unwrap();
        assert_eq!((bare.name, bare.request_id, bare.user_agent, bare.account), (None, None, None, None));
        assert_eq!((bare.by.as_deref(), bare.error_code.as_deref()), (Some("x.amazonaws.com"), Some("AccessDenied")));
        let mut odd = record();
        odd["responseElements"] = json!({ "operation": { "id": "one", "status": "Started" } });
        odd["requestParameters"] = json!(["ci"]);
        odd.as_object_mut().unwrap().remove("eventID");
        let odd = read(&odd).unwrap();
        assert!(odd.is_open && odd.name.is_none() && odd.id.starts_with("sha256:"), "{odd:?}");
        let mut of_ec2 = record();
        of_ec2["eventSource"] = json!("ec2.amazonaws.com");
        assert_eq!(read(&of_ec2), None);
    }

    #[test]
    fn what_is_unclear_is_no_success() {
        for error in [json!(17), json!({}), json!(["x"]), json!(false), json!("")] {
            let mut record = record();
            record["errorCode"] = error.clone();
            assert!(read(&record).unwrap().error_code.is_some(), "{error}");
        }
        let changed = |change: fn(&mut Value)| {
            let mut record = record();
            change(&mut record);
            let event = read(&record).unwrap();
            (event.is_open, event.is_unclear, event.error_code, event.resources)
        };
        assert_eq!(changed(|record| record["errorCode"] = Value::Null), (false, false, None, vec![]));
        assert_eq!(changed(|record| record["errorMessage"] = json!("no")), (true, true, None, vec![]));
        let other =
            changed(|record| record["responseElements"]["operations"][0]["operationType"] = json!("CreateKeyPair"));
        assert_eq!(other, (true, false, None, vec![]));
        let same =
            changed(|record| record["responseElements"]["operations"][0]["operationType"] = json!("DeleteKeyPair"));
        assert_eq!(same, (false, false, None, vec![]));
        let named = changed(|record| record["responseElements"]["operations"][0]["resourceName"] = json!("cd"));
        assert_eq!(named, (false, false, None, vec!["cd".to_owned()]));
    }

    #[test]
    fn a_run_is_named_by_its_own_token_alone() {
        let run = |agent: String| {
            let mut record = record();
            record["userAgent"] = json!(agent);
            read(&record).unwrap().run().map(|run| run.to_string())
        };
        for agent in [format!("app/keybatch-{RUN}"), format!("[aws-sdk-rust/1 app/keybatch-{RUN}]")] {
            assert_eq!(run(agent.clone()).as_deref(), Some(RUN), "{agent}");
        }
        for agent in [
            format!("keybatch-{RUN}"),
            format!("lib/app/keybatch-{RUN}"),
            format!("app/keybatch-{RUN}0"),
            format!("app/keybatch-{RUN}/x"),
            format!("lib/app-id/keybatch-{RUN}"),
            format!("(app/keybatch-{RUN})"),
        ] {
            assert_eq!(run(agent.clone()), None, "{agent}");
        }
    }

    #[test]
    fn what_says_nothing_is_an_error() {
        for (name, why) in
            [("eventTime", "eventTime that is a time"), ("awsRegion", "awsRegion"), ("eventName", "eventName")]
        {
            let mut record = record();
            record[name] = json!(17);
            assert_eq!(TrailEvent::read(record.to_string().as_bytes()), Err(RecordError::Without(why)));
        }
        for text in ["{", "{\"eventName\":\"a\",\"eventName\":\"b\"}", "{\"CloudTrailEvent\":\"{\"}"] {
            assert!(matches!(TrailEvent::read(text.as_bytes()), Err(RecordError::Json(_))), "{text}");
        }
    }
}
