//! What the reading side asks: a statement and its values, which can be asked again, and how long the answer may take.
//!
//! Nothing is kept prepared, because a pooler may hand the next transaction to another connection.

use std::time::Duration;

use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;

use super::literal::number;

/// How long an answer may take that some index leads to. The driver itself would wait for ever.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// How long the next part of an answer may take for which a whole table is read.
pub(super) const LONG_PATIENCE: Duration = Duration::from_secs(1_800);

/// A value of a statement.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Flag(bool),
    Numbers(Vec<i64>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Int(Some(number.into()))
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Int(Some(number(value)))
    }
}

impl From<Option<u64>> for Value {
    fn from(value: Option<u64>) -> Self {
        Self::Int(value.map(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}

impl From<Vec<i64>> for Value {
    fn from(numbers: Vec<i64>) -> Self {
        Self::Numbers(numbers)
    }
}

/// A query with the values that are bound so far.
pub(super) type Bound<'q> = Query<'q, Postgres, PgArguments>;

/// A question: a statement and its values. It can be asked again.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    statement: &'static str,
    values: Vec<Value>,
    patience: Duration,
}

impl Ask {
    /// The question that this statement puts, as yet without values.
    pub(super) fn of(statement: &'static str) -> Self {
        Self { statement, values: Vec::new(), patience: PATIENCE }
    }

    /// With one value more.
    pub(super) fn with(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// One for whose answer a whole table may have to be read.
    pub(super) fn patiently(self) -> Self {
        Self { patience: LONG_PATIENCE, ..self }
    }

    /// The query.
    pub(super) fn query(&self) -> Bound<'_> {
        let bind = |query: Bound<'static>, value: &Value| match value {
            Value::Int(number) => query.bind(*number),
            Value::Text(text) => query.bind(text.clone()),
            Value::Flag(flag) => query.bind(*flag),
            Value::Numbers(numbers) => query.bind(numbers.clone()),
        };
        self.values.iter().fold(sqlx::query(self.statement), bind).persistent(false)
    }

    /// How long the answer may take.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }
}
