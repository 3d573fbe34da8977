//! Words that exporters and people write where they had no value.

/// In lower case. A key pair may be called `null`, so these are looked for only where a condition should be.
const WORDS: [&str; 44] = [
    "-",
    "--",
    "---",
    "–",
    "—",
    ".",
    "..",
    "...",
    "…",
    "?",
    "*",
    "\\n",
    "[]",
    "{}",
    "''",
    "\"\"",
    "na",
    "n/a",
    "n.a.",
    "n/v",
    "k.a.",
    "#n/a",
    "#nv",
    "#ref!",
    "#value!",
    "#name?",
    "none",
    "(none)",
    "null",
    "(null)",
    "nil",
    "(nil)",
    "nan",
    "undefined",
    "unknown",
    "unbekannt",
    "not available",
    "not applicable",
    "not found",
    "no value",
    "missing",
    "empty",
    "tbd",
    "todo",
];

/// Whether a value stands for none. White space around it, and around words in angle brackets (`<nil>`), does not matter.
pub(super) fn is_placeholder(value: &str) -> bool {
    let value = value.trim();
    let inner = value.strip_prefix('<').and_then(|value| value.strip_suffix('>')).unwrap_or(value).trim();
    // The longest word has 14 characters, and none has a digit: few values are put into lower case.
    let short = inner.len() <= 16 && !inner.bytes().any(|b| b.is_ascii_digit());
    short && WORDS.contains(&inner.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_of_many_writers() {
        // Python, jq and JSON, Go's templates, pandas, JavaScript, Excel, C, MySQL, people.
        let words =
            "None|null|<nil>|<no value>|NaN|<NA>|undefined|#N/A|(null)|\\N|N/A|n/a|NULL|-| — |unknown|TBD|<none>";
        for word in words.split('|') {
            assert!(is_placeholder(word), "{word}");
        }
        for value in ["", "us-east-1", "none-of-these", "nullable", "3f:9a", "0"] {
            assert!(!is_placeholder(value), "{value}");
        }
    }
}
