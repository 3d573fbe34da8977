//! Reads record after record with the csv crate, and is strict where that crate is lenient.
//!
//! The csv crate says where a record ends and what its fields' values are. Here each record is compared with its
//! text as written, which shows where in the file a field is, and whether the quoting conforms to RFC 4180: anything else
//! (a quote that never closes, text around quotes, a lone CR) is a fault; nothing is guessed. Beyond the RFC, LF ends a
//! line as CRLF does, and empty lines are skipped.

use std::io::{self, Read};
use std::ops::Range;

use csv::{ByteRecord, Reader, ReaderBuilder, Terminator};

use super::fault::Faults;
use super::kind::FaultKind;
use super::limits::{MAX_FIELD_BYTES, MAX_RECORD_BYTES};
use super::snippet::{Extent, Place};
use super::source::Source;
use super::trouble::Encoding;

/// How many bytes are read at a time: enough to make system calls rare, few compared with one record's limit.
const CHUNK_BYTES: usize = 128 * 1024;

/// What [`Scanner::next`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scanned {
    /// A well-formed record.
    Record,
    /// A record whose quoting is wrong. The fault has been reported; the record's fields are a guess.
    Malformed,
    /// The end of the input.
    End,
    /// A fault after which nothing can be read reliably. It has been reported.
    Stopped,
}

/// One field of the current record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    /// Its position in the record's text, quotes included.
    pub(super) span: Range<usize>,
    /// The position of its value in [`Scanner::values`].
    value: Range<usize>,
}

impl Cell {
    /// The field's value, from all the record's `values`.
    pub(super) fn value<'v>(&self, values: &'v str) -> &'v str {
        &values[self.value.clone()]
    }
}

/// A fault and where in the record it begins.
type Wrong = (FaultKind, usize);

/// Reads one record after the other.
pub(super) struct Scanner<R> {
    csv: Reader<Source<R>>,
    record: ByteRecord,
    text: String,
    values: String,
    cells: Vec<Cell>,
    /// The first fault in the quoting; later ones only follow from it.
    malformed: Option<Wrong>,
    start: u64,
    line: u64,
}

impl<R: Read> Scanner<R> {
    pub(super) fn new(input: R) -> Self {
        let csv = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            // Not `CRLF`, which treats a lone CR as a line end without counting a line.
            .terminator(Terminator::Any(b'\n'))
            .buffer_capacity(CHUNK_BYTES)
            .from_reader(Source::new(input));
        Self {
            csv,
            record: ByteRecord::new(),
            text: String::new(),
            values: String::new(),
            cells: Vec::new(),
            malformed: None,
            start: 0,
            line: 1,
        }
    }

    /// Reads up to the end of the next record that is not a blank line.
    pub(super) fn next(&mut self, faults: &mut Faults) -> io::Result<Scanned> {
        loop {
            let start = self.csv.position().byte();
            self.csv.get_mut().begin_record(start);
            if !self.csv.read_byte_record(&mut self.record).map_err(input_error)? {
                return Ok(match self.csv.get_ref().foreign() {
                    None => Scanned::End,
                    Some(encoding) => {
                        faults.push_bare(FaultKind::Encoding(encoding), Place { line: 1, column: 1, offset: 0 });
                        Scanned::Stopped
                    }
                });
            }
            if let Some((kind, at)) = self.decode() {
                self.report(kind, at, faults);
                return Ok(Scanned::Stopped);
            }
            if self.text == "\r\n" {
                continue;
            }
            let fatal = self.locate();
            let malformed = self.malformed.take();
            let sound = malformed.is_none();
            if let Some((kind, at)) = malformed {
                self.report(kind, at, faults);
            }
            return Ok(match fatal {
                Some((kind, span)) => {
                    faults.push_at(kind, self.extent(), span);
                    Scanned::Stopped
                }
                None if sound => Scanned::Record,
                None => Scanned::Malformed,
            });
        }
    }

    /// The current record's fields.
    pub(super) fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// What [`Cell::value`] is taken from.
    pub(super) fn values(&self) -> &str {
        &self.values
    }

    /// The current record's text with its place in the file.
    pub(super) fn extent(&self) -> Extent<'_> {
        Extent { text: &self.text, line: self.line, offset: self.start }
    }

    /// Where the current record's last field ends: the record's length without its line end.
    pub(super) fn content_end(&self) -> usize {
        let text = self.text.as_str();
        text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line)).len()
    }

    /// Bytes read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.csv.get_ref().bytes_read()
    }

    /// Length and SHA-256 of everything that was read.
    pub(super) fn into_digest(self) -> (u64, String) {
        (self.bytes(), self.csv.get_ref().sha256())
    }

    /// Takes the record's text and its place; returns a fault if it is not text.
    fn decode(&mut self) -> Option<Wrong> {
        let (end, end_line) = (self.csv.position().byte(), self.csv.position().line());
        let raw = self.csv.get_mut().record(end);
        self.start = end - raw.len() as u64;
        self.line = end_line - raw.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.text.clear();
        let mut wrong = None;
        match std::str::from_utf8(raw) {
            Ok(text) => self.text.push_str(text),
            // Half a character at the record's limit is not a fault of the file; it is replaced.
            Err(error) if error.error_len().is_none() && raw.len() > MAX_RECORD_BYTES => {
                let (good, half) = raw.split_at(error.valid_up_to());
                self.text.push_str(&String::from_utf8_lossy(good));
                self.text.extend(half.iter().map(|_| '?'));
            }
            Err(error) => {
                let at = error.valid_up_to();
                self.text.push_str(&String::from_utf8_lossy(raw));
                wrong = Some((FaultKind::Encoding(Encoding::OneByte(raw[at])), at));
            }
        }
        let text = wrong.as_ref().map_or(self.text.as_str(), |(_, at)| &self.text[..*at]);
        text.find('\0').map(|at| (FaultKind::Nul, at)).or(wrong)
    }

    /// Finds each field of the record in its text. Records what is malformed, and returns what is fatal.
    fn locate(&mut self) -> Option<(FaultKind, Range<usize>)> {
        self.values.clear();
        self.values.push_str(&String::from_utf8_lossy(self.record.as_slice()));
        self.cells.clear();
        self.malformed = None;
        let too_long = self.text.len() > MAX_RECORD_BYTES;
        let crlf = self.text.ends_with("\r\n");
        let (mut from, mut value_from) = (0, 0);
        for (index, value) in self.record.iter().enumerate() {
            let cr = crlf && index + 1 == self.record.len() && value.ends_with(b"\r");
            let len = value.len() - usize::from(cr);
            let (end, wrong) = place(&self.text, from, len);
            if end - from > MAX_FIELD_BYTES {
                // Its other faults follow from that: the quote that ends it was meant to begin another field.
                let quoted = self.text[from..].starts_with('"');
                return Some((FaultKind::FieldTooLong { quoted }, from..end));
            }
            match wrong {
                // If the record was cut off, the quote may still close after that.
                Some((FaultKind::QuoteUnclosed, _)) if too_long => {}
                Some((kind @ FaultKind::QuoteUnclosed, at)) => return Some((kind, at..at + 1)),
                wrong => self.malformed = self.malformed.take().or(wrong),
            }
            self.cells.push(Cell { span: from..end, value: value_from..value_from + len });
            (from, value_from) = (end + 1, value_from + len);
        }
        too_long.then(|| (FaultKind::RecordTooLong, 0..self.content_end()))
    }

    fn report(&self, kind: FaultKind, at: usize, faults: &mut Faults) {
        let width = self.text[at..].chars().next().map_or(0, char::len_utf8);
        faults.push_at(kind, self.extent(), at..at + width);
    }
}

/// Where the field with a value of `len` bytes ends, that begins at byte `from` of `text`, and what is wrong with it.
fn place(text: &str, from: usize, len: usize) -> (usize, Option<Wrong>) {
    if !text[from..].starts_with('"') {
        let end = from + len;
        let find = |wanted: char| text[from..end].find(wanted).map(|at| from + at);
        let quote = find('"').map(|at| (FaultKind::QuoteInBareField, at));
        return (end, quote.or_else(|| find('\r').map(|at| (FaultKind::BareCarriageReturn, at))));
    }
    let (mut closed, mut doubled) = (from + 1, 0);
    while let Some(quote) = text[closed..].find('"') {
        closed += quote + 1;
        if !text[closed..].starts_with('"') {
            // The rest of the value came after the quotes.
            let end = from + len + doubled + 2;
            return (end, (end > closed).then_some((FaultKind::TextAfterQuote, closed)));
        }
        (closed, doubled) = (closed + 1, doubled + 1);
    }
    (text.len(), Some((FaultKind::QuoteUnclosed, from)))
}

fn input_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
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
            let values = scanner.cells.iter().map(|cell| cell.value(&scanner.values).to_owned()).collect();
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
    fn fields_behind_a_malformed_one_are_found() {
        for (input, code) in [
            ("\"a\"b\"\",\",\"\"x\"\r\n", "manifest::text_after_quote"),
            ("\"\"\"a\"\"\"b,\",\"\"x\"", "manifest::text_after_quote"),
            ("a\"\"b,\",\"\"x\"\n", "manifest::quote_in_bare_field"),
        ] {
            let (records, faults) = scan(input.as_bytes());
            assert_eq!((records[0].1[1].as_str(), faults), (",\"x", vec![code]), "{input:?}");
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

        // A quote that never closes and another one much later are one fault.
        let swallowed = format!("a\n\"{}\"x\",b\n", "b\n".repeat(MAX_FIELD_BYTES));
        assert_eq!(scan(swallowed.as_bytes()).1, ["manifest::field_too_long"]);

        let most = format!("{}\n", ",".repeat(MAX_RECORD_BYTES - 1));
        assert_eq!(records(&format!("\u{feff}{most}{most}")).len(), 2);
        assert_eq!(scan(format!("{most},{most}").as_bytes()).1, ["manifest::record_too_long"]);
        // It is unknown whether a quote closes after the limit.
        let open = format!("{}\"{}", ",".repeat(MAX_RECORD_BYTES - 9), "x".repeat(99));
        let lines = "\n".repeat(3 * MAX_RECORD_BYTES);
        assert_eq!(scan(format!("{lines}{open}{lines}").as_bytes()).1, ["manifest::field_too_long"]);
        assert_eq!(scan(format!("{open}\",{most}").as_bytes()).1, ["manifest::record_too_long"]);
        assert_eq!(records(&format!("{lines}a{lines}")), [(3 * MAX_RECORD_BYTES as u64 + 1, owned(&["a"]))]);
        // A character that the limit cuts in two is not mistaken for another encoding.
        for shift in 0..4 {
            let cut = format!("{}{}", ",".repeat(MAX_RECORD_BYTES - shift), "🔑".repeat(MAX_FIELD_BYTES / 4));
            assert_eq!(scan(cut.as_bytes()).1, ["manifest::record_too_long"], "{shift}");
        }
    }
}
