//! What one target has shown in a session.

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::canary::Canary;
use super::stop::TargetStop;

/// What the answers of one target have shown in this session.
#[derive(Debug)]
pub(super) struct TargetView {
    /// Why it stops, where it stops alone.
    pub(super) stop: Option<TargetStop>,
    /// Ends with that, or with the session.
    pub(super) stopping: CancellationToken,
    /// Ends with that, or once no further row of the target may be begun, because its canary is full.
    pub(super) closing: CancellationToken,
    /// Its canary, where there is one.
    pub(super) canary: Option<Canary>,
    /// Rows in doubt in a row.
    pub(super) doubtful: u64,
    /// Rows that were refused with everyone, since one was served.
    pub(super) refused: u64,
    /// When a delete last got an answer that shows that the caller was accepted.
    pub(super) served_at: Option<Timestamp>,
    pub(super) denied: u64,
    pub(super) answered_otherwise: bool,
    /// What a denial was found to mean once no row was left but those that hold; it stays so.
    pub(super) latched: bool,
    pub(super) answered_at: Option<Timestamp>,
    pub(super) read_at: Option<Timestamp>,
    /// Rows in progress, and those of them that hold.
    pub(super) active: u64,
    pub(super) holding: u64,
    /// Whether no further row will come.
    pub(super) fed: bool,
}

impl TargetView {
    pub(super) fn new(session: &CancellationToken, canary: Option<u64>) -> Self {
        let stopping = session.child_token();
        Self {
            stop: None,
            closing: stopping.child_token(),
            stopping,
            canary: canary.map(Canary::of),
            doubtful: 0,
            refused: 0,
            served_at: None,
            denied: 0,
            answered_otherwise: false,
            latched: false,
            answered_at: None,
            read_at: None,
            active: 0,
            holding: 0,
            fed: false,
        }
    }

    /// Only rows that hold are left: the answer that they wait for will not come.
    pub(super) fn is_drained(&self) -> bool {
        self.fed && self.holding > 0 && self.active == self.holding
    }

    /// Whether rows were held back for a canary.
    pub(super) fn holds_back(&self) -> bool {
        self.canary.as_ref().is_some_and(|canary| canary.holds_back)
    }
}
