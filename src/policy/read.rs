//! TOML values by their types. What has another type is a fault with its place, and reading goes on.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, FaultKind};
use crate::manifest::{Shown, defuse};

/// A value with its place.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// Faults that are kept: more than anybody corrects at once, and a bound for a file that is made of them.
const MOST_FAULTS: usize = 1_000;

/// The text of a policy while it is read, and what was found to be wrong with it.
pub(super) struct Reading<'t> {
    text: &'t str,
    pub(super) faults: Vec<Fault>,
}

impl<'t> Reading<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, faults: Vec::new() }
    }

    /// The tables and values of the text; an empty table where it is not TOML.
    pub(super) fn root(&mut self) -> DeTable<'t> {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let said = defuse(error.message().lines().next().unwrap_or_default());
            let end = self.text.len();
            self.fault(FaultKind::Syntax(said), error.span().unwrap_or(end..end));
        }
        // What is left of a text with errors may say something else than the whole would.
        if errors.is_empty() { root.into_inner() } else { DeTable::default() }
    }

    pub(super) fn fault(&mut self, kind: FaultKind, at: Range<usize>) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(Fault { kind, at });
        }
    }

    /// `value` means nothing for `what`; says what to write.
    pub(super) fn meaningless(&mut self, what: &str, value: &str, at: Range<usize>, write: impl Into<String>) {
        self.fault(FaultKind::Value(what.to_owned(), Shown::new(value), write.into()), at);
    }

    fn mistyped(&mut self, what: &str, expected: &'static str, value: &Value<'_>) {
        let found = match value.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.fault(FaultKind::Type(what.to_owned(), expected, found), value.span());
    }

    /// A text.
    pub(super) fn text<'v>(&mut self, what: &str, expected: &'static str, value: &'v Value<'_>) -> Option<&'v str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.mistyped(what, expected, value);
        }
        text
    }

    /// A list of texts, with the place of each.
    pub(super) fn list<'v>(&mut self, what: &str, value: &'v Value<'_>) -> Vec<(&'v str, Range<usize>)> {
        let Some(items) = value.get_ref().as_array() else {
            self.mistyped(what, "a list of texts, such as [\"one\", \"two\"]", value);
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in items {
            if let Some(text) = self.text(what, "texts in double quotes", item) {
                texts.push((text, item.span()));
            }
        }
        texts
    }

    /// A whole number up to `most`.
    pub(super) fn number(&mut self, what: &str, value: &Value<'_>, most: u64) -> Option<u64> {
        let Some(written) = value.get_ref().as_integer() else {
            self.mistyped(what, "a whole number", value);
            return None;
        };
        let number = u64::from_str_radix(written.as_str(), written.radix()).ok().filter(|number| *number <= most);
        if number.is_none() {
            let write = format!("write a whole number from 0 to {most}");
            self.meaningless(what, written.as_str(), value.span(), write);
        }
        number
    }

    /// A number, whole or not, as it is written.
    pub(super) fn decimal<'v>(&mut self, what: &str, value: &'v Value<'_>) -> Option<&'v str> {
        match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str()),
            DeValue::Float(number) => Some(number.as_str()),
            _ => {
                self.mistyped(what, "a number", value);
                None
            }
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, what: &str, value: &Value<'_>) -> Option<bool> {
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.mistyped(what, "true or false", value);
        }
        flag
    }

    /// A table: each key and its value.
    pub(super) fn table<'v>(
        &mut self,
        what: &str,
        value: &'v Value<'t>,
    ) -> Vec<(&'v str, Range<usize>, &'v Value<'t>)> {
        let Some(table) = value.get_ref().as_table() else {
            self.mistyped(what, "a table of keys and values", value);
            return Vec::new();
        };
        table.iter().map(|(key, value)| (&**key.get_ref(), key.span(), value)).collect()
    }
}
