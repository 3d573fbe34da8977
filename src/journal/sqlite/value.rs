//! A value as a statement takes it.

use sqlx::Sqlite;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;

pub(super) use crate::journal::value::Value;

/// A query with the values that are bound so far.
pub(super) type Bound<'q> = Query<'q, Sqlite, SqliteArguments>;

/// Binds one more value to a query.
pub(super) fn bind<'q>(query: Bound<'q>, value: Value<'_>) -> Bound<'q> {
    match value {
        Value::Null => query.bind(None::<i64>),
        Value::Int(number) => query.bind(number),
        Value::Text(text) => query.bind(text.to_owned()),
    }
}
