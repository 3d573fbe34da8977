//! SIGINT and SIGTERM: the first asks to stop in order, the second leaves at once.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::ui::Ui;
use crate::execute::control::{Control, StoppedBy};

/// "File size limit exceeded": the same number on all machines that Linux and Rust share, but for MIPS.
const SIGXFSZ: i32 = 25;

/// What signals have asked for so far.
#[derive(Debug, Clone)]
pub(super) struct Signals {
    /// Cancelled by the first.
    pub(super) first: CancellationToken,
    /// Cancelled by the second.
    pub(super) second: CancellationToken,
    control: Arc<Mutex<Option<Arc<Control>>>>,
    /// Cancelled once requests other than reads may leave.
    sending: CancellationToken,
}

impl Signals {
    /// Begins to listen.
    pub(super) fn listen(ui: Ui) -> std::io::Result<Self> {
        let signals = Self {
            first: CancellationToken::new(),
            second: CancellationToken::new(),
            control: Arc::default(),
            sending: CancellationToken::new(),
        };
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        // A file that grows beyond a limit is an error of the write, not the end of the process.
        let mut too_large = signal(SignalKind::from_raw(SIGXFSZ))?;
        tokio::spawn(async move { while too_large.recv().await.is_some() {} });
        let told = signals.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if told.first.is_cancelled() {
                    told.second.cancel();
                    return;
                }
                told.first.cancel();
                if let Some(control) = &*told.control.lock().unwrap_or_else(PoisonError::into_inner) {
                    ui.say("stopping: what is in flight is settled first; once more to leave at once");
                    control.stop(StoppedBy::Signal, "stopped by a signal", None);
                }
            }
        });
        Ok(signals)
    }

    /// From now on, a signal must not simply end the process: requests other than reads may leave.
    pub(super) fn past_planning(&self) {
        self.sending.cancel();
    }

    /// Ends with the first signal, if that comes while only reads were sent.
    pub(super) async fn abandoned(&self) {
        self.first.cancelled().await;
        if self.sending.is_cancelled() {
            std::future::pending::<()>().await;
        }
    }

    /// From now on, the first signal stops this.
    pub(super) fn steer(&self, control: &Arc<Control>) {
        *self.control.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(control));
        if self.first.is_cancelled() {
            control.stop(StoppedBy::Signal, "stopped by a signal", None);
        }
    }
}
