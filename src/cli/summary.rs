//! What `run`, `resume` and `abandon` say at the end: one object for programs, one line for people, and the exit code.

use std::path::Path;

use serde::Serialize;

use super::exit::Exit;
use crate::domain::OutcomeCounts;
use crate::execute::control::StoppedBy;
use crate::record::checkpoint::{Checkpoint, base64};
use crate::record::event::Requests;

/// What to do about a run that ended before it had a plan.
pub(super) const NOT_BEGUN: &str = "there is nothing to resume: run it again";

/// The summary object. Fields are only ever added.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Summary {
    pub(super) schema: &'static str,
    /// `None` where there is no run: nothing to resume, or stopped before one began.
    pub(super) run: Option<String>,
    pub(super) state: Option<State>,
    pub(super) stopped_by: Option<StopWord>,
    pub(super) exit: u8,
    pub(super) sandbox: bool,
    pub(super) rows: u64,
    pub(super) outcomes: OutcomeCounts,
    /// Of all sessions, as are `seconds`.
    pub(super) requests: Requests,
    pub(super) seconds: f64,
    /// Of the session that says it.
    pub(super) session: SessionPart,
    pub(super) manifest: Option<String>,
    pub(super) manifest_sha256: Option<String>,
    pub(super) plan_root: Option<String>,
    pub(super) targets: Vec<TargetEnd>,
    pub(super) operator: Option<String>,
    pub(super) ticket: Option<String>,
    pub(super) started_at: Option<String>,
    pub(super) finished_at: Option<String>,
    pub(super) journal: String,
    pub(super) head: Head,
    /// Rows that were skipped only because they repeat another row exactly.
    #[serde(skip)]
    pub(super) superfluous: u64,
    /// `exit`, as a word.
    #[serde(skip)]
    pub(super) ends: Option<Exit>,
}

/// The state in which a run is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Finished,
    Stopped,
    Abandoned,
}

/// The words of `stopped_by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StopWord {
    Signal,
    MaxFailures,
    MaxDeletes,
    MaxDuration,
    Breaker,
    Control,
    Refused,
    Journal,
}

impl From<StoppedBy> for StopWord {
    fn from(by: StoppedBy) -> Self {
        match by {
            StoppedBy::Signal => Self::Signal,
            StoppedBy::MaxFailures => Self::MaxFailures,
            StoppedBy::MaxDeletes => Self::MaxDeletes,
            StoppedBy::MaxDuration => Self::MaxDuration,
            StoppedBy::Breaker => Self::Breaker,
            StoppedBy::Control => Self::Control,
            StoppedBy::Journal => Self::Journal,
        }
    }
}

impl StopWord {
    fn for_people(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::MaxFailures => "max failures",
            Self::MaxDeletes => "max deletes",
            Self::MaxDuration => "max duration",
            Self::Breaker => "breaker",
            Self::Control => "control",
            Self::Refused => "refused",
            Self::Journal => "journal",
        }
    }
}

/// What one session did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(super) struct SessionPart {
    pub(super) requests: Requests,
    pub(super) seconds: f64,
    /// The rows that it settled; it counts none as unsettled or not attempted.
    pub(super) outcomes: OutcomeCounts,
}

/// A target in the summary object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct TargetEnd {
    pub(super) account: String,
    pub(super) region: String,
    pub(super) state: State,
    pub(super) stopped_by: Option<StopWord>,
    pub(super) detail: Option<String>,
}

/// The journal's head.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Head {
    pub(super) size: u64,
    pub(super) root: String,
}

impl From<&Checkpoint> for Head {
    fn from(checkpoint: &Checkpoint) -> Self {
        Self { size: checkpoint.size, root: base64(&checkpoint.root) }
    }
}

impl Summary {
    /// Of no run at all.
    pub(super) fn of_nothing(journal: &Path) -> Self {
        Self {
            schema: "keybatch.summary/1",
            run: None,
            state: None,
            stopped_by: None,
            exit: 0,
            sandbox: false,
            rows: 0,
            outcomes: OutcomeCounts::default(),
            requests: Requests::default(),
            seconds: 0.0,
            session: SessionPart::default(),
            manifest: None,
            manifest_sha256: None,
            plan_root: None,
            targets: Vec::new(),
            operator: None,
            ticket: None,
            started_at: None,
            finished_at: None,
            journal: journal.display().to_string(),
            head: Head::default(),
            superfluous: 0,
            ends: None,
        }
    }

    /// Whether deleting had begun.
    pub(super) fn has_begun(&self) -> bool {
        matches!(self.state, Some(State::Stopped | State::Finished))
    }

    /// With this exit code instead of the one that follows from the outcomes.
    #[must_use]
    pub(super) fn exiting(self, exit: Exit) -> Self {
        Self { ends: Some(exit), ..self }
    }

    /// The exit code.
    pub(super) fn exit(&self) -> Exit {
        if let Some(exit) = self.ends {
            return exit;
        }
        match self.stopped_by {
            Some(StopWord::Journal) => Exit::Environment,
            Some(StopWord::Refused) => Exit::Refused,
            Some(_) if self.state == Some(State::Abandoned) => Exit::StoppedPlanning,
            Some(_) => Exit::Stopped,
            None if self.outcomes.in_doubt > 0 => Exit::InDoubt,
            None if self.outcomes.failed > 0 || self.outcomes.skipped > self.superfluous => Exit::SomeNotDone,
            None => Exit::Success,
        }
    }

    /// The object, with the exit code that is given at last.
    pub(super) fn object(&self, exit: Exit) -> serde_json::Value {
        let whole = Self { exit: exit.code(), seconds: to_the_ms(self.seconds), ..self.clone() };
        let session = SessionPart { seconds: to_the_ms(self.session.seconds), ..self.session };
        // Text and numbers alone: this cannot fail.
        serde_json::to_value(Self { session, ..whole }).unwrap_or_default()
    }

    /// The last line: what happened.
    pub(super) fn line(&self) -> String {
        let outcomes = &self.outcomes;
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
        let label = if self.sandbox { "sandbox run" } else { "run" };
        let run = self.run.as_deref().unwrap_or_default();
        let end = match (self.state, self.stopped_by) {
            (Some(State::Abandoned), _) => "abandoned".to_owned(),
            (_, Some(by)) => format!("stopped ({})", by.for_people()),
            _ => "finished".to_owned(),
        };
        let counts = if parts.is_empty() { "no rows".to_owned() } else { parts.join(", ") };
        format!("{label} {run} {end}: {counts}, of {} rows in {:.1} s", self.rows, self.seconds)
    }

    /// What to do next.
    pub(super) fn next(&self) -> Option<String> {
        let run = self.run.as_deref()?;
        match self.exit() {
            Exit::Success | Exit::Refused => None,
            Exit::Declined | Exit::StoppedPlanning => Some(NOT_BEGUN.to_owned()),
            Exit::Stopped | Exit::Environment => Some(format!("continue with: keybatch resume {run}")),
            Exit::InDoubt => Some(format!("a person must look at the rows in doubt: keybatch show {run}")),
            _ => Some(format!("see which and why: keybatch show {run}")),
        }
    }
}

fn to_the_ms(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(stopped_by: Option<StopWord>, outcomes: OutcomeCounts, superfluous: u64) -> Summary {
        let state = Some(if stopped_by.is_some() { State::Stopped } else { State::Finished });
        Summary { state, stopped_by, outcomes, superfluous, rows: 1, ..Summary::of_nothing(Path::new("j")) }
    }

    // SEMANTICS: P56
    #[test]
    fn the_graver_code_wins() {
        let with = |failed, in_doubt, skipped| OutcomeCounts { failed, in_doubt, skipped, ..OutcomeCounts::default() };
        assert_eq!(summary(None, with(0, 0, 0), 0).exit(), Exit::Success);
        assert_eq!(summary(None, with(1, 0, 0), 0).exit(), Exit::SomeNotDone);
        assert_eq!(summary(None, with(1, 1, 1), 0).exit(), Exit::InDoubt);
        assert_eq!(summary(None, with(0, 0, 2), 2).exit(), Exit::Success);
        assert_eq!(summary(None, with(0, 0, 2), 1).exit(), Exit::SomeNotDone);
        assert_eq!(summary(Some(StopWord::Signal), with(1, 1, 0), 0).exit(), Exit::Stopped);
        assert_eq!(summary(Some(StopWord::Journal), with(0, 0, 0), 0).exit(), Exit::Environment);
    }

    // SEMANTICS: P57
    #[test]
    fn the_object_has_exactly_the_fields_of_the_contract() {
        let value = summary(None, OutcomeCounts::default(), 0).object(Exit::Success);
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
            "plan_root",
            "operator",
            "targets",
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
