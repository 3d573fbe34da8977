//! What became of a checkpoint that was handed to a command: the entry's fields.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::domain::sha256;

/// How much of a receipt is kept: far above a signed time stamp (about 6 KB), and small enough that no command can fill the disk.
pub const RECEIPT_LIMIT_BYTES: usize = 64 * 1024;

/// A checkpoint was handed to the command of `--checkpoint-exec`, and this is what came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointAnchored {
    /// Entries that the checkpoint covers.
    pub size: u64,
    /// Their root, in base64.
    pub root: String,
    /// The command's first word. Its arguments are not kept, because they may be secrets.
    pub program: String,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// With which code it ended, if it ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Why the checkpoint does not count as anchored; absent where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<AnchorFailure>,
    /// For people: more about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What it printed.
    #[serde(flatten)]
    pub receipt: Receipt,
}

/// Why a command did not anchor a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnchorFailure {
    /// It could not be started.
    NotStarted,
    /// It ended with another code than 0.
    Exit,
    /// A signal ended it.
    Signal,
    /// It did not end in time, and was killed.
    Timeout,
}

impl AnchorFailure {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::NotStarted, Self::Exit, Self::Signal, Self::Timeout];

    /// The word that entries have for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::Exit => "exit",
            Self::Signal => "signal",
            Self::Timeout => "timeout",
        }
    }
}

/// What a command printed, at most [`RECEIPT_LIMIT_BYTES`] of it. All fields are absent if it printed nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The receipt, if it is UTF-8 without U+0000.
    #[serde(rename = "receipt", default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The receipt in base64, if it is not.
    #[serde(rename = "receipt_base64", default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// Its full length in bytes, if it was not kept whole.
    #[serde(rename = "receipt_bytes", default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Whether nothing of it was kept, because it contains a secret.
    #[serde(rename = "receipt_cut", default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

impl Receipt {
    /// Keeps what was printed: its beginning, and how long all of it was.
    #[must_use]
    pub fn new(printed: &[u8], bytes: u64) -> Self {
        let kept = printed.get(..RECEIPT_LIMIT_BYTES).unwrap_or(printed);
        let bytes = (bytes > kept.len() as u64).then_some(bytes);
        let text = match std::str::from_utf8(kept) {
            Ok(text) => Some(text),
            // The cut lies inside a character; what is before it is still text.
            Err(error) if bytes.is_some() && error.error_len().is_none() => {
                std::str::from_utf8(&kept[..error.valid_up_to()]).ok()
            }
            Err(_) => None,
        };
        match text.filter(|text| !text.contains('\0')) {
            Some("") if bytes.is_none() => Self::default(),
            Some(text) => Self { text: Some(text.to_owned()), bytes, ..Self::default() },
            None => Self { base64: Some(STANDARD.encode(kept)), bytes, ..Self::default() },
        }
    }

    /// Of a receipt that contains a secret.
    #[must_use]
    pub fn with_a_secret() -> Self {
        Self { cut: true, ..Self::default() }
    }

    /// Its bytes, if all of them are kept.
    #[must_use]
    pub fn whole(&self) -> Option<Vec<u8>> {
        if self.bytes.is_some() {
            return None;
        }
        match (&self.text, &self.base64) {
            (Some(text), None) => Some(text.clone().into_bytes()),
            (None, Some(base64)) => STANDARD.decode(base64).ok(),
            _ => None,
        }
    }

    /// Whether the fields are consistent with one another.
    #[must_use]
    pub fn holds(&self) -> bool {
        let kept = match (&self.text, &self.base64) {
            (None, None) => return self.bytes.is_none(),
            (Some(_), Some(_)) => return false,
            (Some(text), None) => Some(text.len()),
            (None, Some(base64)) => STANDARD.decode(base64).ok().map(|bytes| bytes.len()),
        };
        let Some(kept) = kept.filter(|kept| *kept <= RECEIPT_LIMIT_BYTES && !self.cut) else { return false };
        self.bytes.is_none_or(|bytes| bytes > kept as u64)
    }

    /// For people: what was printed, on one line that is not too long.
    #[must_use]
    pub fn told(&self) -> String {
        match (&self.text, self.whole()) {
            _ if self.cut => "a receipt that contains a secret, and is not kept".to_owned(),
            (Some(text), _) => {
                let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
                let shown: String = line.chars().take(LINE_CHARS).collect();
                let is_all = shown.len() == text.trim().len() && self.bytes.is_none();
                format!("{shown}{}", if is_all { "" } else { " …" })
            }
            (None, Some(bytes)) => format!("{} bytes, SHA-256 {}", bytes.len(), sha256(&bytes)),
            (None, None) if self.base64.is_some() => format!("{} bytes", self.bytes.unwrap_or_default()),
            (None, None) => "no receipt".to_owned(),
        }
    }
}

/// How many characters of a receipt are shown in a line.
const LINE_CHARS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_kept_as_text_or_in_base64_and_bounded() {
        let of = |printed: &[u8]| Receipt::new(printed, printed.len() as u64);
        assert_eq!(of(b""), Receipt::default());
        assert_eq!(of(b"4f2a\n").text.as_deref(), Some("4f2a\n"));
        assert_eq!(of(b"\x30\x82\xff").base64.as_deref(), Some("MIL/"));
        assert_eq!(of(b"a\0b").whole(), Some(b"a\0b".to_vec()));
        let long = [b"x".repeat(RECEIPT_LIMIT_BYTES - 1), "ä".as_bytes().to_vec()].concat();
        let kept = of(&long);
        assert_eq!(kept.text.as_ref().map(String::len), Some(RECEIPT_LIMIT_BYTES - 1), "no half of a character");
        assert_eq!((kept.bytes, kept.whole()), (Some(RECEIPT_LIMIT_BYTES as u64 + 1), None));
        for receipt in [of(b""), of(b"4f2a"), of(b"\xff"), kept, Receipt::with_a_secret()] {
            assert!(receipt.holds(), "{receipt:?}");
            let json = serde_json::to_string(&receipt).unwrap();
            assert_eq!(serde_json::from_str::<Receipt>(&json).unwrap(), receipt);
        }
        let text = || Some("ok".to_owned());
        for wrong in [
            Receipt { text: text(), base64: text(), ..Receipt::default() },
            Receipt { bytes: Some(9), ..Receipt::default() },
            Receipt { text: text(), bytes: Some(2), ..Receipt::default() },
            Receipt { text: text(), cut: true, ..Receipt::default() },
            Receipt { base64: Some("?".into()), ..Receipt::default() },
            Receipt { text: Some("x".repeat(RECEIPT_LIMIT_BYTES + 1)), ..Receipt::default() },
        ] {
            assert!(!wrong.holds(), "{wrong:?}");
        }
    }

    #[test]
    fn the_words_are_those_of_the_entries() {
        for failure in AnchorFailure::ALL {
            assert_eq!(serde_json::to_string(&failure).unwrap(), format!("\"{}\"", failure.as_str()));
        }
    }

    #[test]
    fn a_receipt_is_told_on_one_line() {
        let of = |printed: &[u8]| Receipt::new(printed, printed.len() as u64).told();
        assert_eq!(of(b"\n commit 4f2a \n"), "commit 4f2a");
        assert_eq!(of(b"commit 4f2a\nmore\n"), "commit 4f2a …");
        assert_eq!(of(b""), "no receipt");
        assert!(of(b"\xff\xfe").starts_with("2 bytes, SHA-256 "));
        assert_eq!(of("ä".repeat(200).as_bytes()).chars().count(), LINE_CHARS + 2);
    }
}
