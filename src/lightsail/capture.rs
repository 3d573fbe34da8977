//! Keeps what was on the wire of one call: whether the request was sent, and the answer's status, headers and body. Of the
//! request it reads only the address, never the headers, so no signature or credential can reach the journal from here.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeDeserializationInterceptorContextMut,
    BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;

use super::limit::Limited;
use crate::domain::{ERROR_TYPE_HEADER, Exchange, RawBody, SANDBOX_HEADER};

/// The headers that are recorded besides the request id. The answer's time is the entry's own.
const KEPT_HEADERS: [&str; 3] = [ERROR_TYPE_HEADER, "retry-after", SANDBOX_HEADER];

/// What was seen of one call.
#[derive(Debug, Default)]
struct Seen {
    transmit_began: bool,
    uri: Option<String>,
    exchange: Option<Exchange>,
    body: Vec<u8>,
    date: Option<String>,
}

/// An interceptor for one call. Clones share what was seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Capture {
    seen: Arc<Mutex<Seen>>,
}

impl Capture {
    /// Whether the request was handed to the HTTP client.
    pub(super) fn transmit_began(&self) -> bool {
        self.lock().transmit_began
    }

    /// The `Date` of the answer. It is not recorded: an entry has its own time.
    pub(super) fn date(&self) -> Option<String> {
        self.lock().date.clone()
    }

    /// The address that the request was sent to, if it got that far.
    pub(super) fn uri(&self) -> Option<String> {
        self.lock().uri.clone()
    }

    /// The exchange as far as it got, and the whole body, from which the error's names are read.
    pub(super) fn finish(&self, began: Instant, raw: Option<&HttpResponse>) -> (Exchange, Vec<u8>) {
        let mut seen = self.lock();
        if seen.exchange.is_none()
            && let Some(response) = raw
        {
            seen.keep(response);
        }
        let mut exchange = seen.exchange.take().unwrap_or_default();
        exchange.elapsed_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        (exchange, std::mem::take(&mut seen.body))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn keep(&mut self, response: &HttpResponse) {
        let headers = response.headers();
        let text = |name: &str| headers.get(name).map(str::to_owned);
        self.date = text("date");
        let body = response.body().bytes().map(without_token);
        self.exchange = Some(Exchange {
            http_status: Some(response.status().as_u16()),
            request_id: text("x-amzn-requestid").or_else(|| text("x-amz-request-id")),
            headers: KEPT_HEADERS
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), text(name)?)))
                .collect::<BTreeMap<_, _>>(),
            elapsed_us: 0,
            raw_body: match &body {
                None => RawBody::default(),
                Some(Cow::Borrowed(body)) => RawBody::new(body),
                Some(Cow::Owned(body)) => RawBody::without_secrets(body),
            },
        });
        self.body = body.map(Cow::into_owned).unwrap_or_default();
    }
}

#[dyn_dispatch_hint]
impl Intercept for Capture {
    fn name(&self) -> &'static str {
        "Capture"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut seen = self.lock();
        seen.transmit_began = true;
        seen.uri = Some(context.request().uri().to_owned());
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response_mut().body_mut();
        *body = SdkBody::from_body_1_x(Limited::new(std::mem::replace(body, SdkBody::taken())));
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.lock().keep(context.response());
        Ok(())
    }
}

/// `body` without the secrets that some error messages quote: the answer to a signature that does not match holds the whole
/// canonical request, whose headers include the session token; other answers repeat the request's headers.
pub(super) fn without_token(body: &[u8]) -> Cow<'_, [u8]> {
    const NAMES: [&[u8]; 4] = [b"x-amz-security-token:", b"x-amz-security-token=", b"signature=", b"credential="];
    const GONE: &[u8] = b"(left out)";
    // Compare the names' last letters first: a page of a listing has thousands of colons.
    let may_name = |before: &[u8]| matches!(before, [.., b'n' | b'N' | b'e' | b'E' | b'l' | b'L', _]);
    let names = |before: &[u8]| may_name(before) && NAMES.iter().any(|name| ends_with(before, name));
    let mut secrets = memchr::memchr2_iter(b':', b'=', body).map(|at| at + 1).filter(|at| names(&body[..*at]));
    let Some(first) = secrets.next() else { return Cow::Borrowed(body) };
    let mut kept = Vec::with_capacity(body.len());
    let mut done = 0;
    for from in std::iter::once(first).chain(secrets) {
        if from < done {
            continue;
        }
        kept.extend_from_slice(&body[done..from]);
        kept.extend_from_slice(GONE);
        done = from + secret_length(&body[from..]);
    }
    kept.extend_from_slice(&body[done..]);
    Cow::Owned(kept)
}

fn ends_with(text: &[u8], end: &[u8]) -> bool {
    text.len() >= end.len() && text[text.len() - end.len()..].eq_ignore_ascii_case(end)
}

/// A header ends where its line does, which JSON escapes; a parameter at the next one.
fn secret_length(text: &[u8]) -> usize {
    const ESCAPED: [&[u8]; 5] = [b"\\n", b"\\r", b"\\\"", b"\\u000a", b"\\u000A"];
    let ends = |at: &usize| {
        matches!(text[*at], b'\n' | b'\r' | b'"' | b',' | b'&' | b' ')
            || ESCAPED.iter().any(|end| text[*at..].starts_with(end))
    };
    (0..text.len()).find(ends).unwrap_or(text.len())
}

/// Stops a call before it is signed, and keeps the address that it would have been sent to.
#[derive(Debug, Clone, Default)]
pub(super) struct AddressProbe {
    uri: Arc<Mutex<Option<String>>>,
}

impl AddressProbe {
    /// Scheme and authority of the address.
    pub(super) fn origin(&self) -> Option<String> {
        let uri = self.uri.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let (scheme, rest) = uri.split_once("://")?;
        let authority = rest.split(['/', '?']).next()?;
        Some(format!("{scheme}://{authority}"))
    }
}

#[dyn_dispatch_hint]
impl Intercept for AddressProbe {
    fn name(&self) -> &'static str {
        "AddressProbe"
    }

    fn read_before_signing(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        *self.uri.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.request().uri().to_owned());
        Err("only the address was asked for".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_session_token_is_left_out() {
        let body =
            br#"{"message":"host:x\nX-Amz-Security-Token:SECRET/+=\n\nhost;","more":"x-amz-security-token:AGAIN"}"#;
        let kept = without_token(body);
        let text = std::str::from_utf8(&kept).unwrap();
        assert_eq!(
            text,
            r#"{"message":"host:x\nX-Amz-Security-Token:(left out)\n\nhost;","more":"x-amz-security-token:(left out)"}"#
        );
        assert!(matches!(without_token(b"{}"), Cow::Borrowed(_)));
        let headers =
            b"Authorization: AWS4-HMAC-SHA256 Credential=AKIA/20261124/x, SignedHeaders=host, Signature=abc\"";
        assert_eq!(
            &*without_token(headers),
            b"Authorization: AWS4-HMAC-SHA256 Credential=(left out), SignedHeaders=host, Signature=(left out)\""
        );
        // A name inside a value is removed with that value, whose end is still found.
        let nested = b"credential=signature=a:b=c, x-amz-security-token=signature=d&e";
        assert_eq!(&*without_token(nested), b"credential=(left out), x-amz-security-token=(left out)&e");
        assert_eq!(&*without_token(b"Signature="), b"Signature=(left out)");
        let quoted = br#"{"message":"it said \"Signature=abc\", and no more","__type":"X"}"#;
        assert_eq!(
            &*without_token(quoted),
            br#"{"message":"it said \"Signature=(left out)\", and no more","__type":"X"}"#
        );
        let escaped = br#"{"message":"x-amz-security-token:A\/B\u002fC\nhost"}"#;
        assert_eq!(&*without_token(escaped), br#"{"message":"x-amz-security-token:(left out)\nhost"}"#);
    }
}
