//! Values as the text of a statement. Each call is one message without parameters of its own: a statement that is prepared first
//! needs a second round trip, and a pooler may hand the two to different servers.
//!
//! Every text is quoted with a tag that does not occur in it, so that no setting of the server changes how it is read.

use std::fmt::Write as _;

/// A text in dollar quotes. It must not hold U+0000, which the server could not keep either.
pub(super) fn text(value: &str) -> String {
    let mut tag = "$k".to_owned();
    // Without the tag's last character, because the text's own end could complete it.
    let mut number = 0_u32;
    while value.contains(&tag) {
        number += 1;
        tag = format!("$k{number}");
    }
    format!("{tag}${value}{tag}$")
}

/// Bytes.
pub(super) fn bytes(value: &[u8]) -> String {
    format!("pg_catalog.decode('{}', 'hex')", hex(value))
}

fn hex(value: &[u8]) -> String {
    value.iter().fold(String::with_capacity(2 * value.len()), |mut hex, byte| {
        let _infallible = write!(hex, "{byte:02x}");
        hex
    })
}

/// Bytes from hexadecimal digits; `None` if they are none.
pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pair = |pair: &[u8]| u8::try_from(digit(pair[0])? * 16 + digit(*pair.get(1)?)?).ok();
    text.as_bytes().chunks(2).map(pair).collect()
}

/// A number. What does not fit is no number of any row.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// An array of numbers.
pub(super) fn numbers(values: impl Iterator<Item = u64>) -> String {
    let values: Vec<_> = values.map(|value| number(value).to_string()).collect();
    format!("'{{{}}}'", values.join(","))
}

/// An array of texts.
pub(super) fn texts<'a>(values: impl Iterator<Item = &'a str>) -> String {
    array(values.map(|value| value.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// An array of hashes.
pub(super) fn hashes<'a>(values: impl Iterator<Item = &'a [u8; 32]>) -> String {
    array(values.map(|value| format!("\\\\x{}", hex(value))))
}

fn array(elements: impl Iterator<Item = String>) -> String {
    let elements: Vec<_> = elements.map(|element| format!("\"{element}\"")).collect();
    text(&format!("{{{}}}", elements.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_its_own_quotes() {
        for (value, quoted) in [
            ("", "$k$$k$"),
            ("it's \\ fine", "$k$it's \\ fine$k$"),
            ("a$k$b", "$k1$a$k$b$k1$"),
            ("ends with $k", "$k1$ends with $k$k1$"),
            ("$k1 $k2", "$k3$$k1 $k2$k3$"),
        ] {
            assert_eq!(text(value), quoted);
        }
    }

    #[test]
    fn arrays_keep_every_character_of_their_texts() {
        assert_eq!(texts(["a", "\"b\\", "NULL", ""].into_iter()), "$k${\"a\",\"\\\"b\\\\\",\"NULL\",\"\"}$k$");
        assert_eq!(numbers([1, u64::MAX].into_iter()), "'{1,9223372036854775807}'");
        assert_eq!(from_hex("00ff"), Some(vec![0, 255]));
        assert_eq!([from_hex("0"), from_hex("0g")], [None, None]);
        assert_eq!(bytes(&[0, 255]), "pg_catalog.decode('00ff', 'hex')");
    }
}
