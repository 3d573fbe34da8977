//! Answers as the adapter would hand them on.

use std::collections::BTreeMap;

use keybatch::domain::{ApiError, Cause, Class, Exchange, RawBody, Reply};

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
        let error = ApiError { error_type: named(name), ..ApiError::nothing(class, cause) };
        Self { status, result: Err(error) }
    }

    /// As it comes in, under a request id.
    pub(crate) fn reply(self, request_id: String, elapsed_us: u64) -> Reply<T> {
        let answered = self.status.is_some();
        let exchange = Exchange {
            http_status: self.status,
            request_id: answered.then_some(request_id),
            headers: BTreeMap::new(),
            elapsed_us,
            raw_body: if answered { RawBody::new(b"{}") } else { RawBody::default() },
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
