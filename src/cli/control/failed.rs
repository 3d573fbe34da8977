//! What is said where a session cannot be told anything, or did not do what it was told.

use std::borrow::Cow;

use super::wire::{Refused, Why};
use crate::cli::hint::Hint;
use crate::cli::liveness::Liveness;
use crate::cli::{CliError, Code, Context, Exit, shown};
use crate::journal::{Holder, Location, Lock, Reader, RunRecord, RunState};
use crate::review::runs::resolve;
use crate::session::again::INTERRUPTED;

/// What the session refused.
pub(super) fn refused(refused: &Refused) -> CliError {
    let (exit, code) = match refused.why {
        Why::Ended => (Exit::Refused, Code::RunNotRunning),
        Why::Refused => (Exit::Refused, Code::ControlRefused),
        Why::Journal | Why::Another | Why::Stranger | Why::NotUnderstood => {
            (Exit::Environment, Code::ControlUnreachable)
        }
    };
    CliError::new(exit, shown(&refused.message)).code(code)
}

/// Nobody answered, or not everybody; `what` says so.
pub(super) fn unknown(what: &str, record: &RunRecord) -> CliError {
    CliError::new(Exit::Environment, format!("{what}: whether the session did what it was told is not known"))
        .code(Code::ControlUnreachable)
        .hint(Hint::command("the journal records it if it did: ", ["log".into(), record.run.to_string()]))
}

/// Refuses a run on which no session works.
pub(super) async fn refuse_idle(record: &RunRecord, journal: &Location) -> Result<(), CliError> {
    let run = record.run;
    let state = Liveness::of(journal).await.state(record.state.as_str());
    let why = match (&record.state, state) {
        (RunState::Finished, _) => format!("run {run} is finished"),
        (RunState::Abandoned, _) => format!("run {run} was abandoned"),
        (RunState::Stopped, _) => format!("run {run} is stopped: no session works on it"),
        (_, INTERRUPTED) => format!("run {run} was interrupted: no session works on it"),
        (RunState::Planning, _) => format!("run {run} is still being planned: nothing is deleted yet"),
        _ => return Ok(()),
    };
    let error = CliError::new(Exit::Refused, why).code(Code::RunNotRunning);
    Err(match (&record.state, state) {
        (RunState::Stopped, _) | (RunState::Running, INTERRUPTED) => {
            error.hint(Hint::command("continue it with: ", ["resume".to_owned(), run.to_string()]))
        }
        (RunState::Finished | RunState::Abandoned, _) => {
            error.hint(Hint::command("see how it ended with: ", ["show".to_owned(), run.to_string()]))
        }
        (RunState::Planning, INTERRUPTED) => error,
        _ => error.hint("ask again once it deletes; Ctrl-C, or SIGTERM to its process, ends it meanwhile"),
    })
}

/// Nobody listens for a run that the journal showed as running; it may have ended meanwhile.
pub(super) async fn nobody(record: &RunRecord, reader: &Reader, context: &Context) -> CliError {
    if let Ok(now) = resolve(reader, &record.run.to_string()).await
        && let Err(ended) = refuse_idle(&now, &context.journal).await
    {
        return ended;
    }
    unreachable("no session listens for it", record, context)
}

pub(super) fn unreachable(why: &str, record: &RunRecord, context: &Context) -> CliError {
    let message = format!("run {} cannot be controlled from here: {}", record.run, shown(why));
    let error = CliError::new(Exit::Environment, message).code(Code::ControlUnreachable);
    let Some(holder) = context.journal.file().and_then(Lock::last_holder) else { return error };
    let here = context.environment.host();
    match place_of(&holder, &here) {
        Some(other) => error.hint(format!("it runs on {other}: control it there")),
        None => error.hint(format!(
            "{} has the journal; it can be controlled if XDG_RUNTIME_DIR names the same directory of its user for both; \
             kill -TERM {} ends it in order",
            shown(&holder.to_string()),
            holder.pid
        )),
    }
}

/// The machine of whoever has the journal, if it is another one.
fn place_of<'a>(holder: &'a Holder, here: &str) -> Option<Cow<'a, str>> {
    (holder.host != here).then(|| shown(&holder.host).into())
}
