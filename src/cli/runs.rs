//! `keybatch runs`: all runs of the journal.

mod line;
mod listed;
mod watch;

use std::collections::HashMap;

use clap::builder::PossibleValuesParser;

use self::line::{Line, OUTCOMES, as_number};
use self::listed::{Listed, list};
use super::journals::complain;
use super::moment::{Moment, moment};
use super::pager::PagerOptions;
use super::{CliError, Code, Context, Exit, Format};
use crate::domain::{Clock as _, SystemClock, time_text};
use crate::journal::Cell;
use crate::review::runs::short;

/// List the runs in the journal, newest first
///
/// Refer to a run by a unique prefix of its id (4 characters or more) or by `latest`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  keybatch runs --state stopped          what can be resumed
  keybatch runs --ticket OPS-17 --real   real runs for a ticket
  keybatch runs --since 7d               those of the last week
  keybatch runs --watch                  what is at work, every second
  keybatch runs --output json            everything about each run")]
pub(super) struct Args {
    /// Only runs in this state
    #[arg(long, value_name = "STATE", value_parser = PossibleValuesParser::new(STATES))]
    state: Option<String>,
    /// Only runs for this ticket
    #[arg(long, value_name = "ID")]
    ticket: Option<String>,
    /// Only runs whose operator (user@host) contains this text
    #[arg(long, value_name = "TEXT")]
    operator: Option<String>,
    /// Only real runs, not rehearsals
    #[arg(long)]
    real: bool,
    /// Only runs with rows that have this outcome
    #[arg(long, value_name = "OUTCOME", value_parser = PossibleValuesParser::new(OUTCOMES))]
    outcome: Option<String>,
    /// Only runs that began at this time or later: a time, a day in UTC, or a duration ago (3d)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Moment>,
    /// Only runs that began before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Moment>,
    /// Only the newest N runs
    #[arg(short = 'n', long = "last", value_name = "N")]
    last: Option<usize>,
    /// Keep showing them, with the sessions at work and their progress: on a terminal every second until Ctrl-C, elsewhere what
    /// changes until no run is at work
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    pager: PagerOptions,
}

/// The states of a run.
const STATES: [&str; 6] = ["planning", "running", "interrupted", "stopped", "finished", "abandoned"];

impl Args {
    /// What is watched is not paged: a pager waits for its end.
    pub(super) fn is_paged(&self) -> bool {
        !self.pager.no_pager && !self.watch
    }

    fn admits(&self, names: &[String], row: &[Cell]) -> bool {
        let get = |name: &str| names.iter().position(|known| known == name).and_then(|index| row.get(index));
        let text = |name: &str| get(name).and_then(Cell::as_text).unwrap_or_default();
        let at = |moment: Moment| time_text(moment.at(SystemClock::start().now()));
        self.state.as_ref().is_none_or(|state| text("state") == state)
            && self.ticket.as_ref().is_none_or(|ticket| text("ticket") == ticket)
            && self.operator.as_ref().is_none_or(|operator| text("operator").contains(operator.as_str()))
            && self.outcome.as_ref().is_none_or(|outcome| get(outcome).and_then(as_number).is_some_and(|rows| rows > 0))
            && self.since.is_none_or(|since| text("started_at") >= at(since).as_str())
            && self.until.is_none_or(|until| text("started_at") < at(until).as_str())
            && !(self.real && get("sandbox").and_then(as_number) == Some(1))
    }
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    let admits = |names: &[String], row: &[Cell]| args.admits(names, row);
    let Some(many) = &context.many else {
        if args.watch {
            return watch::watch(&admits, args.last.unwrap_or(usize::MAX), context).await;
        }
        let listed = list(&admits, context).await?;
        let is_empty = listed.rows.is_empty();
        if is_empty && context.ui.format == Format::Table {
            if !listed.ids.is_empty() {
                context.ui.talk("the journal has no such runs");
            } else if context.journal.may_exist() {
                context.ui.talk("the journal has no runs yet");
            }
            return Ok(Exit::Success);
        }
        print(listed, args, context, false)?;
        return Ok(Exit::Success);
    };
    if args.watch {
        let error = CliError::new(Exit::Usage, "--watch shows one journal, and several were named");
        return Err(error.hint("watch each of them in a terminal of its own"));
    }
    let (mut all, mut exit) = (Listed::default(), Exit::Success);
    for path in many.iter() {
        let there = path.try_exists();
        let listed = match there {
            Ok(true) => list(&admits, &context.of_journal(path)).await,
            _ => Err(CliError::new(Exit::Environment, "there is no journal").code(Code::JournalMissing)),
        };
        match listed {
            Ok(listed) => all.add(listed, &path.to_string_lossy()),
            Err(error) => exit = exit.graver(complain(&context.ui, path, error)),
        }
    }
    let started = all.names.iter().position(|name| name == "started_at");
    let key = |row: &Vec<Cell>| started.and_then(|at| row.get(at)?.as_text().map(str::to_owned));
    all.rows.sort_by_key(|row| std::cmp::Reverse(key(row)));
    if all.rows.is_empty() && context.ui.format == Format::Table {
        context.ui.talk("the journals have no such runs");
    } else {
        print(all, args, context, true)?;
    }
    Ok(exit)
}

fn print(listed: Listed, args: &Args, context: &Context, many: bool) -> Result<(), CliError> {
    let Listed { names, mut rows, mut ids, paused, .. } = listed;
    rows.truncate(args.last.unwrap_or(usize::MAX));
    ids.sort_unstable_by_key(ToString::to_string);
    ids.dedup();
    if context.ui.format != Format::Table {
        let mut stream = context.ui.stream(&names)?;
        let sandbox = names.iter().position(|name| name == "sandbox");
        for mut row in rows {
            if let Some(cell) = sandbox.and_then(|index| row.get_mut(index)) {
                *cell = cell.clone().into_boolean();
            }
            stream.row(&row)?;
        }
        stream.end()?;
        return Ok(());
    }
    let short: HashMap<String, String> = ids.iter().map(ToString::to_string).zip(short(&ids)).collect();
    let lines: Vec<Line> = rows.iter().map(|row| Line::new(&names, row, (&short, &paused))).collect();
    if context.ui.person {
        // A few lines each instead of a table, which a narrow terminal would cut through the ids.
        context.ui.data(&lines.iter().map(|line| line.for_people(&context.ui)).collect::<String>())?;
        return Ok(());
    }
    let header =
        ["run", "state", "started", "duration", "rows", "outcomes", "operator", "ticket", "sandbox", "journal"];
    let columns = if many { header.len() } else { header.len() - 1 };
    let mut stream = context.ui.stream(&header[..columns])?;
    for line in lines {
        let rows = Cell::Integer(line.rows);
        let [id, state, started, duration, outcomes, operator, ticket, label, journal] = [
            line.id,
            line.state,
            line.started,
            line.duration,
            line.outcomes,
            line.operator,
            line.ticket,
            line.label.to_owned(),
            line.journal,
        ]
        .map(Cell::Text);
        let cells = [id, state, started, duration, rows, outcomes, operator, ticket, label, journal];
        stream.row(&cells[..columns])?;
    }
    stream.end()?;
    Ok(())
}
