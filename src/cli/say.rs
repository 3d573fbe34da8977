//! How `run`, `resume` and `abandon` end: an object for programs, lines for people.

use super::code::Code;
use super::error::CliError;
use super::exit::Exit;
use super::summary::Summary;
use super::{Context, Format};

/// Reports how it ended: an object for programs, a line for people. Returns the exit code: a closed pipe does not change it,
/// but an object that could not be written completely is no success.
#[must_use]
pub(super) fn say(context: &Context, summary: &Summary) -> Exit {
    say_to_people(context, summary);
    let exit = summary.exit();
    if context.ui.format == Format::Table {
        return exit;
    }
    // One object, whichever format was requested.
    match context.ui.data(&format!("{}\n", crate::review::json_text(&summary.object(exit)))) {
        Ok(()) => exit,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => exit,
        Err(error) => {
            let lost = CliError::new(
                Exit::Unexpected,
                format!("standard output could not be written, so the summary is lost: {error}"),
            )
            .code(Code::Output)
            .hint(match &summary.run {
                Some(run) => format!("the journal records how the run ended: keybatch show {run}"),
                None => "nothing was sent, and the journal has no run from this command".to_owned(),
            });
            context.ui.complain(&lost);
            exit.graver(lost.exit)
        }
    }
}

/// The lines for people alone, where an error object holds the rest.
pub(super) fn say_to_people(context: &Context, summary: &Summary) {
    if summary.run.is_some() {
        context.ui.say(&summary.line());
    }
    if let Some(next) = summary.next() {
        context.ui.say(&next);
    }
}
