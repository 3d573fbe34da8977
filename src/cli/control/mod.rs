//! `keybatch control`: looks at a session at work, and tells it to pause, to continue, to send more slowly, or to stop.

mod ask;
mod at_socket;
mod by_letter;
mod failed;
mod letters;
mod listen;
mod obey;
mod place;
mod shown;
mod wire;

use std::sync::Arc;

use failed::refuse_idle;
use obey::OnStop;
pub(super) use shown::controlled;
use wire::Word;

use super::{CliError, Context, Exit, Format};
use crate::domain::RateCap;
use crate::journal::{Inbox, Reader, RunRecord};
use crate::review::json_text;
use crate::review::runs::resolve;
use crate::session::Stops;
use crate::session::host::Listening;
use crate::session::live::AtWork;
use crate::session::status::Status;

/// Look at a running batch, or pause, continue, slow down or stop it
///
/// Works on the machine and as the user that runs `keybatch run` or `keybatch resume`, through a socket in
/// $XDG_RUNTIME_DIR/keybatch; root can control any run. Where the journal is in PostgreSQL, it works from any machine as a role that may
/// write, and reaches all sessions that share the run. All but `status` is recorded in the journal before it takes effect.
///
/// A pause ends with `continue`, not by itself; it counts towards --max-duration. A rate can be lowered and raised again, but not
/// above what the run was started with, or what a policy permits. It holds until the session ends. Whoever joins those that share a
/// run keeps to what they were told.
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
pub(super) async fn listen(
    context: &Context,
    (at_work, inbox): (Arc<dyn AtWork>, Option<Arc<dyn Inbox>>),
    stops: &Stops,
    drain: std::time::Duration,
) -> Option<Box<dyn Listening>> {
    let stops = stops.clone();
    let on_stop: OnStop = Arc::new(move || {
        let stops = stops.clone();
        tokio::spawn(async move {
            tokio::time::sleep(drain).await;
            stops.hurry();
        });
    });
    if let Some(inbox) = inbox {
        return Some(letters::open(inbox, at_work, on_stop).await);
    }
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

async fn tell(args: &Args, context: &Context, reader: &Reader, record: &RunRecord) -> Result<Status, CliError> {
    refuse_idle(record, &context.journal).await?;
    let question = (args.what, args.per_s);
    if context.journal.file().is_none() {
        by_letter::tell(question, context, reader, record).await
    } else {
        at_socket::tell(question, context, reader, record).await
    }
}
