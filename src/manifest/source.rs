//! The input, read once: every line that is taken from it is counted and hashed on the way. Nothing is kept, so
//! standard input serves as well as a file.

use std::io::{self, BufRead as _, BufReader, Read};

use sha2::{Digest as _, Sha256};

/// Bytes asked of the input at a time: large enough to make system calls rare, small next to one record's limit.
const CHUNK_BYTES: usize = 128 * 1024;

/// Counts and hashes all that is read through it.
pub(super) struct Source<R> {
    input: BufReader<R>,
    digest: Sha256,
    bytes: u64,
}

impl<R: Read> Source<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input: BufReader::with_capacity(CHUNK_BYTES, input), digest: Sha256::new(), bytes: 0 }
    }

    /// Replaces `line` with the next line, its LF included, or with as much of it as `limit` allows.
    ///
    /// An empty `line` afterwards means the end of the input.
    pub(super) fn line(&mut self, limit: usize, line: &mut Vec<u8>) -> io::Result<()> {
        line.clear();
        self.input.by_ref().take(limit as u64).read_until(b'\n', line)?;
        self.digest.update(&line);
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Bytes read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// SHA-256 of all that was read, in lower-case hexadecimal.
    pub(super) fn sha256(self) -> String {
        self.digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_counted_and_hashed() {
        let mut source = Source::new(&b"abc\ndefghi"[..]);
        let mut line = Vec::new();
        let mut seen = Vec::new();
        loop {
            source.line(4, &mut line).unwrap();
            if line.is_empty() {
                break;
            }
            seen.push(String::from_utf8(line.clone()).unwrap());
        }
        assert_eq!(seen, ["abc\n", "defg", "hi"]);
        assert_eq!(source.bytes(), 10);
        let whole: String = Sha256::digest(b"abc\ndefghi").iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(source.sha256(), whole);
    }
}
