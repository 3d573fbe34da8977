//! A report as one JSON object.

use super::facts::Report;
use crate::review::as_text::json_text;

/// `keybatch.report/1`, on one line. No character in it can steer a terminal.
#[must_use]
pub fn json(report: &Report) -> String {
    // It holds only text and numbers, so this cannot fail.
    format!("{}\n", json_text(&serde_json::to_value(report).unwrap_or_default()))
}
