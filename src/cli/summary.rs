//! What `run` and `resume` say at the end: one object for programs, one line for people, and the exit code.

use serde::Serialize;

use super::code::Code;
use super::error::CliError;
use super::exit::Exit;
use super::{Context, Format};
use crate::domain::OutcomeCounts;
use crate::journal::checkpoint::{Checkpoint, base64};
use crate::journal::event::Requests;

/// The summary object. Fields are only ever added.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Summary {
    schema: &'static str,
    pub(super) run: String,
    pub(super) state: String,
    pub(super) stopped_by: Option<String>,
    pub(super) sandbox: bool,
    pub(super) rows: u64,
    pub(super) outcomes: OutcomeCounts,
    pub(super) requests: Requests,
    pub(super) seconds: f64,
    pub(super) journal: String,
    pub(super) head: Head,
}

/// The journal's head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    #[expect(clippy::too_many_arguments, reason = "the fields of the contract, each of its own kind")]
    pub(super) fn new(
        run: String,
        stopped_by: Option<String>,
        sandbox: bool,
        rows: u64,
        outcomes: OutcomeCounts,
        requests: Requests,
        seconds: f64,
        journal: String,
        head: Head,
    ) -> Self {
        let state = if stopped_by.is_some() { "stopped" } else { "finished" }.to_owned();
        let seconds = (seconds * 1000.0).round() / 1000.0;
        Self {
            schema: "keybatch.summary/1",
            run,
            state,
            stopped_by,
            sandbox,
            rows,
            outcomes,
            requests,
            seconds,
            journal,
            head,
        }
    }

    /// The exit code. `superfluous` rows were skipped only because they repeat another row exactly.
    pub(super) fn exit(&self, superfluous: u64) -> Exit {
        match self.stopped_by.as_deref() {
            Some("journal") => Exit::Environment,
            Some(_) => Exit::Stopped,
            None if self.outcomes.in_doubt > 0 => Exit::InDoubt,
            None if self.outcomes.failed > 0 || self.outcomes.skipped > superfluous => Exit::SomeNotDone,
            None => Exit::Success,
        }
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
        let end = match &self.stopped_by {
            Some(by) => format!("stopped ({})", by.replace('_', " ")),
            None => "finished".to_owned(),
        };
        let counts = if parts.is_empty() { "no rows".to_owned() } else { parts.join(", ") };
        format!("{label} {} {end}: {counts}, of {} rows in {:.1} s", self.run, self.rows, self.seconds)
    }

    /// What to do next.
    pub(super) fn next(&self, superfluous: u64) -> Option<String> {
        let run = &self.run;
        match self.exit(superfluous) {
            Exit::Success => None,
            Exit::Stopped | Exit::Environment => Some(format!("go on with: keybatch resume {run}")),
            Exit::InDoubt => Some(format!("a person must look at the rows in doubt: keybatch show {run}")),
            _ => Some(format!("see which and why: keybatch show {run}")),
        }
    }
}

/// Says how it ended: an object for programs, a line for people. Gives how the program leaves for that alone: that nobody
/// reads it changes nothing, and an object that could not be written whole is no success.
#[must_use]
pub(super) fn say(context: &Context, summary: &Summary, superfluous: u64) -> Exit {
    context.ui.say(&summary.line());
    if let Some(next) = summary.next(superfluous) {
        context.ui.say(&next);
    }
    if context.ui.format == Format::Table {
        return Exit::Success;
    }
    // One object, in whichever form data is asked for.
    let text = serde_json::to_string(summary).unwrap_or_default();
    match context.ui.data(&format!("{text}\n")) {
        Ok(()) => Exit::Success,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Success,
        Err(error) => {
            let lost = CliError::new(Exit::Unexpected, format!("the summary could not be written: {error}"))
                .code(Code::Output)
                .hint(format!("how the run ended is in the journal: keybatch show {}", summary.run));
            context.ui.complain(&lost);
            lost.exit
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(stopped_by: Option<&str>, outcomes: OutcomeCounts) -> Summary {
        let head = Head { size: 0, root: String::new() };
        let stopped_by = stopped_by.map(str::to_owned);
        Summary::new("r".into(), stopped_by, false, 1, outcomes, Requests::default(), 0.0, "j".into(), head)
    }

    // SEMANTICS: P56
    #[test]
    fn the_graver_code_wins() {
        let with = |failed, in_doubt, skipped| OutcomeCounts { failed, in_doubt, skipped, ..OutcomeCounts::default() };
        assert_eq!(summary(None, with(0, 0, 0)).exit(0), Exit::Success);
        assert_eq!(summary(None, with(1, 0, 0)).exit(0), Exit::SomeNotDone);
        assert_eq!(summary(None, with(1, 1, 1)).exit(0), Exit::InDoubt);
        assert_eq!(summary(None, with(0, 0, 2)).exit(2), Exit::Success);
        assert_eq!(summary(None, with(0, 0, 2)).exit(1), Exit::SomeNotDone);
        assert_eq!(summary(Some("signal"), with(1, 1, 0)).exit(0), Exit::Stopped);
        assert_eq!(summary(Some("journal"), with(0, 0, 0)).exit(0), Exit::Environment);
    }

    // SEMANTICS: P57
    #[test]
    fn the_object_has_exactly_the_fields_of_the_contract() {
        let value = serde_json::to_value(summary(None, OutcomeCounts::default())).unwrap();
        let fields: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        let mut expected = [
            "schema",
            "run",
            "state",
            "stopped_by",
            "sandbox",
            "rows",
            "outcomes",
            "requests",
            "seconds",
            "journal",
            "head",
        ];
        expected.sort_unstable();
        let mut found = fields.clone();
        found.sort_unstable();
        assert_eq!(found, expected);
    }
}
