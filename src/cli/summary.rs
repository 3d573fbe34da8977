//! What `run`, `resume` and `abandon` say at the end: one object for programs, one line for people, and the exit code.

use std::path::Path;

use serde_json::Value;

use super::exit::Exit;
use crate::domain::counted;
use crate::review::{Given, Suggested};
use crate::session::summary::{Ends, SessionPart, State, StopWord, Summary};

/// What to do about a run that ended before it had a plan.
pub(super) const NOT_BEGUN: &str = "there is nothing to resume: run it again";

fn for_people(by: StopWord) -> &'static str {
    match by {
        StopWord::Signal => "signal",
        StopWord::MaxFailures => "max failures",
        StopWord::MaxDeletes => "max deletes",
        StopWord::MaxDuration => "max duration",
        StopWord::Breaker => "breaker",
        StopWord::Canary => "canary",
        StopWord::Control => "control",
        StopWord::Refused => "refused",
        StopWord::Journal => "journal",
    }
}

/// Whether deleting had begun.
pub(super) fn has_begun(summary: &Summary) -> bool {
    matches!(summary.state, Some(State::Stopped | State::Finished))
}

/// The exit code.
pub(super) fn exit(summary: &Summary) -> Exit {
    match summary.ends {
        Some(Ends::Declined) => return Exit::Declined,
        Some(Ends::Prevented) => return Exit::Environment,
        None => {}
    }
    let outcomes = &summary.outcomes;
    match summary.stopped_by {
        Some(StopWord::Journal) => Exit::Environment,
        Some(StopWord::Refused) => Exit::Refused,
        Some(_) if summary.state == Some(State::Abandoned) => Exit::StoppedPlanning,
        Some(_) => Exit::Stopped,
        None if outcomes.in_doubt > 0 => Exit::InDoubt,
        None if outcomes.failed > 0 || outcomes.skipped > summary.superfluous => Exit::SomeNotDone,
        None => Exit::Success,
    }
}

/// The summary object, with the final exit code.
pub(super) fn object(summary: &Summary, exit: Exit) -> Value {
    let session = SessionPart { seconds: to_the_ms(summary.session.seconds), ..summary.session };
    let whole = Summary { seconds: to_the_ms(summary.seconds), session, ..summary.clone() };
    // It holds only text and numbers, so this cannot fail.
    let mut object = serde_json::to_value(whole).unwrap_or_default();
    if let Value::Object(fields) = &mut object {
        fields.insert("exit".to_owned(), exit.code().into());
    }
    object
}

/// The last line: what happened.
pub(super) fn line(summary: &Summary) -> String {
    let outcomes = &summary.outcomes;
    let parts = [
        (outcomes.deleted, "deleted"),
        (outcomes.gone, "gone"),
        (outcomes.absent, "absent"),
        (outcomes.skipped, "skipped"),
        (outcomes.failed, "failed"),
        (outcomes.in_doubt, "in doubt"),
        (outcomes.unsettled, "unsettled"),
        (outcomes.not_attempted, "not attempted"),
    ];
    let parts: Vec<_> =
        parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let label = if summary.sandbox { "sandbox run" } else { "run" };
    let run = summary.run.as_deref().unwrap_or_default();
    let end = match (summary.state, summary.stopped_by) {
        (Some(State::Abandoned), _) => "abandoned".to_owned(),
        (_, Some(by)) => format!("stopped ({})", for_people(by)),
        _ => "finished".to_owned(),
    };
    let counts = if parts.is_empty() { "no rows".to_owned() } else { parts.join(", ") };
    let of = counted(summary.rows, "row", "rows");
    format!("{label} {run} {end}: {counts}, of {of} in {:.1} s", summary.seconds)
}

/// What to do about rows in doubt.
fn in_doubt(run: &str, given: &Given) -> String {
    let (run_itself, row) =
        (Suggested::new(["show", run]).line(given), Suggested::new(["show", run, "ROW"]).line(given));
    format!("a person must look at the rows in doubt: `{run_itself}` lists them, and `{row}` says what to look for")
}

/// What a suggested command must be told: a finished run may be in an archive.
fn given_for(summary: &Summary, given: &Given) -> Given {
    if summary.is_archived { given.for_journal(Path::new(&summary.journal)) } else { given.clone() }
}

/// What to do about rows in doubt where something else comes next.
pub(super) fn also(summary: &Summary, given: &Given) -> Option<String> {
    let run = summary.run.as_deref().filter(|_| summary.outcomes.in_doubt > 0)?;
    (has_begun(summary) && exit(summary) != Exit::InDoubt).then(|| in_doubt(run, &given_for(summary, given)))
}

/// What to do next.
pub(super) fn next(summary: &Summary, given: &Given) -> Option<String> {
    let run = summary.run.as_deref()?;
    let given = given_for(summary, given);
    let line = |word| Suggested::new([word, run]).line(&given);
    match exit(summary) {
        Exit::Success | Exit::Refused => None,
        Exit::Declined | Exit::StoppedPlanning => Some(NOT_BEGUN.to_owned()),
        Exit::Stopped if summary.stopped_by == Some(StopWord::Canary) => {
            Some(format!("look at what the canary did, then delete the rest with: {}", line("resume")))
        }
        Exit::Stopped | Exit::Environment => Some(format!("continue with: {}", line("resume"))),
        Exit::InDoubt => Some(in_doubt(run, &given)),
        _ => Some(format!("see which and why: {}", line("show"))),
    }
}

fn to_the_ms(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::OutcomeCounts;

    fn summary(stopped_by: Option<StopWord>, outcomes: OutcomeCounts, superfluous: u64) -> Summary {
        let state = Some(if stopped_by.is_some() { State::Stopped } else { State::Finished });
        Summary { state, stopped_by, outcomes, superfluous, rows: 1, ..Summary::of_nothing(&Path::new("j").into()) }
    }

    // SEMANTICS: P56
    #[test]
    fn the_more_serious_code_wins() {
        let with = |failed, in_doubt, skipped| OutcomeCounts { failed, in_doubt, skipped, ..OutcomeCounts::default() };
        assert_eq!(exit(&summary(None, with(0, 0, 0), 0)), Exit::Success);
        assert_eq!(exit(&summary(None, with(1, 0, 0), 0)), Exit::SomeNotDone);
        assert_eq!(exit(&summary(None, with(1, 1, 1), 0)), Exit::InDoubt);
        assert_eq!(exit(&summary(None, with(0, 0, 2), 2)), Exit::Success);
        assert_eq!(exit(&summary(None, with(0, 0, 2), 1)), Exit::SomeNotDone);
        assert_eq!(exit(&summary(Some(StopWord::Signal), with(1, 1, 0), 0)), Exit::Stopped);
        assert_eq!(exit(&summary(Some(StopWord::Journal), with(0, 0, 0), 0)), Exit::Environment);
    }

    // SEMANTICS: P57
    #[test]
    fn the_object_has_exactly_the_fields_of_the_contract() {
        let value = object(&summary(None, OutcomeCounts::default(), 0), Exit::Success);
        let mut found: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        let mut expected = [
            "schema",
            "run",
            "state",
            "stopped_by",
            "exit",
            "sandbox",
            "rows",
            "outcomes",
            "requests",
            "seconds",
            "session",
            "manifest",
            "manifest_sha256",
            "of",
            "plan_root",
            "operator",
            "targets",
            "callers",
            "canary",
            "ticket",
            "started_at",
            "finished_at",
            "journal",
            "head",
        ];
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected);
    }
}
