//! The entries that a filter admits.

use keybatch::domain::time_text;
use keybatch::journal::EntryFilter;
use keybatch::record::Entry;

use super::Kept;
use super::history::{History, Row, Run};

pub(super) fn matching<'a>(
    kept: &'a Kept,
    history: &'a History,
    filter: &'a EntryFilter,
) -> impl Iterator<Item = &'a Entry> {
    let row_of = move |entry: &Entry| {
        let run = history.runs.iter().find(|run| Some(run.number()) == history.run_of(entry))?;
        Some((run, run.rows.get(&entry.row?)?))
    };
    let outcome_of = move |run: &Run, row: &Row| match row.outcome() {
        Some(outcome) => outcome.as_str(),
        None if history.is_unsettled(run, row) => "unsettled",
        None => "not_attempted",
    };
    let fits = move |entry: &Entry| {
        let row = row_of(entry);
        filter.run.is_none_or(|run| history.run_of(entry) == u64::try_from(run).ok())
            && filter.kind.as_ref().is_none_or(|kind| entry.event.kind() == kind)
            && filter.row.is_none_or(|row| entry.row == Some(row))
            && filter.since.as_ref().is_none_or(|since| time_text(entry.at) >= *since)
            && filter.until.as_ref().is_none_or(|until| time_text(entry.at) < *until)
            && filter.name.as_ref().is_none_or(|name| row.is_some_and(|(_, row)| row.intent.line.name == *name))
            && filter.outcome.as_ref().is_none_or(|out| row.is_some_and(|(run, row)| outcome_of(run, row) == out))
    };
    kept.entries.iter().map(|(entry, _)| entry).filter(move |entry| fits(entry))
}
