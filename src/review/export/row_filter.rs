//! Which rows of a run are exported.

use jiff::Timestamp;

use crate::domain::{parse_time, time_text};
use crate::journal::{Cell, ReviewRow};

/// Which rows are exported; all of them by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowFilter {
    /// Those with one of these outcomes, `unsettled` and `not_attempted` among them.
    pub outcomes: Vec<String>,
    /// Those settled not before this time. A row that is not settled counts by its last request, and one without a request has no
    /// time.
    pub since: Option<Timestamp>,
    /// Those settled before this time.
    pub until: Option<Timestamp>,
    /// Those that name this key pair.
    pub name: Option<String>,
}

impl RowFilter {
    /// The filter in words: its options and their values.
    #[must_use]
    pub fn words(&self) -> Vec<(&'static str, String)> {
        let outcomes = (!self.outcomes.is_empty()).then(|| self.outcomes.join(","));
        [
            ("outcome", outcomes),
            ("since", self.since.map(time_text)),
            ("until", self.until.map(time_text)),
            ("name", self.name.clone()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }

    /// Whether it takes a row, of whose columns `names` are the names.
    pub(super) fn takes(&self, names: &[String], row: &ReviewRow) -> bool {
        let cell = |wanted: &str| names.iter().position(|name| name == wanted).and_then(|index| row.cells.get(index));
        let text = |wanted: &str| cell(wanted).and_then(Cell::as_text);
        let outcome = || text("outcome").is_some_and(|outcome| self.outcomes.iter().any(|one| one == outcome));
        if !(self.outcomes.is_empty() || outcome()) {
            return false;
        }
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        let at = text("settled_at").or_else(|| text("attempted_at")).and_then(parse_time);
        at.is_some_and(|at| self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until))
    }
}
