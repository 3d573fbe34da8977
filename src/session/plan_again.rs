//! To plan some rows of an earlier run again, without deleting anything: what a [`retry`](super::retry()) would do. Nothing is journalled.

use std::io::Write;

use super::admit::refuse_altered;
use super::again::{kept_world, past};
use super::error::{Refusal, Sent, SessionError};
use super::host::Host;
use super::order::PlanOrder;
use super::plan::{PlanEnding, made, until_stopped};
use super::retry::{earlier, reach, select, settle};
use super::selection::Selection;
use super::stage::Input;
use crate::domain::{RunId, Settings};
use crate::journal::JournalError;

/// Plans the rows of an earlier run that are selected, and writes the plan to `file`, as [`plan`](super::plan()) does. If its `manifest`
/// is named, too, it must be that run's.
///
/// # Errors
/// As [`Refusal`] says. Nothing but reads was sent.
pub async fn plan_again<H: Host>(
    host: &H,
    order: &PlanOrder,
    selection: &Selection,
    manifest: Option<Input>,
    file: impl Write,
) -> Result<PlanEnding, SessionError> {
    until_stopped(host, order, Box::pin(work(host, order, (selection, manifest), file))).await
}

async fn work<H: Host>(
    host: &H,
    order: &PlanOrder,
    (selection, manifest): (&Selection, Option<Input>),
    file: impl Write,
) -> Result<PlanEnding, SessionError> {
    let (journal, run) = (&order.order.journal, RunId(host.new_id()));
    let settings = order.order.overrides.over(Settings::default());
    let missing = || {
        let (path, reason) = (journal.beside().to_owned(), "it has no runs".to_owned());
        SessionError::from(JournalError::Missing { path, reason }).sent(Sent::Nothing)
    };
    let reader = past(host, journal).await?.ok_or_else(missing)?;
    refuse_altered(host, &reader).await?;
    let earlier = earlier(&reader, selection, manifest).await?;
    let staging = (&order.subject, &order.order.accounts);
    let selected = select(host, &reader, staging, (earlier, selection), (&order.directory, run)).await?;
    let Some(mut selected) = selected else { return Ok(PlanEnding::Nothing) };
    let kept = kept_world(&reader, journal, &selected.earlier).await?;
    let mut connections = reach(host, &selected, (kept, run), &settings, &order.order.accounts).await?;
    connections.refuse_unreached()?;
    let faults = settle(&mut selected, &reader, &connections).await?;
    if !faults.is_empty() {
        let (faults, skip_invalid) = (Box::new(faults), order.subject.skip_invalid);
        return Err(SessionError::new(Refusal::Manifest { faults, skip_invalid, recorded: false }).sent(Sent::Reads));
    }
    let order = PlanOrder { subject: selected.subject.clone(), ..order.clone() };
    made(host, &order, &settings, connections, selected.staged, Some(&reader), file).await
}
