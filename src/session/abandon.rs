//! To give up a run, once its open requests are settled.

use super::carry_on::{Resumed, go_on_with};
use super::closer::Closer;
use super::end::Ending;
use super::error::{Refusal, Sent, SessionError};
use super::host::Host;
use super::open::OpenJournal;
use super::operator::Notice;
use super::order::AbandonOrder;
use super::summary::{StopWord, Summary};
use crate::journal::{RunRecord, RunState};
use crate::review::runs::resolve;

/// Settles the open requests of a run by reading, and closes it for good.
///
/// # Errors
/// As [`Refusal`] says.
pub async fn abandon<H: Host>(host: &H, order: &AbandonOrder) -> Result<Ending, SessionError> {
    let began = tokio::time::Instant::now();
    let (stops, closer, journal) = (host.stops(), Closer::default(), &order.order.journal);
    let checkpoint_to = order.order.checkpoint_to.as_deref();
    let gave_up = async {
        let open = OpenJournal::open(host, "abandon", &order.order, journal, checkpoint_to).await?;
        closer.hold(&open);
        let found = resolve(&open.reader, &order.run).await;
        let record = found.map_err(|error| SessionError::from(error).sent(Sent::Nothing))?;
        refuse_ended(&record)?;
        let resumed = Resumed { record, connections: None, because: Some(order.because.clone()) };
        Box::pin(go_on_with(host, &order.order, open, began, resumed)).await
    };
    let ended = tokio::select! {
        // Once the run is known, its own error says what was sent.
        result = gave_up => result.map_err(|error| error.sent(Sent::Reads)),
        () = stops.before_a_session() => {
            host.operator().notice(Notice::StoppedBeforeRun);
            let stopped_by = Some(StopWord::Signal);
            Ok(Ending::summed(Summary { stopped_by, ..Summary::of_nothing(journal) }))
        }
    };
    closer.close(stops).await;
    ended
}

/// Only a run that can be resumed can be abandoned.
fn refuse_ended(record: &RunRecord) -> Result<(), SessionError> {
    let finished = match record.state {
        RunState::Finished => true,
        RunState::Abandoned => false,
        _ => return Ok(()),
    };
    let refusal = Refusal::NothingToAbandon { run: record.run, finished };
    Err(SessionError::new(refusal).of_run(record.run).sent(Sent::Nothing))
}
