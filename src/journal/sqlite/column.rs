//! Reading the rows that a query gives.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite};

use crate::journal::JournalError;

/// A column of a row.
pub(super) fn get<'r, T>(row: &'r SqliteRow, index: usize) -> Result<T, JournalError>
where
    T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
{
    row.try_get(index).map_err(JournalError::sql)
}

/// A column of a row as bytes, whatever the column was declared as. None for a null.
pub(super) fn bytes(row: &SqliteRow, index: usize) -> Result<Vec<u8>, JournalError> {
    row.try_get_unchecked::<Option<Vec<u8>>, _>(index).map(Option::unwrap_or_default).map_err(JournalError::sql)
}

/// A column of a row that holds no negative number.
pub(super) fn unsigned(row: &SqliteRow, index: usize) -> Result<u64, JournalError> {
    let number: i64 = get(row, index)?;
    u64::try_from(number).map_err(|_| JournalError::damaged(format!("{number} is negative")))
}

/// A number as SQLite has it. Those of entries and rows are far below the limit.
pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
