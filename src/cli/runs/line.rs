//! One run, as people see it in a list.

use std::collections::{HashMap, HashSet};

use crate::cli::ui::grouped;
use crate::cli::when::{lasted, when};
use crate::cli::{Ui, shown};
use crate::journal::Cell;

/// The columns of the view that people see as one, "outcomes".
pub(super) const OUTCOMES: [&str; 8] =
    ["deleted", "gone", "absent", "skipped", "failed", "in_doubt", "unsettled", "not_attempted"];

/// A run as people see it in a list.
pub(super) struct Line {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) started: String,
    /// From its first session to its end; empty if it has no end yet.
    pub(super) duration: String,
    pub(super) rows: i64,
    pub(super) outcomes: String,
    pub(super) operator: String,
    pub(super) ticket: String,
    pub(super) label: &'static str,
    /// Its journal, where there are several.
    pub(super) journal: String,
}

impl Line {
    pub(super) fn new(
        names: &[String],
        row: &[Cell],
        (short, paused): (&HashMap<String, String>, &HashSet<String>),
    ) -> Self {
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

    pub(super) fn for_people(&self, ui: &Ui) -> String {
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

pub(super) fn as_number(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Integer(number) => Some(*number),
        _ => None,
    }
}
