//! What was noted of a row besides its outcome: by the manifest's other columns, and by the plan.

use crate::record::Entry;
use crate::record::event::Event;

/// The manifest's other columns as `column: value`, as a person would write and search them.
pub(super) fn pairs(annotations: &str) -> String {
    let Ok(parsed) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(annotations) else {
        return annotations.to_owned();
    };
    let one = |(column, value): (&String, &serde_json::Value)| match value.as_str() {
        Some(text) => format!("{column}: {text}"),
        None => format!("{column}: {value}"),
    };
    parsed.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// What the guards noted, a line for each. Most rows have none, and are not parsed for it.
pub(super) fn notes(intent: &str) -> Option<String> {
    if !intent.contains(r#""notes":["#) {
        return None;
    }
    let Event::IntentRecorded(intent) = Entry::parse(intent).ok()?.event else { return None };
    let notes = intent.today.as_ref().map_or(&intent.line.notes, |today| &today.notes);
    let lines: Vec<_> = notes.iter().map(|note| format!("{}: {}", note.kind, note.text)).collect();
    Some(lines.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_columns_read_as_they_were_written() {
        assert_eq!(pairs(r#"{"note":"the \"old\" one","owner":"Ann"}"#), r#"note: the "old" one; owner: Ann"#);
        assert_eq!(pairs("not JSON"), "not JSON");
    }
}
