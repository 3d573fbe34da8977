//! Shapes by which values are recognised in any column.

/// The longest text that counts as a region: today's longest has 14 characters, and the text becomes part of a host name,
/// whose labels have at most 63.
const MAX_REGION_BYTES: usize = 63;

/// Words of lower-case letters and digits joined by dashes, the first of letters, the last a number: `us-gov-east-1`.
pub(super) fn is_region(text: &str) -> bool {
    let Some((area, rest)) = text.split_once('-') else { return false };
    let Some((_, number)) = text.rsplit_once('-') else { return false };
    let mut after_dash = true;
    let mut fits = |b: u8| {
        let doubled = after_dash && b == b'-';
        after_dash = b == b'-';
        !doubled && matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')
    };
    text.len() <= MAX_REGION_BYTES
        && area.len() >= 2
        && area.bytes().all(|b| b.is_ascii_lowercase())
        && rest.len() > number.len()
        && rest.bytes().all(&mut fits)
        && !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit())
}

/// A number in the form in which spreadsheets write rounded ones: `1.23457E+11`, `1,23457E+11`.
pub(super) fn is_scientific(text: &str) -> bool {
    text.split_once(['e', 'E']).is_some_and(|(mantissa, exponent)| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits(&mantissa.replacen(['.', ','], "", 1)) && digits(exponent)
    })
}
