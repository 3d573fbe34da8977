//! The names that Lightsail accepts.

/// The service refuses longer names.
pub(super) const NAME_MAX: usize = 255;

/// `^\w[\w\-]*\w$` in ASCII, up to 255 characters.
pub(super) fn is_name(name: &str) -> bool {
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let bytes = name.as_bytes();
    let ends = bytes.first().is_some_and(word) && bytes.last().is_some_and(word);
    (2..=NAME_MAX).contains(&bytes.len()) && ends && bytes.iter().all(|byte| word(byte) || *byte == b'-')
}
