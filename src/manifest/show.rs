//! Text from a manifest made safe to show: nothing in it can move a cursor, recolour a terminal, reverse the
//! reading direction or hide. A printed fault contains what a stranger may have written into a file.

use std::fmt::{self, Write as _};

/// The longest value shown in a message, in characters: a fingerprint (59) and a default key pair's name fit.
const SHOWN_MAX: usize = 64;

/// A value that is safe to print: control, bidirectional and invisible characters are written as escapes, and
/// what is longer than 64 characters is cut and marked with `…`.
///
/// It can only be made by defusing a text, so a message that holds a `Shown` cannot carry a raw one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shown(String);

impl Shown {
    /// Defuses `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        match text.char_indices().nth(SHOWN_MAX) {
            None => Self(defuse(text)),
            Some((end, _)) => Self(defuse(&text[..end]) + "…"),
        }
    }

    /// The defused text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `text`, of any length, with every misleading character as a visible escape (`\n`, `\u{1b}`, `\u{202e}`).
///
/// Backslashes stay single: the result is for reading, not for parsing back.
#[must_use]
pub fn defuse(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            c if is_treacherous(c) => {
                // Writing to a String cannot fail.
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    safe
}

/// Whether `c` could mislead a reader: it is invisible, looks like a space, or changes the text around it.
pub(super) fn is_treacherous(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(u32::from(c),
            0x00AD | 0x034F | 0x061C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F
            | 0x202A..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB
            | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_visible() {
        assert_eq!(defuse("a\x1b[31mb"), "a\\u{1b}[31mb");
        assert_eq!(defuse("a\u{202e}b\u{200b}\u{a0}\u{2028}"), "a\\u{202e}b\\u{200b}\\u{a0}\\u{2028}");
        assert_eq!(defuse("a\r\n\tb\u{9b}"), "a\\r\\n\\tb\\u{9b}");
        assert_eq!(defuse("schlüssel-鍵 x"), "schlüssel-鍵 x");
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let shown = Shown::new(&"é".repeat(1000));
        assert_eq!(shown.as_str(), "é".repeat(64) + "…");
        assert_eq!(Shown::new(&"é".repeat(64)).as_str(), "é".repeat(64));
    }
}
