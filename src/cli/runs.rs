//! `keybatch runs`: all runs of the journal.

use std::collections::HashMap;

use super::liveness::{Liveness, goes_on_with};
use super::{CliError, Context, Exit, Format, shown};
use crate::audit::runs::short;
use crate::journal::sqlite::{Cell, SqliteReader};

/// The columns of the view that people see as one, "outcomes".
const OUTCOMES: [&str; 8] =
    ["deleted", "gone", "absent", "skipped", "failed", "in_doubt", "unsettled", "not_attempted"];

/// List the runs in the journal
///
/// Each can be named by any beginning of its id that no other has, or by `latest`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(_: &Args, context: &Context) -> Result<Exit, CliError> {
    let reader = SqliteReader::open(&context.journal).await?;
    let (names, mut rows) = reader.runs_view().await?;
    let interrupted = name_interrupted(&names, &mut rows, Liveness::of(&context.journal));
    for command in &interrupted {
        context.ui.talk(format!("interrupted: no session works on it; go on with: {command}"));
    }
    if context.ui.format != Format::Table {
        let mut stream = context.ui.stream(&names)?;
        rows.iter().try_for_each(|row| stream.row(row))?;
        stream.end()?;
        return Ok(Exit::Success);
    }
    if rows.is_empty() {
        context.ui.talk("the journal holds no runs yet");
        return Ok(Exit::Success);
    }
    let ids: Vec<_> = reader.runs().await?.iter().map(|run| run.run).collect();
    let short: HashMap<String, String> = ids.iter().map(ToString::to_string).zip(short(&ids)).collect();
    let lines: Vec<Line> = rows.iter().map(|row| Line::new(&names, row, &short)).collect();
    if context.ui.person {
        // Two lines each instead of a table, which a narrow terminal would cut through the ids.
        context.ui.data(&lines.iter().map(Line::for_people).collect::<String>())?;
        return Ok(Exit::Success);
    }
    let mut stream = context.ui.stream(&["run", "state", "started", "rows", "outcomes", "sandbox"])?;
    for line in lines {
        let rows = Cell::Integer(line.rows);
        let [id, state, started, outcomes, label] =
            [line.id, line.state, line.started, line.outcomes, line.label.to_owned()].map(Cell::Text);
        stream.row(&[id, state, started, rows, outcomes, label])?;
    }
    stream.end()?;
    Ok(Exit::Success)
}

/// Gives the runs that nobody works on although their session has no end the state that commands have for it; those of them that
/// can be resumed.
fn name_interrupted(names: &[String], rows: &mut [Vec<Cell>], liveness: Liveness) -> Vec<String> {
    let column = |name: &str| names.iter().position(|known| known == name);
    let (Some(state), Some(id)) = (column("state"), column("run_id")) else { return Vec::new() };
    let mut next = Vec::new();
    for row in rows {
        let stored = row.get(state).and_then(Cell::as_text).unwrap_or_default().to_owned();
        let run = row.get(id).and_then(Cell::as_text).unwrap_or_default().to_owned();
        let said = liveness.state(&stored);
        if said != stored {
            next.extend(goes_on_with(&stored, &run));
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
    rows: i64,
    outcomes: String,
    label: &'static str,
}

impl Line {
    fn new(names: &[String], row: &[Cell], short: &HashMap<String, String>) -> Self {
        let get = |name: &str| names.iter().position(|known| known == name).and_then(|index| row.get(index));
        let text = |name: &str| get(name).and_then(Cell::as_text).unwrap_or_default().to_owned();
        let number = |name: &str| get(name).and_then(as_number).unwrap_or(0);
        let id = text("run_id");
        let state = match text("stopped_by") {
            why if why.is_empty() => text("state"),
            why => format!("{} ({why})", text("state")),
        };
        let counts = OUTCOMES.into_iter().filter(|name| number(name) > 0);
        let counts: Vec<_> = counts.map(|name| format!("{} {}", number(name), name.replace('_', " "))).collect();
        Self {
            id: short.get(&id).cloned().unwrap_or(id),
            state,
            started: to_the_second(&text("started_at")),
            rows: number("rows"),
            outcomes: counts.join(", "),
            label: if number("sandbox") == 0 { "" } else { "SANDBOX" },
        }
    }

    fn for_people(&self) -> String {
        let colon = if self.outcomes.is_empty() { "" } else { ": " };
        let Self { id, state, started, rows, outcomes, label } = self;
        let first = shown(format!("{id}  {state}  {label}").trim_end());
        format!("{first}\n  {started}, {rows} rows{colon}{}\n", shown(outcomes))
    }
}

fn as_number(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Integer(number) => Some(*number),
        _ => None,
    }
}

/// A time of the journal as people read it: without fractions.
pub(super) fn to_the_second(at: &str) -> String {
    match at.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => at.to_owned(),
    }
}
