//! What reviewers ask a journal, and what it answers.

use std::ops::ControlFlow;

/// One value of a result.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// An integer.
    Integer(i64),
    /// True or false. A database may store 1 and 0 instead; code that knows what a column means converts them.
    Boolean(bool),
    /// A floating-point number.
    Real(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Cell {
    /// Converts SQLite's 1 and 0 to true and false; any other value stays as it is.
    #[must_use]
    pub fn into_boolean(self) -> Self {
        match self {
            Self::Integer(number @ 0..=1) => Self::Boolean(number == 1),
            other => other,
        }
    }

    /// The text, if this is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Which entries are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryFilter {
    /// Of the run with this number.
    pub run: Option<i64>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Of this row.
    pub row: Option<u64>,
    /// Of rows that name this key pair.
    pub name: Option<String>,
    /// Of rows with this outcome.
    pub outcome: Option<String>,
    /// Not before this time, as entries have it.
    pub since: Option<String>,
    /// Before this time.
    pub until: Option<String>,
}

/// Why what a journal shows may not be what was recorded, as far as that is known without verifying it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    /// A newer keybatch wrote it: what this one does not know is not shown.
    Newer {
        /// The version of its tables and views.
        version: i64,
        /// The latest that is known here.
        known: i64,
    },
    /// Its tables and views are not those that keybatch makes, so they may show anything.
    Changed {
        /// The first difference.
        what: String,
    },
}

/// An entry that matches a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matching {
    /// Its number.
    pub seq: i64,
    /// Its body.
    pub body: String,
    /// The name of its run.
    pub run_id: Option<String>,
    /// Whether that is a rehearsal; none of an entry of no run.
    pub sandbox: Option<bool>,
    /// The key pair that its row names.
    pub name: Option<String>,
}

/// A row of a run as the view `intents` shows it, with the body of its intent.
#[derive(Debug, Clone, PartialEq)]
pub struct ReviewRow {
    /// The row's number.
    pub row: u64,
    /// The body of its `intent_recorded`.
    pub intent: String,
    /// The view's columns, in their order.
    pub cells: Vec<Cell>,
}

/// Receives the result of a statement. `Break` ends the statement.
pub trait Visitor: Send {
    /// The names of the columns, once, before any row.
    fn columns(&mut self, names: &[String]) -> ControlFlow<()>;

    /// A row.
    fn row(&mut self, cells: Vec<Cell>) -> ControlFlow<()>;
}
