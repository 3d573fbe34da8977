//! The members of a record, as far as they are read: whatever is of another type than expected counts as absent.

use serde::Deserialize;
use serde_json::Value;

/// A record of CloudTrail, or what `lookup-events` prints around one.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Fields {
    #[serde(rename = "CloudTrailEvent")]
    pub(super) inside: Value,
    #[serde(rename = "eventID", alias = "eventid")]
    pub(super) event_id: Value,
    #[serde(alias = "eventtime")]
    pub(super) event_time: Value,
    #[serde(alias = "eventsource")]
    pub(super) event_source: Value,
    #[serde(alias = "eventname")]
    pub(super) event_name: Value,
    #[serde(alias = "awsregion")]
    pub(super) aws_region: Value,
    #[serde(alias = "recipientaccountid")]
    pub(super) recipient_account_id: Value,
    #[serde(rename = "requestID", alias = "requestid")]
    pub(super) request_id: Value,
    #[serde(alias = "requestparameters")]
    pub(super) request_parameters: Value,
    #[serde(alias = "responseelements")]
    pub(super) response_elements: Value,
    #[serde(alias = "useragent")]
    pub(super) user_agent: Value,
    #[serde(rename = "sourceIPAddress", alias = "sourceipaddress")]
    pub(super) source_ip_address: Value,
    #[serde(alias = "useridentity")]
    pub(super) user_identity: Value,
    #[serde(alias = "errorcode")]
    pub(super) error_code: Value,
    #[serde(alias = "errormessage")]
    pub(super) error_message: Value,
}

/// A text that is not empty.
pub(super) fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// An object, also where it is written as a text.
pub(super) fn object(value: Value) -> Value {
    match &value {
        Value::String(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        _ => value,
    }
}
