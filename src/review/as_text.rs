//! Values as text: JSON that keeps the order of its fields, and CSV cells that no spreadsheet executes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::journal::Cell;

/// A value as JSON: integers as numbers, bytes in base64.
#[must_use]
pub fn cell_json(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Integer(number) => (*number).into(),
        Cell::Boolean(truth) => (*truth).into(),
        Cell::Real(number) => serde_json::Number::from_f64(*number).map_or(Value::Null, Value::Number),
        Cell::Text(text) => text.as_str().into(),
        Cell::Blob(bytes) => STANDARD.encode(bytes).into(),
    }
}

/// A value as text; none where there is nothing.
#[must_use]
pub fn cell_text(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Null => None,
        Cell::Integer(number) => Some(number.to_string()),
        Cell::Boolean(truth) => Some(truth.to_string()),
        Cell::Real(number) => Some(number.to_string()),
        Cell::Text(text) => Some(text.clone()),
        Cell::Blob(bytes) => Some(STANDARD.encode(bytes)),
    }
}

/// One JSON object on one line, its fields in the order given. No character in it can steer a terminal.
#[must_use]
pub fn json_object(fields: impl IntoIterator<Item = (impl AsRef<str>, Value)>) -> String {
    let mut text = String::from("{");
    for (index, (name, value)) in fields.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text += &json_text(&Value::from(name.as_ref()));
        text.push(':');
        text += &json_text(&value);
    }
    text.push('}');
    text
}

/// Compact JSON in which DEL, the C1 controls and the characters that turn the reading direction or cannot be seen are
/// escaped too.
#[must_use]
pub fn json_text(value: &Value) -> String {
    json_escaped(value.to_string())
}

/// The same of JSON that is a text already: what it means stays, and nothing in it can steer a terminal.
#[must_use]
pub fn json_escaped(plain: String) -> String {
    use std::fmt::Write as _;
    if plain.is_ascii() && !plain.contains('\u{7f}') {
        return plain;
    }
    plain.chars().fold(String::with_capacity(plain.len()), |mut text, c| {
        match u32::from(c) {
            code @ (0x7f..=0x9f | 0x61c | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff) => {
                let _ = write!(text, "\\u{code:04x}");
            }
            _ => text.push(c),
        }
        text
    })
}

/// A cell that no spreadsheet takes for a formula, and that holds no terminal escapes: one that begins with `=`, `+`,
/// `-`, `@`, their full-width forms, a tab or a line end gets an apostrophe before it, and characters that control
/// a terminal or the reading direction are replaced.
///
/// A cell that begins with an apostrophe gets another one, so removing one leading apostrophe from each cell restores what was
/// there. A negative number stays as it is: it is a number for a spreadsheet, too.
#[must_use]
pub fn csv_cell(cell: &str) -> String {
    let steers = |c: char| {
        c.is_control() && !matches!(c, '\n' | '\t' | '\r')
            || matches!(u32::from(c), 0x61C | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFEFF)
    };
    let clean: String = cell.chars().map(|c| if steers(c) { char::REPLACEMENT_CHARACTER } else { c }).collect();
    // Some spreadsheets take the full-width forms for the plain ones.
    const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
    let escaped = clean.starts_with('\'') || clean.starts_with(FORMULA) && !is_negative_number(&clean);
    if escaped { format!("'{clean}") } else { clean }
}

/// Digits behind a minus, with at most one point between them.
fn is_negative_number(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('-') else { return false };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, part].iter().all(|run| !run.is_empty() && run.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order() {
        let fields = [("b", cell_json(&Cell::Integer(1))), ("a", cell_json(&Cell::Blob(vec![0xff, 0])))];
        assert_eq!(json_object(fields), r#"{"b":1,"a":"/wA="}"#);
        assert_eq!(json_text(&Value::from("é\u{9b}\u{202e}\u{1b}")), "\"é\\u009b\\u202e\\u001b\"");
    }

    #[test]
    fn formulas_and_escapes_are_defused() {
        assert_eq!(csv_cell("=1+1"), "'=1+1");
        assert_eq!(csv_cell("\tx"), "'\tx");
        assert_eq!(csv_cell("a\u{1b}[31mb"), "a\u{fffd}[31mb");
        assert_eq!(csv_cell("_key-1"), "_key-1");
        // Reversible: `'=x` and `=x` differ. A number stays one.
        assert_eq!((csv_cell("=x"), csv_cell("'=x"), csv_cell("'x")), ("'=x".into(), "''=x".into(), "''x".into()));
        assert_eq!((csv_cell("-5"), csv_cell("-0.5")), ("-5".into(), "-0.5".into()));
        for formula in ["-5+1", "-", "-.5", "-5.", "+5", "-1.2.3", "--5"] {
            assert_eq!(csv_cell(formula), format!("'{formula}"));
        }
        assert_eq!(csv_cell("\u{ff1d}1+1"), "'\u{ff1d}1+1");
        assert_eq!(csv_cell("a\u{202e}b"), "a\u{fffd}b");
        assert_eq!(csv_cell("a\tb\r\nc"), "a\tb\r\nc");
    }

    #[test]
    fn nothing_steers_a_terminal_or_the_reading_direction() {
        for code in [0x7f, 0x9b, 0x61c, 0x200b, 0x200f, 0x2028, 0x202e, 0x2060, 0x206f, 0xfeff] {
            let steers = char::from_u32(code).unwrap().to_string();
            assert_eq!(json_text(&Value::from(steers.clone())), format!("\"\\u{code:04x}\""));
            assert_eq!(csv_cell(&format!("a{steers}")), "a\u{fffd}", "{code:x}");
        }
    }
}
