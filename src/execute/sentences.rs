//! The sentences for people: why a row ended as it did, and why a run stopped. Nothing is decided on them.

use super::attempt::Said;
use super::decide::StopCause;
use super::row::RowState;
use crate::domain::{Class, Evidence, Outcome, Target};
use crate::record::event::Found;
use crate::record::plan::{PlanRow, Severity};

/// One sentence on an outcome, where the words themselves do not say it all.
#[must_use]
#[expect(clippy::too_many_lines, reason = "one sentence for each outcome, in the order of the outcomes")]
pub(super) fn detail(outcome: Outcome, evidence: Evidence, row: &RowState, line: &PlanRow) -> Option<String> {
    let answer = row.last.as_ref().and_then(|last| last.answer.as_ref());
    let said = answer.and_then(|answer| answer.summary.as_ref()).map(|said| said.text.clone());
    let found = row.look.as_ref().map(|look| look.found);
    let pending = row.is_unfinished() || answer.is_some_and(|answer| answer.class == Class::Pending);
    let text = match (outcome, evidence) {
        (Outcome::Deleted, Evidence::Operation) if row.poll.as_ref().is_none_or(|poll| poll.from_history) => {
            let shown =
                "the operation history shows that a delete of this name took effect while an attempt of ours was under way";
            let lives_on = "; another key pair has the name now and was not touched";
            format!("{shown}{}", if found == Some(Found::Other) { lives_on } else { "" })
        }
        (Outcome::Deleted, _) => return None,
        (Outcome::Gone, _) if row.lost => {
            let now = if found == Some(Found::Other) {
                "another key pair has the name now and was not touched"
            } else {
                "it is not there now"
            };
            format!("entries were lost, and with them perhaps a request of ours: the plan saw it, and {now}")
        }
        (Outcome::Gone, _) if found == Some(Found::Other) => format!(
            "re-created under its old name: what has the name now has another identity and was not touched{}",
            named_operation(row, "; its operation", "did not end in time")
        ),
        (Outcome::Gone, _) if pending => format!(
            "{}, and the key pair is not there any more",
            named_operation(row, "its operation", "did not end in time")
        ),
        (Outcome::Gone, _) => {
            "there before our request and not there now; no operation shows whether it was our request".into()
        }
        (Outcome::Absent, Evidence::Answer) => {
            "vanished: the inventory had seen it, our request did not find it, and it was not there when read again".into()
        }
        (Outcome::Absent, _) if row.attempts > 0 => {
            "vanished: each of our requests was refused before it was executed, and it was not there when read again".into()
        }
        (Outcome::Absent, _) if row.look.is_some() => "vanished before any request was sent for it".into(),
        (Outcome::Absent, _) if row.lost_before => {
            "not in the inventory; entries were lost before this run, and with them perhaps a run that deleted it".into()
        }
        (Outcome::Absent, _) => "not in the inventory".into(),
        (Outcome::Skipped, _) if found == Some(Found::Other) && row.attempts > 0 => {
            "drift: none of our requests was executed, and another key pair has taken this name since".into()
        }
        (Outcome::Skipped, _) if found == Some(Found::Other) => {
            "drift: since the plan was made, another key pair has taken this name".into()
        }
        (Outcome::Skipped, _) if row.is_unfinished() || row.delete_seen => {
            let end = if row.delete_seen { "succeeded" } else { "had not ended" };
            let operation = named_operation(row, "operation", end);
            let operation = if operation.is_empty() { format!("an operation {end}") } else { operation };
            let seen = if found == Some(Found::Same) { "is still there" } else { "could not be read" };
            format!("no request was sent: {operation} that was begun earlier and deletes key pairs of this name, and this one {seen}")
        }
        (Outcome::Skipped, _) if found == Some(Found::Denied) => {
            "no request was sent: its observation had become too old, and reading it again was denied, while others could be read"
                .into()
        }
        (Outcome::Skipped, _) if found == Some(Found::NoAnswer) => {
            "no request was sent: its observation had become too old, and it could not be read again".into()
        }
        (Outcome::Skipped, _) => {
            let notes = line.notes.iter().filter(|note| note.severity >= Severity::Skip);
            notes.map(|note| note.text.as_str()).collect::<Vec<_>>().join("; ")
        }
        (Outcome::Failed, Evidence::Readback) if row.attempts == 0 => {
            "still there; entries were lost that may have asked for it".into()
        }
        (Outcome::Failed, Evidence::Readback) => format!("still there after {} attempts", row.attempts),
        (Outcome::Failed, Evidence::Operation) => "its operation failed, and the key pair is still there".into(),
        (Outcome::Failed, _) => said.unwrap_or_else(|| "its operation failed, and the key pair is still there".into()),
        (Outcome::InDoubt, _) if found == Some(Found::Same) && !pending => {
            "the operation history shows that it was deleted, but readings still show the key pair".into()
        }
        (Outcome::InDoubt, _) if found == Some(Found::Same) => {
            "its operation did not end in time, and the key pair is still there".into()
        }
        (Outcome::InDoubt, _) => {
            let why = if pending {
                "its operation did not end in time"
            } else if row.attempts == 0 {
                "entries were lost, and with them perhaps a request of ours"
            } else if row.spent == 0 {
                "each request was refused before it was executed"
            } else if answer.is_none_or(|answer| answer.class == Class::Unanswered) {
                "the answer was lost"
            } else {
                "a request of ours may have taken effect"
            };
            if found == Some(Found::Denied) {
                format!("{why}, and reading the key pair was denied, while others could be read")
            } else {
                format!("{why}, and the key pair could not be read within the time for settling")
            }
        }
    };
    Some(text)
}

/// What became of the operation that is under way, by its id; nothing where no operation is.
fn named_operation(row: &RowState, whose: &str, what: &str) -> String {
    let pending = row.is_unfinished() || row.last_class() == Some(Class::Pending);
    match row.operation_id().filter(|_| pending) {
        Some(id) => format!("{whose} {id} {what}"),
        None if pending => format!("{whose} {what}"),
        None => String::new(),
    }
}

/// One sentence on why a target stopped, as the row that stopped it saw it, and the names of the error that said so.
#[must_use]
pub(super) fn stop_detail(cause: StopCause, row: &RowState, target: &Target) -> (String, Vec<String>) {
    let said = said(cause, row);
    let names = said.map(|said| said.names.clone()).unwrap_or_default();
    let said = said.map_or("no reason was given", |said| said.text.as_str());
    (stop_text(cause, target, said), names)
}

/// The error that says most about why a target stopped.
fn said(cause: StopCause, row: &RowState) -> Option<&Said> {
    let answer = row.last.as_ref().and_then(|last| last.answer.as_ref());
    let unconnected = [&row.look, &row.search].into_iter().flatten().find(|look| look.unconnected);
    let said = [
        unconnected.filter(|_| cause == StopCause::EndpointGone).and_then(|look| look.summary.as_ref()),
        row.search.as_ref().and_then(|look| look.summary.as_ref()),
        row.look.as_ref().and_then(|look| look.summary.as_ref()),
        row.poll.as_ref().and_then(|poll| poll.summary.as_ref()),
        answer.and_then(|answer| answer.summary.as_ref()),
    ];
    said.into_iter().flatten().next()
}

fn stop_text(cause: StopCause, target: &Target, said: &str) -> String {
    match cause {
        StopCause::RefusedForAll => format!("refused for everyone in {target}: {said}"),
        StopCause::AllDenied => {
            format!("the first rows of {target} were all denied lightsail:DeleteKeyPair: {said}")
        }
        StopCause::EndpointGone => format!("no connection to Lightsail in {target} could be made: {said}"),
        StopCause::ThrottledForLong => format!("{target} refused every request for ten minutes: {said}"),
        StopCause::NothingLeaves => format!("for ten minutes no request could leave for {target}: {said}"),
        StopCause::Doubtful => doubtful_detail(target),
        StopCause::NothingReadable => format!("{target} gives no usable answer to lightsail:GetKeyPair: {said}"),
        StopCause::CannotRead => {
            format!("lightsail:GetKeyPair is not permitted in {target}, so nothing can be settled: {said}")
        }
    }
}

/// The same for rows that ended in doubt.
#[must_use]
pub(super) fn doubtful_detail(target: &Target) -> String {
    format!("rows of {target} end in doubt one after the other: the service does not answer usably")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::{Exchange, Settings};
    use crate::execute::decide::{Denial, Situation, Step, decide};
    use crate::execute::row::tests::line;
    use crate::record::event::{AttemptFinished, AttemptStarted, Event, Observed, Source};

    /// One attempt answered so, and then no reading with a usable answer, in a later session.
    fn unreadable_after(class: Class) -> (Step, Option<String>) {
        let mut now = Timestamp::UNIX_EPOCH;
        let mut row = RowState::new(0, &line(), None);
        row.apply(1, now, &Event::AttemptStarted(AttemptStarted { attempt: 1 }));
        let (exchange, cause) = (Exchange::default(), None);
        let finished = AttemptFinished::of(1, class, cause, exchange);
        row.apply(2, now, &Event::AttemptFinished(Box::new(finished)));
        row.reopen(now);
        let settings = Settings::default();
        for _ in 0..20 {
            now = now.saturating_add(settings.settle_timeout).unwrap();
            let situation = Situation { now, denial: Denial::Unknown, answered_at: Some(now), read_at: None };
            let source = match decide(&row, &settings, &situation) {
                Step::Read { .. } => Source::GetKeyPair,
                Step::Search { .. } => Source::GetOperationsForResource,
                Step::Settle(outcome, evidence) => {
                    return (Step::Settle(outcome, evidence), detail(outcome, evidence, &row, &line()));
                }
                step => return (step, None),
            };
            let nothing = Event::Observed(Box::new(Observed::of(source, Found::NoAnswer)));
            row.apply(3, now, &nothing);
        }
        panic!("it never ends: {row:#?}");
    }

    #[test]
    fn what_was_refused_before_execution_is_not_said_to_be_lost() {
        let doubtful = Step::Settle(Outcome::InDoubt, Evidence::Tried);
        for class in [Class::Throttled, Class::NotSent, Class::SetupInProgress, Class::Denied, Class::RefusedForAll] {
            let (step, text) = unreadable_after(class);
            assert_eq!(step, doubtful, "{class:?}");
            let text = text.unwrap();
            assert!(text.contains("refused before it was executed") && !text.contains("lost"), "{class:?}: {text}");
        }
        let (step, text) = unreadable_after(Class::Unanswered);
        assert_eq!(step, doubtful);
        assert!(text.unwrap().starts_with("the answer was lost"));
        let (_, text) = unreadable_after(Class::OperationFailed);
        assert!(!text.unwrap().contains("lost"));
    }
}
