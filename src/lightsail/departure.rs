//! A request's body that is not sent any more once its attempt's time is over.
//!
//! The SDK's timeouts end an attempt that waits. They do not end one whose process stood still between the check of the time and the
//! connection, for seconds or hours: once it runs again, the request is handed to the connection before any timer is looked at. By then
//! another session may have settled the row, and counts on nothing being sent (I3). A request without its body is none.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use jiff::Timestamp;

use crate::domain::{Clock as _, SystemClock};

/// An interceptor for one call, which gives its request this long to leave.
#[derive(Debug)]
pub(super) struct Departure {
    clock: SystemClock,
    until: Timestamp,
}

impl Departure {
    /// From now on.
    pub(super) fn within(limit: Duration) -> Self {
        let clock = SystemClock::start();
        Self { clock, until: clock.now().saturating_add(limit).unwrap_or(Timestamp::MAX) }
    }
}

#[dyn_dispatch_hint]
impl Intercept for Departure {
    fn name(&self) -> &'static str {
        "Departure"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.request_mut().body_mut();
        // It is signed by now, and its length is in its headers.
        if let Some(bytes) = body.bytes().map(Bytes::copy_from_slice) {
            *body = SdkBody::from_body_1_x(Timely { bytes: Some(bytes), clock: self.clock, until: self.until });
        }
        Ok(())
    }
}

/// A body that is there until its time is over.
struct Timely {
    bytes: Option<Bytes>,
    clock: SystemClock,
    until: Timestamp,
}

impl Body for Timely {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.bytes.is_some() && self.clock.now() > self.until {
            return Poll::Ready(Some(Err("the attempt's time was over before its request could leave".into())));
        }
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, Bytes::len) as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Waker;

    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn a_body_is_there_until_its_time_is_over_and_not_after_that() {
        let clock = SystemClock::start();
        let polled = |until| {
            let mut body = pin!(Timely { bytes: Some(Bytes::from_static(b"{}")), clock, until });
            let first = body.as_mut().poll_frame(&mut Context::from_waker(Waker::noop()));
            matches!(first, Poll::Ready(Some(Ok(_))))
        };
        let later = SignedDuration::from_secs(60);
        assert!(polled(clock.now().checked_add(later).unwrap()));
        assert!(!polled(clock.now().checked_sub(later).unwrap()));
    }
}
