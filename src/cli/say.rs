//! How `run`, `resume` and `abandon` end: an object for programs, lines for people.

use super::code::Code;
use super::error::CliError;
use super::exit::Exit;
use super::hint::Hint;
use super::ui::Ui;
use super::{Format, canary, summary};
use crate::session::Ending;
use crate::session::summary::Summary;

/// Reports how it ended: an object for programs, a line for people. Returns the exit code: a closed pipe does not change it,
/// but an object that could not be written completely is no success.
#[must_use]
pub(super) fn say(ui: &Ui, summary: &Summary) -> Exit {
    say_and(ui, summary, Exit::Success)
}

/// The same, where something else went wrong: the object has the exit code of the process.
fn say_and(ui: &Ui, summary: &Summary, other: Exit) -> Exit {
    say_to_people(ui, summary);
    let exit = summary::exit(summary).graver(other);
    if ui.format == Format::Table {
        return exit;
    }
    // One object, whichever format was requested.
    match ui.data(&format!("{}\n", crate::review::json_text(&summary::object(summary, exit)))) {
        Ok(()) => exit,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => exit,
        Err(error) => {
            let lost = CliError::new(
                Exit::Unexpected,
                format!("standard output could not be written, so the summary is lost: {error}"),
            )
            .code(Code::Output)
            .hint(match &summary.run {
                Some(run) => Hint::command("the journal records how the run ended: ", ["show", run]),
                None => "nothing was sent, and the journal has no run from this command".into(),
            });
            ui.complain(&lost);
            exit.graver(lost.exit)
        }
    }
}

/// Reports how a session ended; `other` is the exit code for what else went wrong.
pub(super) fn end(ui: &Ui, ended: Result<Ending, impl Into<CliError>>, other: Exit) -> Result<Exit, CliError> {
    match ended.map_err(Into::into)? {
        Ending::Summed(summary) => Ok(say_and(ui, &summary, other)),
    }
}

/// Reports to people alone, if an error object holds the rest.
pub(super) fn say_to_people(ui: &Ui, summary: &Summary) {
    summary.canary.iter().flat_map(canary::lines).for_each(|line| ui.say(&line));
    if summary.run.is_some() {
        ui.say(&summary::line(summary));
    }
    for next in summary::also(summary, &ui.given).into_iter().chain(summary::next(summary, &ui.given)) {
        ui.say(&next);
    }
}
