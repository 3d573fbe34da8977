//! Two fingerprints that are not the same text: is it another key, another form of the same value, or another digest?
//!
//! Fingerprints are compared exactly, and nothing here makes two of them equal. It only says why they differ, because "the key
//! has changed" is an alarm, and "it is written in capitals" is none.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Base64 as people copy it: with `=` at the end or without, and whatever its last bits are.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Why the fingerprint that was seen is not the one that is expected; nothing where all that is known is that it is another.
pub(super) fn difference(expected: &str, found: &str) -> Option<String> {
    let (expected, found) = (Digest::parse(expected)?, Digest::parse(found)?);
    if expected.bytes == found.bytes {
        return Some("only the form differs: it is the same value, written otherwise".to_owned());
    }
    if expected.bytes.len() == found.bytes.len() {
        return None;
    }
    let (one, other) = (expected.name(), found.name());
    Some(format!(
        "that is {one}, the service has {other}, so the two cannot be compared and do not show that the key changed (RSA keys that \
         AWS made have SHA-1, 20 bytes; imported ones MD5, 16 bytes)"
    ))
}

/// A fingerprint as bytes.
struct Digest {
    bytes: Vec<u8>,
}

impl Digest {
    /// Reads any of the usual forms: pairs of hexadecimal digits with or without separators, in any case, or base64; with
    /// the name of the digest before it or not.
    fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        for name in ["MD5:", "SHA1:", "SHA-1:", "SHA256:", "SHA-256:"] {
            if rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)) {
                rest = &rest[name.len()..];
                break;
            }
        }
        let digits: Vec<u8> = rest.bytes().filter(|b| !matches!(b, b':' | b'-' | b' ')).collect();
        let bytes = if digits.iter().all(u8::is_ascii_hexdigit) && digits.len().is_multiple_of(2) {
            digits
                .chunks(2)
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
                .collect::<Option<_>>()?
        } else {
            BASE64.decode(rest).ok()?
        };
        matches!(bytes.len(), 16 | 20 | 32).then_some(Self { bytes })
    }

    fn name(&self) -> &'static str {
        match self.bytes.len() {
            16 => "an MD5 (16 bytes)",
            20 => "a SHA-1 (20 bytes)",
            _ => "a SHA-256 (32 bytes)",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA1: &str = "b8:02:6e:d1:4f:97:a3:5c:20:ee:71:0b:c9:86:3d:fa:12:67:54:9e";

    #[test]
    fn forms_of_one_value() {
        let base64 = BASE64.encode(Digest::parse(SHA1).map(|digest| digest.bytes).unwrap_or_default());
        for other in [
            SHA1.to_uppercase(),
            SHA1.replace(':', ""),
            SHA1.replace(':', "-"),
            format!("SHA1:{SHA1}"),
            format!(" {SHA1}"),
            base64.trim_end_matches('=').to_owned(),
            format!("SHA1:{base64}"),
        ] {
            assert!(difference(&other, SHA1).is_some_and(|text| text.starts_with("only the form")), "{other}");
        }
    }

    // EC2's documentation on fingerprints, which Lightsail's follow: a key pair that AWS makes has the SHA-1 of the private key,
    // an imported one the MD5 of the public key; ssh-keygen prints SHA-256.
    #[test]
    fn digests_that_cannot_be_compared() {
        for (other, name) in [
            ("MD5:89:c5:99:b5:33:48:1c:84:be:da:cb:97:45:b0:4a:ee", "an MD5"),
            ("89c599b533481c84bedacb9745b04aee", "an MD5"),
            ("SHA256:ENShRe/0uDLSw9c+7tc9PxkDp4blyBDTgBSIyTAJYaa", "a SHA-256"),
        ] {
            let said = difference(other, SHA1).unwrap_or_default();
            assert!(said.contains(&format!("that is {name}")) && said.contains("the service has a SHA-1"), "{said}");
        }
    }

    #[test]
    fn another_key_is_another_key() {
        assert_eq!(difference(&SHA1.replace("b8", "b9"), SHA1), None);
        assert_eq!(difference("aa:bb", SHA1), None);
        assert_eq!(difference("anything", "opaque"), None);
    }
}
