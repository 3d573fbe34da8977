//! Reading a row that a query gave.

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

/// A column of a row that holds no negative number.
pub(super) fn unsigned(row: &SqliteRow, index: usize) -> Result<u64, JournalError> {
    let number: i64 = get(row, index)?;
    u64::try_from(number).map_err(|_| JournalError::damaged(format!("{number} is negative")))
}
