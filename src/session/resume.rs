//! To continue a run that another session left.

use super::again::only_unfinished;
use super::carry_on::{already_finished, carry_on};
use super::closer::Closer;
use super::end::Ending;
use super::error::{Refusal, Sent, SessionError};
use super::host::Host;
use super::open::OpenJournal;
use super::operator::Notice;
use super::order::ResumeOrder;
use super::summary::{Head, StopWord, Summary};
use crate::journal::{RunRecord, RunState};
use crate::review::runs::resolve;

/// Continues the run that is meant, if there is one.
///
/// # Errors
/// As [`Refusal`] says.
pub async fn resume<H: Host>(host: &H, order: &ResumeOrder) -> Result<Ending, SessionError> {
    let began = tokio::time::Instant::now();
    let (stops, closer, journal) = (host.stops(), Closer::default(), &order.order.journal);
    let checkpoint_to = order.order.checkpoint_to.as_deref();
    let went_on = async {
        let open = OpenJournal::open(host, "resume", &order.order, journal, checkpoint_to).await?;
        closer.hold(&open);
        Box::pin(go_on(host, order, open, began)).await
    };
    let ended = tokio::select! {
        // Once the run continues, its own error says what was sent.
        result = went_on => result.map_err(|error| error.sent(Sent::Reads)),
        // From then on the run itself handles signals.
        () = stops.before_a_session() => {
            host.operator().notice(Notice::StoppedBeforeRun);
            let stopped_by = Some(StopWord::Signal);
            Ok(Ending::summed(Summary { stopped_by, ..Summary::of_nothing(journal) }))
        }
    };
    closer.close(stops).await;
    ended
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
