//! The text of a settings file, and what is wrong with it: each fault with its place, for people and for programs.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode,
    SourceSpan, SpanContents,
};

use crate::manifest::{defuse, secret_in};

/// How many characters of a line are shown.
const LINE_MAX: usize = 200;

/// The characters of an access key's secret.
const SECRET_CHARS: usize = 40;

/// The text of a file, under the name by which messages call it.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// The name of the file, for messages and for origins.
    pub(crate) name: Arc<str>,
    /// Its text, without a byte order mark.
    pub(crate) text: Arc<str>,
}

impl Source {
    /// A fault at these bytes of the text. `code` is a stable word, such as `settings.unknown`.
    pub(crate) fn fault(&self, at: Range<usize>, code: &'static str, message: impl Into<String>) -> FileFault {
        let (line, column) = self.place(at.start);
        FileFault {
            file: defuse(&self.name),
            line,
            column,
            code,
            message: message.into(),
            hint: String::new(),
            snippet: self.snippet(at, line),
        }
    }

    /// The line of a byte of the text, from 1.
    pub(crate) fn line(&self, at: usize) -> u64 {
        self.place(at).0
    }

    /// Line and column (in characters) of a byte of the text, both from 1.
    fn place(&self, at: usize) -> (u64, u64) {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let start = before.rfind('\n').map_or(0, |lf| lf + 1);
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        (line as u64, 1 + before[start..].chars().count() as u64)
    }

    /// The line of the first byte with a mark under the range, unless it may hold a secret.
    fn snippet(&self, at: Range<usize>, line: u64) -> Option<Snippet> {
        let start = self.text.get(..at.start)?.rfind('\n').map_or(0, |lf| lf + 1);
        let whole = self.text[start..].lines().next().unwrap_or_default();
        let (from, until) = (at.start - start, at.end.max(at.start + 1) - start);
        let (before, marked) = whole.split_at_checked(from)?;
        let (marked, after) = marked.split_at_checked(until.min(whole.len()).checked_sub(from)?)?;
        if whole.chars().count() > LINE_MAX || may_hold_a_secret(whole) {
            return None;
        }
        let mut text = defuse(before);
        let label = text.len();
        text += &defuse(marked);
        let label = label..text.len();
        text += &defuse(after);
        Some(Snippet { file: defuse(&self.name), text, label, line: usize::try_from(line - 1).ok()? })
    }
}

/// Whether a line or a value is not shown: it holds a secret, or a word as long as the secret of an access key.
pub(crate) fn may_hold_a_secret(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    secret_in(text).is_some() || text.split(|c| !is_part(c)).any(|word| word.len() >= SECRET_CHARS)
}

/// One line of the file, under the file's name and with its number.
#[derive(Debug, Clone)]
struct Snippet {
    file: String,
    text: String,
    label: Range<usize>,
    /// From 0.
    line: usize,
}

impl SourceCode for Snippet {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        context_lines_before: usize,
        _context_lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let end = span.offset().checked_add(span.len()).ok_or(MietteError::OutOfBounds)?;
        let before = self.text.get(..span.offset()).ok_or(MietteError::OutOfBounds)?;
        self.text.get(..end).ok_or(MietteError::OutOfBounds)?;
        // Without context miette asks for the label alone, to learn the column that it prints after the line.
        let (from, column) = if context_lines_before == 0 { (span.offset(), before.chars().count()) } else { (0, 0) };
        let data = &self.text.as_bytes()[from..];
        let covered = (from, data.len()).into();
        Ok(Box::new(MietteSpanContents::new_named(self.file.clone(), data, covered, self.line, column, 1)))
    }
}

/// One fault of a file of settings. `Display` is the sentence alone.
#[derive(Debug, Clone)]
pub(crate) struct FileFault {
    /// The name of the file; it cannot control a terminal.
    pub(crate) file: String,
    /// Line, from 1.
    pub(crate) line: u64,
    /// Column in characters, from 1.
    pub(crate) column: u64,
    /// A stable word for programs.
    pub(crate) code: &'static str,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do about it; may be empty.
    pub(crate) hint: String,
    snippet: Option<Snippet>,
}

impl FileFault {
    /// A fault of a file whose text could not be read.
    pub(crate) fn of_file(file: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            file: defuse(file),
            line: 1,
            column: 1,
            code,
            message: message.into(),
            hint: String::new(),
            snippet: None,
        }
    }

    /// Says what to do about it.
    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// For people: the fault with the line that it is in, as wide as a terminal. It cannot control one.
    pub(crate) fn report(&self, theme: GraphicalTheme, width: usize) -> String {
        let mut report = String::new();
        // Writing to a String cannot fail.
        let _ = GraphicalReportHandler::new_themed(theme).with_width(width).render_report(&mut report, self);
        report
    }
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.snippet.is_some() {
            return f.write_str(&defuse(&self.message));
        }
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, defuse(&self.message))
    }
}

impl std::error::Error for FileFault {}

impl Diagnostic for FileFault {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (!self.hint.is_empty()).then(|| Box::new(defuse(&self.hint)) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.snippet.as_ref().map(|snippet| snippet as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = self.snippet.as_ref()?.label.clone();
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(Some("here".into()), label))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source { name: "k.toml".into(), text: text.into() }
    }

    #[test]
    fn a_fault_has_line_and_column_in_characters() {
        let source = source("a = 1\nä = \"x\" y\n");
        let at = source.text.find('y').unwrap();
        let fault = source.fault(at..at + 1, "settings.syntax", "wrong");
        assert_eq!((fault.line, fault.column), (2, 9));
        assert!(fault.snippet.is_some());
        let end = source.text.len();
        assert_eq!(source.fault(end..end, "settings.syntax", "ends").line, 3);
    }

    #[test]
    fn a_line_that_may_hold_a_secret_is_not_shown() {
        let secret = "key = \"wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00\"\n";
        assert!(source(secret).fault(0..3, "settings.unknown", "unknown").snippet.is_none());
        assert!(source("key = \"x\"\n").fault(0..3, "settings.unknown", "unknown").snippet.is_some());
    }
}
