//! `keybatch runs`: all runs of the journal.

use std::collections::{HashMap, HashSet};

use clap::builder::PossibleValuesParser;

use super::journals::complain;
use super::liveness::{Liveness, goes_on_with};
use super::moment::{Moment, moment};
use super::pager::PagerOptions;
use super::ui::grouped;
use super::when::{lasted, when};
use super::{CliError, Code, Context, Exit, Format, Ui, shown};
use crate::domain::{Clock as _, RunId, SystemClock, time_text};
use crate::journal::{Cell, JournalError, RunState};
use crate::review::controlled::paused_since;
use crate::review::runs::short;

/// The columns of the view that people see as one, "outcomes".
const OUTCOMES: [&str; 8] =
    ["deleted", "gone", "absent", "skipped", "failed", "in_doubt", "unsettled", "not_attempted"];

/// List the runs in the journal, newest first
///
/// Refer to a run by a unique prefix of its id (4 characters or more) or by `latest`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  keybatch runs --state stopped          what can be resumed
  keybatch runs --ticket OPS-17 --real   real runs for a ticket
  keybatch runs --since 7d               those of the last week
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
    #[command(flatten)]
    pub(super) pager: PagerOptions,
}

/// The states of a run.
const STATES: [&str; 6] = ["planning", "running", "interrupted", "stopped", "finished", "abandoned"];

impl Args {
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

/// The runs of a journal.
#[derive(Default)]
struct Listed {
    names: Vec<String>,
    /// Those that are admitted, the newest first.
    rows: Vec<Vec<Cell>>,
    /// All ids.
    ids: Vec<RunId>,
    /// Those whose session is paused.
    paused: HashSet<String>,
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    let Some(many) = &context.many else {
        let listed = list(args, context).await?;
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
    let (mut all, mut exit) = (Listed::default(), Exit::Success);
    for path in many.iter() {
        let there = path.try_exists();
        let listed = match there {
            Ok(true) => list(args, &context.of_journal(path)).await,
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

impl Listed {
    /// Adds the runs of the journal at `path`, which may have been made by another version.
    fn add(&mut self, other: Self, path: &str) {
        if self.names.is_empty() {
            self.names = other.names.iter().cloned().chain(["journal".to_owned()]).collect();
        }
        for row in other.rows {
            let cell = |name: &String| match other.names.iter().position(|known| known == name) {
                Some(place) => row.get(place).cloned().unwrap_or(Cell::Null),
                None if name == "journal" => Cell::Text(path.to_owned()),
                None => Cell::Null,
            };
            self.rows.push(self.names.iter().map(cell).collect());
        }
        self.ids.extend(other.ids);
        self.paused.extend(other.paused);
    }
}

async fn list(args: &Args, context: &Context) -> Result<Listed, CliError> {
    let mut paused = HashSet::new();
    let (names, mut rows, ids) = match context.any_reader().await {
        Err(JournalError::Missing { .. }) if !context.is_journal_named() => {
            context.ui.talk(format!("there is no journal at {} yet", context.journal));
            (vec!["run_id".to_owned()], Vec::new(), Vec::new())
        }
        opened => {
            let reader = opened?;
            let (names, rows) = reader.runs_view().await?;
            let runs = reader.runs().await?;
            for run in runs.iter().filter(|run| run.state == RunState::Running) {
                paused.extend(paused_since(&reader, run).await?.map(|_| run.run.to_string()));
            }
            (names, rows, runs.iter().map(|run| run.run).collect())
        }
    };
    let interrupted = name_interrupted(&names, &mut rows, Liveness::of(&context.journal).await, &context.ui);
    for command in &interrupted {
        context.ui.talk(format!("interrupted: no session is working on it; continue with: {command}"));
    }
    rows.retain(|row| args.admits(&names, row));
    rows.reverse();
    Ok(Listed { names, rows, ids, paused })
}

fn print(listed: Listed, args: &Args, context: &Context, many: bool) -> Result<(), CliError> {
    let Listed { names, mut rows, mut ids, paused } = listed;
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

/// Marks runs whose session has no end, but that no process is working on, as interrupted; returns the commands that continue
/// them.
fn name_interrupted(names: &[String], rows: &mut [Vec<Cell>], liveness: Liveness, ui: &Ui) -> Vec<String> {
    let column = |name: &str| names.iter().position(|known| known == name);
    let (Some(state), Some(id)) = (column("state"), column("run_id")) else { return Vec::new() };
    let mut next = Vec::new();
    for row in rows {
        let stored = row.get(state).and_then(Cell::as_text).unwrap_or_default().to_owned();
        let run = row.get(id).and_then(Cell::as_text).unwrap_or_default().to_owned();
        let said = liveness.state(&stored);
        if said != stored {
            next.extend(goes_on_with(&stored, &run, ui));
            row[state] = Cell::Text(said.to_owned());
        }
    }
    next
}

/// A run as people see it in a list.
struct Line {
    id: String,
    state: String,
    started: String,
    /// From its first session to its end; empty if it has no end yet.
    duration: String,
    rows: i64,
    outcomes: String,
    operator: String,
    ticket: String,
    label: &'static str,
    /// Its journal, where there are several.
    journal: String,
}

impl Line {
    fn new(names: &[String], row: &[Cell], (short, paused): (&HashMap<String, String>, &HashSet<String>)) -> Self {
        let get = |name: &str| names.iter().position(|known| known == name).and_then(|index| row.get(index));
        let text = |name: &str| get(name).and_then(Cell::as_text).unwrap_or_default().to_owned();
        let number = |name: &str| get(name).and_then(as_number).unwrap_or(0);
        let id = text("run_id");
        let state = match text("stopped_by") {
            why if why.is_empty() && text("state") == "running" && paused.contains(&id) => {
                "running (paused)".to_owned()
            }
            why if why.is_empty() => text("state"),
            why => format!("{} ({why})", text("state")),
        };
        let counts = OUTCOMES.into_iter().filter(|name| number(name) > 0);
        let counts: Vec<_> = counts.map(|name| format!("{} {}", number(name), name.replace('_', " "))).collect();
        Self {
            id: short.get(&id).cloned().unwrap_or(id),
            state,
            started: when(&text("started_at")),
            duration: lasted(&text("started_at"), &text("finished_at")).unwrap_or_default(),
            rows: number("rows"),
            outcomes: counts.join(", "),
            operator: text("operator"),
            ticket: text("ticket"),
            label: if number("sandbox") == 0 { "" } else { "SANDBOX" },
            journal: text("journal"),
        }
    }

    fn for_people(&self, ui: &Ui) -> String {
        let colon = if self.outcomes.is_empty() { "" } else { ": " };
        let Self { id, state, started, duration, rows, outcomes, operator, ticket, label, journal } = self;
        let journal = if journal.is_empty() { String::new() } else { format!("  in {}\n", shown(journal)) };
        let word = state.split(' ').next().unwrap_or_default();
        let state = ui.painted(word, &shown(state));
        let first = format!("{}  {state}  {label}", shown(id));
        let took = if duration.is_empty() { String::new() } else { format!(", took {duration}") };
        let ticket = if ticket.is_empty() { String::new() } else { format!(", ticket {}", shown(ticket)) };
        let rows = grouped(u64::try_from(*rows).unwrap_or(0));
        format!(
            "{}\n  {started}{took}, by {}{ticket}\n  {}{colon}{}\n{journal}",
            first.trim_end(),
            shown(operator),
            if rows == "1" { "1 row".to_owned() } else { format!("{rows} rows") },
            shown(outcomes)
        )
    }
}

fn as_number(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Integer(number) => Some(*number),
        _ => None,
    }
}
