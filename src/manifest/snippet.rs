//! Where in the file a fault is, and the one line that is shown.
//!
//! A manifest may have ten million rows, so a fault cannot keep the file in memory; it keeps a short, defused
//! extract and gives miette its real file name, line and column.

use std::ops::Range;
use std::sync::Arc;

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use super::show::defuse;

/// How many characters are kept of the line before the cell, of the cell, and of the line after it: with the gutter little
/// more than a wide terminal's 132 columns, and 100 faults take well under 100 KB.
const BEFORE_MAX: usize = 40;
const CELL_MAX: usize = 60;
const BEHIND_MAX: usize = 24;

/// A place in a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Line, from 1. Every LF ends one, inside quotes too.
    pub line: u64,
    /// Column, from 1, in characters (Unicode scalar values); a byte order mark is not counted.
    pub column: u64,
    /// Offset from the start of the file, in bytes, from 0; a byte order mark is counted.
    pub offset: u64,
}

/// A stretch of text whose place in the file is known, so that the place of anything in it follows.
#[derive(Clone, Copy)]
pub(super) struct Extent<'a> {
    /// The text, which starts at the beginning of a line.
    pub(super) text: &'a str,
    /// The line `text` starts at, from 1.
    pub(super) line: u64,
    /// The byte offset `text` starts at.
    pub(super) offset: u64,
}

impl Extent<'_> {
    /// The place of byte `at` of the text.
    pub(super) fn place(&self, at: usize) -> Place {
        let before = &self.text[..at];
        let line_start = before.rfind('\n').map_or(0, |lf| lf + 1);
        Place {
            line: self.line + count(before.bytes().filter(|b| *b == b'\n')),
            column: 1 + count(before[line_start..].chars()),
            offset: self.offset + at as u64,
        }
    }

    /// The extract to show for the bytes `at` of the text: the line in which they start, shortened around them.
    pub(super) fn snippet(&self, file: &Arc<str>, at: Range<usize>) -> Snippet {
        let line_start = self.text[..at.start].rfind('\n').map_or(0, |lf| lf + 1);
        let rest = &self.text[at.end..];
        let line_end = at.end + rest.find('\n').map_or(rest.len(), |lf| lf);
        let mut text = tail(&self.text[line_start..at.start]);
        let label_start = text.len();
        text.push_str(&head(&self.text[at.clone()], CELL_MAX));
        let label = label_start..text.len();
        text.push_str(&head(self.text[at.end..line_end].trim_end_matches('\r'), BEHIND_MAX));
        Snippet { file: Arc::clone(file), text, label, place: self.place(at.start) }
    }
}

fn count(items: impl Iterator) -> u64 {
    items.count() as u64
}

/// The first characters of `text`, defused.
fn head(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => defuse(text),
        Some((end, _)) => defuse(&text[..end]) + "…",
    }
}

/// The last characters of `text`, defused.
fn tail(text: &str) -> String {
    match text.char_indices().nth_back(BEFORE_MAX) {
        None => defuse(text),
        Some((before, c)) => format!("…{}", defuse(&text[before + c.len_utf8()..])),
    }
}

/// One defused line of the manifest for miette, under the file's real name and numbering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snippet {
    file: Arc<str>,
    text: String,
    label: Range<usize>,
    place: Place,
}

impl Snippet {
    /// The part of the extract a label points at.
    pub(super) fn label(&self) -> Range<usize> {
        self.label.clone()
    }
}

impl SourceCode for Snippet {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        context_lines_before: usize,
        _context_lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let end = span.offset().checked_add(span.len()).ok_or(MietteError::OutOfBounds)?;
        if self.text.get(span.offset()..end).is_none() {
            return Err(MietteError::OutOfBounds);
        }
        // Without context miette asks for the label alone, to learn the column that it prints after the line.
        let (from, column) = if context_lines_before == 0 {
            (span.offset(), usize::try_from(self.place.column - 1).unwrap_or(usize::MAX))
        } else {
            (0, 0)
        };
        let line = usize::try_from(self.place.line - 1).unwrap_or(usize::MAX);
        let data = &self.text.as_bytes()[from..];
        let covered = (from, data.len()).into();
        Ok(Box::new(MietteSpanContents::new_named(self.file.to_string(), data, covered, line, column, 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_and_lines() {
        let extent = Extent { text: "ä,\"x\ny\",é,z\n", line: 7, offset: 100 };
        assert_eq!(extent.place(0), Place { line: 7, column: 1, offset: 100 });
        assert_eq!(extent.place(3), Place { line: 7, column: 3, offset: 103 });
        let z = extent.text.find('z').unwrap();
        assert_eq!(extent.place(z), Place { line: 8, column: 6, offset: 100 + z as u64 });
    }

    #[test]
    fn a_snippet_is_one_short_safe_line() {
        let text = format!("{}\x1b,\"a\nb\",{}\nnext", "x".repeat(500), "y".repeat(500));
        let at = text.find('"').unwrap();
        let extent = Extent { text: &text, line: 3, offset: 0 };
        let snippet = extent.snippet(&"m.csv".into(), at..at + 5);
        assert_eq!(&snippet.text[snippet.label()], "\"a\\nb\"");
        assert!(snippet.text.contains("\\u{1b}"));
        assert!(!snippet.text.contains("next") && snippet.text.len() < 200, "{}", snippet.text);
        assert_eq!(snippet.place, Place { line: 3, column: 503, offset: 502 });
    }
}
