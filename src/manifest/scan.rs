//! Splits the input into records and fields, strictly as RFC 4180 has it, one record in memory at a time.
//!
//! It is written here and not taken from the csv crate because that one is lenient where this must not be (a quote
//! that never closes, text around quotes, a lone CR), buffers a record of any length, and cannot say where in the
//! file a field begins. Beyond the RFC it takes LF as well as CRLF, and skips lines without a single character.

use std::borrow::Cow;
use std::io::{self, Read};
use std::ops::Range;

use super::fault::Faults;
use super::kind::FaultKind;
use super::snippet::{Extent, Place};
use super::source::Source;
use super::trouble::Encoding;

/// Longest record, its line end included. A row of names, ARN and a ticket is under 1 KiB; a thousand times that is
/// no manifest but a quote that never closes or a file without line ends, and must not be gathered in memory.
pub const MAX_RECORD_BYTES: usize = 1024 * 1024;

/// Longest field as written, quotes included: the longest meaningful one (a name) has 255 bytes, an annotation may
/// be a page of text. It is what an unclosed quote runs into first.
pub const MAX_FIELD_BYTES: usize = 64 * 1024;

const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";

/// What [`Scanner::next`] came upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scanned {
    /// A record, ready to be looked at.
    Record,
    /// A record whose quoting is wrong. The fault is reported; what its fields are is a guess.
    Malformed,
    /// The end of the input.
    End,
    /// A fault behind which nothing can be made out. It is reported.
    Stopped,
}

/// One field of the current record, as a stretch of its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    /// The field as written, quotes included.
    pub(super) span: Range<usize>,
}

impl Cell {
    /// The field's value in the record's `text`: without quotes, doubled ones single.
    pub(super) fn value<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let written = &text[self.span.clone()];
        match written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            None => Cow::Borrowed(written),
            Some(inner) if inner.contains('"') => Cow::Owned(inner.replace("\"\"", "\"")),
            Some(inner) => Cow::Borrowed(inner),
        }
    }
}

/// Reads one record after the other.
pub(super) struct Scanner<R> {
    source: Source<R>,
    piece: Vec<u8>,
    text: String,
    cells: Vec<Cell>,
    /// Where the field that is being read begins in `text`.
    field: usize,
    /// In a quoted field: where to look for its closing quote next, so that no byte is looked at twice.
    open: Option<usize>,
    malformed: Option<(FaultKind, usize)>,
    start: u64,
    line: u64,
    lines: u64,
}

impl<R: Read> Scanner<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            source: Source::new(input),
            piece: Vec::new(),
            text: String::new(),
            cells: Vec::new(),
            field: 0,
            open: None,
            malformed: None,
            start: 0,
            line: 1,
            lines: 0,
        }
    }

    /// Reads up to the end of the next record that is not a blank line.
    pub(super) fn next(&mut self, faults: &mut Faults) -> io::Result<Scanned> {
        self.begin();
        loop {
            // One byte more than allowed shows that there is more; a byte order mark does not count.
            let limit = MAX_RECORD_BYTES + 1 - self.text.len() + if self.lines == 0 { UTF8_BOM.len() } else { 0 };
            self.source.line(limit, &mut self.piece)?;
            if self.piece.is_empty() {
                return Ok(self.finish(faults));
            }
            if !self.decode(faults) {
                return Ok(Scanned::Stopped);
            }
            if self.open.is_none() && matches!(self.text.as_str(), "" | "\n" | "\r\n") {
                self.begin();
                continue;
            }
            let complete = self.split();
            if let Some((kind, at)) = self.excess(complete) {
                self.report_malformed(faults);
                faults.push_at(kind, self.extent(), at);
                return Ok(Scanned::Stopped);
            }
            if complete {
                let sound = !self.report_malformed(faults);
                return Ok(if sound { Scanned::Record } else { Scanned::Malformed });
            }
        }
    }

    /// The current record's fields.
    pub(super) fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The current record's text with its place in the file.
    pub(super) fn extent(&self) -> Extent<'_> {
        Extent { text: &self.text, line: self.line, offset: self.start }
    }

    /// Where the current record's last field ends, that is, the record without its line end.
    pub(super) fn content_end(&self) -> usize {
        let text = self.text.as_str();
        text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line)).len()
    }

    /// Bytes read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.source.bytes()
    }

    /// Length and SHA-256 of all that was read.
    pub(super) fn into_digest(self) -> (u64, String) {
        (self.source.bytes(), self.source.sha256())
    }

    fn begin(&mut self) {
        self.text.clear();
        self.cells.clear();
        self.field = 0;
        self.open = None;
        self.malformed = None;
        self.start = self.source.bytes();
        self.line = self.lines + 1;
    }

    /// The end of the input: harmless between records, a fault inside quotes.
    fn finish(&mut self, faults: &mut Faults) -> Scanned {
        if self.open.is_none() {
            return Scanned::End;
        }
        self.report_malformed(faults);
        faults.push_at(FaultKind::QuoteUnclosed, self.extent(), self.field..self.field + 1);
        Scanned::Stopped
    }

    /// Appends the piece to the record's text, or reports why it is none.
    fn decode(&mut self, faults: &mut Faults) -> bool {
        let mut piece = self.piece.as_slice();
        if self.lines == 0 {
            if let Some(encoding) = foreign(piece) {
                faults.push_bare(FaultKind::Encoding(encoding), Place { line: 1, column: 1, offset: 0 });
                return false;
            }
            if let Some(rest) = piece.strip_prefix(UTF8_BOM) {
                piece = rest;
                self.start += UTF8_BOM.len() as u64;
            }
        }
        self.lines += 1;
        let before = self.text.len();
        let (good, bad) = match std::str::from_utf8(piece) {
            Ok(good) => (good, None),
            Err(error) => {
                let (good, bad) = piece.split_at(error.valid_up_to());
                // Where the record's limit cut the piece off, half a character is no fault of the file: it is made
                // a whole one, which leaves the record as much too long as it was.
                let cut = error.error_len().is_none() && before + piece.len() > MAX_RECORD_BYTES;
                (std::str::from_utf8(good).unwrap_or_default(), if cut { None } else { bad.first().copied() })
            }
        };
        self.text.push_str(good);
        let (kind, at) = match (good.find('\0'), bad) {
            (Some(at), _) => (FaultKind::Nul, before + at),
            (None, Some(byte)) => (FaultKind::Encoding(Encoding::OneByte(byte)), self.text.len()),
            (None, None) => {
                if good.len() < piece.len() {
                    self.text.push(char::REPLACEMENT_CHARACTER);
                }
                return true;
            }
        };
        self.text.push_str(&String::from_utf8_lossy(&piece[good.len()..]));
        let width = self.text[at..].chars().next().map_or(0, char::len_utf8);
        faults.push_at(kind, self.extent(), at..at + width);
        false
    }

    /// Splits what is there into fields, and returns whether the record is complete.
    fn split(&mut self) -> bool {
        let end = self.content_end();
        // Most records have neither, and are spared a search in every field.
        let suspicious = self.text.contains('"') || self.text[..end].contains('\r');
        loop {
            let field_end = if self.text.as_bytes().get(self.field) == Some(&b'"') {
                match self.closing_quote() {
                    None => return false,
                    Some(closed) if closed == end || self.text.as_bytes()[closed] == b',' => closed,
                    Some(closed) => {
                        self.note_malformed(FaultKind::TextAfterQuote, closed);
                        self.comma_or(end, closed)
                    }
                }
            } else {
                let bare_end = self.comma_or(end, self.field);
                if suspicious {
                    self.check_bare(self.field..bare_end);
                }
                bare_end
            };
            self.cells.push(Cell { span: self.field..field_end });
            if field_end == end {
                return true;
            }
            self.field = field_end + 1;
        }
    }

    /// The end of the quoted field, just behind its closing quote, if that has been read.
    fn closing_quote(&mut self) -> Option<usize> {
        let mut from = self.open.unwrap_or(self.field + 1);
        loop {
            let Some(quote) = self.text[from..].find('"').map(|at| from + at) else {
                self.open = Some(self.text.len());
                return None;
            };
            if self.text.as_bytes().get(quote + 1) != Some(&b'"') {
                self.open = None;
                return Some(quote + 1);
            }
            from = quote + 2;
        }
    }

    fn comma_or(&self, end: usize, from: usize) -> usize {
        self.text[from..end].find(',').map_or(end, |at| from + at)
    }

    fn check_bare(&mut self, field: Range<usize>) {
        let (start, written) = (field.start, &self.text[field]);
        if let Some(quote) = written.find('"') {
            self.note_malformed(FaultKind::QuoteInBareField, start + quote);
        } else if let Some(cr) = written.find('\r') {
            self.note_malformed(FaultKind::BareCarriageReturn, start + cr);
        }
    }

    /// Keeps the first such fault of a record: the later ones only follow from it.
    fn note_malformed(&mut self, kind: FaultKind, at: usize) {
        if self.malformed.is_none() {
            self.malformed = Some((kind, at));
        }
    }

    fn report_malformed(&mut self, faults: &mut Faults) -> bool {
        let Some((kind, at)) = self.malformed.take() else { return false };
        let width = self.text[at..].chars().next().map_or(0, char::len_utf8);
        faults.push_at(kind, self.extent(), at..at + width);
        true
    }

    /// The first field that is too long, or the record itself.
    fn excess(&self, complete: bool) -> Option<(FaultKind, Range<usize>)> {
        // A record within a field's limit, and that is nearly every one, has no field beyond it.
        if self.text.len() <= MAX_FIELD_BYTES {
            return None;
        }
        let unfinished = (!complete).then_some(self.field..self.text.len());
        let spans = self.cells.iter().map(|cell| cell.span.clone()).chain(unfinished);
        if let Some(span) = spans.into_iter().find(|span| span.len() > MAX_FIELD_BYTES) {
            let quoted = self.text[span.clone()].starts_with('"');
            return Some((FaultKind::FieldTooLong { quoted }, span));
        }
        (self.text.len() > MAX_RECORD_BYTES).then(|| (FaultKind::RecordTooLong, 0..self.content_end()))
    }
}

/// Recognizes by its first bytes what is often mistaken for a CSV file.
fn foreign(start: &[u8]) -> Option<Encoding> {
    match start {
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => Some(Encoding::Utf32),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Some(Encoding::Utf16),
        [0, a, 0, b, ..] | [a, 0, b, 0, ..] if a.is_ascii_graphic() && b.is_ascii_graphic() => Some(Encoding::Utf16),
        [b'P', b'K', 3, 4, ..] => Some(Encoding::Zip),
        [0x1F, 0x8B, ..] => Some(Encoding::Gzip),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every record's line and values, then the codes of what was reported.
    fn scan(input: &[u8]) -> (Vec<(u64, Vec<String>)>, Vec<&'static str>) {
        let mut faults = Faults::new("m.csv");
        let mut scanner = Scanner::new(input);
        let mut records = Vec::new();
        while let Scanned::Record | Scanned::Malformed = scanner.next(&mut faults).unwrap() {
            let values = scanner.cells.iter().map(|cell| cell.value(&scanner.text).into_owned()).collect();
            records.push((scanner.line, values));
        }
        (records, faults.kept().iter().map(|fault| fault.kind().code()).collect())
    }

    fn records(input: &str) -> Vec<(u64, Vec<String>)> {
        let (records, faults) = scan(input.as_bytes());
        assert_eq!(faults, Vec::<&str>::new(), "{input:?}");
        records
    }

    fn owned(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn fields_and_line_ends() {
        for input in ["a,b\nc,", "a,b\r\nc,\r\n", "\u{feff}a,b\nc,\n", "\u{feff}\"a\",b\n\"c\",\"\""] {
            assert_eq!(records(input), [(1, owned(&["a", "b"])), (2, owned(&["c", ""]))], "{input:?}");
        }
        assert_eq!(
            records("\"a,\"\"b\"\"\r\nc\",\"\"\"\"\nd\n"),
            [(1, owned(&["a,\"b\"\r\nc", "\""])), (3, owned(&["d"]))]
        );
    }

    #[test]
    fn blank_lines_are_skipped_and_counted() {
        assert_eq!(records("\n\r\na\n\n\n\"\"\n \n"), [(3, owned(&["a"])), (6, owned(&[""])), (7, owned(&[" "]))]);
        assert_eq!(records("\u{feff}\n\n"), []);
        assert_eq!(records(""), []);
    }

    #[test]
    fn quoting_faults() {
        for (input, code) in [
            ("a,\"b", "manifest::quote_unclosed"),
            ("a,\"b\n\n\n", "manifest::quote_unclosed"),
            ("\"a\"b,c", "manifest::text_after_quote"),
            ("\"a\" ,c", "manifest::text_after_quote"),
            ("a\"b,c", "manifest::quote_in_bare_field"),
            (" \"a\"", "manifest::quote_in_bare_field"),
            ("a\rb\rc", "manifest::bare_carriage_return"),
            ("a\r\r\n", "manifest::bare_carriage_return"),
            ("a\r", "manifest::bare_carriage_return"),
            ("a\0b", "manifest::nul"),
            ("a\n\0b", "manifest::nul"),
        ] {
            assert_eq!(scan(input.as_bytes()).1, [code], "{input:?}");
        }
    }

    #[test]
    fn other_encodings() {
        for input in [
            &b"\xff\xfen\0a\0"[..],
            b"\xfe\xff\0n",
            b"\xff\xfe\0\0n\0\0\0",
            b"\0\0\xfe\xff",
            b"n\0a\0m\0e\0",
            b"\0n\0a",
            b"PK\x03\x04....",
            b"\x1f\x8b\x08",
            b"name\nschl\xfcssel\n",
            b"name\nab\xe2\x82",
            b"\xef\xbb\xbf\xff",
        ] {
            assert_eq!(scan(input).1, ["manifest::encoding"], "{input:?}");
        }
    }

    #[test]
    fn limits() {
        let field = "x".repeat(MAX_FIELD_BYTES);
        assert_eq!(records(&format!("{field},b\n"))[0].1[1], "b");
        assert_eq!(scan(format!("a\n{field}x,b\n").as_bytes()).1, ["manifest::field_too_long"]);
        assert_eq!(scan(format!("a\n\"{}", "b\n".repeat(MAX_FIELD_BYTES)).as_bytes()).1, ["manifest::field_too_long"]);

        let most = format!("{}\n", ",".repeat(MAX_RECORD_BYTES - 1));
        assert_eq!(records(&format!("\u{feff}{most}{most}")).len(), 2);
        assert_eq!(scan(format!("{most},{most}").as_bytes()).1, ["manifest::record_too_long"]);
        // A character that the limit cuts in two is not taken for another encoding.
        for shift in 0..4 {
            let cut = format!("{}{}", ",".repeat(MAX_RECORD_BYTES - shift), "🔑".repeat(9));
            assert_eq!(scan(cut.as_bytes()).1, ["manifest::record_too_long"], "{shift}");
        }
    }
}
