//! What the body of an answer says, as far as it is compared.

use serde::Deserialize;

use super::super::shape::{self, Str, Text};
use crate::domain::parse_time;

/// What a body says, where it can be read: the fields that are compared.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Body<'a> {
    #[serde(borrow, default)]
    pub(super) operation: Option<BodyOperation<'a>>,
    #[serde(borrow, default)]
    pub(super) operations: Option<Vec<Option<BodyOperation<'a>>>>,
    #[serde(borrow, default, rename = "nextPageToken")]
    pub(super) next: Option<Str<'a>>,
    #[serde(default, rename = "nextPageCount")]
    _count: Option<Text>,
    #[serde(borrow, default, rename = "keyPair")]
    pub(super) key_pair: Option<BodyKeyPair<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BodyOperation<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) resource_name: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) resource_type: Option<Str<'a>>,
    #[serde(default)]
    pub(super) created_at: Option<f64>,
    #[serde(borrow, default)]
    pub(super) location: Option<BodyLocation<'a>>,
    #[serde(default)]
    pub(super) is_terminal: Option<bool>,
    #[serde(borrow, default)]
    pub(super) operation_details: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) operation_type: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) status: Option<Str<'a>>,
    #[serde(default)]
    pub(super) status_changed_at: Option<f64>,
    #[serde(borrow, default)]
    pub(super) error_code: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) error_details: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BodyLocation<'a> {
    #[serde(borrow, default)]
    pub(super) availability_zone: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) region_name: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct BodyKeyPair<'a> {
    #[serde(borrow, default)]
    pub(super) name: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) arn: Option<Str<'a>>,
    #[serde(default, rename = "createdAt")]
    pub(super) created_at: Option<f64>,
    #[serde(borrow, default)]
    pub(super) fingerprint: Option<Str<'a>>,
    #[serde(default, rename = "supportCode")]
    _support_code: Option<Text>,
    #[serde(default, rename = "resourceType")]
    _resource_type: Option<Text>,
    #[serde(borrow, default, rename = "location")]
    _location: Option<BodyLocation<'a>>,
    #[serde(default, rename = "tags")]
    _tags: Option<Vec<BodyTag>>,
}

#[derive(Debug, Deserialize)]
struct BodyTag {
    #[serde(default, rename = "key")]
    _key: Option<Text>,
    #[serde(default, rename = "value")]
    _value: Option<Text>,
}

impl Body<'_> {
    /// Whether the SDK reads it, too: it takes no null for an operation, and some times are beyond it.
    pub(super) fn is_readable(&self) -> bool {
        let is_time = |seconds: &Option<f64>| seconds.is_none_or(|seconds| seconds.abs() < 2e11);
        let operations = self.operations.iter().flatten();
        operations.chain([&self.operation].into_iter().filter(|one| one.is_some())).all(|operation| {
            operation.as_ref().is_some_and(|one| is_time(&one.created_at) && is_time(&one.status_changed_at))
        }) && self.key_pair.as_ref().is_none_or(|pair| is_time(&pair.created_at))
    }

    /// Whether a page follows this one. (An empty token counts as none.)
    pub(super) fn goes_on(&self) -> bool {
        self.next.as_ref().is_some_and(|token| !token.0.is_empty())
    }
}

impl<'a> BodyOperation<'a> {
    /// Whether it is the same operation; secrets may have been `cut` out of the service's words.
    pub(super) fn is(&self, operation: &shape::Operation<'_>, cut: bool) -> bool {
        let location = self.location.as_ref();
        let zone: Option<&Str<'a>> = location.and_then(|location| location.availability_zone.as_ref());
        let region: Option<&Str<'a>> = location.and_then(|location| location.region_name.as_ref());
        self.id == operation.id
            && self.resource_name == operation.resource_name
            && self.resource_type == operation.resource_type
            && is_moment(self.created_at, operation.created_at.as_ref())
            && zone == operation.availability_zone.as_ref()
            && region == operation.region_name.as_ref()
            && self.is_terminal == operation.is_terminal
            && is_told(&self.operation_details, &operation.operation_details, cut)
            && self.operation_type == operation.operation_type
            && self.status == operation.status
            && is_moment(self.status_changed_at, operation.status_changed_at.as_ref())
            && self.error_code == operation.error_code
            && is_told(&self.error_details, &operation.error_details, cut)
    }
}

/// Whether words of the service are those that its body has. Of a body that secrets were `cut` out of, nothing says what stood
/// there.
pub(super) fn is_told(said: &Option<Str<'_>>, told: &Option<Str<'_>>, cut: bool) -> bool {
    said == told || (cut && said.is_some() && told.is_some())
}

/// Whether a time in seconds, as a service writes it, is the one of the text, which has milliseconds.
pub(super) fn is_moment(seconds: Option<f64>, text: Option<&Str<'_>>) -> bool {
    match (seconds, text.map(|text| parse_time(&text.0))) {
        (None, None) => true,
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of any year that can be written are exact")]
        (Some(seconds), Some(Some(at))) => (at.as_millisecond() as f64 - seconds * 1_000.0).abs() <= 1.0,
        // A time that no text can express.
        (Some(seconds), None) => seconds.abs() >= 2e11,
        _ => false,
    }
}
