//! To continue a run that another session left.

use super::again::only_unfinished;
use super::carry_on::{already_finished, carry_on};
use super::end::Ending;
use super::error::{Refusal, Sent, SessionError};
use super::host::Host;
use super::in_journal::in_journal;
use super::open::OpenJournal;
use super::order::ResumeOrder;
use super::summary::{Head, Summary};
use crate::journal::{RunRecord, RunState};
use crate::review::runs::resolve;

/// Continues the run that is meant, if there is one.
///
/// # Errors
/// As [`Refusal`] says.
pub async fn resume<H: Host>(host: &H, order: &ResumeOrder) -> Result<Ending, SessionError> {
    let began = tokio::time::Instant::now();
    let journal = &order.order.journal;
    let work = async |open| Box::pin(go_on(host, order, open, began)).await;
    // Once the run continues, its own error says what was sent.
    let ended = in_journal(host, &order.order, ("resume", Sent::Reads), work).await?;
    Ok(ended.unwrap_or_else(|| Ending::summed(Summary::stopped_before(journal))))
}

async fn go_on<H: Host>(
    host: &H,
    order: &ResumeOrder,
    open: OpenJournal,
    began: tokio::time::Instant,
) -> Result<Ending, SessionError> {
    let Some(record) = choose(host, &open, order.run.as_deref()).await? else {
        let head = Head::from(&open.close(host).await?);
        return Ok(Ending::summed(Summary { head, ..Summary::of_nothing(&order.order.journal) }));
    };
    if record.state == RunState::Finished {
        return already_finished(host, &order.order, &open, &record).await;
    }
    carry_on(host, &order.order, open, began, record, None).await
}

/// The run that is meant: the named one, or the only unfinished one.
async fn choose<H: Host>(host: &H, open: &OpenJournal, named: Option<&str>) -> Result<Option<RunRecord>, SessionError> {
    let Some(named) = named else {
        return only_unfinished(open.reader.runs().await?, &**host.operator());
    };
    let found = resolve(&open.reader, named).await;
    let record = found.map_err(|error| SessionError::from(error).sent(Sent::Nothing))?;
    if record.state == RunState::Abandoned {
        let refusal = Refusal::Abandoned { run: record.run, started: record.started_seq.is_some() };
        return Err(SessionError::new(refusal).of_run(record.run).sent(Sent::Nothing));
    }
    Ok(Some(record))
}
