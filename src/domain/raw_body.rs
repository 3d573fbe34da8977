//! The body of an answer as it is kept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::json::is_plain_object;

/// How much of a raw body is kept: far above any answer of the service (a full page of 200 operations is about
/// 80 KB; a delete's answer is about 400 bytes), and small enough that a hostile endpoint cannot fill the disk.
pub const RAW_BODY_LIMIT_BYTES: usize = 64 * 1024;

/// The body of an answer, at most [`RAW_BODY_LIMIT_BYTES`] of it. All fields are absent if no body was received.
///
/// Each body has one form: `json` if it is whole and one [plain object](is_plain_object), which SQL and other readers can
/// read; else `text` if it is UTF-8 without U+0000; else `base64`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawBody {
    /// The body, if it is a JSON object that all readers read alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<String>,
    /// The body, if it is other text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The body in base64, if it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// The full length in bytes, if the body was not kept whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The SHA-256 of the whole body in hexadecimal, if it was not kept whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Whether secrets that the body quoted were cut out of it. If so, neither length nor hash is kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

impl RawBody {
    /// Keeps `body` by the rules above.
    #[must_use]
    pub fn new(body: &[u8]) -> Self {
        let whole = body.len() <= RAW_BODY_LIMIT_BYTES;
        if whole && let Some(json) = std::str::from_utf8(body).ok().filter(|text| is_plain_object(text)) {
            return Self { json: Some(json.to_owned()), ..Self::default() };
        }
        let kept = Self::beginning(body);
        if whole {
            return kept;
        }
        Self { bytes: Some(body.len() as u64), sha256: Some(sha256(body)), ..kept }
    }

    /// Keeps `body`, out of which secrets were cut.
    #[must_use]
    pub fn without_secrets(body: &[u8]) -> Self {
        let bytes = (body.len() > RAW_BODY_LIMIT_BYTES).then_some(body.len() as u64);
        Self { bytes, cut: true, ..Self::beginning(body) }
    }

    /// What is kept of a body that is not a plain object.
    fn beginning(body: &[u8]) -> Self {
        let kept = body.get(..RAW_BODY_LIMIT_BYTES).unwrap_or(body);
        let text = match (std::str::from_utf8(kept), std::str::from_utf8(body)) {
            (Ok(text), _) => Some(text),
            // The cut lies inside a character; what is before it is still text.
            (Err(error), Ok(_)) => std::str::from_utf8(&kept[..error.valid_up_to()]).ok(),
            (Err(_), Err(_)) => None,
        };
        match text.filter(|text| !text.contains('\0')) {
            Some(text) => Self { text: Some(text.to_owned()), ..Self::default() },
            None => Self { base64: Some(STANDARD.encode(kept)), ..Self::default() },
        }
    }

    /// Only the length and hash; nothing at all if secrets were cut out.
    #[must_use]
    pub fn without_content(self) -> Self {
        if self.cut {
            return Self::default();
        }
        let whole = match (&self.json, &self.text, &self.base64) {
            (Some(text), ..) | (None, Some(text), _) => Some(text.clone().into_bytes()),
            (None, None, Some(base64)) => STANDARD.decode(base64).ok(),
            (None, None, None) => None,
        };
        let (bytes, sha256) = match whole.filter(|_| self.bytes.is_none()) {
            Some(body) => (Some(body.len() as u64), Some(sha256(&body))),
            None => (self.bytes, self.sha256),
        };
        Self { bytes, sha256, ..Self::default() }
    }

    /// Whether a body was received.
    #[must_use]
    pub fn is_there(&self) -> bool {
        *self != Self::default()
    }

    /// The body as text, if all of it is kept as text.
    #[must_use]
    pub fn whole_text(&self) -> Option<&str> {
        self.json.as_deref().or(self.text.as_deref().filter(|_| self.bytes.is_none()))
    }

    /// Whether the fields are consistent with one another. The hash of a body that was kept in part covers the whole body, so
    /// only its form can be checked.
    #[must_use]
    pub fn holds(&self) -> bool {
        if let Self { json: Some(json), text: None, base64: None, bytes: None, sha256: None, cut: false } = self {
            // As below, without a copy: nearly every body is one.
            return json.len() <= RAW_BODY_LIMIT_BYTES && is_plain_object(json);
        }
        let decoded;
        let kept = match (&self.json, &self.text, &self.base64) {
            (Some(text), None, None) | (None, Some(text), None) => text.as_bytes(),
            (None, None, Some(text)) => match STANDARD.decode(text) {
                Ok(bytes) => {
                    decoded = bytes;
                    &*decoded
                }
                Err(_) => return false,
            },
            (None, None, None) => return !self.cut && self.bytes.is_some() == self.sha256.is_some() && self.is_hash(),
            _ => return false,
        };
        let long = self.bytes.is_some_and(|bytes| bytes > RAW_BODY_LIMIT_BYTES as u64);
        if self.bytes.is_some() && !long {
            return false;
        }
        if !long {
            let again = if self.cut { Self::without_secrets(kept) } else { Self::new(kept) };
            return again == *self;
        }
        // Up to three bytes fewer, if the limit falls inside a character.
        let cut = if self.text.is_some() { 3 } else { 0 };
        let length = (RAW_BODY_LIMIT_BYTES - cut..=RAW_BODY_LIMIT_BYTES).contains(&kept.len());
        let form = self.text.as_ref().is_none_or(|text| !text.contains('\0'));
        length && form && self.json.is_none() && self.sha256.is_none() == self.cut && self.is_hash()
    }

    fn is_hash(&self) -> bool {
        let hash =
            |text: &String| text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        self.sha256.as_ref().is_none_or(hash)
    }
}

/// The SHA-256 of `bytes` in lower-case hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    // Not by formatting, which would be too slow: this runs for every entry.
    let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 0xF]);
    digits.map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // SEMANTICS: P21
    #[test]
    fn a_long_body_is_cut_and_says_how_long_it_was() {
        let body = vec![b'x'; RAW_BODY_LIMIT_BYTES + 10];
        let kept = RawBody::new(&body);
        assert_eq!(kept.text.map(|text| text.len()), Some(RAW_BODY_LIMIT_BYTES));
        assert_eq!(kept.bytes, Some(RAW_BODY_LIMIT_BYTES as u64 + 10));
    }

    #[test]
    fn a_body_cut_inside_a_character_stays_text() {
        let mut body = vec![b'x'; RAW_BODY_LIMIT_BYTES - 1];
        body.extend("é".bytes());
        assert_eq!(RawBody::new(&body).text.map(|text| text.len()), Some(RAW_BODY_LIMIT_BYTES - 1));
    }

    #[test]
    fn what_is_kept_belongs_together() {
        let long = [[b'x'; RAW_BODY_LIMIT_BYTES], [b'x'; RAW_BODY_LIMIT_BYTES]].concat();
        for body in
            [&b""[..], b"{}", b"text", b"\xff\x00", b"a\0", &long[1..=RAW_BODY_LIMIT_BYTES], &long, &[0xff; 70_000]]
        {
            for kept in [RawBody::new(body), RawBody::without_secrets(body)] {
                let is_long = body.len() > RAW_BODY_LIMIT_BYTES;
                assert!(kept.holds(), "{} bytes", body.len());
                assert_eq!(kept.bytes.is_some(), is_long);
                assert_eq!(kept.sha256.is_some(), is_long && !kept.cut);
                for other in [
                    RawBody { bytes: Some(7), ..kept.clone() },
                    RawBody { text: Some("x\0".into()), json: None, base64: None, ..kept.clone() },
                    RawBody { json: Some("[]".into()), text: None, base64: None, ..kept.clone() },
                    RawBody {
                        text: Some("{}".into()),
                        json: None,
                        base64: None,
                        cut: false,
                        bytes: None,
                        sha256: None,
                    },
                    RawBody { base64: Some("e30=".into()), text: None, json: None, ..kept.clone() },
                    RawBody { sha256: Some("00".into()), ..kept.clone() },
                    RawBody { sha256: Some("00".repeat(32)), cut: true, ..kept.clone() },
                    RawBody { json: Some("{}".into()), text: Some("{}".into()), base64: None, ..kept.clone() },
                ] {
                    assert!(!other.holds(), "{} bytes: {other:?}", body.len());
                }
                if !kept.cut {
                    let bare = kept.without_content();
                    assert!(bare.holds() && bare.sha256 == Some(sha256(body)) && bare.bytes == Some(body.len() as u64));
                }
            }
        }
        assert!(RawBody::default().holds() && !RawBody::default().is_there(), "no answer");
    }

    #[test]
    fn a_binary_body_is_kept_in_base64() {
        let kept = RawBody::new(&[0xff, 0x00]);
        assert_eq!((kept.text, kept.base64.as_deref()), (None, Some("/wA=")));
    }
}
