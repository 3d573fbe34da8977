//! What every command that writes does before its session begins, and after: it takes the journal, gives way to a signal, and closes.

use super::closer::Closer;
use super::error::{Sent, SessionError};
use super::host::Host;
use super::open::{OpenJournal, Taking};
use super::operator::Notice;
use super::order::Order;

/// Opens the journal for the `work` of a command, and closes it. None if a signal came before a session began; from then on the work
/// itself handles signals. An error that does not say what was sent is of work that had sent `sent`.
///
/// # Errors
/// That of the work, or why the journal cannot be opened.
pub(super) async fn in_journal<H: Host, T>(
    host: &H,
    order: &Order,
    (taking, sent): (impl Into<Taking>, Sent),
    work: impl AsyncFnOnce(OpenJournal) -> Result<T, SessionError>,
) -> Result<Option<T>, SessionError> {
    let (stops, closer) = (host.stops(), Closer::default());
    let worked = async {
        let open = OpenJournal::open(host, taking, order, &order.journal, order.checkpoint_to.as_deref()).await?;
        closer.hold(&open);
        work(open).await
    };
    let ended = tokio::select! {
        biased;
        result = worked => result.map(Some).map_err(|error| error.sent(sent)),
        () = stops.before_a_session() => {
            host.operator().notice(Notice::StoppedBeforeRun);
            Ok(None)
        }
    };
    closer.close(stops).await;
    ended
}
