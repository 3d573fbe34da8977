//! What stops a session from outside: a first request lets it end in order, a second one makes it end at once.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::execute::control::{Control, StoppedBy};

/// Requests to stop. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Stops {
    first: CancellationToken,
    second: CancellationToken,
    control: Arc<Mutex<Option<Arc<Control>>>>,
    /// Cancelled once a session deals with the first request by itself.
    opened: CancellationToken,
}

impl Stops {
    /// The first request. `settling` is called if requests in flight have to be settled before the session can end.
    pub fn ask(&self, settling: impl FnOnce()) {
        self.first.cancel();
        if let Some(control) = self.control() {
            settling();
            control.stop(StoppedBy::Signal, "stopped by a signal");
        }
    }

    /// The second request.
    pub fn hurry(&self) {
        self.second.cancel();
    }

    /// Ends with the first request.
    pub async fn asked(&self) {
        self.first.cancelled().await;
    }

    /// Whether there was one.
    pub(super) fn is_asked(&self) -> bool {
        self.first.is_cancelled()
    }

    /// Ends with the second request.
    pub(super) async fn hurried(&self) {
        self.second.cancelled().await;
    }

    /// From now on, a session deals with the first request by itself.
    pub(super) fn hand_over(&self) {
        self.opened.cancel();
    }

    /// Ends with the first request, if that comes before a session deals with it.
    pub(super) async fn before_a_session(&self) {
        self.first.cancelled().await;
        if self.opened.is_cancelled() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether a session began.
    pub(super) fn is_handed_over(&self) -> bool {
        self.opened.is_cancelled()
    }

    /// What the first request stops, once there is something.
    pub(super) fn control(&self) -> Option<Arc<Control>> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on, the first request stops this.
    pub(super) fn steer(&self, control: &Arc<Control>) {
        *self.control.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(control));
        if self.first.is_cancelled() {
            control.stop(StoppedBy::Signal, "stopped by a signal");
        }
    }
}
