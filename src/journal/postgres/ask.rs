//! What the reading side asks: a statement and its values, which can be asked again, and how long the answer may take.
//!
//! A question is one message and nothing is prepared, because a pooler may hand the next message to another connection.

use std::borrow::Cow;
use std::time::Duration;

use super::literal::{number, text};
use crate::journal::Cell;

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

impl From<&Cell> for Value {
    /// What is neither a number nor a text is no key.
    fn from(cell: &Cell) -> Self {
        match cell {
            Cell::Integer(number) => Self::Int(Some(*number)),
            Cell::Text(text) => Self::Text(Some(text.clone())),
            _ => Self::Int(None),
        }
    }
}

impl From<Vec<i64>> for Value {
    fn from(numbers: Vec<i64>) -> Self {
        Self::Numbers(numbers)
    }
}

/// A question: a statement and its values. It can be asked again.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    statement: Cow<'static, str>,
    values: Vec<Value>,
    patience: Duration,
}

impl Ask {
    /// The question that this statement puts, as yet without values. It names them `$1`, `$2` and so on.
    pub(super) fn of(statement: impl Into<Cow<'static, str>>) -> Self {
        Self { statement: statement.into(), values: Vec::new(), patience: PATIENCE }
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

    /// The text with its values, which goes as one message: see [`literal`](super::literal).
    pub(super) fn text(&self) -> String {
        let mut text = String::with_capacity(self.statement.len() + 32 * self.values.len());
        let mut rest = &*self.statement;
        while let Some((before, after)) = rest.split_once('$') {
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            let place = after[..digits].parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            text.push_str(before);
            text.push_str(&place.and_then(|place| self.values.get(place)).map_or("NULL".into(), Value::literal));
            rest = &after[digits..];
        }
        text + rest
    }

    /// How long the answer may take.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }
}

impl Value {
    fn literal(&self) -> String {
        match self {
            Self::Int(Some(number)) => format!("'{number}'::pg_catalog.int8"),
            Self::Int(None) => "NULL::pg_catalog.int8".into(),
            // No text that is stored has this character.
            Self::Text(Some(value)) => format!("{}::pg_catalog.text", text(&value.replace('\0', "\u{fffd}"))),
            Self::Text(None) => "NULL::pg_catalog.text".into(),
            Self::Flag(flag) => flag.to_string(),
            Self::Numbers(numbers) => {
                let numbers: Vec<_> = numbers.iter().map(i64::to_string).collect();
                format!("'{{{}}}'::pg_catalog.int8[]", numbers.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_where_the_statement_names_them() {
        let ask = Ask::of("SELECT $2, $1, $10, $2 || '' LIMIT $3")
            .with(i64::MIN)
            .with("a$k$'b")
            .with(None::<u64>)
            .with(true)
            .with(vec![1, -2])
            .with(None::<&str>);
        let expected = "SELECT $k1$a$k$'b$k1$::pg_catalog.text, '-9223372036854775808'::pg_catalog.int8, NULL, \
                        $k1$a$k$'b$k1$::pg_catalog.text || '' LIMIT NULL::pg_catalog.int8";
        assert_eq!(ask.text(), expected);
        let ask = Ask { statement: "$4 $5 $6".into(), ..ask };
        assert_eq!(ask.text(), "true '{1,-2}'::pg_catalog.int8[] NULL::pg_catalog.text");
    }
}
