//! Closes the journal so that one file is left, even if a command ends before its session has begun.

use std::sync::OnceLock;
use std::time::Duration;

use super::open::OpenJournal;
use super::stops::Stops;
use crate::journal::{Journal, Reader};

/// How long to wait for a disk that does not respond; what was written is safe without it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Closes a journal whose session never began: the credentials are missing, a guard refuses, a signal comes.
#[derive(Debug, Default)]
pub(super) struct Closer(OnceLock<(Journal, Reader)>);

impl Closer {
    /// From now on, this is the journal to close.
    pub(super) fn hold(&self, open: &OpenJournal) {
        let _first = self.0.set((open.journal.clone(), open.reader.clone()));
    }

    /// Closes it, unless a session began, which closes it itself.
    pub(super) async fn close(&self, stops: &Stops) {
        let Some((journal, reader)) = self.0.get().filter(|_| !stops.is_handed_over()) else { return };
        let closed = async {
            reader.release().await;
            journal.clone().close().await
        };
        if let Ok(Err(error)) = tokio::time::timeout(PATIENCE, closed).await {
            tracing::debug!(%error, "the journal was closed before, or cannot be");
        }
    }
}
