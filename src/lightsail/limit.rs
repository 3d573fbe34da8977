//! An answer's body that ends with an error if it grows too large: the SDK gathers the whole body in memory, which an
//! endpoint that never stops must not fill.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// How large the body of an answer may be. A full page of the service is about 100 KB.
pub(super) const ANSWER_LIMIT_BYTES: usize = 8 * 1024 * 1024;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body of which at most [`ANSWER_LIMIT_BYTES`] are read.
pub(super) struct Limited<B> {
    inner: Pin<Box<B>>,
    left: usize,
}

impl<B> Limited<B> {
    pub(super) fn new(body: B) -> Self {
        Self { inner: Box::pin(body), left: ANSWER_LIMIT_BYTES }
    }
}

impl<B: Body<Data = Bytes>> Body for Limited<B>
where
    B::Error: Into<BoxError>,
{
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
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    /// Never what the endpoint claims: memory of that size would be reserved at once.
    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
