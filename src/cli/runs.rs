//! `keybatch runs`: all runs of the journal.

use super::{CliError, Context, Exit, Format};
use crate::audit::runs::short;
use crate::journal::sqlite::{Cell, SqliteReader};

/// The columns of the view that people see as one, "outcomes".
const OUTCOMES: [&str; 7] = ["deleted", "gone", "absent", "skipped", "failed", "in_doubt", "not_attempted"];

/// List the runs in the journal
///
/// Each can be named by any beginning of its id that no other has, or by `latest`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(_: &Args, context: &Context) -> Result<Exit, CliError> {
    let reader = SqliteReader::open(&context.journal).await?;
    let (names, rows) = reader.runs_view().await?;
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
    let short: std::collections::HashMap<String, String> =
        ids.iter().map(ToString::to_string).zip(short(&ids)).collect();
    let mut stream = context.ui.stream(&["run", "state", "started", "rows", "outcomes", ""])?;
    for row in &rows {
        let get = |name: &str| names.iter().position(|known| known == name).map(|index| &row[index]);
        let text = |name: &str| get(name).and_then(Cell::as_text).unwrap_or_default().to_owned();
        let number = |name: &str| get(name).and_then(as_number).unwrap_or(0);
        let id = text("run_id");
        let state = match text("stopped_by") {
            why if why.is_empty() => text("state"),
            why => format!("{} ({why})", text("state")),
        };
        let counts: Vec<_> = OUTCOMES
            .into_iter()
            .filter(|name| number(name) > 0)
            .map(|name| format!("{} {}", number(name), name.replace('_', " ")))
            .collect();
        let label = if number("sandbox") == 0 { "" } else { "SANDBOX" };
        stream.row(&[
            Cell::Text(short.get(&id).cloned().unwrap_or(id)),
            Cell::Text(state),
            Cell::Text(to_the_second(&text("started_at"))),
            Cell::Integer(number("rows")),
            Cell::Text(counts.join(", ")),
            Cell::Text(label.to_owned()),
        ])?;
    }
    stream.end()?;
    Ok(Exit::Success)
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
