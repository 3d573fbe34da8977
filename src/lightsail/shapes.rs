//! The SDK's shapes as ours.

use aws_smithy_types::DateTime;
use jiff::Timestamp;

use super::Instance;
use crate::domain::{Identity, KeyPair, Operation, created_at_text, created_at_text as time_of};

pub(super) fn timestamp(at: &DateTime) -> Option<Timestamp> {
    Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).ok()?).ok()
}

/// `None` for a key pair without a name, which could not be addressed.
pub(super) fn key_pair(pair: &aws_sdk_lightsail::types::KeyPair) -> Option<KeyPair> {
    Some(KeyPair {
        name: pair.name()?.to_owned(),
        identity: Identity {
            arn: pair.arn().map(str::to_owned),
            created_at: pair.created_at().and_then(timestamp).map(created_at_text),
            fingerprint: pair.fingerprint().map(str::to_owned),
        },
        tags: pair
            .tags()
            .iter()
            .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())))
            .collect(),
    })
}

pub(super) fn instance(instance: &aws_sdk_lightsail::types::Instance) -> Instance {
    Instance {
        name: instance.name().unwrap_or_default().to_owned(),
        ssh_key_name: instance.ssh_key_name().map(str::to_owned),
        created_at: instance.created_at().and_then(timestamp).map(created_at_text),
    }
}

pub(super) fn operation(operation: &aws_sdk_lightsail::types::Operation) -> Operation {
    let text = |value: Option<&str>| value.map(str::to_owned);
    let location = operation.location();
    Operation {
        id: text(operation.id()),
        resource_name: text(operation.resource_name()),
        resource_type: operation.resource_type().map(|kind| kind.as_str().to_owned()),
        created_at: operation.created_at().and_then(timestamp).map(time_of),
        availability_zone: text(location.and_then(|location| location.availability_zone())),
        region_name: location.and_then(|location| location.region_name()).map(|name| name.as_str().to_owned()),
        is_terminal: operation.is_terminal(),
        operation_details: text(operation.operation_details()),
        operation_type: operation.operation_type().map(|kind| kind.as_str().to_owned()),
        status: operation.status().map(|status| status.as_str().to_owned()),
        status_changed_at: operation.status_changed_at().and_then(timestamp).map(time_of),
        error_code: text(operation.error_code()),
        error_details: text(operation.error_details()),
    }
}
