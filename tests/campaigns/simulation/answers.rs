//! Answers as the adapter would hand them on.

use std::collections::BTreeMap;

use keybatch::domain::{ApiError, Cause, Class, ErrorText, Exchange, Identity, KeyPair, Operation, RawBody, Reply};
use keybatch::lightsail::{Caller, Instance, ListingPage};
use serde_json::{Value, json};

/// Something as the service's JSON has it, as far as anything is decided upon it.
pub(crate) trait OnTheWire {
    fn on_the_wire(&self) -> Value;
}

/// A time as the service has it.
fn seconds(text: &Option<String>) -> Option<f64> {
    let at: Option<jiff::Timestamp> = text.as_ref().map(|text| text.parse().unwrap());
    at.map(|at| at.as_microsecond() as f64 / 1e6)
}

fn bare(operation: &Operation) -> Value {
    json!({
        "id": operation.id,
        "resourceName": operation.resource_name,
        "resourceType": operation.resource_type,
        "createdAt": seconds(&operation.created_at),
        "location": { "availabilityZone": operation.availability_zone, "regionName": operation.region_name },
        "isTerminal": operation.is_terminal,
        "operationDetails": operation.operation_details,
        "operationType": operation.operation_type,
        "status": operation.status,
        "statusChangedAt": seconds(&operation.status_changed_at),
        "errorCode": operation.error_code,
        "errorDetails": operation.error_details,
    })
}

impl OnTheWire for Operation {
    fn on_the_wire(&self) -> Value {
        json!({ "operation": bare(self) })
    }
}

impl OnTheWire for Option<Operation> {
    fn on_the_wire(&self) -> Value {
        json!({ "operation": self.as_ref().map(bare) })
    }
}

impl OnTheWire for KeyPair {
    fn on_the_wire(&self) -> Value {
        let Identity { arn, created_at, fingerprint } = &self.identity;
        let created_at = seconds(created_at);
        json!({ "keyPair": { "name": self.name, "arn": arn, "fingerprint": fingerprint, "createdAt": created_at } })
    }
}

impl OnTheWire for ListingPage<Operation> {
    fn on_the_wire(&self) -> Value {
        json!({ "operations": self.items.iter().map(bare).collect::<Vec<_>>(), "nextPageToken": self.next })
    }
}

impl OnTheWire for ListingPage<KeyPair> {
    fn on_the_wire(&self) -> Value {
        json!({ "keyPairs": self.items.len() })
    }
}

impl OnTheWire for ListingPage<Instance> {
    fn on_the_wire(&self) -> Value {
        json!({ "instances": self.items.len() })
    }
}

impl OnTheWire for Vec<String> {
    fn on_the_wire(&self) -> Value {
        json!({ "regions": self.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>() })
    }
}

impl OnTheWire for Caller {
    fn on_the_wire(&self) -> Value {
        json!({ "arn": self.arn })
    }
}

/// An answer on its way.
#[derive(Debug, Clone)]
pub(crate) struct Answer<T> {
    pub(crate) status: Option<u16>,
    pub(crate) result: Result<T, ApiError>,
}

impl<T> Answer<T> {
    pub(crate) fn ok(value: T) -> Self {
        Self { status: Some(200), result: Ok(value) }
    }

    pub(crate) fn error(status: Option<u16>, class: Class, cause: Cause, name: &str) -> Self {
        let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        let text = ErrorText { error_type: named(name), code: named(name), ..ErrorText::default() };
        let error = ApiError { text, ..ApiError::nothing(class, cause) };
        Self { status, result: Err(error) }
    }

    /// As it comes in, under a request id.
    pub(crate) fn reply(self, request_id: String, elapsed_us: u64) -> Reply<T>
    where
        T: OnTheWire,
    {
        let body = match &self.result {
            Ok(value) => value.on_the_wire(),
            Err(error) => json!({ "__type": error.text.error_type }),
        };
        let answered = self.status.is_some();
        let exchange = Exchange {
            http_status: self.status,
            request_id: answered.then_some(request_id),
            headers: BTreeMap::new(),
            elapsed_us,
            raw_body: if answered { RawBody::new(body.to_string().as_bytes()) } else { RawBody::default() },
        };
        Reply { exchange, result: self.result }
    }
}

/// The service refuses, by name.
pub(crate) fn refused<T>(class: Class, name: &str) -> Answer<T> {
    Answer::error(Some(400), class, Cause::Error, name)
}

/// Nothing comes back.
pub(crate) fn silence<T>(class: Class, cause: Cause) -> Answer<T> {
    Answer::error(None, class, cause, "")
}
