//! The input as the CSV reader gets it: every byte is counted and hashed, the bytes of the current record are kept so that
//! it can be examined as written, and the input seems to end if a record grows beyond its limit.
//!
//! Nothing else is kept, and the input is read once, so standard input works like a file.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use super::limits::MAX_RECORD_BYTES;
use super::trouble::Encoding;

const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";

/// Bytes that must be seen at once at the start: the longest byte order mark. The csv crate, too, recognizes its
/// byte order mark only in one piece, and treats an input that pauses after it as empty.
const SNIFF_BYTES: usize = 4;

/// Counts and hashes everything that is read through it, and keeps the current record.
pub(super) struct Source<R> {
    input: R,
    digest: Sha256,
    bytes: u64,
    /// The last bytes handed out: at most one record's limit and one read.
    kept: Vec<u8>,
    /// Where the current record starts in `kept`.
    start: usize,
    foreign: Option<Encoding>,
}

impl<R: Read> Source<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, digest: Sha256::new(), bytes: 0, kept: Vec::new(), start: 0, foreign: None }
    }

    /// Lets the next record start at `offset` of the file, or after the blank lines there.
    pub(super) fn begin_record(&mut self, offset: u64) {
        self.start = self.index(offset);
    }

    /// The current record as written, including its line end, if it ends just before `offset`. Without a byte order mark
    /// and without the blank lines before it.
    pub(super) fn record(&mut self, offset: u64) -> &[u8] {
        self.skip_blank_lines();
        &self.kept[self.start..self.index(offset)]
    }

    /// What the input is, if it is not a CSV file; then no byte was handed out.
    pub(super) fn foreign(&self) -> Option<Encoding> {
        self.foreign
    }

    /// Bytes read so far.
    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes
    }

    /// SHA-256 of all that was read, in lower-case hexadecimal.
    pub(super) fn sha256(&self) -> String {
        self.digest.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn index(&self, offset: u64) -> usize {
        self.kept.len() - (self.bytes - offset) as usize
    }

    /// The csv crate skips them as part of the record after them, which must not count against its limit.
    fn skip_blank_lines(&mut self) {
        self.start += self.kept[self.start..].iter().take_while(|byte| **byte == b'\n').count();
    }

    /// Reads at least `least` bytes, or up to the end of the input.
    fn fill(&mut self, buf: &mut [u8], least: usize) -> io::Result<usize> {
        let mut filled = 0;
        while filled < least.min(buf.len()) {
            match self.input.read(&mut buf[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

impl<R: Read> Read for Source<R> {
    /// Called when everything handed out is used up and the current record has not ended.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.skip_blank_lines();
        self.kept.drain(..self.start);
        self.start = 0;
        if self.kept.len() > MAX_RECORD_BYTES {
            return Ok(0);
        }
        let first = self.bytes == 0;
        let n = self.fill(buf, if first { SNIFF_BYTES } else { 1 })?;
        let piece = &buf[..n];
        self.digest.update(piece);
        self.bytes += n as u64;
        self.kept.extend_from_slice(piece);
        if first {
            self.foreign = foreign(piece);
            self.start = if piece.starts_with(UTF8_BOM) { UTF8_BOM.len() } else { 0 };
        }
        Ok(if self.foreign.is_some() { 0 } else { n })
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

    #[test]
    fn the_record_is_kept_and_all_is_counted_and_hashed() {
        let input = b"\xEF\xBB\xBF\n\nab\ncdefgh";
        let mut source = Source::new(&input[..]);
        let mut buf = [0; 8];
        assert_eq!(source.read(&mut buf).unwrap(), 8);
        assert_eq!(source.record(8), b"ab\n");
        source.begin_record(8);
        assert_eq!((source.read(&mut buf).unwrap(), source.read(&mut buf).unwrap()), (6, 0));
        assert_eq!(source.record(14), b"cdefgh");
        assert_eq!(source.bytes_read(), 14);
        let whole: String = Sha256::digest(input).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(source.sha256(), whole);
    }

    #[test]
    fn a_record_without_end_ends_the_input() {
        let read = |byte| io::copy(&mut Source::new(io::repeat(byte).take(9_999_999)), &mut io::sink()).unwrap();
        assert!((1 + MAX_RECORD_BYTES as u64..2 * MAX_RECORD_BYTES as u64).contains(&read(b'x')));
        assert_eq!(read(b'\n'), 9_999_999);
    }

    #[test]
    fn interruptions_and_short_reads_are_overcome() {
        struct Slow<'a>(&'a [u8], bool);
        impl Read for Slow<'_> {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.1 = !self.1;
                if self.1 { Err(io::ErrorKind::Interrupted.into()) } else { self.0.read(&mut buf[..1]) }
            }
        }
        let mut buf = [0; 8];
        assert_eq!(Source::new(Slow(b"\xEF\xBB\xBFab", false)).read(&mut buf).unwrap(), SNIFF_BYTES);
        assert_eq!(Source::new(Slow(b"\xEF\xBB\xBF", false)).read(&mut buf).unwrap(), 3);
        assert_eq!(Source::new(Slow(b"\xFF\xFE", false)).read(&mut buf).unwrap(), 0);
    }
}
