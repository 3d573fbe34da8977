//! A reader that shows the same state of a journal as its verification, while a session goes on writing.

use tokio::sync::mpsc;

use crate::journal::{JournalError, Reader, Snapshot};

/// How often both begin again, until neither has seen an entry more than the other. Between their beginnings there is less time than
/// a session takes for a commit, so the first time is mostly enough.
const MOST_TRIES: usize = 1_000;

/// Whoever else wants to see the state that is verified.
#[derive(Debug, Clone)]
pub struct Beside {
    /// It is made to hold still.
    pub reader: Reader,
    /// Where that is told. Where it is dropped instead, the reader does not hold still.
    pub held: mpsc::Sender<()>,
}

/// Begins the snapshot, and has the reader hold still at the same head.
///
/// # Errors
/// If the snapshot cannot begin. A reader that cannot read is not this one's matter.
pub(super) async fn begin(snapshot: &mut dyn Snapshot, beside: Option<Beside>) -> Result<(), JournalError> {
    snapshot.begin().await?;
    let Some(Beside { reader, held }) = beside else { return Ok(()) };
    for _ in 0..MOST_TRIES {
        if reader.hold_still().await.is_err() {
            return Ok(());
        }
        let (Ok(head), Ok((size, _))) = (snapshot.head().await, reader.head().await) else { break };
        if head.is_none_or(|head| u64::try_from(head.size) == Ok(size)) {
            break;
        }
        snapshot.begin().await?;
    }
    // Whoever waited may have gone.
    let _told = held.try_send(());
    Ok(())
}
