//! The words in which a test says how the stand-in behaves: one [`Act`] per request.

use std::{fmt, sync::Arc, time::Duration};

use super::world::State;

/// What happens to the named key pair when a request arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing at all.
    Nothing,
    /// The request takes effect, and the operation history shows it.
    Delete,
    /// The request takes effect, and somebody makes a new key pair of the same name at once.
    DeleteAndRecreate,
    /// Somebody else deletes it by other means: no operation of ours in the history.
    Vanish,
    /// Somebody else deletes it and makes a new one of the same name.
    VanishAndRecreate,
}

/// What the client gets to see.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// What a healthy service would say.
    Normal,
    /// An error body; `code` and the header are what real ones sometimes carry.
    Error { status: u16, kind: &'static str, code: Option<&'static str>, header: bool, message: String },
    /// Any status and body.
    Raw { status: u16, content_type: &'static str, body: &'static str },
    /// A 200 whose JSON ends in the middle.
    Truncated,
    /// The connection is closed without an answer.
    Cut,
    /// Silence until the client gives up.
    Hang,
    /// An operation that is in `status` now and in `end` after `polls` GetOperation calls.
    Operation { status: &'static str, polls: u32, end: &'static str },
}

type Side = Arc<dyn Fn(&mut State) + Send + Sync>;

/// How one request is treated.
#[derive(Clone)]
pub(crate) struct Act {
    pub(crate) effect: Effect,
    pub(crate) reply: Reply,
    pub(crate) delay: Duration,
    pub(crate) side: Option<Side>,
    pub(crate) vanish_server: bool,
}

impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{:?}", self.effect, self.reply)
    }
}

impl Act {
    fn reply(reply: Reply) -> Self {
        Self { effect: Effect::Nothing, reply, delay: Duration::ZERO, side: None, vanish_server: false }
    }

    /// A healthy answer.
    pub(crate) fn ok() -> Self {
        Self::reply(Reply::Normal)
    }

    /// An error body with `__type` alone.
    pub(crate) fn type_only(status: u16, kind: &'static str) -> Self {
        Self::error(status, kind, None, false)
    }

    /// An error body with `__type` and `code`, which the SDK takes for the error's name.
    pub(crate) fn type_and_code(status: u16, kind: &'static str, code: &'static str) -> Self {
        Self::error(status, kind, Some(code), false)
    }

    /// An error with everything, header included.
    pub(crate) fn error(status: u16, kind: &'static str, code: Option<&'static str>, header: bool) -> Self {
        let message = format!("scripted {kind}");
        Self::reply(Reply::Error { status, kind, code, header, message })
    }

    /// Throttling as Lightsail does it: HTTP 400, no Retry-After.
    pub(crate) fn throttle() -> Self {
        Self::type_only(400, "ThrottlingException")
    }

    /// A denial of this one item.
    pub(crate) fn denied() -> Self {
        Self::type_and_code(400, "AccessDeniedException", "AccessDenied")
    }

    /// A 500 with a ServiceException.
    pub(crate) fn server_error() -> Self {
        Self::type_only(500, "ServiceException")
    }

    /// Any other answer.
    pub(crate) fn raw(status: u16, content_type: &'static str, body: &'static str) -> Self {
        Self::reply(Reply::Raw { status, content_type, body })
    }

    /// A load balancer's 503.
    pub(crate) fn html_503() -> Self {
        Self::raw(503, "text/html", "<html><body><h1>503 Service Unavailable</h1></body></html>")
    }

    /// A 200 with `{}`: the SDK calls it a success without an operation.
    pub(crate) fn empty_object() -> Self {
        Self::raw(200, "application/x-amz-json-1.1", "{}")
    }

    /// A 200 without a body.
    pub(crate) fn empty_200() -> Self {
        Self::raw(200, "application/x-amz-json-1.1", "")
    }

    /// A 200 cut in the middle of its JSON.
    pub(crate) fn truncated() -> Self {
        Self::reply(Reply::Truncated)
    }

    /// The connection closed after the request was read.
    pub(crate) fn cut() -> Self {
        Self::reply(Reply::Cut)
    }

    /// No answer at all.
    pub(crate) fn hang() -> Self {
        Self::reply(Reply::Hang)
    }

    /// An operation that ends in `end` after that many polls; a success takes effect then.
    pub(crate) fn slow(polls: u32, end: &'static str) -> Self {
        Self::reply(Reply::Operation { status: "Started", polls, end })
    }

    /// An operation that never becomes terminal.
    pub(crate) fn never() -> Self {
        Self::slow(u32::MAX, "Succeeded")
    }

    /// An operation that has failed by the time of the answer.
    pub(crate) fn failed_operation() -> Self {
        Self::reply(Reply::Operation { status: "Failed", polls: 0, end: "Failed" })
    }

    /// An operation that ended well by the time of the answer, called `Completed`.
    pub(crate) fn completed() -> Self {
        Self::reply(Reply::Operation { status: "Completed", polls: 0, end: "Completed" }).with(Effect::Delete)
    }

    /// With this effect, taking hold before the answer is (or is not) given.
    pub(crate) fn with(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// Answered only after this time.
    pub(crate) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Something else happens to the world at the same moment.
    pub(crate) fn and(mut self, side: impl Fn(&mut State) + Send + Sync + 'static) -> Self {
        self.side = Some(Arc::new(side));
        self
    }

    /// The whole endpoint goes away right after this answer.
    pub(crate) fn then_vanish_server(mut self) -> Self {
        self.vanish_server = true;
        self
    }

    /// The error's message, where it is an error.
    pub(crate) fn saying(mut self, text: &str) -> Self {
        if let Reply::Error { message, .. } = &mut self.reply {
            text.clone_into(message);
        }
        self
    }
}
