//! Which cell of a row a column's name stands for.

use super::staged::StagedRow;
use crate::manifest::{Meaning, fold};

/// The name of a column in the form that is compared: the meaning's own name where it has one, else without case and separators.
pub(super) fn column(name: &str) -> String {
    Meaning::of(name).map_or_else(|| fold(name), |meaning| meaning.canonical().to_owned())
}

/// What a row has in a column; nothing where it is empty. `name` is the key pair's.
pub(super) fn cell<'a>(staged: &'a StagedRow, name: &'a str, column: &str) -> Option<&'a str> {
    let value = match Meaning::ALL.into_iter().find(|meaning| meaning.canonical() == column) {
        Some(Meaning::Name) => Some(name),
        Some(Meaning::Reason) => staged.reason.as_deref(),
        Some(Meaning::Ticket) => staged.ticket.as_deref(),
        Some(_) => staged.conditions.get(column).map(String::as_str),
        None => None,
    };
    // A column with a meaning may have been read as an annotation, because the operator said so.
    let annotation =
        || staged.annotations.iter().find(|(name, _)| self::column(name) == column).map(|(_, text)| &**text);
    value.or_else(annotation).filter(|text| !text.is_empty())
}
