//! Canonical JSON of any value that has one, by way of a tree: for what cannot be written at once.

use serde_json::Value;

use super::MAX_INTEGER;

/// Canonical JSON (RFC 8785).
///
/// serde_json writes the same escapes, and the same integers; its maps are in the order of their keys' bytes. That is
/// the order of RFC 8785, too, unless a key (only annotations have free ones) has a character beyond U+D7FF.
pub(in crate::record) fn by_tree(value: &Value) -> Result<String, String> {
    let ordered = ordered_by_bytes(value).map_err(|number| format!("{number} is no integer up to 2^53"))?;
    let text = if ordered { serde_json::to_string(value) } else { serde_json_canonicalizer::to_string(value) };
    text.map_err(|error| error.to_string())
}

/// Whether keys in the order of their bytes are in the order of their UTF-16 code units, too. Canonical JSON makes
/// doubles of numbers: an integer beyond 2^53 or a fraction would not come back as it was, and is an error.
fn ordered_by_bytes(value: &Value) -> Result<bool, &serde_json::Number> {
    match value {
        Value::Number(number) if number.as_u64().is_none_or(|number| number > MAX_INTEGER) => Err(number),
        Value::Array(items) => items.iter().try_fold(true, |ordered, item| Ok(ordered_by_bytes(item)? && ordered)),
        Value::Object(fields) => fields.iter().try_fold(true, |ordered, (key, value)| {
            Ok(ordered_by_bytes(value)? && ordered && key.chars().all(|c| c < '\u{e000}'))
        }),
        _ => Ok(true),
    }
}
