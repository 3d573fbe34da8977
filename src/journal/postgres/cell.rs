//! A value of a reviewer's own statement, whatever its type.

use sqlx::postgres::{PgColumn, PgRow, PgTypeInfo};
use sqlx::{Column as _, Row as _, TypeInfo as _, ValueRef as _};

use crate::journal::{Cell, JournalError};

/// How a column is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Boolean,
    Real,
    Text,
    Bytes,
    /// As a number where it is one that fits; PostgreSQL hands it over as text.
    Numeric,
    /// Any other, as PostgreSQL writes it. It hands it over as text.
    Other,
}

impl Kind {
    pub(super) fn of(column: &PgColumn) -> Self {
        let kind: &PgTypeInfo = column.type_info();
        match kind.name() {
            "INT2" | "INT4" | "INT8" => Self::Integer,
            "BOOL" => Self::Boolean,
            "FLOAT4" | "FLOAT8" => Self::Real,
            "TEXT" | "VARCHAR" | "NAME" | "CHAR" | "UNKNOWN" => Self::Text,
            "BYTEA" => Self::Bytes,
            "NUMERIC" => Self::Numeric,
            _ => Self::Other,
        }
    }

    /// Whether the driver cannot read it, so that PostgreSQL has to write it as text first.
    pub(super) fn is_written(self) -> bool {
        matches!(self, Self::Numeric | Self::Other)
    }

    /// The value of a column of this kind.
    pub(super) fn cell(self, row: &PgRow, index: usize) -> Result<Cell, JournalError> {
        if row.try_get_raw(index).map_err(JournalError::sql)?.is_null() {
            return Ok(Cell::Null);
        }
        let cell = match self {
            Self::Integer => integer(row, index).map(Cell::Integer),
            Self::Boolean => row.try_get(index).map(Cell::Boolean),
            Self::Real => real(row, index).map(Cell::Real),
            Self::Bytes => row.try_get(index).map(Cell::Blob),
            Self::Text | Self::Other => row.try_get_unchecked(index).map(Cell::Text),
            Self::Numeric => row.try_get_unchecked(index).map(numeric),
        };
        cell.map_err(JournalError::sql)
    }
}

fn integer(row: &PgRow, index: usize) -> Result<i64, sqlx::Error> {
    let smaller =
        || row.try_get::<i32, _>(index).map(i64::from).or_else(|_| row.try_get::<i16, _>(index).map(i64::from));
    row.try_get::<i64, _>(index).or_else(|_| smaller())
}

fn real(row: &PgRow, index: usize) -> Result<f64, sqlx::Error> {
    row.try_get::<f64, _>(index).or_else(|_| row.try_get::<f32, _>(index).map(f64::from))
}

/// A whole number stays exact; one with a fraction becomes what other stores have, which know no decimals. What is no finite number
/// stays text.
fn numeric(text: String) -> Cell {
    if let Ok(number) = text.parse() {
        return Cell::Integer(number);
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && text.contains('.') => Cell::Real(number),
        _ => Cell::Text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_becomes_the_number_that_holds_it() {
        for (text, cell) in [
            ("17", Cell::Integer(17)),
            ("-1", Cell::Integer(-1)),
            ("1.50", Cell::Real(1.5)),
            ("9223372036854775808", Cell::Text("9223372036854775808".into())),
            ("NaN", Cell::Text("NaN".into())),
            ("Infinity", Cell::Text("Infinity".into())),
        ] {
            assert_eq!(numeric(text.into()), cell);
        }
    }
}
