//! Texts that many rows share: written once, and named by a number.

use std::collections::HashMap;

use super::safe;

/// Beyond this, texts are written where they are used: a dictionary of what occurs once saves nothing.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// A text longer than this is cut: the journal has all of it.
const LONGEST: usize = 1_000;

/// The dictionary.
#[derive(Debug, Default)]
pub(super) struct Words {
    numbers: HashMap<String, usize>,
    /// In the order of their numbers, as JSON.
    quoted: Vec<String>,
    bytes: usize,
}

impl Words {
    /// The number of the text, or the text itself, as JSON.
    pub(super) fn json(&mut self, text: &str) -> String {
        let text = cut(text);
        if let Some(number) = self.numbers.get(text) {
            return number.to_string();
        }
        let quoted = safe::json(text);
        if self.bytes + text.len() + quoted.len() > MOST_BYTES {
            return quoted;
        }
        self.bytes += text.len() + quoted.len();
        let number = self.quoted.len();
        self.numbers.insert(text.to_owned(), number);
        self.quoted.push(quoted);
        number.to_string()
    }

    /// The same of a text that may be missing.
    pub(super) fn maybe(&mut self, text: Option<&str>) -> String {
        text.filter(|text| !text.is_empty()).map_or_else(|| "null".to_owned(), |text| self.json(text))
    }

    /// All of it as a JSON array.
    pub(super) fn array(&self) -> String {
        format!("[{}]", self.quoted.join(",\n"))
    }
}

/// A text as JSON, cut where it is too long.
pub(super) fn quoted(text: &str) -> String {
    safe::json(cut(text))
}

/// The same of one that may be missing.
pub(super) fn maybe_quoted(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).map_or_else(|| "null".to_owned(), quoted)
}

fn cut(text: &str) -> &str {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}
