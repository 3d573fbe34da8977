//! A manifest that is refused: what is recorded about it, and what is reported.

use super::error::{Refusal, Sent, SessionError};
use super::host::Host;
use super::open::OpenJournal;
use super::opened::{Opening, session_opened};
use super::order::RunOrder;
use super::stage::manifest_entry;
use super::sum_up::{Own, sum_up};
use super::summary::{Head, State, StopWord, Summary};
use crate::domain::{RunId, Settings};
use crate::journal::{JournalError, RunRecord};
use crate::manifest::{Faults, Ingested};
use crate::record::event::{Event, RunStopped, SessionClosed};
use crate::record::{Draft, StopReason};

/// Records only the refusal, and returns every fault.
pub(super) async fn refuse_manifest<H: Host>(
    host: &H,
    order: &RunOrder,
    settings: &Settings,
    open: &OpenJournal,
    run: RunId,
    (faults, ingested): (Box<Faults>, Option<Box<Ingested>>),
) -> Result<SessionError, SessionError> {
    let mut opened = session_opened(Opening {
        session: host.new_id(),
        command: "run",
        order: &order.order,
        settings,
        place: None,
        sandbox: order.subject.sandbox,
        own: &order.own(),
    });
    open.remember(host, &order.order, &mut opened).await?;
    opened.run_id = Some(run.to_string());
    let stopped = RunStopped {
        faults: faults.by_code().iter().map(|(code, count)| ((*code).to_owned(), *count)).collect(),
        manifest: ingested.as_deref().map(manifest_entry),
        ..RunStopped::new(StopReason::Refused, Some(format!("{}: {}", order.subject.manifest, faults.summary())))
    };
    let closed = SessionClosed { requests: Default::default(), elapsed_ms: 0 };
    let drafts = [Event::SessionOpened(opened), Event::RunStopped(stopped), Event::SessionClosed(closed)];
    open.journal.append(drafts.into_iter().map(Draft::of).collect()).await?;
    open.journal.checkpoint().await?;
    open.anchored(host).await;
    let summary = match open.reader.runs().await?.iter().find(|record| record.run == run) {
        Some(record) => Some(refused(order, open, record).await?),
        None => None,
    };
    let head = Head::from(&open.close(host).await?);
    let summary = summary.map(|summary| Box::new(Summary { head, ..summary }));
    let why = Refusal::Manifest { faults, skip_invalid: order.subject.skip_invalid, recorded: true };
    Ok(SessionError { run: Some(run), summary, ..SessionError::new(why).sent(Sent::Nothing) })
}

/// The summary of a run that was refused before anything was sent.
async fn refused(order: &RunOrder, open: &OpenJournal, record: &RunRecord) -> Result<Summary, JournalError> {
    let own = Own { is_closed: true, ..Own::default() };
    let (journal, by) = (&order.order.journal, Some(StopWord::Refused));
    sum_up(journal, &open.reader, record, State::Abandoned, by, own, Head::default()).await
}
