//! The projections as the journal has them: added up, or compared row by row with what was rebuilt of the entries.

use std::cmp::Ordering;
use std::collections::VecDeque;

use sqlx::Row as _;

use super::ask::Ask;
use super::audit::PostgresSnapshot;
use super::cell::Kind;
use super::link::{get, only};
use crate::journal::projections::{Table, table};
use crate::journal::sums::{Key, Sums, Tallies};
use crate::journal::value::Value;
use crate::journal::{Cell, Difference, JournalError, SUMMED};

/// How many rows are read at once: enough to make the cost of a round trip small, and at most a few hundred KB.
const PAGE_ROWS: u32 = 1_024;

impl PostgresSnapshot {
    /// Whether the tables of [`SUMMED`] add up to these sums, which were made with this key. False may also mean that a table holds
    /// what no table of a journal can hold: the comparison row by row then says what is wrong.
    ///
    /// # Errors
    /// If the database fails; this applies to every method here.
    pub(super) async fn adds_up_to(&mut self, key: Key, expected: Tallies) -> Result<bool, JournalError> {
        let mut sums = Sums::new(key);
        let mut counts = Vec::new();
        for name in SUMMED {
            let table = known(name)?;
            let mut after: Option<Vec<Cell>> = None;
            loop {
                let rows = self.table_rows(table, after.as_deref()).await?;
                for row in &rows {
                    if !add(&mut sums, table, row) {
                        return Ok(false);
                    }
                }
                match rows.last() {
                    Some(last) => after = Some(last[..table.key].to_vec()),
                    None => break,
                }
            }
            counts.push(u64::try_from(self.count(table).await?).unwrap_or(u64::MAX));
        }
        // A page that begins after a key could miss rows that are not in the order of keys.
        Ok(counts == sums.tallies().rows() && *sums.tallies() == expected)
    }

    /// The first row of a table in which the journal and what was rebuilt differ.
    pub async fn first_difference(&mut self, name: &'static str) -> Result<Option<Difference>, JournalError> {
        let table = known(name)?;
        let mut rebuilt = self.rebuilt.take().ok_or(JournalError::Closed)?;
        let (mut here, mut there) = (Side::default(), Side::default());
        let mut count = 0;
        let difference = loop {
            if here.is_due() {
                here.take(self.table_rows(table, here.after()).await?, table);
            }
            if there.is_due() {
                there.take(rebuilt.rows(table, there.after(), PAGE_ROWS).await?, table);
            }
            let (one, other) = (here.rows.front(), there.rows.front());
            let first = match (one, other) {
                (None, None) => break None,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(one), Some(other)) => compare(&one[..table.key], &other[..table.key]),
            };
            match first {
                Ordering::Equal if one == other => {
                    count += 1;
                    here.rows.pop_front();
                    there.rows.pop_front();
                }
                Ordering::Equal => break Some((text(table, one), text(table, other))),
                Ordering::Less => break Some((text(table, one), None)),
                Ordering::Greater => break Some((None, text(table, other))),
            }
        };
        self.rebuilt = Some(rebuilt);
        if difference.is_some() {
            return Ok(difference);
        }
        // There may be rows without a key, or with the key of another, where the table's key was removed.
        let found = self.count(table).await?;
        let told = |count: i64| Some(format!("{{\"rows\":{count}}}"));
        Ok((found != count).then(|| (told(found), told(count))))
    }

    async fn count(&mut self, table: &Table) -> Result<i64, JournalError> {
        let ask = Ask::of(format!("SELECT count(*) FROM keybatch.{}", table.name)).patiently();
        let rows = self.rows(&ask).await?;
        get(only(&rows)?, 0)
    }

    /// The next rows of a table after this key, in the order of keys.
    async fn table_rows(&mut self, table: &Table, after: Option<&[Cell]>) -> Result<Vec<Vec<Cell>>, JournalError> {
        let key = table.columns[..table.key].join(", ");
        let places: Vec<_> = (1..=table.key).map(|place| format!("${place}")).collect();
        let from = after.map(|_| format!("WHERE ({key}) > ({})", places.join(", "))).unwrap_or_default();
        let columns = table.columns.join(", ");
        let statement =
            format!("SELECT {columns} FROM keybatch.{} {from} ORDER BY {key} LIMIT {PAGE_ROWS}", table.name);
        let ask = after.unwrap_or_default().iter().fold(Ask::of(statement).patiently(), Ask::with);
        let rows = self.rows(&ask).await?;
        rows.iter()
            .map(|row| {
                row.columns().iter().enumerate().map(|(index, column)| Kind::of(column).cell(row, index)).collect()
            })
            .collect()
    }
}

fn known(name: &str) -> Result<&'static Table, JournalError> {
    table(name).ok_or_else(|| JournalError::damaged(format!("no table is called {name}")))
}

/// One of the two sides of a comparison, which is read page by page.
#[derive(Default)]
struct Side {
    rows: VecDeque<Vec<Cell>>,
    last: Option<Vec<Cell>>,
    is_at_end: bool,
}

impl Side {
    fn is_due(&self) -> bool {
        self.rows.is_empty() && !self.is_at_end
    }

    fn after(&self) -> Option<&[Cell]> {
        self.last.as_deref()
    }

    fn take(&mut self, rows: Vec<Vec<Cell>>, table: &Table) {
        self.is_at_end = rows.is_empty();
        self.last = rows.last().map(|row| row[..table.key].to_vec()).or(self.last.take());
        self.rows = rows.into();
    }
}

/// Keys in the order in which both stores give them.
fn compare(one: &[Cell], other: &[Cell]) -> Ordering {
    let order = |pair: (&Cell, &Cell)| match pair {
        (Cell::Integer(one), Cell::Integer(other)) => one.cmp(other),
        (Cell::Text(one), Cell::Text(other)) => one.as_bytes().cmp(other.as_bytes()),
        // Of two that are of different kinds, the journal's is shown as one that the entries do not have.
        (one, other) if one == other => Ordering::Equal,
        _ => Ordering::Less,
    };
    one.iter().zip(other).map(order).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// A row as JSON, in the order of its columns.
fn text(table: &Table, row: Option<&Vec<Cell>>) -> Option<String> {
    let member = |(name, cell): (&&str, &Cell)| {
        let value = match cell {
            Cell::Null => "null".to_owned(),
            Cell::Integer(number) => number.to_string(),
            Cell::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
            other => serde_json::Value::from(format!("{other:?}")).to_string(),
        };
        format!("\"{name}\":{value}")
    };
    Some(format!("{{{}}}", table.columns.iter().zip(row?).map(member).collect::<Vec<_>>().join(",")))
}

/// Adds up a row of one of the large tables; false if it holds what such a row cannot.
fn add(sums: &mut Sums, table: &Table, row: &[Cell]) -> bool {
    let value = |cell| match cell {
        &Cell::Integer(number) => Some(Value::Int(number)),
        Cell::Text(text) => Some(Value::Text(text)),
        Cell::Null => Some(Value::Null),
        _ => None,
    };
    let Some(values) = row.iter().map(value).collect::<Option<Vec<_>>>() else { return false };
    match (table.name, &values[..]) {
        ("intent", &[run, row, target, name, verdict, seq, settled, outcome, evidence]) => {
            sums.intent([run, row, target, name, verdict, seq]);
            if !matches!((settled, outcome, evidence), (Value::Null, Value::Null, Value::Null)) {
                sums.settled([run, row, settled, outcome, evidence]);
            }
        }
        ("attempt", &[run, row, attempt, started, finished, class]) => {
            sums.attempt([run, row, attempt, started]);
            if !matches!((finished, class), (Value::Null, Value::Null)) {
                sums.finished([run, row, attempt, finished, class]);
            }
        }
        ("row_entry", &[run, row, seq]) => sums.row_entry([run, row, seq]),
        _ => return false,
    }
    true
}
