//! Statements over the reviewers' views, and their answers.

use std::ops::ControlFlow;

use crate::journal::{Cell, JournalError, Reader, Visitor};

/// Hands each row of an answer on.
struct Each<F>(F);

impl<F: FnMut(Vec<Cell>) + Send> Visitor for Each<F> {
    fn columns(&mut self, _names: &[String]) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn row(&mut self, cells: Vec<Cell>) -> ControlFlow<()> {
        (self.0)(cells);
        ControlFlow::Continue(())
    }
}

/// Asks, and hands each row on as it comes.
pub(super) async fn each(
    reader: &Reader,
    sql: &str,
    bound: &[String],
    take: impl FnMut(Vec<Cell>) + Send,
) -> Result<(), JournalError> {
    reader.query_with(sql, bound, &mut Each(take)).await
}

/// Asks for few rows.
pub(super) async fn all(reader: &Reader, sql: &str, bound: &[String]) -> Result<Vec<Vec<Cell>>, JournalError> {
    let mut rows = Vec::new();
    each(reader, sql, bound, |row| rows.push(row)).await?;
    Ok(rows)
}

/// A text; none where there is none.
pub(super) fn text(cells: &[Cell], index: usize) -> Option<String> {
    cells.get(index)?.as_text().map(str::to_owned)
}

/// A number; 0 where there is none.
pub(super) fn number(cells: &[Cell], index: usize) -> u64 {
    match cells.get(index) {
        Some(Cell::Integer(number)) => u64::try_from(*number).unwrap_or_default(),
        _ => 0,
    }
}
