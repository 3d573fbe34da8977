//! Reading a row that a query gave.

use sqlx::{Row as _, Sqlite};

use crate::journal::JournalError;

/// A column of a row.
pub(super) fn get<'r, T>(row: &'r sqlx::sqlite::SqliteRow, index: usize) -> Result<T, JournalError>
where
    T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
{
    row.try_get(index).map_err(JournalError::sql)
}
