//! A Lightsail operation: the receipt that the service gives for a change.

use serde::{Deserialize, Serialize};

use super::answer::Exchange;
use super::error::Failure;

/// The `operationType` of a deletion of a key pair. The service returns it although its model does not list it.
pub(super) const DELETE_KEY_PAIR: &str = "DeleteKeyPair";

/// An operation as the API described it. Every field may be missing. It names a resource by *name* and carries no
/// ARN: it shows that an action on this name took effect, but neither on which incarnation nor who requested it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The operation's id (a UUID).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The name that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    /// `KeyPair`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    /// RFC 3339, UTC, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// `all` for key pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability_zone: Option<String>,
    /// The region that the service names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region_name: Option<String>,
    /// Whether the status is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_terminal: Option<bool>,
    /// Free text from the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_details: Option<String>,
    /// `DeleteKeyPair`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_type: Option<String>,
    /// NotStarted, Started, Failed, Completed or Succeeded; the last two both mean success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// RFC 3339, UTC, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_changed_at: Option<String>,
    /// Set if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// Set if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_details: Option<String>,
}

impl Operation {
    /// Whether this may be the receipt for deleting `name`: missing fields are no contradiction.
    #[must_use]
    pub fn may_be_delete_of(&self, name: &str) -> bool {
        self.operation_type.as_deref().is_none_or(|kind| kind == DELETE_KEY_PAIR)
            && self.resource_name.as_deref().is_none_or(|resource| resource == name)
    }

    /// Whether this *is* the receipt for deleting `name`: type and name are present and match.
    #[must_use]
    pub fn is_delete_of(&self, name: &str) -> bool {
        self.operation_type.as_deref() == Some(DELETE_KEY_PAIR) && self.resource_name.as_deref() == Some(name)
    }

    /// Final, and successful.
    #[must_use]
    pub fn has_succeeded(&self) -> bool {
        self.is_terminal == Some(true) && matches!(self.status.as_deref(), Some("Succeeded" | "Completed"))
    }

    /// Failed for good. A failure counts even if `isTerminal` is missing, but not if it is `false`.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.is_terminal != Some(false) && self.status.as_deref() == Some("Failed")
    }
}

/// The operation that an answer showed. If the body is kept as JSON, the operation stays there, and only its times stand
/// beside it, because the body has them as fractional seconds; otherwise the parsed operation stands here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The parsed operation, if the body is not kept as JSON or does not give the same values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operation: Option<Operation>,
    /// When the operation in the body was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    op_created_at: Option<String>,
    /// When the status of the operation in the body changed, if that is another time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    op_changed_at: Option<String>,
}

impl Shown {
    /// What is kept of `operation`, which came in `exchange`.
    #[must_use]
    pub fn of(operation: Option<Operation>, exchange: &Exchange) -> Self {
        let Some(operation) = operation else { return Self::default() };
        let changed = operation.status_changed_at.clone().filter(|at| Some(at) != operation.created_at.as_ref());
        let in_body = Self { operation: None, op_created_at: operation.created_at.clone(), op_changed_at: changed };
        if in_body.read(exchange, &Failure::default()).as_ref() == Some(&operation) {
            return in_body;
        }
        Self { operation: Some(operation), op_created_at: None, op_changed_at: None }
    }

    /// The operation, read back from the answer that it came in. The body of an error shows none, whatever stands in it.
    #[must_use]
    pub fn read(&self, exchange: &Exchange, failure: &Failure) -> Option<Operation> {
        if self.operation.is_some() || failure.is_error() {
            return self.operation.clone();
        }
        let body: Body = serde_json::from_str(exchange.raw_body.json.as_deref()?).ok()?;
        let said = body.operation?;
        let location = said.location.unwrap_or_default();
        let changed_at = self.op_changed_at.as_ref().or(self.op_created_at.as_ref());
        Some(Operation {
            id: said.id,
            resource_name: said.resource_name,
            resource_type: said.resource_type,
            created_at: self.op_created_at.clone(),
            availability_zone: location.availability_zone,
            region_name: location.region_name,
            is_terminal: said.is_terminal,
            operation_details: said.operation_details,
            operation_type: said.operation_type,
            status: said.status,
            status_changed_at: changed_at.filter(|_| said.status_changed_at.is_some()).cloned(),
            error_code: said.error_code,
            error_details: said.error_details,
        })
    }

    /// What stands beside the body: the parsed operation, or the times of the one in the body.
    #[must_use]
    pub fn parts(&self) -> (Option<&Operation>, Option<&str>, Option<&str>) {
        (self.operation.as_ref(), self.op_created_at.as_deref(), self.op_changed_at.as_deref())
    }
}

/// The body of an answer that shows an operation.
#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    operation: Option<InBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct InBody {
    id: Option<String>,
    resource_name: Option<String>,
    resource_type: Option<String>,
    location: Option<Location>,
    is_terminal: Option<bool>,
    operation_details: Option<String>,
    operation_type: Option<String>,
    status: Option<String>,
    status_changed_at: Option<f64>,
    error_code: Option<String>,
    error_details: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Location {
    availability_zone: Option<String>,
    region_name: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Cause, RawBody};

    const BODY: &str = r#"{"operation":{"id":"op","resourceName":"k","resourceType":"KeyPair","createdAt":1603388001.123,
        "location":{"availabilityZone":"all","regionName":"r"},"isTerminal":true,"operationDetails":"","status":"Failed",
        "operationType":"DeleteKeyPair","statusChangedAt":1603388001.5,"errorCode":"c","errorDetails":"d"}}"#;

    fn parsed() -> Operation {
        let text = |text: &str| Some(text.to_owned());
        Operation {
            id: text("op"),
            resource_name: text("k"),
            resource_type: text("KeyPair"),
            created_at: text("2020-10-22T17:33:21.123Z"),
            availability_zone: text("all"),
            region_name: text("r"),
            is_terminal: Some(true),
            operation_details: text(""),
            operation_type: text("DeleteKeyPair"),
            status: text("Failed"),
            status_changed_at: text("2020-10-22T17:33:21.500Z"),
            error_code: text("c"),
            error_details: text("d"),
        }
    }

    fn came(body: &str) -> Exchange {
        Exchange { raw_body: RawBody::new(body.as_bytes()), ..Exchange::default() }
    }

    /// Each field survives, and is stored once.
    #[test]
    fn an_operation_is_read_out_of_its_body() {
        let shown = Shown::of(Some(parsed()), &came(BODY));
        assert_eq!(shown.read(&came(BODY), &Failure::default()), Some(parsed()));
        let times = (None, Some("2020-10-22T17:33:21.123Z"), Some("2020-10-22T17:33:21.500Z"));
        assert_eq!(shown.parts(), times);
        let same = BODY.replace("1603388001.5", "1603388001.123");
        let unchanged = Operation { status_changed_at: parsed().created_at, ..parsed() };
        let shown = Shown::of(Some(unchanged.clone()), &came(&same));
        assert_eq!(
            (shown.parts(), shown.read(&came(&same), &Failure::default())),
            ((None, times.1, None), Some(unchanged))
        );
        let without = r#"{"operation":{"id":"op"}}"#;
        let bare = Operation { id: Some("op".into()), ..Operation::default() };
        let shown = Shown::of(Some(bare.clone()), &came(without));
        assert_eq!((shown.parts(), shown.read(&came(without), &Failure::default())), ((None, None, None), Some(bare)));
    }

    /// A body that is not a plain object, or reads differently, has the parsed operation beside it.
    #[test]
    fn what_a_body_does_not_say_stands_beside_it() {
        for body in [
            "",
            "<html>",
            "{}",
            r#"{"operation":null}"#,
            r#"{"operation":{"id":"another"}}"#,
            r#"{"operation":{"id":7}}"#,
        ] {
            let shown = Shown::of(Some(parsed()), &came(body));
            assert_eq!(shown.parts(), (Some(&parsed()), None, None), "{body}");
            assert_eq!(shown.read(&came(body), &Failure::default()), Some(parsed()));
        }
        let none = Shown::of(None, &came("{}"));
        let failed = Failure::because(Some(Cause::ServerError));
        assert_eq!(none.read(&came(BODY), &failed), None);
        assert_eq!((none.read(&came("{}"), &Failure::default()), none.parts()), (None, (None, None, None)));
    }
}
