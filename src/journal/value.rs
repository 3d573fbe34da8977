//! A value of a table, as a store's statements take it, and as the sums of the projections hash it.

use super::changes::{FinishedAttempt, NewAttempt, NewIntent, NewRowEntry, SettledIntent, WholeAttempt};

/// One value of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Nothing.
    Null,
    /// A whole number.
    Int(i64),
    /// A text.
    Text(&'a str),
}

impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Self::Int(number.into())
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Self::Int(flag.into())
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<'a> From<NewIntent<'a>> for [Value<'a>; 6] {
    fn from(new: NewIntent<'a>) -> Self {
        let (name, verdict) = (new.name.into(), new.verdict.as_str().into());
        [new.run.into(), new.row.into(), new.target.into(), name, verdict, new.seq.into()]
    }
}

impl From<NewAttempt> for [Value<'_>; 4] {
    fn from(new: NewAttempt) -> Self {
        [new.run.into(), new.row.into(), new.attempt.into(), new.seq.into()]
    }
}

impl From<FinishedAttempt> for [Value<'_>; 5] {
    fn from(end: FinishedAttempt) -> Self {
        [end.run.into(), end.row.into(), end.attempt.into(), end.seq.into(), end.class.as_str().into()]
    }
}

impl From<WholeAttempt> for [Value<'_>; 6] {
    fn from(WholeAttempt { begun, end }: WholeAttempt) -> Self {
        let (started, class) = (begun.seq.into(), end.class.as_str().into());
        [begun.run.into(), begun.row.into(), begun.attempt.into(), started, end.seq.into(), class]
    }
}

impl From<NewRowEntry> for [Value<'_>; 3] {
    fn from(new: NewRowEntry) -> Self {
        [new.run.into(), new.row.into(), new.seq.into()]
    }
}

impl From<SettledIntent> for [Value<'_>; 5] {
    fn from(end: SettledIntent) -> Self {
        let (outcome, evidence) = (end.outcome.as_str().into(), end.evidence.as_str().into());
        [end.run.into(), end.row.into(), end.seq.into(), outcome, evidence]
    }
}
