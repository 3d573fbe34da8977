//! To give up a run, once its open requests are settled.

use super::carry_on::{Resumed, go_on_with};
use super::end::Ending;
use super::error::{Refusal, Sent, SessionError};
use super::host::Host;
use super::in_journal::in_journal;
use super::open::OpenJournal;
use super::order::AbandonOrder;
use super::summary::Summary;
use crate::journal::{RunRecord, RunState};
use crate::review::runs::resolve;

/// Settles the open requests of a run by reading, and closes it for good.
///
/// # Errors
/// As [`Refusal`] says.
pub async fn abandon<H: Host>(host: &H, order: &AbandonOrder) -> Result<Ending, SessionError> {
    let began = tokio::time::Instant::now();
    let work = async |open: OpenJournal| {
        let found = resolve(&open.reader, &order.run).await;
        let record = found.map_err(|error| SessionError::from(error).sent(Sent::Nothing))?;
        refuse_ended(&record)?;
        let resumed = Resumed { record, connections: None, because: Some(order.because.clone()) };
        Box::pin(go_on_with(host, &order.order, open, began, resumed)).await
    };
    // Once the run is known, its own error says what was sent.
    let ended = in_journal(host, &order.order, ("abandon", Sent::Reads), work).await?;
    Ok(ended.unwrap_or_else(|| Ending::summed(Summary::stopped_before(&order.order.journal))))
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
