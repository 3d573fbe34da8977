//! What becomes of answers after the first error: nobody else knows what the service said.
//!
//! Where others took the rows of a runner over, its answers are recorded as late ones: evidence, and no outcome. Where that is not possible
//! either, they are told.

use tokio::sync::mpsc;

use super::commands::{Command, refuse};
use super::{EntryStore, JournalError, OnUnrecorded};
use crate::record::Draft;
use crate::record::event::Event;
use crate::record::lease::AnswerLate;

/// Those of the drafts that hold what the service said.
pub(super) fn answers(drafts: &[Draft]) -> Vec<Draft> {
    let is_answer =
        |event: &Event| matches!(event, Event::AttemptFinished(_) | Event::OperationPolled(_) | Event::Observed(_));
    drafts.iter().filter(|draft| is_answer(&draft.event)).cloned().collect()
}

/// Records late what could not be recorded for this error, as far as that is possible, and returns the rest.
pub(super) async fn record<S: EntryStore>(
    store: Option<&mut S>,
    error: &JournalError,
    mut answers: Vec<Draft>,
) -> Vec<Draft> {
    let (Some(store), JournalError::FencedOff { .. }) = (store, error) else { return answers };
    let late: Vec<_> = answers.iter().filter_map(late).collect();
    if late.is_empty() {
        return answers;
    }
    match store.append(late, None).await {
        Ok(_) => answers.retain(|draft| !matches!(draft.event, Event::AttemptFinished(_))),
        Err(error) => tracing::debug!(%error, "answers could not be recorded late either"),
    }
    answers
}

/// The end of an attempt, without what it would have decided.
fn late(draft: &Draft) -> Option<Draft> {
    let Event::AttemptFinished(finished) = &draft.event else { return None };
    let late = AnswerLate::from((**finished).clone());
    Some(Draft { event: Event::AnswerLate(Box::new(late)), ..draft.clone() })
}

/// After the first error, every caller gets that error, until the last handle is gone.
pub(super) async fn refuse_all<S: EntryStore>(
    error: &JournalError,
    mut commands: mpsc::Receiver<Command>,
    unrecorded: Option<OnUnrecorded>,
    mut store: Option<S>,
) {
    while let Some(command) = commands.recv().await {
        if let (Command::Append { drafts, .. }, Some(tell)) = (&command, &unrecorded) {
            tell(&record(store.as_mut(), error, answers(drafts)).await);
        }
        refuse(command, error);
    }
}
