//! The runs of a journal, as they are listed.

use std::collections::HashSet;

use crate::cli::liveness::{Liveness, goes_on_with};
use crate::cli::{CliError, Context, Ui};
use crate::domain::RunId;
use crate::journal::{Cell, JournalError, Reader, RunRecord, RunState};
use crate::review::controlled::paused_since;

/// Whether a run, by the columns of the view and its cells, is listed.
pub(super) type Admits<'a> = dyn Fn(&[String], &[Cell]) -> bool + Sync + 'a;

/// The runs of a journal.
#[derive(Default)]
pub(super) struct Listed {
    pub(super) names: Vec<String>,
    /// Those that are admitted, the newest first.
    pub(super) rows: Vec<Vec<Cell>>,
    /// All ids.
    pub(super) ids: Vec<RunId>,
    /// Those whose session is paused.
    pub(super) paused: HashSet<String>,
    /// All runs, of one journal.
    pub(super) runs: Vec<RunRecord>,
}

impl Listed {
    /// Adds the runs of the journal at `path`, which may have been made by another version.
    pub(super) fn add(&mut self, other: Self, path: &str) {
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

/// The runs of the journal that are admitted. Tells how those go on that no session is working on.
pub(super) async fn list(admits: &Admits<'_>, context: &Context) -> Result<Listed, CliError> {
    match context.any_reader().await {
        Err(JournalError::Missing { .. }) if !context.is_journal_named() => {
            context.ui.talk(format!("there is no journal at {} yet", context.journal));
            Ok(Listed { names: vec!["run_id".to_owned()], ..Listed::default() })
        }
        opened => {
            let (listed, interrupted) = read(&opened?, admits, context).await?;
            for command in &interrupted {
                context.ui.talk(format!("interrupted: no session is working on it; continue with: {command}"));
            }
            Ok(listed)
        }
    }
}

/// The same from an open journal, and the commands that continue those that no session is working on.
pub(super) async fn read(
    reader: &Reader,
    admits: &Admits<'_>,
    context: &Context,
) -> Result<(Listed, Vec<String>), CliError> {
    // The lock is looked at first: a session writes how the run ended before it gives up the lock.
    let liveness = Liveness::of(&context.journal).await;
    let mut paused = HashSet::new();
    let (names, mut rows) = reader.runs_view().await?;
    let runs = reader.runs().await?;
    for run in runs.iter().filter(|run| run.state == RunState::Running) {
        paused.extend(paused_since(reader, run).await?.map(|_| run.run.to_string()));
    }
    let interrupted = name_interrupted(&names, &mut rows, liveness, &context.ui);
    rows.retain(|row| admits(&names, row));
    rows.reverse();
    let ids = runs.iter().map(|run| run.run).collect();
    Ok((Listed { names, rows, ids, paused, runs }, interrupted))
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
