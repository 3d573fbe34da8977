//! What events are made of: one of each, with every field.

use super::*;

pub(super) fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

pub(super) fn map<V>(pairs: impl IntoIterator<Item = (&'static str, V)>) -> BTreeMap<String, V> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

pub(super) fn manifest() -> ManifestIngested {
    ManifestIngested {
        name: "deletions.csv".into(),
        sha256: DIGEST.into(),
        bytes: 120,
        rows: 1,
        columns: vec!["key_pair_name".into(), "Büro".into()],
    }
}

pub(super) fn observation() -> Observation {
    Observation {
        identity: Identity {
            arn: text("arn:aws:lightsail:eu-central-1:111122223333:KeyPair/05859e3d-331d-48ba-9034-0123456789ab"),
            created_at: text("2020-10-22T17:50:01.123Z"),
            fingerprint: text("3f:9a:1c:77"),
        },
        tags: map([("team", "build".to_owned())]),
        at: "2026-09-21T14:13:20.5Z".parse().unwrap(),
    }
}

pub(super) fn operation() -> Operation {
    Operation {
        id: text("8f0a7c1e-0000-4000-8000-000000000002"),
        resource_name: text("ci-runner"),
        resource_type: text("KeyPair"),
        created_at: text("2026-09-21T14:13:21.000Z"),
        availability_zone: text("all"),
        region_name: text("eu-central-1"),
        is_terminal: Some(true),
        operation_details: text(""),
        operation_type: text("DeleteKeyPair"),
        status: text("Failed"),
        status_changed_at: text("2026-09-21T14:13:21.250Z"),
        error_code: text("Busy"),
        error_details: text("try later"),
    }
}

/// With every field, though an entry has either the operation or the times of one in its body.
pub(super) fn shown() -> Shown {
    let times = serde_json::json!({
        "operation": operation(), "op_created_at": "2026-09-21T14:13:21.000Z", "op_changed_at": "2026-09-21T14:13:22.000Z",
    });
    serde_json::from_value(times).unwrap()
}

/// With every field, though what the body says does not stand beside it.
pub(super) fn failure(cause: Cause) -> Failure {
    let text = ErrorText {
        error_type: text("NotFoundException"),
        code: text("DoesNotExist"),
        message: text("The KeyPair does not exist: \"ci-runner\"\u{1}"),
        docs: text("https://example.com/docs"),
        tip: text("Look again"),
    };
    Failure::of(Some(ApiError { text, ..ApiError::nothing(Class::NotFound, cause) }), &bare_exchange())
}

pub(super) fn exchange() -> Exchange {
    Exchange {
        http_status: Some(400),
        request_id: text("b7a3c2d1-0000-4000-8000-000000000003"),
        headers: map([("date", "Mon, 21 Sep 2026 14:13:21 GMT".to_owned())]),
        elapsed_us: 41_250,
        raw_body: RawBody {
            json: text("{\"code\":\"DoesNotExist\"}"),
            text: text("<html>"),
            base64: text("/wA="),
            bytes: Some(70_000),
            sha256: text(DIGEST),
            cut: true,
        },
    }
}

pub(super) fn bare_exchange() -> Exchange {
    Exchange::default()
}
