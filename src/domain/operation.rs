//! A Lightsail operation: the receipt that the service gives for a change.

use serde::{Deserialize, Serialize};

/// The `operationType` of a deleted key pair. The service returns it although its own model does not list it.
pub(super) const DELETE_KEY_PAIR: &str = "DeleteKeyPair";

/// An operation as the API described it. Every field may be missing. It names a resource by *name* and carries no
/// arn: it shows that an action on this name took effect, not on which incarnation, and not who asked.
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
    /// The region that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region_name: Option<String>,
    /// Whether the status is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_terminal: Option<bool>,
    /// Free text of the service.
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
    /// Set where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// Set where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_details: Option<String>,
}

impl Operation {
    /// Whether this can be the receipt of deleting `name`: fields that are missing do not speak against it.
    #[must_use]
    pub fn may_be_delete_of(&self, name: &str) -> bool {
        self.operation_type.as_deref().is_none_or(|kind| kind == DELETE_KEY_PAIR)
            && self.resource_name.as_deref().is_none_or(|resource| resource == name)
    }

    /// Whether this *is* the receipt of deleting `name`: type and name are there and agree.
    #[must_use]
    pub fn is_delete_of(&self, name: &str) -> bool {
        self.operation_type.as_deref() == Some(DELETE_KEY_PAIR) && self.resource_name.as_deref() == Some(name)
    }

    /// Final, and successful.
    #[must_use]
    pub fn has_succeeded(&self) -> bool {
        self.is_terminal == Some(true) && matches!(self.status.as_deref(), Some("Succeeded" | "Completed"))
    }

    /// Failed for good. A failure is believed even where `isTerminal` is missing, but not against `false`.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.is_terminal != Some(false) && self.status.as_deref() == Some("Failed")
    }
}
