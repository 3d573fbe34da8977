//! The head of a journal as a short text (C2SP tlog-checkpoint): origin, size, root, one a line. Held elsewhere, it
//! exposes truncation, rollback and rewriting.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::merkle::Hash;

/// A journal's head at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The journal's id; the origin is `keybatch/<id>`.
    pub journal_id: String,
    /// Entries covered: those with `seq` below this.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Hash,
}

/// A text that is no checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a checkpoint: {why}")]
pub struct CheckpointError {
    why: &'static str,
}

impl Checkpoint {
    /// The checkpoint of so many entries with this root, in base64; `None` where that is no hash.
    #[must_use]
    pub fn of(journal_id: &str, size: u64, root: &str) -> Option<Self> {
        let root = STANDARD.decode(root).ok()?.try_into().ok()?;
        Some(Self { journal_id: journal_id.to_owned(), size, root })
    }

    /// The three lines, each ended by a line feed.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("keybatch/{}\n{}\n{}\n", self.journal_id, self.size, base64(&self.root))
    }

    /// Reads every checkpoint in `text`: each begins with its origin. Also says how many begin and are not whole: a
    /// power loss may tear the one that was being appended, and what was held before is worth no less for it.
    ///
    /// # Errors
    /// Where there is none that is whole.
    pub fn parse_all(text: &str) -> Result<(Vec<Self>, usize), CheckpointError> {
        let starts: Vec<usize> = text
            .match_indices("keybatch/")
            .map(|(at, _)| at)
            .filter(|at| *at == 0 || text.as_bytes().get(at - 1) == Some(&b'\n'))
            .chain([text.len()])
            .collect();
        if starts.len() < 2 {
            return Err(CheckpointError { why: "no line begins with keybatch/" });
        }
        let parsed: Vec<_> = starts.windows(2).map(|pair| Self::parse_last(&text[pair[0]..pair[1]])).collect();
        let whole: Vec<Self> = parsed.iter().filter_map(|read| read.as_ref().ok().cloned()).collect();
        let torn = parsed.len() - whole.len();
        match parsed.into_iter().next_back() {
            Some(Err(error)) if whole.is_empty() => Err(error),
            _ => Ok((whole, torn)),
        }
    }

    /// Reads the *last* checkpoint in `text`, which may hold several, one after the other (as `--checkpoint-to`
    /// appends them), blank lines between them.
    ///
    /// # Errors
    /// Where there is none, or the last one is not complete.
    pub fn parse_last(text: &str) -> Result<Self, CheckpointError> {
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        let begin = lines
            .iter()
            .rposition(|line| line.starts_with("keybatch/"))
            .ok_or(CheckpointError { why: "no line begins with keybatch/" })?;
        let [origin, size, root, ..] = &lines[begin..] else {
            return Err(CheckpointError { why: "it needs an origin, a size and a root, one a line" });
        };
        let journal_id = origin.trim_start_matches("keybatch/").to_owned();
        if journal_id.is_empty() || !journal_id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(CheckpointError { why: "its origin names no journal" });
        }
        let digits = size.bytes().all(|byte| byte.is_ascii_digit()) && (*size == "0" || !size.starts_with('0'));
        let size = size.parse().ok().filter(|_| digits).ok_or(CheckpointError { why: "the size is no number" })?;
        let root = STANDARD.decode(root).ok().and_then(|bytes| bytes.try_into().ok());
        let root = root.ok_or(CheckpointError { why: "the root is not 32 bytes in base64" })?;
        Ok(Self { journal_id, size, root })
    }
}

/// A hash in base64, as checkpoints and the summary carry it.
#[must_use]
pub fn base64(hash: &Hash) -> String {
    STANDARD.encode(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_several_is_read() {
        let first = Checkpoint { journal_id: "a".into(), size: 3, root: [1; 32] };
        let second = Checkpoint { size: 9, ..first.clone() };
        let text = format!("{}\n{}", first.to_text(), second.to_text());
        assert_eq!(Checkpoint::parse_last(&text), Ok(second.clone()));
        assert_eq!(Checkpoint::parse_all(&text), Ok((vec![first.clone(), second.clone()], 0)));
        let torn = format!("{}\nkeybatch/a\n7\nAAAA\n{}", first.to_text(), second.to_text());
        assert_eq!(Checkpoint::parse_all(&torn), Ok((vec![first.clone(), second], 1)));
        let torn_at_the_end = format!("{}\nkeybatch/a\n7\nAAAA\n", first.to_text());
        assert_eq!(Checkpoint::parse_all(&torn_at_the_end), Ok((vec![first.clone()], 1)));
        assert_eq!(Checkpoint::parse_all(&first.to_text()), Ok((vec![first], 0)));
        assert!(Checkpoint::parse_all("").is_err());
        assert!(Checkpoint::parse_all("keybatch/a\n7\nAAAA\n").is_err());
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        for text in ["", "keybatch/a\n3\n", "keybatch/a\n-3\nAAAA\n", "keybatch/a\n03\nAAAA\n", "keybatch/a\n3\nAAAA\n"]
        {
            assert!(Checkpoint::parse_last(text).is_err(), "{text:?}");
        }
        let sized = |size: &str| format!("keybatch/a\n{size}\n{}\n", base64(&[1; 32]));
        assert!(Checkpoint::parse_last(&sized("0")).is_ok_and(|checkpoint| checkpoint.size == 0));
        for size in ["00", "03", "+3", "-3", "3x", "18446744073709551616"] {
            assert!(Checkpoint::parse_last(&sized(size)).is_err(), "{size}");
        }
        // A sector that was not written reads as zeros.
        for id in ["", "a\0\0", "a b", "\u{fffd}"] {
            let torn = Checkpoint { journal_id: id.into(), size: 3, root: [1; 32] };
            assert!(Checkpoint::parse_last(&torn.to_text()).is_err(), "{id:?}");
        }
    }
}
