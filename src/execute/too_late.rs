//! A request that may not leave any more: its attempt's start took too long to become durable.

use jiff::SignedDuration;

use super::worker::{Flow, Worker};
use crate::domain::{ApiError, Cause, Class, ErrorText, Exchange, Failure};
use crate::journal::JournalError;
use crate::lane::pace::{Departing, Permit};
use crate::lightsail::Lightsail;
use crate::record::event::{AttemptFinished, Event};

impl<L: Lightsail> Worker<L> {
    /// The permit with which the request of an attempt leaves whose start is durable; none if that took too long.
    pub(super) async fn in_time(&self, departing: &mut Departing<'_>, permit: Permit) -> Option<Permit> {
        if self.has_started_late() {
            return None;
        }
        let limit = self.shared.settings.attempt_time().start_limit();
        let permit = tokio::time::timeout(limit, departing.unless_late(permit)).await.ok()?;
        (!self.has_started_late()).then_some(permit)
    }

    /// Whether the attempt's start took so long to become durable that its request must not be sent: a session that
    /// finds the start alone counts from it until the attempt is dead.
    pub(super) fn has_started_late(&self) -> bool {
        let took = self.state.last.as_ref().map(|last| self.shared.scribe.now().duration_since(last.started_at));
        took.is_some_and(|took| {
            took > SignedDuration::try_from(self.shared.settings.attempt_time().start_limit()).unwrap_or_default()
        })
    }

    /// Records that the attempt's request was not sent.
    pub(super) async fn withhold(&mut self, attempt: u32) -> Result<Flow, JournalError> {
        tracing::warn!(
            row = self.row,
            attempt,
            "the journal's disk is slow: the request did not leave, and is tried again"
        );
        self.in_flight = None;
        let said = "the journal's disk took too long to make its start durable";
        let text = ErrorText { message: Some(said.into()), ..ErrorText::default() };
        let error = ApiError { text, ..ApiError::nothing(Class::NotSent, Cause::StartedLate) };
        let finished = AttemptFinished::of(attempt, error.class, Some(error.cause), Exchange::default());
        let finished = AttemptFinished { failure: Failure::of(Some(error), &finished.exchange), ..finished };
        self.record(Event::AttemptFinished(Box::new(finished))).await
    }
}
