//! `keybatch control`: looks at a session at work, and tells it to pause, to continue, to send more slowly, or to stop.

mod ask;
mod listen;
mod place;
mod shown;
mod wire;

use std::sync::Arc;

use ask::{Unanswered, ask};
pub(super) use shown::controlled;
use wire::{Question, VERSION, Why, Word};

use super::hint::Hint;
use super::liveness::Liveness;
use super::{CliError, Code, Context, Exit, Format};
use crate::domain::RateCap;
use crate::journal::{Holder, Location, Lock, Reader, RunRecord, RunState};
use crate::review::json_text;
use crate::review::runs::resolve;
use crate::session::Stops;
use crate::session::again::INTERRUPTED;
use crate::session::host::Listening;
use crate::session::live::AtWork;

/// Look at a running batch, or pause, continue, slow down or stop it
///
/// Works on the machine and as the user that runs `keybatch run` or `keybatch resume`, through a socket in
/// $XDG_RUNTIME_DIR/keybatch; root can control any run. All but `status` is recorded in the journal before it takes effect.
///
/// A pause ends with `continue`, not by itself; it counts towards --max-duration. A rate can be lowered and raised again, but not
/// above what the run was started with, or what a policy permits. It holds until the session ends.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  keybatch control latest status
  keybatch control latest pause
  keybatch control latest rate 30/m
  keybatch control latest stop")]
pub(super) struct Args {
    /// The run: its id, a unique prefix of it (4 characters or more), or `latest`
    #[arg(value_name = "RUN")]
    run: String,
    /// What to do
    #[arg(value_name = "WHAT", value_enum)]
    what: Word,
    /// With `rate`: requests per second to each target (5 or 5/s), per minute (30/m) or per hour (100/h)
    #[arg(value_name = "R", value_parser = per_s, required_if_eq("what", "rate"))]
    per_s: Option<f64>,
}

fn per_s(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(RateCap::PerSecond(per_s)) => Ok(per_s),
        Ok(_) => {
            Err("a control cannot lift a cap: name the rate with which the run was started, or a lower one".into())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Lets others control a session of this process. Says why not at debug alone: nothing depends on it.
pub(super) fn listen(
    context: &Context,
    at_work: Arc<dyn AtWork>,
    stops: &Stops,
    drain: std::time::Duration,
) -> Option<Box<dyn Listening>> {
    let stops = stops.clone();
    let on_stop = Arc::new(move || {
        let stops = stops.clone();
        tokio::spawn(async move {
            tokio::time::sleep(drain).await;
            stops.hurry();
        });
    });
    let opened = place::directory(&context.environment)
        .and_then(|directory| listen::open(&directory, &context.journal, at_work, on_stop));
    match opened {
        Ok(socket) => Some(Box::new(socket)),
        Err(why) => {
            tracing::debug!(why, "this session cannot be controlled");
            None
        }
    }
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    if args.per_s.is_some() && args.what != Word::Rate {
        return Err(CliError::new(Exit::Usage, "only `rate` takes a rate"));
    }
    if !context.journal.may_exist() {
        return Err(context.missing_journal());
    }
    let reader = context.reader().await?;
    let record = resolve(&reader, &args.run).await?;
    let told = tell(args, context, &reader, &record).await;
    let status = told.map_err(|error| error.of_run(record.run))?;
    if let Some(done) = shown::done(args.what, &status) {
        context.ui.say(&done);
    }
    let text = match context.ui.format {
        Format::Table => shown::status_text(&status),
        // One object, whichever format was requested.
        _ => format!("{}\n", json_text(&serde_json::to_value(&status).unwrap_or_default())),
    };
    context.ui.data(&text)?;
    Ok(Exit::Success)
}

async fn tell(
    args: &Args,
    context: &Context,
    reader: &Reader,
    record: &RunRecord,
) -> Result<crate::session::status::Status, CliError> {
    refuse_idle(record, &context.journal).await?;
    let directory = place::directory(&context.environment).map_err(|why| unreachable(&why, record, context))?;
    let socket =
        place::socket(&directory, &context.journal, record.run).map_err(|why| unreachable(&why, record, context))?;
    let question = Question {
        v: VERSION,
        journal: place::real(&context.journal),
        run: record.run.to_string(),
        what: args.what,
        per_s: args.per_s,
    };
    let answer = match ask(&socket, &question).await {
        Ok(answer) => answer,
        Err(Unanswered::Nobody) => return Err(nobody(record, reader, context).await),
        Err(Unanswered::Unusable(why)) => return Err(unreachable(&why, record, context)),
        Err(Unanswered::Lost(why)) => {
            let message = format!("{why}: whether the session did what it was told is not known");
            return Err(CliError::new(Exit::Environment, message)
                .code(Code::ControlUnreachable)
                .hint(Hint::command("the journal records it if it did: ", ["log".into(), record.run.to_string()])));
        }
    };
    let Some(refused) = answer.refused else {
        let nothing = || CliError::new(Exit::Unexpected, "the session's answer says nothing");
        return answer.status.ok_or_else(nothing);
    };
    let (exit, code) = match refused.why {
        Why::Ended => (Exit::Refused, Code::RunNotRunning),
        Why::Refused => (Exit::Refused, Code::ControlRefused),
        Why::Journal | Why::Another | Why::Stranger | Why::NotUnderstood => {
            (Exit::Environment, Code::ControlUnreachable)
        }
    };
    Err(CliError::new(exit, super::shown(&refused.message)).code(code))
}

/// Refuses a run on which no session works.
async fn refuse_idle(record: &RunRecord, journal: &Location) -> Result<(), CliError> {
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
async fn nobody(record: &RunRecord, reader: &Reader, context: &Context) -> CliError {
    if let Ok(now) = resolve(reader, &record.run.to_string()).await
        && let Err(ended) = refuse_idle(&now, &context.journal).await
    {
        return ended;
    }
    unreachable("no session listens for it", record, context)
}

fn unreachable(why: &str, record: &RunRecord, context: &Context) -> CliError {
    let message = format!("run {} cannot be controlled from here: {}", record.run, super::shown(why));
    let error = CliError::new(Exit::Environment, message).code(Code::ControlUnreachable);
    let Some(holder) = context.journal.file().and_then(Lock::last_holder) else { return error };
    let here = context.environment.host();
    match place_of(&holder, &here) {
        Some(other) => error.hint(format!("it runs on {other}: control it there")),
        None => error.hint(format!(
            "{} has the journal; it can be controlled if XDG_RUNTIME_DIR names the same directory of its user for both; \
             kill -TERM {} ends it in order",
            super::shown(&holder.to_string()),
            holder.pid
        )),
    }
}

/// The machine of whoever has the journal, if it is another one.
fn place_of<'a>(holder: &'a Holder, here: &str) -> Option<std::borrow::Cow<'a, str>> {
    (holder.host != here).then(|| super::shown(&holder.host).into())
}
