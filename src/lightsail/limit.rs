//! An answer's body that ends with an error where it grows beyond all measure: the SDK gathers it in memory as a whole,
//! and an endpoint that never stops must not fill it.

use std::pin::Pin;
use std::task::{Context, Poll};

use aws_smithy_types::body::SdkBody;
use hyper::body::{Body, Bytes, Frame, SizeHint};

/// How large the body of an answer may be. A full page of the service is some 100 KB.
pub(super) const ANSWER_LIMIT_BYTES: usize = 8 * 1024 * 1024;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body of which no more than so much is read.
struct Limited {
    inner: Pin<Box<SdkBody>>,
    left: usize,
}

/// `body`, at most [`ANSWER_LIMIT_BYTES`] of it.
pub(super) fn limited(body: SdkBody) -> SdkBody {
    if body.bytes().is_some_and(|bytes| bytes.len() <= ANSWER_LIMIT_BYTES) {
        return body;
    }
    SdkBody::from_body_1_x(Limited { inner: Box::pin(body), left: ANSWER_LIMIT_BYTES })
}

impl Body for Limited {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = self.inner.as_mut().poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let length = frame.data_ref().map_or(0, Bytes::len);
            match self.left.checked_sub(length) {
                Some(left) => self.left = left,
                None => return Poll::Ready(Some(Err("the answer is too large".into()))),
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    /// Never what the endpoint says of it: that much would be reserved at once.
    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
